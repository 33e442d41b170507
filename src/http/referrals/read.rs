//! From wire shape to domain: every rule of form, all errors together.

use crate::domain::age::{BirthDate, date_in_amsterdam};
use crate::domain::consent::{
    Authority, AuthorityType, Category, Consent, Purpose, Recipient, Signature, SignatureDecision,
    SubjectFacts, SubjectRef, youngest,
};
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner_number::Oin;
use crate::domain::person;
use crate::domain::referral::{
    AttentionPoint, Composition, Daypart, Frequency, GoalStatus, Involved, NewReferral, PlanType,
    Profile, Source, SubjectRole, SupportAsked, SupportCode, Urgency,
};
use crate::http::referrals::{seal, shape};
use crate::http::tree::{Tree, tree};
use crate::http::wire::{Field, FieldError, Reading, shape as read_shape};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Reads a referral. The second part is the canonical tree of the request, for its digest.
///
/// # Errors
/// All errors at once, by pointer and rule.
pub(crate) fn referral(
    body: &[u8],
    now: Timestamp,
) -> Result<(NewReferral, Tree<'_>), Vec<FieldError>> {
    let wire: shape::Referral = read_shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut reading = Reading::default();
    let read = parts(&mut reading, &wire, now);
    let mut errors = reading.into_errors();
    errors.extend(tree.bsn_places());
    match read {
        Some(new) if errors.is_empty() => Ok((new, tree)),
        _ => Err(errors),
    }
}

fn parts(r: &mut Reading, wire: &shape::Referral, now: Timestamp) -> Option<NewReferral> {
    let source = r.need("source", &wire.source, "term", |t| Source::parse(t));
    let urgency = r.need("urgency", &wire.urgency, "term", |t| Urgency::parse(t));
    let place = place(r, wire);
    alone_standing(r, wire);
    let asked = section(r, "support", &wire.support, support);
    let language =
        r.optional("", &wire.contact).and_then(|c| r.optional("", &c.preferred_language));
    let confidential = r.optional("", &wire.contact).map(|c| &c.confidential);
    let address_may_be_told = matches!(confidential, Some(Field::Present(false)));
    let subjects = subjects(r, &wire.subjects, now);
    let composition = section(r, "household", &wire.household, household).flatten();
    let children = household_children(wire);
    let (plan_participants, goals) = plan(r, source, &wire.plan);
    let applicant = r.may("applicant", &wire.applicant, "label", |t| plain_label(t));
    let consent = r.optional("consent", &wire.consent);
    let consent = consent.map(|c| r.within("consent", c, |r, c| read_consent(r, c, now)));
    court_order_is_shown(r, wire, consent.as_ref());
    let applicant = applicant.or_else(|| first_signer(&subjects, consent.as_ref()));
    let (municipality, district) = place?;
    let youngest = youngest(&subjects, now);
    Some(NewReferral {
        source: source?,
        urgency: urgency?,
        profile: Profile { municipality, district, composition: composition?, youngest },
        disclosures: seal::groups(wire),
        registrant: seal::registrant(wire, applicant.as_ref()),
        likeness: seal::likeness(wire),
        warnings: seal::warnings(wire),
        applicant,
        subjects,
        plan_participants,
        goals,
        consent,
        asked: SupportAsked {
            language: language.cloned(),
            address_may_be_told,
            children,
            ..asked?
        },
        tells_health: r.optional("", &wire.attention_points).is_some_and(|p| !p.is_empty()),
    })
}

/// Everybody in a message.
pub(in crate::http) fn subjects(
    r: &mut Reading,
    field: &Field<Vec<Field<shape::Subject>>>,
    now: Timestamp,
) -> Vec<SubjectFacts> {
    let subjects = r.list("subjects", field, 1..=16, |r, s| subject(r, s, now));
    same_label_twice(r, &subjects);
    subjects
}

/// Everybody in a correction: label, name and date of birth. Authority and competence are refused: they decide who must
/// sign.
pub(in crate::http) fn corrected(
    r: &mut Reading,
    field: &Field<Vec<Field<shape::Subject>>>,
    now: Timestamp,
) -> Vec<(SubjectRef, BirthDate)> {
    r.list("subjects", field, 1..=16, |r, wire| {
        for (at, sent) in [
            ("authority", !matches!(wire.authority, Field::Absent | Field::Null)),
            ("competent", !matches!(wire.competent, Field::Absent | Field::Null)),
        ] {
            if sent {
                r.error(
                    at,
                    "not-corrected",
                    "must not be in a correction: it decides who must sign",
                );
            }
        }
        let label = r.need("ref", &wire.label, "label", |t| plain_label(t));
        r.need("role", &wire.role, "term", |t| SubjectRole::parse(t));
        name(r, &wire.name);
        let birth = r.may("birthDate", &wire.birth_date, "birth-date", |t| BirthDate::parse(t));
        if birth.is_some_and(|birth| birth.is_after(date_in_amsterdam(now))) {
            r.error("birthDate", "birth-date", "must not lie in the future");
        }
        Some((label?, birth.unwrap_or(BirthDate::UNKNOWN)))
    })
}

fn name(r: &mut Reading, field: &Field<shape::Name>) {
    if let Some(name) = r.required("name", field) {
        r.within("name", name, |r, name| {
            r.need("givenNames", &name.given_names, "text", |t| person::line(t, 120));
            r.may("prefix", &name.prefix, "text", |t| person::line(t, 20));
            r.need("surname", &name.surname, "text", |t| person::line(t, 120));
        });
    }
}

/// How a family is reached.
pub(in crate::http) fn reached(r: &mut Reading, field: &Field<shape::Contact>) {
    section(r, "contact", field, contact);
}

/// Gemeente and wijk, which must fit together.
fn place(r: &mut Reading, wire: &shape::Referral) -> Option<(Municipality, Option<District>)> {
    let municipality =
        r.need("municipality", &wire.municipality, "cbs-code", |t| Municipality::parse(t))?;
    let district = r.may("district", &wire.district, "cbs-code", |t| District::parse(t));
    if district.is_some_and(|district| !district.lies_in(&municipality)) {
        r.error("district", "district-elsewhere", "must lie in the gemeente");
    }
    Some((municipality, district))
}

/// Fields that are checked and sealed, and on which nothing else depends.
fn alone_standing(r: &mut Reading, wire: &shape::Referral) {
    r.may("reference", &wire.reference, "text", |t| person::line(t, 40));
    if r.required("familyInformed", &wire.family_informed) == Some(&false) {
        r.error("familyInformed", "family-not-informed", "must be true: the family knows");
    }
    r.required("safetySignal", &wire.safety_signal);
    r.may("contactsBefore", &wire.contacts_before, "range", |n| within(*n, 0, 100));
    section(r, "referrer", &wire.referrer, referrer);
    reached(r, &wire.contact);
    r.may("supportText", &wire.support_text, "text", |t| person::prose(t, 1000));
    r.terms("attentionPoints", &wire.attention_points, 0..=5, AttentionPoint::parse);
    r.terms("alreadyInvolved", &wire.already_involved, 0..=5, Involved::parse);
}

/// Reads an object that must be there.
fn section<'a, T, U>(
    r: &mut Reading,
    at: &str,
    field: &'a Field<T>,
    read: impl FnOnce(&mut Reading, &'a T) -> U,
) -> Option<U> {
    let value = r.required(at, field)?;
    Some(r.within(at, value, read))
}

fn within(number: i64, least: i64, most: i64) -> Result<i64, String> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("must be a whole number from {least} to {most}"))
    }
}

fn referrer(r: &mut Reading, wire: &shape::Referrer) {
    r.need("name", &wire.name, "text", |t| person::line(t, 120));
    r.may("function", &wire.function, "text", |t| person::line(t, 80));
    r.may("phone", &wire.phone, "phone", |t| person::phone(t));
    r.may("email", &wire.email, "email", |t| person::email(t));
}

fn contact(r: &mut Reading, wire: &shape::Contact) {
    let absent = |field: &Field<String>| matches!(field, Field::Absent | Field::Null);
    if absent(&wire.phone) && absent(&wire.email) {
        r.error("", "phone-or-email", "must hold a telephone number or an e-mail address");
    }
    r.may("phone", &wire.phone, "phone", |t| person::phone(t));
    r.may("email", &wire.email, "email", |t| person::email(t));
    r.optional("confidential", &wire.confidential);
    r.may("preferredLanguage", &wire.preferred_language, "language", |t| person::language(t));
    if let Some(wire) = r.optional("address", &wire.address) {
        r.within("address", wire, |r, wire| {
            r.need("street", &wire.street, "text", |t| person::line(t, 80));
            r.need("number", &wire.number, "text", |t| person::line(t, 10));
            r.may("suffix", &wire.suffix, "text", |t| person::line(t, 10));
            r.need("postcode", &wire.postcode, "postcode", |t| person::postcode(t));
            r.need("town", &wire.town, "text", |t| person::line(t, 80));
        });
    }
}

fn support(r: &mut Reading, wire: &shape::Support) -> SupportAsked {
    let codes = r.terms("codes", &wire.codes, 1..=3, SupportCode::parse);
    let dayparts = r.terms("dayparts", &wire.dayparts, 0..=7, Daypart::parse);
    r.may("frequency", &wire.frequency, "term", |t| Frequency::parse(t));
    let sleepover = r.optional("sleepover", &wire.sleepover) == Some(&true);
    SupportAsked { codes, dayparts, sleepover, ..SupportAsked::default() }
}

/// How many children the household has, where that was said as it must be.
fn household_children(wire: &shape::Referral) -> Option<u8> {
    let Field::Present(shape::Household { children: Field::Present(count), .. }) = &wire.household
    else {
        return None;
    };
    u8::try_from(*count).ok().filter(|count| (1..=15).contains(count))
}

fn household(r: &mut Reading, wire: &shape::Household) -> Option<Composition> {
    r.need("children", &wire.children, "range", |n| within(*n, 1, 15));
    r.need("composition", &wire.composition, "term", |t| Composition::parse(t))
}

fn subject(r: &mut Reading, wire: &shape::Subject, now: Timestamp) -> Option<SubjectFacts> {
    let label = r.need("ref", &wire.label, "label", |t| plain_label(t));
    let role = r.need("role", &wire.role, "term", |t| SubjectRole::parse(t));
    name(r, &wire.name);
    let today = date_in_amsterdam(now);
    let birth = r.may("birthDate", &wire.birth_date, "birth-date", |t| BirthDate::parse(t));
    if birth.is_some_and(|birth| birth.is_after(today)) {
        r.error("birthDate", "birth-date", "must not lie in the future");
    }
    let adult = role.is_some_and(|role| role != SubjectRole::Youth);
    if !adult && matches!(wire.birth_date, Field::Absent) {
        r.error("birthDate", "missing", "is required for a youth; null where it is unknown");
    }
    if role == Some(SubjectRole::OtherAdult) && birth.is_none() {
        // Else a child could be passed off as an adult, and its holders of authority left out.
        r.error("birthDate", "missing", "is required for another adult");
    }
    let competent = r.optional("competent", &wire.competent).copied();
    let authority = r.optional("authority", &wire.authority);
    let authority = authority.map(|wire| r.within("authority", wire, read_authority));
    let birth = birth.unwrap_or(BirthDate::UNKNOWN);
    if authority.is_none() && !adult && birth.ages_on(today).youngest < 18 {
        r.error("authority", "missing", "is required for anyone who may be under 18");
    }
    let representatives = BTreeSet::new();
    Some(SubjectFacts { reference: label?, birth, adult, competent, authority, representatives })
}

fn read_authority(r: &mut Reading, wire: &shape::Authority) -> Authority {
    const SOURCES: [&str; 4] = ["gezagsregister", "brp", "parent-statement", "court-order"];
    // An unknown kind of authority is no error: consent says that it is unknown. But it is a word.
    r.need("type", &wire.kind, "text", |t| person::line(t, 60));
    let kind = match &wire.kind {
        Field::Present(text) => AuthorityType::parse(text).ok(),
        _ => None,
    };
    let holders = labels(r, "holders", &wire.holders);
    let under_investigation =
        r.optional("underInvestigation", &wire.under_investigation) == Some(&true);
    let listed = |text: &String| {
        if SOURCES.contains(&text.as_str()) { Ok(()) } else { Err(crate::domain::words::NotATerm) }
    };
    r.may("source", &wire.source, "term", listed);
    r.may("seenOn", &wire.seen_on, "date", |t| date(t));
    Authority { kind, holders, under_investigation }
}

fn labels(r: &mut Reading, at: &str, field: &Field<Vec<Field<String>>>) -> BTreeSet<SubjectRef> {
    r.list(at, field, 0..=32, |r, text| label(r, text)).into_iter().collect()
}

/// A label that can hardly be a name or a number: letters, then one or two digits, as `parent1`. Labels
/// are shown before an identity is opened.
fn plain_label(text: &str) -> Result<SubjectRef, &'static str> {
    const RULE: &str = "must be letters and one or two digits, such as parent1; never a name";
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let letters = (1..=16).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic());
    let digits = (1..=2).contains(&(text.len() - word.len()));
    SubjectRef::parse(text).ok().filter(|_| letters && digits).ok_or(RULE)
}

fn label(r: &mut Reading, text: &str) -> Option<SubjectRef> {
    let label = plain_label(text);
    if let Err(rule) = label {
        r.error("", "label", rule);
        return None;
    }
    label.ok()
}

fn date(text: &str) -> Result<Date, &'static str> {
    let strict = text.len() == 10;
    text.parse().ok().filter(|_| strict).ok_or("must be a date YYYY-MM-DD")
}

/// An instant of RFC 3339.
pub(crate) fn instant(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().ok().ok_or("must be an instant of RFC 3339, such as 2026-03-01T09:00:00Z")
}

fn same_label_twice(r: &mut Reading, subjects: &[SubjectFacts]) {
    let labels: BTreeSet<&str> = subjects.iter().map(|s| s.reference.as_str()).collect();
    if labels.len() != subjects.len() {
        r.error("subjects", "label-twice", "must give each subject a label of its own");
    }
}

/// Who takes part in a plan, by OIN, and where its goals stand, by label.
type PlanFacts = (Vec<String>, Vec<(String, GoalStatus)>);

/// The plan: required of regieteam and doorbraakcoach, refused of others.
fn plan(r: &mut Reading, source: Option<Source>, field: &Field<shape::Plan>) -> PlanFacts {
    let wanted = source.is_some_and(Source::has_plan);
    let wire = if wanted { r.required("plan", field) } else { r.optional("plan", field) };
    let Some(wire) = wire else {
        return PlanFacts::default();
    };
    if source.is_some() && !wanted {
        r.error("plan", "plan-not-expected", "must come from a regieteam or doorbraakcoach only");
    }
    r.within("plan", wire, |r, wire| {
        let kind = r.need("type", &wire.kind, "term", |t| PlanType::parse(t));
        r.need("reference", &wire.reference, "text", |t| person::line(t, 40));
        r.may("version", &wire.version, "range", |n| within(*n, 1, 10_000));
        r.may("agreedByFamilyOn", &wire.agreed_by_family_on, "date", |t| date(t));
        r.may("evaluationDate", &wire.evaluation_date, "date", |t| date(t));
        let horizon = r.may("horizonMonths", &wire.horizon_months, "range", |n| within(*n, 1, 36));
        if kind == Some(PlanType::Maatwerkplan) && !horizon.is_some_and(|n| (3..=6).contains(&n)) {
            r.error("horizonMonths", "horizon", "must be 3 to 6 for a maatwerkplan");
        }
        if let Some(wire) = r.optional("caseManager", &wire.case_manager) {
            r.within("caseManager", wire, |r, wire| {
                r.need("partner", &wire.partner, "oin", |t| Oin::parse(t));
                r.need("name", &wire.name, "text", |t| person::line(t, 120));
                r.may("phone", &wire.phone, "phone", |t| person::phone(t));
                r.may("email", &wire.email, "email", |t| person::email(t));
            });
        }
        let goals = r.list("goals", &wire.goals, 1..=5, |r, goal| {
            let label = |t: &String| person::label(t).map(|()| t.clone());
            let id = r.need("id", &goal.id, "label", label)?;
            r.need("text", &goal.text, "text", |t| person::line(t, 200))?;
            let status = r.need("status", &goal.status, "term", |t| GoalStatus::parse(t))?;
            Some((id, status))
        });
        let participants = r.list("participants", &wire.participants, 0..=16, |r, wire| {
            r.may("role", &wire.role, "text", |t| person::line(t, 60));
            r.need("oin", &wire.oin, "oin", |t| Oin::parse(t)).map(|oin| oin.as_str().to_owned())
        });
        (participants, goals)
    })
}

fn read_consent(r: &mut Reading, wire: &shape::Consent, now: Timestamp) -> Consent {
    let instant_of =
        |r: &mut Reading, at: &str, field| r.may(at, field, "instant", |t: &String| instant(t));
    let kind = r.optional("kind", &wire.kind).map_or("given", String::as_str);
    let evidence =
        r.may("evidence", &wire.evidence, "text", |t| person::line(t, 200).map(|()| t.clone()));
    let notice_version = r.may("noticeVersion", &wire.notice_version, "text", |t| {
        person::line(t, 40).map(|()| t.clone())
    });
    Consent {
        purposes: r.terms("purposes", &wire.purposes, 0..=16, Purpose::parse).into_iter().collect(),
        recipients: r
            .terms("recipients", &wire.recipients, 0..=16, Recipient::parse)
            .into_iter()
            .collect(),
        categories: r
            .terms("categories", &wire.categories, 0..=16, Category::parse)
            .into_iter()
            .collect(),
        subjects: labels(r, "subjects", &wire.subjects),
        signatures: r.list("signatures", &wire.signatures, 0..=64, |r, s| signature(r, s, now)),
        replaced_by_court: labels(r, "replacedByCourt", &wire.replaced_by_court),
        valid_from: instant_of(r, "validFrom", &wire.valid_from),
        valid_until: instant_of(r, "validUntil", &wire.valid_until),
        withdrawn_at: instant_of(r, "withdrawnAt", &wire.withdrawn_at),
        evidence,
        notice_version,
        explicit: r.optional("explicit", &wire.explicit) == Some(&true),
        implied: kind != "given",
        conditional: r.optional("conditional", &wire.conditional) == Some(&true),
    }
}

fn signature(r: &mut Reading, wire: &shape::Signature, now: Timestamp) -> Option<Signature> {
    r.may("method", &wire.method, "text", |t| person::line(t, 40));
    r.may("evidence", &wire.evidence, "text", |t| person::line(t, 200));
    let signer = r.need("ref", &wire.label, "label", |t| plain_label(t));
    let decision = r.need("decision", &wire.decision, "term", |t| SignatureDecision::parse(t));
    let at = r.need("at", &wire.at, "instant", |t| instant(t));
    // Clocks differ by minutes; a signature of tomorrow is none.
    if at.is_some_and(|at| at.duration_since(now) > SignedDuration::from_mins(5)) {
        r.error("at", "in-the-future", "must not lie in the future");
    }
    // Never later than now, or it would one day be later than a withdrawal.
    Some(Signature { signer: signer?, decision: decision?, at: at?.min(now) })
}

/// A court replaces the consent of a holder of authority whose authority rests on a court order that
/// somebody saw (BW 1:253a); on the sender's word alone it replaces nobody's.
fn court_order_is_shown(r: &mut Reading, wire: &shape::Referral, consent: Option<&Consent>) {
    let Field::Present(subjects) = &wire.subjects else {
        return;
    };
    let ordered = |label: &SubjectRef| {
        subjects.iter().any(|subject| {
            let Field::Present(shape::Subject { authority: Field::Present(authority), .. }) = subject
            else {
                return false;
            };
            let named = |text: &Field<String>, wanted: &str| {
                matches!(text, Field::Present(text) if text == wanted)
            };
            let holders = match &authority.holders {
                Field::Present(holders) => holders.as_slice(),
                _ => &[],
            };
            named(&authority.source, "court-order")
                && matches!(authority.seen_on, Field::Present(_))
                && holders.iter().any(|holder| named(holder, label.as_str()))
        })
    };
    if consent.is_some_and(|consent| !consent.replaced_by_court.iter().all(ordered)) {
        let rule = "must be holders whose authority has source court-order and a seenOn";
        r.error("consent/replacedByCourt", "court-order-missing", rule);
    }
}

/// Who registers, where the sender does not say: the first subject who signed.
fn first_signer(subjects: &[SubjectFacts], consent: Option<&Consent>) -> Option<SubjectRef> {
    let signed = |subject: &&SubjectFacts| {
        consent.is_some_and(|consent| {
            consent.signatures.iter().any(|signature| {
                signature.signer == subject.reference
                    && signature.decision == SignatureDecision::Given
            })
        })
    };
    let adult = subjects.iter().filter(|subject| subject.adult).find(signed);
    adult.or_else(|| subjects.iter().find(signed)).map(|subject| subject.reference.clone())
}
