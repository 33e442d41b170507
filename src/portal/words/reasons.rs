//! What is wrong and what to do about it: reasons of consent, rules of fields, problems.

/// Code, Dutch, English.
pub(super) const REASONS: &[(&str, &str, &str)] = &[
    (
        "bsn-not-allowed",
        "Er staat een burgerservicenummer in. Haal dat weg.",
        "It holds a burgerservicenummer. Take it out.",
    ),
    (
        "category-forbidden",
        "Er staat een soort gegevens in die hier niet mag.",
        "It holds a kind of data that may not be here.",
    ),
    ("purpose-unknown", "Het doel is niet bekend.", "The purpose is not known."),
    (
        "child-protection-report-outside-gateway",
        "Een melding over veiligheid hoort bij Veilig Thuis: bel 0800 2000.",
        "A report about safety belongs to Veilig Thuis: call 0800 2000.",
    ),
    (
        "consent-implied",
        "Toestemming moet zijn uitgesproken. Vraag het gezin opnieuw.",
        "Consent must be spoken out. Ask the family again.",
    ),
    (
        "consent-missing",
        "Er is nog geen toestemming. Bespreek de aanmelding met het gezin.",
        "There is no consent yet. Talk it over with the family.",
    ),
    (
        "evidence-missing",
        "Schrijf op waar de toestemming is vastgelegd.",
        "Write down where the consent is kept.",
    ),
    (
        "notice-missing",
        "Het gezin heeft de uitleg nog niet gekregen. Lees die voor.",
        "The family was not given the notice. Read it out.",
    ),
    (
        "consent-not-free",
        "Toestemming mag geen voorwaarde zijn voor andere hulp.",
        "Consent may not be a condition for other help.",
    ),
    (
        "consent-withdrawn",
        "De toestemming is ingetrokken. Er wordt niets meer getoond. Wil het gezin toch verder? Leg dan een nieuw ja vast.",
        "Consent was withdrawn. Nothing is shown any more. Does the family want to go on after all? Then record a new yes.",
    ),
    (
        "consent-refused",
        "Het gezin zei nee. Er wordt niets bewaard.",
        "The family said no. Nothing is kept.",
    ),
    ("not-yet-valid", "De toestemming geldt nog niet.", "The consent does not count yet."),
    (
        "expired",
        "De toestemming is verlopen. Vraag het gezin opnieuw.",
        "The consent has ended. Ask the family again.",
    ),
    (
        "authority-unknown",
        "Niet bekend is wie het gezag heeft. Zoek dat uit in het gezagsregister.",
        "It is not known who has parental authority. Look it up.",
    ),
    (
        "authority-vacant",
        "Op dit moment heeft niemand het gezag.",
        "Nobody has parental authority at this moment.",
    ),
    (
        "authority-under-investigation",
        "Het gezag wordt onderzocht. Wacht de uitkomst af.",
        "Parental authority is under investigation. Wait for the outcome.",
    ),
    (
        "authority-holder-missing",
        "Iemand met gezag heeft nog geen ja gezegd.",
        "Somebody with parental authority has not said yes.",
    ),
    (
        "youth-missing",
        "Een kind van 12 jaar of ouder heeft zelf nog geen ja gezegd.",
        "A child of 12 or older has not said yes.",
    ),
    ("adult-missing", "Een volwassene heeft nog geen ja gezegd.", "An adult has not said yes."),
    (
        "representative-missing",
        "Een vertegenwoordiger heeft nog geen ja gezegd.",
        "A representative has not said yes.",
    ),
    (
        "signer-not-entitled",
        "Iemand die ja zei, mag daar niet over beslissen.",
        "Somebody who said yes may not decide about it.",
    ),
    (
        "subject-not-covered",
        "De toestemming gaat niet over iedereen in de aanmelding.",
        "The consent is not about everybody in the referral.",
    ),
    (
        "purpose-not-covered",
        "Voor dit doel is het gezin niet om toestemming gevraagd. Dat kan alleen met een nieuwe aanmelding: overleg met wie verwees.",
        "The family was not asked for consent to this purpose. That takes a new referral: talk to who referred.",
    ),
    (
        "recipient-not-covered",
        "De toestemming noemt Buurtgezinnen in deze gemeente niet.",
        "The consent does not name Buurtgezinnen in this gemeente.",
    ),
    (
        "category-not-covered",
        "De toestemming gaat niet over alle gegevens in de aanmelding.",
        "The consent is not about all data of the referral.",
    ),
    (
        "consent-not-explicit",
        "Voor gezondheid is uitdrukkelijke toestemming nodig.",
        "Data about health needs explicit consent.",
    ),
    (
        "not-a-plan-participant",
        "Uw organisatie doet niet mee in het plan.",
        "Your organisation does not take part in the plan.",
    ),
    ("not-assigned", "De zaak is niet aan u toegewezen.", "The case is not assigned to you."),
    ("objection", "Het gezin heeft bezwaar gemaakt.", "The family objected."),
];

/// Code and Dutch; English is the rule of the API itself.
pub(super) const ERRORS: &[(&str, &str)] = &[
    ("missing", "Vul dit in."),
    ("number", "Vul het hele nummer in: 36 tekens."),
    ("path", "Kies een kwartaal dat al is begonnen."),
    ("text", "Gebruik gewone tekens, en niet meer dan past."),
    ("term", "Kies één van de mogelijkheden."),
    ("range", "Dit getal past hier niet."),
    ("phone", "Schrijf een telefoonnummer, zoals 06 1234 5678."),
    ("email", "Schrijf een e-mailadres, zoals naam@voorbeeld.nl."),
    ("phone-or-email", "Vul een telefoonnummer of een e-mailadres in."),
    (
        "no-telephone",
        "De coördinator kan u alleen bellen met uw nummer: vul in stap 1 uw telefoon in.",
    ),
    ("postcode", "Schrijf een postcode zoals 6500 AA."),
    ("birth-date", "Schrijf een geboortedatum die niet in de toekomst ligt."),
    ("date", "Schrijf een datum."),
    ("instant", "Schrijf een datum."),
    ("in-the-future", "Kies een dag die niet in de toekomst ligt."),
    ("cbs-code", "Kies een gemeente, of schrijf een wijkcode zoals WK026801."),
    ("district-elsewhere", "De wijk ligt niet in deze gemeente."),
    ("language", "Kies een taal."),
    ("label", "Gebruik een korte aanduiding zonder spaties."),
    ("id", "Kies er één uit de lijst."),
    ("account", "Kies een coördinator."),
    ("grade", "Geef een cijfer van 1,0 tot 10,0."),
    ("bsn", "Hier staat een burgerservicenummer. Haal dat weg."),
    ("bsn-not-allowed", "Hier staat een burgerservicenummer. Haal dat weg."),
    ("family-not-informed", "Bespreek de aanmelding eerst met het gezin."),
    ("not-agreed", "Zonder akkoord kan een steungezin niet worden aangemeld."),
    ("item-count", "Kies er één, twee of drie."),
    ("implausible", "Dit aantal past niet bij de andere: een deel is nooit meer dan het geheel."),
    ("not-expected", "Laat dit leeg zolang niemand een cijfer gaf."),
    ("not-of-this-programme", "Dit telt een ander programma."),
    ("court-order-missing", "Hiervoor is een beschikking van de rechter nodig."),
    ("wrong-type", "Dit past hier niet."),
    ("source-not-registered", "Uw organisatie meldt niet in deze hoedanigheid aan."),
    ("municipality-not-served", "In deze gemeente is Buurtgezinnen er nog niet."),
    ("municipality-not-registered", "Uw organisatie werkt niet in deze gemeente."),
    ("not-a-coordinator", "Kies iemand die coördinator is."),
    ("signer-unknown", "Deze persoon staat niet in de aanmelding."),
    (
        "screening-incomplete",
        "Er ontbreekt nog iets: het gesprek, de VOG of de ervaring met kinderen.",
    ),
    ("support-family-not-available", "Dit steungezin kan nu niet worden voorgesteld."),
    ("subject-unknown", "Deze persoon staat niet in de aanmelding."),
    ("request-unknown", "Dit verzoek hoort niet bij deze zaak."),
    ("request-answered", "Dit verzoek is al beantwoord."),
    ("not-verified", "Controleer eerst wie vraagt, en of anderen er last van hebben."),
    ("goal-unknown", "Dit doel staat niet in het plan."),
    ("horizon", "Een maatwerkplan duurt 3 tot 6 maanden."),
    (
        "trial-length",
        "Een proefperiode duurt één tot twee maanden, en kan één keer een maand langer.",
    ),
    ("plan-not-expected", "Een plan hoort bij een regieteam of doorbraakcoach."),
    ("label-twice", "Iemand staat er twee keer in."),
    (
        "authority-unclear",
        "Zoek eerst uit wie het gezag heeft, in het gezagsregister. Zonder dat kan niemand ja zeggen.",
    ),
    (
        "consent-first",
        "Met deze verbetering zou de toestemming volledig worden. Leg eerst vast wie ja zei.",
    ),
    ("subjects-differ", "Noem iedereen van de aanmelding, en niemand anders."),
    ("not-sure", "Vink aan dat u dit zeker weet."),
    ("not-alike", "Deze zaken lijken niet op elkaar."),
];

/// Kind, titles, and what to do.
type Row = (&'static str, (&'static str, &'static str), (&'static str, &'static str));

/// Of every kind of problem.
pub(super) const PROBLEMS: &[Row] = &[
    (
        "audit-unavailable",
        ("Even niet beschikbaar", "Not available just now"),
        (
            "Het logboek kan niet worden geschreven, en dan tonen wij niets. Probeer het over een minuut opnieuw.",
            "The ledger cannot be written, and then we show nothing. Try again in a minute.",
        ),
    ),
    (
        "body-timeout",
        ("Het duurde te lang", "It took too long"),
        ("Probeer het opnieuw.", "Try again."),
    ),
    (
        "busy",
        ("Het is druk", "Busy"),
        ("Probeer het over een minuut opnieuw.", "Try again in a minute."),
    ),
    (
        "consent-refused",
        ("De toestemming is niet genoeg", "Consent does not suffice"),
        ("Bespreek het met het gezin.", "Talk it over with the family."),
    ),
    (
        "forbidden",
        ("Niet voor uw rol", "Not for your role"),
        (
            "Met uw rol kan dit niet. Ga terug naar uw eigen pagina's.",
            "Your role cannot do this. Go back to your own pages.",
        ),
    ),
    (
        "idempotency-key-reused",
        ("Al verstuurd", "Sent before"),
        (
            "Dit formulier is al verstuurd. Open de pagina opnieuw.",
            "This form was sent before. Open the page again.",
        ),
    ),
    (
        "internal",
        ("Er ging iets mis", "Something went wrong"),
        (
            "Het ligt aan ons. Probeer het opnieuw; blijft het misgaan, bel dan uw beheerder.",
            "It is our fault. Try again; if it stays wrong, call your operator.",
        ),
    ),
    (
        "invalid",
        ("Er klopt iets niet", "Something is not right"),
        ("Ga terug en kijk na wat u invulde.", "Go back and look at what you filled in."),
    ),
    (
        "method-not-allowed",
        ("Dit kan hier niet", "Not possible here"),
        ("Open de pagina opnieuw.", "Open the page again."),
    ),
    (
        "not-acceptable",
        ("Deze vorm is er niet", "No such form"),
        ("Kies een andere vorm.", "Choose another form."),
    ),
    (
        "not-found",
        ("Niet gevonden", "Not found"),
        (
            "Deze pagina is er niet, of u mag haar niet zien. Welke van de twee, zeggen wij niet.",
            "This page is not there, or not yours. Nobody can tell which.",
        ),
    ),
    (
        "partner-unknown",
        ("Uw organisatie doet niet mee", "Your organisation does not take part"),
        ("Bel uw beheerder.", "Call your operator."),
    ),
    (
        "stale",
        ("Intussen veranderd", "Changed meanwhile"),
        (
            "Iemand anders heeft dit veranderd. Open de pagina opnieuw en kijk of het nog nodig is.",
            "Somebody else changed this. Open the page again and see whether it is still needed.",
        ),
    ),
    (
        "state-conflict",
        ("Dat kan nu niet", "Not possible now"),
        ("In deze stand kan dit niet.", "It cannot be done in this state."),
    ),
    (
        "storage-low",
        ("Even niet beschikbaar", "Not available just now"),
        (
            "Er is te weinig ruimte. Probeer het later opnieuw.",
            "There is too little space. Try again later.",
        ),
    ),
    ("too-large", ("Te groot", "Too large"), ("Maak de tekst korter.", "Make the text shorter.")),
    (
        "too-many-requests",
        ("Te veel vragen", "Too many requests"),
        ("Wacht even en probeer het opnieuw.", "Wait a moment and try again."),
    ),
    ("unauthenticated", ("Niet ingelogd", "Not signed in"), ("Log opnieuw in.", "Sign in again.")),
    (
        "unsupported-media-type",
        ("Dit kan hier niet", "Not possible here"),
        ("Open de pagina opnieuw.", "Open the page again."),
    ),
];
