//! Signing in with a certificate, such as that of a UZI card: on a listener of its own, because a browser that was asked
//! for a certificate once goes on showing it, and has no way to sign out of that.
//!
//! The portal sends people there with a random state, which their browser keeps in a cookie. The sign-in listener asks
//! for a certificate, and takes it when the register knows its key as one of a person. It sends the person back with a
//! code that works once, within a minute, and only in the browser that set out: a code that leaks, or that somebody puts
//! into another's browser, opens nothing and signs nobody in as somebody else.
//!
//! # Not here
//! Whether a certificate is valid: `tls::acceptor`. Whose it is, and codes: [`crate::flow::session`].

use crate::flow::FlowError;
use crate::flow::session;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::portal::edge::{cookie, in_force, is_led_by_another, see_other};
use crate::portal::page::{self, Frame};
use crate::portal::sign_in::{self, put_cookie};
use crate::portal::visit::Visit;
use crate::store::sessions::Card;
use crate::tls::acceptor::Unfit;
use crate::tls::peer::PeerCertificate;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

/// Marks the listener on which nobody is signed in, whatever cookie comes along.
#[derive(Clone, Copy, Debug)]
pub struct OnlySignIn;

/// The cookie of somebody who set out to show a certificate. Sent when they come back from there, and so not strict.
const SET_OUT: &str = "__Host-certificaat";

/// Why a certificate signed nobody in; for the log, not for them.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refused {
    #[error("no client certificate was shown")]
    Nothing,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("the client certificate is nobody's who may use the pages")]
    Unknown,
    #[error("a code is over, was used, or is of another browser")]
    Code,
}

/// `GET /inloggen/certificaat` of the portal: to where one shows a certificate.
///
/// # Errors
/// 404 where nobody signs in with one.
pub async fn leave(
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let there = api.door.sign_in_origin.as_deref().ok_or(Problem::NotFound)?;
    if is_led_by_another(&request) {
        return Ok(see_other("/inloggen"));
    }
    let state = session::set_out(&api.gateway)?;
    let mut response = see_other(&format!("{there}{}/{}", visit.path, state.as_str()));
    let cookie = format!(
        "{SET_OUT}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600",
        state.as_str()
    );
    put_cookie(&mut response, &cookie)?;
    Ok(response)
}

/// `GET /inloggen/certificaat/{code}` of the portal: back from where one showed it.
///
/// # Errors
/// [`Problem`] of the ledger; a code that is over, or of another browser, is a page.
pub async fn come_back(
    visit: Visit,
    code: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let state = cookie(request.headers(), SET_OUT).unwrap_or_default();
    let is_in_force = |card: &Card| in_force(&api, card);
    let secret = match session::redeem(&api.gateway, &code, &state, is_in_force).await {
        Ok(secret) => secret,
        Err(FlowError::NotFound) => {
            count(Refused::Code);
            return sign_in::refused(&visit);
        }
        Err(error) => return Err(error.into()),
    };
    sign_in::leave_old(&visit, &api).await?;
    // Not the head of who was signed in before.
    let visit = Visit { session: None, ..visit };
    let mut response = sign_in::signed_in_here(&visit, &secret)?;
    let gone = format!("{SET_OUT}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    put_cookie(&mut response, &gone)?;
    Ok(response)
}

/// Has who runs the gateway know that somebody was refused, and by which rule.
fn count(refused: Refused) {
    tracing::warn!(error = %refused, "sign-in");
    metrics::counter!("sign_in_refused_total").increment(1);
}

/// `GET /inloggen/certificaat/{state}` of the sign-in listener: back to the portal with a code, or what to do.
///
/// # Errors
/// [`Problem`] of the database; who shows no certificate that is known gets a page.
pub async fn show(
    visit: Visit,
    state: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let portal = api.door.origin.as_deref().ok_or(Problem::NotFound)?;
    if !session::is_state(&state) {
        return Ok(see_other(&format!("{portal}/inloggen")));
    }
    match coded(&api, &request, &state).await? {
        Ok(code) => Ok(see_other(&format!("{portal}/inloggen/certificaat/{}", code.as_str()))),
        Err(refused) => not_taken(&visit, portal, refused),
    }
}

/// A code for whom the certificate of this connection is.
async fn coded(
    api: &Api,
    request: &HttpRequest,
    state: &str,
) -> Result<Result<session::Secret, Refused>, Problem> {
    let peer = match request.conn_data::<Result<PeerCertificate, Unfit>>() {
        None => return Ok(Err(Refused::Nothing)),
        Some(Err(unfit)) => return Ok(Err((*unfit).into())),
        Some(Ok(peer)) => peer,
    };
    // A revocation list may have come since the connection stands.
    if let Err(refusal) = api.tls.still_valid(peer, api.gateway.clock.now()) {
        return Ok(Err(Unfit::from(refusal).into()));
    }
    let card = Card {
        pin: peer.pin().0,
        issuer: peer.issuer().to_vec(),
        serial: peer.serial().to_vec(),
        until_ms: peer.not_after().as_millisecond(),
    };
    match session::code(&api.gateway, &peer.number(), card, state).await {
        Ok(code) => Ok(Ok(code)),
        Err(FlowError::NotFound) => Ok(Err(Refused::Unknown)),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "certificate.html")]
struct CertificatePage {
    frame: Frame,
    /// What is wrong.
    failed: &'static str,
    /// What to do.
    advice: Vec<&'static str>,
    /// Where one can begin again.
    again: String,
}

/// Dutch and English.
type Words = (&'static str, &'static str);

const CLOSE: Words = (
    "Sluit alle vensters van uw browser. Anders onthoudt de browser uw vorige keuze.",
    "Close all windows of your browser. Otherwise it remembers what you chose before.",
);

const OTHER: Words = (
    "Hebt u meer dan één certificaat? Dan koos u misschien het verkeerde.",
    "Do you have more than one certificate? You may have chosen the wrong one.",
);

/// What is wrong, and what to do.
const fn told(refused: Refused) -> (Words, &'static [Words]) {
    match refused {
        Refused::Nothing => (
            ("Uw browser liet geen certificaat zien.", "Your browser showed no certificate."),
            &[
                (
                    "Steek uw pas in de lezer, als u een pas hebt.",
                    "Put your card into the reader, if you have a card.",
                ),
                CLOSE,
                (
                    "Begin opnieuw, en kies uw certificaat als de browser erom vraagt.",
                    "Begin again, and choose your certificate when the browser asks for it.",
                ),
            ],
        ),
        Refused::Unfit(Unfit::Unsure) => (
            (
                "Buurtpoort kan uw certificaat nu niet controleren.",
                "Buurtpoort cannot check your certificate now.",
            ),
            &[(
                "Dat ligt niet aan u. Probeer het later opnieuw, of bel de beheerder van Buurtpoort.",
                "It is not your fault. Try again later, or call the operator of Buurtpoort.",
            )],
        ),
        Refused::Unfit(Unfit::Over) => (
            (
                "Uw certificaat is niet meer geldig, of nog niet.",
                "Your certificate is not valid any more, or not yet.",
            ),
            &[
                OTHER,
                CLOSE,
                (
                    "Anders: vraag uw organisatie om een nieuw certificaat, en laat dat aanmelden bij Buurtpoort.",
                    "Otherwise: ask your organisation for a new certificate, and have it registered with Buurtpoort.",
                ),
            ],
        ),
        Refused::Unfit(Unfit::Foreign | Unfit::Form(_)) | Refused::Unknown | Refused::Code => (
            ("Buurtpoort kent dit certificaat niet.", "Buurtpoort does not know this certificate."),
            &[
                OTHER,
                CLOSE,
                (
                    "Blijft het misgaan? Vraag uw organisatie of dit certificaat bij Buurtpoort is aangemeld.",
                    "Does it stay wrong? Ask your organisation whether this certificate is registered with Buurtpoort.",
                ),
            ],
        ),
    }
}

fn not_taken(visit: &Visit, portal: &str, refused: Refused) -> Result<HttpResponse, Problem> {
    count(refused);
    let (failed, advice) = told(refused);
    let say = |words: &Words| visit.lang.say(words.0, words.1);
    let title = ("Inloggen is niet gelukt", "Signing in did not work");
    let page = CertificatePage {
        frame: Frame::of(visit, title).wrong(),
        failed: say(&failed),
        advice: advice.iter().map(say).collect(),
        again: format!("{portal}/inloggen"),
    };
    page::show(StatusCode::BAD_REQUEST, &page)
}

/// Any other page of the sign-in listener: it is on the portal.
///
/// # Errors
/// 404 where the portal has no address.
pub async fn elsewhere(visit: Visit, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let portal = api.door.origin.as_deref().ok_or(Problem::NotFound)?;
    Ok(see_other(&format!("{portal}{}", visit.path)))
}
