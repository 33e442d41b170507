//! What is kept of somebody as a page to print: Dutch but for codes, without script or style, every value escaped.

use crate::http::reply;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::Value;
use std::fmt::Write;

/// Headings of the parts, in the order in which they are printed.
const PARTS: [(&str, &str); 8] = [
    ("case", "Uw aanmelding"),
    ("data", "Wat er van u is bewaard"),
    ("consent", "Waarvoor u toestemming gaf"),
    ("recipients", "Wie het kreeg"),
    ("pairings", "Koppelingen"),
    ("said", "Wat er bij besluiten en stappen is gezegd"),
    ("releases", "Wie uw gegevens opende, wanneer en waarom"),
    ("log", "Alles wat over uw zaak is vastgelegd"),
];

/// The page.
pub(super) fn response(told: &Value) -> HttpResponse {
    let mut page = render(told);
    // Its length says little, as that of every answer that holds an identity.
    let padded = page.len().next_multiple_of(reply::STEP);
    page.extend(std::iter::repeat_n(' ', padded - page.len()));
    HttpResponse::build(StatusCode::CREATED).content_type("text/html; charset=utf-8").body(page)
}

fn render(told: &Value) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"nl\">\n<head><meta charset=\"utf-8\"><title>Inzage in uw gegevens</title></head>\n\
         <body>\n<h1>Inzage in uw gegevens</h1>\n",
    );
    let made = told.get("madeAt").and_then(Value::as_str).unwrap_or_default();
    let _fits = writeln!(page, "<p>Gemaakt op {} (UTC).</p>", escaped(made));
    for (part, heading) in PARTS {
        let _fits = writeln!(page, "<h2>{heading}</h2>");
        put(&mut page, told.get(part).unwrap_or(&Value::Null));
    }
    page.push_str(
        "<h2>Uw rechten</h2>\n<p>U kunt vragen om verbetering, verwijdering of beperking, bezwaar maken tegen het \
         meetellen in cijfers, en een klacht indienen bij de Autoriteit Persoonsgegevens.</p>\n</body>\n</html>\n",
    );
    page
}

fn put(page: &mut String, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            page.push_str("<dl>\n");
            for (name, value) in fields {
                let _fits = write!(page, "<dt>{}</dt><dd>", escaped(dutch(name)));
                put(page, value);
                page.push_str("</dd>\n");
            }
            page.push_str("</dl>\n");
        }
        Value::Array(items) if !items.is_empty() => {
            page.push_str("<ol>\n");
            for item in items {
                page.push_str("<li>");
                put(page, item);
                page.push_str("</li>\n");
            }
            page.push_str("</ol>\n");
        }
        Value::Null | Value::Object(_) | Value::Array(_) => page.push_str("niets"),
        Value::Bool(true) => page.push_str("ja"),
        Value::Bool(false) => page.push_str("nee"),
        Value::Number(number) => page.push_str(&number.to_string()),
        Value::String(text) => page.push_str(&escaped(text)),
    }
}

/// Dutch words for names on the wire; a name without one here is shown as it is, as are codes.
const WORDS: [(&str, &str); 44] = [
    ("names", "Namen"),
    ("name", "Naam"),
    ("givenNames", "Voornamen"),
    ("prefix", "Tussenvoegsel"),
    ("surname", "Achternaam"),
    ("birth-date", "Geboortedatum"),
    ("birthDate", "Geboortedatum"),
    ("address", "Adres"),
    ("street", "Straat"),
    ("number", "Huisnummer"),
    ("suffix", "Toevoeging"),
    ("postcode", "Postcode"),
    ("town", "Plaats"),
    ("address-confidential", "Adres geheim"),
    ("contact-details", "Bereikbaarheid"),
    ("phone", "Telefoon"),
    ("email", "E-mail"),
    ("preferred-language", "Voorkeurstaal"),
    ("authority", "Gezag"),
    ("consent-evidence", "Bewijs van toestemming"),
    ("household", "Huishouden"),
    ("support-request-codes", "Hulpvraag in codes"),
    ("support-request-text", "Hulpvraag in woorden"),
    ("health-attention-points", "Aandachtspunten gezondheid"),
    ("safety-signal", "Veiligheidssignaal"),
    ("plan-reference", "Plan"),
    ("plan-goals", "Doelen van het plan"),
    ("referrer", "Verwijzer"),
    ("state", "Stand"),
    ("source", "Aangemeld door"),
    ("receivedAt", "Ontvangen op"),
    ("municipality", "Gemeente"),
    ("district", "Wijk"),
    ("purposes", "Doelen"),
    ("recipients", "Ontvangers"),
    ("categories", "Soorten gegevens"),
    ("validUntil", "Geldig tot"),
    ("at", "Op"),
    ("person", "Wie"),
    ("purpose", "Waarvoor"),
    ("fields", "Welke gegevens"),
    ("reason", "Reden"),
    ("organisation", "Organisatie"),
    ("children", "Kinderen"),
];

fn dutch(name: &str) -> &str {
    WORDS.iter().find(|(wire, _)| *wire == name).map_or(name, |(_, word)| word)
}

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_value_becomes_markup() {
        let page = render(&json!({"data": {"names": [{"surname": "<script>\"'&"}]}}));
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;"), "{page}");
        assert!(!page.contains("<script"));
        assert!(page.contains("<h2>Wat er van u is bewaard</h2>"), "control");
    }
}
