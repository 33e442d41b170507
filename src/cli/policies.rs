//! Policies: read from a directory, or those compiled in. `prove` and `proof` are beside it.

use crate::cli::Failure;
use crate::domain::consent::{Purpose, Recipient, Switches};
use crate::domain::municipality::Municipality;
use crate::domain::pairing::Terms;
use crate::domain::programme::Target;
use crate::domain::term::Retention;
use crate::flow::ConsentRules;
use crate::policy::Engine;
use crate::policy::engine::{self, PolicyFile, actions_without_permit};
use crate::statistics::contract::Disclosure;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

pub mod contract;
mod disclosure;
pub mod explain;
pub mod matrix;
mod programme;
pub mod proof;
pub mod prove;
pub mod verbs;

macro_rules! compiled_in {
    ($($name:literal),+) => {
        /// The files of `policies/` as they were when the program was built.
        pub const COMPILED_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../policies/", $name)))),+];
    };
}
compiled_in!(
    "schema.cedarschema",
    "coordinator.cedar",
    "fields.cedar",
    "guardrails.cedar",
    "municipality.cedar",
    "oversight.cedar",
    "referrer.cedar",
    "consent.toml",
    "disclosure.toml",
    "programme.toml"
);

/// Everything `policies/` says.
#[derive(Debug)]
pub struct Loaded {
    /// Who may do what.
    pub engine: Engine,
    /// Consent.
    pub consent: ConsentRules,
    /// Figures.
    pub disclosure: Disclosure,
    /// How long steps take.
    pub terms: Terms,
    /// After how long cases go.
    pub retention: Retention,
    /// What was agreed on with gemeenten.
    pub targets: Vec<Target>,
}

/// What must hold of every set, as it was when the program was built. No policy: the engine never sees
/// it.
pub const INVARIANTS: &str = include_str!("../../policies/invariants.cedar");

/// The file of [`INVARIANTS`].
pub const INVARIANTS_FILE: &str = "invariants.cedar";

/// The files of one policy set, as text.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The schema.
    pub schema: String,
    /// The rules.
    pub cedar: Vec<PolicyFile>,
    /// The TOML files beside them that decisions rest on.
    pub other: Vec<PolicyFile>,
}

impl Sources {
    /// Reads a directory, or what is compiled in.
    ///
    /// # Errors
    /// One line naming the file that is missing or may not be changed.
    pub fn read(directory: Option<&Path>) -> Result<Self, Failure> {
        let files: HashMap<String, String> = match directory {
            Some(directory) => read(directory)?,
            None => COMPILED_IN.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(),
        };
        let file = |name: &str| {
            files.get(name).ok_or_else(|| Failure::new(format!("policies: {name} is missing")))
        };
        for (name, _) in COMPILED_IN {
            file(name)?;
        }
        if files.get(INVARIANTS_FILE).is_some_and(|text| text != INVARIANTS) {
            return Err(Failure::new(
                "policies: invariants.cedar is not the program's: what rules are held to changes with a release",
            ));
        }
        let cedar = files
            .iter()
            .filter(|(name, _)| Path::new(name).extension().is_some_and(|kind| kind == "cedar"))
            .filter(|(name, _)| *name != INVARIANTS_FILE)
            .map(|(name, text)| PolicyFile { name: name.clone(), text: text.clone() })
            .collect();
        let other = ["consent.toml", "disclosure.toml", "programme.toml"];
        let other =
            other.map(|name| Ok(PolicyFile { name: name.to_owned(), text: file(name)?.clone() }));
        let other = other.into_iter().collect::<Result<Vec<_>, Failure>>()?;
        Ok(Self { schema: file("schema.cedarschema")?.clone(), cedar, other })
    }

    /// Loads them.
    ///
    /// # Errors
    /// One line naming the file and the rule; nothing is loaded then.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let engine = Engine::load(&self.schema, &self.cedar, &self.other)?;
        if let Some(action) = actions_without_permit(&engine).first() {
            return Err(Failure::new(format!("policies: nobody is permitted {action}")));
        }
        let text = |name: &str| {
            let file = self.other.iter().find(|file| file.name == name);
            file.map(|file| file.text.as_str()).unwrap_or_default()
        };
        let disclosure = disclosure::read(text("disclosure.toml"))?;
        let (terms, retention, targets) = programme::read(text("programme.toml"))?;
        Ok(Loaded {
            engine,
            consent: consent(text("consent.toml"))?,
            disclosure,
            terms,
            retention,
            targets,
        })
    }

    /// The hash that stands in ledger entries and proof records.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        engine::hash(&self.schema, &self.cedar, &self.other)
    }
}

/// Loads a directory, or what is compiled in. A gateway takes [`proof::load_proven`].
///
/// # Errors
/// One line naming the file and the rule; nothing is loaded then.
pub fn load(directory: Option<&Path>) -> Result<Loaded, Failure> {
    Sources::read(directory)?.load()
}

fn read(directory: &Path) -> Result<HashMap<String, String>, Failure> {
    let mut files = HashMap::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if [".cedar", ".cedarschema", ".toml"].iter().any(|kind| name.ends_with(kind)) {
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsentFile {
    release: HashMap<String, String>,
    switches: SwitchesFile,
    recipients: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SwitchesFile {
    one_parent_presumption: bool,
    default_term_months: u8,
}

fn consent(text: &str) -> Result<ConsentRules, Failure> {
    let bad = |rule: &str| Failure::new(format!("policies: consent.toml: {rule}"));
    let file: ConsentFile = toml::from_str(text).map_err(|error| bad(error.message()))?;
    let mut release = HashMap::new();
    for purpose in crate::domain::case::ReleasePurpose::ALL {
        let rests_on = file.release.get(purpose.as_str());
        let rests_on = rests_on.and_then(|text| Purpose::parse(text).ok());
        let rests_on =
            rests_on.ok_or_else(|| bad("each release purpose needs a purpose of consent"))?;
        release.insert(purpose.as_str(), rests_on);
    }
    let mut recipients = HashMap::new();
    for (code, recipient) in &file.recipients {
        let code = Municipality::parse(code).map_err(|error| bad(&error.to_string()))?;
        let recipient = Recipient::parse(recipient).map_err(|error| bad(&error.to_string()))?;
        recipients.insert(code, recipient);
    }
    if file.switches.one_parent_presumption {
        let rule = "one-parent-presumption cannot be on: a referral has no field for a contested \
            divorce or an objecting parent, and without them it would presume blindly";
        return Err(bad(rule));
    }
    let switches = Switches {
        one_parent_presumption: file.switches.one_parent_presumption,
        default_term_months: file.switches.default_term_months,
    };
    Ok(ConsentRules { release, switches, recipients })
}
