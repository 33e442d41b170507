//! The key-encryption key is exchanged while the gateway works (CRY-07), and with it older backups shut
//! (CRY-08): what was erased opens no more from anything that was copied before.

use crate::erasure::erase;
use crate::support::{World, on_both};
use buurtpoort::cli::boot;
use buurtpoort::cli::keys::{self, Rotated};
use buurtpoort::crypto::keyring::{KeyPurpose, KeyState, Keyring, RootKey, WrappedKey};
use buurtpoort::crypto::seal::WrappedCaseKey;
use buurtpoort::ids::CaseId;
use buurtpoort::store::ledger::Stamp;
use buurtpoort::store::{cases, keys as rows};
use std::time::Duration;

/// The wrapped key of a case, as a backup of today holds it.
pub(crate) async fn backup(world: &World, case: &str) -> (CaseId, WrappedCaseKey) {
    let id = CaseId::from_uuid(case.parse().expect("an id"));
    let row = cases::find(&world.booted.api.gateway.store.pool, id).await.expect("read");
    (id, row.expect("the case").key.expect("its key"))
}

async fn rotate(world: &World) -> Rotated {
    let gateway = &world.booted.api.gateway;
    // The gateway looks every second.
    let notice = Duration::from_millis(2_200);
    let done =
        keys::rotate(&world.booted.config, &gateway.store.pool, &gateway.clock, notice).await;
    done.unwrap_or_else(|failure| panic!("{}", failure.message))
}

on_both! {
    /// CRY-07, CRY-08: no request fails while keys are exchanged; every case opens under the new one; a backup
    /// of before opens until then, and not after.
    async fn cry_07_08_older_backups_shut_and_no_request_fails(world: World) {
        let (_, kept) = world.assigned_case().await;
        let (_, gone) = world.assigned_case().await;
        let (kept_id, old) = backup(world, &kept).await;
        let (gone_id, copied) = backup(world, &gone).await;
        assert_eq!(erase(world, &gone).await.status, 200);
        let ring = &world.booted.api.gateway.keyring;
        assert!(ring.open_case_key(gone_id.uuid(), &copied).is_ok(), "control: a backup opens until then");
        let under_way = async {
            let mut asked = 0;
            let until = tokio::time::Instant::now() + Duration::from_secs(6);
            while tokio::time::Instant::now() < until {
                assert_eq!(world.release(&kept).await.status, 201, "after {asked}");
                world.referral().await;
                asked += 1;
            }
            asked
        };
        let (done, asked) = futures_util::future::join(rotate(world), under_way).await;
        assert!(asked > 5 && done.wrapped >= 2, "{asked} asked, {done:?}");
        assert_eq!(done.version, 2);
        let states = rows::states(&world.booted.api.gateway.store.pool).await.expect("read");
        let keks: Vec<_> = states.iter().filter(|(purpose, ..)| *purpose == KeyPurpose::Kek).collect();
        assert_eq!(keks, [&(KeyPurpose::Kek, 2, KeyState::Active)]);
        for _ in 0..30 {
            if ring.states() == states {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ring.states(), states, "the running gateway has forgotten the old key");
        assert!(ring.open_case_key(gone_id.uuid(), &copied).is_err(), "the copy is shut");
        assert!(ring.open_case_key(kept_id.uuid(), &old).is_err(), "and so is any other copy of then");
        let (_, new) = backup(world, &kept).await;
        assert!(ring.open_case_key(kept_id.uuid(), &new).is_ok(), "control: the live one opens");
        assert_eq!(world.release(&kept).await.status, 201);
        let summary = world.ledger().await;
        assert!(summary.entries > 0);
    }
}

on_both! {
    /// A run that was cut off after its first step goes on where it stopped, and a second run begins anew.
    async fn a_rotation_that_was_cut_off_goes_on(world: World) {
        let (_, case) = world.assigned_case().await;
        let pool = &world.booted.api.gateway.store.pool;
        let (config, clock) = (&world.booted.config, &world.booted.api.gateway.clock);
        let cut = tokio::time::timeout(
            Duration::from_millis(1_500),
            keys::rotate(config, pool, clock, Duration::from_secs(30)),
        );
        assert!(cut.await.is_err(), "cut off while gateways are waited for");
        let begun = rows::states(pool).await.expect("read");
        assert!(begun.contains(&(KeyPurpose::Kek, 2, KeyState::VerifyOnly)), "{begun:?}");
        assert_eq!(world.release(&case).await.status, 201);
        assert_eq!(rotate(world).await.version, 2, "the one that was begun");
        assert_eq!(rotate(world).await.version, 3, "and then another");
        assert_eq!(world.release(&case).await.status, 201);
    }
}

on_both! {
    /// CRY-08: a whole backup of before, with the root key of today, opens nothing once both keys were rotated.
    async fn cry_08_a_backup_with_its_keys_is_shut_by_a_new_root(world: World) {
        let (_, case) = world.assigned_case().await;
        let pool = &world.booted.api.gateway.store.pool;
        let (config, clock) = (&world.booted.config, &world.booted.api.gateway.clock);
        let copied = rows::load(pool).await.expect("the keys in a backup");
        let (id, wrapped) = backup(world, &case).await;
        let open = |root: &RootKey| {
            let ring = Keyring::open(root, &config.keys.deployment, copied.clone()).ok()?;
            ring.open_case_key(id.uuid(), &wrapped).ok()
        };
        let root = || boot::root_key(&config.keys.root).unwrap_or_else(|f| panic!("{}", f.message));
        rotate(world).await;
        assert!(open(&root()).is_some(), "control: until then the backup brings its own keys");
        let count = keys::rotate_root(config, pool, clock).await;
        let count = count.unwrap_or_else(|failure| panic!("{}", failure.message));
        assert!(count >= copied.len());
        assert!(open(&root()).is_none(), "the root key that is left opens none of them");
        assert!(!boot::next_root(&config.keys.root).exists());
        let fresh = boot::keyring(config, pool).await.unwrap_or_else(|f| panic!("{}", f.message));
        let (_, today) = backup(world, &case).await;
        assert!(fresh.open_case_key(id.uuid(), &today).is_ok(), "control: what lives opens");
        assert_eq!(world.release(&case).await.status, 201, "and the gateway never noticed");
    }
}

#[actix_web::test]
async fn a_new_root_that_was_cut_off_is_found_at_the_next_start() {
    let world = World::raise(crate::support::Engine::Sqlite).await.expect("SQLite is always there");
    let pool = &world.booted.api.gateway.store.pool;
    let (config, clock) = (&world.booted.config, &world.booted.api.gateway.clock);
    let old = std::fs::read(&config.keys.root).expect("the root key");
    let done = keys::rotate_root(config, pool, clock).await;
    done.unwrap_or_else(|failure| panic!("{}", failure.message));
    // As if it had been cut off after the database and before the file.
    let next = boot::next_root(&config.keys.root);
    std::fs::rename(&config.keys.root, &next).expect("moved");
    std::fs::write(&config.keys.root, &old).expect("written");
    let private = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    std::fs::set_permissions(&config.keys.root, private).expect("permissions");
    assert!(boot::keyring(config, pool).await.is_ok());
    assert!(!next.exists(), "it took its place");
    assert_ne!(std::fs::read(&config.keys.root).expect("the root key"), old);
}

/// Two rotations at once are one too many; the second works when the first is over.
#[actix_web::test]
async fn a_second_rotation_waits_for_the_first() {
    let world = World::raise(crate::support::Engine::Sqlite).await.expect("SQLite is always there");
    let pool = &world.booted.api.gateway.store.pool;
    let (config, clock) = (&world.booted.config, &world.booted.api.gateway.clock);
    let first = std::fs::File::open(&config.keys.root).expect("the root key");
    first.lock().expect("locked");
    let said = keys::rotate_root(config, pool, clock).await.map_err(|failure| failure.message);
    assert!(said.is_err_and(|message| message.contains("another rotation runs")));
    assert!(boot::keyring(config, pool).await.is_ok(), "nothing changed");
    drop(first);
    assert!(keys::rotate_root(config, pool, clock).await.is_ok(), "control");
}

on_both! {
    /// A key that came or changed between the reading and the writing stops the exchange of the root key.
    async fn keys_that_moved_meanwhile_are_not_written_over(world: World) {
        let gateway = &world.booted.api.gateway;
        let (pool, ring) = (&gateway.store.pool, &gateway.keyring);
        let read = async || rows::load(pool).await.expect("keys");
        let pair = |row: &WrappedKey| (row.clone(), row.clone());
        let stamp = Stamp { boot: [7; 8], at_us: 1, policies: [7; 32] };
        let write = async |keys: &[_]| rows::write_wrapped(pool, ring, keys, &stamp).await;
        let all: Vec<_> = read().await.iter().map(pair).collect();
        assert!(write(&all).await.is_ok(), "control: as they were read");
        assert!(write(&all[1..]).await.is_err(), "one more than was read");
        let mut other = all.clone();
        other[0].0.wrapped[0] ^= 1;
        other[1].1.wrapped.push(0);
        assert!(write(&other).await.is_err(), "one changed since it was read");
        assert_eq!(read().await, all.into_iter().map(|(row, _)| row).collect::<Vec<_>>());
    }
}
