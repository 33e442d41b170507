//! `buurtpoort statistics preview|publish|approve|approver-key|export`.

use crate::cli::boot::{Booted, Claim};
use crate::cli::{ConfigArgs, Failure, boot, rehearse};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::approval::ApprovalKey;
use crate::crypto::digest::hex;
use crate::domain::municipality::Municipality;
use crate::domain::period::{Period, Year};
use crate::flow::publish::{self, PublishError, extra, preview};
use crate::statistics::contract::TableId;
use crate::statistics::formats::csv::Separator;
use crate::statistics::formats::{self, About, Format};
use crate::statistics::release::Published;
use crate::store::figures::{self, FiguresRow};
use clap::{Args, Subcommand};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Figures for gemeenten.
#[derive(Debug, Subcommand)]
pub enum StatisticsVerb {
    /// Seal all periods of made-up records with the real protection, in memory, and print the releases.
    Rehearse {
        /// JSON file of records.
        file: PathBuf,
        /// Draw from these words, so that a run can be repeated; from a fresh seed where they are not given.
        #[arg(long)]
        seed: Option<String>,
    },
    /// Tell what `publish` would do: tables, budget, what is hidden and why. Nothing is drawn from counts or written.
    Preview(Which),
    /// Publish one gemeente's figures about a period that is over, and those since its contract began; print the bodies of the period.
    Publish {
        /// Which figures.
        #[command(flatten)]
        which: Which,
        /// Tables beyond the contract, such as referrals.district, of a year that is closed: two must have approved.
        #[arg(long)]
        table: Vec<String>,
    },
    /// Approve of a table beyond the contract, with the key of one who can.
    Approve {
        /// Which figures.
        #[command(flatten)]
        which: Which,
        /// The table, such as referrals.district.
        #[arg(long)]
        table: String,
        /// File of the approver's key.
        #[arg(long)]
        key: PathBuf,
    },
    /// Make the key of an approver; print its public half for policies/disclosure.toml.
    ApproverKey {
        /// Where the key goes, mode 0600; must not be there yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write what was published of a gemeente or region to files, in every form.
    Export {
        /// CBS code, or name of a region.
        #[arg(long)]
        area: String,
        /// Directory.
        #[arg(long)]
        out: PathBuf,
        /// Configuration.
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Which figures.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// CBS code, such as GM0268.
    #[arg(long)]
    municipality: String,
    /// Year such as 2025, or quarter such as 2026Q3.
    #[arg(long, alias = "year")]
    period: String,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Which {
    fn read(&self) -> Result<(Municipality, Period), Failure> {
        let municipality = Municipality::parse(&self.municipality).map_err(Failure::usage)?;
        Ok((municipality, Period::parse(&self.period).map_err(Failure::usage)?))
    }

    fn year(&self) -> Result<(Municipality, Year), Failure> {
        match self.read()? {
            (municipality, Period::Year(year)) => Ok((municipality, year)),
            (_, Period::Quarter(_)) => {
                Err(Failure::usage("a table beyond the contract is of a year: --period 2026"))
            }
        }
    }
}

/// Runs the verb; gives what goes to standard output.
///
/// # Errors
/// One line; exit code 3 for a wrong call, 1 where nothing was published.
pub async fn run(verb: &StatisticsVerb) -> Result<String, Failure> {
    match verb {
        StatisticsVerb::Rehearse { file, seed } => {
            Ok(rehearse::rehearse(&crate::cli::read(file)?, seed.as_deref())?.to_string())
        }
        StatisticsVerb::Preview(which) => {
            let (municipality, period) = which.read()?;
            let booted = open(&which.config).await?;
            let told = preview::preview(&booted.api.gateway, municipality, period).await;
            Ok(serde_json::to_string_pretty(&told.map_err(refused)?)?)
        }
        StatisticsVerb::Publish { which, table } => publish(which, table).await,
        StatisticsVerb::Approve { which, table, key } => approve(which, table, key).await,
        StatisticsVerb::ApproverKey { out } => approver_key(out),
        StatisticsVerb::Export { area, out, config } => export(area, out, config).await,
    }
}

async fn open(config: &ConfigArgs) -> Result<Booted, Failure> {
    let config = Config::read(&config.config).map_err(Failure::usage)?;
    boot::boot(config, Clock::System, Claim::Share).await
}

/// A period that cannot be told is a wrong call; anything else is a failure.
fn refused(error: PublishError) -> Failure {
    match error {
        PublishError::NotOver | PublishError::NotTold | PublishError::Unknown => {
            Failure::usage(error)
        }
        other => Failure::new(other),
    }
}

async fn publish(which: &Which, tables: &[String]) -> Result<String, Failure> {
    let (municipality, period) = which.read()?;
    let rows = if tables.is_empty() {
        let booted = open(&which.config).await?;
        let gateway = &booted.api.gateway;
        publish::publish(gateway, municipality, period).await.map_err(refused)?
    } else {
        let (_, year) = which.year()?;
        let tables = tables.iter().map(|table| TableId::parse(table));
        let tables: Vec<TableId> = tables.collect::<Result<_, _>>().map_err(Failure::usage)?;
        let booted = open(&which.config).await?;
        let gateway = &booted.api.gateway;
        vec![extra::publish(gateway, municipality, year, &tables).await.map_err(refused)?]
    };
    let bodies: Vec<String> = rows.into_iter().map(|row| row.body).collect();
    Ok(bodies.join("\n"))
}

async fn approve(which: &Which, table: &str, key: &Path) -> Result<String, Failure> {
    let (municipality, year) = which.year()?;
    let table = TableId::parse(table).map_err(Failure::usage)?;
    let bytes = zeroize::Zeroizing::new(fs::read(key)?);
    let key = ApprovalKey::read(&bytes);
    let key = key.ok_or_else(|| Failure::usage("--key: not the key of an approver"))?;
    let booted = open(&which.config).await?;
    let gateway = &booted.api.gateway;
    let text = extra::statement(gateway, municipality, year, table).map_err(refused)?;
    let signature = key.sign(text.as_bytes());
    let asked = (municipality, year, table);
    let name = extra::approve(gateway, asked, &key.public(), &signature).await.map_err(refused)?;
    Ok(format!("{name} approved of {table} of {municipality} {}", year.number()))
}

fn approver_key(out: &Path) -> Result<String, Failure> {
    let (bytes, key) = ApprovalKey::fresh(&crate::crypto::Entropy::system())?;
    let file = fs::File::options().write(true).create_new(true).mode(0o600).open(out);
    file?.write_all(&bytes)?;
    Ok(hex(&key.public()))
}

/// Writes each release of an area in each form; a file that is there already is written again, as it is the same.
async fn export(area: &str, out: &Path, config: &ConfigArgs) -> Result<String, Failure> {
    let booted = open(config).await?;
    let rows = figures::list(&booted.api.gateway.store.pool, area).await?;
    if rows.is_empty() {
        return Err(Failure::usage("nothing was published of that area"));
    }
    fs::create_dir_all(out)?;
    let mut files = Vec::new();
    for row in &rows {
        let file = format!("buurtgezinnen-{area}-{}", row.key.period);
        for format in Format::ALL {
            let name = format!("{file}.{}", format.extension());
            fs::write(out.join(&name), form(row, *format, &file)?)?;
            files.push(name);
        }
    }
    Ok(files.join("\n"))
}

fn form(row: &FiguresRow, format: Format, file: &str) -> Result<Vec<u8>, Failure> {
    if format == Format::Json {
        return Ok(row.body.clone().into_bytes());
    }
    let about = About {
        release: row.id.to_string(),
        sha256: hex(&row.sha256),
        sealed_at: crate::clock::from_millisecond(row.sealed_ms).to_string(),
        file: file.to_owned(),
    };
    Ok(formats::make(&Published::read(&row.body)?, (format, Separator::Comma), &about)?)
}
