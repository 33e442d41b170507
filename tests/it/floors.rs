//! The sources, read as text: who may name whom, and what stands where.
//!
//! For whoever adds a module or moves one: `docs/architecture.md` gives the reasons, this file holds
//! the table. Comments, strings and code for tests do not count. What the compiler, clippy and
//! cargo-deny already refuse is not repeated here.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

/// Each module at the top of the crate and its floor: it names modules of its own floor and below.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("domain", 0),
    ("ids", 0),
    ("audit", 1),
    ("consent", 1),
    ("crypto", 1),
    ("matching", 1),
    ("policy", 1),
    ("statistics", 1),
    ("store", 2),
    ("flow", 3),
    ("cli", 4),
    ("config", 4),
    ("http", 4),
    ("main", 4),
    ("portal", 4),
    ("telemetry", 4),
    ("tls", 4),
    ("worker", 4),
];

/// Crates that only some places may name. A place is a path under `src`, without `.rs`: the file and
/// everything below it. A name ending in `*` stands for all that begin so.
const CRATES: &[(&str, &[&str])] = &[
    ("actix_web", &["http", "portal", "tls/connection", "cli/serve", "main"]),
    ("cedar_policy", &["policy"]),
    ("cedar_policy_symcc", &["policy", "cli/policies"]),
    ("ring", &["crypto", "audit"]),
    ("rustls", &["tls", "cli"]),
    ("sqlx", &["store"]),
];

/// Crates that no file of a floor may name.
const FLOOR_WITHOUT: &[(u8, &str)] = &[(0, "serde*"), (0, "utoipa")];

/// Paths and macros that only some places may write, as tokens.
const ONLY: &[(&[&str], &[&str])] = &[
    (&["SystemTime", "::", "now"], &["clock"]),
    (&["Timestamp", "::", "now"], &["clock"]),
    (&["Zoned", "::", "now"], &["clock"]),
    (&["Uuid", "::", "new_v4"], &["ids"]),
    (&["Uuid", "::", "now_v7"], &["ids"]),
    (&["after_commit", "("], &["store/writer"]),
    (&["println", "!"], &[]),
    (&["print", "!"], &[]),
    (&["eprintln", "!"], &[]),
    (&["eprint", "!"], &[]),
    (&["dbg", "!"], &[]),
];

/// Most lines of a file, those of its tests not counted.
const LINES: usize = 500;

#[test]
fn the_sources_keep_to_their_floors() {
    let sources = read_all(Path::new("src"));
    assert!(sources.len() > 30, "control: the sources were found");

    let found = check(&sources);

    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}", told.join("\n"));
}

// Positive control: every rule, broken once, is found at its line; kept, it is silent.

/// Checks one made-up file, opened as every file opens.
fn told(path: &str, body: &str) -> Vec<String> {
    let text = format!("//! Made up.\n{body}");
    check(&[Source { path: path.to_owned(), text }]).iter().map(ToString::to_string).collect()
}

/// A file, what stands in it, and what must be said of it.
const BROKEN: &str = "
domain/age.rs    | use crate::consent::Outcome; | may not name `crate::consent`
consent.rs       | use crate::store; | may not name `crate::store`
policy/engine.rs | fn f() { crate::store::x() } | may not name `crate::store`
store/pool.rs    | use crate::{ids, flow::submit}; | may not name `crate::flow`
store/pool.rs    | use crate::{domain::{age, case}, http}; | may not name `crate::http`
flow/submit.rs   | use super::super::http::Problem; | may not name `crate::http`
flow.rs          | use super::portal; | may not name `crate::portal`
flow.rs          | macro_rules! m { () => { $crate::tls::x() } } | may not name `crate::tls`
flow/a.rs        | use crate::elsewhere::X; | `crate::elsewhere` stands on no floor
elsewhere/a.rs   |  | stands on no floor
flow/a.rs        | use sqlx::Row; | may not name the crate `sqlx`
http/a.rs        | use ::sqlx::Row; | may not name the crate `sqlx`
http/a.rs        | #[derive(sqlx::FromRow)] struct R; | may not name the crate `sqlx`
http/a.rs        | use sqlx as s; | may not name the crate `sqlx`
flow/a.rs        | use actix_web::web; | may not name the crate `actix_web`
tls/reload.rs    | use actix_web::web; | may not name the crate `actix_web`
store/a.rs       | fn f() { ring::digest::x() } | may not name the crate `ring`
http/a.rs        | use rustls::ServerConfig; | may not name the crate `rustls`
http/a.rs        | use {cedar_policy::X, std::fmt}; | may not name the crate `cedar_policy`
domain/a.rs      | use serde::Serialize; | may not name the crate `serde`
ids.rs           | fn f() { serde_json::json!(1) } | may not name the crate `serde_json`
crypto/a.rs      | pub async fn f() {} | may not wait: `async`
domain/a.rs      | fn f() { g().await } | may not wait: `await`
statistics/a.rs  | use crate::domain::identity::X; | may not name an identity
flow/a.rs        | fn f() { Timestamp::now() } | may not write `Timestamp::now`
cli/a.rs         | fn f() { std::time::SystemTime::now() } | may not write `SystemTime::now`
store/a.rs       | fn f() { Uuid::new_v4() } | may not write `Uuid::new_v4`
http/a.rs        | fn f() { uuid::Uuid::now_v7() } | may not write `Uuid::now_v7`
flow/a.rs        | fn f() { Committed::after_commit(x) } | may not write `after_commit(`
cli/a.rs         | fn f() { println!() } | may not write `println!`
cli/a.rs         | fn f() { eprint!() } | may not write `eprint!`
";

#[test]
fn each_broken_rule_is_found() {
    let rows = BROKEN.lines().filter(|line| !line.is_empty());
    for row in rows {
        let parts: Vec<&str> = row.splitn(3, " | ").map(str::trim).collect();
        let (path, body, rule) = (parts[0], parts[1], parts[2]);
        let found = told(path, &format!("\n{body}\n"));
        assert_eq!(found.len(), 1, "{path}: {body}: {found:?}");
        assert!(found[0].contains(rule), "{path}: {body}: {found:?}");
        let line = if body.is_empty() { 1 } else { 3 };
        assert!(found[0].starts_with(&format!("src/{path}:{line}: ")), "{found:?}");
    }
}

#[test]
fn what_is_allowed_is_silent() {
    for (path, body) in [
        ("http/a.rs", "use crate::{flow, store, policy::{self, verdict}, ids};\nuse super::b;"),
        ("store/a.rs", "use crate::store::pool;\nuse sqlx::Row;\nasync fn f() { g().await }"),
        ("tls/connection.rs", "use actix_web::rt;\nuse rustls::ServerConfig;"),
        ("cli/serve/listen.rs", "use actix_web::HttpServer;"),
        ("clock.rs", "fn f() { Timestamp::now() }"),
        ("ids.rs", "fn f() { Uuid::now_v7() }"),
        ("store/writer.rs", "fn f() { Committed::after_commit(x) }"),
        ("audit/committed.rs", "pub(crate) const fn after_commit(x: u8) -> Self {}"),
        ("domain/a.rs", "// use crate::store;\n/* sqlx:: /* async */ */ fn f() {}"),
        ("domain/a.rs", "const A: &str = \"crate::store \\\" async\"; const B: char = '\"';"),
        ("domain/a.rs", "const A: &str = r#\"crate::store \" sqlx::\"#; fn f<'a>(x: &'a str) {}"),
        ("domain/a.rs", "#[cfg(test)]\nmod tests { use crate::store; fn f() { println!() } }"),
        ("domain/a.rs", "#[cfg(test)]\nuse serde::Serialize;\n#[cfg(test)]\nconst A: [u8; 2] = x;"),
        ("domain/a.rs", "fn f() { config.ring.now(); a::ring::b() }"),
    ] {
        let found = told(path, body);
        assert!(found.is_empty(), "{path}: {body}: {found:?}");
    }
}

#[test]
fn code_after_a_test_module_still_counts() {
    let found = told("domain/a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::store;\n");
    assert_eq!(
        found,
        ["src/domain/a.rs:4: `domain` (floor 0) may not name `crate::store` (floor 2)"]
    );
}

#[test]
fn a_file_that_is_only_for_tests_is_not_read() {
    let parent = "//! Made up.\n#[cfg(test)]\nmod testing;\nmod plain;\n";
    let child = "//! Made up.\nfn f() { println!() }\n";
    let files = ["crypto.rs", "crypto/testing.rs", "crypto/plain.rs"];
    let sources: Vec<Source> = files
        .iter()
        .zip([parent, child, child])
        .map(|(path, text)| Source { path: (*path).to_owned(), text: text.to_owned() })
        .collect();

    let found = check(&sources);

    let paths: Vec<&str> = found.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["crypto/plain.rs"]);
}

#[test]
fn a_long_file_is_found_and_its_tests_are_not_counted() {
    let line = "const A: u8 = 1;\n";
    let full = line.repeat(LINES - 1);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(50));
    assert!(told("domain/a.rs", &full).is_empty(), "exactly {LINES}");
    assert!(told("domain/a.rs", &format!("{full}{tests}")).is_empty());
    let found = told("domain/a.rs", &format!("{full}{line}{tests}"));
    assert_eq!(found, ["src/domain/a.rs:1: has 501 lines, at most 500 (tests not counted)"]);
}

#[test]
fn a_file_without_an_opening_is_found() {
    let text = "use std::fmt;\n".to_owned();
    let found = check(&[Source { path: "domain/a.rs".to_owned(), text }]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "does not open with `//!`");
}

// Reading.

/// One file: its path under `src`, with `/` and `.rs`.
struct Source {
    path: String,
    text: String,
}

/// One broken rule.
struct Violation {
    path: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.path, self.line, self.rule)
    }
}

fn read_all(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// A word, `::`, or a single sign, and the line it stands on.
#[derive(Clone)]
struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_word(&self) -> bool {
        self.text.chars().all(|sign| sign.is_alphanumeric() || sign == '_')
    }
}

/// The text with comments, strings and character literals blanked; lines stay where they are.
fn code(text: &str) -> String {
    let signs: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < signs.len() {
        let end = end_of_blank(&signs, at);
        if end == at {
            out.push(signs[at]);
            at += 1;
        } else {
            out.extend(signs[at..end].iter().map(|sign| if *sign == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` when none begins there.
fn end_of_blank(signs: &[char], at: usize) -> usize {
    let rest = &signs[at..];
    let after_word = at > 0 && (signs[at - 1].is_alphanumeric() || signs[at - 1] == '_');
    match rest {
        ['/', '/', ..] => at + rest.iter().take_while(|sign| **sign != '\n').count(),
        ['/', '*', ..] => at + block_comment(rest),
        ['"', ..] => at + quoted(rest, '"'),
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => at + 1 + raw(&rest[1..]),
        ['r', '"' | '#', ..] if !after_word => at + raw(rest),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => at + quoted(rest, '\''),
        _ => at,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

/// Length of the raw string that `rest` begins with; 0 for a raw identifier (`r#type`).
fn raw(rest: &[char]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|sign| **sign == '#').count();
    if rest.get(hashes + 1) != Some(&'"') {
        return 0;
    }
    let mut close = vec!['"'];
    close.resize(hashes + 1, '#');
    let body = hashes + 2;
    let found = rest[body..].windows(close.len()).position(|window| window == close);
    found.map_or(rest.len(), |start| body + start + close.len())
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let line = index + 1;
        let mut signs = text.chars().peekable();
        while let Some(sign) = signs.next() {
            if sign.is_whitespace() {
                continue;
            }
            let mut text = String::from(sign);
            let word = |sign: &char| sign.is_alphanumeric() || *sign == '_';
            if word(&sign) {
                while let Some(next) = signs.next_if(word) {
                    text.push(next);
                }
            } else if sign == ':' && signs.next_if_eq(&':').is_some() {
                text.push(':');
            }
            found.push(Token { line, text });
        }
    }
    found
}

/// What one file holds besides its tests.
struct File {
    tokens: Vec<Token>,
    lines: usize,
    /// Child modules declared under `#[cfg(test)]`: files that are for tests only.
    test_modules: Vec<String>,
}

/// Takes out every item marked `#[cfg(test)]`.
fn without_tests(text: &str) -> File {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let all = tokens(&code(text));
    let mut file =
        File { tokens: Vec::new(), lines: text.lines().count(), test_modules: Vec::new() };
    let mut at = 0;
    while at < all.len() {
        if !matches_at(&all, at, &MARK) {
            file.tokens.push(all[at].clone());
            at += 1;
            continue;
        }
        let end = end_of_item(&all, at + MARK.len());
        let item = &all[at + MARK.len()..end];
        if let Some(name) = item.iter().position(|token| token.is("mod")) {
            file.test_modules.extend(item.get(name + 1).map(|token| token.text.clone()));
        }
        file.lines -= all[end - 1].line - all[at].line + 1;
        at = end;
    }
    file
}

fn matches_at(tokens: &[Token], at: usize, wanted: &[&str]) -> bool {
    tokens.len() >= at + wanted.len()
        && wanted.iter().zip(&tokens[at..]).all(|(text, token)| token.is(text))
}

/// Index after the item that begins at `at`: after its `;`, or after the brace that closes its body.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let (mut round, mut braces) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" => round += 1,
            ")" | "]" => round = round.saturating_sub(1),
            "{" => braces += 1,
            "}" => braces = braces.saturating_sub(1),
            _ => {}
        }
        let body_closed = token.is("}") && braces == 0 && round == 0;
        if body_closed || (token.is(";") && braces == 0 && round == 0) {
            return index + 1;
        }
    }
    tokens.len()
}

// Judging.

fn check(sources: &[Source]) -> Vec<Violation> {
    let files: Vec<(String, File)> =
        sources.iter().map(|source| (place(&source.path), without_tests(&source.text))).collect();
    let for_tests: BTreeSet<String> = files
        .iter()
        .flat_map(|(place, file)| {
            file.test_modules.iter().map(move |child| format!("{place}/{child}"))
        })
        .collect();
    let mut found = Vec::new();
    for (source, (place, file)) in sources.iter().zip(&files) {
        if for_tests.iter().any(|tests| is_in(place, tests)) {
            continue;
        }
        let rules = whole(&source.text, place, file)
            .into_iter()
            .chain(floors(place, &file.tokens))
            .chain(crates(place, &file.tokens))
            .chain(words(place, &file.tokens));
        found.extend(rules.map(|(line, rule)| Violation { path: source.path.clone(), line, rule }));
    }
    found
}

/// `store/pool.rs` → `store/pool`.
fn place(path: &str) -> String {
    path.strip_suffix(".rs").unwrap_or(path).to_owned()
}

fn is_in(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn top(place: &str) -> &str {
    place.split('/').next().unwrap_or(place)
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// What concerns a file as a whole: its floor, its opening, its length.
fn whole(text: &str, place: &str, file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if place != "lib" && floor(top(place)).is_none() {
        found.push((1, format!("`{}` stands on no floor: add it to FLOORS", top(place))));
    }
    if !text.starts_with("//!") {
        found.push((1, "does not open with `//!`".to_owned()));
    }
    if file.lines > LINES {
        found.push((1, format!("has {} lines, at most {LINES} (tests not counted)", file.lines)));
    }
    found
}

/// Modules of higher floors that a file names.
fn floors(place: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let Some(own) = floor(top(place)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (line, module) in named_modules(place, tokens) {
        match floor(&module) {
            None if module.starts_with(char::is_lowercase) => {
                found.push((
                    line,
                    format!("`crate::{module}` stands on no floor: add it to FLOORS"),
                ));
            }
            Some(other) if other > own => found.push((
                line,
                format!(
                    "`{}` (floor {own}) may not name `crate::{module}` (floor {other})",
                    top(place)
                ),
            )),
            _ => {}
        }
    }
    found
}

/// Modules at the top of the crate that a file names: `crate::a`, `crate::{a, b::c}`, and `super::a`
/// where `super` reaches the top.
fn named_modules(place: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let depth = place.split('/').count();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut next = at;
        let mut ups = 0;
        while matches_at(tokens, next, &["super", "::"]) {
            (next, ups) = (next + 2, ups + 1);
        }
        if matches_at(tokens, at, &["crate", "::"]) {
            found.extend(heads(&tokens[at + 2..]));
        } else if ups >= depth {
            found.extend(heads(&tokens[next..]));
        }
        at = next.max(at + 1);
    }
    found
}

/// The first name of a path, or of each path in a group. A macro called by its path is no module.
fn heads(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let leads = index == 0 || tokens[index - 1].is("{") || tokens[index - 1].is(",");
        let called = tokens.get(index + 1).is_some_and(|next| next.is("!") || next.is("("));
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "self" => {}
            _ if leads && depth <= 1 && token.is_word() && !called => {
                found.push((token.line, token.text.clone()));
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Crates that a file may not name.
fn crates(place: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for index in 0..tokens.len() {
        let elsewhere = CRATES.iter().any(|(name, places)| {
            is_crate(tokens, index, name) && !places.iter().any(|allowed| is_in(place, allowed))
        });
        let too_low = FLOOR_WITHOUT.iter().any(|(level, name)| {
            floor(top(place)) == Some(*level) && is_crate(tokens, index, name)
        });
        if elsewhere || too_low {
            let Token { line, text } = &tokens[index];
            found.push((*line, format!("`{}` may not name the crate `{text}`", top(place))));
        }
    }
    found
}

/// Whether the token begins a path into a crate, or imports the crate whole.
fn is_crate(tokens: &[Token], index: usize, name: &str) -> bool {
    let token = &tokens[index];
    let named = match name.strip_suffix('*') {
        Some(start) => token.text.starts_with(start),
        None => token.is(name),
    };
    let before = |steps: usize| index.checked_sub(steps).and_then(|index| tokens.get(index));
    let inside_a_path = before(1).is_some_and(|token| token.is("::"))
        && before(2).is_some_and(|token| token.is(">") || (token.is_word() && !token.is("use")));
    let field = before(1).is_some_and(|token| token.is("."));
    let imported = before(1).is_some_and(|token| token.is("use") || token.is("crate"));
    let next = tokens.get(index + 1);
    let leads = next.is_some_and(|token| token.is("::"))
        || (imported && next.is_some_and(|token| token.is(";") || token.is("as")));
    named && leads && !inside_a_path && !field
}

/// Words that a file may not write.
fn words(place: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, Token { line, text }) in tokens.iter().enumerate() {
        let word = text.as_str();
        if floor(top(place)).is_some_and(|own| own <= 1) && matches!(word, "async" | "await") {
            found.push((*line, format!("`{}` may not wait: `{word}`", top(place))));
        }
        if top(place) == "statistics" && matches!(word, "identity" | "Identity") {
            found.push((*line, "`statistics` may not name an identity".to_owned()));
        }
        let defined = index.checked_sub(1).is_some_and(|before| tokens[before].is("fn"));
        for (path, places) in ONLY {
            let allowed = defined || places.iter().any(|allowed| is_in(place, allowed));
            if !allowed && matches_at(tokens, index, path) {
                found.push((*line, format!("may not write `{}`", path.concat())));
            }
        }
    }
    found
}
