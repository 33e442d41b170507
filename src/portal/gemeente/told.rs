//! Figures in words: tables, columns, codes and periods, and how exact they are, in the language of the page.

use crate::portal::words::Lang;
use crate::statistics::formats::labels;
use crate::statistics::release::Published;

/// A code in words; a quarter as people say it.
pub(super) fn code_in(lang: Lang, code: &str) -> String {
    let (dutch, english) = labels::code_words(code);
    let is_quarter = |rest: (&str, &str)| rest.0.len() == 4 && rest.1.len() == 1;
    if code.split_once('Q').is_some_and(is_quarter) {
        return period(lang, code);
    }
    lang.say(dutch, english).to_owned()
}

/// A column in words.
pub(super) fn column_in(lang: Lang, name: &str) -> &str {
    let (dutch, english) = labels::column_words(name);
    lang.say(dutch, english)
}

/// A table in words.
pub(in crate::portal) fn table_in(lang: Lang, id: &str) -> String {
    let (dutch, english) = labels::table_words(id);
    match lang {
        Lang::Nl => dutch,
        Lang::En => english,
    }
}

/// A year, or a quarter as people say it.
pub(super) fn period(lang: Lang, text: &str) -> String {
    match text.split_once('Q') {
        Some((year, quarter)) => match lang {
            Lang::Nl => format!("{quarter}e kwartaal {year}"),
            Lang::En => format!("quarter {quarter} of {year}"),
        },
        None => text.to_owned(),
    }
}

/// How exact the figures of a release are, in a sentence. Numbers that its method does not tell are not told.
pub(super) fn exactness(lang: Lang, body: &Published) -> String {
    let number = |pointer: &str| body.method.pointer(pointer).and_then(serde_json::Value::as_i64);
    let method = body.method.get("name").and_then(serde_json::Value::as_str);
    let (pair, dutch, english) = match method.unwrap_or_default() {
        "measure-round-freeze" => (
            number("/error95/year").zip(number("/error95/quarter")),
            "Elk cijfer wijkt een beetje af van de telling: een jaarcijfer meestal niet meer dan {}, een kwartaalcijfer niet meer dan {}. Zo kan niemand een gezin herkennen. De cijfers tellen op en veranderen nooit meer.",
            "Each figure differs a little from the count: a yearly one mostly by no more than {}, a quarterly one by no more than {}. So nobody can recognise a family. The figures add up and never change.",
        ),
        "suppress-and-round" => (
            number("/threshold").zip(number("/rounding")),
            "Aantallen onder {} zijn verborgen en de andere zijn afgerond op {}. Zo kan niemand een gezin herkennen.",
            "Numbers below {} are hidden and the others are rounded to {}. So nobody can recognise a family.",
        ),
        _ => (None, "", ""),
    };
    match pair {
        Some((first, second)) => {
            let told = lang.say(dutch, english).replacen("{}", &first.to_string(), 1);
            told.replacen("{}", &second.to_string(), 1)
        }
        None => lang
            .say(
                "Kleine aantallen zijn beschermd: een cijfer kan afwijken van de telling of verborgen zijn. Zo kan niemand een gezin herkennen.",
                "Small numbers are protected: a figure may differ from the count or be hidden. So nobody can recognise a family.",
            )
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(method: Value) -> String {
        let (area, period, unit) = ("GM0268".to_owned(), "2026".to_owned(), "family".to_owned());
        let body =
            Published { cells: Vec::new(), method, municipalities: Vec::new(), area, period, unit };
        exactness(Lang::Nl, &body)
    }

    #[test]
    fn how_exact_a_release_is_comes_from_the_release() {
        let frozen =
            told(json!({"name": "measure-round-freeze", "error95": {"quarter": 5, "year": 4}}));
        assert!(
            frozen.contains("niet meer dan 4, een kwartaalcijfer niet meer dan 5."),
            "{frozen}"
        );
        let hidden = told(json!({"name": "suppress-and-round", "threshold": 10, "rounding": 5}));
        assert!(hidden.contains("onder 10 zijn verborgen en de andere zijn afgerond op 5."));
        for silent in [json!({"name": "measure-round-freeze"}), json!({"name": "sum-of-published"})]
        {
            let told = told(silent);
            assert!(told.starts_with("Kleine aantallen zijn beschermd") && !told.contains("{}"));
        }
    }

    #[test]
    fn a_quarter_is_told_as_people_say_it() {
        assert_eq!(code_in(Lang::Nl, "2026Q4"), "4e kwartaal 2026");
        assert_eq!(code_in(Lang::En, "2026Q4"), "quarter 4 of 2026");
        assert_eq!(code_in(Lang::Nl, "WK026801"), "WK026801");
    }
}
