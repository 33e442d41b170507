//! Epochs of a log: how their names relate, and how a restore of an older state is owned up to.
//!
//! For the verifier, and for whoever writes the entry that begins an epoch. Invariant: epochs of one log
//! differ in the number at the end of their names, which only grows. Absent: when an epoch begins; that is
//! for `audit acknowledge-restore`.

use super::entry::{Code, Entry, EntryError, Event, Outcome};
use crate::crypto::digest::{hex, unhex};

/// Kind of the object of an entry that begins an epoch.
const KIND: &str = "log";

/// Whether `log` is `current` or an earlier epoch of it.
#[must_use]
pub fn is_epoch_of(log: &str, current: &str) -> bool {
    log == current || follows(current, log)
}

/// Whether `new` is a later epoch of `old`: the same name with a higher number at its end.
#[must_use]
pub fn follows(new: &str, old: &str) -> bool {
    let (Some((stem, number)), Some((old_stem, old_number))) = (parts(new), parts(old)) else {
        return false;
    };
    stem == old_stem && number > old_number
}

/// The name of the epoch after `log`; `None` where it does not end in a number.
#[must_use]
pub fn next(log: &str) -> Option<String> {
    let (stem, number) = parts(log)?;
    Some(format!("{stem}/{}", number.checked_add(1)?))
}

/// Stem and number; one spelling of each number.
fn parts(log: &str) -> Option<(&str, u32)> {
    let (stem, text) = log.rsplit_once('/')?;
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some((stem, number))
}

/// The head that was lost by a restore, as the first entry of the next epoch embeds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acknowledged {
    /// The epoch it was the head of.
    pub log: String,
    /// Its size, at least that of what the restore brought back.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

impl Acknowledged {
    /// An entry that embeds it; actor and request are still empty.
    ///
    /// # Errors
    /// [`EntryError::Code`] where the name of the log does not fit a ledger text.
    pub fn entry(&self) -> Result<Entry, EntryError> {
        let mut entry = Entry::new(Event::RestoreAcknowledged, Outcome::Allow);
        entry.object.kind = Code::parse(KIND)?;
        entry.fields = [
            format!("log:{}", self.log),
            format!("size:{}", self.size),
            format!("root:{}", hex(&self.root)),
        ]
        .iter()
        .map(|text| Code::parse(text))
        .collect::<Result<_, _>>()?;
        Ok(entry)
    }

    /// Reads it back; `None` from any other entry.
    #[must_use]
    pub fn read(entry: &Entry) -> Option<Self> {
        if (entry.event, entry.outcome) != (Event::RestoreAcknowledged, Outcome::Allow) {
            return None;
        }
        let [log, size, root] = entry.fields.as_slice() else { return None };
        let read = Self {
            log: log.as_str().strip_prefix("log:")?.to_owned(),
            size: size.as_str().strip_prefix("size:")?.parse().ok()?,
            root: unhex(root.as_str().strip_prefix("root:")?)?,
        };
        // One spelling: what is written again is what was read.
        let again = read.entry().ok()?;
        (again.fields == entry.fields && again.object == entry.object).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_epochs() {
        assert!(follows("a.example/audit/2", "a.example/audit/1"));
        assert!(follows("a.example/audit/10", "a.example/audit/9"));
        for (new, old) in
            [("a/1", "a/1"), ("a/1", "a/2"), ("b/2", "a/1"), ("a/02", "a/1"), ("a", "b")]
        {
            assert!(!follows(new, old), "{new} {old}");
        }
        assert!(
            is_epoch_of("log", "log") && is_epoch_of("a/1", "a/3") && !is_epoch_of("a/3", "a/1")
        );
        assert_eq!(next("a.example/audit/9").as_deref(), Some("a.example/audit/10"));
        assert_eq!(next("log"), None);
    }

    #[test]
    fn what_was_lost_is_read_back_in_one_spelling() {
        let lost = Acknowledged { log: "a.example/audit/1".into(), size: 42, root: [0xab; 32] };
        let entry = lost.entry().unwrap();
        assert_eq!(Acknowledged::read(&entry), Some(lost));
        let changed = |change: &dyn Fn(&mut Entry)| {
            let mut entry = entry.clone();
            change(&mut entry);
            Acknowledged::read(&entry)
        };
        assert!(changed(&|_| ()).is_some());
        let code = |text: &str| Code::parse(text).unwrap();
        assert_eq!(changed(&|e| e.outcome = Outcome::Deny), None);
        assert_eq!(changed(&|e| e.event = Event::ConfigChanged), None);
        assert_eq!(changed(&|e| e.object.kind = code("case")), None);
        assert_eq!(changed(&|e| e.fields[1] = code("size:042")), None);
        assert_eq!(changed(&|e| e.fields[2] = code(&format!("root:{}", "AB".repeat(32)))), None);
        assert_eq!(changed(&|e| drop(e.fields.pop())), None);
    }
}
