//! A made-up population, for measuring: Dutch in its sizes, frequencies and mistakes, and nobody in it.
//!
//! Names are put together of syllables; a few are common and most are rare, as names are. A family that comes
//! back has moved, changed its number or its name, or was written down with mistakes, each at the rate given.

use buurtpoort::cli::scenario::draw::Draw;

/// An index below `n` of which small ones come more often: about as 1, 1/2, 1/3 …
fn common(draw: &mut Draw, n: u64) -> u64 {
    let octave = 1_u64 << draw.below(u64::from(n.ilog2()) + 1);
    (octave + draw.below(octave)).min(n) - 1
}

/// One person.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) given: String,
    pub(crate) surname: String,
    pub(crate) birth: String,
    pub(crate) child: bool,
}

/// One family, as one referral tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) persons: Vec<Person>,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) address: (String, String),
}

const ONSETS: [&str; 12] = ["b", "d", "k", "l", "m", "n", "r", "s", "v", "w", "st", "br"];
const CORES: [&str; 9] = ["a", "e", "i", "o", "u", "aa", "ee", "oe", "ij"];
const CODAS: [&str; 10] = ["", "n", "r", "s", "k", "l", "m", "rs", "ns", "nk"];
const ENDS: [&str; 8] = ["", "stra", "man", "ink", "veld", "huis", "berg", "dam"];

/// The name with this number: the same every time.
fn name(number: u64, end: bool) -> String {
    let mut draw = Draw::of(number.wrapping_mul(7_919).wrapping_add(u64::from(end)));
    let mut text = String::new();
    for _ in 0..=draw.below(2) + u64::from(!end) {
        text.push_str(draw.one(&ONSETS).expect("one"));
        text.push_str(draw.one(&CORES).expect("one"));
        text.push_str(draw.one(&CODAS).expect("one"));
    }
    if end {
        text.push_str(draw.one(&ENDS).expect("one"));
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn surname(draw: &mut Draw) -> String {
    let prefix =
        if draw.happens(200) { draw.one(&["van ", "de ", "van der "]).expect("one") } else { "" };
    format!("{prefix}{}", name(common(draw, 9_000), true))
}

fn birth(draw: &mut Draw, years: std::ops::Range<u64>) -> String {
    let year = years.start + draw.below(years.end - years.start);
    format!("{year}-{:02}-{:02}", 1 + draw.below(12), 1 + draw.below(28))
}

fn phone(draw: &mut Draw) -> String {
    format!("+316{:08}", draw.below(100_000_000))
}

fn address(draw: &mut Draw) -> (String, String) {
    let letter = |draw: &mut Draw| char::from(b'A' + u8::try_from(draw.below(20)).expect("small"));
    let (first, second) = (letter(draw), letter(draw));
    (format!("65{:02}{first}{second}", draw.below(46)), (1 + draw.below(160)).to_string())
}

/// A family.
pub(crate) fn family(draw: &mut Draw) -> Family {
    let own = surname(draw);
    let person = |draw: &mut Draw, surname: &str, years, child| Person {
        given: name(common(draw, 700), false),
        surname: surname.to_owned(),
        birth: birth(draw, years),
        child,
    };
    let mut persons = vec![person(draw, &own, 1972..2006, false)];
    if draw.happens(450) {
        let other = surname(draw);
        persons.push(person(draw, &other, 1970..2006, false));
    }
    for _ in 0..=draw.below(3) {
        persons.push(person(draw, &own, 2006..2026, true));
    }
    let given = persons[0].given.to_lowercase();
    let email =
        format!("{given}.{}{}@example.nl", own.replace(' ', "").to_lowercase(), draw.below(90));
    Family {
        persons,
        phone: draw.happens(950).then(|| phone(draw)),
        email: draw.happens(700).then_some(email),
        address: address(draw),
    }
}

/// The same family when somebody else refers it, a year or two later.
pub(crate) fn again(draw: &mut Draw, family: &Family) -> Family {
    let mut later = family.clone();
    if draw.happens(250) {
        later.address = address(draw);
    }
    if draw.happens(250) {
        later.phone = draw.happens(900).then(|| phone(draw));
    }
    if draw.happens(250) {
        later.email = draw.happens(500).then(|| format!("post{}@example.nl", draw.number()));
    }
    if draw.happens(80) {
        let (own, other) = (later.persons[0].surname.clone(), surname(draw));
        later.persons[0].surname = if draw.happens(500) { format!("{own}-{other}") } else { other };
    }
    // A second parent may be left out, a child too, or one more is born.
    if later.persons.len() > 2 && !later.persons[1].child && draw.happens(300) {
        later.persons.remove(1);
    }
    if later.persons.iter().filter(|person| person.child).count() > 1 && draw.happens(150) {
        later.persons.pop();
    }
    mistakes(draw, &mut later);
    later
}

fn mistakes(draw: &mut Draw, family: &mut Family) {
    for person in &mut family.persons {
        if draw.happens(40) {
            person.surname = slip(draw, &person.surname);
        }
        if draw.happens(40) {
            person.given = slip(draw, &person.given);
        }
        if draw.happens(150) {
            person.given = person.given.chars().take(1).chain(['.']).collect();
        }
        if draw.happens(20) {
            person.birth =
                format!("{}{:02}", person.birth.get(..8).expect("a date"), 1 + draw.below(28));
        }
    }
    if draw.happens(20) {
        family.phone = family.phone.as_ref().map(|_| phone(draw));
    }
    if draw.happens(20) {
        family.email = family.email.as_ref().map(|email| slip(draw, email));
    }
    if draw.happens(20) {
        family.address.1 = (1 + draw.below(160)).to_string();
    }
}

/// One letter wrong, missing, or in the wrong place.
fn slip(draw: &mut Draw, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at =
        1 + usize::try_from(draw.below(u64::try_from(letters.len().max(3)).expect("a length") - 2))
            .expect("an index");
    match draw.below(3) {
        0 if at < letters.len() => letters[at] = 'e',
        1 if at < letters.len() => drop(letters.remove(at)),
        _ if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => {}
    }
    letters.into_iter().collect()
}
