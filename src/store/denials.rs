//! Denials are written one by one up to a number, then counted: nobody fills the disk by being refused.
//!
//! The writer asks for every entry that says no. An actor is a certificate and the person behind it; what
//! it is refused beyond [`EACH`] in a minute becomes one entry with the count, written by the keeper of the
//! ledger when the minute is over.
//!
//! # Invariant
//! Every denial is in the ledger, by itself or in a count. Until the minute is over the count lives in this
//! process only: a crash loses at most a minute of counts, never one of the first [`EACH`].

use crate::audit::entry::{Actor, Code, Entry, Event, Outcome};
use jiff::Timestamp;
use std::collections::HashMap;

/// Denials of one actor written by themselves in one minute.
pub const EACH: u64 = 20;
/// Actors told apart in one minute; all others count as one.
const ACTORS: usize = 4_096;

type Key = ([u8; 32], Code);

#[derive(Debug)]
struct Count {
    seen: u64,
    /// The actor of the first denial that was only counted.
    actor: Option<Actor>,
}

/// The denials of the minute at hand.
#[derive(Debug, Default)]
pub struct Denials {
    minute: i64,
    counts: HashMap<Key, Count>,
    /// Summaries of minutes that are over.
    over: Vec<Entry>,
}

impl Denials {
    /// Counts one denial at `at`; whether it is written by itself.
    pub fn count(&mut self, actor: &Actor, at: Timestamp) -> bool {
        self.turn(at);
        let mut key = (actor.certificate.unwrap_or_default(), actor.subject.clone());
        if self.counts.len() >= ACTORS && !self.counts.contains_key(&key) {
            key = Key::default();
        }
        let count = self.counts.entry(key).or_insert(Count { seen: 0, actor: None });
        count.seen += 1;
        if count.seen > EACH && count.actor.is_none() {
            count.actor = Some(actor.clone());
        }
        count.seen <= EACH
    }

    /// Takes the summaries of all minutes before that of `at`.
    pub fn take(&mut self, at: Timestamp) -> Vec<Entry> {
        self.turn(at);
        std::mem::take(&mut self.over)
    }

    /// Takes everything, also of the minute at hand: the process ends.
    pub fn take_all(&mut self) -> Vec<Entry> {
        self.close();
        std::mem::take(&mut self.over)
    }

    fn turn(&mut self, at: Timestamp) {
        let minute = at.as_second().div_euclid(60);
        if minute > self.minute {
            self.close();
            self.minute = minute;
        }
    }

    fn close(&mut self) {
        let minute = self.minute;
        let summed = self.counts.drain().filter_map(|(_, count)| summary(count, minute));
        self.over.extend(summed);
    }
}

fn summary(count: Count, minute: i64) -> Option<Entry> {
    let more = count.seen.checked_sub(EACH).filter(|more| *more > 0)?;
    let mut entry = Entry::new(Event::AccessDeniedMore, Outcome::Deny);
    // One token of many would mislead.
    entry.actor = Actor { token: None, ..count.actor? };
    let field = |text: String| Code::parse(&text).unwrap_or_default();
    entry.fields = vec![field(format!("count:{more}")), field(format!("minute:{minute}"))];
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(certificate: u8, subject: &str) -> Actor {
        Actor {
            certificate: Some([certificate; 32]),
            subject: Code::parse(subject).unwrap(),
            token: Some([9; 32]),
            ..Actor::default()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fields(entry: &Entry) -> Vec<&str> {
        entry.fields.iter().map(Code::as_str).collect()
    }

    #[test]
    fn the_first_twenty_by_themselves_then_one_count() {
        let mut denials = Denials::default();
        let alone = (0..1_000).filter(|_| denials.count(&actor(1, "a"), at(61))).count();
        assert_eq!(alone, 20);
        assert!(denials.take(at(119)).is_empty(), "the minute is not over");
        let over = denials.take(at(120));
        assert_eq!(over.len(), 1);
        assert_eq!(fields(&over[0]), ["count:980", "minute:1"]);
        assert_eq!((over[0].event, over[0].outcome), (Event::AccessDeniedMore, Outcome::Deny));
        assert_eq!(over[0].actor.token, None);
        assert!(denials.take(at(121)).is_empty(), "taken once");
        assert!(denials.count(&actor(1, "a"), at(121)), "a new minute begins anew");
    }

    #[test]
    fn exactly_twenty_make_no_count_and_one_more_does() {
        for (seen, summaries) in [(19, 0), (20, 0), (21, 1)] {
            let mut denials = Denials::default();
            for _ in 0..seen {
                denials.count(&actor(1, "a"), at(0));
            }
            assert_eq!(denials.take_all().len(), summaries, "{seen}");
        }
    }

    #[test]
    fn actors_do_not_share_their_twenty() {
        let mut denials = Denials::default();
        for _ in 0..30 {
            denials.count(&actor(1, "a"), at(0));
        }
        assert!(denials.count(&actor(1, "b"), at(0)), "another person");
        assert!(denials.count(&actor(2, "a"), at(0)), "another certificate");
        assert!(!denials.count(&actor(1, "a"), at(0)));
    }

    #[test]
    fn aud_18_a_million_denials_of_made_up_people_stay_small() {
        let mut denials = Denials::default();
        let mut alone: u64 = 0;
        let total: u64 = 1_000_000;
        for n in 0..total {
            alone += u64::from(denials.count(&actor(1, &format!("p{}", n % 50_000)), at(0)));
        }
        let over = denials.take_all();
        let counted: u64 = over
            .iter()
            .filter_map(|entry| fields(entry)[0].strip_prefix("count:")?.parse::<u64>().ok())
            .sum();
        assert_eq!(alone + counted, total, "each is written or counted");
        assert!(over.len() <= ACTORS + 1, "{}", over.len());
    }

    #[test]
    fn a_clock_that_runs_back_opens_no_new_minute() {
        let mut denials = Denials::default();
        for _ in 0..25 {
            denials.count(&actor(1, "a"), at(600));
        }
        assert!(!denials.count(&actor(1, "a"), at(1)));
        assert_eq!(denials.take(at(660)).len(), 1);
    }
}
