//! What is kept of a family is put right (AVG art. 16): who they are and how they are reached. Each correction is a
//! new sealed version; what was there before stays sealed with the case and is shown no more.
//!
//! Consent is judged on the corrected facts from that instant on: somebody who proves to be sixteen decides alone.

use crate::audit::entry::Event;
use crate::domain::age::AgeBand;
use crate::domain::consent::{SubjectFacts, SubjectRef};
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::likeness::Feature;
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case};
use crate::flow::{Done, FlowError, Gateway, links};
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
    /// Everybody in the referral, where any of them is corrected; empty where none is.
    pub subjects: Vec<SubjectFacts>,
    /// The groups to seal.
    pub disclosures: Vec<Disclosure>,
    /// The name of each subject apart: that of the registrant is shown at stage `contact`.
    pub registrants: Vec<(SubjectRef, Secret)>,
    /// How the family is reached, where that was sent: whether the address may be told to another family, and the
    /// language it is best reached in.
    pub reached: Option<(bool, Option<String>)>,
    /// Age band of the youngest, where subjects were sent.
    pub youngest: Option<AgeBand>,
    /// By what the family may be known again, besides what was there.
    pub likeness: Vec<Feature>,
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
    let wish =
        move |found: &OpenCase<'_>, _: Timestamp| {
            let registrant = found.memory.applicant.as_ref();
            let own_name = correction.registrants.iter().find(|(who, _)| Some(who) == registrant);
            let mut groups: Vec<Disclosure> = correction
                .disclosures
                .iter()
                .map(|one| Disclosure { group: one.group, content: one.content.again() })
                .collect();
            groups.extend(own_name.map(|(_, name)| Disclosure {
                group: FieldGroup::Registrant,
                content: name.again(),
            }));
            let names: Vec<_> = groups.iter().map(|one| one.group.as_str()).collect();
            Wish {
                granted: Event::CaseCorrected,
                note: Note { basis: basis(found.row), fields: names.clone(), ..Note::default() },
                outcome: corrected(&own, found, &correction, &groups).map(|rows| (rows, names)),
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
) -> Result<Rows, FlowError> {
    const OTHERS: FlowError = FlowError::Rule {
        pointer: "/subjects",
        code: "subjects-differ",
        rule: "must be everybody of the referral, by the same labels",
    };
    let mut memory = found.memory.again();
    if !correction.subjects.is_empty() {
        let labels = |all: &[SubjectFacts]| {
            all.iter().map(|one| one.reference.as_str().to_owned()).collect::<BTreeSet<_>>()
        };
        let same = labels(&correction.subjects) == labels(&memory.subjects);
        same.then_some(()).ok_or(OTHERS)?;
        for subject in &mut memory.subjects {
            let put_right =
                correction.subjects.iter().find(|one| one.reference == subject.reference);
            let representatives = std::mem::take(&mut subject.representatives);
            *subject = put_right.ok_or(OTHERS)?.clone();
            subject.representatives = representatives;
        }
    }
    if let Some((may_be_told, language)) = &correction.reached {
        memory.asked.address_may_be_told = *may_be_told;
        memory.asked.language.clone_from(language);
    }
    let (case, version) = (found.row.id, found.row.facts_version.saturating_add(1));
    let (entropy, key) = (&gateway.entropy, found.key);
    let sealed = facts::seal(entropy, key, case, version, &memory)?;
    let field_groups = identities::pack(entropy, key, case, version, groups)?;
    let tags = links::tags(&gateway.keyring, found.row.organisation, &correction.likeness)?;
    Ok(Rows {
        facts: Some(FactsRow { case, version, sealed }),
        correction: Some(CorrectionRow {
            case,
            version,
            field_groups,
            tags,
            youngest: correction.youngest,
        }),
        ..Rows::default()
    })
}
