//! The evaluation itself.

use super::authority::{Holders, Requirement, replaced};
use super::signatures::Decisions;
use super::{Decision, Outcome};
use crate::domain::age::{date_in_amsterdam, months_later};
use crate::domain::consent::{
    Action, Authority, AuthorityType, Category, Consent, Purpose, Reason, Request,
    SignatureDecision, SubjectFacts, SubjectRef, Switches,
};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Judges one use of a family's data on the consent for it; all reasons, not only the first.
///
/// `consent` is the record as stored, `None` when there is none. Total over all inputs.
///
/// Two answers stand alone, because no consent could change them: a child-protection report goes
/// outside the gateway, and an objection to statistics ends the question.
#[must_use]
pub fn evaluate(request: &Request, consent: Option<&Consent>, switches: Switches) -> Outcome {
    let mut findings = Findings::default();
    forbidden(request, &mut findings);
    if request.child_protection_report {
        findings.add(Reason::ChildProtectionReportOutsideGateway);
    } else if request.objection && request.purpose == Some(Purpose::Statistics) {
        findings.add(Reason::Objection);
    } else {
        standing(request, &mut findings);
        match consent {
            None => findings.add(Reason::ConsentMissing),
            Some(consent) => {
                quality(consent, &mut findings);
                term(request, consent, switches, &mut findings);
                signatures(request, consent, switches, &mut findings);
                coverage(request, consent, &mut findings);
            }
        }
    }
    findings.into()
}

/// What has been found so far: sorted and without doubles by construction.
#[derive(Default)]
struct Findings {
    reasons: BTreeSet<Reason>,
    missing: BTreeSet<SubjectRef>,
}

impl Findings {
    fn add(&mut self, reason: Reason) {
        self.reasons.insert(reason);
    }

    fn add_if(&mut self, holds: bool, reason: Reason) {
        if holds {
            self.add(reason);
        }
    }

    fn add_missing(&mut self, signer: &SubjectRef, reason: Reason) {
        self.add(reason);
        self.missing.insert(signer.clone());
    }
}

impl From<Findings> for Outcome {
    fn from(findings: Findings) -> Self {
        let allowed = findings.reasons.is_empty();
        Self {
            decision: if allowed { Decision::Allow } else { Decision::Deny },
            reasons: findings.reasons.into_iter().collect(),
            missing: findings.missing.into_iter().collect(),
        }
    }
}

/// What is refused whatever was consented.
fn forbidden(request: &Request, findings: &mut Findings) {
    let asks = |category| request.categories.contains(&category);
    findings.add_if(request.contains_bsn || asks(Category::Bsn), Reason::BsnNotAllowed);
    findings
        .add_if(request.other_categories || asks(Category::Criminal), Reason::CategoryForbidden);
}

/// What the request itself must satisfy.
fn standing(request: &Request, findings: &mut Findings) {
    findings.add_if(request.purpose.is_none(), Reason::PurposeUnknown);
    findings.add_if(request.objection, Reason::Objection);
    let participates =
        request.recipient.as_ref().is_some_and(|it| request.plan_participants.contains(it));
    let coordination = request.purpose == Some(Purpose::Coordination);
    findings.add_if(coordination && !participates, Reason::NotAPlanParticipant);
    if let Action::ReleaseIdentity { to, assigned_to } = &request.action {
        findings.add_if(to.is_none() || to != assigned_to, Reason::NotAssigned);
    }
}

/// Whether this is consent as the AVG means it: given, informed, free, and shown to be.
fn quality(consent: &Consent, findings: &mut Findings) {
    let lacks = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    findings.add_if(consent.implied, Reason::ConsentImplied);
    findings.add_if(lacks(&consent.evidence), Reason::EvidenceMissing);
    findings.add_if(lacks(&consent.notice_version), Reason::NoticeMissing);
    findings.add_if(consent.conditional, Reason::ConsentNotFree);
}

/// `[from, until)`, and the withdrawal of the whole.
fn term(request: &Request, consent: &Consent, switches: Switches, findings: &mut Findings) {
    let withdrawn = consent.withdrawn_at.is_some_and(|at| at <= request.at);
    findings.add_if(withdrawn, Reason::ConsentWithdrawn);
    let Some(from) = consent.valid_from else {
        findings.add(Reason::NotYetValid);
        return;
    };
    let until = consent.valid_until.or_else(|| months_later(from, switches.default_term_months));
    findings.add_if(request.at < from, Reason::NotYetValid);
    findings.add_if(until.is_none_or(|until| until <= request.at), Reason::Expired);
}

/// Those the purpose is about. For `contact` that is the registrant alone; a registrant who is not
/// in the message leaves nobody.
fn concerned(request: &Request) -> Vec<&SubjectFacts> {
    let about = |subject: &&SubjectFacts| match (request.purpose, &request.applicant) {
        (Some(Purpose::Contact), Some(applicant)) => subject.reference == *applicant,
        _ => true,
    };
    request.subjects.iter().filter(about).collect()
}

/// Everyone who must sign has signed, nobody took it back, and nobody signed without standing.
fn signatures(request: &Request, consent: &Consent, switches: Switches, found: &mut Findings) {
    let decisions = Decisions::as_of(&consent.signatures, request.at);
    let signing = Signing {
        decisions: &decisions,
        by_court: &consent.replaced_by_court,
        presumed: presumption(request, switches),
        day: date_in_amsterdam(request.at),
    };
    let mut established = true;
    for subject in concerned(request) {
        established &= signing.subject(subject, found);
    }
    // Where it is not known who holds authority, nobody can be told they have no standing.
    if established {
        let stranger = |signer: &SubjectRef| !request.subjects.iter().any(|it| knows(it, signer));
        found.add_if(decisions.givers().any(stranger), Reason::SignerNotEntitled);
    }
}

/// Whether `signer` is the subject or has a standing towards them, now or earlier.
fn knows(subject: &SubjectFacts, signer: &SubjectRef) -> bool {
    subject.reference == *signer
        || subject.representatives.contains(signer)
        || subject.authority.as_ref().is_some_and(|it| it.holders.contains(signer))
}

/// Whether one parent may be presumed to speak for both: only where the switch is on, a POH-J
/// refers, no health data is involved and nothing is known of a conflict.
fn presumption(request: &Request, switches: Switches) -> bool {
    switches.one_parent_presumption
        && request.purpose == Some(Purpose::Referral)
        && request.from_poh_j
        && !request.categories.contains(&Category::Health)
        && !request.contested_divorce
        && !request.other_parent_objects
        && !request.objection
}

/// What judging the signatures of one subject needs.
struct Signing<'a> {
    decisions: &'a Decisions<'a>,
    by_court: &'a BTreeSet<SubjectRef>,
    presumed: bool,
    day: Date,
}

impl Signing<'_> {
    /// Judges one subject; whether it is established who holds authority, where that matters.
    fn subject(&self, subject: &SubjectFacts, findings: &mut Findings) -> bool {
        let requirement = Requirement::of(subject, self.day);
        match requirement.own {
            Some(reason) => self.must_sign(&subject.reference, reason, findings),
            // somebody who need not sign can still say no, at any age
            None => self.may_not_oppose(&subject.reference, findings),
        }
        if requirement.representative {
            self.representative(&subject.representatives, findings);
        }
        match requirement.holders {
            Holders::NotNeeded => true,
            Holders::All(authority) => {
                self.holders(authority, findings);
                true
            }
            Holders::NotEstablished(reasons) => {
                for holder in subject.authority.iter().flat_map(|it| &it.holders) {
                    self.may_not_oppose(holder, findings);
                }
                findings.reasons.extend(reasons);
                false
            }
        }
    }

    fn holders(&self, authority: &Authority, findings: &mut Findings) {
        let replaced = replaced(authority, self.by_court);
        let both_parents = authority.kind == Some(AuthorityType::GezamenlijkOuderlijkGezag);
        let remaining = || authority.holders.iter().filter(|holder| !replaced.contains(holder));
        let one_signed = remaining().any(|holder| self.decisions.gives(holder));
        for holder in remaining() {
            if self.presumed && both_parents && one_signed {
                self.may_not_oppose(holder, findings);
            } else {
                self.must_sign(holder, Reason::AuthorityHolderMissing, findings);
            }
        }
    }

    /// One of them must sign and none may oppose.
    fn representative(&self, representatives: &BTreeSet<SubjectRef>, findings: &mut Findings) {
        for it in representatives {
            self.may_not_oppose(it, findings);
        }
        if representatives.iter().all(|it| self.decisions.of(it).is_none()) {
            findings.add(Reason::RepresentativeMissing);
            findings.missing.extend(representatives.iter().cloned());
        }
    }

    /// `missing` is the reason when `signer` has made no decision at all.
    fn must_sign(&self, signer: &SubjectRef, missing: Reason, findings: &mut Findings) {
        if self.decisions.of(signer).is_none() {
            findings.add_missing(signer, missing);
        }
        self.may_not_oppose(signer, findings);
    }

    fn may_not_oppose(&self, signer: &SubjectRef, findings: &mut Findings) {
        match self.decisions.of(signer) {
            Some(SignatureDecision::Withdrawn) => findings.add(Reason::ConsentWithdrawn),
            Some(SignatureDecision::Refused) => findings.add(Reason::ConsentRefused),
            Some(SignatureDecision::Given) | None => {}
        }
    }
}

/// The consent is about these people, this purpose, this recipient and these data.
fn coverage(request: &Request, consent: &Consent, findings: &mut Findings) {
    let concerned = concerned(request);
    let everyone = !concerned.is_empty()
        && concerned.iter().all(|subject| consent.subjects.contains(&subject.reference));
    findings.add_if(!everyone, Reason::SubjectNotCovered);

    let purpose = request.purpose.is_none_or(|purpose| consent.purposes.contains(&purpose));
    findings.add_if(!purpose, Reason::PurposeNotCovered);

    let recipient = request.recipient.as_ref().is_some_and(|it| consent.recipients.contains(it));
    findings.add_if(!recipient, Reason::RecipientNotCovered);

    let covers = |category: &Category| {
        is_forbidden(*category)
            || (consent.categories.contains(category) && within_stage(request.purpose, *category))
    };
    let something = request.other_categories || !request.categories.is_empty();
    let categories = something && request.categories.iter().all(covers);
    findings.add_if(!categories, Reason::CategoryNotCovered);

    let health = request.categories.contains(&Category::Health);
    findings.add_if(health && !consent.explicit, Reason::ConsentNotExplicit);
}

/// Has its own reason, whatever the consent says.
const fn is_forbidden(category: Category) -> bool {
    matches!(category, Category::Bsn | Category::Criminal)
}

/// At stage `contact` nothing but the registrant's own name and contact data.
const fn within_stage(purpose: Option<Purpose>, category: Category) -> bool {
    !matches!(purpose, Some(Purpose::Contact))
        || matches!(category, Category::Identity | Category::Contact)
}
