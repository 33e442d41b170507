//! Figures that are measured, rounded and frozen (STA), as a gemeente gets them.

use crate::support::{ANNA, Caller, World, on_both};
use buurtpoort::audit::entry;
use buurtpoort::cli::pki::DevPki;
use buurtpoort::cli::watch;
use buurtpoort::crypto::digest::{hex, sha256};
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::period::Year;
use buurtpoort::flow::figures::publish;
use buurtpoort::store::figures::FiguresKey;
use buurtpoort::store::ledger;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const GEMEENTE: Caller = ("gemeente-nijmegen", "beleid-1", "municipality");

/// The figures of a gemeente whose contract is the frozen plan, about 2026.
async fn sealed(world: &World) -> (Vec<u8>, Value) {
    let gateway = &world.booted.api.gateway;
    let nijmegen = Municipality::parse("GM0268").expect("a gemeente");
    gateway.frozen.store(Arc::new(vec![nijmegen]));
    let key = FiguresKey { municipality: nijmegen, year: Year::parse(2026).expect("a year") };
    let row = publish(gateway, key).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(row.sha256, sha256(row.body.as_bytes()));
    let body = serde_json::from_str(&row.body).expect("JSON");
    (row.body.into_bytes(), body)
}

/// Values by table.
fn sums(body: &Value) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for cell in body["cells"].as_array().expect("cells") {
        let value = cell["value"].as_i64().expect("a value");
        assert!(value >= 0 && value % 3 == 0, "{cell}");
        *sums.entry(cell["table"].as_str().expect("a table").to_owned()).or_default() += value;
    }
    sums
}

on_both! {
    /// Everything adds up; a second sealing gives the same bytes, whatever came later; the ledger says from which seed
    /// and how many tables, and the seed itself is nowhere.
    async fn sta_a_year_is_sealed_once_and_adds_up(world: World) {
        for _ in 0..9 {
            world.referral().await;
        }
        let [_, case, _, pairing] = world.on_trial().await;
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        // January.
        world.later(60 * 86_400);
        // The list of revoked certificates lasts thirty days.
        let _listed = DevPki::open(&world.dir().join("pki"), world.now()).expect("the demo's CA");
        watch::reload_certificates(&world.booted);
        let (first, body) = sealed(world).await;
        let sums = sums(&body);
        for kind in ["referrals", "pairings-made", "pairings-ended"] {
            let year = sums[&format!("year.{kind}")];
            let own = sums.iter().filter(|(table, _)| table.split('.').nth(1) == Some(kind));
            for (table, sum) in own {
                assert_eq!(*sum, year, "{table}");
            }
        }
        let objection = json!({"to": "statistics"});
        assert_eq!(world.post(ANNA, &format!("/v1/cases/{case}/objections"), &objection).await.status, 200);
        let (again, _) = sealed(world).await;
        assert_eq!(first, again);
        let list = world.get(GEMEENTE, "/v1/statistics/releases").await;
        let own = list.body["items"].as_array().unwrap_or_else(|| panic!("{}", list.raw)).iter().find(|one| one["period"] == "2026");
        assert_eq!(own.expect("the release")["figures"], body);
        assert_eq!(own.expect("the release")["sha256"], json!(hex(&sha256(&first))));

        let pool = &world.booted.api.gateway.store.pool;
        let size = ledger::head(pool).await.expect("a head").signed().size;
        let mut said = Vec::new();
        for row in ledger::page(pool, 0, u32::try_from(size).expect("small")).await.expect("a page") {
            let (_, entry) = entry::decode(&row.leaf).expect("an entry");
            said.extend(entry.fields.iter().filter(|f| f.as_str().starts_with("seed:")).map(|f| f.as_str().to_owned()));
        }
        let commitment = body["method"]["commitment"].as_str().expect("a commitment").to_owned();
        assert_eq!(said, [format!("seed:{commitment}")], "sealed once");
    }
}

on_both! {
    /// A year that goes on is not sealed, and the definitions say which gemeenten have which figures.
    async fn sta_an_open_year_is_not_sealed(world: World) {
        let gateway = &world.booted.api.gateway;
        let before = world.get(GEMEENTE, "/v1/statistics/definitions").await;
        assert_eq!(before.body["frozen"]["municipalities"], json!([]), "{}", before.raw);
        let nijmegen = Municipality::parse("GM0268").expect("a gemeente");
        gateway.frozen.store(Arc::new(vec![nijmegen]));
        let key = FiguresKey { municipality: nijmegen, year: Year::parse(2026).expect("a year") };
        assert!(publish(gateway, key).await.is_err());
        let after = world.get(GEMEENTE, "/v1/statistics/definitions").await;
        assert_eq!(after.body["frozen"]["municipalities"], json!(["GM0268"]));
        assert_eq!(after.body["frozen"]["alpha"], json!("3/8"));
    }
}
