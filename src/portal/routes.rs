//! Every page of the portal.

use crate::http::oauth;
use crate::http::router::Router;
use crate::portal::coordinator::{
    case, correct, double, inbox, names, pairing, plan, rights, support,
};
use crate::portal::verwijzer::{goals, own, report, wizard};
use crate::portal::{assets, beheer, certificate, gemeente, provider, sign_in, toezicht};
use actix_web::http::Method;

/// The routes. `tests/it/pages.rs` tries each of them with every kind of visitor.
#[must_use]
pub fn routes() -> Router {
    supervised(referring(coordinating(public(Router::default()))))
}

/// What anybody may see.
fn public(router: Router) -> Router {
    let (get, post) = (Method::GET, Method::POST);
    router
        .add_public(get.clone(), "/", sign_in::start)
        .add_public(get.clone(), "/assets/{name}", assets::serve)
        .add_public(get.clone(), "/inloggen", sign_in::show)
        .add_public(get.clone(), "/inloggen/l/{secret}", sign_in::show_link)
        .add_public(post.clone(), "/inloggen/link", sign_in::take_link)
        .add_public(get.clone(), "/inloggen/bij/{partner}", provider::leave)
        .add_public(get.clone(), "/inloggen/terug/{partner}", provider::come_back)
        .add_public(get.clone(), "/inloggen/certificaat", certificate::leave)
        .add_public(get.clone(), "/inloggen/certificaat/{code}", certificate::come_back)
        .add_public(post.clone(), "/afmelden", sign_in::sign_out)
        .add_public(post, "/coordinator/verbergen", names::hide)
        .add_public(get.clone(), "/toegankelijkheid", sign_in::accessibility)
        .add_public(get.clone(), "/privacy", sign_in::privacy)
        .add_public(get.clone(), "/hulp", sign_in::help)
        .add_public(get.clone(), "/.well-known/jwks.json", oauth::jwks)
        .add_public(get, "/api", sign_in::api_reader)
}

/// The routes of the sign-in listener: one page, and the way back to the portal.
#[must_use]
pub fn sign_in_routes() -> Router {
    let get = Method::GET;
    Router::default()
        .add_public(get.clone(), "/assets/{name}", assets::serve)
        .add_public(get.clone(), "/inloggen/certificaat/{state}", certificate::show)
        .add_public(get.clone(), "/", certificate::elsewhere)
        .add_public(get.clone(), "/inloggen", certificate::elsewhere)
        .add_public(get.clone(), "/toegankelijkheid", certificate::elsewhere)
        .add_public(get.clone(), "/privacy", certificate::elsewhere)
        .add_public(get, "/hulp", certificate::elsewhere)
}

fn coordinating(router: Router) -> Router {
    let (get, post) = (Method::GET, Method::POST);
    router
        .add(get.clone(), "/coordinator", inbox::show)
        .add(get.clone(), "/coordinator/toewijzen", inbox::show_unassigned)
        .add(get.clone(), "/coordinator/toewijzen/{id}", inbox::show_assignment)
        .add(post.clone(), "/coordinator/toewijzen/{id}", inbox::assign)
        .add(get.clone(), "/coordinator/zaak/{id}", case::show)
        .add(get.clone(), "/coordinator/zaak/{id}/gezien", case::seen)
        .add(post.clone(), "/coordinator/zaak/{id}/namen", names::open)
        .add(post.clone(), "/coordinator/zaak/{id}/stap", case::step)
        .add(post.clone(), "/coordinator/zaak/{id}/toestemming", case::decide)
        .add(get.clone(), "/coordinator/zaak/{id}/voorstellen", pairing::propose)
        .add(post.clone(), "/coordinator/zaak/{id}/voorstellen", pairing::introduce)
        .add(
            post.clone(),
            "/coordinator/zaak/{id}/koppeling/{pairing}/evaluatie",
            pairing::evaluate,
        )
        .add(post.clone(), "/coordinator/zaak/{id}/koppeling/{pairing}/{to}", pairing::move_along)
        .add(post.clone(), "/coordinator/zaak/{id}/verbeteren", correct::correct)
        .add(post.clone(), "/coordinator/zaak/{id}/doel", plan::change)
        .add(get.clone(), "/coordinator/zaak/{id}/dubbel", double::show)
        .add(post.clone(), "/coordinator/zaak/{id}/dubbel", double::decide)
        .add(get.clone(), "/coordinator/zaak/{id}/rechten", rights::show)
        .add(post.clone(), "/coordinator/zaak/{id}/rechten/inzage", rights::request)
        .add(post.clone(), "/coordinator/zaak/{id}/rechten/antwoord", rights::answer)
        .add(post.clone(), "/coordinator/zaak/{id}/rechten/bezwaar", rights::object)
        .add(post.clone(), "/coordinator/zaak/{id}/rechten/wissen", rights::erase)
        .add(get.clone(), "/coordinator/steungezinnen", support::list)
        .add(get.clone(), "/coordinator/steungezin-aanmelden", support::ask)
        .add(post.clone(), "/coordinator/steungezin-aanmelden", support::register)
        .add(get, "/coordinator/steungezin/{id}", support::show)
        .add(post.clone(), "/coordinator/steungezin/{id}/stap", support::step)
        .add(post, "/coordinator/steungezin/{id}/namen", names::open_support)
}

fn referring(router: Router) -> Router {
    let (get, post) = (Method::GET, Method::POST);
    router
        .add(get.clone(), "/verwijzer", own::list)
        .add(get.clone(), "/verwijzer/aanmelden", wizard::begin)
        .add(post.clone(), "/verwijzer/aanmelden", wizard::answer)
        .add(get.clone(), "/verwijzer/opgave", report::ask)
        .add(get.clone(), "/verwijzer/plan", goals::ask)
        .add(post.clone(), "/verwijzer/plan", goals::find)
        .add(get.clone(), "/verwijzer/plan/{id}", goals::show)
        .add(post.clone(), "/verwijzer/opgave/{programme}", report::send)
        .add(get, "/verwijzer/aanmelding/{id}", own::show)
        .add(post.clone(), "/verwijzer/aanmelding/{id}/intrekken", own::withdraw)
        .add(post, "/verwijzer/aanmelding/{id}/toestemming", own::decide)
}

/// Pages of gemeenten, privacy officers and operators.
fn supervised(router: Router) -> Router {
    let (get, post) = (Method::GET, Method::POST);
    router
        .add(get.clone(), "/gemeente", gemeente::list)
        .add(get.clone(), "/gemeente/cijfers/{id}", gemeente::read)
        .add(get.clone(), "/gemeente/cijfers/{id}/{form}", gemeente::download)
        .add(get.clone(), "/gemeente/uitleg", gemeente::explain)
        .add(get.clone(), "/toezicht", toezicht::list)
        .add(post.clone(), "/toezicht/zaak", toezicht::find)
        .add(get.clone(), "/toezicht/regel/{index}", toezicht::show)
        .add(get.clone(), "/toezicht/bewijs/{index}", toezicht::proof)
        .add(get.clone(), "/toezicht/controle", toezicht::check::show_check)
        .add(post.clone(), "/toezicht/controle", toezicht::check::run_check)
        .add(get.clone(), "/toezicht/regels", toezicht::rules)
        .add(get.clone(), "/toezicht/cijfers", toezicht::disclosures)
        .add(get.clone(), "/toezicht/inzage", toezicht::clocks)
        .add(get.clone(), "/beheer", beheer::show)
        .add(get.clone(), "/beheer/cijfers", beheer::figures)
        .add(get, "/beheer/leveringen", beheer::list)
        .add(post, "/beheer/leveringen", beheer::retry)
}
