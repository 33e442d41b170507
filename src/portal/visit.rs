//! What a page knows of the request it answers: who asks, in which language, with which form.

use crate::flow::session::Session;
use crate::http::problem::Problem;
use crate::policy::Subject;
use crate::portal::form::Sent;
use crate::portal::trail::Done;
use crate::portal::words::Lang;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use std::future::{Ready, ready};
use std::sync::Arc;

/// One request to the portal, as [`crate::portal::edge`] let it in.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Language.
    pub lang: Lang,
    /// Who asks; nobody on pages that anybody may see.
    pub session: Option<Session>,
    /// What every form of ours holds, and no other page can know.
    pub csrf: String,
    /// Makes a form repeatable: the same one sent twice is one request.
    pub once: String,
    /// The form that was sent; empty where none was.
    pub sent: Arc<Sent>,
    /// Whether this answers a form: such a page cannot be asked for again in another language.
    pub posted: bool,
    /// What was done just now.
    pub done: Option<Done>,
    /// Path, without what stood behind it.
    pub path: String,
}

impl Visit {
    /// Dutch or English.
    #[must_use]
    pub fn say<'a>(&self, dutch: &'a str, english: &'a str) -> &'a str {
        self.lang.say(dutch, english)
    }

    /// Who asks.
    #[must_use]
    pub fn subject(&self) -> Option<&Arc<Subject>> {
        self.session.as_ref().map(|session| &session.subject)
    }
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or(Problem::Internal))
    }
}
