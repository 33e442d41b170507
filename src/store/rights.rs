//! What two roles of PostgreSQL may do: the gateway while it runs, and a reader of the ledger.
//!
//! For `buurtpoort migrate`, which runs as the owner of the schema. Invariants: what the gateway appends to
//! it can neither change nor remove; the register, the keys and the schema it can only read; a reader of the
//! ledger sees no other table and writes nothing. Running it again gives the rights of this version.
//!
//! # Not here
//! Making the roles, and their passwords. SQLite has no roles: there the owner of the file may do all.

use crate::store::{Pool, StoreError};

/// For whom rights are given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The running gateway.
    Gateway,
    /// Whoever checks the ledger.
    Auditor,
}

/// The name is bound to a setting of the transaction, and quoted by the database itself.
const NAME_POSTGRES: &str = "SELECT set_config('buurtpoort.role', $1, true)";

const NOTHING: &str = "DO $$ BEGIN \
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', current_setting('buurtpoort.role')); \
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', current_setting('buurtpoort.role')); END $$";

const GATEWAY: &str = "DO $$ DECLARE who text := current_setting('buurtpoort.role'); BEGIN \
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA public TO %I', who); \
    EXECUTE format('GRANT INSERT ON audit_entry, assignment, identity_release, figures_release, outbox, \
        referral, case_file, case_key, identity, idempotency, support_family, pairing, evaluation, support_release, \
        programme_report, programme_count, linkage_decision, access_request, identity_correction, deadline_notice, \
        disclosure, measured, disclosure_approval, delivery_lane, delivered, portal_session, portal_ticket TO %I', who); \
    EXECUTE format('GRANT UPDATE ON audit_head, referral, case_file, support_family, pairing, access_request, \
        delivery_lane, portal_session TO %I', who); \
    EXECUTE format('GRANT DELETE ON idempotency, case_key, identity, identity_correction, linkage_decision, \
        access_request, deadline_notice, portal_session, portal_ticket TO %I', who); END $$";

const AUDITOR: &str = "DO $$ BEGIN \
    EXECUTE format('GRANT SELECT ON audit_entry, audit_head, _sqlx_migrations TO %I', \
        current_setting('buurtpoort.role')); END $$";

/// Gives a role of the database the rights of its part, and takes all others.
///
/// # Errors
/// [`StoreError::Setting`] on SQLite; [`StoreError::Unavailable`] where there is no such role, or the caller
/// does not own the tables.
pub async fn give(pool: &Pool, role: Role, name: &str) -> Result<(), StoreError> {
    let Pool::Postgres(db) = pool else {
        return Err(StoreError::Setting("roles: PostgreSQL only"));
    };
    let rights = match role {
        Role::Gateway => GATEWAY,
        Role::Auditor => AUDITOR,
    };
    let mut tx = db.begin().await?;
    sqlx::query(NAME_POSTGRES).bind(name).execute(&mut *tx).await?;
    sqlx::query(NOTHING).execute(&mut *tx).await?;
    sqlx::query(rights).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
