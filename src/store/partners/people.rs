//! People of a partner who may use the pages, and who says who they are.

use super::term;
use crate::domain::partner::{Partner, Person, Role, SignIn, Slug};
use crate::ids::PartnerId;
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use uuid::Uuid;

pub(super) async fn read(pool: &Pool, partner: PartnerId) -> Result<Vec<Person>, StoreError> {
    const SQL: &str =
        "SELECT account, role FROM partner_person WHERE partner_id = $1 ORDER BY account, role";
    let rows: Vec<(String, String)> = on_db!(pool, |db| sqlx::query(SQL)
        .bind(partner.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("account")?, row.try_get("role")?)))
        .collect::<Result<_, StoreError>>()?);
    let keys = read_pins(pool, partner).await?;
    let mut people: Vec<Person> = Vec::new();
    for (account, role) in rows {
        let (account, role) = (term(Slug::parse(&account))?, term(Role::parse(&role))?);
        match people.last_mut() {
            Some(last) if last.account == account => last.roles.push(role),
            _ => {
                let own = keys.iter().filter(|(holder, _)| *holder == account.as_str());
                let pins = own.map(|(_, pin)| *pin).collect();
                people.push(Person { account, roles: vec![role], pins });
            }
        }
    }
    Ok(people)
}

/// Keys by which people of a partner may sign in, with the account of each.
async fn read_pins(pool: &Pool, partner: PartnerId) -> Result<Vec<(String, [u8; 32])>, StoreError> {
    const SQL: &str =
        "SELECT account, pin FROM partner_person_pin WHERE partner_id = $1 ORDER BY account, pin";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(partner.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let pin: Vec<u8> = row.try_get("pin")?;
            Ok((row.try_get("account")?, term(pin.try_into())?))
        })
        .collect())
}

pub(super) async fn read_sign_in(
    pool: &Pool,
    partner: PartnerId,
) -> Result<Option<SignIn>, StoreError> {
    const SQL: &str = "SELECT issuer, client_id, claim, acr, authorities FROM partner_sign_in \
        WHERE partner_id = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(partner.uuid()).fetch_optional(db).await?;
        row.map(|row| {
            Ok(SignIn {
                issuer: row.try_get("issuer")?,
                client_id: row.try_get("client_id")?,
                claim: row.try_get("claim")?,
                acr: row.try_get("acr")?,
                authorities: row.try_get("authorities")?,
            })
        })
        .transpose()
    })
}

/// Deletes what began with an account or a key that is gone, or of a partner that takes no part.
macro_rules! over {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE NOT EXISTS (SELECT 1 FROM partner_person \
             WHERE partner_person.partner_id = ",
            $table,
            ".partner_id \
             AND partner_person.account = ",
            $table,
            ".account) \
             OR (pin IS NOT NULL AND NOT EXISTS (SELECT 1 FROM partner_person_pin \
             WHERE partner_person_pin.pin = ",
            $table,
            ".pin \
             AND partner_person_pin.partner_id = ",
            $table,
            ".partner_id \
             AND partner_person_pin.account = ",
            $table,
            ".account)) \
             OR EXISTS (SELECT 1 FROM partner WHERE partner.id = ",
            $table,
            ".partner_id \
             AND partner.status <> 'active')"
        )
    };
}

/// Takes the keys of a partner's people away.
pub(super) async fn clear_pins(conn: &mut Conn<'_>, partner: &Slug) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM partner_person_pin WHERE partner_id IN \
        (SELECT id FROM partner WHERE name = $1)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(partner.as_str())
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// Ends what began with an account or a key that is not there any more, and ways in that were not taken yet: they do not
/// come to life again with them.
pub(super) async fn end_sessions(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    const GONE: [&str; 2] = [over!("portal_session"), over!("portal_ticket")];
    for sql in GONE {
        on_conn!(conn, |db| sqlx::query(sql).execute(&mut **db).await?.rows_affected());
    }
    Ok(())
}

/// Ends what began with the provider of a partner, where it has another one from here on, or none. Asked before the new
/// one is written.
pub(super) async fn end_sessions_of_provider(
    conn: &mut Conn<'_>,
    id: Uuid,
    next: Option<&SignIn>,
) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM portal_session WHERE partner_id = $1 AND pin IS NULL AND EXISTS \
        (SELECT 1 FROM partner_sign_in WHERE partner_sign_in.partner_id = $1 AND NOT (issuer = $2 AND \
        client_id = $3 AND claim = $4 AND acr = $5 AND authorities = $6))";
    let text = |of: fn(&SignIn) -> &String| next.map(of).map_or("", String::as_str);
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(id)
        .bind(text(|one| &one.issuer))
        .bind(text(|one| &one.client_id))
        .bind(text(|one| &one.claim))
        .bind(text(|one| &one.acr))
        .bind(text(|one| &one.authorities))
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

pub(super) async fn write(
    conn: &mut Conn<'_>,
    id: Uuid,
    partner: &Partner,
) -> Result<(), StoreError> {
    const PERSON: &str =
        "INSERT INTO partner_person (partner_id, account, role) VALUES ($1, $2, $3)";
    const PIN: &str =
        "INSERT INTO partner_person_pin (pin, partner_id, account) VALUES ($1, $2, $3)";
    const SIGN_IN: &str = "INSERT INTO partner_sign_in (partner_id, issuer, client_id, claim, acr, \
        authorities) VALUES ($1, $2, $3, $4, $5, $6)";
    for person in &partner.people {
        for role in &person.roles {
            on_conn!(conn, |db| sqlx::query(PERSON)
                .bind(id)
                .bind(person.account.as_str())
                .bind(role.as_str())
                .execute(&mut **db)
                .await?
                .rows_affected());
        }
        for pin in &person.pins {
            on_conn!(conn, |db| sqlx::query(PIN)
                .bind(pin.as_slice())
                .bind(id)
                .bind(person.account.as_str())
                .execute(&mut **db)
                .await?
                .rows_affected());
        }
    }
    if let Some(sign_in) = &partner.sign_in {
        on_conn!(conn, |db| sqlx::query(SIGN_IN)
            .bind(id)
            .bind(sign_in.issuer.as_str())
            .bind(sign_in.client_id.as_str())
            .bind(sign_in.claim.as_str())
            .bind(sign_in.acr.as_str())
            .bind(sign_in.authorities.as_str())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}
