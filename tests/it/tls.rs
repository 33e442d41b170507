//! Real handshakes over loopback against the listener's configuration, each refusal beside an
//! acceptance. The clients read before they judge: in TLS 1.3 a client believes that it is in
//! before its certificate has been looked at.

use buurtpoort::cli::pki::{Authority, Issued, LeafKind};
use buurtpoort::clock::{Clock, TestClock};
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::tls::acceptor::{MaterialFault, Reloadable};
use buurtpoort::tls::peer::{PeerCertificate, PeerRefusal};
use buurtpoort::tls::reload::{
    ClientFiles, ClientTrust, FileFault, Identity, ListenerFiles, Material, Role,
};
use buurtpoort::tls::revocation::{ListFault, Revocations};
use buurtpoort::tls::{Versions, client};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, RsaKeySize, SanType,
};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::server::danger::ClientCertVerifier;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind,
    NamedGroup, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const OIN: &str = "00000001003214345000";
const OTHER_OIN: &str = "00000003273560550000";
const URA: &str = "90000111";

/// One side's view of a connection that came about.
#[derive(Debug)]
struct View {
    version: Option<ProtocolVersion>,
    group: Option<NamedGroup>,
    alpn: Option<Vec<u8>>,
    kind: Option<HandshakeKind>,
    tickets: u32,
    peer: Option<CertificateDer<'static>>,
}

/// What both sides saw of one connection.
#[derive(Debug)]
struct Meeting {
    server: Result<View, Error>,
    client: Result<View, Error>,
}

impl Meeting {
    /// Refused by the library's rule `name`, whose error carries instants that differ per test.
    fn refused_by(&self, name: &str, alert: AlertDescription) {
        let text = format!("{:?}", self.server.as_ref().err());
        assert!(text.contains(name), "{self:?}");
        let told = self.client.as_ref().err();
        assert_eq!(told, Some(&Error::AlertReceived(alert)), "{self:?}");
    }

    fn accepted(&self) {
        assert!(self.server.is_ok() && self.client.is_ok(), "{self:?}");
    }

    fn refused(&self, by_server: impl Into<Error>, alert: AlertDescription) {
        assert_eq!(self.server.as_ref().err(), Some(&by_server.into()), "{self:?}");
        let told = self.client.as_ref().err();
        assert_eq!(told, Some(&Error::AlertReceived(alert)), "{self:?}");
    }

    /// Refused by our own rule, which the library wraps.
    fn refused_as(&self, refusal: PeerRefusal) {
        let text = format!("{:?}", self.server.as_ref().err());
        assert!(text.contains(&format!("{refusal:?}")), "{self:?}");
        let told = self.client.as_ref().err();
        assert!(matches!(told, Some(Error::AlertReceived(_))), "{self:?}");
    }
}

fn reason(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    inner.cloned().unwrap_or_else(|| Error::General(error.to_string()))
}

fn serve(listener: &TcpListener, config: Arc<ServerConfig>) -> Result<View, Error> {
    let (mut socket, _) = listener.accept().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut session = ServerConnection::new(config).unwrap();
    let done = greet(&mut session, &mut socket);
    // Drain, so that closing does not reset the connection before the alert is read.
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
    done.map_err(|error| reason(&error))?;
    Ok(View {
        version: session.protocol_version(),
        group: session.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        kind: session.handshake_kind(),
        tickets: 0,
        peer: session.peer_certificates().and_then(|chain| chain.first().cloned()),
    })
}

fn greet(session: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while session.is_handshaking() {
        session.complete_io(socket)?;
    }
    session.writer().write_all(b"hello")?;
    session.send_close_notify();
    while session.wants_write() {
        session.write_tls(socket)?;
    }
    Ok(())
}

fn call(listener: &TcpListener, config: Arc<ClientConfig>) -> Result<View, Error> {
    let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(config, name).unwrap();
    let mut greeting = Vec::new();
    let done = rustls::Stream::new(&mut session, &mut socket).read_to_end(&mut greeting);
    done.map_err(|error| reason(&error))?;
    assert_eq!(greeting, b"hello");
    Ok(View {
        version: session.protocol_version(),
        group: session.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        kind: session.handshake_kind(),
        tickets: session.tls13_tickets_received(),
        peer: None,
    })
}

fn meet(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>) -> Meeting {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (server, client) = (Arc::clone(server), Arc::clone(client));
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&listener, server));
        let called = call(&listener, client);
        Meeting { server: serving.join().unwrap(), client: called }
    })
}

/// An authority, a listener that trusts it, and the clock of both.
struct World {
    authority: Authority,
    server: Issued,
    hand: Arc<TestClock>,
    listener: Arc<Reloadable>,
    config: Arc<ServerConfig>,
}

impl World {
    fn new() -> Self {
        Self::with(Versions::Tls13)
    }

    fn with(versions: Versions) -> Self {
        let authority = Authority::create(start()).unwrap();
        let server = authority.issue_server(start()).unwrap();
        let hand = TestClock::at(start());
        let material = material(&authority, &server, &[]);
        let listener = Reloadable::new(material, versions).unwrap();
        let config = listener.server_config(&Clock::Test(Arc::clone(&hand))).unwrap();
        Self { authority, server, hand, listener, config: Arc::new(config) }
    }

    fn clock(&self) -> Clock {
        Clock::Test(Arc::clone(&self.hand))
    }

    fn now(&self) -> Timestamp {
        self.clock().now()
    }

    fn partner(&self) -> Issued {
        let number = PartnerNumber::parse(OIN).unwrap();
        self.authority.issue("wijkteam", &number, LeafKind::Client, start()).unwrap()
    }

    /// A P-256 certificate with a good OIN, changed by `shape`.
    fn shaped(&self, shape: impl FnOnce(&mut CertificateParams)) -> Issued {
        self.keyed(KeyPair::generate().unwrap(), shape)
    }

    fn keyed(&self, key: KeyPair, shape: impl FnOnce(&mut CertificateParams)) -> Issued {
        self.authority
            .issue_with(key, start(), |params| {
                name(params, OIN);
                shape(params);
            })
            .unwrap()
    }

    fn client(&self, issued: Option<&Issued>) -> Arc<ClientConfig> {
        let identity = issued.map(identity);
        let roots = vec![self.authority.certificate().clone()];
        Arc::new(client::config(roots, identity, &self.clock()).unwrap())
    }

    fn meet(&self, issued: &Issued) -> Meeting {
        meet(&self.config, &self.client(Some(issued)))
    }

    fn revoke(&self, revoked: &[&Issued]) {
        let material = material(&self.authority, &self.server, revoked);
        self.listener.replace(material, self.now()).unwrap();
    }
}

fn start() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn list_end() -> Timestamp {
    start().checked_add(SignedDuration::from_hours(30 * 24)).unwrap()
}

fn name(params: &mut CertificateParams, oin: &str) {
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), oin);
    params.distinguished_name.push(DnType::CommonName, "wijkteam");
}

fn identity(issued: &Issued) -> Identity {
    Identity { chain: vec![issued.certificate().clone()], key: issued.key() }
}

fn list(authority: &Authority, revoked: &[&Issued]) -> CertificateRevocationListDer<'static> {
    let serials: Vec<_> = revoked
        .iter()
        .map(|issued| {
            let peer = PeerCertificate::read(issued.certificate()).unwrap();
            (peer.serial().to_vec(), start())
        })
        .collect();
    let list = authority.revocation_list(&serials, 1, start(), list_end()).unwrap();
    list.der().clone()
}

fn material(authority: &Authority, server: &Issued, revoked: &[&Issued]) -> Material {
    let clients = ClientTrust {
        authorities: vec![authority.certificate().clone()],
        lists: vec![list(authority, revoked)],
    };
    Material { identity: identity(server), clients: Some(clients) }
}

fn ura_extension(text: &[u8]) -> CustomExtension {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let wrap = |tag: u8, inside: &[u8]| [&[tag, length(inside)], inside].concat();
    let kind = wrap(0x06, &[0x55, 5, 5]);
    let value = wrap(0xa0, &wrap(0x16, text));
    let names = wrap(0x30, &wrap(0xa0, &[kind, value].concat()));
    CustomExtension::from_oid_content(&[2, 5, 29, 17], names)
}

#[test]
fn mtls_01_no_certificate() {
    let world = World::new();
    world.meet(&world.partner()).accepted();
    meet(&world.config, &world.client(None))
        .refused(Error::NoCertificatesPresented, AlertDescription::CertificateRequired);
}

#[test]
fn mtls_02_other_authority_with_the_same_subject() {
    let world = World::new();
    world.meet(&world.partner()).accepted();
    let (_, ours) = x509_parser::parse_x509_certificate(world.authority.certificate()).unwrap();
    let common = ours.subject().iter_common_name().next().unwrap().as_str().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let twin = params.self_signed(&key).unwrap();
    let twin = Authority::from_pem(&twin.pem(), &key.serialize_pem()).unwrap();
    let number = PartnerNumber::parse(OIN).unwrap();
    let issued = twin.issue("wijkteam", &number, LeafKind::Client, start()).unwrap();
    world.meet(&issued).refused(CertificateError::BadSignature, AlertDescription::DecryptError);

    let stranger = Authority::create(start()).unwrap();
    let issued = stranger.issue("wijkteam", &number, LeafKind::Client, start()).unwrap();
    world.meet(&issued).refused(CertificateError::UnknownIssuer, AlertDescription::UnknownCA);
}

#[test]
fn mtls_03_expired() {
    let world = World::new();
    let issued =
        world.shaped(|params| params.not_after = params.not_before + Duration::from_mins(1));
    world.hand.advance(SignedDuration::from_secs(60));
    world.meet(&issued).accepted();
    world.hand.advance(SignedDuration::from_secs(1));
    let meeting = world.meet(&issued);
    meeting.refused_by("Expired", AlertDescription::CertificateExpired);
}

#[test]
fn mtls_04_not_yet_valid() {
    let world = World::new();
    let issued = world.shaped(|params| params.not_before += Duration::from_mins(1));
    let meeting = world.meet(&issued);
    meeting.refused_by("NotValidYet", AlertDescription::CertificateExpired);
    world.hand.advance(SignedDuration::from_secs(60));
    world.meet(&issued).accepted();
}

#[test]
fn mtls_05_for_servers_only() {
    let world = World::new();
    let usages = |purpose| world.shaped(|params| params.extended_key_usages = vec![purpose]);
    world.meet(&usages(ExtendedKeyUsagePurpose::ClientAuth)).accepted();
    let meeting = world.meet(&usages(ExtendedKeyUsagePurpose::ServerAuth));
    meeting.refused_by("InvalidPurpose", AlertDescription::UnsupportedCertificate);
}

#[test]
fn mtls_06_revoked() {
    let world = World::new();
    let (bad, good) = (world.partner(), world.partner());
    world.meet(&bad).accepted();
    world.revoke(&[&bad]);
    world.meet(&good).accepted();
    let meeting = world.meet(&bad);
    meeting.refused(CertificateError::Revoked, AlertDescription::CertificateRevoked);
}

#[test]
fn mtls_07_revoked_with_a_client_that_resumes() {
    let world = World::new();
    let partner = world.partner();
    let mut config = ClientConfig::clone(&world.client(Some(&partner)));
    config.resumption = Resumption::in_memory_sessions(16);
    let config = Arc::new(config);
    meet(&world.config, &config).accepted();
    world.revoke(&[&partner]);
    let meeting = meet(&world.config, &config);
    meeting.refused(CertificateError::Revoked, AlertDescription::CertificateRevoked);

    // The same client resumes where the library's defaults are left in place, and is not asked.
    let mut lax = ServerConfig::clone(&world.config);
    lax.send_tls13_tickets = 2;
    lax.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
    let lax = Arc::new(lax);
    world.revoke(&[]);
    meet(&lax, &config).accepted();
    world.revoke(&[&partner]);
    let resumed = meet(&lax, &config);
    resumed.accepted();
    assert_eq!(resumed.client.unwrap().kind, Some(HandshakeKind::Resumed));
}

#[test]
fn mtls_08_revoked_while_the_connection_is_open() {
    let world = World::new();
    let (bad, good) = (world.partner(), world.partner());
    let peer = |issued| {
        let leaf = world.meet(issued).server.unwrap().peer.unwrap();
        PeerCertificate::read(&leaf).unwrap()
    };
    let (bad_peer, good_peer) = (peer(&bad), peer(&good));
    assert_eq!(world.listener.still_valid(&bad_peer, world.now()), Ok(()));
    world.revoke(&[&bad]);
    let verdict = world.listener.still_valid(&bad_peer, world.now());
    assert_eq!(verdict, Err(PeerRefusal::Revoked));
    assert_eq!(world.listener.still_valid(&good_peer, world.now()), Ok(()));
}

#[test]
fn a_connection_does_not_outlive_its_certificate() {
    let world = World::new();
    let issued =
        world.shaped(|params| params.not_after = params.not_before + Duration::from_mins(1));
    let peer = PeerCertificate::read(issued.certificate()).unwrap();
    world.hand.advance(SignedDuration::from_secs(60));
    assert_eq!(world.listener.still_valid(&peer, world.now()), Ok(()));
    world.hand.advance(SignedDuration::from_secs(1));
    assert_eq!(world.listener.still_valid(&peer, world.now()), Err(PeerRefusal::Expired));
}

#[test]
fn mtls_09_expired_revocation_list_refuses_everyone() {
    let world = World::new();
    let partner = world.partner();
    let peer = PeerCertificate::read(partner.certificate()).unwrap();
    assert_eq!(world.listener.revocations_expire_at(), Some(list_end()));
    world.hand.advance(list_end().duration_since(start()));
    assert_eq!(world.listener.still_valid(&peer, world.now()), Ok(()));
    world.hand.advance(SignedDuration::from_secs(1));
    let verdict = world.listener.still_valid(&peer, world.now());
    assert_eq!(verdict, Err(PeerRefusal::ListExpired));
    let meeting = world.meet(&partner);
    meeting.refused_by("ExpiredRevocationList", AlertDescription::UnknownCA);

    // A list that has expired does not replace one either; a current one does.
    let same = material(&world.authority, &world.server, &[]);
    let refused = world.listener.replace(same, world.now());
    assert!(matches!(refused, Err(MaterialFault::Revocations(ListFault::Expired))));
    let until = world.now().checked_add(SignedDuration::from_hours(1)).unwrap();
    let fresh = world.authority.revocation_list(&[], 2, world.now(), until).unwrap();
    let mut renewed = material(&world.authority, &world.server, &[]);
    renewed.clients.as_mut().unwrap().lists = vec![fresh.der().clone()];
    world.listener.replace(renewed, world.now()).unwrap();
    world.meet(&partner).accepted();
}

fn list_fault(result: &Result<(), MaterialFault>) -> Option<ListFault> {
    match result {
        Err(MaterialFault::Revocations(fault)) => Some(*fault),
        _ => None,
    }
}

#[test]
fn mtls_10_missing_corrupt_and_foreign_lists() {
    let world = World::new();
    let partner = world.partner();
    world.revoke(&[&partner]);
    let stranger = Authority::create(start()).unwrap();
    let good = list(&world.authority, &[]);
    let mut corrupt = good.to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let truncated = CertificateRevocationListDer::from(good[..good.len() - 1].to_vec());
    for (lists, fault) in [
        (vec![], ListFault::AuthorityWithoutList),
        (vec![truncated], ListFault::Malformed),
        (vec![CertificateRevocationListDer::from(corrupt)], ListFault::ForeignIssuer),
        (vec![list(&stranger, &[])], ListFault::ForeignIssuer),
        (vec![good.clone(), list(&stranger, &[])], ListFault::ForeignIssuer),
    ] {
        let with = |lists| {
            let mut bad = material(&world.authority, &world.server, &[]);
            bad.clients.as_mut().unwrap().lists = lists;
            bad
        };
        let started = Reloadable::new(with(lists.clone()), Versions::Tls13);
        assert_eq!(list_fault(&started.map(|_| ())), Some(fault));
        let reloaded = world.listener.replace(with(lists), world.now());
        assert_eq!(list_fault(&reloaded), Some(fault));
    }
    // Nor does an older list bring back what a newer one revoked.
    let before = start().checked_sub(SignedDuration::from_secs(1)).unwrap();
    let older = world.authority.revocation_list(&[], 1, before, list_end()).unwrap();
    let mut outdated = material(&world.authority, &world.server, &[]);
    outdated.clients.as_mut().unwrap().lists = vec![older.der().clone()];
    let refused = world.listener.replace(outdated, world.now());
    assert!(matches!(refused, Err(MaterialFault::Revocations(ListFault::Older))));

    // The last good list is still in force, and a good one replaces it.
    let meeting = world.meet(&partner);
    meeting.refused(CertificateError::Revoked, AlertDescription::CertificateRevoked);
    world.revoke(&[]);
    world.meet(&partner).accepted();
}

#[test]
fn mtls_12_a_list_of_100_000_is_searched_within_a_millisecond() {
    let world = World::new();
    let partner = world.partner();
    let peer = PeerCertificate::read(partner.certificate()).unwrap();
    let others = (0..100_000_u32).map(|n| ([&[1], &n.to_be_bytes()[..]].concat(), start()));
    let read = |serials: &[(Vec<u8>, Timestamp)]| {
        let list = world.authority.revocation_list(serials, 1, start(), list_end()).unwrap();
        let authorities = [world.authority.certificate().clone()];
        Revocations::read(&[list.der().clone()], &authorities).unwrap()
    };
    let mut serials: Vec<_> = others.collect();
    let without = read(&serials);
    serials.push((peer.serial().to_vec(), start()));
    let with = read(&serials);
    assert_eq!((without.len(), with.len()), (100_000, 100_001));
    let began = Instant::now();
    assert_eq!(without.check(&peer, start()), Ok(()));
    assert_eq!(with.check(&peer, start()), Err(PeerRefusal::Revoked));
    assert!(began.elapsed() < Duration::from_millis(1));
}

#[test]
fn mtls_13_a_leaf_is_no_authority_and_an_authority_no_client() {
    let world = World::new();
    let partner = world.partner();
    world.meet(&partner).accepted();
    let impostor = Authority::from_pem(partner.certificate_pem(), &partner.key_pem()).unwrap();
    let number = PartnerNumber::parse(OTHER_OIN).unwrap();
    let forged = impostor.issue("forged", &number, LeafKind::Client, start()).unwrap();
    let mut chained = identity(&forged);
    chained.chain.push(partner.certificate().clone());
    let roots = vec![world.authority.certificate().clone()];
    let config = client::config(roots, Some(chained), &world.clock()).unwrap();
    let meeting = meet(&world.config, &Arc::new(config));
    assert!(meeting.server.is_err() && meeting.client.is_err(), "{meeting:?}");

    let ca = world.shaped(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let meeting = world.meet(&ca);
    assert!(meeting.server.is_err() && meeting.client.is_err(), "{meeting:?}");
    assert_eq!(PeerCertificate::read(ca.certificate()), Err(PeerRefusal::Authority));
    let signer = world.shaped(|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign));
    world.meet(&signer).refused_as(PeerRefusal::Authority);
}

#[test]
fn mtls_15_the_common_name_names_nobody() {
    let world = World::new();
    let misleading = world.shaped(|params| {
        params.distinguished_name.push(DnType::CommonName, OTHER_OIN);
    });
    let leaf = world.meet(&misleading).server.unwrap().peer.unwrap();
    let peer = PeerCertificate::read(&leaf).unwrap();
    assert_eq!(peer.number().as_str(), OIN);

    let nameless = |shape: fn(&mut CertificateParams)| {
        let key = KeyPair::generate().unwrap();
        world.authority.issue_with(key, start(), shape).unwrap()
    };
    let only_common = nameless(|params| params.distinguished_name.push(DnType::CommonName, OIN));
    world.meet(&only_common).refused_as(PeerRefusal::NoNumber);
    let letters = nameless(|params| name(params, "0000000100321434500A"));
    world.meet(&letters).refused_as(PeerRefusal::MalformedNumber);
}

#[test]
fn mtls_15_the_uzi_name_carries_the_ura() {
    let world = World::new();
    let uzi = |text: &'static [u8], oin: bool| {
        let key = KeyPair::generate().unwrap();
        let issued = world.authority.issue_with(key, start(), |params| {
            // The number of a UZI card, which is no OIN.
            name(params, if oin { OIN } else { "000001111" });
            params.custom_extensions.push(ura_extension(text));
        });
        issued.unwrap()
    };
    let text = b"2.16.528.1.1007.99.218-1-000001111-S-90000111-00.000-00000000";
    let good = uzi(text, false);
    let leaf = world.meet(&good).server.unwrap().peer.unwrap();
    assert_eq!(PeerCertificate::read(&leaf).unwrap().number().as_str(), URA);
    let short = uzi(b"2.16.528.1.1007.99.218-1-000001111-S-9000011-00.000-00000000", false);
    world.meet(&short).refused_as(PeerRefusal::MalformedNumber);
    world.meet(&uzi(text, true)).refused_as(PeerRefusal::SeveralNumbers);

    // Another string type, as rcgen writes it.
    let number = PartnerNumber::parse(URA).unwrap();
    let issued = world.authority.issue("poh-j", &number, LeafKind::Client, start()).unwrap();
    world.meet(&issued).accepted();
    assert_eq!(PeerCertificate::read(issued.certificate()).unwrap().number(), number);
}

#[test]
fn mtls_19_small_keys_and_old_hashes() {
    let pem = include_str!("old-algorithms.pem");
    let section = |name: &str| {
        let (_, from) = pem.split_once(&format!("# {name}\n")).unwrap();
        CertificateDer::from_pem_slice(from.as_bytes()).unwrap()
    };
    let world = World::new();
    let clients = ClientTrust {
        authorities: vec![section("ca")],
        lists: vec![CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap()],
    };
    let material = Material { identity: identity(&world.server), clients: Some(clients) };
    let listener = Reloadable::new(material, Versions::Tls13).unwrap();
    let seconds = start().checked_add(SignedDuration::from_hours(24)).unwrap().as_second();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap()));
    let verdict = |name: &str| {
        let verdict = listener.verify_client_cert(&section(name), &[], now);
        verdict.map(|_| ()).map_err(|error| format!("{error:?}"))
    };
    assert_eq!(verdict("p256-sha256"), Ok(()));
    assert_eq!(verdict("rsa3072-sha256"), Ok(()));
    for old in ["p256-sha1", "p256-md5"] {
        assert!(verdict(old).unwrap_err().contains("UnsupportedSignatureAlgorithm"), "{old}");
    }
    for weak in ["rsa1024-sha256", "rsa2048-sha256", "p224-sha256", "p521-sha256"] {
        assert!(verdict(weak).unwrap_err().contains("WeakKey"), "{weak}");
    }
}

#[test]
fn mtls_19_rsa_2048_is_refused_and_3072_accepted() {
    let world = World::new();
    let rsa = |size| {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        world.keyed(key, |_| {})
    };
    world.meet(&rsa(RsaKeySize::_2048)).refused_as(PeerRefusal::WeakKey);
    world.meet(&rsa(RsaKeySize::_3072)).accepted();
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        world.meet(&world.keyed(key, |_| {})).accepted();
    }
}

#[test]
fn mtls_21_wildcards_and_addresses() {
    let world = World::new();
    let named = |name| world.shaped(|params| params.subject_alt_names.push(name));
    world.meet(&named(SanType::DnsName("wijkteam.example".try_into().unwrap()))).accepted();
    let wildcard = named(SanType::DnsName("*.example".try_into().unwrap()));
    world.meet(&wildcard).refused_as(PeerRefusal::SharedName);
    let address = named(SanType::IpAddress([192, 0, 2, 1].into()));
    world.meet(&address).refused_as(PeerRefusal::SharedName);
}

/// A client with a provider of its own, for what our client configuration never offers.
fn odd_client(
    world: &World,
    provider: rustls::crypto::CryptoProvider,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    #[derive(Debug)]
    struct Hands(Timestamp);
    impl rustls::time_provider::TimeProvider for Hands {
        fn current_time(&self) -> Option<UnixTime> {
            let seconds = u64::try_from(self.0.as_second()).ok()?;
            Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        }
    }
    let mut roots = RootCertStore::empty();
    roots.add(world.authority.certificate().clone()).unwrap();
    let Identity { chain, key } = identity(&world.partner());
    let time = Arc::new(Hands(world.now()));
    let config = ClientConfig::builder_with_details(Arc::new(provider), time)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn tls_02_version_1_2_only_by_option() {
    let world = World::new();
    world.meet(&world.partner()).accepted();
    let old = odd_client(&world, aws_lc_rs::default_provider(), &[&rustls::version::TLS12]);
    let meeting = meet(&world.config, &old);
    let told = meeting.client.as_ref().err();
    assert_eq!(told, Some(&Error::AlertReceived(AlertDescription::ProtocolVersion)));
    assert!(meeting.server.is_err());

    let world = World::with(Versions::Tls12Too);
    let old = odd_client(&world, aws_lc_rs::default_provider(), &[&rustls::version::TLS12]);
    let meeting = meet(&world.config, &old);
    meeting.accepted();
    assert_eq!(meeting.server.unwrap().version, Some(ProtocolVersion::TLSv1_2));
    let meeting = world.meet(&world.partner());
    assert_eq!(meeting.server.unwrap().version, Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn tls_03_aes_128_is_not_spoken() {
    let world = World::new();
    let offering = |suite| {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        odd_client(&world, provider, &[&rustls::version::TLS13])
    };
    for suite in
        [cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256]
    {
        meet(&world.config, &offering(suite)).accepted();
    }
    let meeting = meet(&world.config, &offering(cipher_suite::TLS13_AES_128_GCM_SHA256));
    let told = meeting.client.as_ref().err();
    assert_eq!(told, Some(&Error::AlertReceived(AlertDescription::HandshakeFailure)));
    assert!(meeting.server.is_err());
}

#[test]
fn tls_06_the_hybrid_group_is_chosen_where_its_share_is_sent() {
    let world = World::new();
    let offering = |groups: Vec<&'static dyn rustls::crypto::SupportedKxGroup>| {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = groups;
        let config = odd_client(&world, provider, &[&rustls::version::TLS13]);
        let meeting = meet(&world.config, &config);
        meeting.accepted();
        meeting.server.unwrap().group
    };
    let meeting = world.meet(&world.partner());
    assert_eq!(meeting.server.unwrap().group, Some(NamedGroup::X25519MLKEM768));
    let first = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1];
    assert_eq!(offering(first), Some(NamedGroup::X25519MLKEM768));
    assert_eq!(offering(vec![kx_group::X25519]), Some(NamedGroup::X25519));
    assert_eq!(offering(vec![kx_group::SECP384R1]), Some(NamedGroup::secp384r1));
}

#[test]
fn tls_09_no_ticket_is_given_and_nothing_resumed() {
    let world = World::new();
    let mut config = ClientConfig::clone(&world.client(Some(&world.partner())));
    config.resumption = Resumption::in_memory_sessions(16);
    let config = Arc::new(config);
    for _ in 0..2 {
        let view = meet(&world.config, &config).client.unwrap();
        assert_eq!((view.tickets, view.kind), (0, Some(HandshakeKind::Full)));
        assert_eq!(view.version, Some(ProtocolVersion::TLSv1_3));
    }
    let mut lax = ServerConfig::clone(&world.config);
    lax.send_tls13_tickets = 2;
    lax.session_storage = rustls::server::ServerSessionMemoryCache::new(16);
    let lax = Arc::new(lax);
    assert_eq!(meet(&lax, &config).client.unwrap().tickets, 2);
    assert_eq!(meet(&lax, &config).client.unwrap().kind, Some(HandshakeKind::Resumed));
}

#[test]
fn tls_14_http_1_1_and_no_other_protocol() {
    let world = World::new();
    let speaking = |protocols: &[&[u8]]| {
        let mut config = ClientConfig::clone(&world.client(Some(&world.partner())));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        meet(&world.config, &Arc::new(config))
    };
    let both = speaking(&[b"h2", b"http/1.1"]).server.unwrap();
    assert_eq!(both.alpn.as_deref(), Some(&b"http/1.1"[..]));
    speaking(&[]).accepted();
    speaking(&[b"h2"])
        .refused(Error::NoApplicationProtocol, AlertDescription::NoApplicationProtocol);
}

#[test]
fn the_portal_listener_asks_for_no_certificate() {
    let world = World::new();
    let open = Material { identity: identity(&world.server), clients: None };
    let portal = Reloadable::new(open, Versions::Tls13).unwrap();
    let config = Arc::new(portal.server_config(&world.clock()).unwrap());
    meet(&config, &world.client(None)).accepted();
    let meeting = meet(&config, &world.client(Some(&world.partner())));
    assert_eq!(meeting.server.unwrap().peer, None);
    let peer = PeerCertificate::read(world.partner().certificate()).unwrap();
    assert_eq!(portal.still_valid(&peer, world.now()), Err(PeerRefusal::UnknownIssuer));
    let closed = material(&world.authority, &world.server, &[]);
    assert!(matches!(portal.replace(closed, world.now()), Err(MaterialFault::OtherKind)));
}

#[test]
fn an_outbound_connection_trusts_the_named_authority_only() {
    let world = World::new();
    let partner = world.partner();
    world.meet(&partner).accepted();
    let stranger = Authority::create(start()).unwrap();
    let roots = vec![stranger.certificate().clone()];
    let config = client::config(roots, Some(identity(&partner)), &world.clock()).unwrap();
    let meeting = meet(&world.config, &Arc::new(config));
    let refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(meeting.client.err(), Some(refused));
}

/// A directory that goes when the test does.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("buurtpoort-tls-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn files(world: &World, place: &Place) -> ListenerFiles {
    let lists = world.authority.revocation_list(&[], 1, start(), list_end()).unwrap();
    ListenerFiles {
        certificate: place.write("cert.pem", world.server.certificate_pem()),
        key: place.write("key.pem", &world.server.key_pem()),
        clients: Some(ClientFiles {
            authorities: place.write("ca.pem", world.authority.certificate_pem()),
            revocations: place.write("ca.crl.pem", &lists.pem().unwrap()),
        }),
    }
}

#[test]
fn a_listener_starts_from_its_files_and_refuses_a_bad_one() {
    let world = World::new();
    let place = Place::new();
    let files = files(&world, &place);
    let listener = Reloadable::open(&files, Versions::Tls13).unwrap();

    for mode in [0o640, 0o604, 0o660] {
        set_mode(&files.key, mode);
        let exposed = Reloadable::open(&files, Versions::Tls13).unwrap_err();
        assert!(matches!(exposed, MaterialFault::File(FileFault::Exposed(Role::Key))));
    }
    set_mode(&files.key, 0o400);
    assert!(Reloadable::open(&files, Versions::Tls13).is_ok());

    let revocations = &files.clients.as_ref().unwrap().revocations;
    for text in ["", "nothing here", "-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n"] {
        std::fs::write(revocations, text).unwrap();
        let fault = Reloadable::open(&files, Versions::Tls13).unwrap_err();
        assert!(matches!(fault, MaterialFault::File(FileFault::NotPem(Role::Revocations))));
        assert!(listener.reload(&files, start()).is_err());
    }
    std::fs::remove_file(revocations).unwrap();
    let fault = Reloadable::open(&files, Versions::Tls13).unwrap_err();
    assert!(matches!(fault, MaterialFault::File(FileFault::Unreadable(Role::Revocations, _))));
    let text = fault.to_string();
    assert!(text.starts_with("the file of revocation lists must be"), "{text}");
    assert_eq!(listener.revocations_expire_at(), Some(list_end()));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let world = World::new();
    let place = Place::new();
    let files = files(&world, &place);
    assert!(Reloadable::open(&files, Versions::Tls13).is_ok());
    place.write("key.pem", &world.partner().key_pem());
    let fault = Reloadable::open(&files, Versions::Tls13).unwrap_err();
    assert!(matches!(fault, MaterialFault::Identity), "{fault:?}");
}

#[test]
fn a_reload_replaces_certificate_and_authorities() {
    let world = World::new();
    let place = Place::new();
    let old_partner = world.partner();
    world.meet(&old_partner).accepted();

    let next = World::new();
    world.listener.reload(&files(&next, &place), start()).unwrap();
    let meeting = meet(&world.config, &next.client(Some(&next.partner())));
    meeting.accepted();
    let roots = vec![next.authority.certificate().clone()];
    let config = client::config(roots, Some(identity(&old_partner)), &world.clock()).unwrap();
    meet(&world.config, &Arc::new(config))
        .refused(CertificateError::UnknownIssuer, AlertDescription::UnknownCA);
    let peer = PeerCertificate::read(old_partner.certificate()).unwrap();
    assert_eq!(world.listener.still_valid(&peer, start()), Err(PeerRefusal::UnknownIssuer));
}

#[test]
fn a_request_finds_the_certificate_of_its_connection() {
    use actix_web::{App, HttpRequest, HttpServer, web};
    async fn who(request: HttpRequest) -> String {
        let peer = request.conn_data::<PeerCertificate>();
        peer.map_or("nobody".to_owned(), |peer| peer.fingerprint().x5t())
    }
    let world = World::new();
    let open = Material { identity: identity(&world.server), clients: None };
    let portal = Reloadable::new(open, Versions::Tls13).unwrap();
    let closed_config = ServerConfig::clone(&world.config);
    let open_config = portal.server_config(&world.clock()).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(|| App::new().route("/", web::get().to(who)))
                .on_connect(buurtpoort::tls::connection::on_connect)
                .workers(1)
                .disable_signals()
                .bind_rustls_0_23("127.0.0.1:0", closed_config)
                .unwrap()
                .bind_rustls_0_23("127.0.0.1:0", open_config)
                .unwrap();
            let addresses = server.addrs();
            let server = server.run();
            send.send((addresses, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (addresses, handle) = receive.recv().unwrap();
    let ask = |address: &std::net::SocketAddr, config: Arc<ClientConfig>| {
        let mut socket = TcpStream::connect(address).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(config, name).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let partner = world.partner();
    let peer = PeerCertificate::read(partner.certificate()).unwrap();
    let known = ask(&addresses[0], world.client(Some(&partner)));
    assert!(known.ends_with(&peer.fingerprint().x5t()), "{known}");
    let unknown = ask(&addresses[1], world.client(None));
    assert!(unknown.ends_with("nobody"), "{unknown}");
    actix_web::rt::System::new().block_on(handle.stop(false));
    server.join().unwrap();
}
