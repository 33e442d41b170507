//! Dutch and English: sentences side by side where they stand, terms of the contract in one table.
//!
//! A sentence of a page is written in both languages at once ([`Lang::say`]), so none can lack one. Terms that come from
//! the API have their words in `terms`; a test goes through every list of `domain` and fails on a term without words.

use crate::clock::from_millisecond;
use crate::http::problem::Problem;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

mod reasons;
mod terms;

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lang {
    /// Dutch.
    #[default]
    Nl,
    /// English.
    En,
}

impl Lang {
    /// Its code, BCP 47.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nl => "nl",
            Self::En => "en",
        }
    }

    /// The language of a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "nl" => Some(Self::Nl),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// What a browser asks for first that there is; Dutch where it asks for neither.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let tags = header.split(',').filter_map(|range| range.split([';', '-']).next());
        tags.map(str::trim).find_map(Self::parse).unwrap_or_default()
    }

    /// One of two.
    #[must_use]
    pub const fn say<'a>(&self, dutch: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Nl => dutch,
            Self::En => english,
        }
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("januari", "January"),
    ("februari", "February"),
    ("maart", "March"),
    ("april", "April"),
    ("mei", "May"),
    ("juni", "June"),
    ("juli", "July"),
    ("augustus", "August"),
    ("september", "September"),
    ("oktober", "October"),
    ("november", "November"),
    ("december", "December"),
];

fn date(lang: Lang, date: Date) -> String {
    let at = usize::try_from(date.month()).unwrap_or_default().saturating_sub(1);
    let (dutch, english) = MONTHS.get(at).copied().unwrap_or_default();
    format!("{} {} {}", date.day(), lang.say(dutch, english), date.year())
}

/// "3 maart 2026" of an instant or a date; empty where it is neither. In Europe/Amsterdam.
#[must_use]
pub fn day(lang: Lang, text: &str) -> String {
    if let Ok(day) = text.parse::<Date>()
        && text.len() == 10
    {
        return date(lang, day);
    }
    let instant = text.parse::<Timestamp>();
    instant.map_or_else(|_| String::new(), |at| date(lang, local(at).0))
}

/// "3 maart 2026, 14:05" of an instant.
#[must_use]
pub fn moment(lang: Lang, text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| String::new(), |at| moment_of(lang, at))
}

/// "3 maart 2026, 14:05" of an instant.
#[must_use]
pub fn moment_of(lang: Lang, at: Timestamp) -> String {
    let (day, hour, minute) = local(at);
    format!("{}, {hour:02}:{minute:02}", date(lang, day))
}

/// "3 maart 2026, 14:05" of milliseconds since the epoch.
#[must_use]
pub fn moment_of_ms(lang: Lang, ms: i64) -> String {
    moment_of(lang, from_millisecond(ms))
}

fn local(at: Timestamp) -> (Date, i8, i8) {
    let zone = TimeZone::get("Europe/Amsterdam").unwrap_or(TimeZone::UTC);
    let there = at.to_zoned(zone);
    (there.date(), there.hour(), there.minute())
}

/// The words of a term of a list of the contract; the term itself where it has none.
#[must_use]
pub fn term(lang: Lang, list: &str, code: &str) -> String {
    let found = terms::find(list, code);
    found.map_or_else(|| code.to_owned(), |(dutch, english)| lang.say(dutch, english).to_owned())
}

/// Somebody of a referral, by the label that the pages give; another label is told as it is.
#[must_use]
pub fn who(lang: Lang, label: &str) -> String {
    let number = |kind: &str| label.strip_prefix(kind).filter(|rest| rest.parse::<u8>().is_ok());
    match (number("parent"), number("child")) {
        (Some(at), _) => format!("{} {at}", lang.say("Ouder", "Parent")),
        (_, Some(at)) => format!("{} {at}", lang.say("Kind", "Child")),
        _ => label.to_owned(),
    }
}

/// The words of several terms, with commas.
#[must_use]
pub fn terms_of(lang: Lang, list: &str, codes: &[String]) -> String {
    let words: Vec<String> = codes.iter().map(|code| term(lang, list, code)).collect();
    words.join(", ")
}

/// For what names were opened: for a step of the case, or to answer somebody who asked.
#[must_use]
pub fn why(lang: Lang, code: &str) -> String {
    let own = term(lang, "purpose", code);
    if own == code { term(lang, "use", code) } else { own }
}

/// The reason that somebody gave for opening names; an answer to a request gives its own.
#[must_use]
pub fn because(lang: Lang, purpose: &str, reason: String) -> String {
    let answer = lang.say("Antwoord op een verzoek om inzage", "Answer to a request to see");
    if purpose == "access-request" && !reason.is_empty() { answer.to_owned() } else { reason }
}

/// Languages that can be chosen: code and name; `kept` as well, whatever it is.
#[must_use]
pub fn languages(lang: Lang, kept: &str) -> Vec<(String, String)> {
    let known = terms::codes("language");
    let more = (!kept.is_empty() && !known.contains(&kept)).then_some(kept);
    let all = known.iter().copied().chain(more);
    all.map(|code| (code.to_owned(), term(lang, "language", code))).collect()
}

/// What a reason of consent means, and what to do.
#[must_use]
pub fn reason(lang: Lang, code: &str) -> String {
    let found = reasons::REASONS.iter().find(|(known, ..)| *known == code);
    found.map_or_else(|| code.to_owned(), |(_, dutch, english)| lang.say(dutch, english).to_owned())
}

/// What is wrong with a field, by the code of the rule.
#[must_use]
pub fn error(lang: Lang, code: &str, rule: &str) -> String {
    let found = reasons::ERRORS.iter().find(|(known, ..)| *known == code);
    match (lang, found) {
        (Lang::Nl, Some((_, dutch))) => (*dutch).to_owned(),
        _ => rule.to_owned(),
    }
}

/// What is wrong, in sentences: of what was sent, each mistake.
#[must_use]
pub fn told(lang: Lang, wrong: &Problem) -> Vec<String> {
    match wrong {
        Problem::Invalid(errors) => {
            errors.iter().map(|one| error(lang, one.code, &one.detail)).collect()
        }
        other => problem(lang, other).1,
    }
}

/// Title of a problem, and what to do now.
#[must_use]
pub fn problem(lang: Lang, problem: &Problem) -> (String, Vec<String>) {
    let (_, title, text) =
        reasons::PROBLEMS.iter().find(|(kind, ..)| *kind == problem.kind()).copied().unwrap_or((
            "",
            ("Er ging iets mis", "Something went wrong"),
            ("Probeer het opnieuw.", "Try again."),
        ));
    let mut told = vec![lang.say(text.0, text.1).to_owned()];
    match problem {
        Problem::ConsentRefused { reasons, .. } => {
            told = reasons.iter().map(|code| reason(lang, code)).collect();
        }
        Problem::StateConflict { allowed } if !allowed.is_empty() => {
            let word = |code: &&str| {
                let lists = ["state", "support-state", "pairing"];
                let own = lists.iter().map(|list| term(lang, list, code)).find(|word| word != code);
                own.unwrap_or_else(|| (*code).to_owned())
            };
            let can: Vec<String> = allowed.iter().map(word).collect();
            told.push(format!(
                "{} {}.",
                lang.say("Wel mogelijk:", "Possible now:"),
                can.join(", ")
            ));
        }
        _ => {}
    }
    (lang.say(title.0, title.1).to_owned(), told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::{Event, Outcome};
    use crate::domain::{
        access, age, case, consent, identity, likeness, pairing, partner, programme, referral,
        support_family, term,
    };
    use crate::http::problem::KINDS;
    use crate::statistics::tabulate::Kind;

    macro_rules! all {
        ($($list:literal: $of:ty),+ $(,)?) => { vec![$(($list, <$of>::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>())),+] };
    }

    #[test]
    fn every_term_has_words_in_both_languages() {
        let lists: Vec<(&str, Vec<&str>)> = all![
            "state": case::CaseState, "purpose": case::ReleasePurpose, "stage": case::Stage, "source": referral::Source,
            "urgency": referral::Urgency, "status": referral::ReferralStatus, "household": referral::Composition,
            "support": referral::SupportCode, "daypart": referral::Daypart, "frequency": referral::Frequency,
            "attention": referral::AttentionPoint, "involved": referral::Involved, "age": age::AgeBand,
            "pairing": pairing::PairingState, "end-reason": pairing::EndReason, "next-form": pairing::NextForm,
            "help": pairing::ProfessionalHelp, "contacts": pairing::SocialContacts,
            "placement": pairing::PlacementAvoided, "support-state": support_family::SupportState,
            "role": partner::Role, "partner-kind": partner::PartnerKind, "partner-status": partner::PartnerStatus,
            "programme": programme::Programme, "authority": consent::AuthorityType, "goal": referral::GoalStatus, "plan": referral::PlanType,
            "subject": referral::SubjectRole, "use": access::Use,
            "consent-purpose": consent::Purpose, "category": consent::Category, "likelihood": likeness::Likelihood, "evidence": likeness::Evidence,
            "link": likeness::LinkDecision, "link-choice": likeness::LinkDecision, "done": crate::portal::trail::Done, "field-group": identity::FieldGroup, "decision": consent::SignatureDecision,
        ];
        let events = Event::ALL.iter().map(|one| one.as_str()).collect();
        let outcomes = Outcome::ALL.iter().map(|one| one.as_str()).collect();
        let kinds = Kind::ALL.iter().map(|one| one.as_str()).collect();
        let counts = programme::Programme::ALL.iter().flat_map(|one| one.measures());
        let counts = counts.map(|measure| measure.name).collect();
        for (list, codes) in lists.into_iter().chain([
            ("count", counts),
            ("event", events),
            ("outcome", outcomes),
            ("measure", kinds),
        ]) {
            for code in codes {
                let (dutch, english) =
                    terms::find(list, code).unwrap_or_else(|| panic!("{list}: {code}"));
                assert!(!dutch.is_empty() && !english.is_empty(), "{list}: {code}");
            }
        }
        for kind in [
            term::DeadlineKind::AccessRequestDue,
            term::DeadlineKind::TrialEnds,
            term::DeadlineKind::EvaluationDue,
            term::DeadlineKind::ConsentEnds,
        ] {
            assert!(terms::find("deadline", kind.as_str()).is_some(), "{}", kind.as_str());
        }
        assert!(terms::find("state", "nowhere").is_none(), "control");
    }

    #[test]
    fn every_reason_and_problem_has_words() {
        for reason in consent::Reason::ALL {
            assert!(
                reasons::REASONS.iter().any(|(code, ..)| *code == reason.as_str()),
                "{}",
                reason.as_str()
            );
        }
        for kind in KINDS {
            assert!(reasons::PROBLEMS.iter().any(|(known, ..)| known == kind), "{kind}");
        }
    }

    #[test]
    fn days_are_those_of_amsterdam() {
        assert_eq!(day(Lang::Nl, "2026-03-03"), "3 maart 2026");
        assert_eq!(day(Lang::En, "2026-03-03T23:30:00Z"), "4 March 2026");
        assert_eq!(moment(Lang::Nl, "2026-07-03T12:05:00Z"), "3 juli 2026, 14:05");
        assert_eq!(day(Lang::Nl, "x"), "");
    }

    #[test]
    fn a_browser_gets_the_first_language_there_is() {
        assert_eq!(Lang::accepted("fr-FR,en;q=0.9,nl;q=0.8"), Lang::En);
        assert_eq!(Lang::accepted("nl-NL"), Lang::Nl);
        assert_eq!(Lang::accepted("*"), Lang::Nl);
    }
}
