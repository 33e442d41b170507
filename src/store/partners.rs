//! The register of partners and territories: small, read whole, held in memory by each gateway.
//!
//! A change raises `meta.register`; every gateway looks at that number once a second and reads the
//! register again when it has moved, so a suspended partner is refused everywhere within a second.

use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::crypto::keyring::Keyring;
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::{
    Endpoint, Issuer, Partner, PartnerKind, PartnerStatus, Person, Slug, Territory,
};
use crate::domain::partner_number::PartnerNumber;
use crate::domain::referral::Source;
use crate::ids::PartnerId;
use crate::store::ledger::Stamp;
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError, ledger};
use sqlx::Row;
use std::collections::HashMap;
use uuid::Uuid;

mod people;

/// All partners and territories at one moment.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// Counts changes.
    pub version: i64,
    partners: HashMap<PartnerNumber, Partner>,
    territories: Vec<Territory>,
}

impl Register {
    /// A register of these partners and territories.
    #[must_use]
    pub fn new(version: i64, partners: Vec<Partner>, territories: Vec<Territory>) -> Self {
        let partners = partners.into_iter().map(|p| (p.number, p)).collect();
        Self { version, partners, territories }
    }

    /// The partner behind a certificate: its number **and** one of its pinned keys, and active.
    #[must_use]
    pub fn recognise(&self, number: &PartnerNumber, pin: &[u8; 32]) -> Option<&Partner> {
        self.partners
            .get(number)
            .filter(|partner| partner.status == PartnerStatus::Active && partner.pins.contains(pin))
    }

    /// Whose certificate it is that somebody shows to sign in: a person of an active partner, with the partner's number
    /// in the certificate **and** one of the person's own keys. A key of the partner's systems is nobody's.
    #[must_use]
    pub fn recognise_person(
        &self,
        number: &PartnerNumber,
        pin: &[u8; 32],
    ) -> Option<(&Partner, &Person)> {
        let active = |partner: &&Partner| partner.status == PartnerStatus::Active;
        let partner = self.partners.get(number).filter(active)?;
        let person = partner.people.iter().find(|person| person.pins.contains(pin))?;
        Some((partner, person))
    }

    /// A partner by its short name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Partner> {
        self.partners.values().find(|partner| partner.name.as_str() == name)
    }

    /// A partner by its id, while it takes part.
    #[must_use]
    pub fn active(&self, id: PartnerId) -> Option<&Partner> {
        self.partners
            .values()
            .find(|partner| partner.id == id && partner.status == PartnerStatus::Active)
    }

    /// All partners, in no order.
    pub fn partners(&self) -> impl Iterator<Item = &Partner> {
        self.partners.values()
    }

    /// The territory a family lives in: that of its wijk, else that of its gemeente.
    #[must_use]
    pub fn territory(
        &self,
        municipality: Municipality,
        district: Option<District>,
    ) -> Option<&Territory> {
        let of = |wanted: Option<District>| {
            self.territories.iter().find(move |territory| {
                territory.municipality == municipality && territory.district == wanted
            })
        };
        district.and_then(|wijk| of(Some(wijk))).or_else(|| of(None))
    }

    /// All territories, in no order.
    pub fn territories(&self) -> impl Iterator<Item = &Territory> {
        self.territories.iter()
    }

    /// Gemeenten in which an account of the organisation is coordinator, of all or of a wijk.
    pub fn areas_of(
        &self,
        organisation: PartnerId,
        account: &Slug,
    ) -> impl Iterator<Item = Municipality> {
        let own = self.territories.iter().filter(move |territory| {
            territory.organisation == organisation && territory.coordinator == *account
        });
        own.map(|territory| territory.municipality)
    }

    /// Whether an account is a coordinator of the organisation: one with a territory.
    #[must_use]
    pub fn is_coordinator(&self, organisation: PartnerId, account: &Slug) -> bool {
        self.territories.iter().any(|territory| {
            territory.organisation == organisation && territory.coordinator == *account
        })
    }
}

/// The number of the last change.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn version(pool: &Pool) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT value FROM meta WHERE name = 'register'";
    let value: Option<String> =
        on_db!(pool, |db| sqlx::query_scalar(SQL).fetch_optional(db).await?);
    Ok(value.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Reads the whole register.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn load(pool: &Pool) -> Result<Register, StoreError> {
    const PARTNERS: &str = "SELECT id, name, number, kind, status FROM partner ORDER BY name";
    let version = version(pool).await?;
    let mut partners: Vec<Partner> = on_db!(pool, |db| sqlx::query(PARTNERS)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let text = |column: &str| row.try_get::<String, _>(column);
            Ok::<_, StoreError>(Partner {
                id: PartnerId::from_uuid(row.try_get("id")?),
                name: term(Slug::parse(&text("name")?))?,
                number: term(PartnerNumber::parse(&text("number")?))?,
                kind: term(PartnerKind::parse(&text("kind")?))?,
                status: term(PartnerStatus::parse(&text("status")?))?,
                pins: Vec::new(),
                issuers: Vec::new(),
                sources: Vec::new(),
                municipalities: Vec::new(),
                endpoint: None,
                people: Vec::new(),
                sign_in: None,
            })
        })
        .collect::<Result<_, _>>()?);
    for partner in &mut partners {
        details(pool, partner).await?;
    }
    Ok(Register::new(version, partners, territories(pool).await?))
}

fn term<T, E>(parsed: Result<T, E>) -> Result<T, StoreError> {
    parsed.or(Err(StoreError::Corrupt("partner term")))
}

async fn details(pool: &Pool, partner: &mut Partner) -> Result<(), StoreError> {
    const PINS: &str = "SELECT pin FROM partner_pin WHERE partner_id = $1 ORDER BY pin";
    const ISSUERS: &str = "SELECT iss, jwks FROM partner_issuer WHERE partner_id = $1 ORDER BY iss";
    const SOURCES: &str = "SELECT source FROM partner_source WHERE partner_id = $1 ORDER BY source";
    const PLACES: &str =
        "SELECT municipality FROM partner_municipality WHERE partner_id = $1 ORDER BY municipality";
    let id = partner.id.uuid();
    let (pins, sources, places): (Vec<Vec<u8>>, Vec<String>, Vec<String>) = on_db!(pool, |db| {
        let pins = sqlx::query_scalar(PINS).bind(id).fetch_all(db).await?;
        let sources = sqlx::query_scalar(SOURCES).bind(id).fetch_all(db).await?;
        let places = sqlx::query_scalar(PLACES).bind(id).fetch_all(db).await?;
        (pins, sources, places)
    });
    partner.issuers = on_db!(pool, |db| sqlx::query(ISSUERS)
        .bind(id)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok::<_, StoreError>(Issuer {
            iss: row.try_get("iss")?,
            jwks: row.try_get("jwks")?
        }))
        .collect::<Result<_, _>>()?);
    partner.endpoint = endpoint(pool, partner.id).await?;
    partner.people = people::read(pool, partner.id).await?;
    partner.sign_in = people::read_sign_in(pool, partner.id).await?;
    for pin in pins {
        partner.pins.push(term(pin.try_into())?);
    }
    for source in sources {
        partner.sources.push(term(Source::parse(&source))?);
    }
    for place in places {
        partner.municipalities.push(term(Municipality::parse(&place))?);
    }
    Ok(())
}

async fn endpoint(pool: &Pool, partner: PartnerId) -> Result<Option<Endpoint>, StoreError> {
    const SQL: &str =
        "SELECT url, authorities, allow_private FROM partner_endpoint WHERE partner_id = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(partner.uuid()).fetch_optional(db).await?;
        row.map(|row| {
            Ok(Endpoint {
                url: row.try_get("url")?,
                authorities: row.try_get("authorities")?,
                allow_private: row.try_get::<i32, _>("allow_private")? == 1,
            })
        })
        .transpose()
    })
}

async fn territories(pool: &Pool) -> Result<Vec<Territory>, StoreError> {
    const SQL: &str = "SELECT municipality, district, organisation_id, coordinator, automatic \
        FROM territory ORDER BY municipality, district";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let text = |column: &str| row.try_get::<String, _>(column);
            let district = text("district")?;
            Ok(Territory {
                organisation: PartnerId::from_uuid(row.try_get("organisation_id")?),
                municipality: term(Municipality::parse(&text("municipality")?))?,
                district: if district.is_empty() {
                    None
                } else {
                    Some(term(District::parse(&district))?)
                },
                coordinator: term(Slug::parse(&text("coordinator")?))?,
                automatic: row.try_get("automatic")?,
            })
        })
        .collect())
}

/// Replaces what the register says of these partners, and all territories, in one transaction.
///
/// A partner that is known by its name keeps its id; one that is not named stays as it was (suspend it
/// to refuse it). The change is an entry of the ledger, and has its place among the releases: one that
/// follows it knows the new register.
///
/// # Errors
/// [`StoreError::Constraint`] when two partners claim one number or one issuer, or two people one key.
pub async fn apply(
    pool: &Pool,
    keyring: &Keyring,
    partners: &[Partner],
    territories: &[Territory],
    stamp: &Stamp,
) -> Result<(), StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            changed(&mut Conn::Sqlite(&mut tx), keyring, partners, territories, stamp).await?;
            tx.commit().await?;
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            changed(&mut Conn::Postgres(&mut tx), keyring, partners, territories, stamp).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

async fn changed(
    conn: &mut Conn<'_>,
    keyring: &Keyring,
    partners: &[Partner],
    territories: &[Territory],
    stamp: &Stamp,
) -> Result<(), StoreError> {
    // Locked first: whoever decides about a release holds the same lock.
    let head = ledger::lock_head(conn, None).await?;
    write_all(conn, partners, territories).await?;
    let mut entry = Entry::new(Event::PartnerChanged, Outcome::Allow);
    let suspended = partners.iter().filter(|p| p.status == PartnerStatus::Suspended).count();
    let fields = [
        format!("partners:{}", partners.len()),
        format!("suspended:{suspended}"),
        format!("territories:{}", territories.len()),
        format!("register:{}", version_on(conn).await?),
    ];
    entry.fields = fields.iter().filter_map(|field| Code::parse(field).ok()).collect();
    ledger::record(conn, head, keyring, &entry, stamp).await?;
    Ok(())
}

/// As [`version`], inside a transaction.
pub(super) async fn version_on(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT value FROM meta WHERE name = 'register'";
    let value: Option<String> =
        on_conn!(conn, |db| sqlx::query_scalar(SQL).fetch_optional(&mut **db).await?);
    Ok(value.and_then(|text| text.parse().ok()).unwrap_or(0))
}

async fn write_all(
    conn: &mut Conn<'_>,
    partners: &[Partner],
    territories: &[Territory],
) -> Result<(), StoreError> {
    const BUMP: &str = "INSERT INTO meta (name, value) VALUES ('register', '1') ON CONFLICT (name) \
        DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)";
    const CLEAR: &str = "DELETE FROM territory";
    const TERRITORY: &str = "INSERT INTO territory (municipality, district, organisation_id, \
        coordinator, automatic) VALUES ($1, $2, $3, $4, $5)";
    let mut ids = HashMap::new();
    // Before as well: what a gateway began by the register of a second ago must not come to life again with this one.
    people::end_sessions(conn).await?;
    for partner in partners {
        // All of them first: a key may go from one partner to another.
        people::clear_pins(conn, &partner.name).await?;
    }
    for partner in partners {
        ids.insert(partner.id, write_partner(conn, partner).await?);
    }
    people::end_sessions(conn).await?;
    on_conn!(conn, |db| sqlx::query(CLEAR).execute(&mut **db).await?.rows_affected());
    for territory in territories {
        let organisation = territory.organisation;
        let organisation = ids.get(&organisation).copied().unwrap_or(organisation.uuid());
        on_conn!(conn, |db| sqlx::query(TERRITORY)
            .bind(territory.municipality.as_str())
            .bind(territory.district.as_ref().map_or("", District::as_str))
            .bind(organisation)
            .bind(territory.coordinator.as_str())
            .bind(territory.automatic)
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    on_conn!(conn, |db| sqlx::query(BUMP).execute(&mut **db).await?.rows_affected());
    Ok(())
}

/// Writes one partner and returns the id its row has.
async fn write_partner(conn: &mut Conn<'_>, partner: &Partner) -> Result<Uuid, StoreError> {
    const UPSERT: &str = "INSERT INTO partner (id, name, number, kind, status) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET number = excluded.number, \
        kind = excluded.kind, status = excluded.status RETURNING id";
    let id: Uuid = on_conn!(conn, |db| sqlx::query_scalar(UPSERT)
        .bind(partner.id.uuid())
        .bind(partner.name.as_str())
        .bind(partner.number.as_str())
        .bind(partner.kind.as_str())
        .bind(partner.status.as_str())
        .fetch_one(&mut **db)
        .await?);
    people::end_sessions_of_provider(conn, id, partner.sign_in.as_ref()).await?;
    clear_details(conn, id).await?;
    write_details(conn, id, partner).await?;
    Ok(id)
}

async fn clear_details(conn: &mut Conn<'_>, id: Uuid) -> Result<(), StoreError> {
    const CLEAR: [&str; 8] = [
        "DELETE FROM partner_person_pin WHERE partner_id = $1",
        "DELETE FROM partner_person WHERE partner_id = $1",
        "DELETE FROM partner_sign_in WHERE partner_id = $1",
        "DELETE FROM partner_pin WHERE partner_id = $1",
        "DELETE FROM partner_issuer WHERE partner_id = $1",
        "DELETE FROM partner_source WHERE partner_id = $1",
        "DELETE FROM partner_municipality WHERE partner_id = $1",
        "DELETE FROM partner_endpoint WHERE partner_id = $1",
    ];
    for sql in CLEAR {
        on_conn!(conn, |db| sqlx::query(sql).bind(id).execute(&mut **db).await?.rows_affected());
    }
    Ok(())
}

async fn write_details(conn: &mut Conn<'_>, id: Uuid, partner: &Partner) -> Result<(), StoreError> {
    const PIN: &str = "INSERT INTO partner_pin (partner_id, pin) VALUES ($1, $2)";
    const ISSUER: &str = "INSERT INTO partner_issuer (iss, partner_id, jwks) VALUES ($1, $2, $3)";
    const SOURCE: &str = "INSERT INTO partner_source (partner_id, source) VALUES ($1, $2)";
    const PLACE: &str =
        "INSERT INTO partner_municipality (partner_id, municipality) VALUES ($1, $2)";
    for pin in &partner.pins {
        on_conn!(conn, |db| sqlx::query(PIN)
            .bind(id)
            .bind(pin.as_slice())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    for issuer in &partner.issuers {
        on_conn!(conn, |db| sqlx::query(ISSUER)
            .bind(issuer.iss.as_str())
            .bind(id)
            .bind(issuer.jwks.as_str())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    for source in &partner.sources {
        on_conn!(conn, |db| sqlx::query(SOURCE)
            .bind(id)
            .bind(source.as_str())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    for place in &partner.municipalities {
        on_conn!(conn, |db| sqlx::query(PLACE)
            .bind(id)
            .bind(place.as_str())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    people::write(conn, id, partner).await?;
    write_endpoint(conn, id, partner.endpoint.as_ref()).await
}

async fn write_endpoint(
    conn: &mut Conn<'_>,
    id: Uuid,
    endpoint: Option<&Endpoint>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO partner_endpoint (partner_id, url, authorities, allow_private) \
        VALUES ($1, $2, $3, $4)";
    if let Some(endpoint) = endpoint {
        on_conn!(conn, |db| sqlx::query(SQL)
            .bind(id)
            .bind(endpoint.url.as_str())
            .bind(endpoint.authorities.as_str())
            .bind(i32::from(endpoint.allow_private))
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}
