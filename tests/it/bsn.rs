//! A BSN is found however it is written, and ordinary text is left alone.
#![cfg(test)]

use buurtpoort::cli::consent::scan_json;
use buurtpoort::domain::bsn::contains_bsn;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const VECTORS: &str = include_str!("../data/bsn.json");

#[test]
fn every_vector_of_the_contract() {
    let contract: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = contract["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 21);
    let expected: Vec<&Value> = vectors.iter().map(|v| &v["containsBsn"]).collect();

    let answer: Value = serde_json::from_str(&scan_json(VECTORS).unwrap()).unwrap();

    assert_eq!(answer["results"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
}

#[test]
fn disguises_do_not_help() {
    for text in [
        "111 222 333",
        "111-222-333",
        "1.1.1.2.2.2.3.3.3",
        "111 - 222 - 333",
        "111\u{200B}222\u{200D}333",
        "111\u{AD}222\u{2060}333",
        "111\u{202F}222\u{A0}333",
        "111\u{2011}222\u{2013}333",
        "111\u{2212}222\u{00B7}333",
        "111\n222\t333",
        "١١١٢٢٢٣٣٣",
        "१११२२२३३३",
        "𝟏𝟏𝟏𝟐𝟐𝟐𝟑𝟑𝟑",
        "①①①②②②③③③",
        "1\u{20E3}11222333",
        "1\u{FE0F}\u{20E3}1\u{FE0F}\u{20E3}1\u{FE0F}\u{20E3}222333",
        "111\u{0}222333",
        "kind 7 111.222.333",
        "111222333 123456789",
        "123456789 111222333",
        "bsn111222333",
        "id_111222333",
        "(111222333)",
        "+111222333",
        "10:30 111222333",
        "BSN +31 111222333",
        "+31 6 12345678 111222333",
    ] {
        assert!(contains_bsn(text), "{text:?}");
    }
}

#[test]
fn eight_digits_count_only_beside_the_word() {
    for text in [
        "bsn: 10000008",
        "Sofinummer 1000.0008",
        "10000008 (bsn)",
        "B.S.N. 10000008",
        "burgerservicenummer is 10000008",
        "BSN10000008",
    ] {
        assert!(contains_bsn(text), "{text:?}");
    }
    for text in
        ["Sofie 10000008", "nummer 10000008", "bsn onbekend. Zij belde ons gisteren: 10000008"]
    {
        assert!(!contains_bsn(text), "{text:?}");
    }
}

/// Each of these holds nine digits in a row that would pass the 11-test, were it not for what they
/// are part of.
#[test]
fn numbers_that_only_look_like_one_are_left_alone() {
    for (text, bare) in [
        ("bel +31 612345671", "612345671"),
        ("bel +31 6 12345671", "6 12345671"),
        ("bel +31 6 12 34 56 71", "6 12 34 56 71"),
        ("bel 0031 6 12345671", "6 12345671"),
        ("bel 00 31 6 12345671", "6 12345671"),
        ("bel +31 (0)6-12345671", "6-12345671"),
        ("x111222333", "111222333"),
        ("111222333x", "111222333"),
        ("NL111222333B01", "111222333"),
        ("1111222333", "111222333"),
        ("1112223330", "111222333"),
        ("12-3-2026 19:30", "12-3-2026 19"),
    ] {
        if bare != "12-3-2026 19" {
            assert!(contains_bsn(bare), "control {bare:?}");
        }
        assert!(!contains_bsn(text), "{text:?}");
    }
}

#[test]
fn a_time_after_a_date_is_not_a_ninth_digit() {
    let with_hour = (1..=9).map(|hour| format!("12-03-2026 {hour}"));
    let hit = with_hour.clone().find(|text| contains_bsn(text));
    let hit = hit.expect("one of nine hours completes the 11-test");
    assert!(!contains_bsn(&format!("{hit}:30 uur")));
}

#[test]
fn ordinary_dutch_text_passes() {
    let text = "Moeder (38) met twee kinderen van 4 en 7 zoekt op woensdagmiddag rust; zij woont \
        sinds 01-09-2021 aan de Groesbeekseweg 12, 6524 DA Nijmegen. Bellen kan op 024-3299111 \
        of 06-12345678, liefst na 10:30 uur. Budget € 1.250,00. Zie plan 2026/0031 versie 2.";
    assert!(!contains_bsn(text));
    assert!(contains_bsn(&format!("{text} BSN 111222333.")), "control");
}

#[test]
fn long_text_takes_time_in_proportion() {
    for unit in ["1 ", "12345678 ", "1", "bsn1000000 ", "a1", "\u{200B}1-", "+1 "] {
        let text = unit.repeat(1_000_000 / unit.len());
        let started = Instant::now();
        let _ = contains_bsn(&text);
        assert!(started.elapsed() < Duration::from_secs(20), "{unit:?}");
    }
}

#[test]
fn a_malformed_vector_is_named_and_its_value_is_not() {
    let input = json!({"vectors": [{"text": "a"}, {"text": 111_222_333}]}).to_string();
    let error = scan_json(&input).unwrap_err().to_string();
    assert_eq!(error, "vector number 1: `text` must be a string");
}

/// Nine digits that pass the 11-test.
fn bsn() -> impl Strategy<Value = String> {
    proptest::collection::vec(0_u32..10, 8).prop_filter_map(
        "a check digit of ten, or zero",
        |digits| {
            let sum: u32 = digits.iter().zip([9, 8, 7, 6, 5, 4, 3, 2]).map(|(d, w)| d * w).sum();
            let check = sum % 11;
            (check < 10 && sum > 0)
                .then(|| digits.iter().chain([&check]).map(u32::to_string).collect())
        },
    )
}

fn between(digits: &str, fillings: &[&str]) -> String {
    let mut out = String::new();
    for (digit, filling) in digits.chars().zip(fillings.iter().chain(std::iter::repeat(&""))) {
        out.push(digit);
        out.push_str(filling);
    }
    out
}

proptest! {
    #[test]
    fn separators_and_format_characters_never_hide(
        number in bsn(),
        fillings in proptest::collection::vec(
            prop::sample::select(vec![
                "", " ", ".", "-", " - ", "\u{200B}", "\u{AD}", "\u{2060}", "\u{FEFF}", "\u{A0}",
                "\u{2011}", "\u{202E}", "\u{E0041}", "\u{301}",
            ]),
            8,
        ),
        before in prop::sample::select(vec!["", "moeder ", "(", "BSN:", "één,\n"]),
        after in prop::sample::select(vec!["", ".", ") belt", ", en"]),
    ) {
        let text = format!("{before}{}{after}", between(&number, &fillings));
        prop_assert!(contains_bsn(&text));
    }

    #[test]
    fn a_longer_number_hides(number in bsn(), before in "[0-9]{0,6}", after in "[0-9]{0,6}") {
        let text = format!("{before}{number}{after}");
        prop_assume!(text.len() > 9);
        prop_assert!(!contains_bsn(&text));
    }

    #[test]
    fn a_changed_digit_does_not_pass(number in bsn(), at in 0_usize..9, by in 1_u8..10) {
        let mut digits: Vec<u8> = number.bytes().map(|b| b - b'0').collect();
        digits[at] = (digits[at] + by) % 10;
        let changed: String = digits.iter().map(u8::to_string).collect();
        prop_assert!(!contains_bsn(&changed), "the 11-test catches every single error");
    }

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        let _ = contains_bsn(&text);
    }
}
