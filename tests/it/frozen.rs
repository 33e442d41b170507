//! Figures that are measured, rounded and frozen (STA), as a gemeente gets them: by the quarter and the year.

use crate::reports::put;
use crate::sql;
use crate::support::{ANNA, POH_J, World, example, on_both};
use buurtpoort::audit::entry;
use buurtpoort::cli::pki::DevPki;
use buurtpoort::cli::watch;
use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::approval::ApprovalKey;
use buurtpoort::crypto::digest::{hex, sha256};
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::period::{Period, Quarter, Year};
use buurtpoort::domain::programme::Programme;
use buurtpoort::domain::referral::Source;
use buurtpoort::flow::publish::{PublishError, extra, preview, publish};
use buurtpoort::statistics::contract::{Approver, Contract, Disclosure, Method, Region, TableId};
use buurtpoort::statistics::noise::Alpha;
use buurtpoort::statistics::tabulate::Kind;
use buurtpoort::store::counts;
use buurtpoort::store::figures::{FiguresRow, SourceCount, put_history};
use buurtpoort::store::ledger;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::GEMEENTE;

pub(crate) fn nijmegen() -> Municipality {
    Municipality::parse("GM0268").expect("a gemeente")
}

fn period(text: &str) -> Period {
    Period::parse(text).expect("a period")
}

pub(crate) fn contract(municipality: Municipality, from: &str) -> Contract {
    let tables = ["referrals.source", "referrals.household", "pairings-made.waiting"];
    Contract {
        municipality,
        plan: "test-1".to_owned(),
        method: Method::Freeze { base: 3, alpha: Alpha::ThreeEighths },
        from: Quarter::read(from).expect("a quarter"),
        kinds: vec![Kind::Referrals, Kind::PairingsMade, Kind::PairingsEnded, Kind::PairingsActive],
        tables: tables.map(|table| TableId::parse(table).expect("a table")).to_vec(),
        districts: Vec::new(),
        programmes: Vec::new(),
        exact: Vec::new(),
        cap: 5,
    }
}

/// A change of a contract.
type Change<'a> = &'a dyn Fn(&mut Contract);

/// Puts contracts in force.
pub(crate) fn agree(world: &World, change: impl FnOnce(&mut Disclosure)) {
    let gateway = &world.booted.api.gateway;
    let mut disclosure = Disclosure::clone(&gateway.disclosure.load());
    change(&mut disclosure);
    gateway.disclosure.store(Arc::new(disclosure));
}

async fn seal(world: &World, asked: &str) -> Result<Vec<FiguresRow>, PublishError> {
    publish(&world.booted.api.gateway, nijmegen(), period(asked)).await
}

/// To an instant later; the list of revoked certificates lasts thirty days.
pub(crate) fn wait(world: &World, days: i64) {
    world.later(days * 86_400);
    let _listed = DevPki::open(&world.dir().join("pki"), world.now()).expect("the demo's CA");
    watch::reload_certificates(&world.booted);
}

fn cells(rows: &[FiguresRow]) -> Vec<Value> {
    let body = |row: &FiguresRow| serde_json::from_str::<Value>(&row.body).expect("JSON");
    rows.iter()
        .map(body)
        .flat_map(|body| body["cells"].as_array().expect("cells").clone())
        .collect()
}

/// Sums of a table's values.
fn sums(rows: &[FiguresRow]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for cell in cells(rows) {
        let value = cell["value"].as_i64().expect("a value");
        assert!(value >= 0 && value % 3 == 0, "{cell}");
        *sums.entry(cell["table"].as_str().expect("a table").to_owned()).or_default() += value;
    }
    sums
}

async fn number(world: &World, sql: &'static str) -> i64 {
    sql::number(&world.booted.api.gateway.store.pool, sql).await
}

on_both! {
    /// Quarter by quarter and then the year: everything adds up, each release is sealed once whatever comes later, and
    /// the ledger says from which seed and how many tables.
    async fn sta_a_year_of_quarters_is_sealed_once_and_adds_up(world: World) {
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        for _ in 0..9 {
            world.referral().await;
        }
        let [_, case, _, pairing] = world.on_trial().await;
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        assert!(matches!(seal(world, "2026Q4").await, Err(PublishError::NotOver)));
        // The quarter before is over, and nobody was counted in it.
        assert_eq!(seal(world, "2026Q3").await.expect("sealed").len(), 1);
        wait(world, 60);
        let rows = seal(world, "2026").await.expect("sealed");
        let periods: Vec<String> = rows.iter().map(|row| row.key.period.to_string()).collect();
        assert_eq!(periods, ["2026Q3", "2026Q4"]);
        let sums = sums(&rows);
        for kind in ["referrals", "pairings-made", "pairings-ended"] {
            let year = sums[&format!("year.{kind}")];
            let own = sums.iter().filter(|(table, _)| table.split('.').nth(1) == Some(kind));
            for (table, sum) in own {
                assert_eq!(*sum, year, "{table}");
            }
        }
        let objection = json!({"to": "statistics"});
        assert_eq!(world.post(ANNA, &format!("/v1/cases/{case}/objections"), &objection).await.status, 200);
        let again = seal(world, "2026").await.expect("as before");
        assert_eq!(rows, again);
        let list = world.get(GEMEENTE, "/v1/statistics/releases").await;
        for row in &rows {
            assert_eq!(row.sha256, sha256(row.body.as_bytes()));
            let items = list.body["items"].as_array().unwrap_or_else(|| panic!("{}", list.raw));
            let own = items.iter().find(|one| one["id"] == row.id.to_string()).expect("listed");
            assert_eq!(own["figures"].to_string().len(), row.body.len());
            assert_eq!(own["sha256"], json!(hex(&row.sha256)));
        }
        let mut told: Vec<String> = said(world, "seed:").await;
        let commitment = |row: &FiguresRow| {
            let body: Value = serde_json::from_str(&row.body).expect("JSON");
            format!("seed:{}", body["method"]["commitment"].as_str().expect("a commitment"))
        };
        let mut seeds: Vec<String> = rows.iter().map(commitment).collect();
        told.sort();
        seeds.sort();
        assert_eq!(told, seeds, "each sealed once, from a seed of its own");
    }
}

async fn said(world: &World, what: &str) -> Vec<String> {
    let pool = &world.booted.api.gateway.store.pool;
    let size = ledger::head(pool).await.expect("a head").signed().size;
    let mut said = Vec::new();
    for row in ledger::page(pool, 0, u32::try_from(size).expect("small")).await.expect("a page") {
        let (_, entry) = entry::decode(&row.leaf).expect("an entry");
        let fields = entry.fields.iter().map(|field| field.as_str().to_owned());
        said.extend(fields.filter(|field| field.starts_with(what)));
    }
    said
}

on_both! {
    /// What comes late counts in the first open quarter, and no sealed byte changes; who was counted and is taken back
    /// later stays counted; nobody is counted twice.
    async fn sta_what_comes_late_counts_in_the_next_quarter(world: World) {
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        let pool = &world.booted.api.gateway.store.pool;
        let first = world.referral().await;
        world.referral().await;
        // Made to have come in the quarter before, which is open yet.
        sql::run(pool, "UPDATE case_file SET received_ms = 1786000000000").await;
        let sealed = seal(world, "2026Q3").await.expect("sealed");
        let booked = "SELECT COUNT(*) FROM case_file WHERE booked = '2026Q3'";
        assert_eq!(number(world, booked).await, 2);
        // A third comes to light that belongs there too.
        world.referral().await;
        sql::run(pool, "UPDATE case_file SET received_ms = 1786000000000 WHERE booked IS NULL").await;
        let withdrawn = world.post(crate::support::WIJKTEAM, &format!("/v1/referrals/{first}/withdrawals"), &json!({})).await;
        assert_eq!(withdrawn.status, 200, "{}", withdrawn.raw);
        wait(world, 60);
        let year = seal(world, "2026").await.expect("sealed");
        assert_eq!(year[0], sealed[0], "no sealed byte changes");
        assert_eq!(number(world, booked).await, 2);
        assert_eq!(number(world, "SELECT COUNT(*) FROM case_file WHERE booked = '2026Q4'").await, 1);
        assert_eq!(number(world, "SELECT COUNT(*) FROM case_file WHERE booked IS NULL").await, 0);
    }
}

on_both! {
    /// A contract changes with a year and not within one, and what was told by one method is not told by another.
    async fn sta_a_year_is_told_by_one_plan_and_one_method(world: World) {
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        assert!(seal(world, "2026Q3").await.is_ok());
        wait(world, 60);
        let with = |change: Change<'_>| {
            agree(world, |disclosure| disclosure.contracts.iter_mut().for_each(change));
        };
        let base = |base| move |one: &mut Contract| one.method = Method::Freeze { base, alpha: Alpha::ThreeEighths };
        let changes: [[Change<'_>; 2]; 4] = [
            [&base(5), &base(3)],
            [&|one| "other".clone_into(&mut one.plan), &|one| "test-1".clone_into(&mut one.plan)],
            [&|one| one.kinds.truncate(2), &|one| one.kinds = contract(nijmegen(), "2026Q3").kinds],
            [
                &|one| one.from = Quarter::read("2026Q2").expect("a quarter"),
                &|one| one.from = Quarter::read("2026Q3").expect("a quarter"),
            ],
        ];
        for [there, back] in changes {
            with(there);
            assert!(matches!(seal(world, "2026").await, Err(PublishError::Changed)));
            with(back);
        }
        with(&|one| one.method = Method::CellKey);
        assert!(matches!(seal(world, "2026").await, Err(PublishError::Broken(_))));
        with(&base(3));
        assert!(seal(world, "2026").await.is_ok(), "control: as it was");
    }
}

on_both! {
    /// Beyond the cap nothing is written, and who is asked says what is left.
    async fn sta_over_the_cap_is_refused_and_nothing_is_written(world: World) {
        let mut small = contract(nijmegen(), "2026Q3");
        small.cap = 2;
        agree(world, |disclosure| disclosure.contracts.push(small));
        let before = number(world, "SELECT COUNT(*) FROM figures_release").await;
        assert!(seal(world, "2026Q3").await.is_ok(), "the first quarter costs one of each kind");
        wait(world, 60);
        let refused = seal(world, "2026").await.expect_err("referrals by source and household are two more");
        let text = refused.to_string();
        assert!(text.contains("referrals: 1 of 2 tables are left in that year, 2 are asked for"), "{text}");
        assert_eq!(number(world, "SELECT COUNT(*) FROM figures_release").await, before + 1);
        assert_eq!(number(world, "SELECT COUNT(*) FROM case_file WHERE booked IS NOT NULL").await, 0);
    }
}

on_both! {
    /// A table beyond the contract needs two who can approve, each with a key of their own; then it adds up to the year
    /// that was published.
    async fn sta_a_table_beyond_the_contract_needs_two_approvers(world: World) {
        let (_, lea) = ApprovalKey::fresh(&Entropy::system()).expect("a key");
        let (_, officer) = ApprovalKey::fresh(&Entropy::system()).expect("a key");
        let (_, stranger) = ApprovalKey::fresh(&Entropy::system()).expect("a key");
        agree(world, |disclosure| {
            disclosure.contracts.push(contract(nijmegen(), "2026Q3"));
            for (name, key) in [("lea", &lea), ("officer", &officer)] {
                disclosure.approvers.push(Approver { name: name.to_owned(), key: key.public() });
            }
        });
        for _ in 0..7 {
            world.referral().await;
        }
        wait(world, 60);
        let rows = seal(world, "2026").await.expect("sealed");
        let (gateway, year) = (&world.booted.api.gateway, Year::parse(2026).expect("a year"));
        let table = TableId::parse("referrals.ageBand").expect("a table");
        let asked = (nijmegen(), year, table);
        let text = extra::statement(gateway, nijmegen(), year, table).expect("a statement");
        let publish = async || extra::publish(gateway, nijmegen(), year, &[table]).await;
        let approve = async |key: &ApprovalKey, text: &str| {
            extra::approve(gateway, asked, &key.public(), &key.sign(text.as_bytes())).await
        };
        assert!(matches!(publish().await, Err(PublishError::NotApproved(_))));
        assert!(approve(&stranger, &text).await.is_err(), "no approver");
        assert!(approve(&lea, "another table").await.is_err(), "another statement");
        assert_eq!(approve(&lea, &text).await.expect("approved"), "lea");
        approve(&lea, &text).await.expect("a second time changes nothing");
        assert!(matches!(publish().await, Err(PublishError::NotApproved(_))), "one alone is not enough");
        approve(&officer, &text).await.expect("approved");
        let row = publish().await.expect("two approved");
        let (more, told) = (sums(std::slice::from_ref(&row)), sums(&rows));
        assert_eq!(more["year.referrals.ageBand"], told["year.referrals"]);
        assert_eq!(publish().await.expect("as before"), row);
        let approvals = said(world, "approved:").await;
        // Each when it was given, once, and both when the table was sealed.
        assert_eq!(approvals, ["approved:lea", "approved:officer", "approved:lea", "approved:officer"]);
    }
}

on_both! {
    /// A family with two pairings in a year counts once in every table, and twice only in what is told exactly.
    async fn sta_a_family_counts_once_a_kind_and_year(world: World) {
        let mut own = contract(nijmegen(), "2026Q4");
        own.exact = vec![Kind::PairingsMade];
        let of_contract = own.clone();
        agree(world, |disclosure| disclosure.contracts.push(own));
        let [_, _, _, pairing] = world.on_trial().await;
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        let pool = &world.booted.api.gateway.store.pool;
        let id = sql::either(pool, "randomblob(16)", "gen_random_uuid()");
        sql::run(pool, &format!(
            "INSERT INTO pairing (id, case_id, support_family_id, state, children, introduced_ms, extended, paired_ms, \
             changed_ms, version) SELECT {id}, case_id, support_family_id, 'paired', children, introduced_ms, 0, \
             paired_ms + 1000, changed_ms, 1 FROM pairing"
        )).await;
        let last = Quarter::read("2026Q4").expect("a quarter");
        let counted = counts::of_quarter(pool, &of_contract, last).await.expect("counted");
        for kind in [Kind::PairingsMade, Kind::PairingsActive] {
            let own = counted.events.iter().filter(|event| event.kind == kind);
            let again: Vec<bool> = own.map(|event| event.again).collect();
            assert_eq!(again, [false, true], "{kind:?}");
        }
        assert_eq!(counted.booking.made.len(), 2, "both are booked");
        wait(world, 60);
        let rows = seal(world, "2026").await.expect("sealed");
        let exact = cells(&rows).into_iter().find(|cell| cell["table"] == "exact.pairings-made");
        assert_eq!(exact.expect("told exactly")["value"], 2);
        let line = "SELECT CAST(epsilon AS BIGINT) FROM disclosure WHERE kind = 'exact.pairings-made'";
        assert_eq!(number(world, line).await, 0, "on record as no protection");
    }
}

on_both! {
    /// What a programme reported of the year stands beside, each measure with a draw of its own; a report that was sent
    /// again counts once.
    async fn sta_programme_reports_stand_beside(world: World) {
        let mut own = contract(nijmegen(), "2026Q3");
        own.programmes = vec![Programme::PohJ];
        agree(world, |disclosure| disclosure.contracts.push(own));
        let place = "poh-j/2026Q4";
        let mut report = example("programme-report");
        assert_eq!(put(world, POH_J, place, &report).await.status, 200);
        report["childrenSeen"] = json!(150);
        assert_eq!(put(world, POH_J, place, &report).await.body["version"], json!(2));
        wait(world, 60);
        let rows = seal(world, "2026").await.expect("sealed");
        let told = cells(&rows);
        let seen: Vec<&Value> = told.iter().filter(|cell| cell["table"] == "year.programme.poh-j").collect();
        assert_eq!(seen.len(), Programme::PohJ.measures().len() - 1, "all but visits");
        let of = |measure: &str| {
            let cell = seen.iter().find(|cell| cell["where"]["measure"] == measure).expect("a measure");
            cell["value"].as_i64().expect("a value")
        };
        // A draw of more than 120 comes once in ten million.
        for (measure, sum) in [("childrenSeen", 150), ("helpedWithoutReferral", 90)] {
            assert!((of(measure) - sum).abs() < 120 && of(measure) % 3 == 0, "{measure}: {}", of(measure));
        }
        let spent = number(world, "SELECT CAST(tables AS BIGINT) FROM disclosure WHERE kind = 'programme.poh-j'").await;
        assert_eq!(spent, 16, "four measures of four quarters");
    }
}

on_both! {
    /// A region is the sum of what its gemeenten published, and each of them reads it.
    async fn sta_a_region_is_the_sum_of_what_was_published(world: World) {
        let druten = Municipality::parse("GM0225").expect("a gemeente");
        agree(world, |disclosure| {
            disclosure.contracts.push(contract(nijmegen(), "2026Q1"));
            disclosure.contracts.push(contract(druten, "2026Q1"));
            let municipalities = vec![nijmegen(), druten];
            disclosure.regions.push(Region { name: "rijk-van-nijmegen".to_owned(), municipalities });
        });
        for _ in 0..12 {
            world.referral().await;
        }
        wait(world, 60);
        let gateway = &world.booted.api.gateway;
        let own = seal(world, "2026").await.expect("sealed");
        let before = world.get(GEMEENTE, "/v1/statistics/releases").await;
        assert!(!before.raw.contains("rijk-van-nijmegen"), "not before all of it was published");
        let other = publish(gateway, druten, period("2026")).await.expect("sealed");
        let list = world.get(GEMEENTE, "/v1/statistics/releases").await;
        let items = list.body["items"].as_array().expect("items").clone();
        let of_region: Vec<&Value> =
            items.iter().filter(|one| one["area"] == "rijk-van-nijmegen").collect();
        assert_eq!(of_region.len(), 4, "{}", list.raw);
        let mut sum: BTreeMap<String, i64> = sums(&own);
        for (table, value) in sums(&other) {
            *sum.entry(table).or_default() += value;
        }
        let mut told: BTreeMap<String, i64> = BTreeMap::new();
        for cell in of_region.iter().flat_map(|one| one["figures"]["cells"].as_array().expect("cells")) {
            *told.entry(cell["table"].as_str().expect("a table").to_owned()).or_default() +=
                cell["value"].as_i64().expect("a value");
        }
        assert_eq!(told, sum);
        let path = format!("/v1/statistics/releases/{}", of_region[0]["id"].as_str().expect("an id"));
        assert_eq!(world.get(GEMEENTE, &path).await.status, 200);
        let druten = ("gemeente-druten", "beleid-1", "municipality");
        assert_eq!(world.get(druten, &path).await.status, 200);
        let meppel = ("gemeente-meppel", "beleid-1", "municipality");
        assert_eq!(world.get(meppel, &path).await.status, 404, "not of that region");
    }
}

on_both! {
    /// What would be published is told before anyone publishes, and that publishes and draws nothing.
    async fn sta_a_preview_tells_tables_and_budget_and_writes_nothing(world: World) {
        let gateway = &world.booted.api.gateway;
        let before = number(world, "SELECT COUNT(*) FROM figures_release").await;
        let published = preview::preview(gateway, nijmegen(), period("2025")).await.expect("told");
        assert_eq!(published["state"], "published before", "nothing to hold against it");
        let year = Year::parse(2022).expect("a year");
        let counts = [(Source::Wijkteam, 40), (Source::PohJ, 3), (Source::Regieteam, 30)];
        let counts = counts.map(|(source, families)| SourceCount { source, families });
        put_history(&gateway.store.pool, (nijmegen(), year), &counts).await.expect("history");
        let told = preview::preview(gateway, nijmegen(), period("2022")).await.expect("told");
        let cells = told["cells"].as_array().expect("cells");
        assert!(cells.iter().any(|cell| cell["value"].is_null() && cell["why"].as_str().is_some_and(|why| why.starts_with("hidden"))));
        assert!(cells.iter().any(|cell| cell["value"].is_i64() && cell["why"] == "shown, rounded"));
        assert_eq!(told["attack"], "passed");
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        let earlier = preview::preview(gateway, nijmegen(), period("2022")).await.expect("as without one");
        assert_eq!(told, earlier, "the years before a contract");
        wait(world, 60);
        let told = preview::preview(gateway, nijmegen(), period("2026")).await.expect("told");
        let steps = told["releases"].as_array().expect("releases");
        assert_eq!((steps.len(), &steps[0]["period"], &steps[1]["attack"]), (2, &json!("2026Q3"), &json!("passed")));
        let budget = steps[1]["budget"].as_array().expect("a budget");
        let referrals = budget.iter().find(|one| one["kind"] == "referrals").expect("referrals");
        assert_eq!((&referrals["before"], &referrals["tables"], &referrals["after"]), (&json!(1), &json!(2), &json!(3)));
        assert!(!told.to_string().contains("\"value\""), "no figure is drawn");
        assert_eq!(number(world, "SELECT COUNT(*) FROM figures_release").await, before);
        seal(world, "2026Q3").await.expect("sealed");
        let told = preview::preview(gateway, nijmegen(), period("2026")).await.expect("told");
        assert_eq!(told["releases"][0]["state"], "published before");
    }
}

on_both! {
    /// The other methods seal a year, each in its own way; a contract may choose any.
    async fn sta_the_other_methods_seal_a_year(world: World) {
        for _ in 0..11 {
            world.referral().await;
        }
        wait(world, 60);
        let (druten, heumen) = ("GM0225", "GM0252");
        for (code, method) in [(druten, Method::CellKey), (heumen, Method::Private(Alpha::SevenEighths))] {
            let municipality = Municipality::parse(code).expect("a gemeente");
            let mut contract = contract(municipality, "2026Q3");
            contract.method = method;
            agree(world, |disclosure| disclosure.contracts.push(contract));
            let gateway = &world.booted.api.gateway;
            let rows = publish(gateway, municipality, period("2026")).await.expect("sealed");
            assert_eq!((rows.len(), rows[0].key.period.to_string()), (1, "2026".to_owned()));
            let again = publish(gateway, municipality, period("2026")).await.expect("as before");
            assert_eq!(rows, again);
            for cell in cells(&rows) {
                let value = cell["value"].as_i64().expect("a value");
                assert!(value >= 0, "{cell}");
                assert!(method != Method::CellKey || value == 0 || value >= 5, "{cell}");
            }
            let quarter = publish(gateway, municipality, period("2026Q3")).await;
            assert!(matches!(quarter, Err(PublishError::NotTold)), "only the year");
        }
    }
}

on_both! {
    /// A quarter that goes on is not sealed, and the definitions say which contract a gemeente has.
    async fn sta_an_open_quarter_is_not_sealed(world: World) {
        let before = world.get(GEMEENTE, "/v1/statistics/definitions").await;
        assert_eq!(before.body["contracts"], json!([]), "{}", before.raw);
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q4")));
        assert!(matches!(seal(world, "2026Q4").await, Err(PublishError::NotOver)));
        assert!(matches!(seal(world, "2026Q3").await, Err(PublishError::NotTold)));
        let after = world.get(GEMEENTE, "/v1/statistics/definitions").await;
        let contract = &after.body["contracts"][0];
        assert_eq!((&contract["municipality"], &contract["alpha"]), (&json!("GM0268"), &json!("3/8")));
        assert_eq!(contract["tables"][0]["label"], "Aangemelde gezinnen naar verwijzer, per jaar");
    }
}
