//! Who somebody is: a link that works once, signing out here or everywhere, and the pages that anybody may see.

use crate::flow::session::{self, Session};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::portal::assets;
use crate::portal::edge::{SESSION, see_other};
use crate::portal::page::{self, Frame, home};
use crate::portal::provider;
use crate::portal::trail::{self, Done};
use crate::portal::visit::Visit;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path};
use askama::Template;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    /// The secret of a link; empty where there is none.
    link: String,
    /// What could not be done; empty where nothing was tried.
    failed: String,
    /// Providers by whom one can sign in: short name of the partner, and the path.
    providers: Vec<(String, String)>,
    /// Whether one can sign in with a certificate.
    certificates: bool,
}

/// `GET /`: to where one was before signing in, to one's own pages, or to where one signs in.
///
/// # Errors
/// None.
pub async fn start(visit: Visit, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(subject) = visit.subject() else {
        return Ok(see_other("/inloggen"));
    };
    let home = subject.roles.first().map_or("/inloggen", |role| home(*role));
    Ok(trail::lead_back(request.headers(), &subject.roles, home))
}

/// `GET /inloggen`: how to get in.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub async fn show(visit: Visit, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let frame = Frame::of(&visit, ("Inloggen", "Sign in"));
    let (link, failed) = (String::new(), String::new());
    let (providers, certificates) = (provider::providers(&api), api.door.sign_in_origin.is_some());
    let page = SignInPage { frame, link, failed, providers, certificates };
    page::show(StatusCode::OK, &page)
}

/// A page that says why somebody could not be signed in.
fn not_signed_in(visit: &Visit, failed: &str) -> Result<HttpResponse, Problem> {
    let page = SignInPage {
        frame: Frame {
            path: "/inloggen".to_owned(),
            ..Frame::of(visit, ("Inloggen", "Sign in")).wrong()
        },
        link: String::new(),
        failed: failed.to_owned(),
        providers: Vec::new(),
        certificates: false,
    };
    page::show(StatusCode::BAD_REQUEST, &page)
}

/// The provider or the person did not show what they must.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) fn refused(visit: &Visit) -> Result<HttpResponse, Problem> {
    not_signed_in(visit, visit.say(
        "Inloggen is niet gelukt. Probeer het nog een keer; blijft het misgaan, bel dan de beheerder van uw organisatie.",
        "Signing in did not work. Try once more; if it stays wrong, call the operator of your organisation.",
    ))
}

/// The provider knows the person, and the register does not.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) fn unknown(visit: &Visit) -> Result<HttpResponse, Problem> {
    not_signed_in(visit, visit.say(
        "Uw organisatie kent u, maar u mag Buurtpoort niet gebruiken. Vraag uw organisatie u aan te melden.",
        "Your organisation knows you, but you may not use Buurtpoort. Ask your organisation to register you.",
    ))
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {
    frame: Frame,
}

/// The answer to somebody who comes back from a provider: a cookie, on a page of ours. A browser that was led here from
/// another site sends no strict cookie along; from this page on it does.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) fn signed_in_here(
    visit: &Visit,
    secret: &session::Secret,
) -> Result<HttpResponse, Problem> {
    // Not to the address of this page: what brought somebody here works once.
    let path = "/".to_owned();
    let frame = Frame { path, ..Frame::of(visit, ("U bent ingelogd", "You are signed in")) };
    let mut response = page::show(StatusCode::OK, &SignedInPage { frame })?;
    put_session(&mut response, secret)?;
    Ok(response)
}

/// `GET /inloggen/l/{secret}`: asks before it takes the link, so that who looks ahead for a person does not use it up.
///
/// # Errors
/// 404 where this is no demo; [`Problem::Internal`] when it cannot be written.
pub async fn show_link(
    visit: Visit,
    secret: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    api.door.takes_links().then_some(()).ok_or(Problem::NotFound)?;
    let frame =
        Frame { path: "/inloggen".to_owned(), ..Frame::of(&visit, ("Inloggen", "Sign in")) };
    let link = secret.into_inner();
    let (failed, providers) = (String::new(), Vec::new());
    page::show(StatusCode::OK, &SignInPage { frame, link, failed, providers, certificates: false })
}

/// `POST /inloggen/link`: takes a link.
///
/// # Errors
/// [`Problem`] of the ledger; a link that is over is a page.
pub async fn take_link(visit: Visit, api: Data<Api>) -> Result<HttpResponse, Problem> {
    // An operator who could make links on a deployment could be anybody there (decision 0016).
    api.door.takes_links().then_some(()).ok_or(Problem::NotFound)?;
    match session::enter(&api.gateway, visit.sent.value("link")).await {
        Ok(secret) => {
            leave_old(&visit, &api).await?;
            signed_in(&secret)
        }
        Err(crate::flow::FlowError::NotFound) => {
            let failed = visit.say(
                "Deze link werkt niet meer. Een link werkt een kwartier, en maar één keer. Vraag een nieuwe.",
                "This link does not work any more. A link works for a quarter of an hour, and once. Ask for another.",
            );
            not_signed_in(&visit, failed)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the session that a new one takes the place of.
///
/// # Errors
/// [`Problem`] of the ledger.
pub(super) async fn leave_old(visit: &Visit, api: &Api) -> Result<(), Problem> {
    if let Some(old) = &visit.session {
        session::end(&api.gateway, old, false).await?;
    }
    Ok(())
}

/// The answer to somebody who showed who they are: a cookie, and the way to their pages.
///
/// # Errors
/// [`Problem::Internal`] when the cookie cannot be written.
fn signed_in(secret: &session::Secret) -> Result<HttpResponse, Problem> {
    let mut response = see_other("/");
    put_session(&mut response, secret)?;
    Ok(response)
}

fn put_session(response: &mut HttpResponse, secret: &session::Secret) -> Result<(), Problem> {
    let cookie =
        format!("{SESSION}={}; Path=/; Secure; HttpOnly; SameSite=Strict", secret.as_str());
    put_cookie(response, &cookie)
}

/// Sets a cookie.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) fn put_cookie(response: &mut HttpResponse, cookie: &str) -> Result<(), Problem> {
    let value = HeaderValue::from_str(cookie).or(Err(Problem::Internal))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// `POST /afmelden`: ends this session, or all of the same person. What the browser kept is cleared.
///
/// # Errors
/// [`Problem`] of the ledger.
pub async fn sign_out(visit: Visit, api: Data<Api>) -> Result<HttpResponse, Problem> {
    if let Some(session) = &visit.session {
        let everywhere = visit.sent.value("overal") == "true";
        session::end(&api.gateway, session, everywhere).await?;
    }
    let mut response = trail::done("/inloggen", Done::SignedOut);
    trail::leave_nothing(response.headers_mut());
    put_cookie(
        &mut response,
        &format!("{SESSION}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"),
    )?;
    clear_cache(&mut response);
    Ok(response)
}

/// Has the browser forget pages it kept to go back to.
pub(super) fn clear_cache(response: &mut HttpResponse) {
    let name = header::HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(name, HeaderValue::from_static("\"cache\""));
}

/// The session of somebody who signed in so recently that names may be opened.
#[must_use]
pub(super) fn is_fresh(visit: &Visit) -> bool {
    visit.session.as_ref().is_some_and(|session: &Session| session.is_fresh)
}

#[derive(Template)]
#[template(path = "public.html")]
struct PublicPage {
    frame: Frame,
    /// Which of the pages.
    of: &'static str,
}

fn public(visit: &Visit, title: (&str, &str), of: &'static str) -> Result<HttpResponse, Problem> {
    page::show(StatusCode::OK, &PublicPage { frame: Frame::of(visit, title), of })
}

/// `GET /toegankelijkheid`.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub async fn accessibility(visit: Visit) -> Result<HttpResponse, Problem> {
    public(&visit, ("Toegankelijkheid", "Accessibility"), "toegankelijkheid")
}

/// `GET /privacy`.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub async fn privacy(visit: Visit) -> Result<HttpResponse, Problem> {
    public(&visit, ("Privacy", "Privacy"), "privacy")
}

/// `GET /hulp`.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub async fn help(visit: Visit) -> Result<HttpResponse, Problem> {
    public(&visit, ("Hulp", "Help"), "hulp")
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    frame: Frame,
    sheet: String,
    reader: String,
    start: String,
}

/// `GET /api`: the description of the API, to read.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub async fn api_reader(visit: Visit) -> Result<HttpResponse, Problem> {
    let page = ApiPage {
        frame: Frame::of(&visit, ("API", "API")),
        sheet: assets::path("swagger-ui.css"),
        reader: assets::path("swagger-ui-bundle.js"),
        start: assets::path("swagger-init.js"),
    };
    page::show(StatusCode::OK, &page)
}
