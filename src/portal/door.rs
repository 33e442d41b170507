//! The door of the portal: how often strangers may knock, and ways back from a provider that were gone once.

use crate::config::Config;
use crate::http::limits::Buckets;
use crate::ids::PartnerId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Ways back that are remembered at most; each for ten minutes.
const MOST: usize = 100_000;

/// For what somebody is at the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Knock {
    /// A page that anybody may see.
    Page,
    /// To sign in, or back from where one did.
    SignIn,
    /// Anything of the sign-in listener.
    Card,
}

/// What the portal keeps beside sessions.
#[derive(Debug)]
pub struct Door {
    /// Scheme, host and port by which browsers know the portal; without it nobody signs in by a provider.
    pub origin: Option<String>,
    /// The same of the sign-in listener; without it nobody signs in with a certificate.
    pub sign_in_origin: Option<String>,
    /// Addresses of the listeners, for who runs the gateway: API, portal, admin, sign-in where there is one.
    pub listeners: Vec<SocketAddr>,
    /// Where the certificate of the listeners is.
    pub certificate: PathBuf,
    /// Whether links sign people in: in a demo, and nowhere else.
    links: AtomicBool,
    strangers: Buckets<u128>,
    sign_ins: Buckets<u128>,
    cards: Buckets<u128>,
    gone: Mutex<HashMap<String, i64>>,
    seen: Mutex<HashMap<(PartnerId, [u8; 32]), Timestamp>>,
}

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl Door {
    /// Has links sign people in from here on: for a demo.
    pub fn take_links(&self) {
        self.links.store(true, Ordering::Relaxed);
    }

    /// Whether links sign people in here.
    #[must_use]
    pub fn takes_links(&self) -> bool {
        self.links.load(Ordering::Relaxed)
    }

    /// A door at an origin.
    #[must_use]
    pub fn at(origin: Option<String>) -> Self {
        Self {
            origin,
            sign_in_origin: None,
            listeners: Vec::new(),
            certificate: PathBuf::new(),
            links: AtomicBool::new(false),
            strangers: Buckets::with_burst(number(20), number(200)),
            // A whole office behind one address begins its day.
            sign_ins: Buckets::with_burst(number(5), number(60)),
            cards: Buckets::with_burst(number(5), number(60)),
            gone: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// The door of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let listen = &config.listen;
        Self {
            sign_in_origin: config.portal.sign_in_origin.clone(),
            listeners: [listen.api, listen.portal, listen.admin]
                .into_iter()
                .chain(listen.sign_in)
                .collect(),
            certificate: config.tls.certificate.clone(),
            ..Self::at(config.portal.origin.clone())
        }
    }

    /// Lets a request of nobody in particular in.
    ///
    /// # Errors
    /// Seconds to wait.
    pub fn knock(&self, from: IpAddr, at: Knock) -> Result<(), u64> {
        // Who has one address of IPv6 has the 2^64 beside it.
        let whose = match from {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
        };
        let bucket = match at {
            Knock::Page => &self.strangers,
            Knock::SignIn => &self.sign_ins,
            Knock::Card => &self.cards,
        };
        bucket.take(whose)
    }

    /// Keeps until when a certificate is valid that a partner of the register came with, by its key.
    pub fn saw(&self, partner: PartnerId, pin: [u8; 32], until: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((partner, pin), until);
    }

    /// Until when the certificate of a partner's key is valid; nothing where it did not come with it since the start.
    #[must_use]
    pub fn valid_until(&self, partner: PartnerId, pin: &[u8; 32]) -> Option<Timestamp> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(partner, *pin)).copied()
    }

    /// Goes a way back, which can be gone once; whether it was not before.
    pub fn goes(&self, state: &str, until_ms: i64, now_ms: i64) -> bool {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.len() >= MOST {
            gone.retain(|_, until| *until >= now_ms);
        }
        gone.len() < MOST && gone.insert(state.to_owned(), until_ms).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_is_gone_once_and_strangers_wait_by_address() {
        let door = Door::at(None);
        assert!(door.goes("a", 10, 0) && !door.goes("a", 10, 0) && door.goes("b", 10, 0));
        let from = |text: &str| text.parse().unwrap();
        let refused =
            (0..300).filter(|_| door.knock(from("2001:db8::1"), Knock::Page).is_err()).count();
        assert!(refused > 50, "{refused}");
        assert!(door.knock(from("2001:db8::ffff"), Knock::Page).is_err(), "the same network");
        assert!(door.knock(from("2001:db8:1::1"), Knock::Page).is_ok(), "control: another");
        assert!(
            (0..100).filter(|_| door.knock(from("192.0.2.1"), Knock::SignIn).is_err()).count() > 20
        );
    }
}
