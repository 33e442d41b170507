//! The name under which one recipient knows a family, a child or a partner.
//!
//! For the wire and the ledger: a pseudonym is text, `bp1.<domain>.<key version>.<26><check>`.
//! It stays the same for one recipient, purpose and period and says nothing outside them.
//! Invariant: a value has exactly one spelling, so comparing texts compares identities.
//! Absent: how it is made (`crypto::pseudonymise`) and any way back to the random id behind it.
//!
//! The 26 characters are 128 bits in Crockford base 32, most significant first. The check character
//! comes from the same alphabet: the 27 characters, read as a polynomial over GF(32), have the
//! primitive element `x` (of `x^5 + x^2 + 1`) as a root. All 27 positions weigh differently, so one
//! wrong character and any two exchanged characters are always noticed.

use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "bp1";
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BODY_CHARS: usize = 26;
const MAX_DOMAIN_CHARS: usize = 32;

/// A checked pseudonym, at most 75 characters of `[A-Za-z0-9.-]`.
///
/// It is personal data for whoever may hold it: `Debug` shows the domain and the key version only.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Pseudonym(Box<str>);

impl Pseudonym {
    /// Writes a 128-bit tag as a pseudonym.
    ///
    /// # Errors
    /// [`PseudonymError::Domain`] unless `domain` is 1 to 32 of `[a-z0-9-]` starting with a letter;
    /// [`PseudonymError::KeyVersion`] below 1.
    pub fn from_tag(domain: &str, key_version: i32, tag: [u8; 16]) -> Result<Self, PseudonymError> {
        check_domain(domain)?;
        if key_version < 1 {
            return Err(PseudonymError::KeyVersion);
        }
        let values = digits(u128::from_be_bytes(tag));
        let mut text = format!("{PREFIX}.{domain}.{key_version}.");
        text.extend(values.iter().copied().map(symbol));
        text.push(symbol(check_digit(&values)));
        Ok(Self(text.into_boxed_str()))
    }

    /// Accepts the one canonical spelling; lower case and Crockford's look-alikes are refused.
    ///
    /// # Errors
    /// [`PseudonymError`], naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, PseudonymError> {
        let mut parts = text.split('.');
        let (Some(prefix), Some(domain), Some(version), Some(body), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PseudonymError::Form);
        };
        if prefix != PREFIX {
            return Err(PseudonymError::Form);
        }
        check_domain(domain)?;
        check_version(version)?;
        check_body(body)?;
        Ok(Self(text.into()))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of thing it names, for example `family`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.part(1)
    }

    /// Version of the pseudonym key that made it, 1 or more.
    #[must_use]
    pub fn key_version(&self) -> i32 {
        self.part(2).parse().unwrap_or_default()
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('.').nth(index).unwrap_or_default()
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({PREFIX}.{}.{}.…)", self.domain(), self.part(2))
    }
}

impl FromStr for Pseudonym {
    type Err = PseudonymError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Why a text is not a pseudonym. Names the rule, never the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PseudonymError {
    /// Not four parts separated by full stops, or another prefix.
    #[error("a pseudonym is bp1.<domain>.<key version>.<26 characters and a check character>")]
    Form,
    /// The domain is not 1 to 32 of `[a-z0-9-]` starting with a letter.
    #[error("the domain of a pseudonym is 1 to 32 of a-z, 0-9 and hyphen, starting with a letter")]
    Domain,
    /// The key version is not a canonical decimal from 1 to 2 147 483 647.
    #[error("the key version of a pseudonym is a whole number from 1, without leading zeros")]
    KeyVersion,
    /// The body is not 27 upper-case Crockford characters worth 128 bits.
    #[error("the body of a pseudonym is 27 upper-case Crockford characters, the first at most 7")]
    Body,
    /// The check character does not belong to the other 26.
    #[error("the check character of a pseudonym does not match")]
    Check,
}

fn check_domain(domain: &str) -> Result<(), PseudonymError> {
    let starts_well = domain.starts_with(|c: char| c.is_ascii_lowercase());
    let alphabet =
        domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if starts_well && alphabet && domain.len() <= MAX_DOMAIN_CHARS {
        Ok(())
    } else {
        Err(PseudonymError::Domain)
    }
}

fn check_version(text: &str) -> Result<(), PseudonymError> {
    match text.parse::<i32>() {
        Ok(version) if version >= 1 && version.to_string() == text => Ok(()),
        _ => Err(PseudonymError::KeyVersion),
    }
}

fn check_body(body: &str) -> Result<(), PseudonymError> {
    let values: Vec<u8> = body.bytes().filter_map(value).collect();
    if values.len() != body.len() || values.len() != BODY_CHARS + 1 {
        return Err(PseudonymError::Body);
    }
    // 26 characters hold 130 bits: the first carries only three.
    if values.first().is_none_or(|first| *first > 7) {
        return Err(PseudonymError::Body);
    }
    // A code word is a polynomial with root x, so the running value ends at zero.
    if horner(&values) == 0 { Ok(()) } else { Err(PseudonymError::Check) }
}

fn digits(number: u128) -> [u8; BODY_CHARS] {
    let mut rest = number;
    let mut values = [0_u8; BODY_CHARS];
    for slot in values.iter_mut().rev() {
        *slot = u8::try_from(rest & 31).unwrap_or_default();
        rest >>= 5;
    }
    values
}

fn check_digit(values: &[u8]) -> u8 {
    times_x(horner(values))
}

fn horner(values: &[u8]) -> u8 {
    values.iter().fold(0, |sum, value| times_x(sum) ^ value)
}

const fn times_x(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 0b10_0000 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

fn symbol(value: u8) -> char {
    ALPHABET.get(usize::from(value)).copied().map_or('0', char::from)
}

fn value(character: u8) -> Option<u8> {
    ALPHABET.iter().position(|known| *known == character).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Pseudonym {
        Pseudonym::from_tag("family", 3, *b"0123456789abcdef").unwrap()
    }

    #[test]
    fn the_text_is_fixed_for_ever() {
        let least = Pseudonym::from_tag("a", 1, [0; 16]).unwrap();
        assert_eq!(least.as_str(), "bp1.a.1.000000000000000000000000000");
        let most = Pseudonym::from_tag("family", i32::MAX, [0xff; 16]).unwrap();
        assert!(most.as_str().starts_with("bp1.family.2147483647.7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
        assert_eq!(sample().as_str(), "bp1.family.3.1G64S36D1N6RVKGEB1C9HP8SB6D");
    }

    #[test]
    fn the_parts_can_be_read_back() {
        let pseudonym = sample();
        assert_eq!(pseudonym.domain(), "family");
        assert_eq!(pseudonym.key_version(), 3);
        assert_eq!(pseudonym.to_string().parse::<Pseudonym>().unwrap(), pseudonym);
    }

    #[test]
    fn debug_hides_the_identifying_part() {
        assert_eq!(format!("{:?}", sample()), "Pseudonym(bp1.family.3.…)");
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = sample().to_string();
        let body = good.rsplit('.').next().unwrap().to_owned();
        let tail = body.get(1..).unwrap();
        let cases = [
            (good.replace("bp1", "bp2"), PseudonymError::Form),
            (good.replace("family.", ""), PseudonymError::Form),
            (format!("{good}.x"), PseudonymError::Form),
            (good.replace("family", "Family"), PseudonymError::Domain),
            (good.replace("family", ""), PseudonymError::Domain),
            (good.replace("family", "9a"), PseudonymError::Domain),
            (good.replace("family", &"a".repeat(33)), PseudonymError::Domain),
            (good.replace(".3.", ".03."), PseudonymError::KeyVersion),
            (good.replace(".3.", ".+3."), PseudonymError::KeyVersion),
            (good.replace(".3.", ".0."), PseudonymError::KeyVersion),
            (good.replace(".3.", ".2147483648."), PseudonymError::KeyVersion),
            (good.to_lowercase(), PseudonymError::Body),
            (format!("{good}0"), PseudonymError::Body),
            (good.replace(&body, tail), PseudonymError::Body),
            (good.replace(&body, &format!("8{tail}")), PseudonymError::Body),
            (good.replace(&body, &format!("0{tail}")), PseudonymError::Check),
        ];
        assert!(Pseudonym::parse(&good).is_ok());
        for (text, error) in cases {
            assert_eq!(Pseudonym::parse(&text), Err(error));
        }
    }

    #[test]
    fn it_is_made_only_from_good_parts() {
        assert_eq!(Pseudonym::from_tag("", 1, [1; 16]), Err(PseudonymError::Domain));
        assert_eq!(Pseudonym::from_tag("a.b", 1, [1; 16]), Err(PseudonymError::Domain));
        assert_eq!(Pseudonym::from_tag("a", 0, [1; 16]), Err(PseudonymError::KeyVersion));
        assert!(Pseudonym::from_tag("a-b9", 1, [1; 16]).is_ok());
    }

    fn with_body(values: &[u8]) -> String {
        let body: String = values.iter().copied().map(symbol).collect();
        format!("bp1.family.1.{body}")
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(
            tag in any::<[u8; 16]>(), at in 0_usize..27, other in 1_u8..32,
        ) {
            let good = Pseudonym::from_tag("family", 1, tag).unwrap();
            prop_assert!(Pseudonym::parse(good.as_str()).is_ok());
            let mut values: Vec<u8> = good.part(3).bytes().filter_map(value).collect();
            values[at] ^= other;
            prop_assert!(Pseudonym::parse(&with_body(&values)).is_err());
        }

        #[test]
        fn two_exchanged_characters_are_noticed(
            tag in any::<[u8; 16]>(), a in 0_usize..27, b in 0_usize..27,
        ) {
            let good = Pseudonym::from_tag("family", 1, tag).unwrap();
            let mut values: Vec<u8> = good.part(3).bytes().filter_map(value).collect();
            prop_assume!(values[a] != values[b]);
            values.swap(a, b);
            prop_assert!(Pseudonym::parse(&with_body(&values)).is_err());
        }
    }
}
