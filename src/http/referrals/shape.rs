//! Wire shape of a referral, as `docs/api.md` describes it field by field.
//!
//! The shapes remember what was missing or of a wrong type; `read.rs` goes through them once and
//! reports every error together.

use crate::http::wire::{Field, Shape, Wire};
use serde::Deserialize;
use utoipa::ToSchema;

type Text = Field<String>;
type Texts = Field<Vec<Field<String>>>;

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Deserialize, ToSchema)]
            #[serde(deny_unknown_fields, default, rename_all = "camelCase")]
            #[expect(missing_docs, reason = "each field is described in docs/api.md and in the schema")]
            pub struct $name { $($(#[$fdoc])* pub $field: $type,)+ }

            impl Wire for $name {
                const SHAPE: Shape = Shape::Object;
            }
        )+
    };
}

shapes! {
    /// A referral.
    Referral {
        #[schema(value_type = String)] source: Text,
        #[schema(value_type = Referrer)] referrer: Field<Referrer>,
        #[schema(value_type = Option<String>)] reference: Text,
        #[schema(value_type = String)] municipality: Text,
        #[schema(value_type = Option<String>)] district: Text,
        #[schema(value_type = String)] urgency: Text,
        #[schema(value_type = bool)] family_informed: Field<bool>,
        #[schema(value_type = Option<String>)] applicant: Text,
        #[schema(value_type = Vec<Subject>)] subjects: Field<Vec<Field<Subject>>>,
        #[schema(value_type = Contact)] contact: Field<Contact>,
        #[schema(value_type = Household)] household: Field<Household>,
        #[schema(value_type = Support)] support: Field<Support>,
        #[schema(value_type = Option<String>)] support_text: Text,
        #[schema(value_type = Option<Vec<String>>)] attention_points: Texts,
        #[schema(value_type = bool)] safety_signal: Field<bool>,
        #[schema(value_type = Option<Vec<String>>)] already_involved: Texts,
        #[schema(value_type = Option<Plan>)] plan: Field<Plan>,
        #[schema(value_type = Option<i64>)] contacts_before: Field<i64>,
        #[schema(value_type = Option<Consent>)] consent: Field<Consent>,
    }

    /// The professional who refers; work data only.
    Referrer {
        #[schema(value_type = String)] name: Text,
        #[schema(value_type = Option<String>)] function: Text,
        #[schema(value_type = Option<String>)] phone: Text,
        #[schema(value_type = Option<String>)] email: Text,
    }

    /// Somebody whose data is in the referral.
    Subject {
        #[serde(rename = "ref")]
        #[schema(value_type = String)] label: Text,
        #[schema(value_type = String)] role: Text,
        #[schema(value_type = Name)] name: Field<Name>,
        #[schema(value_type = Option<String>, format = Date)] birth_date: Text,
        #[schema(value_type = Option<bool>)] competent: Field<bool>,
        #[schema(value_type = Option<Authority>)] authority: Field<Authority>,
    }

    /// A name.
    Name {
        #[schema(value_type = String)] given_names: Text,
        #[schema(value_type = Option<String>)] prefix: Text,
        #[schema(value_type = String)] surname: Text,
    }

    /// Who holds authority over a minor.
    Authority {
        #[serde(rename = "type")]
        #[schema(value_type = String)] kind: Text,
        #[schema(value_type = Option<Vec<String>>)] holders: Texts,
        #[schema(value_type = Option<bool>)] under_investigation: Field<bool>,
        #[schema(value_type = Option<String>)] source: Text,
        #[schema(value_type = Option<String>)] seen_on: Text,
    }

    /// How the family is reached.
    Contact {
        #[schema(value_type = Option<String>)] phone: Text,
        #[schema(value_type = Option<String>)] email: Text,
        #[schema(value_type = Option<Address>)] address: Field<Address>,
        #[schema(value_type = Option<bool>)] confidential: Field<bool>,
        #[schema(value_type = Option<String>)] preferred_language: Text,
    }

    /// An address in the Netherlands.
    Address {
        #[schema(value_type = String)] street: Text,
        #[schema(value_type = String)] number: Text,
        #[schema(value_type = Option<String>)] suffix: Text,
        #[schema(value_type = String)] postcode: Text,
        #[schema(value_type = String)] town: Text,
    }

    /// The household.
    Household {
        #[schema(value_type = String)] composition: Text,
        #[schema(value_type = i64)] children: Field<i64>,
    }

    /// What is asked for, in codes.
    Support {
        #[schema(value_type = Vec<String>)] codes: Texts,
        #[schema(value_type = Option<Vec<String>>)] dayparts: Texts,
        #[schema(value_type = Option<String>)] frequency: Text,
        #[schema(value_type = Option<bool>)] sleepover: Field<bool>,
    }

    /// The plan of a regieteam or doorbraakcoach.
    Plan {
        #[serde(rename = "type")]
        #[schema(value_type = String)] kind: Text,
        #[schema(value_type = String)] reference: Text,
        #[schema(value_type = Option<i64>)] version: Field<i64>,
        #[schema(value_type = Option<String>)] agreed_by_family_on: Text,
        #[schema(value_type = Option<String>, format = Date)] evaluation_date: Text,
        #[schema(value_type = Option<i64>)] horizon_months: Field<i64>,
        #[schema(value_type = Option<CaseManager>)] case_manager: Field<CaseManager>,
        #[schema(value_type = Vec<Goal>)] goals: Field<Vec<Field<Goal>>>,
        #[schema(value_type = Option<Vec<Participant>>)] participants: Field<Vec<Field<Participant>>>,
    }

    /// Who keeps the plan together.
    CaseManager {
        #[schema(value_type = String)] partner: Text,
        #[schema(value_type = String)] name: Text,
        #[schema(value_type = Option<String>)] phone: Text,
        #[schema(value_type = Option<String>)] email: Text,
    }

    /// A goal in which Buurtgezinnen has a part.
    Goal {
        #[schema(value_type = String)] id: Text,
        #[schema(value_type = String)] text: Text,
        #[schema(value_type = String)] status: Text,
    }

    /// An organisation that takes part in the plan.
    Participant {
        #[schema(value_type = String)] oin: Text,
        #[schema(value_type = Option<String>)] role: Text,
    }

    /// The consent, with the fields of `tests/data/consent.json`.
    Consent {
        #[schema(value_type = Option<Vec<String>>)] purposes: Texts,
        #[schema(value_type = Option<Vec<String>>)] recipients: Texts,
        #[schema(value_type = Option<Vec<String>>)] categories: Texts,
        #[schema(value_type = Option<Vec<String>>)] subjects: Texts,
        #[schema(value_type = Option<Vec<Signature>>)] signatures: Field<Vec<Field<Signature>>>,
        #[schema(value_type = Option<Vec<String>>)] replaced_by_court: Texts,
        #[schema(value_type = Option<String>)] valid_from: Text,
        #[schema(value_type = Option<String>)] valid_until: Text,
        #[schema(value_type = Option<String>)] withdrawn_at: Text,
        #[schema(value_type = Option<String>)] evidence: Text,
        #[schema(value_type = Option<String>)] notice_version: Text,
        #[schema(value_type = Option<bool>)] explicit: Field<bool>,
        #[schema(value_type = Option<String>)] kind: Text,
        #[schema(value_type = Option<bool>)] conditional: Field<bool>,
    }

    /// One decision of one signer.
    Signature {
        #[serde(rename = "ref")]
        #[schema(value_type = String)] label: Text,
        #[schema(value_type = String)] decision: Text,
        #[schema(value_type = String)] at: Text,
        #[schema(value_type = Option<String>)] method: Text,
        #[schema(value_type = Option<String>)] evidence: Text,
    }
}
