//! Whether two referrals may be about one family: what they have in common, by kind, and how much that weighs.
//!
//! A coordinator is shown the kinds and decides; nothing is merged. What is compared are keyed tags of these
//! features (`crate::crypto`), made when a referral comes in: exact, so that nobody can count how often a name
//! occurs, and made of values written in one way, so that accents, prefixes and capitals do not matter.
//!
//! # Invariants
//! * A feature holds text about a person and is kept only as a keyed hash.
//! * No single feature makes two families `likely` the same.
//!
//! # Not here
//! The key, the rows, and who may ask.

use crate::domain::identity::Secret;
use crate::domain::words::words;
use unicode_normalization::UnicodeNormalization;

words! {
    /// What two families have in common.
    Evidence {
        /// Telephone number.
        Phone = "phone",
        /// E-mail address.
        Email = "e-mail",
        /// Postcode and house number.
        Address = "address",
        /// Surname, first initial and date of birth of a person.
        Person = "name-initial-birth-date",
        /// Surname and date of birth of a person.
        Surname = "name-birth-date",
        /// Surname as it sounds and date of birth of a person.
        Sound = "name-sound-birth-date",
        /// Date of birth and first letter of the surname of a child, within one postcode area.
        ChildNearby = "child-birth-date-nearby",
        /// Dates of birth of two persons.
        BirthDates = "two-birth-dates",
        /// First name and date of birth of a person.
        GivenName = "given-name-birth-date",
    }
}

impl Evidence {
    /// Number of the kind, as it is kept.
    #[must_use]
    pub fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
    }

    /// The kind of a number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    const fn weight(self) -> u32 {
        match self {
            Self::Person => 5,
            Self::Phone | Self::Email | Self::Surname | Self::BirthDates | Self::GivenName => 4,
            Self::Address | Self::ChildNearby => 3,
            Self::Sound => 2,
        }
    }

    /// Whether it says again, less exactly, what another of the same person says: the name.
    const fn is_name(self) -> bool {
        matches!(self, Self::Person | Self::Surname | Self::Sound)
    }
}

words! {
    /// How sure it is that two referrals are about one family.
    Likelihood {
        /// Several independent things agree.
        Likely = "likely",
        /// Something agrees.
        Possible = "possible",
    }
}

words! {
    /// What a coordinator decided about two cases.
    LinkDecision {
        /// They are about one family.
        Linked = "linked",
        /// They are not.
        Apart = "apart",
        /// An earlier decision is taken back.
        Open = "open",
    }
}

/// Weight from which two families are likely the same: two strong kinds.
const LIKELY: u32 = 7;
/// Weight from which they are possibly the same.
const POSSIBLE: u32 = 4;

/// Judges what two families have in common. The same kind counts once, and of the kinds about a name only the
/// strongest.
#[must_use]
pub fn judge(common: &[Evidence]) -> Option<Likelihood> {
    let has = |kind: &Evidence| common.contains(kind);
    let name = Evidence::ALL.iter().filter(|kind| kind.is_name() && has(kind));
    let name = name.map(|kind| kind.weight()).max().unwrap_or_default();
    let rest = Evidence::ALL.iter().filter(|kind| !kind.is_name() && has(kind));
    let weight = name + rest.map(|kind| kind.weight()).sum::<u32>();
    match weight {
        LIKELY.. => Some(Likelihood::Likely),
        POSSIBLE.. => Some(Likelihood::Possible),
        _ => None,
    }
}

/// One person of a referral, as it was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Someone<'a> {
    /// Given names.
    pub given_names: &'a str,
    /// Surname, without its prefix.
    pub surname: &'a str,
    /// Date of birth `YYYY-MM-DD`, where it is known in full.
    pub birth_date: Option<&'a str>,
    /// Whether it is a child.
    pub child: bool,
}

/// How a family is reached, as it was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached<'a> {
    /// Telephone number in E.164.
    pub phone: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
    /// Postcode and house number.
    pub address: Option<(&'a str, &'a str)>,
}

/// One value to compare, written in one way.
#[derive(Debug)]
pub struct Feature {
    /// Of which kind.
    pub kind: Evidence,
    /// The value.
    pub value: Secret,
}

/// Persons that are compared: whoever comes after these adds little.
const PERSONS: usize = 5;

/// Everything by which a family may be known again.
#[must_use]
pub fn features(persons: &[Someone<'_>], reached: Reached<'_>) -> Vec<Feature> {
    let mut all = Vec::new();
    let mut put = |kind, value: String| all.push(Feature { kind, value: Secret::new(value) });
    if let Some(phone) = reached.phone {
        put(Evidence::Phone, phone.to_owned());
    }
    if let Some(email) = reached.email {
        put(Evidence::Email, email.trim().to_lowercase());
    }
    let postcode = reached.address.map(|(postcode, _)| packed(postcode));
    if let (Some(postcode), Some((_, number))) = (&postcode, reached.address) {
        put(Evidence::Address, format!("{postcode} {}", packed(number)));
    }
    let area = postcode.as_ref().and_then(|postcode| postcode.get(..4));
    let known: Vec<_> = persons
        .iter()
        .take(PERSONS)
        .filter_map(|person| Some((person, person.birth_date?)))
        .collect();
    for (at, (person, birth)) in known.iter().enumerate() {
        of_person(&mut put, person, birth, area);
        for (_, other) in known.iter().skip(at + 1) {
            let (first, second) = if birth < other { (birth, other) } else { (other, birth) };
            put(Evidence::BirthDates, format!("{first} {second}"));
        }
    }
    all
}

fn of_person(
    put: &mut impl FnMut(Evidence, String),
    person: &Someone<'_>,
    birth: &str,
    area: Option<&str>,
) {
    let given = letters(person.given_names.split_whitespace().next().unwrap_or_default());
    let initial = given.chars().next().unwrap_or('-');
    for name in names(person.surname) {
        put(Evidence::Person, format!("{name} {initial} {birth}"));
        put(Evidence::Sound, format!("{} {birth}", sound(&name)));
        if let (true, Some(area), Some(first)) = (person.child, area, name.chars().next()) {
            put(Evidence::ChildNearby, format!("{area} {first} {birth}"));
        }
        put(Evidence::Surname, format!("{name} {birth}"));
    }
    // An initial alone is no name.
    if given.chars().count() > 1 {
        put(Evidence::GivenName, format!("{given} {birth}"));
    }
}

/// The parts of a surname that stand by themselves: a name taken in marriage is added to the own one.
fn names(surname: &str) -> Vec<String> {
    let parts = surname.split('-').map(|part| letters(without_prefix(part)));
    parts.filter(|part| !part.is_empty()).take(2).collect()
}

/// Words before a surname that lists and forms leave out or add.
const PREFIXES: [&str; 22] = [
    "van", "de", "der", "den", "het", "'t", "’t", "ter", "ten", "te", "in", "op", "aan", "bij",
    "el", "al", "la", "le", "du", "di", "von", "uit",
];

fn without_prefix(name: &str) -> &str {
    let mut rest = name.trim();
    while let Some((first, after)) = rest.split_once(' ') {
        if !PREFIXES.contains(&first.to_lowercase().as_str()) {
            break;
        }
        rest = after.trim_start();
    }
    rest
}

/// Letters only, without accents, in lower case, `ij` written as `y`.
fn letters(text: &str) -> String {
    let plain: String = text
        .nfkd()
        .filter(|c| c.is_alphabetic())
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'ø' => 'o',
            'ł' => 'l',
            'đ' => 'd',
            'ı' => 'i',
            other => other,
        })
        .collect();
    plain.replace("ij", "y").replace('ß', "ss").replace('æ', "ae").replace('œ', "oe")
}

/// Letters and digits, in lower case.
fn packed(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How a Dutch surname sounds: letters that sound alike are one, doubled ones too, and of the vowels only the
/// first is kept.
fn sound(name: &str) -> String {
    const ALIKE: [(&str, &str); 10] = [
        ("sch", "s"),
        ("ch", "g"),
        ("ph", "f"),
        ("th", "t"),
        ("dt", "t"),
        ("ck", "k"),
        ("tsj", "s"),
        ("sj", "s"),
        ("x", "ks"),
        ("qu", "k"),
    ];
    let mut text = name.to_owned();
    for (from, to) in ALIKE {
        text = text.replace(from, to);
    }
    let mut heard = String::new();
    for c in text.chars() {
        let c = match c {
            'c' | 'q' => 'k',
            'z' => 's',
            'v' | 'w' => 'f',
            'd' => 't',
            'b' => 'p',
            'h' => continue,
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'j' if !heard.is_empty() => continue,
            'e' | 'i' | 'y' | 'j' => 'i',
            other => other,
        };
        if !heard.ends_with(c) {
            heard.push(c);
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(given_names: &'static str, surname: &'static str) -> Someone<'static> {
        Someone { given_names, surname, birth_date: Some("1990-02-03"), child: false }
    }

    fn common(one: &[Feature], other: &[Feature]) -> Vec<Evidence> {
        let same = |a: &&Feature| {
            other.iter().any(|b| a.kind == b.kind && a.value.reveal() == b.value.reveal())
        };
        one.iter().filter(same).map(|feature| feature.kind).collect()
    }

    fn alike(one: Someone<'_>, other: Someone<'_>) -> Vec<Evidence> {
        let reached = Reached::default();
        common(&features(&[one], reached), &features(&[other], reached))
    }

    #[test]
    fn accents_prefixes_capitals_and_ij_do_not_matter() {
        for (one, other) in [
            ("Proefpersoon", "PROEFPERSOON"),
            ("van der Proef", "Proef"),
            ("Dijkproef", "Dykproef"),
            ("Pröefpersoon", "Proefpersoon"),
            ("Proef-Voorbeeld", "Voorbeeld"),
        ] {
            let found = alike(person("Voorbeeld", one), person("V.", other));
            assert!(found.contains(&Evidence::Person), "{one} {other}: {found:?}");
        }
        let found = alike(person("Voorbeeld", "Proefpersoon"), person("Voorbeeld", "Ander"));
        assert_eq!(found, [Evidence::GivenName], "control: another name is another");
    }

    #[test]
    fn what_sounds_alike_is_weaker_than_what_is_alike() {
        let found = alike(person("Voorbeeld", "Schmidt"), person("Ander", "Smit"));
        assert_eq!(found, [Evidence::Sound]);
        assert_eq!(judge(&found), None);
        assert_eq!(alike(person("Voorbeeld", "Proef"), person("Voorbeeld", "Krant")).len(), 1);
    }

    #[test]
    fn no_kind_alone_is_likely_and_names_count_once() {
        for kind in Evidence::ALL.iter().copied() {
            assert_ne!(judge(&[kind]), Some(Likelihood::Likely), "{kind:?}");
            assert_eq!(Evidence::of(kind.number()), Some(kind));
        }
        let names = [Evidence::Person, Evidence::Surname, Evidence::Sound];
        assert_eq!(judge(&names), Some(Likelihood::Possible));
        assert_eq!(judge(&[Evidence::Phone, Evidence::Email]), Some(Likelihood::Likely));
        assert_eq!(judge(&[Evidence::Address, Evidence::Sound]), Some(Likelihood::Possible));
        assert_eq!(judge(&[Evidence::Address]), None, "who moves in after another");
    }

    #[test]
    fn unknown_dates_make_no_feature_about_a_person() {
        let unknown = Someone { birth_date: None, ..person("Voorbeeld", "Proefpersoon") };
        assert!(features(&[unknown], Reached::default()).is_empty());
    }

    proptest! {
        /// More in common never makes two families less alike, and the order does not matter.
        #[test]
        fn more_in_common_is_never_less_alike(
            some in proptest::sample::subsequence(Evidence::ALL.to_vec(), 0..=9),
            more in proptest::sample::select(Evidence::ALL.to_vec()),
        ) {
            let rank = |likely: Option<Likelihood>| match likely {
                None => 0,
                Some(Likelihood::Possible) => 1,
                Some(Likelihood::Likely) => 2,
            };
            let mut wider = some.clone();
            wider.insert(0, more);
            prop_assert!(rank(judge(&wider)) >= rank(judge(&some)));
            wider.reverse();
            let back = judge(&wider);
            wider.reverse();
            prop_assert_eq!(back, judge(&wider));
        }

        /// Whatever a name holds, writing it in one way ends, and does so again the same.
        #[test]
        fn normalising_is_idempotent(text in ".{0,40}") {
            let once = letters(&text);
            prop_assert_eq!(letters(&once), once);
        }
    }
}
