//! One release in every form: the same cells, the same figures, the same hidden cells (STA), as a gemeente gets them.

use crate::frozen::{agree, contract, nijmegen, wait};
use crate::support::{GEMEENTE, World, client_of, on_both};
use buurtpoort::clock::Clock;
use buurtpoort::domain::period::{Period, Year};
use buurtpoort::domain::programme::Target;
use buurtpoort::flow::publish::publish;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

/// A cell in any form: table and codes, and the figure, or nothing where it is hidden.
type Cells = BTreeMap<(String, BTreeMap<String, String>), Option<i64>>;

struct Form {
    status: u16,
    kind: String,
    tag: String,
    link: String,
    bytes: Vec<u8>,
}

async fn form(world: &World, id: &str, accept: &str, held: Option<&str>) -> Form {
    let client = client_of(&world.dir(), Some(GEMEENTE.0), &Clock::Test(Arc::clone(&world.hand)));
    let mut request = client
        .get(world.url(&format!("/v1/statistics/releases/{id}")))
        .bearer_auth(world.token(GEMEENTE))
        .header("Accept", accept);
    if let Some(tag) = held {
        request = request.header("If-None-Match", tag);
    }
    let answer = request.send().await.expect("an answer");
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    Form {
        status: answer.status().as_u16(),
        kind: header("content-type"),
        tag: header("etag"),
        link: header("link"),
        bytes: answer.bytes().await.expect("a body").to_vec(),
    }
}

fn of_json(body: &Value) -> Cells {
    let only = body["figures"]["table"].as_str().unwrap_or_default();
    let cells = body["figures"]["cells"].as_array().expect("cells").iter();
    let place = |cell: &Value| {
        let codes = cell["where"].as_object().expect("a place").iter();
        codes
            .map(|(name, code)| (name.clone(), code.as_str().expect("a code").to_owned()))
            .collect()
    };
    cells
        .map(|cell| {
            let table = cell["table"].as_str().unwrap_or(only).to_owned();
            let shown = cell["obsStatus"] == "A";
            assert_eq!(shown, cell["confStatus"] == "F");
            assert_eq!(shown, cell["value"].is_i64(), "{cell}");
            ((table, place(cell)), cell["value"].as_i64())
        })
        .collect()
}

/// Rows of a sheet with a line of names: CSV, or XLSX with other names for the columns.
fn of_rows(names: &[&str], rows: &[Vec<String>]) -> Cells {
    let fixed = ["area", "period", "table", "value", "obsStatus", "confStatus", "unit", "label"];
    let mut cells = Cells::new();
    for row in rows {
        let at = |name: &str| {
            let column = names.iter().position(|one| *one == name).expect("a column");
            row[column].as_str()
        };
        let codes = names
            .iter()
            .zip(row)
            .filter(|(name, code)| !fixed.contains(name) && !code.is_empty() && *code != "_T");
        let place = codes.map(|(name, code)| ((*name).to_owned(), code.clone())).collect();
        let value = at("value").parse().ok();
        assert_eq!(
            (at("obsStatus") == "A", at("confStatus") == "F"),
            (value.is_some(), value.is_some())
        );
        cells.insert((at("table").to_owned(), place), value);
    }
    cells
}

fn of_csv(text: &str, separator: u8) -> (Vec<String>, Cells) {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().expect("names").iter().map(str::to_owned).collect();
    let line = |record: csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = reader.records().map(|row| line(row.expect("a row"))).collect();
    let cells = of_rows(&names.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    (names, cells)
}

fn of_json_stat(told: &Value) -> Cells {
    assert_eq!((&told["version"], &told["class"]), (&json!("2.0"), &json!("collection")));
    let mut cells = Cells::new();
    for dataset in told["link"]["item"].as_array().expect("datasets") {
        let table = dataset["extension"]["table"].as_str().expect("a table");
        let ids: Vec<&str> =
            dataset["id"].as_array().expect("ids").iter().filter_map(Value::as_str).collect();
        let codes = |id: &str| -> Vec<&str> {
            let index = dataset["dimension"][id]["category"]["index"].as_array().expect("codes");
            index.iter().filter_map(Value::as_str).collect()
        };
        let axes: Vec<Vec<&str>> = ids.iter().map(|id| codes(id)).collect();
        let values = dataset["value"].as_array().expect("values");
        assert_eq!(values.len(), axes.iter().map(Vec::len).product::<usize>(), "{table}");
        for (at, value) in values.iter().enumerate() {
            let (mut rest, mut place) = (at, BTreeMap::new());
            for (id, axis) in ids.iter().zip(&axes).rev() {
                let code = axis[rest % axis.len()];
                rest /= axis.len();
                if code != "_T" {
                    place.insert((*id).to_owned(), code.to_owned());
                }
            }
            assert_eq!(dataset["status"][at] == "A", value.is_i64());
            cells.insert((table.to_owned(), place), value.as_i64());
        }
    }
    cells
}

/// The text of a part of the workbook.
fn part(bytes: &[u8], name: &str) -> String {
    let mut book = zip::ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    let mut text = String::new();
    book.by_name(name).expect("a part").read_to_string(&mut text).expect("text");
    text
}

/// What stands between `<tag …>` and its end, each time.
fn each<'a>(text: &'a str, tag: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let mut found = Vec::new();
    for piece in text.split(&open).skip(1) {
        let Some((head, rest)) = piece.split_once('>') else { continue };
        if !(head.is_empty() || head.starts_with(' ') || head.starts_with('/')) {
            continue;
        }
        let inside =
            if head.ends_with('/') { "" } else { rest.split(&close).next().unwrap_or_default() };
        found.push((head, inside));
    }
    found
}

fn of_xlsx(bytes: &[u8], names: &[&str]) -> Cells {
    let strings = part(bytes, "xl/sharedStrings.xml");
    let strings: Vec<&str> = each(&strings, "t").into_iter().map(|(_, text)| text).collect();
    let sheet = part(bytes, "xl/worksheets/sheet1.xml");
    let mut rows = Vec::new();
    for (_, row) in each(&sheet, "row") {
        let mut line = vec![String::new(); names.len()];
        for (head, cell) in each(row, "c") {
            let letter =
                head.split("r=\"").nth(1).and_then(|at| at.bytes().next()).expect("a place");
            let value = each(cell, "v").first().map(|(_, text)| (*text).to_owned());
            let value = value.unwrap_or_default();
            let shared = head.contains("t=\"s\"");
            line[usize::from(letter - b'A')] = match value.parse::<usize>() {
                Ok(index) if shared => strings[index].to_owned(),
                _ => value,
            };
        }
        rows.push(line);
    }
    of_rows(names, &rows[1..])
}

/// All forms of a release against the JSON it was sealed in.
async fn forms_agree(world: &World, id: &str) -> Cells {
    let json = form(world, id, "application/json", None).await;
    let sealed = of_json(&serde_json::from_slice(&json.bytes).expect("JSON"));
    let csv = form(world, id, "text/csv", None).await;
    assert_eq!(csv.kind, "text/csv; charset=utf-8; header=present");
    assert!(
        csv.link.contains("rel=\"describedby\"; type=\"application/csvm+json\""),
        "{}",
        csv.link
    );
    let text = String::from_utf8(csv.bytes).expect("UTF-8");
    let (names, cells) = of_csv(&text, b',');
    assert_eq!(cells, sealed);
    let semicolons = form(world, id, "text/csv;separator=semicolon", None).await;
    let (_, cells) = of_csv(&String::from_utf8(semicolons.bytes).expect("UTF-8"), b';');
    assert_eq!(cells, sealed);
    let metadata = form(world, id, "application/csvm+json", None).await;
    let metadata: Value = serde_json::from_slice(&metadata.bytes).expect("JSON");
    let columns = metadata["tableSchema"]["columns"].as_array().expect("columns");
    let described: Vec<&str> =
        columns.iter().filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(described, names);
    let stat = form(world, id, "application/vnd.json-stat+json", None).await;
    assert_eq!(of_json_stat(&serde_json::from_slice(&stat.bytes).expect("JSON")), sealed);
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let book = form(world, id, kind, None).await;
    assert_eq!(book.kind, kind);
    let dimensions = &names[3..names.len() - 5];
    let mut in_book = vec!["table", "label"];
    in_book.extend(dimensions.iter().map(String::as_str));
    in_book.extend(["value", "obsStatus", "confStatus", "unit"]);
    assert_eq!(of_xlsx(&book.bytes, &in_book), sealed);
    let tags = [&json.tag, &csv.tag, &semicolons.tag, &stat.tag, &book.tag];
    for (at, tag) in tags.iter().enumerate() {
        assert!(!tag.is_empty() && !tags[..at].contains(tag), "a tag for each form: {tag}");
    }
    let again = form(world, id, "text/csv", Some(&csv.tag)).await;
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    sealed
}

on_both! {
    /// One figure per form, cell by cell: a table with hidden cells, and frozen ones with a target beside them.
    async fn sta_every_form_has_the_same_cells(world: World) {
        let list = world.get(GEMEENTE, "/v1/statistics/releases").await;
        let cells = forms_agree(world, list.text("/items/0/id")).await;
        assert!(cells.values().any(Option::is_none), "control: some are hidden");
        let gateway = &world.booted.api.gateway;
        let year = Year::parse(2026).expect("a year");
        let target = Target { municipality: nijmegen(), year, pairings: 15, budget_euro: 58_000 };
        gateway.targets.store(Arc::new(vec![target]));
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        for _ in 0..8 {
            world.referral().await;
        }
        wait(world, 60);
        let rows = publish(gateway, nijmegen(), Period::Year(year)).await.expect("published");
        let cells = forms_agree(world, &rows[1].id.to_string()).await;
        let place = BTreeMap::from([("year".to_owned(), "2026".to_owned())]);
        assert_eq!(cells.get(&("target.pairings-made".to_owned(), place)), Some(&Some(15)));
        assert!(cells.len() > 20, "{}", cells.len());
        let html = form(world, &rows[1].id.to_string(), "text/html", None).await;
        assert_eq!(html.status, 406);
    }
}
