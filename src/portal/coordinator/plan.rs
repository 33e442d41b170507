//! `POST /coordinator/zaak/{id}/doel`: where a goal of the plan stands. The forms stand beside the names, where the goals
//! are told.

use crate::domain::referral::GoalStatus;
use crate::http::Api;
use crate::http::cases::rights;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::ChangeGoals;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Sheet, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// A form for each goal that was opened.
pub(super) fn forms(visit: &Visit, id: &str, told: &Told) -> Vec<Form> {
    let form = |goal: &Told| {
        stating(visit, id, &goal.text("/id"), &goal.text("/text")).holding(goal.text("/status"))
    };
    told.list("/fields/plan-goals").iter().map(form).collect()
}

/// The form for one goal: what is sent is its label, never its words.
fn stating(visit: &Visit, id: &str, goal: &str, words: &str) -> Form {
    let submit = (format!("Doel {goal} bijwerken"), format!("Update goal {goal}"));
    Form::to(visit, format!("/coordinator/zaak/{id}/doel"), (&submit.0, &submit.1))
        .with("/id", goal)
        .ask(Kind::Radio, "/status", ("Hoe staat dit doel ervoor?", "Where does this goal stand?"))
        .hint(words, words)
        .terms("goal", GoalStatus::ALL.iter().map(|one| one.as_str()))
}

/// `POST /coordinator/zaak/{id}/doel`.
///
/// # Errors
/// As `POST /v1/cases/{id}/goals`.
pub async fn change(
    allowed: Allowed<ChangeGoals>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let kept = rights::change_goal(allowed, Path::from(id.clone()), body(&visit.sent), api).await;
    let Some(problem) = shown(kept)? else {
        return Ok(done(&format!("/coordinator/zaak/{id}"), Done::GoalChanged));
    };
    let mut sheet = Sheet::of(&visit, ("Doel van het plan", "Goal of the plan"));
    sheet.back = format!("/coordinator/zaak/{id}");
    sheet.forms.push(
        stating(&visit, &id, visit.sent.value("/id"), "").sent(&visit.sent).wrong_at(&problem),
    );
    sheet.show()
}
