use super::*;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// A directory name that no other test uses, removed when it goes out of scope.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("buurtpoort-pki-{}-{next}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn oin() -> PartnerNumber {
    PartnerNumber::parse("00000001003214345000").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn revoked(directory: &Path) -> usize {
    let pem = fs::read(directory.join("ca.crl.pem")).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&pem.contents).unwrap();
    list.iter_revoked_certificates().count()
}

#[test]
fn a_new_authority_has_its_files_and_only_its_owner_reads_them() {
    let place = Place::new();
    let mut pki = DevPki::create(&place.0, now()).unwrap();
    pki.issue("anna-client", &oin(), LeafKind::Client).unwrap();
    for directory in ["", "server", "anna-client"] {
        assert_eq!(mode(&place.0.join(directory)), 0o700, "{directory}");
    }
    for file in [
        "ca.pem",
        "ca.key.pem",
        "ca.crl.pem",
        "index.json",
        "server/cert.pem",
        "server/key.pem",
        "anna-client/cert.pem",
        "anna-client/key.pem",
        "anna-client/client.p12",
    ] {
        assert_eq!(mode(&place.0.join(file)), 0o600, "{file}");
    }
    assert!(matches!(DevPki::create(&place.0, now()), Err(PkiError::Exists)));
}

#[test]
fn validity_is_three_years_and_762_days_from_the_instant_given() {
    let place = Place::new();
    let mut pki = DevPki::create(&place.0, now()).unwrap();
    let peer = pki.issue("wijkteam", &oin(), LeafKind::Client).unwrap();
    assert_eq!(peer.not_after().to_string(), "2029-01-01T12:00:00Z");
    let (_, authority) = X509Certificate::from_der(pki.authority().certificate()).unwrap();
    let end = authority.validity().not_after.timestamp();
    assert_eq!(Timestamp::from_second(end).unwrap().to_string(), "2029-11-30T12:00:00Z");
}

#[test]
fn a_reopened_authority_lists_and_revokes() {
    let place = Place::new();
    let mut pki = DevPki::create(&place.0, now()).unwrap();
    pki.issue("wijkteam", &oin(), LeafKind::Client).unwrap();
    assert_eq!(revoked(&place.0), 0);

    let mut pki = DevPki::open(&place.0, now()).unwrap();
    let ura = PartnerNumber::parse("90000111").unwrap();
    let peer = pki.issue("poh-j", &ura, LeafKind::Client).unwrap();
    assert_eq!(peer.number(), ura);
    let names: Vec<_> = pki.list().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["server", "wijkteam", "poh-j"]);

    assert_eq!(pki.revoke("wijkteam").unwrap(), 1);
    assert_eq!(revoked(&place.0), 1);
    assert!(matches!(pki.revoke("wijkteam"), Err(PkiError::NotIssued)));
    assert!(matches!(pki.revoke("nobody"), Err(PkiError::NotIssued)));

    let pki = DevPki::open(&place.0, now()).unwrap();
    assert_eq!(revoked(&place.0), 1);
    let wijkteam = pki.list().get(1).unwrap();
    assert_eq!(wijkteam.revoked_at.as_deref(), Some("2026-12-01T12:00:00Z"));
    assert_eq!(wijkteam.number.as_deref(), Some("00000001003214345000"));
}

#[test]
fn the_bundle_holds_key_certificate_and_authority() {
    let place = Place::new();
    let mut pki = DevPki::create(&place.0, now()).unwrap();
    pki.issue("wijkteam", &oin(), LeafKind::Client).unwrap();
    let bundle = fs::read(place.0.join("wijkteam/client.p12")).unwrap();
    let read = |password| KeyStore::from_pkcs12(&bundle, password, Pkcs12ImportPolicy::Strict);
    let store = read(PASSWORD).unwrap();
    let (_, chain) = store.private_key_chain().unwrap();
    assert_eq!(chain.certs().len(), 2);
    assert!(read("other").is_err());
}

#[test]
fn names_that_are_no_directory_names_are_refused() {
    let place = Place::new();
    let mut pki = DevPki::create(&place.0, now()).unwrap();
    let long = "a".repeat(65);
    for name in ["", "..", "a/b", "A", "-a", "a b", "server", long.as_str()] {
        let refused = pki.issue(name, &oin(), LeafKind::Client);
        assert!(matches!(refused, Err(PkiError::Name)), "{name}");
    }
    assert!(pki.issue(&"a".repeat(64), &oin(), LeafKind::Client).is_ok());
}

#[test]
fn an_instant_no_certificate_can_hold_is_refused() {
    let before_1970 = Timestamp::from_second(-1).unwrap();
    assert!(matches!(Authority::create(before_1970), Err(PkiError::Clock)));
    assert!(matches!(Authority::create(Timestamp::MAX), Err(PkiError::Clock)));
    assert!(Authority::create(now()).is_ok());
}
