//! The listeners: API, portal, admin, and the one where people sign in with a certificate, where there is one.

use crate::clock::Clock;
use crate::http::problem::Problem;
use crate::http::{Api, admin, edge, openapi, router, routes};
use crate::portal;
use crate::portal::certificate::OnlySignIn;
use crate::tls::acceptor::Reloadable;
use crate::tls::connection::{on_connect, on_connect_asked};
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// Sockets that are already bound, so that whoever asked for port 0 knows which they got.
#[derive(Debug)]
pub struct Sockets {
    /// API listener.
    pub api: TcpListener,
    /// Portal listener.
    pub portal: TcpListener,
    /// Admin listener.
    pub admin: TcpListener,
    /// Sign-in listener.
    pub sign_in: Option<TcpListener>,
}

/// The servers, ready to be awaited.
pub struct Servers {
    /// API listener.
    pub api: Server,
    /// Portal listener.
    pub portal: Server,
    /// Admin listener.
    pub admin: Server,
    /// Sign-in listener.
    pub sign_in: Option<Server>,
}

impl Servers {
    /// By which each of them can be stopped.
    #[must_use]
    pub fn handles(&self) -> Vec<ServerHandle> {
        let always = [&self.api, &self.portal, &self.admin];
        always.into_iter().chain(&self.sign_in).map(Server::handle).collect()
    }

    /// Serves until all of them are stopped, or one fails.
    ///
    /// # Errors
    /// That of the one that failed.
    pub async fn serve(self) -> io::Result<()> {
        let sign_in = async {
            match self.sign_in {
                Some(server) => server.await,
                None => Ok(()),
            }
        };
        tokio::try_join!(self.api, self.portal, self.admin, sign_in).map(drop)
    }
}

/// Starts all listeners.
///
/// # Errors
/// When the TLS configuration is refused or a socket cannot be used.
pub fn start(
    sockets: Sockets,
    api: Data<Api>,
    portal_tls: &Arc<Reloadable>,
    metrics: &PrometheusHandle,
    workers: usize,
) -> io::Result<Servers> {
    let clock = api.gateway.clock.clone();
    let sign_in = sockets.sign_in.map(|socket| start_sign_in(socket, api.clone(), &clock));
    Ok(Servers {
        sign_in: sign_in.transpose()?,
        admin: start_admin(sockets.admin, api.clone(), metrics)?,
        portal: start_portal(sockets.portal, api.clone(), portal_tls, &clock)?,
        api: start_api(sockets.api, api, &clock, workers)?,
    })
}

fn start_api(
    socket: TcpListener,
    api: Data<Api>,
    clock: &Clock,
    workers: usize,
) -> io::Result<Server> {
    let tls = api.tls.server_config(clock).map_err(io::Error::other)?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(api.clone())
            .app_data(strict_paths())
            .wrap(from_fn(edge::around))
            .configure(|config| routes::routes().configure(config))
            .default_service(web::to(router::nowhere))
    })
    .on_connect(on_connect)
    .workers(workers)
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(1))
    .keep_alive(Duration::from_secs(75))
    .max_connections(10_000)
    .shutdown_timeout(10)
    .disable_signals()
    .listen_rustls_0_23(socket, tls)?;
    Ok(server.run())
}

/// A path or query that does not read never repeats what was sent.
fn strict_paths() -> web::PathConfig {
    web::PathConfig::default().error_handler(|_, _| Problem::NotFound.into())
}

fn start_portal(
    socket: TcpListener,
    api: Data<Api>,
    tls: &Arc<Reloadable>,
    clock: &Clock,
) -> io::Result<Server> {
    let description = web::Bytes::from(openapi::document().to_string());
    let tls = tls.server_config(clock).map_err(io::Error::other)?;
    let server = HttpServer::new(move || {
        let description = description.clone();
        let serve = move || {
            let body = description.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .insert_header(("Access-Control-Allow-Origin", "*"))
                    .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
                    .body(body)
            }
        };
        App::new()
            .app_data(api.clone())
            .app_data(strict_paths())
            .wrap(from_fn(portal::edge::around))
            .route("/v1/openapi.json", web::get().to(serve))
            .configure(|config| portal::routes::routes().configure(config))
            .default_service(web::to(router::nowhere))
    })
    .on_connect(on_connect)
    .workers(1)
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(1))
    .keep_alive(Duration::from_secs(75))
    .max_connections(10_000)
    .shutdown_timeout(10)
    .disable_signals()
    .listen_rustls_0_23(socket, tls)?;
    Ok(server.run())
}

/// What serves where people show a certificate: it asks for one, and tells who shows none what to do.
fn start_sign_in(socket: TcpListener, api: Data<Api>, clock: &Clock) -> io::Result<Server> {
    let tls = api.tls.asking_config(clock).map_err(io::Error::other)?;
    let (judge, clock) = (Arc::clone(&api.tls), clock.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(api.clone())
            .app_data(Data::new(OnlySignIn))
            .app_data(strict_paths())
            .wrap(from_fn(portal::edge::around))
            .configure(|config| portal::routes::sign_in_routes().configure(config))
            .default_service(web::to(router::nowhere))
    })
    .on_connect(move |connection, extensions| {
        on_connect_asked(connection, extensions, &judge, clock.now());
    })
    .workers(1)
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(1))
    // Each answer closes its connection: there are few at once.
    .max_connections(1_000)
    .shutdown_timeout(10)
    .disable_signals()
    .listen_rustls_0_23(socket, tls)?;
    Ok(server.run())
}

fn start_admin(
    socket: TcpListener,
    api: Data<Api>,
    metrics: &PrometheusHandle,
) -> io::Result<Server> {
    let metrics = Data::new(metrics.clone());
    let server = HttpServer::new(move || {
        App::new().app_data(api.clone()).app_data(metrics.clone()).configure(admin::configure)
    })
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(socket)?;
    Ok(server.run())
}
