//! `/toezicht`: the ledger for a privacy officer: what happened, by which rule, and whether it all still holds together.

use crate::audit::entry::{Code, Entry, Event, Outcome, decode};
use crate::audit::verify::StoredLeaf;
use crate::cli::policies::matrix;
use crate::crypto::digest::hex;
use crate::domain::partner::Role;
use crate::flow::{cases, witness};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListAuditEntries, ListReleases, ReadAuditProof};
use crate::policy::engine::Saying;
use crate::portal::edge::see_other;
use crate::portal::form::{Form, Kind};
use crate::portal::gemeente::told::table_in;
use crate::portal::page::{self, Frame, Row, Sheet};
use crate::portal::visit::Visit;
use crate::portal::words::{Lang, moment_of, moment_of_ms, term, terms_of};
use crate::store::ledger;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use jiff::Timestamp;
use uuid::Uuid;

pub mod check;

/// Entries of one page.
const PAGE: usize = 50;
/// Entries that are looked through for one page: a filter that fits nothing ends there, and says where to go on.
const LOOKED: u64 = 5_000;

/// What is asked of the ledger: an event, an outcome, and from which entry backwards.
struct Asked {
    event: Option<Event>,
    outcome: Option<Outcome>,
    before: Option<u64>,
    /// Pseudonym of a case or support family, in hex.
    object: Option<String>,
}

impl Asked {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self { event: None, outcome: None, before: None, object: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((_, "")) => {}
                Some(("gebeurtenis", code)) => {
                    asked.event = Some(Event::parse(code).ok_or(Problem::NotFound)?);
                }
                Some(("uitkomst", code)) => {
                    asked.outcome = Some(Outcome::parse(code).ok_or(Problem::NotFound)?);
                }
                Some(("onderwerp", text)) if text.len() <= 64 => {
                    asked.object = Some(text.to_owned());
                }
                Some(("voor", text)) => {
                    asked.before = Some(text.parse().or(Err(Problem::NotFound))?);
                }
                _ => return Err(Problem::NotFound),
            }
        }
        Ok(asked)
    }

    fn fits(&self, entry: &Entry) -> bool {
        let about = || entry.object.reference.as_ref().map(|of| hex(of));
        self.event.is_none_or(|event| entry.event == event)
            && self.outcome.is_none_or(|outcome| entry.outcome == outcome)
            && self.object.as_ref().is_none_or(|object| about().as_ref() == Some(object))
    }

    /// The same question, further back.
    fn further(&self, before: u64) -> String {
        let event = self.event.map_or("", Event::as_str);
        format!(
            "/toezicht?gebeurtenis={event}&uitkomst={}&onderwerp={}&voor={before}",
            self.outcome.map_or("", Outcome::as_str),
            self.object.as_deref().unwrap_or_default()
        )
    }
}

/// The entries that were asked for, newest first, and where to go on looking.
async fn found(
    api: &Api,
    asked: &Asked,
    size: u64,
) -> Result<(Vec<StoredLeaf>, Option<u64>), Problem> {
    let mut end = asked.before.unwrap_or(size).min(size);
    let (stop, mut all) = (end.saturating_sub(LOOKED), Vec::new());
    while end > stop && all.len() < PAGE {
        let from = end.saturating_sub(100).max(stop);
        let count = u32::try_from(end - from).or(Err(Problem::Internal))?;
        let page = ledger::page(&api.gateway.store.pool, from, count).await?;
        for row in page.into_iter().rev() {
            let (_, entry) = decode(&row.leaf).or(Err(Problem::Internal))?;
            end = row.seq;
            if asked.fits(&entry) {
                all.push(row);
            }
            if all.len() == PAGE {
                break;
            }
        }
        if from == 0 && all.len() < PAGE {
            end = 0;
        }
    }
    Ok((all, (end > 0).then_some(end)))
}

/// `GET /toezicht`: the ledger, newest entry first.
///
/// # Errors
/// As `GET /v1/audit/entries`.
pub async fn list(
    allowed: Allowed<ListAuditEntries>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(request.query_string())?;
    // One entry says that the ledger was read, as of its twin.
    let committed = witness::entries(&api.gateway, allowed, 0, 1).await?.committed;
    let size = committed.head().size;
    let (rows, further) = found(&api, &asked, size).await?;
    let mut sheet = Sheet::of(&visit, ("Logboek", "Ledger"))
        .tell(
            "Wie wat deed, wanneer en door welke regel. Er staan geen namen in: een gezin en een medewerker staan er onder een schuilnaam.",
            "Who did what, when and by which rule. It holds no names: families and staff stand in it under pseudonyms.",
        )
        .heads(&[("Nr", "No"), ("Wanneer", "When"), ("Gebeurtenis", "Event"), ("Uitkomst", "Outcome"), ("Rol", "Role"), ("Waarvoor", "For what"), ("Regel", "Rule")]);
    sheet.rows = rows.iter().map(|row| line(&visit, row)).collect::<Result<_, _>>()?;
    visit.say("Niets gevonden.", "Nothing found.").clone_into(&mut sheet.empty);
    narrowing(&visit, &asked, &mut sheet);
    if asked.object.is_some() {
        sheet = sheet.tell(
            "U ziet nu alleen wat over één zaak of steungezin gaat.",
            "You now see only what is about one case or support family.",
        );
        let whole = visit.say("Naar het hele logboek", "To the whole ledger").to_owned();
        sheet.links.push(("/toezicht".to_owned(), whole));
    }
    if let Some(before) = further {
        sheet.links.push((asked.further(before), visit.say("Eerder", "Earlier").to_owned()));
    }
    sheet.forms.push(of_case(&visit));
    sheet.show()
}

/// Ways to narrow the list, within the case or support family that is looked at, if any.
fn narrowing(visit: &Visit, asked: &Asked, sheet: &mut Sheet) {
    let within = asked.object.as_ref().map(|of| format!("&onderwerp={of}")).unwrap_or_default();
    for event in [
        None,
        Some(Event::ReleaseIntent),
        Some(Event::AccessDenied),
        Some(Event::ConsentWithdrawn),
        Some(Event::AccessRequested),
        Some(Event::StatsPublished),
        Some(Event::PartnerChanged),
    ] {
        let code = event.map_or("", Event::as_str);
        let words = event.map_or_else(
            || visit.say("Alles", "All").to_owned(),
            |event| term(visit.lang, "event", event.as_str()),
        );
        let here = asked.event == event && asked.outcome.is_none();
        sheet.filters.push((format!("/toezicht?gebeurtenis={code}{within}"), words, here));
    }
    let refused = asked.outcome == Some(Outcome::Deny);
    let words = term(visit.lang, "outcome", Outcome::Deny.as_str());
    sheet.filters.push((format!("/toezicht?uitkomst=deny{within}"), words, refused));
}

/// Asks of which case the entries are looked for.
fn of_case(visit: &Visit) -> Form {
    Form::to(visit, "/toezicht/zaak", ("Zoeken op zaak", "Look for a case"))
        .ask(Kind::Heading, "", ("Een klacht of vraag over een zaak?", "A complaint or question about a case?"))
        .ask(Kind::Text, "zaak", ("Nummer van de zaak", "Number of the case"))
        .hint(
            "Het hele nummer: 36 tekens. Het staat op de pagina van de zaak en op het antwoord dat een gezin krijgt. Wat u zoekt, komt ook in het logboek.",
            "The whole number: 36 characters. It stands on the page of the case and on the answer that a family gets. That you looked goes into the ledger too.",
        )
}

/// `POST /toezicht/zaak`: leads to the entries about one case.
///
/// Who may ask who opened its names finds the case's reference in the entry that this question itself leaves.
///
/// # Errors
/// As `GET /v1/cases/{id}/identity-releases`; a number that is none is a page.
pub async fn find(
    allowed: Allowed<ListReleases>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let allowed = allowed.in_role(Role::PrivacyOfficer).ok_or(Problem::Forbidden)?;
    let typed = visit.sent.value("zaak").trim();
    let Some(id) = Uuid::try_parse(typed).ok().filter(|_| typed.len() == 36) else {
        let wrong = Problem::invalid("zaak", "number", "must be the whole number: 36 characters");
        let mut sheet = Sheet::of(&visit, ("Zoeken op zaak", "Look for a case"));
        "/toezicht".clone_into(&mut sheet.back);
        sheet.forms.push(of_case(&visit).sent(&visit.sent).wrong_at(&wrong));
        return sheet.show();
    };
    let gateway = &api.gateway;
    let committed = cases::releases(gateway, allowed, CaseId::from_uuid(id)).await?.committed;
    let own = ledger::page(&gateway.store.pool, committed.index(), 1).await?;
    let own = own.first().and_then(|row| decode(&row.leaf).ok()).ok_or(Problem::Internal)?;
    let object = own.1.object.reference.as_ref().map(|of| hex(of)).ok_or(Problem::Internal)?;
    Ok(see_other(&format!("/toezicht?onderwerp={object}")))
}

fn line(visit: &Visit, row: &StoredLeaf) -> Result<Row, Problem> {
    let (_, entry) = decode(&row.leaf).or(Err(Problem::Internal))?;
    let rules: Vec<&str> = entry.policy.rules.iter().map(Code::as_str).collect();
    Ok(Row {
        path: format!("/toezicht/regel/{}", row.seq),
        cells: vec![
            row.seq.to_string(),
            when(visit, &row.leaf)?,
            term(visit.lang, "event", entry.event.as_str()),
            term(visit.lang, "outcome", entry.outcome.as_str()),
            term(visit.lang, "role", entry.actor.role.as_str()),
            term(visit.lang, "use", entry.purpose.as_str()),
            rules.join(", "),
        ],
    })
}

fn when(visit: &Visit, leaf: &[u8]) -> Result<String, Problem> {
    let (stamp, _) = decode(leaf).or(Err(Problem::Internal))?;
    let at = Timestamp::from_microsecond(stamp.ts_us).or(Err(Problem::Internal))?;
    Ok(moment_of(visit.lang, at))
}

/// `GET /toezicht/regel/{index}`: one entry, the rule that allowed or refused it, and the proof that it is there.
///
/// # Errors
/// As `GET /v1/audit/proofs/{index}`.
pub async fn show(
    allowed: Allowed<ReadAuditProof>,
    visit: Visit,
    index: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let index = index.parse().unwrap_or(u64::MAX);
    let engine = api.gateway.engine.load_full();
    let proof = witness::proof(&api.gateway, allowed, index).await?.value;
    let (_, entry) = decode(&proof.leaf).or(Err(Problem::Internal))?;
    let title = (format!("Logboek, nummer {index}"), format!("Ledger, entry {index}"));
    let mut sheet = Sheet::of(&visit, (&title.0, &title.1));
    "/toezicht".clone_into(&mut sheet.back);
    let (actor, text) = (&entry.actor, |bytes: &Option<[u8; 32]>| {
        bytes.as_ref().map(|b| hex(b)).unwrap_or_default()
    });
    let fields: Vec<String> = entry.fields.iter().map(|one| one.as_str().to_owned()).collect();
    let object = entry.object.reference.as_ref().map(|of| hex(of)).unwrap_or_default();
    sheet = sheet
        .fact(("Wanneer", "When"), when(&visit, &proof.leaf)?)
        .fact(
            ("Gebeurtenis", "Event"),
            format!(
                "{} ({})",
                term(visit.lang, "event", entry.event.as_str()),
                entry.event.as_str()
            ),
        )
        .fact(("Uitkomst", "Outcome"), term(visit.lang, "outcome", entry.outcome.as_str()))
        .fact(("Reden", "Reason"), entry.why.as_str())
        .fact(("Organisatie", "Organisation"), actor.organisation.as_str())
        .fact(("Rol", "Role"), term(visit.lang, "role", actor.role.as_str()))
        .fact(("Wie (schuilnaam)", "Who (pseudonym)"), actor.subject.as_str())
        .fact(("Certificaat", "Certificate"), text(&actor.certificate))
        .fact(("Waarvoor", "For what"), term(visit.lang, "use", entry.purpose.as_str()))
        .fact(("Toestemming", "Consent"), entry.basis.as_str())
        .fact(("Wat", "What"), terms_of(visit.lang, "field-group", &fields))
        .fact(("Onderwerp (schuilnaam)", "Subject (pseudonym)"), object.clone())
        .fact(("Verzoek", "Request"), entry.request.id.as_str())
        .fact(("Regels van kracht (SHA-256)", "Rules in force (SHA-256)"), text(&entry.policy.hash))
        .heads(&[("Regel", "Rule"), ("Wat die zegt", "What it says")]);
    if !object.is_empty() {
        let words = visit.say("Alles over dit onderwerp", "All about this subject").to_owned();
        sheet.links.push((format!("/toezicht?onderwerp={object}"), words));
    }
    for rule in &entry.policy.rules {
        let said =
            engine.saying(rule.as_str()).map(|one| said(visit.lang, one)).unwrap_or_default();
        sheet.rows.push(Row { path: String::new(), cells: vec![rule.as_str().to_owned(), said] });
    }
    sheet.links.push((
        format!("/toezicht/bewijs/{index}"),
        visit
            .say(
                "Bewijs dat deze regel erin staat (bestand)",
                "Proof that this entry is in it (file)",
            )
            .to_owned(),
    ));
    sheet.show()
}

/// `GET /toezicht/bewijs/{index}`: the proof as a file, for `buurtpoort audit verify-proof`.
///
/// # Errors
/// As `GET /v1/audit/proofs/{index}`.
pub async fn proof(
    allowed: Allowed<ReadAuditProof>,
    index: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let index = index.parse().unwrap_or(u64::MAX);
    let proof = witness::proof(&api.gateway, allowed, index).await?.value;
    let name = format!("attachment; filename=\"bewijs-{index}.tlog-proof\"");
    let mut response = HttpResponse::Ok();
    response.insert_header((actix_web::http::header::CONTENT_DISPOSITION, name));
    Ok(response.content_type("text/plain; charset=utf-8").body(proof.to_text()))
}

/// What a rule says of itself; in the other language where a set says it in one only.
fn said(lang: Lang, saying: &Saying) -> String {
    let (first, second) = match lang {
        Lang::Nl => (&saying.waarom, &saying.why),
        Lang::En => (&saying.why, &saying.waarom),
    };
    first.as_ref().or(second.as_ref()).cloned().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    frame: Frame,
    hash: String,
    /// Id, what it does, what it says.
    rules: Vec<(String, &'static str, String)>,
    matrix: String,
}

/// `GET /toezicht/regels`: who may see what, as the rules in force decide it.
///
/// # Errors
/// 403 for any other role.
pub async fn rules(
    _: Allowed<ListAuditEntries>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let engine = api.gateway.engine.load_full();
    let does = |permits| {
        if permits {
            visit.lang.say("Staat toe", "Permits")
        } else {
            visit.lang.say("Verbiedt", "Forbids")
        }
    };
    let rule =
        |(id, one): (&str, &Saying)| (id.to_owned(), does(one.permits), said(visit.lang, one));
    let page = RulesPage {
        frame: Frame::of(&visit, ("Regels", "Rules")),
        hash: hex(&engine.hash()),
        rules: engine.sayings().map(rule).collect(),
        matrix: matrix::render(&engine),
    };
    page::show(StatusCode::OK, &page)
}

/// `GET /toezicht/cijfers`: the disclosure ledger: what was told of whom, at what cost, and who approved.
///
/// # Errors
/// 403 for any other role.
pub async fn disclosures(
    allowed: Allowed<ListAuditEntries>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let rows = witness::disclosures(&api.gateway, allowed).await?.value;
    let mut sheet = Sheet::of(&visit, ("Vrijgegeven cijfers", "Disclosed figures"))
        .tell(
            "Elke tabel die is vastgesteld kost iets van wat een gemeente per jaar mag weten. Boven de grens wordt geweigerd.",
            "Each table that is sealed costs part of what a gemeente may know of a year. Over the cap it is refused.",
        )
        .heads(&[
            ("Gebied en jaar", "Area and year"),
            ("Soort", "Kind"),
            ("Tabellen", "Tables"),
            ("Grens", "Cap"),
            ("ε per tabel", "ε of a table"),
            ("Akkoord", "Approved"),
            ("Op", "On"),
        ]);
    sheet.rows = rows
        .iter()
        .map(|row| Row {
            path: String::new(),
            cells: vec![
                format!("{} {}", term(visit.lang, "gemeente", &row.area), row.year),
                table_in(visit.lang, &format!("year.{}", row.kind)),
                row.tables.to_string(),
                row.cap.to_string(),
                format!("{}.{:03}", row.epsilon / 1_000, row.epsilon % 1_000),
                term(visit.lang, "approved", &row.approved),
                moment_of_ms(visit.lang, row.at_ms),
            ],
        })
        .collect();
    visit
        .say(
            "Er is nog niets volgens een afspraak vastgesteld.",
            "Nothing was sealed by a contract yet.",
        )
        .clone_into(&mut sheet.empty);
    sheet.show()
}

/// `GET /toezicht/inzage`: requests for access that wait, and their clocks. Of whom, only the coordinator sees.
///
/// # Errors
/// 403 for any other role.
pub async fn clocks(
    allowed: Allowed<ListAuditEntries>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let rows = witness::clocks(&api.gateway, allowed).await?.value;
    let (register, now_ms) =
        (api.gateway.register.load_full(), api.gateway.clock.now().as_millisecond());
    let mut sheet = Sheet::of(&visit, ("Inzageverzoeken", "Access requests"))
        .tell(
            "Verzoeken die nog beantwoord moeten worden. Van wie, ziet alleen de coördinator.",
            "Requests that are to be answered. Of whom, only the coordinator sees.",
        )
        .heads(&[
            ("Organisatie", "Organisation"),
            ("Gevraagd op", "Asked on"),
            ("Antwoord vóór", "Answer before"),
            ("Dagen over", "Days left"),
        ]);
    sheet.rows = rows
        .iter()
        .map(|(organisation, received_ms, due_ms)| Row {
            path: String::new(),
            cells: vec![
                register
                    .active(*organisation)
                    .map(|one| one.name.as_str().to_owned())
                    .unwrap_or_default(),
                moment_of_ms(visit.lang, *received_ms),
                moment_of_ms(visit.lang, *due_ms),
                ((due_ms - now_ms) / 86_400_000).to_string(),
            ],
        })
        .collect();
    visit.say("Er wachten geen verzoeken.", "No requests wait.").clone_into(&mut sheet.empty);
    sheet.show()
}
