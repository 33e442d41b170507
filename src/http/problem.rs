//! Everything a caller can be told went wrong: one variant, one `type`, one status.
//!
//! The table is `Problem::row`, an exhaustive match: a new variant cannot be forgotten. Each `type`
//! has its paragraph in `docs/problems.md`. A problem names rules, codes and the caller's own labels;
//! it never repeats a value, and where existence is a secret it is the same bytes for "not yours" and
//! "not there": `instance` is the route, not the path.

use crate::flow::FlowError;
use crate::http::wire::FieldError;
use crate::store::StoreError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

/// Where the `type` of a problem points.
pub const TYPE_BASE: &str = "https://buurtpoort.example.nl/docs/problems.md#";

/// What went wrong, as the caller may know it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The ledger cannot be written, so nothing is released.
    #[error("the ledger cannot be written")]
    AuditUnavailable,
    /// The body did not arrive in time.
    #[error("the body took too long")]
    BodyTimeout,
    /// Too much is waiting.
    #[error("too much is waiting")]
    Busy,
    /// Consent does not suffice.
    #[error("consent does not suffice")]
    ConsentRefused {
        /// Codes of all reasons, in order.
        reasons: Vec<&'static str>,
        /// Who still has to sign, by the caller's own labels.
        missing: Vec<String>,
    },
    /// This role may never do this.
    #[error("this role may not do this")]
    Forbidden,
    /// A fault of ours.
    #[error("something went wrong on our side")]
    Internal,
    /// The request breaks rules.
    #[error("the request breaks rules")]
    Invalid(Vec<FieldError>),
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The route has no such method.
    #[error("the method is not allowed here")]
    MethodNotAllowed(String),
    /// Nothing acceptable can be served.
    #[error("no acceptable form")]
    NotAcceptable,
    /// Not there, or not the caller's.
    #[error("not found")]
    NotFound,
    /// Not a partner, or not one that takes part.
    #[error("the certificate is not of an active partner")]
    PartnerUnknown,
    /// The caller's copy is stale.
    #[error("the resource has changed")]
    Stale,
    /// Space runs out, and nothing new is taken in.
    #[error("storage is low")]
    StorageLow,
    /// The state of things does not allow it.
    #[error("the present state does not allow it")]
    StateConflict {
        /// What it does allow.
        allowed: Vec<&'static str>,
    },
    /// More than 64 KiB.
    #[error("the body is too large")]
    TooLarge,
    /// Too many requests of this partner.
    #[error("too many requests")]
    TooManyRequests(u64),
    /// No token, or one that is not accepted.
    #[error("the token is not accepted")]
    Unauthenticated {
        /// RFC 6750 error code; none where no token was sent.
        error: Option<&'static str>,
    },
    /// Not JSON.
    #[error("the media type is not supported")]
    UnsupportedMediaType,
}

/// Every `type`, by its anchor in `docs/problems.md`.
pub const KINDS: &[&str] = &[
    "audit-unavailable",
    "body-timeout",
    "busy",
    "consent-refused",
    "forbidden",
    "idempotency-key-reused",
    "internal",
    "invalid",
    "method-not-allowed",
    "not-acceptable",
    "not-found",
    "partner-unknown",
    "stale",
    "state-conflict",
    "storage-low",
    "too-large",
    "too-many-requests",
    "unauthenticated",
    "unsupported-media-type",
];

impl Problem {
    /// One rule broken at one place.
    #[must_use]
    pub fn invalid(pointer: &str, code: &'static str, rule: &str) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, rule)])
    }

    /// Status, kind and title: the whole table.
    const fn row(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::AuditUnavailable => {
                (S::SERVICE_UNAVAILABLE, "audit-unavailable", "Ledger unavailable")
            }
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body-timeout", "Body too slow"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::ConsentRefused { .. } => {
                (S::FORBIDDEN, "consent-refused", "Consent does not suffice")
            }
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not for this role"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::Invalid(_) => (S::BAD_REQUEST, "invalid", "Invalid request"),
            Self::KeyReused => {
                (S::CONFLICT, "idempotency-key-reused", "Idempotency-Key used before")
            }
            Self::MethodNotAllowed(_) => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::NotAcceptable => (S::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::PartnerUnknown => (S::FORBIDDEN, "partner-unknown", "Not an active partner"),
            Self::Stale => (S::PRECONDITION_FAILED, "stale", "Resource has changed"),
            Self::StateConflict { .. } => (S::CONFLICT, "state-conflict", "Not in this state"),
            Self::StorageLow => (S::INSUFFICIENT_STORAGE, "storage-low", "Storage low"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "Body too large"),
            Self::TooManyRequests(_) => {
                (S::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            Self::Unauthenticated { .. } => {
                (S::UNAUTHORIZED, "unauthenticated", "Not authenticated")
            }
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
        }
    }

    /// What the caller can do about it.
    const fn detail(&self) -> &'static str {
        match self {
            Self::AuditUnavailable => {
                "Nothing is released or accepted while the ledger cannot be written. Try again later."
            }
            Self::BodyTimeout => "The body must arrive within ten seconds.",
            Self::Busy => "Too many requests are waiting. Try again later.",
            Self::ConsentRefused { .. } => "The reasons are listed. Nothing was kept or released.",
            Self::Forbidden => "The role of this token may never do this.",
            Self::Internal => {
                "Something went wrong on our side. Quote the Request-Id header when asking about it."
            }
            Self::Invalid(_) => "The errors are listed by JSON pointer and rule.",
            Self::KeyReused => "The key was used for a request with another body. Use a new key.",
            Self::MethodNotAllowed(_) => "The Allow header lists the methods of this resource.",
            Self::NotAcceptable => "This resource is served as application/json.",
            Self::NotFound => "There is no such resource, or it is not yours.",
            Self::PartnerUnknown => "The certificate is not registered for an active partner.",
            Self::Stale => "The resource has another version than If-Match names. Read it again.",
            Self::StateConflict { .. } => "The present state does not allow this.",
            Self::StorageLow => {
                "Nothing new is accepted while storage is low; what is there can be read. Try again later."
            }
            Self::TooLarge => "A body may have 64 KiB at most.",
            Self::TooManyRequests(_) => "Wait for the number of seconds in Retry-After.",
            Self::Unauthenticated { .. } => {
                "A valid access token bound to this connection's certificate is required."
            }
            Self::UnsupportedMediaType => "Send application/json, uncompressed.",
        }
    }

    /// Anchor of its `type`, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.row().1
    }

    /// The answer, as given on the route `instance` (a template, never a path).
    #[must_use]
    pub fn response(&self, instance: &str) -> HttpResponse {
        let (status, kind, title) = self.row();
        let mut body = json!({
            "type": format!("{TYPE_BASE}{kind}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail(),
            "instance": instance,
        });
        if let Some(fields) = body.as_object_mut() {
            self.extend(fields);
        }
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        if let Some((name, value)) = self.header() {
            response.insert_header((name, value));
        }
        response.body(body.to_string())
    }

    fn extend(&self, body: &mut serde_json::Map<String, Value>) {
        match self {
            Self::Invalid(errors) => {
                let error = |e: &FieldError| json!({"pointer": e.pointer, "code": e.code, "detail": e.detail});
                body.insert("errors".to_owned(), errors.iter().map(error).collect());
            }
            Self::ConsentRefused { reasons, missing } => {
                body.insert("reasons".to_owned(), json!(reasons));
                body.insert("missing".to_owned(), json!(missing));
            }
            Self::StateConflict { allowed } => {
                body.insert("allowed".to_owned(), json!(allowed));
            }
            _ => {}
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthenticated { error } => {
                let challenge = match *error {
                    None => HeaderValue::from_static("Bearer realm=\"buurtpoort\""),
                    Some("invalid_request") => HeaderValue::from_static(
                        "Bearer realm=\"buurtpoort\", error=\"invalid_request\"",
                    ),
                    Some(_) => HeaderValue::from_static(
                        "Bearer realm=\"buurtpoort\", error=\"invalid_token\"",
                    ),
                };
                Some((header::WWW_AUTHENTICATE, challenge))
            }
            Self::TooManyRequests(seconds) => {
                Some((header::RETRY_AFTER, HeaderValue::from(*seconds)))
            }
            Self::AuditUnavailable | Self::Busy | Self::StorageLow => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("5")))
            }
            Self::MethodNotAllowed(allow) => {
                Some((header::ALLOW, HeaderValue::from_str(allow).ok()?))
            }
            _ => None,
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.row().0
    }

    /// The route is filled in by [`crate::http::edge`], which sees the problem and the request.
    fn error_response(&self) -> HttpResponse {
        self.response("/")
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::NotFound => Self::NotFound,
            FlowError::Consent { reasons, missing } => Self::ConsentRefused {
                reasons: reasons.iter().map(|reason| reason.as_str()).collect(),
                missing: missing.iter().map(|label| label.as_str().to_owned()).collect(),
            },
            FlowError::KeyReused => Self::KeyReused,
            FlowError::State { allowed } => Self::StateConflict { allowed },
            FlowError::Stale => Self::Stale,
            FlowError::Rule { pointer, code, rule } => Self::invalid(pointer, code, rule),
            FlowError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Of a sealed ledger the keeper tells once, not each request.
        if !matches!(error, StoreError::Sealed | StoreError::Low | StoreError::Gone) {
            tracing::error!(error = %error, "store");
        }
        match error {
            StoreError::Unavailable(_) | StoreError::Sealed => Self::AuditUnavailable,
            StoreError::Low => Self::StorageLow,
            StoreError::Busy => Self::Busy,
            StoreError::Gone => Self::NotFound,
            StoreError::Corrupt(_)
            | StoreError::Schema { .. }
            | StoreError::Setting(_)
            | StoreError::InUse
            | StoreError::Constraint => Self::Internal,
        }
    }
}
