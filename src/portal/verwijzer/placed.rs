//! Which field of the six steps an error of the API belongs to.

use crate::portal::form::Sent;

/// Whether both parents have authority: then both sign.
pub(super) fn is_shared(sent: &Sent) -> bool {
    sent.value("gezag") == "GezamenlijkOuderlijkGezag"
}

/// The field that a pointer of the API belongs to, of what was sent: a signature, the day that it was made from.
pub(super) fn placed(sent: &Sent) -> impl Fn(&str) -> String {
    let parents = [("ouder1", true), ("ouder2", is_shared(sent))];
    let signed =
        parents.into_iter().filter(|(field, counts)| *counts && !sent.value(field).is_empty());
    let signed: Vec<&'static str> = signed.map(|(field, _)| field).collect();
    move |pointer| {
        let rest = pointer.strip_prefix("/consent/signatures/");
        let (at, field) = rest.and_then(|rest| rest.split_once('/')).unwrap_or_default();
        match at.parse::<usize>() {
            Ok(at) if field != "method" => signed.get(at).copied().unwrap_or("kind").to_owned(),
            _ => place(pointer),
        }
    }
}

/// The field that a pointer of the API belongs to, whatever was sent.
fn place(pointer: &str) -> String {
    let name = match pointer {
        "/familyInformed" => "ja",
        "/consent/evidence" => "bewijs",
        "/contact" => "/contact/phone",
        "/referrer" => "/referrer/name",
        "/household" => "/household/composition",
        "/subjects" => "/subjects/0/name/givenNames",
        "/support" => "/support/codes",
        "/plan" => "/plan/type",
        _ if pointer.starts_with("/plan/goals") => "/plan/goals/0/text",
        _ if pointer.starts_with("/consent/purposes") => "/consent/purposes",
        _ if pointer.starts_with("/consent/signatures") && pointer.ends_with("/method") => "hoe",
        _ if pointer.starts_with("/consent") => "ouder1",
        _ if pointer.starts_with("/subjects/") && pointer.contains("/authority") => "gezag",
        _ if pointer.starts_with("/support/codes") => "/support/codes",
        _ if pointer.starts_with("/support/dayparts") => "/support/dayparts",
        _ => pointer,
    };
    // What is said of a person, or of a name, as a whole belongs to its first field.
    match name.strip_prefix("/subjects/").and_then(|rest| rest.split_once('/').or(Some((rest, ""))))
    {
        Some((at, "" | "name" | "ref" | "role" | "competent")) => {
            format!("/subjects/{at}/name/givenNames")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_belongs_to_the_day_it_was_made_from() {
        let both =
            Sent::read(b"gezag=GezamenlijkOuderlijkGezag&ouder1=2026-01-05&ouder2=2026-01-06");
        let of = placed(&both);
        let at = |n: u8| of(&format!("/consent/signatures/{n}/at"));
        assert_eq!([at(0), at(1), at(2), at(3)], ["ouder1", "ouder2", "kind", "kind"]);
        assert_eq!(of("/consent/signatures/1/method"), "hoe");
        let one = Sent::read(b"gezag=EenhoofdigOuderlijkGezag&ouder1=2026-01-05&ouder2=2026-01-06");
        assert_eq!(placed(&one)("/consent/signatures/1/at"), "kind");
        assert_eq!(placed(&one)("/consent/validUntil"), "ouder1");
        assert_eq!(placed(&one)("/subjects/2/name"), "/subjects/2/name/givenNames");
    }
}
