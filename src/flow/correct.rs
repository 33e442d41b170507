//! What is kept of a family is put right (AVG art. 16): who they are and how they are reached. Each correction is a
//! new sealed version; what was there before stays sealed with the case and is shown no more.
//!
//! Consent is judged on the corrected facts from that instant on, and a correction never completes it. By what a family
//! may be known again stays that of its referral: a guess put in as a correction would ask about other families.

use crate::audit::entry::Event;
use crate::domain::age::BirthDate;
use crate::domain::consent::{SubjectRef, youngest};
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case, standing_of};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::CorrectCase;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::cases::FactsRow;
use crate::store::effect::Rows;
use crate::store::facts;
use crate::store::identities::{self, CorrectionRow};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is put right. What is not sent stays as it is.
#[derive(Debug)]
pub struct Correction {
    /// Everybody in the referral with their date of birth, where any of them is corrected; empty where none is.
    pub subjects: Vec<(SubjectRef, BirthDate)>,
    /// The groups to seal.
    pub disclosures: Vec<Disclosure>,
    /// The name of each subject apart: that of the registrant is shown at stage `contact`.
    pub registrants: Vec<(SubjectRef, Secret)>,
    /// How the family is reached, where that was sent: whether the address may be told to another family, and the
    /// language it is best reached in.
    pub reached: Option<(bool, Option<String>)>,
}

/// Puts right what is kept of a family. Gives the names of the groups.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Rule`] where the subjects are not those of
/// the referral.
pub async fn correct(
    gateway: &Arc<Gateway>,
    allowed: Allowed<CorrectCase>,
    case: CaseId,
    correction: Correction,
) -> Result<Done<Vec<&'static str>>, FlowError> {
    let own = Arc::clone(gateway);
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let registrant = found.memory.applicant.as_ref();
        let own_name = correction.registrants.iter().find(|(who, _)| Some(who) == registrant);
        let mut groups: Vec<Disclosure> = correction
            .disclosures
            .iter()
            .map(|one| Disclosure { group: one.group, content: one.content.again() })
            .collect();
        groups.extend(
            own_name.map(|(_, name)| Disclosure {
                group: FieldGroup::Registrant,
                content: name.again(),
            }),
        );
        let names: Vec<_> = groups.iter().map(|one| one.group.as_str()).collect();
        Wish {
            granted: Event::CaseCorrected,
            note: Note { basis: basis(found.row), fields: names.clone(), ..Note::default() },
            outcome: corrected(&own, found, &correction, &groups, now).map(|rows| (rows, names)),
        }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    Ok(on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?.1)
}

fn corrected(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    correction: &Correction,
    groups: &[Disclosure],
    now: Timestamp,
) -> Result<Rows, FlowError> {
    const CONSENT_FIRST: FlowError = FlowError::Rule {
        pointer: "/subjects",
        code: "consent-first",
        rule: "must not complete consent: pass on the signatures first",
    };
    const OTHERS: FlowError = FlowError::Rule {
        pointer: "/subjects",
        code: "subjects-differ",
        rule: "must be everybody of the referral, by the same labels",
    };
    let mut memory = found.memory.again();
    if !correction.subjects.is_empty() {
        let sent: BTreeSet<_> = correction.subjects.iter().map(|(who, _)| who.as_str()).collect();
        let known: BTreeSet<_> = memory.subjects.iter().map(|one| one.reference.as_str()).collect();
        let same = sent == known && sent.len() == correction.subjects.len();
        same.then_some(()).ok_or(OTHERS)?;
        for subject in &mut memory.subjects {
            let put_right = correction.subjects.iter().find(|(who, _)| *who == subject.reference);
            // Authority, competence and role decide who must sign: a new referral or decision says those.
            subject.birth = put_right.ok_or(OTHERS)?.1;
        }
    }
    if let Some((may_be_told, language)) = &correction.reached {
        memory.asked.address_may_be_told = *may_be_told;
        memory.asked.language.clone_from(language);
    }
    let after = standing_of(&gateway.consent.load(), found.row, &memory, now);
    // A date of birth that was put right must not do what only a signature may.
    (after.stage <= found.standing.stage).then_some(()).ok_or(CONSENT_FIRST)?;
    let youngest = (!correction.subjects.is_empty()).then(|| youngest(&memory.subjects, now));
    let (case, version) = (found.row.id, found.row.facts_version.saturating_add(1));
    let (entropy, key) = (&gateway.entropy, found.key);
    let sealed = facts::seal(entropy, key, case, version, &memory)?;
    let field_groups = identities::pack(entropy, key, case, version, groups)?;
    Ok(Rows {
        facts: Some(FactsRow { case, version, sealed }),
        correction: Some(CorrectionRow { case, version, field_groups, youngest }),
        ..Rows::default()
    })
}
