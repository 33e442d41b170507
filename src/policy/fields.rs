//! Which field groups a coordinator is shown: by what consent covers, and by stage.
//!
//! The access matrix (`tests/data/access-matrix.json`) gives the assigned coordinator every group below
//! in clear; consent narrows it to the categories the family agreed to.

use crate::domain::case::Stage;
use crate::domain::consent::Category;
use crate::domain::identity::FieldGroup;

/// The groups that one category of consent covers.
#[must_use]
pub const fn of_category(category: Category) -> &'static [FieldGroup] {
    match category {
        Category::Identity => &[
            FieldGroup::Names,
            FieldGroup::BirthDate,
            FieldGroup::Authority,
            FieldGroup::ConsentEvidence,
            FieldGroup::Referrer,
        ],
        Category::Contact => &[
            FieldGroup::Address,
            FieldGroup::ContactDetails,
            FieldGroup::AddressConfidential,
            FieldGroup::PreferredLanguage,
        ],
        Category::SupportRequest => &[
            FieldGroup::Household,
            FieldGroup::SupportRequestCodes,
            FieldGroup::SupportRequestText,
            FieldGroup::SafetySignal,
            FieldGroup::PlanReference,
            FieldGroup::PlanGoals,
        ],
        Category::Health => &[FieldGroup::HealthAttentionPoints],
        Category::Household => &[FieldGroup::Household],
        Category::SafetySignal => &[FieldGroup::SafetySignal],
        Category::PlanReference => &[FieldGroup::PlanReference],
        Category::PlanGoals => &[FieldGroup::PlanGoals],
        _ => &[],
    }
}

/// What stage `contact` may show: the registrant's own contact data, nothing of anybody else.
pub const CONTACT_STAGE: &[FieldGroup] = &[
    FieldGroup::Registrant,
    FieldGroup::ContactDetails,
    FieldGroup::AddressConfidential,
    FieldGroup::PreferredLanguage,
];

/// The groups to open at `stage` under a consent for `categories`, without repeats.
#[must_use]
pub fn to_release(stage: Stage, categories: &[Category]) -> Vec<FieldGroup> {
    match stage {
        Stage::Contact => CONTACT_STAGE.to_vec(),
        Stage::Full => {
            let mut groups: Vec<FieldGroup> =
                categories.iter().flat_map(|c| of_category(*c)).copied().collect();
            groups.sort_unstable();
            groups.dedup();
            groups
        }
    }
}
