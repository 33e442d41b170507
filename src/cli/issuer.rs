//! The development issuer of a demo: signs tokens for the people of every demo partner.
//!
//! It exists only in a demo's directory. In production each partner's own identity provider issues
//! tokens, and its keys are registered with `partner apply`.

use crate::cli::Failure;
use crate::cli::partners::IssuerFile;
use crate::clock::Clock;
use crate::domain::partner::Role;
use crate::ids::RequestId;
use crate::tls::peer::PeerCertificate;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// `buurtpoort token`
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// Directory of the demo.
    #[arg(long, default_value = "demo-data")]
    dir: PathBuf,
    /// Short name of the partner.
    #[arg(long)]
    partner: String,
    /// Account name of the person.
    #[arg(long)]
    person: String,
    /// Role.
    #[arg(long)]
    role: String,
}

/// Signs a token for the command line.
///
/// # Errors
/// When the directory is not that of a demo or knows no such partner.
pub fn token(args: &TokenArgs) -> Result<String, Failure> {
    if !args.dir.join(crate::cli::boot::DEMO_STAMP).exists() {
        return Err(Failure::usage(
            "the development issuer exists only in the directory of a demo",
        ));
    }
    Role::parse(&args.role).or(Err(Failure::usage("role: must be one that a token may carry")))?;
    let config = crate::config::Config::read(&args.dir.join("buurtpoort.toml"))?;
    let issuer = DevIssuer::open(&args.dir)?;
    let audience = &config.tokens.audience;
    issuer.sign(&args.dir, &args.partner, &args.person, &[&args.role], audience, &Clock::System)
}

/// A key that signs for all partners of one demo, each under an issuer of its own.
pub struct DevIssuer {
    key: KeyPair,
}

impl DevIssuer {
    /// Makes the key of a new demo.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(directory: &Path) -> Result<Self, Failure> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut file = std::fs::File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path(directory))?;
        std::io::Write::write_all(&mut file, key.serialize_pem().as_bytes())?;
        Ok(Self { key })
    }

    /// Reads the key of a demo.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        let pem = zeroize::Zeroizing::new(std::fs::read_to_string(path(directory))?);
        Ok(Self { key: KeyPair::from_pem(&pem)? })
    }

    /// What the register knows of the issuer that speaks for `partner`.
    #[must_use]
    pub fn registered(&self, partner: &str) -> IssuerFile {
        // An uncompressed P-256 point: 04, x, y.
        let point = self.key.der_bytes().get(1..).unwrap_or_default();
        let (x, y) = point.split_at_checked(32).unwrap_or_default();
        let jwks = json!({"keys": [{
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": "dev-1",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]});
        IssuerFile { iss: iss(partner), jwks: jwks.to_string() }
    }

    /// Signs a token that is bound to the partner's certificate in `directory`.
    ///
    /// # Errors
    /// When there is no such partner.
    pub fn sign(
        &self,
        directory: &Path,
        partner: &str,
        person: &str,
        roles: &[&str],
        audience: &str,
        clock: &Clock,
    ) -> Result<String, Failure> {
        let unknown = || Failure::usage("the demo has no partner of that name");
        let file = directory.join("pki").join(partner).join("cert.pem");
        let pem = std::fs::read(file).or(Err(unknown()))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(Failure::new)?;
        let peer = PeerCertificate::read(&certificate)?;
        let now = clock.now().as_second();
        let claims = json!({
            "iss": iss(partner),
            "sub": person,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": RequestId::new().to_string(),
            "cnf": {"x5t#S256": peer.fingerprint().x5t()},
            "roles": roles,
        });
        self.sign_claims(&claims)
    }

    /// Signs any claims, for tests of what must be refused.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub fn sign_claims(&self, claims: &serde_json::Value) -> Result<String, Failure> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some("dev-1".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let key = EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes())?;
        Ok(jsonwebtoken::encode(&header, claims, &key)?)
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("keys").join("issuer.pem")
}

fn iss(partner: &str) -> String {
    format!("https://issuer.example.nl/{partner}")
}
