//! `/gemeente`: the figures of a gemeente, as tables and drawings, and as files.
//!
//! Tables, drawings and files are made of the same sealed body. What is hidden is drawn as a stub of one height: a bar
//! of its own height would tell it.

use crate::crypto::digest::hex;
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
use crate::statistics::formats::csv::Separator;
use crate::statistics::formats::{Format, labels};
use crate::statistics::release::Published;
use crate::store::figures::FiguresRow;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path};
use askama::Template;
use uuid::Uuid;

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
    size: usize,
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
        let words: Vec<&str> = shown.iter().map(|(_, code)| labels::code(code)).collect();
        let words = if words.is_empty() { labels::code("_T").to_owned() } else { words.join(", ") };
        let head = shown.first().map_or("area", |(name, _)| name.as_str());
        let figure = Figure { words, value: cell.value };
        let at = tables.len();
        match tables.iter_mut().find(|table| table.id == cell.table) {
            Some(table) => table.figures.push(figure),
            None => tables.push(Table {
                at,
                title: labels::table(&cell.table),
                head: labels::column(head).to_owned(),
                id: cell.table.clone(),
                figures: vec![figure],
                bars: Vec::new(),
                height: 0,
            }),
        }
    }
    for table in &mut tables {
        draw(lang, table);
    }
    tables
}

fn draw(lang: Lang, table: &mut Table) {
    let most = table.figures.iter().filter_map(|figure| figure.value).max().unwrap_or(0).max(1);
    let bar = |(at, figure): (i64, &Figure)| Bar {
        y: at * BAR,
        width: figure.value.map_or(STUB, |value| value * LONGEST / most),
        hidden: figure.value.is_none(),
        text: figure.text(lang),
        words: figure.words.clone(),
    };
    table.bars = (0..).zip(&table.figures).map(bar).collect();
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
    let mut tiles = Vec::new();
    for row in rows.iter().take(4) {
        let all = tables(visit.lang, &body_of(row)?);
        let sum = |table: &Table| {
            let whole = table.figures.iter().find(|figure| figure.words == labels::code("_T"));
            let total = match whole {
                Some(whole) => whole.value,
                None => table.figures.iter().try_fold(0, |sum, figure| Some(sum + figure.value?)),
            };
            let hidden = || visit.say("verborgen", "hidden").to_owned();
            (labels::table(kind(&table.id)), total.map_or_else(hidden, |total| total.to_string()))
        };
        let mut totals: Vec<(String, String)> = Vec::new();
        for table in &all {
            let told = sum(table);
            if !totals.iter().any(|(known, _)| *known == told.0) {
                totals.push(told);
            }
        }
        if !totals.is_empty() {
            tiles.push((format!("{} {}", area(visit.lang, row), row.key.period), totals));
        }
    }
    let line = |row: &FiguresRow| Row {
        path: format!("/gemeente/cijfers/{}", row.id),
        cells: vec![
            format!("{} {}", area(visit.lang, row), row.key.period),
            moment_of_ms(visit.lang, row.sealed_ms),
            hex(&row.sha256).chars().take(16).collect(),
        ],
    };
    let page = MunicipalityPage {
        frame: Frame::of(&visit, ("Cijfers", "Figures")),
        tiles,
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

/// A gemeente or region in words.
fn area(lang: Lang, row: &FiguresRow) -> String {
    term(lang, "gemeente", &row.key.area)
}

const FILES: [(&str, Format, Separator, &str); 5] = [
    ("xlsx", Format::Xlsx, Separator::Comma, "Excel (XLSX)"),
    ("csv", Format::Csv, Separator::Semicolon, "CSV, puntkomma"),
    ("csv-metadata", Format::CsvMetadata, Separator::Semicolon, "Beschrijving bij de CSV (CSVW)"),
    ("json-stat", Format::JsonStat, Separator::Comma, "JSON-stat 2.0"),
    ("json", Format::Json, Separator::Comma, "JSON"),
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
    for (name, format, separator, words) in FILES {
        let path = format!("/gemeente/cijfers/{id}/{name}");
        let size = statistics::file(&row, format, separator)?.len();
        files.push(File { path, words, size });
    }
    let any = |of: fn(&Figure) -> bool| tables.iter().flat_map(|table| &table.figures).any(of);
    let title = format!("{} {}", area(visit.lang, &row), row.key.period);
    let page = FiguresPage {
        frame: Frame::of(&visit, (&title, &title)),
        area: area(visit.lang, &row),
        period: row.key.period.to_string(),
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

/// How exact the figures of a release are, in a sentence.
fn exactness(lang: Lang, body: &Published) -> String {
    let method = body.method.get("name").and_then(serde_json::Value::as_str);
    match method.unwrap_or_default() {
        "measure-round-freeze" | "sum-of-published" => lang.say(
            "Elk cijfer wijkt een beetje af van de telling: een jaarcijfer meestal niet meer dan 3, een kwartaalcijfer niet meer dan 4. Zo kan niemand een gezin herkennen. De cijfers tellen op en veranderen nooit meer.",
            "Each figure differs a little from the count: a yearly one mostly by no more than 3, a quarterly one by no more than 4. So nobody can recognise a family. The figures add up and never change.",
        ),
        _ => lang.say(
            "Kleine aantallen zijn verborgen en wat u ziet is afgerond. Zo kan niemand een gezin herkennen.",
            "Small numbers are hidden and what you see is rounded. So nobody can recognise a family.",
        ),
    }
    .to_owned()
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
    let (_, format, separator, _) = known.ok_or(Problem::NotFound)?;
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
            "Wij tellen gezinnen, geen kinderen. Een gezin telt een keer per jaar en per soort cijfer, in het kwartaal waarin het gebeurde. Gezinnen die niet mee willen tellen, tellen niet mee.",
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
        cells: vec![one.text("/label"), term(visit.lang, "measure", &one.text("/measure"))],
    };
    sheet.rows = told.list("/measures").iter().map(row).collect();
    for one in told.list("/contracts") {
        let name = term(visit.lang, "gemeente", &one.text("/municipality"));
        sheet.facts.push((
            format!("{} {name}", visit.say("Afspraak met", "Contract with")),
            format!(
                "{}, {} {}",
                one.text("/method"),
                visit.say("vanaf", "from"),
                one.text("/from")
            ),
        ));
    }
    sheet.show()
}
