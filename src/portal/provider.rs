//! Signing in by the `OpenID` provider of one's own organisation (`OpenID` Connect Core 1.0, code flow with PKCE, RFC 7636).
//!
//! The provider says who somebody is and nothing more: what they may do stands in our register, so that taking a role
//! away works with the next request. The gateway shows who it is by a signed assertion (RFC 7523, `private_key_jwt`) with
//! its token key, which is published at `/.well-known/jwks.json`: there is no secret to keep.
//!
//! What must come back unchanged travels in one sealed cookie, which is good for ten minutes and for one way back.

use crate::crypto::digest::{hex, sha256};
use crate::domain::partner::{Partner, SignIn, Slug};
use crate::flow::session::{self, Way};
use crate::flow::{FlowError, Gateway};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::ids::{PartnerId, RequestId};
use crate::portal::edge::{cookie, is_led_by_another, see_other};
use crate::portal::sign_in;
use crate::portal::visit::Visit;
use crate::tls::client;
use crate::tls::reload::authorities;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

mod id_token;

/// The cookie of somebody on the way to a provider and back. Sent when they come back from there, and so not strict.
const ON_THE_WAY: &str = "__Host-aanmelding";
/// Where a provider sends people back to: a place of its own for each partner, so that a code which one provider made
/// is never carried to another (RFC 9700, 4.4.2.2).
const BACK: &str = "/inloggen/terug/";
/// How long somebody may take at the provider, in milliseconds.
const MOST_MS: i64 = 600_000;
/// How long a provider may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of a provider, in bytes.
const LONGEST: usize = 256 * 1024;
/// Whose seal the cookie bears.
const SEAL: &str = "portal-provider";

/// What must come back unchanged.
#[derive(Deserialize, Serialize)]
struct OnTheWay {
    partner: Uuid,
    state: String,
    nonce: String,
    verifier: String,
    until_ms: i64,
}

/// What a provider says of itself (`OpenID` Connect Discovery 1.0): the parts that are used.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Why somebody could not be signed in; for the log, not for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Refused {
    #[error("the provider cannot be reached, or its certificate is not of those registered for it")]
    Unreachable,
    #[error("the provider answers what it must not")]
    Answer,
    #[error("the way back does not fit the way there")]
    Way,
    #[error("the id token is not accepted")]
    Token,
    #[error("the provider is less sure of the person than it must be")]
    Sureness,
    #[error("the claim holds no account name")]
    Account,
}

/// Names of partners by whose provider somebody can sign in, and the paths to it.
#[must_use]
pub fn providers(api: &Api) -> Vec<(String, String)> {
    let register = api.gateway.register.load();
    let mut all: Vec<(String, String)> = register
        .partners()
        .filter(|partner| {
            api.door.origin.is_some()
                && partner.sign_in.is_some()
                && register.active(partner.id).is_some()
        })
        .map(|partner| {
            (partner.name.as_str().to_owned(), format!("/inloggen/bij/{}", partner.name.as_str()))
        })
        .collect();
    all.sort();
    all
}

fn back_of(origin: &str, partner: &Partner) -> String {
    format!("{origin}{BACK}{}", partner.name.as_str())
}

fn random(gateway: &Gateway) -> Result<String, Problem> {
    let bytes = gateway.entropy.array::<32>().or(Err(Problem::Internal))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn is_https(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.host_str().is_some())
}

/// A client that trusts the authorities registered for a provider and no others.
fn client_of(gateway: &Gateway, sign_in: &SignIn) -> Result<reqwest::Client, Refused> {
    let trusted = authorities(sign_in.authorities.as_bytes()).or(Err(Refused::Unreachable))?;
    let tls = client::config(trusted, None, &gateway.clock).or(Err(Refused::Unreachable))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .or(Err(Refused::Unreachable))
}

async fn json_of(request: reqwest::RequestBuilder) -> Result<Value, Refused> {
    let mut answer = request.send().await.or(Err(Refused::Unreachable))?;
    if !answer.status().is_success() {
        return Err(Refused::Answer);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.or(Err(Refused::Unreachable))? {
        if bytes.len() + chunk.len() > LONGEST {
            return Err(Refused::Answer);
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).or(Err(Refused::Answer))
}

async fn discover(client: &reqwest::Client, sign_in: &SignIn) -> Result<Discovered, Refused> {
    let place =
        format!("{}/.well-known/openid-configuration", sign_in.issuer.trim_end_matches('/'));
    let told = json_of(client.get(is_https(&place).ok_or(Refused::Answer)?)).await?;
    let found: Discovered = serde_json::from_value(told).or(Err(Refused::Answer))?;
    let places = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
    let safe =
        found.issuer == sign_in.issuer && places.iter().all(|place| is_https(place).is_some());
    safe.then_some(found).ok_or(Refused::Answer)
}

/// Whether a provider can be reached, and says of itself and of its keys what it must. Asks nothing about anybody.
///
/// # Errors
/// What is wrong with it, in words of ours.
pub async fn try_out(gateway: &Gateway, sign_in: &SignIn) -> Result<(), String> {
    let reached = async {
        let client = client_of(gateway, sign_in)?;
        let found = discover(&client, sign_in).await?;
        let keys = json_of(client.get(is_https(&found.jwks_uri).ok_or(Refused::Answer)?)).await?;
        keys.get("keys").and_then(Value::as_array).map(drop).ok_or(Refused::Answer)
    };
    reached.await.map_err(|refused| refused.to_string())
}

/// `GET /inloggen/bij/{partner}`: to the provider of a partner.
///
/// # Errors
/// 404 for a partner that has none.
pub async fn leave(
    visit: Visit,
    name: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    if is_led_by_another(&request) {
        return Ok(see_other("/inloggen"));
    }
    let register = api.gateway.register.load_full();
    let partner = register.named(&name).and_then(|partner| register.active(partner.id));
    let partner = partner.ok_or(Problem::NotFound)?;
    let sign_in = partner.sign_in.as_ref().ok_or(Problem::NotFound)?;
    match led_away(&api, partner, sign_in).await? {
        Ok(response) => Ok(response),
        Err(refused) => failed(&visit, refused),
    }
}

async fn led_away(
    api: &Api,
    partner: &Partner,
    sign_in: &SignIn,
) -> Result<Result<HttpResponse, Refused>, Problem> {
    let gateway = &api.gateway;
    let origin = api.door.origin.as_deref().ok_or(Problem::NotFound)?;
    let way = OnTheWay {
        partner: partner.id.uuid(),
        state: random(gateway)?,
        nonce: random(gateway)?,
        verifier: random(gateway)?,
        until_ms: gateway.clock.now().as_millisecond() + MOST_MS,
    };
    let found = match client_of(gateway, sign_in) {
        Ok(client) => discover(&client, sign_in).await,
        Err(refused) => Err(refused),
    };
    let Ok(found) = found else {
        return Ok(Err(found.err().unwrap_or(Refused::Unreachable)));
    };
    let mut to = is_https(&found.authorization_endpoint).ok_or(Problem::Internal)?;
    let challenge = URL_SAFE_NO_PAD.encode(sha256(way.verifier.as_bytes()));
    to.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &sign_in.client_id)
        .append_pair("redirect_uri", &back_of(origin, partner))
        .append_pair("scope", "openid profile")
        .append_pair("state", &way.state)
        .append_pair("nonce", &way.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        // Whoever sits at the screen now shows who they are now, and the provider says that they did.
        .append_pair("prompt", "login")
        .append_pair("max_age", "0");
    if !sign_in.acr.is_empty() {
        to.query_pairs_mut().append_pair("acr_values", &sign_in.acr);
    }
    let text = serde_json::to_vec(&way).or(Err(Problem::Internal))?;
    let sealed =
        gateway.keyring.seal_cursor(&gateway.entropy, SEAL, &text).or(Err(Problem::Internal))?;
    let mut response = see_other(to.as_str());
    sign_in::put_cookie(
        &mut response,
        &format!("{ON_THE_WAY}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"),
    )?;
    Ok(Ok(response))
}

/// `GET /inloggen/terug/{partner}`: back from the provider of a partner.
///
/// # Errors
/// [`Problem`] of the ledger; what the provider or the person did not show is a page.
pub async fn come_back(
    visit: Visit,
    name: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let sealed = cookie(request.headers(), ON_THE_WAY).unwrap_or_default();
    let shown = who(&api, &sealed, &name, request.query_string()).await;
    let mut response = match shown {
        Ok((partner, account)) => {
            match session::begin(&api.gateway, partner, &account, Way::Provider).await {
                Ok(secret) => {
                    sign_in::leave_old(&visit, &api).await?;
                    sign_in::signed_in_here(&visit, &secret)?
                }
                Err(FlowError::NotFound) => sign_in::unknown(&visit)?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused) => failed(&visit, refused)?,
    };
    sign_in::put_cookie(
        &mut response,
        &format!("{ON_THE_WAY}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"),
    )?;
    Ok(response)
}

fn failed(visit: &Visit, refused: Refused) -> Result<HttpResponse, Problem> {
    tracing::warn!(error = %refused, "sign-in");
    metrics::counter!("sign_in_refused_total").increment(1);
    sign_in::refused(visit)
}

/// Who came back: the partner whose provider says so, and the account.
async fn who(
    api: &Api,
    sealed: &str,
    name: &str,
    query: &str,
) -> Result<(PartnerId, Slug), Refused> {
    let gateway = &api.gateway;
    let opened = gateway.keyring.open_cursor(SEAL, sealed).or(Err(Refused::Way))?;
    let way: OnTheWay = serde_json::from_slice(&opened).or(Err(Refused::Way))?;
    let register = gateway.register.load_full();
    let partner = register.active(PartnerId::from_uuid(way.partner)).ok_or(Refused::Way)?;
    let sign_in = partner.sign_in.as_ref().ok_or(Refused::Way)?;
    let sent: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| {
        let mut own =
            sent.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        own.next().filter(|_| own.next().is_none())
    };
    let now_ms = gateway.clock.now().as_millisecond();
    let in_time = now_ms <= way.until_ms;
    // RFC 9207: an answer of another provider is not taken for one of this.
    let issuers = sent.iter().filter(|(known, _)| known == "iss");
    let issuers: Vec<&str> = issuers.map(|(_, issuer)| issuer.as_str()).collect();
    let same_provider = issuers.len() <= 1 && issuers.iter().all(|one| *one == sign_in.issuer);
    let same_way = one("state") == Some(way.state.as_str()) && partner.name.as_str() == name;
    // Nothing is asked of anybody before all of it fits.
    if !in_time || !same_way || !same_provider || !api.door.goes(&way.state, way.until_ms, now_ms) {
        return Err(Refused::Way);
    }
    let code = one("code").ok_or(Refused::Way)?;
    let client = client_of(gateway, sign_in)?;
    let found = discover(&client, sign_in).await?;
    if found.authorization_response_iss_parameter_supported && one("iss").is_none() {
        return Err(Refused::Way);
    }
    let redeemed = Redeemed { code, verifier: &way.verifier };
    let token = exchanged(api, &client, &found, partner, sign_in, &redeemed).await?;
    let keys = json_of(client.get(is_https(&found.jwks_uri).ok_or(Refused::Answer)?)).await?;
    let seconds = gateway.clock.now().as_second();
    let claims = id_token::claims(&token, &keys, sign_in, &way.nonce, seconds)?;
    let account = claims.get(&sign_in.claim).and_then(Value::as_str).unwrap_or_default();
    let account = Slug::parse(account).or(Err(Refused::Account))?;
    Ok((partner.id, account))
}

/// What is exchanged for an id token.
struct Redeemed<'a> {
    code: &'a str,
    verifier: &'a str,
}

/// The id token for a code.
async fn exchanged(
    api: &Api,
    client: &reqwest::Client,
    found: &Discovered,
    partner: &Partner,
    sign_in: &SignIn,
    redeemed: &Redeemed<'_>,
) -> Result<String, Refused> {
    let gateway = &api.gateway;
    let origin = api.door.origin.as_deref().ok_or(Refused::Way)?;
    let now = gateway.clock.now().as_second();
    let assertion = json!({
        "iss": sign_in.client_id, "sub": sign_in.client_id, "aud": found.issuer, "iat": now, "exp": now + 60,
        "jti": hex(RequestId::new().uuid().as_bytes()),
    });
    let signed =
        gateway.keyring.sign_jws("JWT", assertion.to_string().as_bytes(), &gateway.entropy);
    let signed = signed.or(Err(Refused::Token))?;
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", redeemed.code)
        .append_pair("redirect_uri", &back_of(origin, partner))
        .append_pair("code_verifier", redeemed.verifier)
        .append_pair("client_id", &sign_in.client_id)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_assertion", &signed)
        .finish();
    let place = is_https(&found.token_endpoint).ok_or(Refused::Answer)?;
    let request =
        client.post(place).header("content-type", "application/x-www-form-urlencoded").body(body);
    let told = json_of(request).await?;
    told.get("id_token").and_then(Value::as_str).map(str::to_owned).ok_or(Refused::Answer)
}
