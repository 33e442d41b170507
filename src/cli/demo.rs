//! `buurtpoort demo`: everything fresh, the story of one referral, then a gateway to try things on.
//!
//! The directory is marked [`DEMO_STAMP`], which `serve` refuses. Listeners bind the loopback address.

use crate::cli::boot::{self, Booted, Claim, DEMO_STAMP};
use crate::cli::issuer::DevIssuer;
use crate::cli::links;
use crate::cli::partners::{
    self as register, PartnerFile, PersonFile, RegisterFile, TerritoryFile,
};
use crate::cli::pki::{DevPki, LeafKind};
use crate::cli::policies::{COMPILED_IN, INVARIANTS, INVARIANTS_FILE, proof};
use crate::cli::story::{self, Scene};
use crate::cli::{Failure, print, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::Entropy;
use crate::domain::municipality::Municipality;
use crate::domain::partner_number::PartnerNumber;
use crate::domain::period::{Period, Year};
use crate::domain::referral::Source;
use crate::flow::{Gateway, publish};
use crate::http::server::{Servers, Sockets};
use crate::store::figures::{SourceCount, put_history};
use crate::store::{Pool, partners};
use crate::telemetry;
use clap::Args;
use metrics_exporter_prometheus::PrometheusHandle;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `buurtpoort demo`
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Where everything goes; an earlier demo there is replaced.
    #[arg(long, default_value = "demo-data")]
    pub dir: PathBuf,
    /// Port of the API listener.
    #[arg(long, default_value_t = 8443)]
    pub api_port: u16,
    /// Port of the portal listener.
    #[arg(long, default_value_t = 8444)]
    pub portal_port: u16,
    /// Port of the admin listener.
    #[arg(long, default_value_t = 9090)]
    pub admin_port: u16,
    /// Port of a listener where people sign in with a certificate; none where it is not given.
    #[arg(long)]
    pub sign_in_port: Option<u16>,
    /// `postgres://…` of an empty database; an SQLite file in the directory where it is not given.
    #[arg(long)]
    pub database: Option<String>,
    /// Also replace an earlier demo in that PostgreSQL database.
    #[arg(long)]
    pub reset: bool,
    /// End after the story; exit code 0 only if every answer was as promised.
    #[arg(long)]
    pub exit_after_story: bool,
}

/// A partner of the demo: name, OIN, kind, sources, gemeenten.
type Cast =
    (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// The partners of the seed programmes. The numbers are in a range that Logius does not give out.
const CAST: &[Cast] = &[
    ("wijkteam-nijmegen", "00000099000000001000", "referrer", &["wijkteam"], &["GM0268"]),
    ("poh-j-nijmegen", "00000099000000002000", "referrer", &["poh-j"], &["GM0268"]),
    ("regieteam-nijmegen", "00000099000000003000", "referrer", &["regieteam"], &["GM0268"]),
    ("doorbraak-nijmegen", "00000099000000004000", "referrer", &["doorbraakcoach"], &["GM0268"]),
    (
        "website-buurtgezinnen",
        "00000099000000005000",
        "referrer",
        &["self", "other"],
        &["GM0268", "GM0225", "GM0252", "GM1945", "GM0119", "GM0118"],
    ),
    (
        "buurtgezinnen",
        "00000099000000006000",
        "coordination",
        &[],
        &["GM0268", "GM0225", "GM0252", "GM1945", "GM0119", "GM0118"],
    ),
    ("gemeente-nijmegen", "00000099000000007000", "municipality", &[], &["GM0268"]),
    ("gemeente-druten", "00000099000000008000", "municipality", &[], &["GM0225"]),
    ("gemeente-heumen", "00000099000000009000", "municipality", &[], &["GM0252"]),
    ("gemeente-berg-en-dal", "00000099000000010000", "municipality", &[], &["GM1945"]),
    ("gemeente-meppel", "00000099000000011000", "municipality", &[], &["GM0119"]),
    ("gemeente-hoogeveen", "00000099000000012000", "municipality", &[], &["GM0118"]),
    ("toezicht", "00000099000000013000", "oversight", &[], &[]),
    ("beheer", "00000099000000014000", "operations", &[], &[]),
];

/// Who may use the pages: partner, account, roles.
pub const PEOPLE: &[(&str, &str, &[&str])] = &[
    ("wijkteam-nijmegen", "wijkteam-1", &["referrer"]),
    ("poh-j-nijmegen", "poh-1", &["referrer"]),
    ("regieteam-nijmegen", "regisseur-1", &["referrer", "case-manager"]),
    ("doorbraak-nijmegen", "coach-1", &["referrer"]),
    ("buurtgezinnen", "lea", &["assigner"]),
    ("buurtgezinnen", "anna", &["coordinator"]),
    ("buurtgezinnen", "bert", &["coordinator"]),
    ("buurtgezinnen", "carla", &["coordinator"]),
    ("buurtgezinnen", "dirk", &["coordinator"]),
    ("gemeente-nijmegen", "beleid-1", &["municipality"]),
    ("gemeente-meppel", "beleid-1", &["municipality"]),
    ("gemeente-hoogeveen", "beleid-1", &["municipality"]),
    ("toezicht", "fg-1", &["privacy-officer"]),
    ("beheer", "beheer-1", &["operator"]),
];

/// The number in the gateway's own certificate; it is no partner of itself.
const GATEWAY: &str = "00000099000000099000";

/// Gemeente, coordinator, and whether cases go there by themselves: in Nijmegen lea assigns.
const TERRITORIES: &[(&str, &str, bool)] = &[
    ("GM0268", "anna", false),
    ("GM0225", "bert", true),
    ("GM0252", "bert", true),
    ("GM1945", "bert", true),
    ("GM0119", "carla", true),
    ("GM0118", "dirk", true),
];

/// Invented counts of the two years before, by source: wijkteam, poh-j, regieteam, self, other.
const HISTORY: &[(&str, [u32; 5], [u32; 5])] = &[
    ("GM0268", [41, 28, 12, 7, 3], [52, 33, 17, 14, 4]),
    ("GM0119", [18, 11, 2, 6, 0], [21, 16, 3, 12, 1]),
    ("GM0225", [4, 1, 0, 1, 0], [5, 2, 0, 2, 0]),
    ("GM0252", [3, 2, 0, 0, 0], [4, 1, 0, 1, 0]),
    ("GM1945", [6, 3, 1, 2, 0], [7, 2, 1, 2, 0]),
    ("GM0118", [9, 5, 0, 4, 0], [11, 8, 1, 5, 1]),
];

/// Sources of the columns of [`HISTORY`].
const HISTORY_SOURCES: [Source; 5] =
    [Source::Wijkteam, Source::PohJ, Source::Regieteam, Source::SelfRegistered, Source::Other];

/// A demo that is made and serving.
pub struct Raised {
    /// The gateway behind it.
    pub booted: Arc<Booted>,
    /// Its listeners, to be awaited.
    pub servers: Servers,
    /// Address of the API listener.
    pub api: SocketAddr,
    /// Address of the portal listener.
    pub portal: SocketAddr,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// Address of the sign-in listener.
    pub sign_in: Option<SocketAddr>,
    /// While this is held, no other demo takes the directory.
    pub held: fs::File,
}

/// Makes everything fresh and starts the listeners. Port 0 takes a free one. The tests raise their
/// gateways here too.
///
/// # Errors
/// When something cannot be made.
pub async fn raise(
    args: &DemoArgs,
    clock: Clock,
    metrics: &PrometheusHandle,
) -> Result<Raised, Failure> {
    let sockets = sockets(args)?;
    let held = hold(&args.dir)?;
    let config = make(args, &sockets, &clock).await?;
    let booted = Arc::new(boot::boot(config, clock.clone(), Claim::Alone).await?);
    booted.api.door.take_links();
    publish_history(&booted.api.gateway, &clock).await?;
    let api = sockets.api.local_addr()?;
    let portal = sockets.portal.local_addr()?;
    let admin = sockets.admin.local_addr()?;
    let sign_in = sockets.sign_in.as_ref().map(TcpListener::local_addr).transpose()?;
    let servers = serve::start(&booted, sockets, metrics)?;
    Ok(Raised { booted, servers, api, portal, admin, sign_in, held })
}

/// Makes, plays, serves.
///
/// # Errors
/// When something cannot be made; a step that differs is told in the exit code.
pub async fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    telemetry::init(&std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()));
    let metrics = telemetry::metrics().map_err(Failure::new)?;
    let clock = Clock::System;
    print(
        "Buurtpoort demo: invented people only. \
         Making a development CA, keys, database and partners …",
    )?;
    let raised = raise(args, clock.clone(), &metrics).await?;
    let Raised { booted, servers, api, portal, held: _held, .. } = raised;
    let scene = Scene::new(&args.dir, api, &booted.config, clock)?;
    let told = async {
        let as_promised = story::play(&scene, &booted).await?;
        if !args.exit_after_story {
            print(&invitation(args, api)?)?;
            print(&links::all(&booted.api.gateway, portal).await?)?;
        }
        Ok::<_, Failure>(as_promised)
    };
    let as_promised = if args.exit_after_story {
        tokio::select! {
            as_promised = told => as_promised?,
            served = serve::until_stopped(&booted, servers) => {
                served?;
                false
            }
        }
    } else {
        let (as_promised, served) = tokio::join!(told, serve::until_stopped(&booted, servers));
        served?;
        as_promised?
    };
    Ok(if as_promised { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sockets(args: &DemoArgs) -> Result<Sockets, Failure> {
    let bind = |port: u16| {
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|error| {
            Failure::new(format!(
                "port {port}: {}; --api-port and so on choose others",
                error.kind()
            ))
        })
    };
    Ok(Sockets {
        api: bind(args.api_port)?,
        portal: bind(args.portal_port)?,
        admin: bind(args.admin_port)?,
        sign_in: args.sign_in_port.map(bind).transpose()?,
    })
}

/// Makes the directory and everything in it; prepares the database.
async fn make(args: &DemoArgs, sockets: &Sockets, clock: &Clock) -> Result<Config, Failure> {
    let dir = &args.dir;
    for sub in ["keys", "policies", "checkpoints"] {
        private_directory(&dir.join(sub))?;
    }
    for (name, text) in COMPILED_IN.iter().chain(&[(INVARIANTS_FILE, INVARIANTS)]) {
        fs::write(dir.join("policies").join(name), text)?;
    }
    let root: [u8; 32] = Entropy::system().array()?;
    private_file(&dir.join("keys").join("root.key"), &root)?;
    let issuer = DevIssuer::create(dir)?;
    let register = register_file(dir, &issuer, clock)?;
    fs::write(dir.join("partners.toml"), toml::to_string_pretty(&register)?)?;
    let text = config_text(args, sockets)?;
    private_file(&dir.join("buurtpoort.toml"), text.as_bytes())?;
    let config = Config::read(&dir.join("buurtpoort.toml"))?;
    let pool = boot::pool(&config).await?;
    if args.reset {
        crate::store::migrate::wipe(&pool).await?;
    }
    boot::prepare(&config, &pool, clock).await?;
    let keyring = boot::keyring(&config, &pool).await?;
    proof::record_shipped(&dir.join("policies"), &config.ledger.origin, &keyring)?;
    let (partners, territories) = register::parse(&toml::to_string(&register)?)?;
    apply(&config, &pool, clock, &partners, &territories).await?;
    pool.close().await;
    Ok(config)
}

async fn apply(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    partners: &[crate::domain::partner::Partner],
    territories: &[crate::domain::partner::Territory],
) -> Result<(), Failure> {
    if partners::load(pool).await?.partners().next().is_some() {
        return Err(Failure::new("the database holds an earlier deployment; --reset replaces it"));
    }
    let keyring = boot::keyring(config, pool).await?;
    let stamp = boot::stamp(config, clock)?;
    Ok(partners::apply(pool, &keyring, partners, territories, &stamp).await?)
}

/// Takes the directory, once an earlier demo in it is removed. One that still runs, and anything else, is left alone.
fn hold(dir: &Path) -> Result<fs::File, Failure> {
    let stamp = dir.join(DEMO_STAMP);
    // Held until the new one is: of two that start together one goes on.
    let mut earlier = None;
    if dir.exists() {
        let empty = fs::read_dir(dir)?.next().is_none();
        if !empty {
            earlier = Some(taken(&stamp)?);
        }
        fs::remove_dir_all(dir)?;
    }
    private_directory(dir)?;
    let mut file = fs::File::options().create_new(true).write(true).open(stamp)?;
    own(&file)?;
    drop(earlier);
    std::io::Write::write_all(
        &mut file,
        b"A demo of Buurtpoort. Invented people, throw-away keys.\n",
    )?;
    Ok(file)
}

/// Takes what an earlier demo left.
fn taken(stamp: &Path) -> Result<fs::File, Failure> {
    let earlier = fs::File::options().write(true).open(stamp).or(Err(Failure::usage(
        "the directory holds something that is not a demo; choose another with --dir",
    )))?;
    own(&earlier)?;
    // Another may have taken the directory since the file was opened.
    let same = fs::metadata(stamp).is_ok_and(|now| {
        earlier.metadata().is_ok_and(|held| (held.dev(), held.ino()) == (now.dev(), now.ino()))
    });
    if same { Ok(earlier) } else { Err(Failure::usage(RUNNING)) }
}

const RUNNING: &str = "a demo is running in this directory; stop it, or choose another with --dir";

fn own(stamp: &fs::File) -> Result<(), Failure> {
    stamp.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => Failure::usage(RUNNING),
        fs::TryLockError::Error(error) => error.into(),
    })
}

fn private_directory(path: &Path) -> Result<(), Failure> {
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
}

fn private_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(path)?;
    Ok(std::io::Write::write_all(&mut file, content)?)
}

fn register_file(dir: &Path, issuer: &DevIssuer, clock: &Clock) -> Result<RegisterFile, Failure> {
    let mut pki = DevPki::create(&dir.join("pki"), clock.now())?;
    let mut register = RegisterFile::default();
    for (name, number, kind, sources, municipalities) in CAST {
        let peer = pki.issue(name, &PartnerNumber::parse(number)?, LeafKind::Client)?;
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        register.partner.push(PartnerFile {
            name: (*name).to_owned(),
            number: (*number).to_owned(),
            kind: (*kind).to_owned(),
            status: "active".to_owned(),
            pins: vec![peer.pin().to_string()],
            issuers: vec![issuer.registered(name)],
            sources: owned(sources),
            municipalities: owned(municipalities),
            endpoint: None,
            people: people_of(name),
            sign_in: None,
        });
    }
    // What the gateway itself shows to receivers of its messages.
    pki.issue("gateway", &PartnerNumber::parse(GATEWAY)?, LeafKind::Client)?;
    for (municipality, coordinator, automatic) in TERRITORIES {
        register.territory.push(TerritoryFile {
            municipality: (*municipality).to_owned(),
            district: None,
            organisation: "buurtgezinnen".to_owned(),
            coordinator: (*coordinator).to_owned(),
            automatic: *automatic,
        });
    }
    Ok(register)
}

fn people_of(partner: &str) -> Vec<PersonFile> {
    let own = PEOPLE.iter().filter(|(of, ..)| *of == partner);
    own.map(|(_, account, roles)| PersonFile {
        account: (*account).to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        pins: Vec::new(),
    })
    .collect()
}

fn config_text(args: &DemoArgs, sockets: &Sockets) -> Result<String, Failure> {
    let api = sockets.api.local_addr()?;
    let portal = sockets.portal.local_addr()?;
    let admin = sockets.admin.local_addr()?;
    let database = match &args.database {
        // The URL may hold a password, and a password belongs in a file of its own.
        Some(url) => {
            private_file(&args.dir.join("keys").join("database.url"), url.as_bytes())?;
            "url-file = \"keys/database.url\""
        }
        None => "url = \"sqlite:buurtpoort.sqlite\"",
    };
    let (listen, origin) = match &sockets.sign_in {
        Some(socket) => {
            let at = socket.local_addr()?;
            let origin = format!("sign-in-origin = \"https://localhost:{}\"\n", at.port());
            (format!("sign-in = \"{at}\"\n"), origin)
        }
        None => Default::default(),
    };
    let at = format!("https://localhost:{}", api.port());
    Ok(format!(
        "# Made by `buurtpoort demo`.\n\
         [database]\n{database}\n\n\
         [listen]\napi = \"{api}\"\nportal = \"{portal}\"\nadmin = \"{admin}\"\n{listen}\n\
         [tls]\ncertificate = \"pki/server/cert.pem\"\nkey = \"pki/server/key.pem\"\n\
         client-authorities = \"pki/ca.pem\"\nrevocations = \"pki/ca.crl.pem\"\n\n\
         [keys]\nroot = \"keys/root.key\"\ndeployment = \"demo\"\n\n\
         [tokens]\naudience = \"{at}\"\nissuer = \"{at}\"\n\n\
         [ledger]\norigin = \"localhost/audit/1\"\n\n\
         [delivery]\ncertificate = \"pki/gateway/cert.pem\"\nkey = \"pki/gateway/key.pem\"\n\n\
         [portal]\norigin = \"https://localhost:{}\"\n{origin}\n[policies]\ndirectory = \"policies\"\n",
        portal.port()
    ))
}

/// Two closed years of invented history, published the way any year is.
async fn publish_history(gateway: &Arc<Gateway>, clock: &Clock) -> Result<(), Failure> {
    let this = Year::of(clock.now())?.number();
    for (code, earlier, later) in HISTORY {
        let municipality = Municipality::parse(code)?;
        for (back, counts) in [(2, earlier), (1, later)] {
            let year = Year::parse(this - back)?;
            let counts: Vec<SourceCount> = HISTORY_SOURCES
                .iter()
                .zip(counts)
                .map(|(source, families)| SourceCount { source: *source, families: *families })
                .collect();
            put_history(&gateway.store.pool, (municipality, year), &counts).await?;
            publish::publish(gateway, municipality, Period::Year(year)).await?;
        }
    }
    Ok(())
}

/// What to try next: a call that works when pasted.
fn invitation(args: &DemoArgs, api: SocketAddr) -> Result<String, Failure> {
    let program = std::env::current_exe()?;
    let program = program.display();
    let dir = fs::canonicalize(&args.dir)?;
    let dir = dir.display();
    let body = format!("{dir}/referral-wijkteam.json");
    fs::write(&body, story::WIJKTEAM)?;
    let port = api.port();
    Ok(format!(
        "\nStill serving on https://localhost:{port} (Ctrl-C ends it). Try it:\n\n\
         curl --cacert {dir}/pki/ca.pem \\\n\
         \x20 --cert {dir}/pki/wijkteam-nijmegen/cert.pem --key {dir}/pki/wijkteam-nijmegen/key.pem \\\n\
         \x20 -H \"Authorization: Bearer $({program} token --dir {dir} --partner wijkteam-nijmegen --person wijkteam-1 --role referrer)\" \\\n\
         \x20 -H \"Idempotency-Key: try-$(date +%s)\" -H 'Content-Type: application/json' \\\n\
         \x20 --data @{body} \\\n\
         \x20 https://localhost:{port}/v1/referrals\n"
    ))
}
