//! `buurtpoort partner apply`: the register as a TOML file.

use crate::cli::{Failure, boot};
use crate::clock::Clock;
use crate::config::{Config, placed};
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::{
    Endpoint, Issuer, Partner, PartnerKind, PartnerStatus, Person, Role, SignIn, Slug, Territory,
};
use crate::domain::partner_number::PartnerNumber;
use crate::domain::referral::Source;
use crate::http::token::usable_keys;
use crate::ids::PartnerId;
use crate::store::migrate as schema;
use crate::store::partners::{self, Register};
use crate::tls::peer::SpkiPin;
use crate::tls::reload::authorities;
use crate::worker::delivery;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

/// A register as it stands in a file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterFile {
    /// Partners.
    #[serde(default)]
    pub partner: Vec<PartnerFile>,
    /// Territories; they replace all that were there.
    #[serde(default)]
    pub territory: Vec<TerritoryFile>,
}

/// One partner.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerFile {
    /// Short name.
    pub name: String,
    /// OIN (20 digits) or URA (8 digits).
    pub number: String,
    /// `referrer`, `coordination`, `municipality`, `oversight` or `operations`.
    pub kind: String,
    /// `active` or `suspended`.
    #[serde(default = "active")]
    pub status: String,
    /// SHA-256 of each public key, base64url.
    pub pins: Vec<String>,
    /// Who signs tokens for its people.
    #[serde(default)]
    pub issuers: Vec<IssuerFile>,
    /// In which capacity it may refer.
    #[serde(default)]
    pub sources: Vec<String>,
    /// CBS codes of the gemeenten it is or works for.
    #[serde(default)]
    pub municipalities: Vec<String>,
    /// Where messages to it go, where it takes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointFile>,
    /// People who may use the pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<PersonFile>,
    /// Who says who they are.
    #[serde(default, rename = "sign-in", skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInFile>,
}

/// Somebody who may use the pages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PersonFile {
    /// Account name.
    pub account: String,
    /// Roles that people of this kind of partner may hold.
    pub roles: Vec<String>,
    /// SHA-256 of each public key by which they may sign in with a certificate, base64url.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
}

/// The `OpenID` provider of a partner.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignInFile {
    /// The exact issuer, an https URL.
    pub issuer: String,
    /// As whom the gateway is known there.
    pub client_id: String,
    /// Which claim holds the account name.
    #[serde(default = "preferred_username")]
    pub claim: String,
    /// The `acr` that is asked for and required; any where it is empty.
    #[serde(default)]
    pub acr: String,
    /// Who issues the certificate of the provider, PEM.
    pub authorities: String,
}

fn preferred_username() -> String {
    "preferred_username".to_owned()
}

/// Where messages to a partner are delivered.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndpointFile {
    /// An https URL.
    pub url: String,
    /// Who issues the receiver's certificate, PEM.
    pub authorities: String,
    /// Whether its address may be one that is not public.
    #[serde(default)]
    pub allow_private: bool,
}

fn active() -> String {
    "active".to_owned()
}

/// An issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerFile {
    /// The exact `iss`.
    pub iss: String,
    /// RFC 7517 key set, as JSON text.
    pub jwks: String,
}

/// A territory.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TerritoryFile {
    /// CBS code of the gemeente.
    pub municipality: String,
    /// CBS code of a wijk; all of the gemeente where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// Short name of the organisation.
    pub organisation: String,
    /// Account name of the coordinator.
    pub coordinator: String,
    /// Whether new cases go to the coordinator by themselves.
    #[serde(default)]
    pub automatic: bool,
}

/// Reads a register; every value is checked.
///
/// # Errors
/// One line naming the partner and the rule.
pub fn parse(text: &str) -> Result<(Vec<Partner>, Vec<Territory>), Failure> {
    let file: RegisterFile =
        toml::from_str(text).map_err(|error| Failure::usage(placed(text, &error)))?;
    let partners: Vec<Partner> = file.partner.iter().map(partner).collect::<Result<_, _>>()?;
    keys_are_of_one(&partners, &Register::default())?;
    let mut names = HashSet::new();
    if let Some(twice) = partners.iter().find(|partner| !names.insert(partner.name.as_str())) {
        return Err(Failure::usage(format!("partner {}: must be named once", twice.name.as_str())));
    }
    let territories =
        file.territory.iter().map(|t| territory(t, &partners)).collect::<Result<_, _>>()?;
    Ok((partners, territories))
}

fn partner(file: &PartnerFile) -> Result<Partner, Failure> {
    let bad = |rule: String| Failure::usage(format!("partner {}: {rule}", file.name));
    let pin = |text: &String| SpkiPin::parse(text).map(|pin| pin.0).map_err(|e| bad(e.to_string()));
    let source = |text: &String| Source::parse(text).map_err(|e| bad(format!("sources: {e}")));
    let place = |text: &String| Municipality::parse(text).map_err(|e| bad(e.to_string()));
    let issuer = |file: &IssuerFile| {
        if usable_keys(&file.jwks) == 0 {
            return Err(bad("issuers: jwks must hold a P-256, Ed25519 or RSA key".to_owned()));
        }
        Ok(Issuer { iss: file.iss.clone(), jwks: file.jwks.clone() })
    };
    let kind = PartnerKind::parse(&file.kind).map_err(|e| bad(format!("kind: {e}")))?;
    let someone =
        |one: &PersonFile| person(one, kind).map_err(|rule| bad(format!("people: {rule}")));
    Ok(Partner {
        id: PartnerId::new(),
        name: Slug::parse(&file.name).map_err(|e| bad(format!("name: {e}")))?,
        number: PartnerNumber::parse(&file.number).map_err(|e| bad(format!("number: {e}")))?,
        kind,
        status: PartnerStatus::parse(&file.status).map_err(|e| bad(format!("status: {e}")))?,
        pins: file.pins.iter().map(pin).collect::<Result<_, _>>()?,
        issuers: file.issuers.iter().map(issuer).collect::<Result<_, _>>()?,
        sources: file.sources.iter().map(source).collect::<Result<_, _>>()?,
        municipalities: file.municipalities.iter().map(place).collect::<Result<_, _>>()?,
        endpoint: file.endpoint.as_ref().map(endpoint).transpose().map_err(bad)?,
        people: file.people.iter().map(someone).collect::<Result<_, _>>()?,
        sign_in: file.sign_in.as_ref().map(sign_in).transpose().map_err(bad)?,
    })
}

fn person(file: &PersonFile, kind: PartnerKind) -> Result<Person, String> {
    let account = Slug::parse(&file.account).map_err(|rule| format!("account {rule}"))?;
    let role = |text: &String| {
        let role = Role::parse(text).ok().filter(|role| role.may_be_held_at(kind));
        role.ok_or_else(|| {
            format!("{}: a role is not one that this partner's people may hold", file.account)
        })
    };
    let pin = |text: &String| {
        let pin = SpkiPin::parse(text).map(|pin| pin.0);
        pin.map_err(|rule| format!("{}: pins: {rule}", file.account))
    };
    if file.roles.is_empty() {
        return Err(format!("{}: roles: at least one must be given", file.account));
    }
    Ok(Person {
        account,
        roles: file.roles.iter().map(role).collect::<Result<_, _>>()?,
        pins: file.pins.iter().map(pin).collect::<Result<_, _>>()?,
    })
}

/// A key by which a person signs in is that person's alone, and no system's: of the file, and of the partners that stay as
/// they are in the register.
fn keys_are_of_one(partners: &[Partner], register: &Register) -> Result<(), Failure> {
    let named: HashSet<&str> = partners.iter().map(|partner| partner.name.as_str()).collect();
    let others = register.partners().filter(|partner| !named.contains(partner.name.as_str()));
    let others: Vec<&Partner> = others.collect();
    let held = others.iter().flat_map(|one| &one.people).flat_map(|person| &person.pins);
    let persons: HashSet<&[u8; 32]> = held.clone().collect();
    let taken =
        partners.iter().find(|partner| partner.pins.iter().any(|pin| persons.contains(pin)));
    if let Some(partner) = taken {
        return Err(Failure::usage(format!(
            "partner {}: pins: a person of another partner signs in with that key",
            partner.name.as_str()
        )));
    }
    let systems = others.iter().copied().chain(partners).flat_map(|partner| &partner.pins);
    let systems = systems.chain(held);
    let mut taken: HashSet<[u8; 32]> = systems.copied().collect();
    for partner in partners {
        for person in &partner.people {
            if !person.pins.iter().all(|pin| taken.insert(*pin)) {
                return Err(Failure::usage(format!(
                    "partner {}: people: {}: pins: a key must be of one person, and not of a partner's system",
                    partner.name.as_str(),
                    person.account.as_str()
                )));
            }
        }
    }
    Ok(())
}

fn sign_in(file: &SignInFile) -> Result<SignIn, String> {
    let issuer = file.issuer.strip_prefix("https://").filter(|rest| !rest.is_empty());
    issuer
        .filter(|rest| !rest.contains(['?', '#', '@']))
        .ok_or("sign-in: issuer must be an https URL without query or fragment")?;
    authorities(file.authorities.as_bytes())
        .map_err(|rule| format!("sign-in: authorities: {rule}"))?;
    Ok(SignIn {
        issuer: file.issuer.clone(),
        client_id: file.client_id.clone(),
        claim: file.claim.clone(),
        acr: file.acr.clone(),
        authorities: file.authorities.clone(),
    })
}

fn endpoint(file: &EndpointFile) -> Result<Endpoint, String> {
    let endpoint = Endpoint {
        url: file.url.clone(),
        authorities: file.authorities.clone(),
        allow_private: file.allow_private,
    };
    delivery::check(&endpoint).map_err(|rule| format!("endpoint: {rule}"))?;
    Ok(endpoint)
}

fn territory(file: &TerritoryFile, partners: &[Partner]) -> Result<Territory, Failure> {
    let bad = |rule: String| Failure::usage(format!("territory {}: {rule}", file.municipality));
    let organisation =
        partners
            .iter()
            .find(|partner| partner.name.as_str() == file.organisation)
            .ok_or_else(|| bad("the organisation must be a partner of the same file".to_owned()))?;
    let district = file.district.as_deref().map(District::parse).transpose();
    Ok(Territory {
        organisation: organisation.id,
        municipality: Municipality::parse(&file.municipality).map_err(|e| bad(e.to_string()))?,
        district: district.map_err(|e| bad(e.to_string()))?,
        coordinator: Slug::parse(&file.coordinator).map_err(|e| bad(e.to_string()))?,
        automatic: file.automatic,
    })
}

/// What to apply.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// TOML file of partners and territories.
    pub file: PathBuf,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Also where a gemeente that is served would be left without a coordinator.
    #[arg(long)]
    pub drop_territories: bool,
    /// Configuration file.
    #[arg(long)]
    pub config: PathBuf,
}

/// Brings the register to what a file says.
///
/// # Errors
/// When the file or the database refuses, or a gemeente would not be served any more and nobody said that it may;
/// nothing is changed then.
pub async fn run(args: &ApplyArgs) -> Result<String, Failure> {
    let (partners, territories) = parse(&crate::cli::read(&args.file)?)?;
    let config = Config::read(&args.config).map_err(Failure::usage)?;
    let pool = boot::pool(&config).await?;
    schema::check(&pool).await?;
    let register = partners::load(&pool).await?;
    let before = register.territories().count();
    let told = format!("{} partners, {} territories", partners.len(), territories.len());
    let told = format!("{told} in the place of {before}");
    keys_are_of_one(&partners, &register)?;
    if !args.drop_territories {
        still_served(&register, &territories)?;
    }
    if args.dry_run {
        return Ok(format!("{told}: the file is in order, nothing was changed"));
    }
    let keyring = boot::keyring(&config, &pool).await?;
    let stamp = boot::stamp(&config, &Clock::System)?;
    partners::apply(&pool, &keyring, &partners, &territories, &stamp).await?;
    Ok(format!("{told}: applied"))
}

/// Whether each gemeente that is served still is.
fn still_served(register: &Register, territories: &[Territory]) -> Result<(), Failure> {
    let served = |territory: &Territory| territory.municipality;
    let after: BTreeSet<Municipality> = territories.iter().map(served).collect();
    let before: BTreeSet<Municipality> = register.territories().map(served).collect();
    let lost: Vec<String> = before.difference(&after).map(ToString::to_string).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "territories of the file take the place of all there are, and {} would not be served any more; add them to the \
         file, or say --drop-territories",
        lost.join(", ")
    )))
}
