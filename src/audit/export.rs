//! Ledger entries in the forms that others read: Logboek Dataverwerkingen, NEN 7513, Authorization Decision
//! Log, and plain words for the person the data is about.
//!
//! For `buurtpoort audit export`. Fields and sources: `docs/ledger.md`. Invariant: an export says nothing that
//! the ledger does not say; the record of processing names no user, and joins with the record of who did it on
//! trace and span alone. Absent: reading entries, and who the data subjects of a case are.

use serde_json::{Value, json};

use super::entry::{Entry, Event, Outcome, Position};
use crate::crypto::digest::{hex, sha256};

/// An entry as it was read, with its place and the hash of its bytes.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub entry: Entry,
    /// RFC 6962 hash of its leaf.
    pub leaf_hash: [u8; 32],
}

impl Line {
    /// 16 bytes in hex: those of the request; of an entry without a request, those of its leaf.
    fn trace(&self) -> String {
        let trace = self.entry.request.trace.as_str();
        if trace.is_empty() {
            hex(self.leaf_hash.get(..16).unwrap_or_default())
        } else {
            trace.to_owned()
        }
    }

    /// 8 bytes in hex, for the `nth` data subject.
    fn span(&self, nth: u32) -> String {
        let made = sha256(&[self.leaf_hash.as_slice(), &nth.to_be_bytes()].concat());
        hex(made.get(..8).unwrap_or_default())
    }

    const fn milliseconds(&self) -> i64 {
        self.position.ts_us.div_euclid(1_000)
    }

    /// The host in the name of the log.
    fn host(&self) -> &str {
        self.position.log.as_str().split('/').next().unwrap_or_default()
    }

    fn activity(&self) -> String {
        format!("https://{}/verwerkingsactiviteiten/{}", self.host(), self.entry.purpose.as_str())
    }

    /// The ledger's name for the object in hex.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        self.entry.object.reference.as_ref().map(|reference| hex(reference))
    }

    fn codes(&self) -> Vec<&str> {
        self.entry.fields.iter().map(super::entry::Code::as_str).collect()
    }

    fn rules(&self) -> Vec<&str> {
        self.entry.policy.rules.iter().map(super::entry::Code::as_str).collect()
    }
}

/// A record of Logboek Dataverwerkingen about the `nth` data subject, who goes by `subject`. Names no user.
#[must_use]
pub fn logboek(line: &Line, nth: u32, subject: &str) -> Value {
    let failed = matches!(line.entry.event, Event::ReleaseAborted);
    json!({
        "trace_id": line.trace(),
        "span_id": line.span(nth),
        "status_code": if failed { "STATUS_CODE_ERROR" } else { "STATUS_CODE_UNSET" },
        "name": line.entry.event.as_str(),
        "start_time": line.milliseconds(),
        "end_time": line.milliseconds(),
        "resource": {"attributes": {"service.name": "buurtpoort"}},
        "attributes": {
            "dpl.core.processing_activity_id": line.activity(),
            "dpl.core.data_subject_id": subject,
            "dpl.core.data_subject_id_type": "buurtpoort-pseudonym",
        },
    })
}

/// A record with the fields of NEN 7513, for the same trace and span as [`logboek`].
#[must_use]
pub fn nen7513(line: &Line, nth: u32, subject: &str) -> Value {
    let entry = &line.entry;
    let outcome = match entry.outcome {
        Outcome::Allow => 0,
        Outcome::Deny => 4,
        Outcome::Error => 8,
    };
    json!({
        "trace_id": line.trace(),
        "span_id": line.span(nth),
        "EventID": entry.event.as_str(),
        "EventActionCode": action_code(entry.event),
        "EventDateTime": line.milliseconds(),
        "EventOutcomeIndicator": outcome,
        "EventReason": entry.why.as_str(),
        "UserID": entry.actor.subject.as_str(),
        "UserOrganizationID": entry.actor.organisation.as_str(),
        "UserIsRequestor": true,
        "RoleIDCode": entry.actor.role.as_str(),
        "NodeAuthentication": entry.actor.certificate.as_ref().map(|print| hex(print)),
        "AuditSourceID": line.position.log.as_str(),
        "AuditSequence": line.position.seq,
        "ParticipantObjectTypeCode": 1,
        "ParticipantObjectTypeCodeRole": 1,
        "ParticipantObjectID": subject,
        "ParticipantObjectIDTypeCode": "buurtpoort-pseudonym",
        "ParticipantObjectDetail": line.codes(),
        "PurposeOfUse": entry.purpose.as_str(),
        "AuthorizationBasis": entry.basis.as_str(),
        "AuthorizationRules": line.rules(),
        "EmergencyAccess": false,
    })
}

/// Create, read, update or execute, as RFC 3881 has them.
const fn action_code(event: Event) -> &'static str {
    match event {
        Event::ReferralAccepted | Event::ReferralRefused => "C",
        Event::ReferralWithdrawn
        | Event::ConsentGiven
        | Event::ConsentRefused
        | Event::ConsentWithdrawn
        | Event::AssignmentMade
        | Event::CaseTransition
        | Event::PairingMade
        | Event::PairingMoved
        | Event::PairingEvaluated
        | Event::GoalsChanged
        | Event::CaseCorrected
        | Event::AccessRequested
        | Event::StatisticsObjected
        | Event::LinkDecided => "U",
        Event::EraseDone => "D",
        Event::ReleaseIntent
        | Event::ReleaseDone
        | Event::ReleaseAborted
        | Event::AccessDenied
        | Event::CaseRead
        | Event::StatsRead
        | Event::AuditRead => "R",
        _ => "E",
    }
}

/// A record of the Authorization Decision Log around an AuthZEN evaluation; `None` for an entry that records
/// no decision of a policy.
#[must_use]
pub fn authzen(line: &Line) -> Option<Value> {
    let entry = &line.entry;
    let policy = entry.policy.hash.as_ref()?;
    let mut reasons = entry.why.as_str().split(':');
    let action = reasons.next().filter(|action| !action.is_empty())?;
    let reasons: Vec<&str> = reasons.collect();
    Some(json!({
        "trace_id": line.trace(),
        "span_id": line.span(0),
        "event_name": "adl.access_evaluation",
        "timestamp": line.milliseconds(),
        "status": "Unset",
        "attributes": {
            "adl.core.policies": {"sha256": hex(policy)},
            "buurtpoort.ledger.log": line.position.log.as_str(),
            "buurtpoort.ledger.index": line.position.seq,
        },
        "resource": {"service.name": "buurtpoort"},
        "body": {
            "adl.core.request": {
                "subject": {
                    "type": entry.actor.role.as_str(),
                    "id": entry.actor.subject.as_str(),
                    "properties": {"organisation": entry.actor.organisation.as_str()},
                },
                "action": {"name": action},
                "resource": {"type": entry.object.kind.as_str(), "id": line.object().unwrap_or_default()},
                "context": {"purpose": entry.purpose.as_str(), "basis": entry.basis.as_str()},
            },
            "adl.core.response": {
                // A request that the state of things did not allow was allowed by the policies.
                "decision": entry.outcome != Outcome::Deny,
                "context": {"rules": line.rules(), "reasons": reasons},
            },
        },
    }))
}

/// One line of "who looked at my data".
#[must_use]
pub fn inzage(line: &Line) -> Value {
    let entry = &line.entry;
    json!({
        "at": instant(line.position.ts_us),
        "what": words(entry),
        "event": entry.event.as_str(),
        "outcome": entry.outcome.as_str(),
        "organisation": entry.actor.organisation.as_str(),
        "role": entry.actor.role.as_str(),
        "person": entry.actor.subject.as_str(),
        "purpose": entry.purpose.as_str(),
        "basis": entry.basis.as_str(),
        "fields": line.codes(),
        "ledgerIndex": line.position.seq,
    })
}

/// The same line for people.
#[must_use]
pub fn inzage_text(line: &Line) -> String {
    let entry = &line.entry;
    let fields = line.codes();
    let shown = if fields.is_empty() { String::new() } else { format!("; {}", fields.join(", ")) };
    let role = entry.actor.role.as_str();
    let who = if role.is_empty() { "the gateway" } else { role };
    format!(
        "{}  {} (by {who}, organisation {}, known here as {}; purpose {}; {}{shown}) [ledger entry {}]",
        instant(line.position.ts_us),
        words(entry),
        or_none(entry.actor.organisation.as_str()),
        or_none(entry.actor.subject.as_str()),
        or_none(entry.purpose.as_str()),
        or_none(entry.basis.as_str()),
        line.position.seq,
    )
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn instant(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// What happened, in words.
fn words(entry: &Entry) -> &'static str {
    match (entry.event, entry.outcome) {
        (Event::ReleaseIntent, Outcome::Deny) => "asked who the family is, and was refused",
        (_, Outcome::Deny) => "asked for something about the case, and was refused",
        (_, Outcome::Error) => "asked for something that the state of the case did not allow",
        (Event::ReferralAccepted, _) => "sent the referral",
        (Event::ReferralWithdrawn, _) => "took the referral back",
        (Event::ReleaseIntent, _) => "was allowed to see who the family is",
        (Event::ReleaseDone, _) => "saw who the family is",
        (Event::ReleaseAborted, _) => "did not get to see who the family is, though allowed",
        (Event::ConsentGiven, _) => "passed on a consent",
        (Event::ConsentRefused, _) => "passed on that consent was refused",
        (Event::ConsentWithdrawn, _) => "passed on that consent was withdrawn",
        (Event::AssignmentMade, _) => "gave the case to a coordinator",
        (Event::CaseRead, _) => "read about the case, without names",
        (Event::CaseTransition, _) => "took the case a step further",
        (Event::PairingMade, _) => "introduced the family to a support family",
        (Event::PairingMoved, _) => "took a pairing a step further, or ended it",
        (Event::PairingEvaluated, _) => "evaluated a pairing",
        (Event::GoalsChanged, _) => "said where a goal of the plan stands",
        (Event::AccessRequested, _) => "kept that somebody asked to see what is kept",
        (Event::CaseCorrected, _) => "corrected what is kept",
        (Event::StatisticsObjected, _) => "passed on that the family will not be counted",
        (Event::LinkDecided, _) => "said whether two referrals are of one family",
        (Event::AuditRead, _) => "read who had looked",
        (Event::EraseDone, _) => "erased the case",
        _ => "did something about the case",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::Code;
    use crate::audit::entry::tests::{full, position};

    fn line() -> Line {
        Line { position: position(7, [0; 32]), entry: full(), leaf_hash: [9; 32] }
    }

    #[test]
    fn the_record_of_processing_has_its_fields_and_names_no_user() {
        let (line, record) = (line(), logboek(&line(), 0, "bp1.subject.1.X"));
        for field in ["trace_id", "span_id", "status_code", "name", "start_time", "end_time"] {
            assert!(!record[field].is_null(), "{field}");
        }
        assert_eq!(record["span_id"].as_str().map(str::len), Some(16));
        assert_eq!(record["attributes"]["dpl.core.data_subject_id"], "bp1.subject.1.X");
        let text = record.to_string();
        let actor = &line.entry.actor;
        for user in [actor.subject.as_str(), actor.organisation.as_str()] {
            assert!(!user.is_empty() && !text.contains(user), "it names {user}");
        }
        let who = nen7513(&line, 0, "bp1.subject.1.X");
        assert!(who.to_string().contains(actor.subject.as_str()), "control: the other record does");
        assert_eq!((&who["trace_id"], &who["span_id"]), (&record["trace_id"], &record["span_id"]));
        let second = logboek(&line, 1, "bp1.subject.1.Y");
        assert_eq!(second["trace_id"], record["trace_id"]);
        assert_ne!(second["span_id"], record["span_id"]);
    }

    #[test]
    fn a_decision_is_request_response_and_policy() {
        let record = authzen(&line()).unwrap();
        assert_eq!(record["event_name"], "adl.access_evaluation");
        assert_eq!(record["body"]["adl.core.response"]["decision"], true);
        assert!(record["attributes"]["adl.core.policies"]["sha256"].is_string());
        let deny = Line { entry: Entry { outcome: Outcome::Deny, ..full() }, ..line() };
        assert_eq!(authzen(&deny).unwrap()["body"]["adl.core.response"]["decision"], false);
        let none = Line { entry: Entry::new(Event::ReleaseDone, Outcome::Allow), ..line() };
        assert_eq!(authzen(&none), None);
    }

    #[test]
    fn people_read_words() {
        let intent = inzage_text(&line());
        assert!(intent.contains("was allowed to see who the family is"), "{intent}");
        let refused = Line { entry: Entry { outcome: Outcome::Deny, ..full() }, ..line() };
        assert!(inzage_text(&refused).contains("was refused"));
        assert_eq!(inzage(&line())["ledgerIndex"], 7);
        let bare = Line { entry: Entry::new(Event::StatsPublished, Outcome::Allow), ..line() };
        assert!(inzage_text(&bare).contains("organisation none"));
        let mut empty = full();
        empty.request.trace = Code::default();
        assert_eq!(Line { entry: empty, ..line() }.trace().len(), 32);
    }
}
