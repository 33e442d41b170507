//! `/coordinator/zaak/{id}/dubbel`: other cases that may be about the same family, and what is decided about them.

use crate::domain::likeness::LinkDecision;
use crate::http::Api;
use crate::http::cases::links;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::{DecideLink, ListLinks};
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Row, Sheet, short, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{term, terms_of};
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

async fn draw(
    allowed: Allowed<ListLinks>,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    wrong: Option<&Problem>,
) -> Result<HttpResponse, Problem> {
    let told = links::list_links(allowed, Path::from(id.to_owned()), api.clone()).await?;
    let items = Told::of(told)?.list("/items");
    let mut sheet = Sheet::of(visit, ("Hetzelfde gezin?", "The same family?"))
        .tell(
            "Zaken die over hetzelfde gezin kunnen gaan. U ziet waarin zij op elkaar lijken, niet wat er staat. Er wordt niets samengevoegd: u legt vast dat het zo is, of niet.",
            "Cases that may be about the same family. You see in what they are alike, not what is in them. Nothing is merged: you record that it is so, or not.",
        )
        .heads(&[
            ("Zaak", "Case"),
            ("Hoe zeker", "How sure"),
            ("Gelijk", "Alike"),
            ("Besloten", "Decided"),
        ]);
    sheet.back = format!("/coordinator/zaak/{id}");
    let row = |one: &Told| {
        let case = one.text("/case");
        Row {
            path: if one.is("/yours") {
                format!("/coordinator/zaak/{case}")
            } else {
                String::new()
            },
            cells: vec![
                short(&case),
                term(visit.lang, "likelihood", &one.text("/likelihood")),
                terms_of(visit.lang, "evidence", &one.words("/evidence")),
                term(visit.lang, "link", &one.text("/decision")),
            ],
        }
    };
    sheet.rows = items.iter().map(row).collect();
    visit
        .say("Er is geen andere zaak die hierop lijkt.", "No other case is like this one.")
        .clone_into(&mut sheet.empty);
    if !items.is_empty() {
        let option = |one: &Told| (one.text("/case"), short(&one.text("/case")));
        let form =
            Form::to(visit, format!("/coordinator/zaak/{id}/dubbel"), ("Vastleggen", "Record"))
                .ask(
                    Kind::Radio,
                    "/case",
                    ("Over welke zaak beslist u?", "On which case do you decide?"),
                )
                .options(items.iter().map(option).collect())
                .ask(Kind::Radio, "/decision", ("Wat is uw beslissing?", "What is your decision?"))
                .terms("link-choice", LinkDecision::ALL.iter().map(|one| one.as_str()));
        sheet.forms.push(match wrong {
            Some(problem) => form.sent(&visit.sent).wrong_at(problem),
            None => form,
        });
    }
    if let Some(problem) = wrong {
        sheet.refuse(problem);
    }
    sheet.show()
}

/// `GET /coordinator/zaak/{id}/dubbel`.
///
/// # Errors
/// As `GET /v1/cases/{id}/links`.
pub async fn show(
    allowed: Allowed<ListLinks>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(allowed, &visit, &id, &api, None).await
}

/// `POST /coordinator/zaak/{id}/dubbel`.
///
/// # Errors
/// As `POST /v1/cases/{id}/link-decisions`.
pub async fn decide(
    allowed: Allowed<DecideLink>,
    listing: Allowed<ListLinks>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let named = Path::from(id.clone());
    match shown(links::decide_link(allowed, named, body(&visit.sent), api.clone()).await)? {
        None => Ok(done(&format!("/coordinator/zaak/{id}/dubbel"), Done::LinkDecided)),
        Some(problem) => draw(listing, &visit, &id, &api, Some(&problem)).await,
    }
}
