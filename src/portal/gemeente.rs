//! `/gemeente`: the figures of a gemeente, as tables and drawings, and as files.
//!
//! Tables, drawings and files are made of the same sealed body. What is hidden is drawn as a stub of one height: a bar
//! of its own height would tell it.

use crate::crypto::digest::{hex, sha256};
use crate::flow::figures;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::statistics::{self, definitions};
use crate::ids::StatisticsReleaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListStatistics, ReadDefinitions, ReadStatistics};
use crate::portal::page::{self, Frame, Row, Sheet};
use crate::portal::twin::Told;
use crate::portal::visit::Visit;
use crate::portal::words::{Lang, moment_of_ms, term};
use crate::statistics::formats::Format;
use crate::statistics::formats::csv::Separator;
use crate::statistics::release::Published;
use crate::store::figures::FiguresRow;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path};
use askama::Template;
use told::{code_in, column_in, exactness, period, table_in};
use uuid::Uuid;

pub(super) mod told;

/// One figure of a table.
#[derive(Clone, Debug)]
struct Figure {
    /// What it counts, in words.
    words: String,
    /// The figure, or nothing where it is hidden.
    value: Option<i64>,
}

impl Figure {
    /// As it stands in the table.
    fn text(&self, lang: Lang) -> String {
        match self.value {
            Some(0) => "0*".to_owned(),
            Some(value) => value.to_string(),
            None => lang.say("verborgen", "hidden").to_owned(),
        }
    }
}

/// A bar of a drawing: where it lies, in points, and how long it is, in hundredths of the drawing's width.
struct Bar {
    y: i64,
    width: i64,
    hidden: bool,
    text: String,
    words: String,
}

/// One table of a release, and its drawing.
struct Table {
    at: usize,
    id: String,
    title: String,
    head: String,
    figures: Vec<Figure>,
    /// What was agreed for the year, beside what was counted.
    target: Option<Figure>,
    bars: Vec<Bar>,
    height: i64,
}

/// Points of a bar and the room around it.
const BAR: i64 = 40;
/// Length of the longest bar, which leaves room for its figure.
const LONGEST: i64 = 70;
/// Length of every bar that is hidden.
const STUB: i64 = 10;

/// A file to download.
struct File {
    path: String,
    words: &'static str,
    /// In kilobytes.
    size: usize,
    sha256: String,
}

#[derive(Template)]
#[template(path = "figures.html")]
struct FiguresPage {
    frame: Frame,
    area: String,
    period: String,
    sealed: String,
    sha256: String,
    id: String,
    exact: String,
    has_zero: bool,
    has_hidden: bool,
    tables: Vec<Table>,
    files: Vec<File>,
}

#[derive(Template)]
#[template(path = "municipality.html")]
struct MunicipalityPage {
    frame: Frame,
    /// Area and period, and its totals: words and figure.
    tiles: Vec<(String, Vec<(String, String)>)>,
    has_zero: bool,
    heads: Vec<String>,
    rows: Vec<Row>,
    empty: String,
}

/// The cells of a release, table by table, in order.
fn tables(lang: Lang, body: &Published) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for cell in &body.cells {
        let is_time = |name: &str| name == "year" || name == "quarter";
        let within: Vec<&(String, String)> =
            cell.place.iter().filter(|(name, _)| !is_time(name)).collect();
        let shown = if within.is_empty() { cell.place.iter().collect() } else { within };
        let words: Vec<String> = shown.iter().map(|(_, code)| code_in(lang, code)).collect();
        let words = if words.is_empty() { code_in(lang, "_T") } else { words.join(", ") };
        let head = shown.first().map_or("area", |(name, _)| name.as_str());
        let figure = Figure { words, value: cell.value };
        let at = tables.len();
        match tables.iter_mut().find(|table| table.id == cell.table) {
            Some(table) => table.figures.push(figure),
            None => tables.push(Table {
                at,
                title: table_in(lang, &cell.table),
                head: column_in(lang, head).to_owned(),
                id: cell.table.clone(),
                figures: vec![figure],
                target: None,
                bars: Vec::new(),
                height: 0,
            }),
        }
    }
    beside(lang, &mut tables);
    // The year first: that is what is asked for.
    tables.sort_by_key(|table| !table.id.starts_with("year."));
    for (at, table) in tables.iter_mut().enumerate() {
        table.at = at;
        draw(lang, table);
    }
    tables
}

/// What was agreed for a year goes beside what was counted; where nothing was counted it stays a table.
fn beside(lang: Lang, tables: &mut Vec<Table>) {
    let agreed: Vec<(String, Option<i64>)> = tables
        .iter()
        .filter_map(|table| Some((table.id.strip_prefix("target.")?, table.figures.first()?)))
        .map(|(kind, figure)| (format!("year.{kind}"), figure.value))
        .collect();
    for (id, value) in agreed {
        let Some(own) = tables.iter_mut().find(|table| table.id == id) else { continue };
        let words = lang.say("Afgesproken voor het jaar", "Agreed for the year").to_owned();
        own.target = Some(Figure { words, value });
        let kind = id.trim_start_matches("year.");
        tables.retain(|table| table.id.strip_prefix("target.") != Some(kind));
    }
}

fn draw(lang: Lang, table: &mut Table) {
    let all: Vec<&Figure> = table.figures.iter().chain(&table.target).collect();
    // One bar alone says nothing.
    if all.len() < 2 {
        return;
    }
    let most = all.iter().filter_map(|figure| figure.value).max().unwrap_or(0).max(1);
    let bar = |(at, figure): (i64, &&Figure)| Bar {
        y: at * BAR,
        width: figure.value.map_or(STUB, |value| value * LONGEST / most),
        hidden: figure.value.is_none(),
        text: figure.text(lang),
        words: figure.words.clone(),
    };
    table.bars = (0..).zip(&all).map(bar).collect();
    table.height = BAR * i64::try_from(table.bars.len()).unwrap_or(1);
}

fn body_of(row: &FiguresRow) -> Result<Published, Problem> {
    Published::read(&row.body).or(Err(Problem::Internal))
}

/// `GET /gemeente`: totals of the last years, and every release.
///
/// # Errors
/// As `GET /v1/statistics/releases`.
pub async fn list(
    allowed: Allowed<ListStatistics>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let mut rows = figures::list(&api.gateway, allowed).await?.value;
    rows.sort_by_key(|row| std::cmp::Reverse(row.key.period.to_string()));
    let (mut tiles, mut has_zero) = (Vec::new(), false);
    for row in rows.iter().take(4) {
        let all = tables(visit.lang, &body_of(row)?);
        let sum = |table: &Table| {
            let whole =
                table.figures.iter().find(|figure| figure.words == code_in(visit.lang, "_T"));
            let total = match whole {
                Some(whole) => whole.value,
                None => table.figures.iter().try_fold(0, |sum, figure| Some(sum + figure.value?)),
            };
            let told = Figure { words: String::new(), value: total }.text(visit.lang);
            let agreed = table.target.as_ref().map(|target| {
                format!(" ({}: {})", visit.say("afgesproken", "agreed"), target.text(visit.lang))
            });
            (table_in(visit.lang, kind(&table.id)), told + &agreed.unwrap_or_default())
        };
        let mut totals: Vec<(String, String)> = Vec::new();
        for table in &all {
            let told = sum(table);
            if !totals.iter().any(|(known, _)| *known == told.0) {
                totals.push(told);
            }
        }
        if !totals.is_empty() {
            has_zero |= totals.iter().any(|(_, told)| told.starts_with("0*"));
            tiles.push((named(visit.lang, row), totals));
        }
    }
    let line = |row: &FiguresRow| Row {
        path: format!("/gemeente/cijfers/{}", row.id),
        cells: vec![
            named(visit.lang, row),
            moment_of_ms(visit.lang, row.sealed_ms),
            hex(&row.sha256).chars().take(16).collect(),
        ],
    };
    let page = MunicipalityPage {
        frame: Frame::of(&visit, ("Cijfers", "Figures")),
        tiles,
        has_zero,
        heads: [("Cijfers over", "Figures about"), ("Vastgesteld op", "Sealed on"), ("Kenmerk (SHA-256)", "Mark (SHA-256)")]
            .map(|(dutch, english)| visit.say(dutch, english).to_owned())
            .to_vec(),
        rows: rows.iter().map(line).collect(),
        empty: visit
            .say("Er zijn nog geen cijfers vastgesteld. Dat gebeurt na afloop van een kwartaal of jaar.", "No figures were sealed yet. That happens after a quarter or year.")
            .to_owned(),
    };
    page::show(StatusCode::OK, &page)
}

/// The part of a table's id that says what is counted, and not by what.
fn kind(id: &str) -> &str {
    let end = id.match_indices('.').nth(1).map_or(id.len(), |(at, _)| at);
    id.get(..end).unwrap_or(id)
}

/// A release in words: where and when.
fn named(lang: Lang, row: &FiguresRow) -> String {
    format!("{}, {}", area(lang, row), period(lang, &row.key.period.to_string()))
}

/// A gemeente or region in words.
fn area(lang: Lang, row: &FiguresRow) -> String {
    term(lang, "gemeente", &row.key.area)
}

/// Name in the address, form, separator, Dutch and English words.
type FileWords = (&'static str, Format, Separator, &'static str, &'static str);

const FILES: [FileWords; 5] = [
    ("xlsx", Format::Xlsx, Separator::Comma, "Excel (XLSX)", "Excel (XLSX)"),
    ("csv", Format::Csv, Separator::Semicolon, "CSV, puntkomma", "CSV, semicolon"),
    (
        "csv-metadata",
        Format::CsvMetadata,
        Separator::Semicolon,
        "Beschrijving bij de CSV (CSVW)",
        "Description of the CSV (CSVW)",
    ),
    ("json-stat", Format::JsonStat, Separator::Comma, "JSON-stat 2.0", "JSON-stat 2.0"),
    ("json", Format::Json, Separator::Comma, "JSON", "JSON"),
];

/// `GET /gemeente/cijfers/{id}`: one release.
///
/// # Errors
/// As `GET /v1/statistics/releases/{id}`.
pub async fn read(
    allowed: Allowed<ReadStatistics>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let row = figures::read(&api.gateway, allowed, release(&id)).await?.value;
    let body = body_of(&row)?;
    let tables = tables(visit.lang, &body);
    let mut files = Vec::new();
    for (name, format, separator, dutch, english) in FILES {
        let path = format!("/gemeente/cijfers/{id}/{name}");
        let file = statistics::file(&row, format, separator)?;
        let (size, sha256) = (file.len().div_ceil(1000), hex(&sha256(&file)));
        files.push(File { path, words: visit.lang.say(dutch, english), size, sha256 });
    }
    let any = |of: fn(&Figure) -> bool| tables.iter().flat_map(|table| &table.figures).any(of);
    let title = named(visit.lang, &row);
    let page = FiguresPage {
        frame: Frame::of(&visit, (&title, &title)),
        area: area(visit.lang, &row),
        period: period(visit.lang, &row.key.period.to_string()),
        sealed: moment_of_ms(visit.lang, row.sealed_ms),
        sha256: hex(&row.sha256),
        id: row.id.to_string(),
        exact: exactness(visit.lang, &body),
        has_zero: any(|figure| figure.value == Some(0)),
        has_hidden: any(|figure| figure.value.is_none()),
        tables,
        files,
    };
    page::show(StatusCode::OK, &page)
}

fn release(id: &str) -> StatisticsReleaseId {
    let known = Uuid::try_parse(id).ok().filter(|_| id.len() == 36);
    StatisticsReleaseId::from_uuid(known.unwrap_or_default())
}

/// `GET /gemeente/cijfers/{id}/{form}`: one release as a file.
///
/// # Errors
/// As `GET /v1/statistics/releases/{id}`; 404 for a form that there is not.
pub async fn download(
    allowed: Allowed<ReadStatistics>,
    place: Path<(String, String)>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (id, name) = place.into_inner();
    let known = FILES.iter().find(|(known, ..)| *known == name);
    let (_, format, separator, ..) = known.ok_or(Problem::NotFound)?;
    let row = figures::read(&api.gateway, allowed, release(&id)).await?.value;
    let mut file = statistics::shown(&row, *format, *separator)?;
    if *format == Format::Json {
        let name = format!(
            "attachment; filename=\"buurtgezinnen-{}-{}.json\"",
            row.key.area, row.key.period
        );
        let name = HeaderValue::from_str(&name).or(Err(Problem::Internal))?;
        file.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(file)
}

/// `GET /gemeente/uitleg`: what each figure counts.
///
/// # Errors
/// As `GET /v1/statistics/definitions`.
pub async fn explain(
    allowed: Allowed<ReadDefinitions>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let told = Told::of(definitions::read_definitions(allowed, api).await?)?;
    let mut sheet = Sheet::of(&visit, ("Wat telt mee?", "What is counted?"))
        .tell(
            "Wij tellen gezinnen, geen kinderen. Een gezin telt één keer per jaar en per soort cijfer, in het kwartaal waarin het gebeurde. Gezinnen die niet mee willen tellen, tellen niet mee.",
            "We count families, not children. A family counts once a year and kind of figure, in the quarter in which it happened. Families that do not want to be counted are not.",
        )
        .tell(
            "Een 0* kan ook een klein aantal zijn, tot ongeveer 3. Percentages maakt u alleen van gepubliceerde cijfers van 15 of meer.",
            "A 0* can be a small number too, up to about 3. Make percentages only of published figures of 15 or more.",
        )
        .tell(
            "Zonder afspraak over cijfers zijn kleine aantallen verborgen, soms ook een groter aantal ernaast, zodat niemand het kleine kan uitrekenen. Wat u ziet is afgerond op 5.",
            "Without a contract about figures small numbers are hidden, and sometimes a larger one beside them, so that nobody can calculate the small one. What you see is rounded to 5.",
        )
        .heads(&[("Cijfer", "Figure"), ("Wat het telt", "What it counts")]);
    let row = |one: &Told| Row {
        path: String::new(),
        cells: vec![
            table_in(visit.lang, &format!("year.{}", one.text("/measure"))),
            term(visit.lang, "measure", &one.text("/measure")),
        ],
    };
    sheet.rows = told.list("/measures").iter().map(row).collect();
    for one in told.list("/contracts") {
        let name = term(visit.lang, "gemeente", &one.text("/municipality"));
        sheet.facts.push((
            format!("{} {name}", visit.say("Afspraak met", "Contract with")),
            format!(
                "{}, {} {}",
                term(visit.lang, "method", &one.text("/method")),
                visit.say("vanaf", "from"),
                period(visit.lang, &one.text("/from"))
            ),
        ));
    }
    sheet.show()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::release::Cell;

    fn shown(cells: Vec<Cell>) -> Vec<Table> {
        let (area, period) = ("GM0268".to_owned(), "2026Q4".to_owned());
        let (method, unit) = (serde_json::Value::Null, "family".to_owned());
        tables(
            Lang::Nl,
            &Published { cells, method, municipalities: vec![area.clone()], area, period, unit },
        )
    }

    fn cell(table: &str, place: &[(&str, &str)], value: i64) -> Cell {
        let place = place.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned()));
        Cell::shown(table.to_owned(), place.collect(), value)
    }

    #[test]
    fn what_was_agreed_stands_beside_what_was_counted() {
        let year = [("year", "2026")];
        let all = shown(vec![
            cell("quarter.pairings-made", &[("quarter", "2026Q4")], 5),
            cell("year.pairings-made", &year, 12),
            cell("target.pairings-made", &year, 15),
            cell("target.support-families", &year, 9),
        ]);
        let ids: Vec<&str> = all.iter().map(|table| table.id.as_str()).collect();
        assert_eq!(ids, ["year.pairings-made", "quarter.pairings-made", "target.support-families"]);
        let (made, quarter, alone) = (&all[0], &all[1], &all[2]);
        let agreed = made.target.as_ref().map(|one| (one.words.as_str(), one.value));
        assert_eq!(agreed, Some(("Afgesproken voor het jaar", Some(15))));
        let bars: Vec<&str> = made.bars.iter().map(|bar| bar.text.as_str()).collect();
        assert_eq!((bars, made.bars[1].width), (vec!["12", "15"], LONGEST));
        assert_eq!(quarter.figures[0].words, "4e kwartaal 2026");
        assert!(quarter.bars.is_empty() && alone.target.is_none(), "one bar says nothing");
    }
}
