//! Words of the terms of the contract, by list: those of people and cases here, those of records in `records`.

mod records;

/// Code, Dutch, English.
type Words = (&'static str, &'static str, &'static str);

/// The words of a term.
pub(super) fn find(list: &str, code: &str) -> Option<(&'static str, &'static str)> {
    let (_, words) = LISTS.iter().chain(records::LISTS).find(|(name, _)| *name == list)?;
    words.iter().find(|(known, ..)| *known == code).map(|(_, dutch, english)| (*dutch, *english))
}

/// The codes of a list.
pub(super) fn codes(list: &str) -> Vec<&'static str> {
    let all = LISTS.iter().chain(records::LISTS).find(|(name, _)| *name == list);
    all.map(|(_, words)| words.iter().map(|(code, ..)| *code).collect()).unwrap_or_default()
}

const LISTS: &[(&str, &[Words])] = &[
    (
        "language",
        &[
            ("nl", "Nederlands", "Dutch"),
            ("am", "Amhaars", "Amharic"),
            ("ar", "Arabisch", "Arabic"),
            ("bg", "Bulgaars", "Bulgarian"),
            ("zh", "Chinees", "Chinese"),
            ("fa", "Dari of Farsi", "Dari or Farsi"),
            ("de", "Duits", "German"),
            ("en", "Engels", "English"),
            ("fr", "Frans", "French"),
            ("ku", "Koerdisch", "Kurdish"),
            ("uk", "Oekraïens", "Ukrainian"),
            ("pap", "Papiaments", "Papiamento"),
            ("ps", "Pasjtoe", "Pashto"),
            ("pl", "Pools", "Polish"),
            ("pt", "Portugees", "Portuguese"),
            ("ro", "Roemeens", "Romanian"),
            ("ru", "Russisch", "Russian"),
            ("so", "Somalisch", "Somali"),
            ("es", "Spaans", "Spanish"),
            ("ti", "Tigrinya", "Tigrinya"),
            ("tr", "Turks", "Turkish"),
            ("ur", "Urdu", "Urdu"),
            ("vi", "Vietnamees", "Vietnamese"),
        ],
    ),
    (
        "state",
        &[
            ("new", "Nieuw", "New"),
            ("intake", "Gesprek", "First talk"),
            ("searching", "Steungezin zoeken", "Looking for a support family"),
            ("introduction", "Kennismaking", "Introduction"),
            ("trial", "Proefperiode", "Trial"),
            ("paired", "Gekoppeld", "Paired"),
            ("evaluating", "Evaluatie", "Evaluation"),
            ("closed", "Afgerond", "Closed"),
            ("on-hold", "Wacht", "On hold"),
            ("ended", "Beëindigd", "Ended"),
            ("parked", "Geparkeerd", "Parked"),
            ("retrying", "Wordt opnieuw geprobeerd", "Being tried again"),
        ],
    ),
    (
        "purpose",
        &[
            ("intake", "Eerste gesprek met het gezin", "First talk with the family"),
            ("pairing", "Koppelen met een steungezin", "Pairing with a support family"),
            ("monitoring", "Volgen hoe het gaat", "Seeing how it goes"),
        ],
    ),
    (
        "stage",
        &[
            ("full", "Volledig", "Full"),
            ("contact", "Alleen contact opnemen", "Only to make contact"),
            ("none", "Geen", "None"),
        ],
    ),
    (
        "source",
        &[
            ("wijkteam", "Wijkteam", "Neighbourhood team"),
            ("poh-j", "POH-jeugd", "Youth support worker at the GP (POH-J)"),
            ("regieteam", "Regieteam", "Regieteam"),
            ("doorbraakcoach", "Doorbraakcoach", "Doorbraakcoach"),
            ("self", "Gezin zelf", "The family itself"),
            ("other", "Anders", "Other"),
        ],
    ),
    ("urgency", &[("regular", "Gewoon", "Regular"), ("urgent", "Met voorrang", "Urgent")]),
    (
        "status",
        &[
            ("received", "Ontvangen", "Received"),
            ("assigned", "Bij een coördinator", "With a coordinator"),
            ("in-contact", "In gesprek met het gezin", "Talking with the family"),
            ("paired", "Gekoppeld", "Paired"),
            ("not-paired", "Geen koppeling", "Not paired"),
            ("completed", "Afgerond", "Completed"),
            ("awaiting-consent", "Wacht op toestemming", "Waiting for consent"),
            ("on-hold", "Wacht", "On hold"),
            ("declined", "Afgewezen", "Declined"),
            ("withdrawn", "Ingetrokken", "Taken back"),
        ],
    ),
    (
        "household",
        &[
            ("one-parent", "Eén ouder", "One parent"),
            ("two-parent", "Twee ouders", "Two parents"),
            ("blended", "Samengesteld gezin", "Blended family"),
            ("foster", "Pleeggezin", "Foster family"),
            ("other", "Anders", "Other"),
        ],
    ),
    (
        "support",
        &[
            ("relieve-parent", "Ouder ontlasten", "Relieve the parent"),
            ("parenting-support", "Steun bij opvoeden", "Support with parenting"),
            ("network", "Meer mensen om het gezin heen", "More people around the family"),
            (
                "rest-for-child",
                "Rust of speelplek voor het kind",
                "Rest or a place to play for the child",
            ),
            ("practical-help", "Praktische hulp", "Practical help"),
            ("money-questions", "Vragen over geld", "Questions about money"),
            ("language-and-taking-part", "Taal en meedoen", "Language and taking part"),
            ("other", "Anders", "Other"),
        ],
    ),
    (
        "daypart",
        &[
            ("weekday-morning", "Doordeweeks, ochtend", "Weekday, morning"),
            ("weekday-afternoon", "Doordeweeks, middag", "Weekday, afternoon"),
            ("weekday-evening", "Doordeweeks, avond", "Weekday, evening"),
            ("weekend-morning", "Weekend, ochtend", "Weekend, morning"),
            ("weekend-afternoon", "Weekend, middag", "Weekend, afternoon"),
            ("weekend-evening", "Weekend, avond", "Weekend, evening"),
            ("night", "Nacht", "Night"),
        ],
    ),
    (
        "frequency",
        &[
            ("several-times-a-week", "Meerdere keren per week", "Several times a week"),
            ("weekly", "Elke week", "Weekly"),
            ("fortnightly", "Om de week", "Every two weeks"),
            ("monthly", "Elke maand", "Monthly"),
            ("flexible", "In overleg", "Flexible"),
        ],
    ),
    (
        "attention",
        &[
            ("allergy", "Allergie", "Allergy"),
            ("physical-disability", "Lichamelijke beperking", "Physical disability"),
            ("stimulus-sensitive", "Gevoelig voor prikkels", "Sensitive to stimuli"),
            (
                "medication-during-visit",
                "Medicijnen tijdens het bezoek",
                "Medication during the visit",
            ),
            ("other", "Anders", "Other"),
        ],
    ),
    (
        "involved",
        &[
            ("wijkteam", "Wijkteam", "Neighbourhood team"),
            ("youth-care", "Jeugdhulp", "Youth care"),
            ("guardian-institution", "Gecertificeerde instelling", "Guardian institution"),
            ("school", "School", "School"),
            ("none", "Niemand", "Nobody"),
        ],
    ),
    (
        "age",
        &[
            ("0-3", "0 tot en met 3 jaar", "0 to 3"),
            ("4-11", "4 tot en met 11 jaar", "4 to 11"),
            ("12-17", "12 tot en met 17 jaar", "12 to 17"),
            ("18-23", "18 tot en met 23 jaar", "18 to 23"),
            ("24+", "24 jaar en ouder", "24 and older"),
        ],
    ),
    (
        "pairing",
        &[
            ("introduction", "Kennismaking", "Introduction"),
            ("trial", "Proefperiode", "Trial"),
            ("paired", "Gekoppeld", "Paired"),
            ("ended", "Beëindigd", "Ended"),
        ],
    ),
    (
        "end-reason",
        &[
            ("goal-reached", "Doel bereikt", "Goal reached"),
            ("moved", "Verhuisd", "Moved"),
            ("mismatch", "Het paste niet", "It did not fit"),
            ("family-stopped", "Gezin is gestopt", "The family stopped"),
            ("support-family-stopped", "Steungezin is gestopt", "The support family stopped"),
            ("escalated", "Zwaardere hulp nodig", "More help was needed"),
        ],
    ),
    (
        "next-form",
        &[
            ("home", "Thuis", "At home"),
            ("support-family", "Bij een steungezin", "With a support family"),
            ("foster-family", "In een pleeggezin", "In a foster family"),
            ("family-home", "In een gezinshuis", "In a family home"),
            ("residential", "In een instelling", "In an institution"),
        ],
    ),
    (
        "help",
        &[
            ("prevented", "Voorkomen", "Prevented"),
            ("reduced", "Minder", "Reduced"),
            ("ended", "Gestopt", "Ended"),
            ("unchanged", "Gelijk gebleven", "Unchanged"),
            ("increased", "Meer", "Increased"),
        ],
    ),
    (
        "contacts",
        &[("more", "Meer", "More"), ("same", "Gelijk", "The same"), ("less", "Minder", "Less")],
    ),
    (
        "placement",
        &[
            ("yes", "Ja", "Yes"),
            ("no", "Nee", "No"),
            ("not-applicable", "Niet van toepassing", "Does not apply"),
        ],
    ),
    (
        "support-state",
        &[
            ("registered", "Aangemeld", "Registered"),
            ("screening", "Kennismaking en VOG", "Being screened"),
            ("available", "Beschikbaar", "Available"),
            ("paired", "Gekoppeld", "Paired"),
            ("left", "Gestopt", "Left"),
        ],
    ),
    (
        "consent-method",
        &[
            ("signed-on-paper", "getekend op papier", "signed on paper"),
            ("signed-digitally", "digitaal getekend", "signed digitally"),
            ("oral-recorded", "mondeling, met een aantekening", "spoken, with a note of it"),
        ],
    ),
    (
        "role",
        &[
            ("referrer", "Verwijzer", "Referrer"),
            ("case-manager", "Casusregisseur", "Case manager"),
            ("assigner", "Hoofdcoördinator", "Lead coordinator"),
            ("coordinator", "Coördinator", "Coordinator"),
            ("municipality", "Beleidsadviseur", "Policy adviser"),
            ("privacy-officer", "Functionaris gegevensbescherming", "Privacy officer"),
            ("operator", "Beheerder", "Operator"),
            ("data-subject", "Betrokkene", "Data subject"),
        ],
    ),
    (
        "partner-kind",
        &[
            ("referrer", "Verwijzer", "Referrer"),
            ("coordination", "Coördinatie", "Coordination"),
            ("municipality", "Gemeente", "Gemeente"),
            ("oversight", "Toezicht", "Oversight"),
            ("operations", "Beheer", "Operations"),
        ],
    ),
    (
        "partner-status",
        &[("active", "Doet mee", "Takes part"), ("suspended", "Geschorst", "Suspended")],
    ),
    (
        "programme",
        &[
            ("poh-j", "POH-jeugd", "POH-J"),
            ("regieteam", "Regieteam", "Regieteam"),
            ("doorbraakaanpak", "Doorbraakaanpak", "Doorbraakaanpak"),
        ],
    ),
    (
        "authority",
        &[
            ("GezamenlijkOuderlijkGezag", "Beide ouders samen", "Both parents"),
            ("EenhoofdigOuderlijkGezag", "Eén ouder alleen", "One parent alone"),
            ("GezamenlijkGezag", "Ouder met een ander samen", "A parent with somebody else"),
            ("Voogdij", "Een voogd", "A guardian"),
            ("TijdelijkGeenGezag", "Tijdelijk niemand", "Nobody for now"),
            ("GezagNietTeBepalen", "Weet ik niet", "I do not know"),
        ],
    ),
    (
        "use",
        &[
            ("referral", "Aanmelden", "Referral"),
            ("feedback", "Terugkoppelen", "Feedback"),
            ("coordination", "Samenwerken rond het plan", "Coordination of the plan"),
            ("assignment", "Toewijzen", "Assignment"),
            ("intake", "Eerste gesprek", "First talk"),
            ("pairing", "Koppelen", "Pairing"),
            ("monitoring", "Volgen", "Monitoring"),
            ("statistics", "Cijfers", "Statistics"),
            ("audit", "Controle", "Audit"),
            ("operations", "Beheer", "Operations"),
            ("access-request", "Rechten van het gezin", "Rights of the family"),
        ],
    ),
    (
        "consent-purpose",
        &[
            ("referral", "Het gezin aanmelden", "Referring the family"),
            ("contact", "Contact opnemen met het gezin", "Making contact with the family"),
            (
                "feedback",
                "De verwijzer laten weten hoe het staat",
                "Telling the referrer how it stands",
            ),
            ("coordination", "Samenwerken rond het plan", "Working together on the plan"),
            ("assignment", "Een coördinator kiezen", "Choosing a coordinator"),
            ("intake", "Een eerste gesprek", "A first talk"),
            (
                "pairing",
                "Een steungezin zoeken en voorstellen",
                "Looking for a support family and introducing it",
            ),
            ("monitoring", "Volgen hoe het gaat", "Seeing how it goes"),
            ("statistics", "Meetellen in cijfers", "Being counted in figures"),
        ],
    ),
    (
        "decision",
        &[
            ("given", "Ja", "Yes"),
            ("refused", "Nee", "No"),
            ("withdrawn", "Ingetrokken", "Withdrawn"),
        ],
    ),
    (
        "deadline",
        &[
            ("access-request-due", "Inzageverzoek beantwoorden", "Answer the access request"),
            ("trial-ends", "Proefperiode loopt af", "Trial ends"),
            ("evaluation-due", "Evaluatie", "Evaluation"),
            ("consent-ends", "Toestemming loopt af", "Consent ends"),
            ("subject-turns-12", "Een kind wordt 12", "A child turns 12"),
            ("subject-turns-16", "Een kind wordt 16", "A child turns 16"),
            ("subject-turns-18", "Een kind wordt 18", "A child turns 18"),
        ],
    ),
];
