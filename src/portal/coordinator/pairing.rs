//! Support families proposed for a case, and the steps of a pairing.

use crate::domain::pairing::{
    EndReason, NextForm, PairingState, PlacementAvoided, ProfessionalHelp, SocialContacts,
};
use crate::http::Api;
use crate::http::pairings::{evaluate, introduce, step};
use crate::http::problem::Problem;
use crate::http::support_families::find;
use crate::policy::Allowed;
use crate::policy::action::{
    EvaluatePairing, ListPairings, MovePairing, PairCase, ProposeSupport, ReadCase,
};
use crate::portal::coordinator::case::{Seeing, after};
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Row, Sheet, short, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{term, terms_of};
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// Forms for what a pairing that lives can do next, the likeliest first.
pub(super) fn forms(visit: &Visit, id: &str, pairings: &[Told]) -> Vec<Form> {
    let mut forms = Vec::new();
    for one in pairings {
        let Ok(state) = PairingState::parse(&one.text("/state")) else { continue };
        let at = format!("/coordinator/zaak/{id}/koppeling/{}", one.text("/id"));
        for next in state.next(one.is("/extended")) {
            forms.push(stepping(visit, &at, state, *next).of_version(one.text("/version")));
        }
        if matches!(state, PairingState::Trial | PairingState::Paired) {
            forms.push(evaluating(visit, &at));
        }
    }
    // At the end as well: of the last pairing that ended after its trial began, once it was not done yet.
    let last = pairings.iter().rev().find(|one| one.has("/trialFrom"));
    if let Some(one) = last.filter(|one| one.text("/state") == "ended") {
        let at = format!("/coordinator/zaak/{id}/koppeling/{}", one.text("/id"));
        forms.push(evaluating(visit, &at));
    }
    forms
}

fn stepping(visit: &Visit, at: &str, state: PairingState, next: PairingState) -> Form {
    let words = match (state, next) {
        (PairingState::Trial, PairingState::Trial) => {
            ("Proefperiode verlengen", "Extend the trial")
        }
        (_, PairingState::Trial) => ("Proefperiode beginnen", "Begin the trial"),
        (_, PairingState::Paired) => ("Samen verder", "Go on together"),
        _ => ("Koppeling beëindigen", "End the pairing"),
    };
    let form = Form::to(visit, format!("{at}/{}", next.as_str()), words).with("/to", next.as_str());
    match next {
        PairingState::Trial => {
            form.ask(Kind::Date, "/until", ("Tot en met welke dag?", "Until which day?")).hint(
                "Een proefperiode duurt één tot twee maanden.",
                "A trial takes one to two months.",
            )
        }
        PairingState::Ended => form
            .ask(Kind::Radio, "/reason", ("Waarom?", "Why?"))
            .terms("end-reason", EndReason::ALL.iter().map(|one| one.as_str()))
            .ask(
                Kind::Radio,
                "/nextForm",
                ("Waar wonen de kinderen hierna?", "Where do the children live after it?"),
            )
            .terms("next-form", NextForm::ALL.iter().map(|one| one.as_str()))
            .grave(),
        _ => form,
    }
}

fn evaluating(visit: &Visit, at: &str) -> Form {
    let yes_no = vec![
        ("true".to_owned(), visit.say("Ja", "Yes").to_owned()),
        ("false".to_owned(), visit.say("Nee", "No").to_owned()),
    ];
    Form::to(visit, format!("{at}/evaluatie"), ("Evaluatie vastleggen", "Record an evaluation"))
        .ask(
            Kind::Radio,
            "/professionalHelp",
            ("Wat gebeurde er met professionele hulp?", "What became of professional help?"),
        )
        .terms("help", ProfessionalHelp::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Radio,
            "/networkExtended:b",
            ("Werd het netwerk van het gezin groter?", "Did the family's network grow?"),
        )
        .options(yes_no)
        .ask(
            Kind::Radio,
            "/socialContacts",
            ("Sociale contacten van het kind?", "The child's social contacts?"),
        )
        .terms("contacts", SocialContacts::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Text,
            "/grade",
            ("Welk cijfer geeft het gezin?", "Which grade does the family give?"),
        )
        .hint(
            "Van 1,0 tot 10,0, met één cijfer achter de komma.",
            "From 1.0 to 10.0, with one digit behind the point.",
        )
        .ask(
            Kind::Radio,
            "/placementAvoided",
            ("Werd een uithuisplaatsing voorkomen?", "Was a placement avoided?"),
        )
        .terms("placement", PlacementAvoided::ALL.iter().map(|one| one.as_str()))
        .ask(Kind::Area, "/note", ("Wat werd er nog meer gezegd?", "What else was said?"))
        .optional()
}

/// `GET /coordinator/zaak/{id}/voorstellen`: support families, best first, with the reasons.
///
/// # Errors
/// As `GET /v1/cases/{id}/proposals`.
pub async fn propose(
    allowed: Allowed<ProposeSupport>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    proposals(allowed, &visit, id, api, None).await
}

async fn proposals(
    allowed: Allowed<ProposeSupport>,
    visit: &Visit,
    id: Path<String>,
    api: Data<Api>,
    wrong: Option<&Problem>,
) -> Result<HttpResponse, Problem> {
    let case = id.clone();
    let found = find::list_proposals(allowed, id, api).await;
    if let Err(problem @ (Problem::ConsentRefused { .. } | Problem::StateConflict { .. })) = found {
        return cannot(visit, &case, &problem);
    }
    let told = Told::of(found?)?.list("/items");
    let mut sheet = Sheet::of(visit, ("Steungezin zoeken", "Look for a support family"))
        .tell(
            "Wie past, staat bovenaan. De punten helpen kiezen; u beslist.",
            "Who fits stands first. The points help to choose; you decide.",
        )
        .heads(&[
            ("Steungezin", "Support family"),
            ("Wijk", "District"),
            ("Punten", "Points"),
            ("Waarom", "Why"),
        ]);
    sheet.back = format!("/coordinator/zaak/{case}");
    sheet.rows = told.iter().map(|one| proposal(visit, one)).collect();
    visit
        .say(
            "Er is nu geen steungezin dat past. Wie beschikbaar is en past, komt hier vanzelf bij.",
            "No support family fits at present. Who is available and fits comes to stand here.",
        )
        .clone_into(&mut sheet.empty);
    if !told.is_empty() {
        let name = |one: &Told| {
            let id = one.text("/supportFamily/id");
            let words = format!("{} ({})", short(&id), one.text("/score"));
            (id, words)
        };
        let form = Form::to(
            visit,
            format!("/coordinator/zaak/{case}/voorstellen"),
            ("Laten kennismaken", "Introduce"),
        )
        .ask(Kind::Radio, "/supportFamily", ("Met welk steungezin?", "With which support family?"))
        .options(told.iter().map(name).collect())
        .ask(
            Kind::Number,
            "/children:n",
            ("Hoeveel kinderen doen mee?", "How many children take part?"),
        );
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

/// Why nobody can be proposed, beside the way back to the case.
fn cannot(visit: &Visit, case: &str, problem: &Problem) -> Result<HttpResponse, Problem> {
    let mut sheet = Sheet::of(visit, ("Steungezin zoeken", "Look for a support family"));
    sheet.back = format!("/coordinator/zaak/{case}");
    sheet.refuse(problem);
    sheet.show()
}

fn proposal(visit: &Visit, one: &Told) -> Row {
    let id = one.text("/supportFamily/id");
    let why = |reason: &Told| {
        let points = reason.number("/points").unwrap_or_default();
        format!("{} ({points:+})", term(visit.lang, "match", &reason.text("/code")))
    };
    let reasons: Vec<String> = one.list("/reasons").iter().map(why).collect();
    Row {
        path: format!("/coordinator/steungezin/{id}"),
        cells: vec![
            short(&id),
            one.text("/supportFamily/district"),
            one.text("/score"),
            if reasons.is_empty() {
                terms_of(visit.lang, "daypart", &one.words("/supportFamily/offer/dayparts"))
            } else {
                reasons.join(" · ")
            },
        ],
    }
}

/// `POST /coordinator/zaak/{id}/voorstellen`: introduces the family to a support family.
///
/// # Errors
/// As `POST /v1/cases/{id}/pairings`.
pub async fn introduce(
    allowed: Allowed<PairCase>,
    proposing: Allowed<ProposeSupport>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let named = Path::from(id.clone());
    let sent = body(&visit.sent);
    let kept = introduce::create_pairing(allowed, named, sent, request, api.clone()).await;
    match shown(kept)? {
        None => Ok(done(&format!("/coordinator/zaak/{id}"), Done::Introduced)),
        Some(problem) => proposals(proposing, &visit, id, api, Some(&problem)).await,
    }
}

/// `POST /coordinator/zaak/{id}/koppeling/{pairing}/{trial|paired|ended}`.
///
/// # Errors
/// As `POST /v1/pairings/{id}/transitions`.
pub async fn move_along(
    allowed: Allowed<MovePairing>,
    (case, pairings): (Allowed<ReadCase>, Allowed<ListPairings>),
    visit: Visit,
    place: Path<(String, String, String)>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (id, pairing, to) = place.into_inner();
    let of = match to.as_str() {
        "trial" => "/trial",
        "paired" => "/paired",
        "ended" => "/ended",
        _ => return Err(Problem::NotFound),
    };
    let kept = step::transition_pairing(
        allowed,
        Path::from(pairing),
        body(&visit.sent),
        request,
        api.clone(),
    )
    .await;
    after(kept, Seeing { case, pairings }, &visit, &id, &api, (of, Done::PairingMoved)).await
}

/// `POST /coordinator/zaak/{id}/koppeling/{pairing}/evaluatie`.
///
/// # Errors
/// As `POST /v1/pairings/{id}/evaluations`.
pub async fn evaluate(
    allowed: Allowed<EvaluatePairing>,
    (case, pairings): (Allowed<ReadCase>, Allowed<ListPairings>),
    visit: Visit,
    place: Path<(String, String)>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (id, pairing) = place.into_inner();
    let kept = evaluate::create_evaluation(
        allowed,
        Path::from(pairing),
        body(&visit.sent),
        request,
        api.clone(),
    )
    .await;
    after(kept, Seeing { case, pairings }, &visit, &id, &api, ("/evaluatie", Done::Evaluated)).await
}
