//! `disclosure.toml`: how figures are protected, gemeente by gemeente.

use crate::cli::Failure;
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::Slug;
use crate::domain::period::{Quarter, Year};
use crate::domain::programme::Programme;
use crate::statistics::contract::{
    Approver, CAP, Contract, Disclosure, HARD_CAP, Method, Region, TableId,
};
use crate::statistics::noise::Alpha;
use crate::statistics::protect::Rules;
use crate::statistics::suppress::TABLE;
use crate::statistics::tabulate::Kind;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    threshold: ThresholdFile,
    table: Vec<TableFile>,
    #[serde(default)]
    contract: Vec<ContractFile>,
    #[serde(default)]
    region: Vec<RegionFile>,
    #[serde(default)]
    approver: Vec<ApproverFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdFile {
    minimum: u32,
    rounding: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    id: String,
    unit: String,
    dimension: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractFile {
    municipality: String,
    plan: String,
    method: String,
    from: String,
    base: Option<i64>,
    alpha: Option<String>,
    minimum: Option<u32>,
    kinds: Vec<String>,
    tables: Vec<String>,
    #[serde(default)]
    districts: Vec<String>,
    #[serde(default)]
    programmes: Vec<String>,
    #[serde(default)]
    exact: Vec<String>,
    cap: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionFile {
    name: String,
    municipalities: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproverFile {
    name: String,
    key: String,
}

/// Reads the file.
///
/// # Errors
/// One line naming the rule.
pub(super) fn read(text: &str) -> Result<Disclosure, Failure> {
    let bad = |rule: &str| Failure::new(format!("policies: disclosure.toml: {rule}"));
    let file: File = toml::from_str(text).map_err(|error| bad(error.message()))?;
    checked(&file).map_err(|rule| bad(&rule))
}

fn checked(file: &File) -> Result<Disclosure, String> {
    let known = |table: &TableFile| {
        (table.id.as_str(), table.unit.as_str(), table.dimension.as_str())
            == (TABLE, "family", "source")
    };
    holds(
        file.table.len() == 1 && file.table.iter().all(known),
        "the one table there is without a contract is year.referrals.source",
    )?;
    let threshold = rules(file.threshold.minimum, file.threshold.rounding)?;
    let contracts: Vec<Contract> =
        file.contract.iter().map(contract).collect::<Result<_, String>>()?;
    holds(
        each_once(contracts.iter().map(|contract| contract.municipality)),
        "contract: one for a gemeente",
    )?;
    let regions: Vec<Region> =
        file.region.iter().map(|file| region(file, &contracts)).collect::<Result<_, String>>()?;
    holds(each_once(regions.iter().map(|region| &region.name)), "region: a name is given once")?;
    let approvers: Vec<Approver> =
        file.approver.iter().map(approver).collect::<Result<_, String>>()?;
    holds(
        each_once(approvers.iter().map(|one| &one.name))
            && each_once(approvers.iter().map(|one| one.key)),
        "approver: each name and each key is given once",
    )?;
    Ok(Disclosure { threshold, contracts, regions, approvers })
}

fn holds(rule: bool, text: &str) -> Result<(), String> {
    if rule { Ok(()) } else { Err(text.to_owned()) }
}

fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> bool {
    let all: Vec<T> = all.collect();
    all.iter().enumerate().all(|(at, one)| !all.iter().take(at).any(|other| other == one))
}

fn rules(minimum: u32, rounding: u32) -> Result<Rules, String> {
    Rules::new(minimum, rounding).map_err(|error| error.to_string())
}

fn all<T, E: std::fmt::Display>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, String> {
    texts.iter().map(|text| parse(text).map_err(|error| error.to_string())).collect()
}

fn contract(file: &ContractFile) -> Result<Contract, String> {
    let contract = Contract {
        municipality: Municipality::parse(&file.municipality).map_err(|e| e.to_string())?,
        plan: Slug::parse(&file.plan).map_err(|e| format!("plan: {e}"))?.as_str().to_owned(),
        method: method(file)?,
        from: Quarter::read(&file.from).or(Err("from: must be a quarter such as 2026Q1"))?,
        kinds: all(&file.kinds, Kind::parse)?,
        tables: all(&file.tables, TableId::parse)?,
        districts: all(&file.districts, District::parse)?,
        programmes: all(&file.programmes, Programme::parse)?,
        exact: all(&file.exact, Kind::parse)?,
        cap: file.cap.unwrap_or(CAP),
    };
    fits(&contract)?;
    Ok(contract)
}

fn method(file: &ContractFile) -> Result<Method, String> {
    let alpha = |text: &Option<String>, otherwise| {
        let all = [Alpha::Quarter, Alpha::ThreeEighths, Alpha::Half, Alpha::SevenEighths];
        match text {
            None => Ok(otherwise),
            Some(text) => all.into_iter().find(|one| one.as_str() == text).ok_or(()),
        }
    };
    match file.method.as_str() {
        "measure-round-freeze" => {
            let base = file.base.unwrap_or(3);
            let alpha = alpha(&file.alpha, Alpha::ThreeEighths);
            let alpha = alpha.ok().filter(|alpha| *alpha != Alpha::SevenEighths);
            holds(matches!(base, 3 | 5), "base: must be 3 or 5")?;
            Ok(Method::Freeze { base, alpha: alpha.ok_or("alpha: must be 1/4, 3/8 or 1/2")? })
        }
        "differential-privacy" => {
            let alpha = alpha(&file.alpha, Alpha::SevenEighths).or(Err("alpha: is not known"))?;
            Ok(Method::Private(alpha))
        }
        "cell-key" => Ok(Method::CellKey),
        "suppress-and-round" => {
            let base = file.base.unwrap_or(3);
            let base = u32::try_from(base).or(Err("base: must not be negative"))?;
            Ok(Method::Suppress(rules(file.minimum.unwrap_or(5), base)?))
        }
        _ => Err("method: must be measure-round-freeze, suppress-and-round, cell-key or \
            differential-privacy"
            .to_owned()),
    }
}

/// What holds of any contract.
fn fits(contract: &Contract) -> Result<(), String> {
    holds(!contract.kinds.is_empty(), "kinds: at least one")?;
    holds(each_once(contract.kinds.iter()), "kinds: each once")?;
    holds(each_once(contract.tables.iter()), "tables: each once")?;
    let counted = |kind: &Kind| contract.kinds.contains(kind);
    holds(
        contract.tables.iter().all(|table| counted(&table.kind)),
        "tables: only of kinds that are counted",
    )?;
    let own = |district: &District| district.lies_in(&contract.municipality);
    holds(contract.districts.iter().all(own), "districts: must lie in the gemeente")?;
    holds(contract.exact.iter().all(counted), "exact: only of kinds that are counted")?;
    let flows = contract.exact.iter().all(|kind| !kind.is_stock() && !kind.is_yearly());
    holds(flows, "exact: only of what happens in a quarter")?;
    holds((1..=HARD_CAP).contains(&contract.cap), "cap: at least 1 and at most 10")?;
    let year = Quarter::all_of(Year::parse(2026).map_err(|error| error.to_string())?);
    let cost = |kind: Kind| -> u32 {
        let quarter = |(at, quarter)| contract.cost(kind, quarter, at == 0);
        year.into_iter().enumerate().map(quarter).sum()
    };
    holds(
        contract.kinds.iter().all(|kind| cost(*kind) <= contract.cap),
        "tables: a kind has more of them in a year than its cap",
    )?;
    holds(each_once(contract.programmes.iter()), "programmes: each once")?;
    by_method(contract)
}

/// What holds of a contract by one method.
fn by_method(contract: &Contract) -> Result<(), String> {
    if let Method::Freeze { .. } = contract.method {
        return Ok(());
    }
    holds(
        contract.programmes.is_empty() && contract.exact.is_empty(),
        "programmes and exact: only with measure-round-freeze",
    )?;
    match contract.method {
        Method::Private(alpha) => {
            let most =
                contract.kinds.iter().map(|kind| 1 + contract.tables_of(*kind).count()).max();
            let most = u32::try_from(most.unwrap_or(1)).unwrap_or(u32::MAX);
            let epsilon = most.saturating_mul(alpha.epsilon_thousandths());
            holds(epsilon <= 1_000, "alpha: ε of the tables of a kind and year must be at most 1")
        }
        Method::Suppress(_) => {
            let only = TableId::parse("referrals.source").map_err(|error| error.to_string())?;
            holds(
                contract.kinds == [Kind::Referrals] && contract.tables == [only],
                "suppress-and-round: the one table is referrals.source",
            )
        }
        Method::Freeze { .. } | Method::CellKey => Ok(()),
    }
}

fn region(file: &RegionFile, contracts: &[Contract]) -> Result<Region, String> {
    let name = Slug::parse(&file.name).map_err(|error| format!("region.name: {error}"))?;
    let municipalities = all(&file.municipalities, Municipality::parse)?;
    let frozen = |one: &Municipality| {
        let own = contracts.iter().find(|contract| contract.municipality == *one);
        own.is_some_and(|contract| matches!(contract.method, Method::Freeze { .. }))
    };
    holds(municipalities.len() > 1, "region: two gemeenten or more")?;
    holds(each_once(municipalities.iter()), "region: each gemeente once")?;
    holds(
        municipalities.iter().all(frozen),
        "region: only of gemeenten whose contract is measure-round-freeze, as a sum of what is hidden would show it",
    )?;
    Ok(Region { name: name.as_str().to_owned(), municipalities })
}

fn approver(file: &ApproverFile) -> Result<Approver, String> {
    let name = Slug::parse(&file.name).map_err(|error| format!("approver.name: {error}"))?;
    let key = crate::crypto::digest::unhex(&file.key)
        .ok_or("approver.key: must be 64 hexadecimal digits")?;
    Ok(Approver { name: name.as_str().to_owned(), key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../policies/disclosure.toml");
    const CONTRACT: &str = r#"
        [[contract]]
        municipality = "GM0119"
        plan = "lean-1"
        method = "measure-round-freeze"
        from = "2026Q1"
        kinds = ["referrals", "pairings-made"]
        tables = ["referrals.source", "referrals.household"]
    "#;

    fn with(more: &str) -> Result<Disclosure, Failure> {
        read(&format!("{SHIPPED}{more}"))
    }

    #[test]
    fn the_shipped_file_and_a_contract_are_read() {
        assert!(with("").unwrap().contracts.is_empty());
        let read = with(CONTRACT).unwrap();
        let contract = read.contract(Municipality::parse("GM0119").unwrap()).unwrap();
        let method = Method::Freeze { base: 3, alpha: Alpha::ThreeEighths };
        assert_eq!((contract.method, contract.cap), (method, CAP));
    }

    /// Each change alone is refused; what it was made from is taken.
    #[test]
    fn a_contract_that_would_not_protect_is_refused() {
        for (from, to) in [
            ("GM0119", "Meppel"),
            ("measure-round-freeze", "random-rounding"),
            ("from = \"2026Q1\"", "from = \"2026\""),
            ("from = ", "base = 2\n from = "),
            ("from = ", "alpha = \"7/8\"\n from = "),
            ("from = ", "cap = 11\n from = "),
            ("from = ", "cap = 2\n from = "),
            ("from = ", "districts = [\"WK026801\"]\n from = "),
            ("from = ", "exact = [\"pairings-ended\"]\n from = "),
            ("referrals.household", "pairings-ended.outcome"),
            ("referrals.household", "referrals.source"),
            ("\"pairings-made\"", "\"referrals\""),
            ("measure-round-freeze", "suppress-and-round"),
            ("from = ", "form = "),
        ] {
            let text = CONTRACT.replacen(from, to, 1);
            assert_ne!(text, CONTRACT, "{to}");
            let failure = with(&text).err().unwrap_or_else(|| panic!("taken: {to}"));
            assert!(failure.message.starts_with("policies: disclosure.toml: "), "{to}");
        }
        assert!(with(&format!("{CONTRACT}{CONTRACT}")).is_err());
        // Three tables of ε 0.134 are within 1; with ε 0.694 they are not.
        let private = CONTRACT.replace("measure-round-freeze", "differential-privacy");
        assert!(with(&private).is_ok());
        let loud = private.replace("from = ", "alpha = \"1/2\"\n from = ");
        assert!(with(&loud).is_err());
    }

    #[test]
    fn a_region_is_of_frozen_gemeenten() {
        let other = CONTRACT.replace("GM0119", "GM0118");
        let region =
            "[[region]]\nname = \"zuidwest-drenthe\"\nmunicipalities = [\"GM0119\", \"GM0118\"]\n";
        assert!(with(&format!("{CONTRACT}{other}{region}")).is_ok());
        assert!(with(&format!("{CONTRACT}{region}")).is_err());
        let keyed = other.replace("measure-round-freeze", "cell-key");
        assert!(with(&format!("{CONTRACT}{keyed}{region}")).is_err());
    }

    #[test]
    fn approvers_have_keys_of_their_own() {
        let one = |name: &str, digit: &str| {
            format!("[[approver]]\nname = \"{name}\"\nkey = \"{}\"\n", digit.repeat(64))
        };
        assert_eq!(
            with(&format!("{}{}", one("lea", "a"), one("fg", "b"))).unwrap().approvers.len(),
            2
        );
        for bad in [
            format!("{}{}", one("lea", "a"), one("lea", "b")),
            format!("{}{}", one("lea", "a"), one("fg", "a")),
            one("lea", "g"),
            one("Lea V", "a"),
        ] {
            assert!(with(&bad).is_err(), "{bad}");
        }
    }
}
