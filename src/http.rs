//! Floor 4: the API listener: wire shapes, handlers, problems.
//!
//! One folder a resource, one file a verb; an endpoint file holds the wire shapes, the handler and its
//! description, nothing else. HTTP types stop here.
//!
//! # Invariants
//! * A route takes only handlers whose first argument is [`Allowed`](crate::policy::Allowed) (see
//!   [`router`]); the few public ones are registered through a door of another name.
//! * No answer repeats what was sent ([`problem`], [`wire`]).
//! * Certificate, pin, revocation and partner are looked at on every request, not once a connection
//!   ([`edge`]).

use crate::flow::Gateway;
use crate::http::limits::Limits;
use crate::http::token::Verifier;
use crate::portal::door::Door;
use crate::tls::acceptor::Reloadable;
use std::sync::Arc;

pub mod admin;
mod allowed;
pub mod audit;
pub mod body;
pub mod cases;
pub mod consent;
pub mod deliveries;
pub mod edge;
pub mod limits;
pub mod oauth;
pub mod openapi;
pub(crate) mod page;
pub mod pairings;
pub mod problem;
pub mod progress;
pub mod receiver;
pub mod referrals;
pub(crate) mod reply;
pub mod reports;
pub mod router;
pub mod routes;
pub mod server;
pub mod statistics;
pub mod support_families;
pub mod token;
pub mod tree;
pub mod wire;

/// What the API listener works with.
pub struct Api {
    /// The verbs.
    pub gateway: Arc<Gateway>,
    /// Certificates and revocation.
    pub tls: Arc<Reloadable>,
    /// Tokens.
    pub tokens: Verifier,
    /// How much a partner may ask.
    pub limits: Limits,
    /// What the portal keeps beside sessions.
    pub door: Door,
}
