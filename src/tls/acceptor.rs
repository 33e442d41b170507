//! The TLS side of a listener, whose certificate, client authorities and revocation lists can be
//! replaced while it runs.
//!
//! actix clones a `ServerConfig` once when it binds, so nothing in it may change later. The
//! configuration therefore points at a [`Reloadable`], and every handshake asks that for the state
//! of the moment. A replacement is judged as a whole before it is put in place; one that fails
//! leaves the last good state in force, which lapses by itself when its revocation lists do.
//!
//! # Not here
//! Reading the signal that asks for a reload, and telling the operator how it went.

use crate::clock::Clock;
use crate::tls::peer::{PeerCertificate, PeerRefusal};
use crate::tls::provider::{Hands, Versions};
use crate::tls::reload::{ClientTrust, FileFault, Identity, ListenerFiles, Material, Role};
use crate::tls::revocation::{ListFault, Revocations};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use std::time::Duration;

/// Why a listener's material is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum MaterialFault {
    /// A file is absent, exposed or not PEM.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The certificate and the key do not belong together, or the key is of no known kind.
    #[error("{key} must belong to {certificate}", key = Role::Key, certificate = Role::Certificate)]
    Identity,
    /// A certificate in the file of authorities cannot serve as one.
    #[error("{role} must hold certificates that can be authorities", role = Role::Authorities)]
    Authorities,
    /// The revocation lists do not serve.
    #[error("{role} {rule}", role = Role::Revocations, rule = .0)]
    Revocations(#[from] ListFault),
    /// A replacement that would start or stop asking for client certificates.
    #[error("a reload may not change whether client certificates are required")]
    OtherKind,
    /// The library refuses the choice of versions and suites.
    #[error("the TLS versions and suites must be supported by the provider")]
    Provider,
}

/// The replaceable state of one listener.
#[derive(Debug)]
pub struct Reloadable {
    state: ArcSwap<State>,
    provider: Arc<CryptoProvider>,
    versions: Versions,
}

#[derive(Debug)]
struct State {
    ours: Arc<CertifiedKey>,
    trust: Option<Trust>,
}

#[derive(Debug)]
struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    revocations: Revocations,
}

impl Reloadable {
    /// Judges `material`. With client trust, a client certificate is required; without, none is
    /// asked for. A revocation list that has already expired is taken: everyone is then refused
    /// until a reload brings a current one.
    ///
    /// # Errors
    /// The first rule that the material breaks.
    pub fn new(material: Material, versions: Versions) -> Result<Arc<Self>, MaterialFault> {
        let provider = versions.provider();
        let state = State::judge(material, &provider)?;
        Ok(Arc::new(Self { state: ArcSwap::from_pointee(state), provider, versions }))
    }

    /// Reads and judges the files of a listener.
    ///
    /// # Errors
    /// The first rule that the files break.
    pub fn open(files: &ListenerFiles, versions: Versions) -> Result<Arc<Self>, MaterialFault> {
        Self::new(files.read()?, versions)
    }

    /// Puts the files as they are now in place of the state in force, at `now`.
    ///
    /// # Errors
    /// The first rule that the files break; the last good state then stays in force.
    pub fn reload(&self, files: &ListenerFiles, now: Timestamp) -> Result<(), MaterialFault> {
        self.replace(files.read()?, now)
    }

    /// Puts `material` in place of the state in force. Connections already open keep running, and
    /// are held to the new revocation lists by [`Reloadable::still_valid`].
    ///
    /// # Errors
    /// The first rule that the material breaks, a revocation list that has expired or is older than
    /// the one in force included; the last good state then stays in force.
    pub fn replace(&self, material: Material, now: Timestamp) -> Result<(), MaterialFault> {
        let next = State::judge(material, &self.provider)?;
        match (&self.state.load().trust, &next.trust) {
            (Some(before), Some(after)) => {
                after.revocations.may_replace(&before.revocations, now)?;
            }
            (None, None) => {}
            _ => return Err(MaterialFault::OtherKind),
        }
        self.state.store(Arc::new(next));
        Ok(())
    }

    /// The configuration for binding the listener. It follows every later replacement.
    ///
    /// # Errors
    /// [`MaterialFault::Provider`] if the library refuses the versions and suites.
    pub fn server_config(self: &Arc<Self>, clock: &Clock) -> Result<ServerConfig, MaterialFault> {
        let clients: Option<Arc<dyn ClientCertVerifier>> =
            if self.requires_client_certificate() { Some(Arc::<Self>::clone(self)) } else { None };
        self.config(clients, clock)
    }

    /// The configuration for binding a listener that asks for a client certificate and lets everybody in: who came is
    /// judged by [`Reloadable::judge`] once the connection stands, so that whoever shows none, or one that is not
    /// taken, can be told so on a page.
    ///
    /// # Errors
    /// [`MaterialFault::Provider`] if the library refuses the versions and suites.
    pub fn asking_config(self: &Arc<Self>, clock: &Clock) -> Result<ServerConfig, MaterialFault> {
        self.config(Some(Arc::new(Asking(Arc::clone(self)))), clock)
    }

    fn config(
        self: &Arc<Self>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
        clock: &Clock,
    ) -> Result<ServerConfig, MaterialFault> {
        let provider = Arc::clone(&self.provider);
        let time = Arc::new(Hands(clock.clone()));
        let builder = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(self.versions.supported())
            .or(Err(MaterialFault::Provider))?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::<Self>::clone(self));
        // A resumed session keeps the certificate of the first one without asking the verifier.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        config.require_ems = true;
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Judges the chain that a client of an asking listener showed, leaf first, as [`Reloadable::server_config`] has it
    /// judged during the handshake. That the client holds the key, the handshake has shown.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<PeerCertificate, Unfit> {
        let [leaf, above @ ..] = chain else {
            return Err(Unfit::Foreign);
        };
        let seconds = u64::try_from(now.as_second()).or(Err(Unfit::Unsure))?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let state = self.state.load();
        let trust = state.trust.as_ref().ok_or(Unfit::Unsure)?;
        let verified = trust.verifier.verify_client_cert(leaf, above, at);
        verified.map_err(|error| Unfit::of(&error))?;
        Ok(PeerCertificate::read(leaf)?)
    }

    /// Whether `peer`, accepted earlier on this listener, is acceptable for one more request.
    ///
    /// # Errors
    /// [`PeerRefusal::Expired`], or what the revocation lists in force say.
    pub fn still_valid(&self, peer: &PeerCertificate, now: Timestamp) -> Result<(), PeerRefusal> {
        self.in_force((peer.issuer(), peer.serial()), peer.not_after(), now)
    }

    /// As [`Self::still_valid`], of a certificate of which only issuer, serial number and end are known.
    ///
    /// # Errors
    /// As [`Self::still_valid`].
    pub fn in_force(
        &self,
        (issuer, serial): (&[u8], &[u8]),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), PeerRefusal> {
        if now > until {
            return Err(PeerRefusal::Expired);
        }
        let state = self.state.load();
        let trust = state.trust.as_ref().ok_or(PeerRefusal::UnknownIssuer)?;
        trust.revocations.standing(issuer, serial, now)
    }

    /// When the first revocation list in force lapses, and with it every client of its issuer; for
    /// the alarm that must come before. `None` where no client certificate is asked for.
    #[must_use]
    pub fn revocations_expire_at(&self) -> Option<Timestamp> {
        let state = self.state.load();
        state.trust.as_ref().map(|trust| trust.revocations.expires_at())
    }

    /// Whether clients must present a certificate.
    #[must_use]
    pub fn requires_client_certificate(&self) -> bool {
        self.state.load().trust.is_some()
    }
}

impl State {
    fn judge(material: Material, provider: &Arc<CryptoProvider>) -> Result<Self, MaterialFault> {
        let Identity { chain, key } = material.identity;
        let ours = CertifiedKey::from_der(chain, key, provider).or(Err(MaterialFault::Identity))?;
        let trust = material.clients.map(|clients| Trust::judge(clients, provider));
        Ok(Self { ours: Arc::new(ours), trust: trust.transpose()? })
    }
}

impl Trust {
    fn judge(clients: ClientTrust, provider: &Arc<CryptoProvider>) -> Result<Self, MaterialFault> {
        let revocations = Revocations::read(&clients.lists, &clients.authorities)?;
        let mut roots = RootCertStore::empty();
        for authority in clients.authorities {
            roots.add(authority).or(Err(MaterialFault::Authorities))?;
        }
        // Revocation of unknown status is refused by default; expiry of the list only when asked.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .with_crls(clients.lists)
                .enforce_revocation_expiration()
                .build()
                .map_err(|fault| match fault {
                    VerifierBuilderError::InvalidCrl(_) => ListFault::Malformed.into(),
                    _ => MaterialFault::Authorities,
                })?;
        Ok(Self { verifier, revocations })
    }
}

/// Why a certificate does not sign anybody in: as much as its holder must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Expired, not valid yet, or revoked.
    #[error("the client certificate is not valid any more, or not yet")]
    Over,
    /// Of no authority that is trusted here, or not made for clients.
    #[error("the client certificate is of no authority that is trusted here, or not for clients")]
    Foreign,
    /// Of a form that is refused.
    #[error(transparent)]
    Form(PeerRefusal),
    /// Whether it was revoked cannot be said: a list is missing here or past its next update.
    #[error("the revocation list of the issuer must be here and current")]
    Unsure,
}

impl From<PeerRefusal> for Unfit {
    fn from(refusal: PeerRefusal) -> Self {
        match refusal {
            PeerRefusal::Expired | PeerRefusal::Revoked => Self::Over,
            PeerRefusal::UnknownIssuer | PeerRefusal::ListExpired => Self::Unsure,
            form => Self::Form(form),
        }
    }
}

impl Unfit {
    const fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::Revoked,
            ) => Self::Over,
            Error::InvalidCertificate(
                CertificateError::UnknownRevocationStatus
                | CertificateError::ExpiredRevocationList
                | CertificateError::ExpiredRevocationListContext { .. },
            ) => Self::Unsure,
            _ => Self::Foreign,
        }
    }
}

/// Asks for a certificate, and takes whichever comes, or none. Only that the client holds the key is certain then.
#[derive(Debug)]
struct Asking(Arc<Reloadable>);

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// Judged later, by [`Reloadable::judge`]: a refusal here would be a page of the browser, not one of ours.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl ResolvesServerCert for Reloadable {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.state.load().ours))
    }
}

impl ClientCertVerifier for Reloadable {
    /// Names no authority: the set may be replaced while a reference to it is held, and strangers
    /// need not learn whom the gateway trusts.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let state = self.state.load();
        let trust = state.trust.as_ref();
        let trust = trust.ok_or(CertificateError::ApplicationVerificationFailure)?;
        let verified = trust.verifier.verify_client_cert(end_entity, intermediates, now)?;
        PeerCertificate::read(end_entity)
            .map_err(|refusal| CertificateError::Other(OtherError(Arc::new(refusal))))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
