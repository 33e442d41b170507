//! Words for tables, columns and codes: Dutch in the files, Dutch or English on the pages.

/// What a reader must know beside every table.
pub const NOTE: &str = "Cijfers zijn gezinnen, geen kinderen. Kleine aantallen zijn beschermd: een cijfer kan een \
    beetje afwijken van de telling, een 0 kan ook een klein aantal zijn, een leeg vak is verborgen.";

/// Code, Dutch, English.
type Words = (&'static str, &'static str, &'static str);

/// What is counted.
const KINDS: &[Words] = &[
    ("referrals", "Aangemelde gezinnen", "Families referred"),
    ("pairings-made", "Tot stand gekomen koppelingen", "Pairings made"),
    ("pairings-ended", "Beëindigde koppelingen", "Pairings ended"),
    (
        "pairings-active",
        "Lopende koppelingen aan het eind van de periode",
        "Pairings running at the end of the period",
    ),
    ("support-families", "Aangemelde steungezinnen", "Support families registered"),
    ("evaluations", "Geëvalueerde koppelingen", "Pairings evaluated"),
];

/// Dimensions, and the columns every table has.
const COLUMNS: &[Words] = &[
    ("area", "Gebied", "Area"),
    ("period", "Periode", "Period"),
    ("table", "Tabel", "Table"),
    ("value", "Aantal", "Number"),
    ("obsStatus", "Status (A getoond, Q verborgen)", "Status (A shown, Q hidden)"),
    (
        "confStatus",
        "Vertrouwelijkheid (F vrij, C vertrouwelijk)",
        "Confidentiality (F free, C confidential)",
    ),
    ("unit", "Eenheid", "Unit"),
    ("label", "Omschrijving", "Description"),
    ("quarter", "Kwartaal", "Quarter"),
    ("year", "Jaar", "Year"),
    ("district", "Wijk", "Neighbourhood"),
    ("source", "Verwijzer", "Referrer"),
    ("ageBand", "Leeftijd jongste kind", "Age of the youngest child"),
    ("household", "Huishouden", "Household"),
    ("outcome", "Reden van beëindiging", "Reason for ending"),
    ("waiting", "Wachttijd in weken", "Weeks waited"),
    ("professionalHelp", "Professionele hulp", "Professional help"),
    ("networkExtended", "Netwerk uitgebreid", "Network extended"),
    ("socialContacts", "Sociale contacten van het kind", "Social contacts of the child"),
    ("grade", "Rapportcijfer", "Grade"),
    ("placementAvoided", "Uithuisplaatsing voorkomen", "Placement in care avoided"),
    ("measure", "Maat", "Measure"),
];

/// Words of the dimensions, of the programmes and of what these count.
const CODES: &[Words] = &[
    ("_T", "Totaal", "Total"),
    ("wijkteam", "Wijkteam", "Neighbourhood team"),
    ("poh-j", "POH-jeugd", "Youth worker at the GP"),
    ("regieteam", "Regieteam", "Case management team"),
    ("doorbraakcoach", "Doorbraakcoach", "Breakthrough coach"),
    ("self", "Eigen aanmelding", "Registered themselves"),
    ("one-parent", "Eenoudergezin", "One parent"),
    ("two-parent", "Tweeoudergezin", "Two parents"),
    ("blended", "Samengesteld gezin", "Blended family"),
    ("foster", "Pleeggezin", "Foster family"),
    ("other", "Anders", "Other"),
    ("elsewhere", "Wijk onbekend", "Neighbourhood unknown"),
    ("goal-reached", "Doel bereikt", "Goal reached"),
    ("moved", "Verhuisd", "Moved"),
    ("mismatch", "Geen klik", "No match"),
    ("family-stopped", "Gestopt door het vraaggezin", "Stopped by the family"),
    ("support-family-stopped", "Gestopt door het steungezin", "Stopped by the support family"),
    ("escalated", "Zwaardere hulp nodig", "More intensive help needed"),
    ("prevented", "Voorkomen", "Prevented"),
    ("reduced", "Verminderd", "Reduced"),
    ("ended", "Beëindigd", "Ended"),
    ("unchanged", "Gelijk gebleven", "Unchanged"),
    ("increased", "Toegenomen", "Increased"),
    ("more", "Meer", "More"),
    ("same", "Evenveel", "As many"),
    ("less", "Minder", "Fewer"),
    ("yes", "Ja", "Yes"),
    ("no", "Nee", "No"),
    ("not-applicable", "Niet van toepassing", "Not applicable"),
    ("doorbraakaanpak", "Doorbraakaanpak", "Breakthrough approach"),
    ("childrenSeen", "Kinderen gezien", "Children seen"),
    ("helpedWithoutReferral", "Geholpen zonder verwijzing", "Helped without referral"),
    ("referredOn", "Doorverwezen", "Referred on"),
    ("contacts", "Contacten", "Contacts"),
    ("respondents", "Gaven een rapportcijfer", "Gave a grade"),
    ("households", "Huishoudens", "Households"),
    ("plansAgreed", "Plannen vastgesteld", "Plans agreed"),
    ("placementsAvoided", "Uithuisplaatsingen voorkomen", "Placements in care avoided"),
    ("placementsReversed", "Kinderen weer thuis", "Children home again"),
    ("plans", "Plannen", "Plans"),
    ("breakthroughs", "Doorbraken", "Breakthroughs"),
    ("breakthroughsWithinTerm", "Doorbraken binnen de termijn", "Breakthroughs within the term"),
];

/// The Dutch and the English words of a code; without any it is its own.
fn words<'a>(list: &[Words], code: &'a str) -> (&'a str, &'a str) {
    let known = list.iter().find(|(known, ..)| *known == code);
    known.map_or((code, code), |(_, dutch, english)| (*dutch, *english))
}

/// A table, such as `year.referrals.source`, in Dutch.
#[must_use]
pub fn table(id: &str) -> String {
    table_words(id).0
}

/// A table, such as `year.referrals.source`, in Dutch and in English.
#[must_use]
pub fn table_words(id: &str) -> (String, String) {
    let mut parts = id.splitn(3, '.');
    let (period, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let of = parts.next();
    if let ("programme", Some(programme)) = (kind, of) {
        let (dutch, english) = code_words(programme);
        return (
            format!("Eigen opgave van {dutch}, per jaar"),
            format!("Own counts of {english}, per year"),
        );
    }
    let (per, each) = match period {
        "quarter" => (", per kwartaal", ", per quarter"),
        "exact" => (", exact", ", exact"),
        "target" => (", afgesproken voor het jaar", ", agreed for the year"),
        _ => (", per jaar", ", per year"),
    };
    let (dutch, english) = words(KINDS, kind);
    let by = of.map(column_words).map(|(dutch, english)| {
        (format!(" naar {}", dutch.to_lowercase()), format!(" by {}", english.to_lowercase()))
    });
    let (naar, by) = by.unwrap_or_default();
    (format!("{dutch}{naar}{per}"), format!("{english}{by}{each}"))
}

/// A column in Dutch: a dimension, or one of those every table has.
#[must_use]
pub fn column(name: &str) -> &str {
    column_words(name).0
}

/// A column in Dutch and in English.
#[must_use]
pub fn column_words(name: &str) -> (&str, &str) {
    words(COLUMNS, name)
}

/// A code in Dutch; one without a word of its own, such as a wijk or a year, is its own.
#[must_use]
pub fn code(code: &str) -> &str {
    code_words(code).0
}

/// A code in Dutch and in English.
#[must_use]
pub fn code_words(code: &str) -> (&str, &str) {
    words(CODES, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::tabulate::{Dimension, Kind};

    fn has(list: &[Words], code: &str) -> bool {
        list.iter().any(|(known, dutch, english)| {
            *known == code && *dutch != code && *english != code && !english.is_empty()
        })
    }

    /// A word that is missing would show as its code.
    #[test]
    fn every_kind_dimension_and_word_has_its_labels() {
        for kind in Kind::ALL {
            assert!(has(KINDS, kind.as_str()));
        }
        for dimension in Dimension::ALL {
            assert!(has(COLUMNS, dimension.as_str()));
            for word in dimension.codes() {
                let is_word = word.starts_with(|first: char| first.is_ascii_alphabetic());
                assert!(!is_word || has(CODES, word), "{word}");
            }
        }
        for programme in crate::domain::programme::Programme::ALL {
            assert!(has(CODES, programme.as_str()));
            for measure in programme.measures() {
                assert!(has(CODES, measure.name), "{}", measure.name);
            }
        }
        assert_eq!(table("year.programme.poh-j"), "Eigen opgave van POH-jeugd, per jaar");
        assert_eq!(table("year.referrals.source"), "Aangemelde gezinnen naar verwijzer, per jaar");
        let both = table_words("year.referrals.source");
        assert_eq!(both.1, "Families referred by referrer, per year");
        assert_eq!(
            table_words("year.programme.poh-j").1,
            "Own counts of Youth worker at the GP, per year"
        );
        assert_eq!(code_words("WK026801"), ("WK026801", "WK026801"));
        assert_eq!(table("quarter.referrals"), "Aangemelde gezinnen, per kwartaal");
        let target = "Tot stand gekomen koppelingen, afgesproken voor het jaar";
        assert_eq!(table("target.pairings-made"), target);
    }
}
