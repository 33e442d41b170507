//! Forms: what was sent, as the JSON of the API; and what is asked, with labels, hints and errors.
//!
//! A field of a form that has a twin in the API is named by the JSON pointer of the field there, with its type behind
//! it where it is no text (`/children:n` a number, `/agreed:b` a truth, `/offer/dayparts:l` a list). So a form needs no
//! reading of its own, and every error finds its field.

use crate::domain::age::{date_in_amsterdam, midnight_in_amsterdam};
use crate::http::problem::Problem;
use crate::portal::visit::Visit;
use crate::portal::words::{self, Lang};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// A form as it came: names and values, in order.
#[derive(Clone, Debug, Default)]
pub struct Sent(Vec<(String, String)>);

impl Sent {
    /// Reads `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body);
        // A browser sends lines as CRLF; the API takes LF.
        let plain = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (name.into_owned(), value.replace("\r\n", "\n").trim().to_owned())
        };
        Self(pairs.map(plain).collect())
    }

    /// The value of a field; empty where it was not sent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// All values of a field.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let own = self.0.iter().filter(|(known, _)| known == name);
        own.map(|(_, value)| value.as_str()).collect()
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields that are named by a pointer, as the API takes them. What is empty is absent.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut whole = Value::Object(Map::new());
        for (name, text) in
            self.pairs().filter(|(name, text)| name.starts_with('/') && !text.is_empty())
        {
            let (pointer, kind) = name.split_once(':').unwrap_or((name, ""));
            let text = &as_people_write(pointer, text);
            let value = match kind {
                "n" => text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from),
                "b" => Value::Bool(text == "true"),
                _ => Value::from(text.as_str()),
            };
            put(&mut whole, pointer, value, kind == "l");
        }
        whole
    }
}

/// What people write, as the API takes it: a telephone number without spaces and with its country code, a grade with a
/// point.
fn as_people_write(pointer: &str, text: &str) -> String {
    if pointer.ends_with("/phone") {
        let plain: String = text.chars().filter(|c| !" -()".contains(*c)).collect();
        return match plain.strip_prefix("00").or_else(|| plain.strip_prefix('+')) {
            Some(rest) => format!("+{rest}"),
            None => plain.strip_prefix('0').map_or(plain.clone(), |rest| format!("+31{rest}")),
        };
    }
    if pointer == "/grade" { text.replace(',', ".") } else { text.to_owned() }
}

/// Puts a value at a pointer of a body that is made.
pub fn set(whole: &mut Value, pointer: &str, value: impl Into<Value>) {
    put(whole, pointer, value.into(), false);
}

/// Most parts of a pointer; the API's deepest body has five.
const DEEPEST: usize = 8;
/// Most lists within lists; no form of ours has one within another.
const MOST_LISTS: usize = 1;

/// Puts a value at a pointer; numbers in it are places in a list.
fn put(whole: &mut Value, pointer: &str, value: Value, in_list: bool) {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    // Deeper than any body of the API: a value nested ten thousand deep would break whoever walks it.
    let lists = parts.iter().filter(|part| part.parse::<usize>().is_ok()).count();
    if parts.len() > DEEPEST || lists > MOST_LISTS {
        return;
    }
    let mut at = whole;
    for part in parts {
        at = match part.parse::<usize>() {
            Ok(index) if index < 16 => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let Value::Array(all) = at else { return };
                while all.len() <= index {
                    all.push(Value::Null);
                }
                let Some(inner) = all.get_mut(index) else { return };
                inner
            }
            _ => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                let Value::Object(fields) = at else { return };
                fields.entry(part.to_owned()).or_insert(Value::Null)
            }
        };
    }
    match (in_list, &mut *at) {
        (true, Value::Array(all)) => all.push(value),
        (true, other) => *other = Value::Array(vec![value]),
        (false, other) => *other = value,
    }
}

/// The instant by which the API knows a day that somebody filled in: now for today, else noon in Amsterdam. Nothing for
/// what is no day: the API then says that it lacks.
#[must_use]
pub fn instant_of(day: &str, now: Timestamp) -> Option<String> {
    let day: Date = day.parse().ok().filter(|_| day.len() == 10)?;
    if day == date_in_amsterdam(now) {
        return Some(now.to_string());
    }
    let midnight = midnight_in_amsterdam(day.year(), day.month(), day.day())?;
    Some((midnight + SignedDuration::from_hours(12)).to_string())
}

/// How a field is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// One line.
    Text,
    /// Several lines.
    Area,
    /// A day.
    Date,
    /// A whole number.
    Number,
    /// One of a few.
    Radio,
    /// Some of a few.
    Check,
    /// One of many.
    Select,
    /// Yes or not.
    Flag,
    /// Carried along.
    Hidden,
    /// A heading above what follows; no field.
    Heading,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name, and id of its first input.
    pub name: String,
    /// How it is asked.
    pub kind: Kind,
    /// What is asked.
    pub label: String,
    /// How to answer; empty where that is plain.
    pub hint: String,
    /// Code and words of what can be chosen.
    pub options: Vec<(String, String)>,
    /// What was sent before.
    pub values: Vec<String>,
    /// What is wrong with that; empty where nothing is.
    pub error: String,
    /// Whether it may stay empty.
    pub optional: bool,
    /// What a browser may fill in: of who is at the screen themselves, of nobody else.
    pub own: &'static str,
}

impl Field {
    /// The one value.
    #[must_use]
    pub fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// Whether anything was sent.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.values.iter().any(|value| !value.is_empty())
    }

    /// Whether a code is chosen.
    #[must_use]
    pub fn chosen(&self, code: &str) -> bool {
        self.values.iter().any(|value| value == code)
    }

    /// The id of an option: of the first one the field's own, to which an error leads.
    #[must_use]
    pub fn option_id(&self, at: &usize) -> String {
        if *at == 0 { self.id() } else { format!("{}-{at}", self.id()) }
    }

    /// Attributes that tie an input to its hint and its error.
    #[must_use]
    pub fn described(&self) -> String {
        let id = self.id();
        let hint = (!self.hint.is_empty()).then(|| format!("{id}-uitleg"));
        let error = (!self.error.is_empty()).then(|| format!("{id}-fout"));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        let invalid = if self.error.is_empty() { "" } else { " aria-invalid=\"true\"" };
        let by = if ids.is_empty() {
            String::new()
        } else {
            format!(" aria-describedby=\"{}\"", ids.join(" "))
        };
        format!("{invalid}{by}")
    }

    /// An id that a link can lead to.
    #[must_use]
    pub fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("v{}", self.name.chars().map(plain).collect::<String>())
    }
}

/// A form that is asked.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// Words of its button.
    pub submit: String,
    /// What is wrong: id of the field, or nothing, and the words.
    pub errors: Vec<(String, String)>,
    /// The version of what it changes; a newer one is not overwritten.
    pub version: String,
    /// Whether its button ends or destroys something.
    pub grave: bool,
    lang: Lang,
}

impl Form {
    /// A form to a path.
    #[must_use]
    pub fn to(visit: &Visit, action: impl Into<String>, submit: (&str, &str)) -> Self {
        Self {
            action: action.into(),
            fields: Vec::new(),
            submit: visit.say(submit.0, submit.1).to_owned(),
            errors: Vec::new(),
            version: String::new(),
            grave: false,
            lang: visit.lang,
        }
    }

    /// Says which version it changes.
    #[must_use]
    pub fn of_version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Its button ends or destroys something.
    #[must_use]
    pub const fn grave(mut self) -> Self {
        self.grave = true;
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn ask(mut self, kind: Kind, name: &str, label: (&str, &str)) -> Self {
        self.fields.push(Field {
            name: name.to_owned(),
            kind,
            label: self.lang.say(label.0, label.1).to_owned(),
            hint: String::new(),
            options: Vec::new(),
            values: Vec::new(),
            error: String::new(),
            optional: false,
            own: "off",
        });
        self
    }

    /// Says how to answer the last field.
    #[must_use]
    pub fn hint(mut self, dutch: &str, english: &str) -> Self {
        let words = self.lang.say(dutch, english).to_owned();
        if let Some(field) = self.fields.last_mut() {
            field.hint = words;
        }
        self
    }

    /// The last field may stay empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let Some(field) = self.fields.last_mut() {
            field.optional = true;
        }
        self
    }

    /// What can be chosen in the last field: codes, in the words of a list.
    #[must_use]
    pub fn terms<'a>(self, list: &str, codes: impl IntoIterator<Item = &'a str>) -> Self {
        let lang = self.lang;
        let of = |code: &str| (code.to_owned(), words::term(lang, list, code));
        let options = codes.into_iter().map(of).collect();
        self.options(options)
    }

    /// What can be chosen in the last field.
    #[must_use]
    pub fn options(mut self, options: Vec<(String, String)>) -> Self {
        if let Some(field) = self.fields.last_mut() {
            // Where there is one choice it is made.
            if let ([(only, _)], Kind::Radio | Kind::Select) = (options.as_slice(), field.kind) {
                field.values = vec![only.clone()];
            }
            field.options = options;
        }
        self
    }

    /// What the last field holds before anybody answered.
    #[must_use]
    pub fn holding(mut self, value: impl Into<String>) -> Self {
        if let Some(field) = self.fields.last_mut() {
            field.values = vec![value.into()];
        }
        self
    }

    /// The last field is about who is at the screen: their browser may fill it in (WCAG 1.3.5). A token of HTML.
    #[must_use]
    pub fn own(mut self, token: &'static str) -> Self {
        if let Some(field) = self.fields.last_mut() {
            field.own = token;
        }
        self
    }

    /// A field that is carried along.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.ask(Kind::Hidden, name, ("", "")).holding(value)
    }

    /// The same form with what was sent.
    #[must_use]
    pub fn sent(mut self, sent: &Sent) -> Self {
        for field in self.fields.iter_mut().filter(|field| field.kind != Kind::Hidden) {
            field.values = sent.values(&field.name).iter().map(|&text| text.to_owned()).collect();
        }
        self
    }

    /// The same form with what is wrong. `place` gives the name of the field a pointer belongs to.
    #[must_use]
    pub fn wrong(mut self, problem: &Problem, place: impl Fn(&str) -> String) -> Self {
        let Problem::Invalid(errors) = problem else {
            self.errors.extend(
                words::problem(self.lang, problem).1.into_iter().map(|text| (String::new(), text)),
            );
            return self;
        };
        for error in errors {
            let name = place(&error.pointer);
            let plain = |known: &str| known.split(':').next() == Some(name.as_str());
            let text = words::error(self.lang, error.code, &error.detail);
            let field =
                self.fields.iter_mut().find(|field| field.name == name || plain(&field.name));
            let chosen = field.as_ref().is_some_and(|field| {
                matches!(field.kind, Kind::Radio | Kind::Check | Kind::Select)
            });
            let text = if chosen && error.code == "missing" {
                self.lang.say("Maak een keuze.", "Make a choice.").to_owned()
            } else {
                text
            };
            match field {
                Some(field) if field.kind != Kind::Hidden => {
                    if field.error.is_empty() {
                        field.error.clone_from(&text);
                        let mark = if field.label.ends_with('?') { "" } else { ":" };
                        self.errors.push((field.id(), format!("{}{mark} {text}", field.label)));
                    }
                }
                _ => self.errors.push((String::new(), text)),
            }
        }
        // In the order in which the fields stand on the page; what belongs to none of them first.
        let fields = &self.fields;
        self.errors.sort_by_key(|(id, _)| fields.iter().position(|field| field.id() == *id));
        self
    }

    /// As [`Self::wrong`], of a form whose fields are named by their pointers.
    #[must_use]
    pub fn wrong_at(self, problem: &Problem) -> Self {
        self.wrong(problem, str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_is_the_json_of_its_pointers() {
        let sent = Sent::read(
            b"/to=trial&/n%3An=3&/agreed%3Ab=true&/offer/dayparts%3Al=night&/offer/dayparts%3Al=weekend-morning\
              &/adults/0/surname=X&/empty=&csrf=1&/text=a%0D%0Ab",
        );
        let expected = json!({
            "to": "trial", "n": 3, "agreed": true, "offer": {"dayparts": ["night", "weekend-morning"]},
            "adults": [{"surname": "X"}], "text": "a\nb",
        });
        assert_eq!(sent.json(), expected);
        assert_eq!((sent.value("csrf"), sent.value("absent")), ("1", ""));
    }

    #[test]
    fn telephone_numbers_and_grades_are_taken_as_people_write_them() {
        for (text, number) in [
            ("06-12345678", "+31612345678"),
            ("024 329 00 00", "+31243290000"),
            ("+31 6 12345678", "+31612345678"),
            ("0031612345678", "+31612345678"),
        ] {
            assert_eq!(as_people_write("/contact/phone", text), number);
        }
        assert_eq!(as_people_write("/grade", "7,5"), "7.5");
        assert_eq!(as_people_write("/reason", "06-1 en 7,5"), "06-1 en 7,5");
    }

    #[test]
    fn what_is_no_number_is_left_to_the_api_to_refuse() {
        assert_eq!(Sent::read(b"/children%3An=x").json(), json!({"children": "x"}));
        // A place far out in a list makes no list of that length.
        assert_eq!(Sent::read(b"/a/99999/b=x").json(), json!({"a": {"99999": {"b": "x"}}}));
        assert_eq!(Sent::read(b"/a=x&/a/0=y").json(), json!({"a": ["y"]}));
        // Nor does a long name make a value that nobody can walk.
        let deep = format!("{}=x&/b=y", "/a".repeat(20_000));
        assert_eq!(Sent::read(deep.as_bytes()).json(), json!({"b": "y"}));
    }
}
