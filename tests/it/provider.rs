//! The provider of a partner (POR): its codes are not carried to another, and whether it can be reached is told before
//! anybody tries. Signing in by a real one is tried in `tests/browser/sign_in.mjs`.

use crate::pages::Browser;
use crate::support::{World, on_both};
use serde_json::json;

/// A provider that says of itself what it must, and keeps what it is asked beside that.
fn provider(world: &World) -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    use std::sync::{Arc, Mutex};
    let pki = world.dir().join("pki");
    let files = buurtpoort::tls::reload::ListenerFiles {
        certificate: pki.join("server/cert.pem"),
        key: pki.join("server/key.pem"),
        clients: None,
    };
    let tls = buurtpoort::tls::acceptor::Reloadable::open(&files, buurtpoort::tls::Versions::Tls13);
    let tls = tls.expect("TLS").server_config(&world.booted.api.gateway.clock).expect("TLS");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let issuer = format!("https://localhost:{}", socket.local_addr().expect("an address").port());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (own, at) = (Arc::clone(&asked), issuer.clone());
    let server = actix_web::HttpServer::new(move || {
        let (own, at) = (Arc::clone(&own), at.clone());
        actix_web::App::new().default_service(actix_web::web::to(move |request: actix_web::HttpRequest| {
            own.lock().expect("a list").push(request.path().to_owned());
            let told = json!({
                "issuer": at, "authorization_endpoint": format!("{at}/auth"), "token_endpoint": format!("{at}/token"),
                "jwks_uri": format!("{at}/keys"), "keys": [],
            });
            async move { actix_web::HttpResponse::Ok().json(told) }
        }))
    })
    .workers(1)
    .disable_signals()
    .listen_rustls_0_23(socket, tls)
    .expect("a listener");
    actix_web::rt::spawn(server.run());
    (issuer, asked)
}

on_both! {
    /// A code of one partner's provider is never carried to another's (RFC 9700, 4.4.2): the way back has the partner in
    /// it, and nothing is asked of anybody where it does not fit. A way back is gone once, and not begun by another site.
    async fn por_one_provider_is_not_taken_for_another(world: World) {
        let (honest, _) = provider(world);
        let (other, asked) = provider(world);
        let ca = std::fs::read_to_string(world.dir().join("pki/ca.pem")).expect("the CA");
        world
            .amend(|register| {
                for (name, issuer) in [("buurtgezinnen", &honest), ("doorbraak-nijmegen", &other)] {
                    let own = register.partner.iter_mut().find(|one| one.name == name).expect("known");
                    own.sign_in = Some(buurtpoort::cli::partners::SignInFile {
                        issuer: issuer.clone(),
                        client_id: "buurtpoort".to_owned(),
                        claim: "preferred_username".to_owned(),
                        acr: String::new(),
                        authorities: ca.clone(),
                    });
                }
            })
            .await;
        let own = Browser::new(world);
        let begin = own.get("/inloggen/bij/doorbraak-nijmegen").await;
        assert!(begin.leads_to().starts_with(&format!("{other}/auth?")), "{}", begin.text);
        assert!(begin.leads_to().contains("terug%2Fdoorbraak-nijmegen&"), "{}", begin.leads_to());
        let query = begin.leads_to().split_once("state=").map_or("", |(_, rest)| rest);
        let state = query.split('&').next().unwrap_or_default().to_owned();
        let cookies = own.cookies.borrow().clone();
        asked.lock().expect("a list").clear();
        let back = own.get(&format!("/inloggen/terug/buurtgezinnen?code=stolen&state={state}")).await;
        assert_eq!(back.status, 400);
        assert!(asked.lock().expect("a list").is_empty(), "nothing is asked of the other provider");
        // Control: on its own way back it is asked, once.
        own.cookies.borrow_mut().clone_from(&cookies);
        let path = format!("/inloggen/terug/doorbraak-nijmegen?code=own&state={state}");
        assert_eq!(own.get(&path).await.status, 400, "it gives no id token");
        assert!(asked.lock().expect("a list").iter().any(|path| path == "/token"));
        asked.lock().expect("a list").clear();
        *own.cookies.borrow_mut() = cookies;
        assert_eq!(own.get(&path).await.status, 400);
        assert!(asked.lock().expect("a list").is_empty(), "a way back is gone once");
        let led = own.client.get(format!("{}/inloggen/bij/buurtgezinnen", own.base)).header("sec-fetch-site", "cross-site");
        let led = led.send().await.expect("an answer");
        assert_eq!(led.headers()["location"], "/inloggen", "another site signs nobody in");
        // `check` tells whose people could not sign in.
        let check = async || buurtpoort::cli::check::sign_ins(&world.booted).await.map_err(|failure| failure.message);
        assert_eq!(check().await, Ok(()));
        world
            .amend(|register| {
                let own = register.partner.iter_mut().find(|one| one.name == "buurtgezinnen").expect("known");
                own.sign_in.as_mut().expect("a provider").issuer = "https://localhost:1".to_owned();
            })
            .await;
        let told = check().await.expect_err("nobody is there");
        assert!(told.starts_with("sign-in of buurtgezinnen: the provider cannot be reached") && told.lines().count() == 1, "{told}");
    }
}
