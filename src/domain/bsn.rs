//! Finding a burgerservicenummer in text, so that it can be refused wherever it turns up.
//!
//! The gateway may not process a BSN (UAVG 46, Wabb 10). A BSN is nine digits that pass the
//! 11-test. Text is first brought to one form, so that a number cannot hide behind full-width or
//! Arabic digits, zero-width characters, combining marks, or another dash, dot or space than the
//! usual one.
//!
//! # Invariants
//! * Linear in the length of the text: a candidate looks at nine digits and a fixed distance
//!   around.
//! * Says yes or no. The number that was found goes nowhere.
//!
//! # Not here
//! No judgement on whether a number was issued: one in eleven random nine-digit numbers passes the
//! test, which is why no identifier of ours is a nine-digit decimal.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Whether `text` holds something that may be a BSN.
///
/// Nine digits count when they stand on their own: between them only spaces, dots and dashes,
/// around them no letter or further digit of the same number. Eight digits (an old sofinummer
/// without its leading zero) count only next to the word `bsn` or `sofi`. Digits inside a longer
/// number, such as an OIN, and the national part of a telephone number with a country code, do not
/// count.
#[must_use]
pub fn contains_bsn(text: &str) -> bool {
    if is_short_of_digits(text) {
        return false;
    }
    let text = plain(text);
    let groups = groups(&text);
    groups.iter().enumerate().any(|(at, first)| {
        let rest = groups.get(at..).unwrap_or_default();
        first.opens && candidate(&text, rest)
    })
}

/// Whether nothing in the text can be a digit but the ASCII ones, and those are too few: so are most
/// fields of a message, and they need not be brought to one form.
fn is_short_of_digits(text: &str) -> bool {
    text.is_ascii() && text.bytes().filter(u8::is_ascii_digit).count() < 8
}

/// The 11-test: weights 9 8 7 6 5 4 3 2 −1, a sum divisible by eleven, not all zero. Of eight
/// digits the leading zero was left out, which changes nothing counted from the right.
fn eleven_test(digits: &[u32]) -> bool {
    // −1 and 10 are the same weight modulo eleven
    const WEIGHTS: [u32; 9] = [10, 2, 3, 4, 5, 6, 7, 8, 9];
    let sum: u32 = digits.iter().rev().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    sum.is_multiple_of(11) && digits.iter().any(|&digit| digit != 0)
}

/// Digits without anything between them, and how they stand in the text.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one place in a text")]
struct Group {
    start: usize,
    end: usize,
    /// Only separators between this group and the one before: part of the same series.
    joined: bool,
    /// No letter directly before, or only the word that announces a BSN.
    opens: bool,
    /// No letter directly after.
    closes: bool,
    /// A time of day begins here: a colon and a digit follow.
    is_hour: bool,
    /// How it stands in a series that starts as an international telephone number does.
    phone: Phone,
}

/// Part of a telephone number with a country code.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Phone {
    /// No.
    No,
    /// The country code: the number itself follows.
    CountryCode,
    /// The national part, within the length a telephone number can have.
    National,
}

/// Whether a number starting with the first of `groups` is a BSN, whatever comes after it.
fn candidate(text: &[char], groups: &[Group]) -> bool {
    let Some(first) = groups.first() else {
        return false;
    };
    let mut digits: Vec<u32> = Vec::with_capacity(9);
    for (count, group) in groups.iter().enumerate() {
        if count > 0 && !group.joined || digits.len() + (group.end - group.start) > 9 {
            return false;
        }
        let chars = text.get(group.start..group.end).unwrap_or_default();
        digits.extend(chars.iter().filter_map(|c| c.to_digit(10)));
        let part_of_time = count > 0 && group.is_hour;
        if digits.len() < 8 || !group.closes || part_of_time {
            continue;
        }
        let goes_on = groups.get(count + 1).is_some_and(|next| next.joined);
        let suspect = digits.len() == 9
            && match first.phone {
                Phone::No => true,
                Phone::CountryCode => !goes_on,
                Phone::National => false,
            };
        if eleven_test(&digits) && (suspect || announces(text, first.start, group.end)) {
            return true;
        }
    }
    false
}

/// All digits of the text, grouped.
fn groups(text: &[char]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut series = Series::default();
    let mut at = 0;
    while at < text.len() {
        let start = at;
        while text.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
        if at == start {
            at += 1;
            continue;
        }
        let joined = groups.last().is_some_and(|last| {
            text.get(last.end..start).is_some_and(|between| between.iter().all(|c| separates(*c)))
        });
        let group = text.get(start..at).unwrap_or_default();
        let before = text.get(..start).unwrap_or_default();
        series = if joined { series } else { Series::begin(before, group) };
        groups.push(Group {
            start,
            end: at,
            joined,
            opens: opens(before),
            closes: !text.get(at).is_some_and(char::is_ascii_alphabetic),
            is_hour: text.get(at) == Some(&':')
                && text.get(at + 1).is_some_and(char::is_ascii_digit),
            phone: series.phone_at_next(),
        });
        series.digits += at - start;
    }
    groups
}

/// Groups with only separators between them, read from the left.
#[derive(Clone, Copy, Default)]
struct Series {
    /// Digits so far.
    digits: usize,
    /// How many digits come before the national part, when the series starts as a telephone number
    /// with a country code does; `None` otherwise.
    prefix: Option<usize>,
}

impl Series {
    /// E.164: at most fifteen digits, country code included.
    const LONGEST_PHONE: usize = 15;

    fn begin(before: &[char], first: &[char]) -> Self {
        let trunk_zero =
            before.ends_with(&['(', '0', ')']) || before.ends_with(&['(', '0', ')', ' ']);
        let international = (before.last() == Some(&'+') && first.len() <= 3)
            || (first.starts_with(&['0', '0']) && first.len() <= 5);
        let prefix = if trunk_zero { Some(0) } else { international.then_some(first.len()) };
        Self { digits: 0, prefix }
    }

    /// What the next group of the series is.
    fn phone_at_next(self) -> Phone {
        match self.prefix {
            Some(prefix) if self.digits < prefix => Phone::CountryCode,
            Some(_) if self.digits + 9 <= Self::LONGEST_PHONE => Phone::National,
            _ => Phone::No,
        }
    }
}

/// Whether a number may begin after `before`: not right after a letter, unless that letter ends the
/// word that announces a BSN.
fn opens(before: &[char]) -> bool {
    let letters = before.iter().rev().take(LONGEST_WORD).take_while(|c| c.is_ascii_alphabetic());
    let word: String = letters.collect::<Vec<_>>().into_iter().rev().collect();
    word.is_empty() || is_keyword(&word)
}

/// How far, in characters, the word `bsn` or `sofi` may stand from an eight-digit number.
const NEAR: usize = 24;

/// Longer than any word that announces a BSN.
const LONGEST_WORD: usize = 24;

/// Whether the word that announces a BSN stands near, on either side.
fn announces(text: &[char], start: usize, end: usize) -> bool {
    let before = text.get(start.saturating_sub(NEAR)..start).unwrap_or_default();
    let after = text.get(end..text.len().min(end + NEAR)).unwrap_or_default();
    [before, after].into_iter().any(|part| {
        // "B.S.N." is one word
        let packed: String = part.iter().filter(|c| **c != '.').collect();
        packed.split(|c: char| !c.is_ascii_alphabetic()).any(is_keyword)
    })
}

/// `bsn`, `bsnnummer`, `sofi`, `sofinummer`, `burgerservicenummer`; not the name Sofie.
fn is_keyword(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word == "sofi"
        || word.starts_with("bsn")
        || word.starts_with("sofin")
        || word.starts_with("burgerservice")
}

/// Space, dot and dash, each after [`plain`].
const fn separates(c: char) -> bool {
    matches!(c, ' ' | '.' | '-')
}

/// The text in compatibility form (NFKC), without what cannot be seen, every decimal digit as ASCII
/// and every space, dot and dash as the plain one.
fn plain(text: &str) -> Vec<char> {
    text.nfkc().filter(|c| !is_unseen(*c) && !is_combining_mark(*c)).map(plain_char).collect()
}

fn plain_char(c: char) -> char {
    if c.is_ascii_graphic() {
        c
    } else if c.is_whitespace() {
        ' '
    } else if is_dash(c) {
        '-'
    } else if matches!(c, '\u{00B7}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22C5}') {
        '.'
    } else {
        decimal_digit(c).unwrap_or(c)
    }
}

/// Dashes (general category Pd), hyphen bullet and minus sign.
const fn is_dash(c: char) -> bool {
    matches!(
        c,
        '\u{058A}' | '\u{05BE}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{2212}'
                | '\u{2E17}'
                | '\u{2E1A}'
                | '\u{2E3A}'
                | '\u{2E3B}'
                | '\u{2E40}'
                | '\u{2E5D}'
                | '\u{301C}'
                | '\u{3030}'
                | '\u{30A0}'
                | '\u{FE58}'
                | '\u{FE63}'
                | '\u{10EAD}'
    )
}

/// Format characters (general category Cf), control characters that are not spaces, and fillers
/// that take no room.
fn is_unseen(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{00AD}' | '\u{0600}'..='\u{0605}' | '\u{061C}' | '\u{06DD}' | '\u{070F}'
            | '\u{0890}' | '\u{0891}' | '\u{08E2}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
            | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The ASCII digit with the value of a decimal digit (general category Nd) of another script.
fn decimal_digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let after = ZEROES.partition_point(|zero| *zero <= code);
    let zero = ZEROES.get(after.checked_sub(1)?)?;
    char::from_digit(code - zero, 10)
}

/// The zero of every script whose digits survive NFKC; the other nine follow it (Unicode 16).
const ZEROES: [u32; 68] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1E140, 0x1E2F0,
    0x1E4F0, 0x1E5F1, 0x1E950,
];
