//! What a browser carries from one page to the next, in cookies that hold nothing of a person: what was done just now,
//! and where somebody was when they had to sign in.

use crate::domain::partner::Role;
use crate::domain::words::words;
use crate::portal::edge::{cookie, see_other};
use crate::portal::page::root;
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// The cookie of what was done.
const DONE: &str = "__Host-gedaan";
/// The cookie of where somebody was.
const BACK: &str = "__Host-terug";
/// The longest path that is gone back to.
const LONGEST: usize = 120;

words! {
    /// What was done just now, as the next page says it.
    Done {
        /// A case has a coordinator.
        Assigned = "assigned",
        /// A case is a step further.
        Moved = "moved",
        /// A decision about consent is kept.
        Decided = "decided",
        /// A family was introduced to a support family.
        Introduced = "introduced",
        /// A pairing is a step further.
        PairingMoved = "pairing-moved",
        /// An evaluation is kept.
        Evaluated = "evaluated",
        /// A request to see is kept.
        Requested = "requested",
        /// The family is not counted in later figures.
        Objected = "objected",
        /// A case is erased.
        Erased = "erased",
        /// Who a family is, or how it is reached, was put right.
        Corrected = "corrected",
        /// A goal of a plan has another status.
        GoalChanged = "goal-changed",
        /// Two cases are linked, or kept apart.
        LinkDecided = "link-decided",
        /// A referral is taken back.
        Withdrawn = "withdrawn",
        /// The counts of a programme are received.
        Reported = "reported",
        /// A support family is registered.
        Registered = "registered",
        /// A support family is a step further.
        SupportMoved = "support-moved",
        /// A message is tried again.
        Retried = "retried",
        /// Names are off the screen.
        Hidden = "hidden",
        /// Nothing: the form opened names before, and does so once.
        Spent = "spent",
        /// Nothing: it was sent after the time was over.
        Lost = "lost",
        /// Nobody is signed in here any more.
        SignedOut = "signed-out",
    }
}

/// Leads to the page that says what was done.
#[must_use]
pub fn done(path: &str, done: Done) -> HttpResponse {
    let mut response = see_other(path);
    let cookie =
        format!("{DONE}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=60", done.as_str());
    put(response.headers_mut(), &cookie);
    response
}

/// What was done just now, of a request.
pub(super) fn told(headers: &HeaderMap) -> Option<Done> {
    cookie(headers, DONE).and_then(|code| Done::parse(&code).ok())
}

/// Has the browser forget what was done: the page that it answers said so.
pub(super) fn forget(headers: &mut HeaderMap) {
    put(headers, &format!("{DONE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
}

/// Keeps where somebody was, for a quarter of an hour. A path that no page of a role has is not kept.
pub(super) fn remember(headers: &mut HeaderMap, path: &str) {
    if is_ours(path) {
        put(
            headers,
            &format!("{BACK}={path}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=900"),
        );
    }
}

/// Leads to where somebody was, if that is a page of a role of theirs, or to `home`; once.
pub(super) fn lead_back(headers: &HeaderMap, roles: &[Role], home: &str) -> HttpResponse {
    let kept = cookie(headers, BACK).filter(|path| is_ours(path));
    let own = |path: &String| roles.iter().any(|role| is_under(path, root(*role)));
    let mut response = see_other(kept.filter(own).as_deref().unwrap_or(home));
    leave_nothing(response.headers_mut());
    response
}

/// Has the browser forget where somebody was.
pub(super) fn leave_nothing(headers: &mut HeaderMap) {
    put(headers, &format!("{BACK}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"));
}

fn is_under(path: &str, root: &str) -> bool {
    root.len() > 1
        && path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one of a page: nothing but letters, digits and hyphens between single slashes, below a role's root.
fn is_ours(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    path.len() <= LONGEST
        && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
        && Role::ALL.iter().any(|role| is_under(path, root(*role)))
}

fn put(headers: &mut HeaderMap, cookie: &str) {
    // Only words of ours and paths of letters, digits and hyphens are put: no other value can be made of them.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(kept: &str, roles: &[Role]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&format!("{BACK}={kept}")).unwrap());
        let response = lead_back(&headers, roles, "/thuis");
        response.headers().get(header::LOCATION).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn one_is_led_back_to_a_page_of_ones_own_role_and_nowhere_else() {
        let case = "/coordinator/zaak/01a21f00-c1c2-75b0-82d7-604899a1a35b";
        assert_eq!(leads(case, &[Role::Coordinator]), case);
        assert_eq!(leads("/coordinator", &[Role::Referrer, Role::Coordinator]), "/coordinator");
        for other in [
            "//elders.example",
            "/\\elders.example",
            "https://elders.example",
            "/coordinator//x",
            "/coordinator/..",
            "/",
            "",
            "/coordinatorx",
            "/inloggen",
            "/coordinator/zaak?x=1",
            "/verwijzer",
        ] {
            assert_eq!(leads(other, &[Role::Coordinator]), "/thuis", "{other}");
        }
        assert_eq!(leads(case, &[Role::Municipality]), "/thuis");
        assert_eq!(leads(case, &[Role::DataSubject]), "/thuis");
    }

    #[test]
    fn what_was_done_is_told_by_a_word_of_ours() {
        let answer = done("/coordinator", Done::Moved);
        let cookie = answer.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap();
        assert!(cookie.starts_with("__Host-gedaan=moved; "), "{cookie}");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("__Host-gedaan=moved"));
        assert_eq!(told(&headers), Some(Done::Moved));
        headers.insert(header::COOKIE, HeaderValue::from_static("__Host-gedaan=U wint een prijs"));
        assert_eq!(told(&headers), None);
    }
}
