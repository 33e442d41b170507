//! The admin listener: `/live`, `/ready`, `/metrics`, on the loopback address only.

use crate::http::Api;
use crate::store::health::State;
use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use metrics_exporter_prometheus::PrometheusHandle;

/// Registers the three routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/live", web::get().to(live))
        .route("/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("live\n")
}

/// Ready when the database answers, the ledger can be written and the revocation list still holds.
async fn ready(api: Data<Api>) -> HttpResponse {
    let now = api.gateway.clock.now();
    let lists = api.tls.revocations_expire_at().is_some_and(|until| until > now);
    let ledger = api.gateway.store.writer.health().state() != State::Sealed;
    if lists && ledger && api.gateway.store.pool.ping().await.is_ok() {
        HttpResponse::Ok().content_type("text/plain").body("ready\n")
    } else {
        HttpResponse::ServiceUnavailable().content_type("text/plain").body("not ready\n")
    }
}

async fn metrics(handle: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(handle.render())
}
