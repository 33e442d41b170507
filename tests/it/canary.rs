//! Values that nobody else uses, and a search for them in every form in which they might turn up.
//!
//! A canary looks like what its field asks for and holds letters drawn anew in each run, so that what is
//! found was left by this run. [`Scanner`] looks for it whole and for each of its words, in the
//! encodings that programs use when they print, store or send. Not looked for: SHA-1 and MD5 (no
//! dependency of ours computes them); an unkeyed SHA-256 is.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::digest::{hex, sha256};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use unicode_normalization::UnicodeNormalization;

/// Stems with diacritics, as in names; each word gets the letters of the run behind it.
const STEMS: &[&str] = &["Wïllem", "Zëbrân", "Øyvünd", "Çağlär", "Frédér", "Ñandú", "Kwëzel"];

/// Canaries by name. The names are JSON pointers for fields of a referral.
pub(crate) struct Canaries {
    letters: String,
    digits: u64,
    made: BTreeMap<String, String>,
}

impl Canaries {
    /// Canaries of a new run.
    pub(crate) fn new() -> Self {
        const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxz";
        let random: [u8; 14] = Entropy::system().array().expect("randomness");
        let (letters, digits) = random.split_at(6);
        let letter = |byte: &u8| char::from(CONSONANTS[usize::from(*byte) % CONSONANTS.len()]);
        let digits = digits.try_into().map(u64::from_be_bytes).expect("eight bytes");
        Self { letters: letters.iter().map(letter).collect(), digits, made: BTreeMap::new() }
    }

    /// Every canary that was made.
    pub(crate) const fn all(&self) -> &BTreeMap<String, String> {
        &self.made
    }

    fn put(&mut self, name: &str, value: String) -> String {
        self.made.insert(name.to_owned(), value.clone());
        value
    }

    fn number(&self, name: &str) -> u64 {
        let bytes = sha256(format!("{}{name}", self.digits).as_bytes());
        bytes.iter().take(7).fold(0, |n, byte| n * 256 + u64::from(*byte))
    }

    /// Six letters that tell one canary of a run from another.
    fn suffix(&self, name: &str) -> String {
        let number = self.number(name);
        let letter = |n: u64| char::from(b'a' + u8::try_from(n % 26).expect("a letter"));
        std::iter::successors(Some(number), |n| Some(n / 26)).take(6).map(letter).collect()
    }

    /// A word with diacritics.
    pub(crate) fn word(&mut self, name: &str) -> String {
        let stem = usize::try_from(self.number(name) % 7).expect("an index");
        let value = format!("{}{}{}", STEMS[stem], self.letters, self.suffix(name));
        self.put(name, value)
    }

    /// A word of `a-z`, for where nothing else fits.
    pub(crate) fn plain(&mut self, name: &str) -> String {
        let value = format!("kwz{}{}", self.letters, self.suffix(name));
        self.put(name, value)
    }

    /// A sentence; each of its longer words is improbable by itself.
    fn sentence(&mut self, name: &str) -> String {
        let (one, two) = (self.suffix(name), self.suffix(&format!("{name}'")));
        let value = format!("Gërbrand{0}{one} en Ïsolde{0}{two} vertr. d'r", self.letters);
        self.put(name, value.replace("vertr. ", ""))
    }

    fn of(&mut self, name: &str, key: &str) -> Option<String> {
        let number = self.number(name);
        let value = match key {
            "phone" => format!("+316{:08}", number % 100_000_000),
            "email" => format!("kz{0}@qx{0}{1}.test", self.letters, self.suffix(name)),
            "postcode" => {
                let letters = self.suffix(name).to_uppercase();
                format!("{} {}", 7_300 + number % 90, letters.get(..2)?)
            }
            "number" => format!("{}{}", 7_000 + number % 900, self.suffix(name)),
            "suffix" => format!("q{}kw", self.suffix(name)),
            "prefix" => format!("vän{}{}", self.letters, self.suffix(name)),
            "preferredLanguage" => format!("qaa-q{}", self.suffix(name)),
            "birthDate" if name.contains("/1/") => date(2017, number),
            "birthDate" => date(1951, number),
            "agreedByFamilyOn" | "evaluationDate" | "seenOn" => date(1930 + number % 9, number),
            "givenNames" | "surname" | "name" | "street" | "town" | "function" | "reference"
            | "method" | "evidence" | "noticeVersion" | "role" => return Some(self.word(name)),
            "text" | "supportText" => return Some(self.sentence(name)),
            _ => return None,
        };
        Some(self.put(name, value))
    }

    /// Fills every field of a body that is about somebody; `prefix` begins the canaries' names.
    pub(crate) fn fill(&mut self, prefix: &str, body: &mut Value) {
        self.walk(prefix, "", body);
    }

    fn walk(&mut self, at: &str, key: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    // A subject's role is a term; a participant's is words.
                    if key != "role" || at.contains("/participants/") {
                        self.walk(&format!("{at}/{key}"), key, field);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(&format!("{at}/{index}"), key, item);
                }
            }
            Value::String(text) => {
                // An authority's source is a term, and so is a status.
                if let Some(canary) = self.of(at, key) {
                    *text = canary;
                }
            }
            _ => {}
        }
    }
}

fn date(year: u64, number: u64) -> String {
    format!("{year}-{:02}-{:02}", 1 + number % 12, 1 + number / 12 % 28)
}

/// One thing looked for: which canary, in which form.
struct Needle {
    name: String,
    form: &'static str,
    bytes: Vec<u8>,
}

/// Looks for all canaries in all forms at once.
pub(crate) struct Scanner {
    needles: Vec<Needle>,
    by_start: HashMap<u32, Vec<usize>>,
    /// Which first three bytes any needle has: a bit each.
    starts: Vec<u64>,
}

impl Scanner {
    /// A scanner for all of these.
    pub(crate) fn new(canaries: &BTreeMap<String, String>) -> Self {
        let mut scanner =
            Self { needles: Vec::new(), by_start: HashMap::new(), starts: vec![0; 1 << 18] };
        for (name, value) in canaries {
            for (form, bytes) in forms(value) {
                scanner.add(name, form, bytes);
            }
        }
        scanner
    }

    /// Looks for a key as well: its bytes, in hex and in base64.
    pub(crate) fn add_key(&mut self, name: &str, key: &[u8]) {
        self.add(name, "raw", key.to_vec());
        for (form, bytes) in armoured(key) {
            self.add(name, form, bytes);
        }
    }

    fn add(&mut self, name: &str, form: &'static str, bytes: Vec<u8>) {
        let Some(start) = start_of(&bytes, 0) else {
            return;
        };
        let bit = usize::try_from(start >> 8).expect("24 bits");
        self.starts[bit / 64] |= 1 << (bit % 64);
        self.by_start.entry(start).or_default().push(self.needles.len());
        self.needles.push(Needle { name: name.to_owned(), form, bytes });
    }

    /// How many forms are looked for.
    pub(crate) const fn len(&self) -> usize {
        self.needles.len()
    }

    /// Every form of one canary, to plant it.
    pub(crate) fn forms_of(&self, name: &str) -> Vec<(&'static str, Vec<u8>)> {
        let own = self.needles.iter().filter(|needle| needle.name == name);
        own.map(|needle| (needle.form, needle.bytes.clone())).collect()
    }

    /// What is found, as `name (form)`.
    pub(crate) fn find(&self, hay: &[u8]) -> BTreeSet<String> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut found = BTreeSet::new();
        let mut at = 0;
        while at + 4 <= hay.len() {
            // Files of a database are full of nothing.
            if hay[at] == 0 && hay.get(at..at + 4096) == Some(&ZEROS) {
                at += 4092;
            }
            let bit = usize::from(hay[at]) << 16
                | usize::from(hay[at + 1]) << 8
                | usize::from(hay[at + 2]);
            if self.starts[bit / 64] & (1 << (bit % 64)) != 0 {
                self.compare(hay, at, &mut found);
            }
            at += 1;
        }
        found
    }

    fn compare(&self, hay: &[u8], at: usize, found: &mut BTreeSet<String>) {
        let candidates = start_of(hay, at).and_then(|start| self.by_start.get(&start));
        for needle in candidates.into_iter().flatten().map(|index| &self.needles[*index]) {
            if hay.get(at..).is_some_and(|rest| rest.starts_with(&needle.bytes)) {
                found.insert(format!("{} ({})", needle.name, needle.form));
            }
        }
    }
}

fn start_of(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

/// A value whole, each of its words of five characters or more, and what stands for its digits, in
/// every encoding.
fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut texts = BTreeSet::from([value.to_owned()]);
    let words = value.split(|c: char| !c.is_alphanumeric());
    texts.extend(words.filter(|word| word.chars().count() >= 5).map(str::to_owned));
    texts.extend(digits(value));
    for text in texts.clone() {
        texts.insert(text.nfd().collect());
        texts.insert(text.to_uppercase());
        texts.insert(text.to_lowercase());
        texts.insert(text.nfd().filter(char::is_ascii).collect());
    }
    let mut forms = Vec::new();
    for text in texts.iter().filter(|text| text.len() >= 5) {
        encodings(text, &mut forms);
    }
    for hashed in [value.to_owned(), value.to_lowercase()] {
        let digest = sha256(hashed.as_bytes());
        forms.push(("SHA-256", digest.to_vec()));
        forms.push(("SHA-256 in hex", hex(&digest).into_bytes()));
        forms.push(("SHA-256 in hex", hex(&digest).to_uppercase().into_bytes()));
        forms.push(("SHA-256 in base64", STANDARD_NO_PAD.encode(digest).into_bytes()));
        forms.push(("SHA-256 in base64url", URL_SAFE_NO_PAD.encode(digest).into_bytes()));
    }
    forms
}

/// A telephone number or date as others write it.
fn digits(value: &str) -> Vec<String> {
    let plain: String = value.chars().filter(char::is_ascii_digit).collect();
    if plain.len() < 8 || value.chars().any(char::is_alphabetic) {
        return Vec::new();
    }
    let mut texts = vec![plain.clone()];
    if let [year, month, day] = *value.split('-').collect::<Vec<_>>() {
        let between =
            |s| [format!("{day}{s}{month}{s}{year}"), format!("{year}{s}{month}{s}{day}")];
        texts.extend(["-", "/", ".", " ", ""].into_iter().flat_map(between));
    }
    if let Some(national) = plain.strip_prefix("31").filter(|_| value.starts_with('+')) {
        for number in [format!("0{national}"), format!("00{plain}"), national.to_owned()] {
            for separator in [" ", "-", "."] {
                let mut apart: String = number.chars().flat_map(|c| [c, '\0']).collect();
                apart = apart.trim_end_matches('\0').replace('\0', separator);
                texts.push(apart);
            }
            let (first, rest) = number.split_at(2);
            texts.extend([" ", "-"].map(|separator| format!("{first}{separator}{rest}")));
            texts.push(number);
        }
    }
    texts
}

fn encodings(text: &str, forms: &mut Vec<(&'static str, Vec<u8>)>) {
    let bytes = text.as_bytes();
    forms.push(("UTF-8", bytes.to_vec()));
    let wide: Vec<u16> = text.encode_utf16().collect();
    forms.push(("UTF-16LE", wide.iter().flat_map(|unit| unit.to_le_bytes()).collect()));
    forms.push(("UTF-16BE", wide.iter().flat_map(|unit| unit.to_be_bytes()).collect()));
    if !text.is_ascii() {
        let narrow: Option<Vec<u8>> =
            text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        forms.extend(narrow.map(|narrow| ("Latin-1", narrow)));
    }
    let percent = |safe: &dyn Fn(u8) -> bool, upper: bool| {
        let escaped = bytes.iter().flat_map(|byte| {
            let pair = hex(&[*byte]);
            let pair = if upper { pair.to_uppercase() } else { pair };
            if safe(*byte) { vec![*byte] } else { format!("%{pair}").into_bytes() }
        });
        escaped.collect::<Vec<u8>>()
    };
    for upper in [true, false] {
        forms.push((
            "percent",
            percent(&|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b), upper),
        ));
        forms.push(("percent, all", percent(&|_| false, upper)));
    }
    for all in [true, false] {
        let escape = |unit: &u16| match char::from_u32(u32::from(*unit)) {
            Some(c) if c.is_ascii() && !all => c.to_string(),
            _ => format!("\\u{unit:04x}"),
        };
        let lower: String = wide.iter().map(escape).collect();
        forms.push(("\\u", lower.clone().into_bytes()));
        let upper = lower.split("\\u").enumerate().map(|(index, part)| {
            let (code, rest) = part.split_at(if index == 0 { 0 } else { 4 });
            format!("{}{}{rest}", if index == 0 { "" } else { "\\u" }, code.to_uppercase())
        });
        forms.push(("\\U", upper.collect::<String>().into_bytes()));
        let debug: String =
            if all { String::new() } else { text.chars().flat_map(char::escape_unicode).collect() };
        forms.push(("\\u{}", debug.into_bytes()));
    }
    forms.extend(armoured(bytes));
}

/// Hex, and base64 at each of the three places where a value can begin in a longer text; too short ones
/// are left out, which random text would hold by chance.
fn armoured(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = Vec::new();
    if bytes.len() >= 6 {
        forms.push(("hex", hex(bytes).into_bytes()));
        forms.push(("HEX", hex(bytes).to_uppercase().into_bytes()));
    }
    for before in 0..3_usize {
        let shifted = [vec![0; before], bytes.to_vec()].concat();
        // Characters that hold bits of what stands before or after are not known.
        let (skip, whole) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        let encoded = STANDARD.encode(&shifted);
        let known = encoded.get(skip..whole).unwrap_or_default();
        if known.len() >= 9 {
            let url = known.replace('+', "-").replace('/', "_");
            forms.push(("base64", known.as_bytes().to_vec()));
            forms.push(("base64url", url.into_bytes()));
        }
    }
    forms
}

#[test]
fn each_form_is_found_where_it_is_and_nowhere_else() {
    let mut canaries = Canaries::new();
    let word = canaries.word("word");
    canaries.of("/contact/phone", "phone").expect("a number");
    canaries.of("/subjects/0/birthDate", "birthDate").expect("a date");
    let scanner = Scanner::new(canaries.all());
    let text = format!("\u{feff}{{\"a\":\"{word}\"}}");
    assert!(scanner.find(text.as_bytes()).contains("word (UTF-8)"));
    assert!(scanner.find(&text.as_bytes()[..text.len() - 6]).is_empty(), "the last letters count");
    for offset in 0..3 {
        let token = URL_SAFE_NO_PAD.encode(format!("{}{word}!", "x".repeat(offset)));
        assert!(scanner.find(token.as_bytes()).contains("word (base64url)"), "{offset}");
    }
    let decomposed: String = word.nfd().collect();
    assert!(!scanner.find(decomposed.as_bytes()).is_empty());
    let escaped = format!("{:?}", word.as_bytes());
    assert!(scanner.find(escaped.as_bytes()).is_empty(), "not every form is looked for");
    let phone = canaries.all()["/contact/phone"].replace("+31", "0");
    assert!(
        !scanner
            .find(format!("tel {} {}", phone.split_at(2).0, phone.split_at(2).1).as_bytes())
            .is_empty()
    );
    let mut hay = vec![0; 10_000];
    assert!(scanner.find(&hay).is_empty());
    for at in [0, 1, 4_090, 4_096, 8_191, 10_000 - word.len()] {
        hay.fill(0);
        hay[at..at + word.len()].copy_from_slice(word.as_bytes());
        assert!(!scanner.find(&hay).is_empty(), "{at}");
    }
}
