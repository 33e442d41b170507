//! A decision about consent that a professional heard: the form, for referrers and coordinators alike.

use crate::domain::consent::SignatureDecision;
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::portal::form::{Form, Kind, instant_of, set};
use crate::portal::twin::body_of;
use crate::portal::visit::Visit;
use crate::portal::words::who;

/// The field of the day; the API takes an instant, at `/at`.
const DAY: &str = "dag";
/// Labels that the pages give.
const LABELS: [&str; 6] = ["parent1", "parent2", "child1", "child2", "child3", "child4"];

/// The form. Of who could have decided, `first` stand first; `children` are there, as far as that is known.
#[must_use]
pub fn form(visit: &Visit, action: String, first: &[String], children: Option<usize>) -> Form {
    let most = LABELS.len().min(children.map_or(LABELS.len(), |children| children + 2));
    let there = LABELS.into_iter().take(most);
    let rest = there.filter(|label| first.iter().all(|known| known != label));
    let labels = first.iter().map(String::as_str).chain(rest);
    let options = labels.map(|label| (label.to_owned(), who(visit.lang, label))).collect();
    let decisions = SignatureDecision::ALL.iter().map(|one| one.as_str());
    Form::to(visit, action, ("Toestemming vastleggen", "Record consent"))
        .ask(Kind::Radio, "/signer", ("Wie besliste?", "Who decided?"))
        .options(options)
        .ask(Kind::Radio, "/decision", ("Wat was het antwoord?", "What was the answer?"))
        .terms("decision", decisions)
        .ask(Kind::Date, DAY, ("Op welke dag?", "On which day?"))
        .ask(Kind::Text, "/method", ("Hoe?", "How?"))
        .hint(
            "Zoals: getekend op papier. Alleen nodig bij ja.",
            "Such as: signed on paper. Needed for a yes only.",
        )
        .ask(Kind::Text, "/evidence", ("Waar ligt het bewijs?", "Where is the proof?"))
        .hint("Alleen nodig bij ja.", "Needed for a yes only.")
}

/// What was sent, as the API takes it. A person knows the day; the API wants an instant: now for today, else noon.
#[must_use]
pub fn body(visit: &Visit, api: &Api) -> JsonBody {
    let mut value = visit.sent.json();
    if let Some(at) = instant_of(visit.sent.value(DAY), api.gateway.clock.now()) {
        set(&mut value, "/at", at);
    }
    body_of(&value)
}

/// The field that a pointer of the API belongs to.
#[must_use]
pub fn place(pointer: &str) -> String {
    if pointer == "/at" { DAY } else { pointer }.to_owned()
}
