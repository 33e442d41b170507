//! `buurtpoort link`: a way into the pages of a demo, that works once.
//!
//! Only for the directory of a demo: on a deployment a person shows who they are to the provider of their own
//! organisation, and whoever runs the gateway can make nobody a coordinator.

use crate::cli::Failure;
use crate::cli::boot::{self, Claim, DEMO_STAMP};
use crate::cli::demo::PEOPLE;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::partner::{PartnerKind, Slug};
use crate::flow::{Gateway, session};
use crate::portal::words::{Lang, term};
use clap::Args;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// For whom.
#[derive(Args, Clone, Debug)]
pub struct LinkArgs {
    /// Directory of the demo.
    #[arg(long, default_value = "demo-data")]
    pub dir: PathBuf,
    /// Short name of the partner.
    #[arg(long)]
    pub partner: String,
    /// Account, one of those that partners.toml names.
    #[arg(long)]
    pub person: String,
}

/// Makes a link.
///
/// # Errors
/// When the directory is not of a demo, or the person may not use the pages.
pub async fn run(args: &LinkArgs) -> Result<String, Failure> {
    if !args.dir.join(DEMO_STAMP).exists() {
        return Err(Failure::usage(format!(
            "links that work once exist only in the directory of a demo, and {} is none",
            args.dir.display()
        )));
    }
    let config = Config::read(&args.dir.join("buurtpoort.toml"))?;
    let portal = config.listen.portal;
    let booted = boot::boot(config, Clock::System, Claim::Share).await?;
    let link = link(&booted.api.gateway, portal, &args.partner, &args.person).await?;
    booted.api.gateway.store.pool.close().await;
    Ok(link)
}

async fn link(
    gateway: &Gateway,
    portal: SocketAddr,
    partner: &str,
    person: &str,
) -> Result<String, Failure> {
    let account = Slug::parse(person).map_err(|rule| Failure::usage(format!("person: {rule}")))?;
    let secret = session::ticket(gateway, partner, &account).await;
    let secret = secret.or(Err(Failure::usage("the register names no such person")))?;
    Ok(format!("https://localhost:{}/inloggen/l/{}", portal.port(), secret.as_str()))
}

/// A link for everybody who may use the pages of a demo.
///
/// # Errors
/// When one cannot be made.
pub async fn all(gateway: &Gateway, portal: SocketAddr) -> Result<String, Failure> {
    let mut text = String::from("\nPages, each link once, within fifteen minutes:\n\n");
    for (partner, person, roles) in PEOPLE {
        let link = link(gateway, portal, partner, person).await?;
        let roles: Vec<String> = roles.iter().map(|role| term(Lang::Nl, "role", role)).collect();
        let who = format!("{} {}", roles.join(", "), places(gateway, partner, person));
        let _infallible =
            writeln!(text, "  {:<48} {partner:<21} {person:<11} {link}", who.trim_end());
    }
    Ok(text)
}

/// Of which gemeenten somebody is: those of a coordinator's cases, or of the gemeente itself.
fn places(gateway: &Gateway, partner: &str, person: &str) -> String {
    let register = gateway.register.load();
    let (Some(own), Ok(account)) = (register.named(partner), Slug::parse(person)) else {
        return String::new();
    };
    let mut all: Vec<_> = register.areas_of(own.id, &account).collect();
    if own.kind == PartnerKind::Municipality {
        all.extend(own.municipalities.iter().copied());
    }
    let mut names: Vec<String> =
        all.iter().map(|code| term(Lang::Nl, "gemeente", code.as_str())).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}
