//! Rules for the data about a person: what a telephone number, an e-mail address, a postcode, a name
//! or a line of free text may look like.
//!
//! The rules say yes or no and keep nothing: a value that passes is sealed by its group
//! ([`crate::domain::identity`]), a value that does not is refused by the name of its rule.

/// A rule that a value broke. Says what is allowed, never what was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PersonRule {
    /// Not an E.164 telephone number.
    #[error("must be a telephone number in E.164 form: + and 8 to 15 digits")]
    Phone,
    /// Not an e-mail address.
    #[error("must be an e-mail address of at most 254 characters")]
    Email,
    /// Not a Dutch postcode.
    #[error("must be a postcode: four digits, not starting with 0, and two capitals")]
    Postcode,
    /// Longer than allowed, or empty.
    #[error("must hold at least one character and no more than the field allows")]
    Length,
    /// Control, bidirectional or invisible characters.
    #[error("must not hold control, bidirectional or invisible characters")]
    Characters,
    /// Not a language tag.
    #[error("must be a language tag such as nl, ar or pl-PL")]
    Language,
    /// Not a label within the message.
    #[error("must be a label of 1 to 32 letters, digits, hyphens and underscores")]
    Label,
}

/// # Errors
/// [`PersonRule::Phone`] unless `+` and 8-15 digits, the first not 0.
pub fn phone(text: &str) -> Result<(), PersonRule> {
    let digits = text.strip_prefix('+').ok_or(PersonRule::Phone)?;
    let ok = (8..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    rule(ok, PersonRule::Phone)
}

/// # Errors
/// [`PersonRule::Email`] unless one `@` between a local part and a host with a dot.
pub fn email(text: &str) -> Result<(), PersonRule> {
    let (local, host) = text.split_once('@').ok_or(PersonRule::Email)?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '@' && !is_invisible(c);
    let ok = text.len() <= 254
        && (1..=64).contains(&local.len())
        && text.chars().filter(|c| *c != '@').all(plain)
        && !host.contains('@')
        && host.split('.').count() >= 2
        && host.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    rule(ok, PersonRule::Email)
}

/// # Errors
/// [`PersonRule::Postcode`] unless `1234AB`, with or without one space.
pub fn postcode(text: &str) -> Result<(), PersonRule> {
    let packed: String = text.chars().filter(|c| *c != ' ').collect();
    let mut bytes = packed.bytes();
    let digits = bytes.by_ref().take(4).filter(u8::is_ascii_digit).count() == 4;
    let letters = bytes.by_ref().take(2).filter(u8::is_ascii_uppercase).count() == 2;
    let one_space = text.chars().filter(|c| *c == ' ').count() <= 1;
    let ok = digits && letters && bytes.next().is_none() && !packed.starts_with('0') && one_space;
    rule(ok, PersonRule::Postcode)
}

/// One line of text: a name, a street, a function.
///
/// # Errors
/// [`PersonRule::Length`] when empty or over `max` characters, [`PersonRule::Characters`] for what
/// could hide or disguise text.
pub fn line(text: &str, max: usize) -> Result<(), PersonRule> {
    rule(!text.trim().is_empty() && text.chars().count() <= max, PersonRule::Length)?;
    rule(!text.chars().any(|c| c.is_control() || is_invisible(c)), PersonRule::Characters)
}

/// Text of several lines, such as a request in the family's own words. May be empty.
///
/// # Errors
/// As [`line()`], but line breaks are welcome.
pub fn prose(text: &str, max: usize) -> Result<(), PersonRule> {
    rule(text.chars().count() <= max, PersonRule::Length)?;
    let bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || is_invisible(c);
    rule(!text.chars().any(bad), PersonRule::Characters)
}

/// # Errors
/// [`PersonRule::Language`] unless a BCP 47 tag of a language and optional subtags.
pub fn language(text: &str) -> Result<(), PersonRule> {
    let mut parts = text.split('-');
    let primary = parts.next().unwrap_or_default();
    let ok = (2..=3).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_lowercase())
        && parts
            .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && text.len() <= 16;
    rule(ok, PersonRule::Language)
}

/// The sender's own label for a subject or signer, such as `parent1`: never a name.
///
/// # Errors
/// [`PersonRule::Label`] for other characters or lengths.
pub fn label(text: &str) -> Result<(), PersonRule> {
    let ok = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    rule(ok, PersonRule::Label)
}

/// Characters that change how text looks without being seen: bidirectional controls, zero-width
/// characters, the byte order mark, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' | '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{E0000}'..='\u{E007F}')
}

fn rule(holds: bool, rule: PersonRule) -> Result<(), PersonRule> {
    if holds { Ok(()) } else { Err(rule) }
}

/// What free text seems to hold that belongs in another field. Warned about, not refused.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Hint {
    /// Something like an e-mail address.
    Email,
    /// A name that a subject of the same message bears.
    Name,
    /// Something like a telephone number.
    Phone,
    /// Something like a postcode.
    Postcode,
}

impl Hint {
    /// The code in the reply.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Email => "text-holds-email",
            Self::Name => "text-holds-name",
            Self::Phone => "text-holds-phone",
            Self::Postcode => "text-holds-postcode",
        }
    }
}

/// What `text` seems to hold that it should not; `names` are those of the subjects of the message.
#[must_use]
pub fn hints(text: &str, names: &[&str]) -> Vec<Hint> {
    let lower = text.to_lowercase();
    let mut found = Vec::new();
    if text.split_whitespace().any(|word| word.contains('@') && word.contains('.')) {
        found.push(Hint::Email);
    }
    let bears = |name: &&str| name.chars().count() >= 3 && holds_word(&lower, &name.to_lowercase());
    if names.iter().any(bears) {
        found.push(Hint::Name);
    }
    if longest_number(text) >= 8 {
        found.push(Hint::Phone);
    }
    if holds_postcode(text) {
        found.push(Hint::Postcode);
    }
    found
}

fn holds_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part == word)
}

/// Digits in the longest run that only spaces and hyphens interrupt.
fn longest_number(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '-' | '+'))
        .map(|run| run.chars().filter(char::is_ascii_digit).count())
        .max()
        .unwrap_or(0)
}

fn holds_postcode(text: &str) -> bool {
    let chars: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    chars.windows(6).any(|w| {
        w.iter().take(4).all(char::is_ascii_digit) && w.iter().skip(4).all(char::is_ascii_uppercase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_e164() {
        assert_eq!(phone("+31612345678"), Ok(()));
        for bad in ["0612345678", "+0612345678", "+31 612345678", "+31", "", "+316123456789012345"]
        {
            assert_eq!(phone(bad), Err(PersonRule::Phone));
        }
    }

    #[test]
    fn mail_addresses_have_a_host() {
        assert_eq!(email("gezin@example.nl"), Ok(()));
        for bad in ["gezin", "@example.nl", "a@b", "a b@example.nl", "a@b@c.nl", "a@.nl"] {
            assert_eq!(email(bad), Err(PersonRule::Email));
        }
    }

    #[test]
    fn postcodes_are_dutch() {
        assert_eq!(postcode("6512AB"), Ok(()));
        assert_eq!(postcode("6512 AB"), Ok(()));
        for bad in ["0512AB", "6512ab", "6512A", "6512ABC", "65 12 AB", ""] {
            assert_eq!(postcode(bad), Err(PersonRule::Postcode));
        }
    }

    #[test]
    fn hidden_characters_are_refused_and_diacritics_are_not() {
        assert_eq!(line("Wïllemijn d'Été", 40), Ok(()));
        assert_eq!(line("a\u{202E}b", 40), Err(PersonRule::Characters));
        assert_eq!(line("a\u{0}b", 40), Err(PersonRule::Characters));
        assert_eq!(line("   ", 40), Err(PersonRule::Length));
        assert_eq!(prose("a\nb", 40), Ok(()));
        assert_eq!(line("a\nb", 40), Err(PersonRule::Characters));
        assert_eq!(line(&"é".repeat(41), 40), Err(PersonRule::Length));
    }

    #[test]
    fn hints_find_what_belongs_elsewhere_and_leave_plain_text_alone() {
        assert_eq!(hints("wil graag een middag rust per week", &["Sem"]), []);
        assert_eq!(hints("de moeder van Sem, 6512 AB", &["Sem"]), [Hint::Name, Hint::Postcode]);
        assert_eq!(hints("bel 024-329 9111 of a@b.nl", &[]), [Hint::Email, Hint::Phone]);
        assert_eq!(hints("Semmelweis", &["Sem"]), []);
    }
}
