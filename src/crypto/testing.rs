//! Key sets for the tests of this crate. Absent from every build that is not a test.

use super::keyring::{KeyPurpose, KeyState, Keyring, RootKey, WrappedKey, generate};
use super::{Entropy, envelope, frame};

pub(crate) fn root(seed: u8) -> RootKey {
    RootKey::from_bytes(root_bytes(seed)).unwrap()
}

fn root_bytes(seed: u8) -> [u8; 32] {
    let mut bytes = [seed; 32];
    bytes[31] ^= 1;
    bytes
}

/// Version 1 of every purpose, in the order of `KeyPurpose::ALL`.
pub(crate) fn rows(seed: u8, deployment: &str) -> Vec<WrappedKey> {
    let entropy = Entropy::system();
    KeyPurpose::ALL
        .into_iter()
        .map(|purpose| generate(purpose, 1, &root(seed), &entropy, deployment, 1).unwrap())
        .collect()
}

/// A row around given bytes, wrapped under `root(1)`.
pub(crate) fn wrapped(purpose: KeyPurpose, material: &[u8], deployment: &str) -> WrappedKey {
    let associated = frame(&[
        b"purpose_key",
        deployment.as_bytes(),
        purpose.as_str().as_bytes(),
        &1_i32.to_be_bytes(),
        &1_i64.to_be_bytes(),
    ]);
    let sealed = envelope::seal(&root_bytes(1), &Entropy::system(), &associated, &[material]);
    WrappedKey {
        purpose,
        version: 1,
        created_ms: 1,
        state: KeyState::Active,
        wrapped: sealed.unwrap(),
    }
}

pub(crate) fn keyring() -> Keyring {
    open(rows(1, "test"))
}

pub(crate) fn open(rows: Vec<WrappedKey>) -> Keyring {
    Keyring::open(&root(1), "test", rows).ok().unwrap()
}

/// The same rows with a second, active version of `purpose`; the first only verifies.
pub(crate) fn rotated(mut rows: Vec<WrappedKey>, purpose: KeyPurpose) -> Vec<WrappedKey> {
    for row in rows.iter_mut().filter(|row| row.purpose == purpose) {
        row.state = KeyState::VerifyOnly;
    }
    rows.push(generate(purpose, 2, &root(1), &Entropy::system(), "test", 2).unwrap());
    rows
}
