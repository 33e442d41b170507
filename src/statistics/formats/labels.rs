//! Dutch words for tables, columns and codes.

/// What a reader must know beside every table.
pub const NOTE: &str = "Cijfers zijn gezinnen, geen kinderen. Kleine aantallen zijn beschermd: een cijfer kan een \
    beetje afwijken van de telling, een 0 kan ook een klein aantal zijn, een leeg vak is verborgen.";

/// A table, such as `year.referrals.source`.
#[must_use]
pub fn table(id: &str) -> String {
    let mut parts = id.splitn(3, '.');
    let (period, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let of = parts.next();
    if let ("programme", Some(programme)) = (kind, of) {
        return format!("Eigen opgave van {}, per jaar", code(programme));
    }
    let by = of.map(|dimension| format!(" naar {}", column(dimension).to_lowercase()));
    let period = match period {
        "quarter" => ", per kwartaal",
        "exact" => ", exact",
        "target" => ", afgesproken voor het jaar",
        _ => ", per jaar",
    };
    format!("{}{}{period}", of_kind(kind), by.unwrap_or_default())
}

fn of_kind(kind: &str) -> &str {
    match kind {
        "referrals" => "Aangemelde gezinnen",
        "pairings-made" => "Tot stand gekomen koppelingen",
        "pairings-ended" => "Beëindigde koppelingen",
        "pairings-active" => "Lopende koppelingen aan het eind van de periode",
        "support-families" => "Aangemelde steungezinnen",
        "evaluations" => "Geëvalueerde koppelingen",
        other => other,
    }
}

/// A column: a dimension, or one of those every table has.
#[must_use]
pub fn column(name: &str) -> &str {
    match name {
        "area" => "Gebied",
        "period" => "Periode",
        "table" => "Tabel",
        "value" => "Aantal",
        "obsStatus" => "Status (A getoond, Q verborgen)",
        "confStatus" => "Vertrouwelijkheid (F vrij, C vertrouwelijk)",
        "unit" => "Eenheid",
        "label" => "Omschrijving",
        "quarter" => "Kwartaal",
        "year" => "Jaar",
        "district" => "Wijk",
        "source" => "Verwijzer",
        "ageBand" => "Leeftijd jongste kind",
        "household" => "Huishouden",
        "outcome" => "Reden van beëindiging",
        "waiting" => "Wachttijd in weken",
        "professionalHelp" => "Professionele hulp",
        "networkExtended" => "Netwerk uitgebreid",
        "socialContacts" => "Sociale contacten van het kind",
        "grade" => "Rapportcijfer",
        "placementAvoided" => "Uithuisplaatsing voorkomen",
        "measure" => "Maat",
        other => other,
    }
}

/// A code; one without a word of its own, such as a wijk or a year, is its own.
#[must_use]
pub fn code(code: &str) -> &str {
    match code {
        "_T" => "Totaal",
        "wijkteam" => "Wijkteam",
        "poh-j" => "POH-jeugd",
        "regieteam" => "Regieteam",
        "doorbraakcoach" => "Doorbraakcoach",
        "self" => "Eigen aanmelding",
        "one-parent" => "Eenoudergezin",
        "two-parent" => "Tweeoudergezin",
        "blended" => "Samengesteld gezin",
        "foster" => "Pleeggezin",
        "other" => "Anders",
        "elsewhere" => "Wijk onbekend",
        "goal-reached" => "Doel bereikt",
        "moved" => "Verhuisd",
        "mismatch" => "Geen klik",
        "family-stopped" => "Gestopt door het vraaggezin",
        "support-family-stopped" => "Gestopt door het steungezin",
        "escalated" => "Zwaardere hulp nodig",
        "prevented" => "Voorkomen",
        "reduced" => "Verminderd",
        "ended" => "Beëindigd",
        "unchanged" => "Gelijk gebleven",
        "increased" => "Toegenomen",
        "more" => "Meer",
        "same" => "Evenveel",
        "less" => "Minder",
        "yes" => "Ja",
        "no" => "Nee",
        "not-applicable" => "Niet van toepassing",
        "doorbraakaanpak" => "Doorbraakaanpak",
        "childrenSeen" => "Kinderen gezien",
        "helpedWithoutReferral" => "Geholpen zonder verwijzing",
        "referredOn" => "Doorverwezen",
        "contacts" => "Contacten",
        "respondents" => "Gaven een rapportcijfer",
        "households" => "Huishoudens",
        "plansAgreed" => "Plannen vastgesteld",
        "placementsAvoided" => "Uithuisplaatsingen voorkomen",
        "placementsReversed" => "Kinderen weer thuis",
        "plans" => "Plannen",
        "breakthroughs" => "Doorbraken",
        "breakthroughsWithinTerm" => "Doorbraken binnen de termijn",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::tabulate::{Dimension, Kind};

    /// A word that is missing would show as its code.
    #[test]
    fn every_kind_dimension_and_word_has_a_dutch_label() {
        for kind in Kind::ALL {
            assert_ne!(of_kind(kind.as_str()), kind.as_str());
        }
        for dimension in Dimension::ALL {
            assert_ne!(column(dimension.as_str()), dimension.as_str());
            for word in dimension.codes() {
                let is_word = word.starts_with(|first: char| first.is_ascii_alphabetic());
                assert!(!is_word || code(word) != word, "{word}");
            }
        }
        for programme in crate::domain::programme::Programme::ALL {
            assert_ne!(code(programme.as_str()), programme.as_str());
            for measure in programme.measures() {
                assert_ne!(code(measure.name), measure.name);
            }
        }
        assert_eq!(table("year.programme.poh-j"), "Eigen opgave van POH-jeugd, per jaar");
        assert_eq!(table("year.referrals.source"), "Aangemelde gezinnen naar verwijzer, per jaar");
        assert_eq!(table("quarter.referrals"), "Aangemelde gezinnen, per kwartaal");
        let target = "Tot stand gekomen koppelingen, afgesproken voor het jaar";
        assert_eq!(table("target.pairings-made"), target);
    }
}
