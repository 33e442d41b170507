use super::*;
use crate::crypto::Entropy;
use crate::crypto::testing::{keyring, root, rows};

fn refusal(rows: Vec<WrappedKey>) -> Option<CryptoError> {
    Keyring::open(&root(1), "test", rows).err()
}

#[test]
fn a_complete_set_opens() {
    assert_eq!(refusal(rows(1, "test")), None);
}

#[test]
fn every_missing_purpose_is_named() {
    for purpose in KeyPurpose::ALL {
        let mut rows = rows(1, "test");
        rows.retain(|row| row.purpose != purpose);
        assert_eq!(refusal(rows), Some(CryptoError::MissingKey(purpose)));
    }
}

#[test]
fn exactly_one_version_is_active() {
    for purpose in KeyPurpose::ALL {
        let mut none = rows(1, "test");
        for row in none.iter_mut().filter(|row| row.purpose == purpose) {
            row.state = KeyState::VerifyOnly;
        }
        assert_eq!(refusal(none), Some(CryptoError::NoActiveKey(purpose)));
        let second = generate(purpose, 2, &root(1), &Entropy::system(), "test", 1).unwrap();
        let mut two = rows(1, "test");
        two.push(second.clone());
        assert_eq!(refusal(two), Some(CryptoError::SeveralActiveKeys(purpose)));
        let mut retired = rows(1, "test");
        retired.push(WrappedKey { state: KeyState::VerifyOnly, ..second });
        assert_eq!(refusal(retired), None);
    }
}

#[test]
fn doubles_are_refused() {
    let mut twice = rows(1, "test");
    twice.push(twice[0].clone());
    assert_eq!(refusal(twice), Some(CryptoError::DuplicateVersion(KeyPurpose::Kek)));
    // The same bytes under another purpose: unwrapped and wrapped again by hand.
    let mut shared = rows(1, "test");
    let material = wrap::unwrap(&root(1), "test", &shared[0]).unwrap();
    shared[1] = crate::crypto::testing::wrapped(KeyPurpose::Pseudonym, &material, "test");
    assert_eq!(refusal(shared), Some(CryptoError::DuplicateMaterial(KeyPurpose::Pseudonym)));
    let mut fresh = rows(1, "test");
    fresh[1] = crate::crypto::testing::wrapped(KeyPurpose::Pseudonym, &[9; 32], "test");
    assert_eq!(refusal(fresh), None);
}

#[test]
fn cry_06_another_root_or_deployment_is_refused() {
    let other_root = Keyring::open(&root(2), "test", rows(1, "test")).err();
    assert_eq!(other_root, Some(CryptoError::Unwrap(KeyPurpose::Kek)));
    let other_place = Keyring::open(&root(1), "production", rows(1, "test")).err();
    assert_eq!(other_place, Some(CryptoError::Unwrap(KeyPurpose::Kek)));
    let nameless = Keyring::open(&root(1), "", rows(1, "test")).err();
    assert_eq!(nameless, Some(CryptoError::Deployment));
}

#[test]
fn material_of_the_wrong_form_is_refused() {
    for (at, purpose) in KeyPurpose::ALL.into_iter().enumerate() {
        let mut rows = rows(1, "test");
        rows[at] = crate::crypto::testing::wrapped(purpose, &[9; 33], "test");
        assert_eq!(refusal(rows), Some(CryptoError::KeyForm(purpose)));
    }
    let mut short = rows(1, "test");
    short[0].wrapped.truncate(60);
    assert_eq!(refusal(short), Some(CryptoError::TruncatedKey(KeyPurpose::Kek)));
}

#[test]
fn destroyed_rows_are_skipped_and_must_be_empty() {
    let gone = generate(KeyPurpose::Kek, 2, &root(1), &Entropy::system(), "test", 1).unwrap();
    let mut kept = rows(1, "test");
    kept.push(WrappedKey { state: KeyState::Destroyed, ..gone.clone() });
    assert_eq!(refusal(kept), Some(CryptoError::DestroyedKeyHasBytes(KeyPurpose::Kek)));
    let mut clean = rows(1, "test");
    clean.push(gone.destroyed());
    let ring = Keyring::open(&root(1), "test", clean).ok().unwrap();
    assert!(ring.key(KeyPurpose::Kek, 2).is_err());
    assert!(ring.key(KeyPurpose::Kek, 1).is_ok());
}

#[test]
fn signatures_belong_to_their_message_and_purpose() {
    let ring = keyring();
    let (signature, version) = ring.sign_ledger(b"head").unwrap();
    let keys = ring.ledger_public_keys();
    assert_eq!((keys.len(), version, keys[0].version), (1, 1, 1));
    assert_eq!(keys[0].verify(b"head", &signature), Ok(()));
    assert_eq!(keys[0].verify(b"heap", &signature), Err(CryptoError::Signature));
    let [delivery] = ring.sign_delivery_with_all(b"head").unwrap()[..] else { panic!("one key") };
    assert_eq!(ring.delivery_public_keys()[0].verify(b"head", &delivery), Ok(()));
    assert_eq!(keys[0].verify(b"head", &delivery), Err(CryptoError::Signature));
}

#[test]
fn nothing_opens_while_the_keys_are_put_away() {
    let rows = rows(1, "test");
    let opened = || Keyring::open(&root(1), "test", rows.clone()).ok().unwrap();
    let ring = opened();
    let case = uuid::Uuid::from_u128(7);
    let (_, wrapped) = ring.new_case_key(&Entropy::system(), case).unwrap();
    assert!(ring.open_case_key(case, &wrapped).is_ok());
    ring.put_away();
    assert!(ring.is_put_away());
    assert!(ring.open_case_key(case, &wrapped).is_err());
    assert!(ring.new_case_key(&Entropy::system(), case).is_err());
    assert!(ring.sign_ledger(b"head").is_ok(), "what signs stays");
    ring.take_up(&opened());
    assert!(!ring.is_put_away());
    assert!(ring.open_case_key(case, &wrapped).is_ok());
}

#[test]
fn a_key_that_comes_while_the_others_are_put_away_is_put_away() {
    let mut more = rows(1, "test");
    let second = generate(KeyPurpose::Kek, 2, &root(1), &Entropy::system(), "test", 1).unwrap();
    more.push(WrappedKey { state: KeyState::VerifyOnly, ..second });
    let fresh = || Keyring::open(&root(1), "test", more.clone()).ok().unwrap();
    let empty = |ring: &Keyring| ring.key(KeyPurpose::Kek, 2).unwrap().material().is_empty();
    let ring = keyring();
    ring.adopt(&fresh());
    assert!(!empty(&ring), "control: it is there where nothing is put away");
    let sealed = keyring();
    sealed.put_away();
    sealed.adopt(&fresh());
    assert!(empty(&sealed));
    sealed.take_up(&fresh());
    assert!(!empty(&sealed) && !sealed.is_put_away());
}

#[test]
fn seals_are_counted_up_to_the_limit() {
    let ring = keyring();
    let kek = ring.active(KeyPurpose::Kek).unwrap();
    let count = || ring.seal_counts().into_iter().find(|c| c.purpose == KeyPurpose::Kek);
    kek.count_seal().unwrap();
    assert_eq!(count().map(|c| (c.seals, c.alarm)), Some((1, false)));
    ring.resume_seal_count(KeyPurpose::Kek, 1, SEAL_ALARM - 2).unwrap();
    assert_eq!(count().map(|c| c.alarm), Some(false));
    kek.count_seal().unwrap();
    assert_eq!(count().map(|c| c.alarm), Some(true));
    ring.resume_seal_count(KeyPurpose::Kek, 1, SEAL_LIMIT - SEAL_ALARM - 1).unwrap();
    assert_eq!(kek.count_seal(), Ok(()));
    assert_eq!(kek.count_seal(), Err(CryptoError::KeyExhausted(KeyPurpose::Kek)));
    assert!(ring.resume_seal_count(KeyPurpose::Kek, 7, 1).is_err());
}
