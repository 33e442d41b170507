//! Deliveries (OUT, P5): what is published reaches a gemeente once, in order, whatever its receiver does.

use crate::frozen::{agree, contract, nijmegen, wait};
use crate::support::{BEHEER, World, on_both};
use actix_web::dev::ServerHandle;
use buurtpoort::cli::partners::EndpointFile;
use buurtpoort::cli::pki::DevPki;
use buurtpoort::clock::Clock;
use buurtpoort::crypto::keyring::VerifyingKey;
use buurtpoort::domain::period::Period;
use buurtpoort::flow::publish::publish;
use buurtpoort::http::receiver::{self, Receiver, Refused};
use buurtpoort::ids::DeliveryId;
use buurtpoort::tls::Versions;
use buurtpoort::tls::acceptor::Reloadable;
use buurtpoort::tls::reload::{ClientFiles, ListenerFiles};
use buurtpoort::worker::delivery::{Courier, round};
use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The reference receiver of a gemeente, with its journal.
struct Mailbox {
    address: SocketAddr,
    journal: PathBuf,
    handle: ServerHandle,
}

fn files(world: &World) -> ListenerFiles {
    let pki = world.dir().join("pki");
    ListenerFiles {
        certificate: pki.join("server/cert.pem"),
        key: pki.join("server/key.pem"),
        clients: Some(ClientFiles {
            authorities: pki.join("ca.pem"),
            revocations: pki.join("ca.crl.pem"),
        }),
    }
}

fn keys(world: &World) -> Vec<VerifyingKey> {
    world.booted.api.gateway.keyring.delivery_public_keys()
}

impl Mailbox {
    /// Opens on a socket. The list of revoked certificates it reads lasts thirty days.
    fn open(world: &World, socket: TcpListener) -> Self {
        let address = socket.local_addr().expect("an address");
        let journal = world.dir().join("received.jsonl");
        let clock = Clock::Test(Arc::clone(&world.hand));
        let receiver = Receiver::open(&journal, keys(world), clock).expect("a journal");
        let tls = Reloadable::open(&files(world), Versions::Tls13).expect("TLS");
        let server = receiver::serve(socket, receiver, &tls).expect("a receiver");
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, journal, handle }
    }

    /// Events, in the order in which they were kept.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.journal).unwrap_or_default();
        let event =
            |line: &str| serde_json::from_str::<Value>(line).expect("a line")["event"].clone();
        text.lines().map(event).collect()
    }
}

/// Registers where messages to a gemeente go.
async fn register(world: &World, partner: &str, address: SocketAddr, allow_private: bool) {
    let authorities = fs::read_to_string(world.dir().join("pki/ca.pem")).expect("the CA");
    let url = format!("https://localhost:{}/buurtpoort", address.port());
    world
        .amend(|register| {
            let own = register.partner.iter_mut().find(|one| one.name == partner).expect("known");
            own.endpoint = Some(EndpointFile { url, authorities, allow_private });
        })
        .await;
}

/// The gateway's courier, less patient.
fn courier(world: &World) -> Arc<Courier> {
    Arc::new(world.booted.courier.patient(Duration::from_millis(500)))
}

/// Messages as the operator sees them.
async fn listed(world: &World) -> Vec<Value> {
    let answer = world.get(BEHEER, "/v1/deliveries?limit=100").await;
    assert_eq!(answer.status, 200, "{}", answer.raw);
    answer.body["items"].as_array().expect("items").clone()
}

/// Delivers until this holds, or for some seconds: the gateway's own courier may have the messages under way, and a round
/// beside it then finds nothing to do.
async fn deliver_until(world: &World, courier: &Arc<Courier>, holds: impl AsyncFn() -> bool) {
    for _ in 0..200 {
        round(&world.booted.api.gateway, courier).await;
        if holds().await {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Messages to Nijmegen as the operator sees them.
async fn to_nijmegen(world: &World) -> Vec<Value> {
    let mut all = listed(world).await;
    all.retain(|one| one["partner"] == "gemeente-nijmegen");
    all
}

async fn publish_year(world: &World) {
    agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
    wait(world, 60);
    let period = Period::parse("2026").expect("a year");
    publish(&world.booted.api.gateway, nijmegen(), period).await.expect("published");
}

on_both! {
    /// A gemeente gets each release once, signed, in order, as it was sealed; the operator sees that it did.
    async fn out_a_release_is_delivered_once_and_in_order(world: World) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        register(world, "gemeente-nijmegen", socket.local_addr().expect("an address"), true).await;
        publish_year(world).await;
        let mailbox = Mailbox::open(world, socket);
        let (gateway, courier) = (&world.booted.api.gateway, courier(world));
        deliver_until(world, &courier, async || to_nijmegen(world).await.iter().all(|one| one["state"] == "delivered")).await;
        let events = mailbox.events();
        let periods: Vec<&str> = events.iter().filter_map(|e| e["data"]["period"].as_str()).collect();
        assert_eq!(periods, ["2026Q3", "2026Q4"], "{:?}", listed(world).await);
        for event in &events {
            assert_eq!(event["specversion"], "1.0");
            assert_eq!(event["type"], "nl.buurtpoort.statistiek-gepubliceerd");
            assert_eq!(event["source"], "urn:nld:oin:00000099000000014000:systeem:buurtpoort");
            assert!(event.to_string().len() < 20_000, "OUT-04");
        }
        let list = world.get(crate::support::GEMEENTE, "/v1/statistics/releases").await;
        let first = list.body["items"].as_array().expect("items").iter().find(|one| one["period"] == "2026Q3");
        assert_eq!(first.expect("pulled too")["figures"], events[0]["data"]["figures"]);
        let own = to_nijmegen(world).await;
        assert!(own.len() == 2 && own.iter().all(|one| one["state"] == "delivered"), "{own:?}");
        let page = crate::pages::Browser::of(world, BEHEER).await.get("/beheer/cijfers").await;
        for period in ["2026Q3", "2026Q4"] {
            let row = page.between(&format!(">{period}<"), "</tr>");
            assert!(row.contains("gedaan") && row.contains("1 van 1, "), "{period}: {}", page.text);
        }
        assert_eq!(round(gateway, &courier).await, 0, "nothing is sent again");
        assert_eq!(mailbox.events().len(), 2);
        mailbox.handle.stop(false).await;
    }
}

on_both! {
    /// What is not taken waits longer each time, holds up what is behind it, and is parked at last; an operator has it
    /// tried again.
    async fn out_what_is_not_taken_is_tried_again_and_parked(world: World) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        drop(socket);
        register(world, "gemeente-nijmegen", address, true).await;
        publish_year(world).await;
        let (gateway, courier) = (&world.booted.api.gateway, courier(world));
        let head = async || {
            let own = to_nijmegen(world).await;
            assert_eq!(own[1]["state"], "waiting", "behind the first");
            own[0].clone()
        };
        for attempt in 1..=8 {
            // The gateway's own courier may have had this attempt: both keep to the same schedule.
            deliver_until(world, &courier, async || head().await["attempts"] == attempt).await;
            let now = head().await;
            assert_eq!((&now["attempts"], &now["outcome"]), (&json!(attempt), &json!("not-connected")), "{now}");
            assert_eq!(now["state"], if attempt < 8 { "retrying" } else { "parked" });
            wait_seconds(world, 43_300);
        }
        let id = head().await["id"].as_str().expect("an id").to_owned();
        assert_eq!(round(gateway, &courier).await, 0, "parked");
        let state = crate::pages::Browser::of(world, BEHEER).await.get("/beheer").await;
        assert!(state.text.contains("leveringen die geparkeerd staan"), "{}", state.text);
        let path = format!("/v1/deliveries/{id}/retries");
        let mailbox = Mailbox::open(world, TcpListener::bind(address).expect("the same port"));
        let other = world.post(BEHEER, &format!("/v1/deliveries/{}/retries", DeliveryId::new()), &json!({})).await;
        assert_eq!(other.status, 404, "{}", other.raw);
        assert_eq!(world.post(BEHEER, &path, &json!({})).await.status, 202);
        deliver_until(world, &courier, async || to_nijmegen(world).await.iter().all(|one| one["state"] == "delivered")).await;
        let events = mailbox.events();
        assert_eq!((&events[0]["id"], &events[1]["data"]["period"]), (&json!(id), &json!("2026Q4")));
        let again = world.post(BEHEER, &path, &json!({})).await;
        assert_eq!(again.status, 409, "delivered: {}", again.raw);
        mailbox.handle.stop(false).await;
    }
}

/// To an instant later, with a list of revoked certificates of that day.
fn wait_seconds(world: &World, seconds: i64) {
    world.later(seconds);
    let _listed = DevPki::open(&world.dir().join("pki"), world.now()).expect("the demo's CA");
    buurtpoort::cli::watch::reload_certificates(&world.booted);
}

on_both! {
    /// Who is suspended gets nothing and what waits for it waits on; who lost the gemeente does not get its figures.
    async fn out_who_may_not_have_a_message_does_not_get_it(world: World) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        register(world, "gemeente-nijmegen", socket.local_addr().expect("an address"), true).await;
        let amend = async |status: &str, place: &str| {
            let (status, place) = (status.to_owned(), place.to_owned());
            world
                .amend(|register| {
                    let all = register.partner.iter_mut();
                    for own in all.filter(|one| one.name == "gemeente-nijmegen") {
                        (own.status, own.municipalities) = (status.clone(), vec![place.clone()]);
                    }
                })
                .await;
        };
        amend("suspended", "GM0268").await;
        publish_year(world).await;
        let mailbox = Mailbox::open(world, socket);
        let (gateway, courier) = (&world.booted.api.gateway, courier(world));
        let state = async || {
            let own = to_nijmegen(world).await.swap_remove(0);
            (own["state"].as_str().unwrap_or_default().to_owned(), own["outcome"].clone())
        };
        assert_eq!(round(gateway, &courier).await, 0);
        assert_eq!((state().await.0, mailbox.events().len()), ("waiting".to_owned(), 0));
        amend("active", "GM0225").await;
        deliver_until(world, &courier, async || state().await.0 == "parked").await;
        assert_eq!(state().await, ("parked".to_owned(), json!("not-theirs")));
        assert_eq!(mailbox.events().len(), 0);
        amend("active", "GM0268").await;
        let id = listed(world).await.into_iter().find(|one| one["state"] == "parked").expect("parked");
        let path = format!("/v1/deliveries/{}/retries", id["id"].as_str().expect("an id"));
        assert_eq!(world.post(BEHEER, &path, &json!({})).await.status, 202);
        deliver_until(world, &courier, async || mailbox.events().len() == 2).await;
        assert_eq!(mailbox.events().len(), 2, "control");
        mailbox.handle.stop(false).await;
    }
}

on_both! {
    /// OUT-01: an address that is not public is met only where its partner registered that it may be.
    async fn out_01_a_private_address_is_not_met_without_leave(world: World) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        register(world, "gemeente-nijmegen", socket.local_addr().expect("an address"), false).await;
        publish_year(world).await;
        let mailbox = Mailbox::open(world, socket);
        let (gateway, courier) = (&world.booted.api.gateway, courier(world));
        assert_eq!(round(gateway, &courier).await, 0);
        let refused = async || to_nijmegen(world).await.swap_remove(0);
        deliver_until(world, &courier, async || refused().await["state"] == "retrying").await;
        assert_eq!(refused().await["outcome"], "address-refused");
        assert_eq!(mailbox.events().len(), 0);
        // Control: with leave it is.
        register(world, "gemeente-nijmegen", mailbox.address, true).await;
        wait_seconds(world, 10);
        deliver_until(world, &courier, async || mailbox.events().len() == 2).await;
        assert_eq!(mailbox.events().len(), 2);
        mailbox.handle.stop(false).await;
    }
}

on_both! {
    /// OUT-03: while keys are exchanged a receiver takes what either of them signed; what none signed, what is old and
    /// what was changed is refused.
    async fn out_03_a_receiver_takes_what_one_of_two_keys_signed(world: World) {
        let before = keys(world);
        let gateway = &world.booted.api.gateway;
        let notice = Duration::from_millis(10);
        let clock = Clock::Test(Arc::clone(&world.hand));
        let rotated = buurtpoort::cli::keys::rotate_delivery(&world.booted.config, &gateway.store.pool, &clock, notice).await;
        assert_eq!(rotated.ok(), Some(2));
        buurtpoort::cli::watch::refresh_keys(&world.booted).await;
        let after = keys(world);
        assert_eq!((before.len(), after.len()), (1, 2));
        let id = DeliveryId::new().to_string();
        let body = json!({"id": id}).to_string();
        let timestamp = world.now().as_second().to_string();
        let sign = |id: &str, timestamp: &str, body: &str| {
            let made = gateway.keyring.sign_delivery_with_all(format!("{id}.{timestamp}.{body}").as_bytes());
            let encode = |bytes: &[u8; 64]| {
                use base64::Engine;
                format!("v1a,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
            };
            made.expect("signed").iter().map(encode).collect::<Vec<_>>()
        };
        let both = sign(&id, &timestamp, &body);
        assert_eq!(both.len(), 2);
        let take = |keys: &[VerifyingKey], timestamp: &str, signature: &str, body: &str| {
            let folder = tempfile::tempdir().expect("a directory");
            let clock = Clock::Test(Arc::clone(&world.hand));
            let receiver = Receiver::open(&folder.path().join("j"), keys.to_vec(), clock).expect("a journal");
            let mut headers = actix_web::http::header::HeaderMap::new();
            for (name, value) in [("webhook-id", id.as_str()), ("webhook-timestamp", timestamp), ("webhook-signature", signature)] {
                let name = actix_web::http::header::HeaderName::try_from(name).expect("a name");
                headers.insert(name, value.parse().expect("a value"));
            }
            let first = receiver.take(&headers, body.as_bytes());
            (first, receiver.take(&headers, body.as_bytes()))
        };
        let joined = both.join(" ");
        for known in [&before[..], &after[1..], &after[..]] {
            assert_eq!(take(known, &timestamp, &joined, &body), (Ok(true), Ok(false)), "once");
        }
        // Controls: a stranger's key, the other key alone, a changed body, another time, an old one (RPL-12).
        let stranger = [VerifyingKey { version: 1, bytes: [7; 32] }];
        assert_eq!(take(&stranger, &timestamp, &joined, &body).0, Err(Refused::Signature));
        assert_eq!(take(&before, &timestamp, &both[0], &body).0, Err(Refused::Signature));
        assert_eq!(take(&after, &timestamp, &joined, &body.replace('}', " }")).0, Err(Refused::Signature));
        let later = (world.now().as_second() + 1).to_string();
        assert_eq!(take(&after, &later, &joined, &body).0, Err(Refused::Signature));
        let old = (world.now().as_second() - 301).to_string();
        let signed = sign(&id, &old, &body).join(" ");
        assert_eq!(take(&after, &old, &signed, &body).0, Err(Refused::Time));
    }
}
