//! The documents, read as a stranger reads them: links lead somewhere, files that are named are there,
//! and every problem a caller can be given has its paragraph.
#![cfg(test)]

use buurtpoort::http::problem::KINDS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders whose files a document may name in code (`scripts/test.sh`).
const FOLDERS: &[&str] = &[
    ".ci",
    "benches",
    "certs",
    "deploy",
    "docs",
    "examples",
    "migrations",
    "policies",
    "scripts",
    "src",
    "tests",
];

/// Folders that are made, not written.
const MADE: &[&str] = &[".git", "demo-data", "node_modules", "target"];

#[test]
fn every_link_leads_somewhere() {
    let tree = Tree::read(Path::new("."));
    assert!(tree.documents().any(|(path, _)| path == "README.md"), "control: the README is read");

    let broken: Vec<String> =
        tree.documents().flat_map(|(path, text)| tree.broken_links(path, text)).collect();

    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_file_the_readme_names_is_there() {
    let tree = Tree::read(Path::new("."));
    let named = named_files(tree.text("README.md"));
    assert!(!named.is_empty(), "control: the README names files");

    let absent: Vec<&String> = named.iter().filter(|path| !tree.has(path)).collect();

    assert!(absent.is_empty(), "README.md names {absent:?}");
}

#[test]
fn every_problem_has_its_paragraph() {
    let tree = Tree::read(Path::new("."));
    let paragraphs = anchors(tree.text("docs/problems.md"));

    let absent: Vec<&&str> = KINDS.iter().filter(|kind| !paragraphs.contains(**kind)).collect();

    assert!(absent.is_empty(), "docs/problems.md has no heading for {absent:?}");
}

/// The list that is documented and the table that is answered from are two: they must agree.
#[test]
fn the_list_of_problems_is_the_table_of_problems() {
    let source = fs::read_to_string("src/http/problem.rs").unwrap();
    let listed: BTreeSet<&str> = KINDS.iter().copied().collect();
    assert_eq!(kinds_in_table(&source), listed);
}

// Positive controls, on made-up documents.

#[test]
fn a_broken_link_is_found() {
    let tree = Tree::of(&[
        ("README.md", "# Title\n## Two `words`, one\n## Twice\n## Twice\n"),
        ("docs/a.md", "# A\n"),
        ("src/main.rs", ""),
    ]);
    for (text, broken) in [
        ("[a](a.md) [b](../src/main.rs) [c](../src) [d](https://example.org/x.md)", 0),
        ("[a](../README.md#two-words-one) [b](#here) [c](../README.md#twice-1)\n# Here", 0),
        ("```\n[a](none.md)\n```\n`[a](none.md)` [a](mailto:none@example.org)", 0),
        ("[a]: a.md\n[a]", 0),
        ("[a](none.md)", 1),
        ("[a]: none.md", 1),
        ("![picture](none.png \"title\")", 1),
        ("[a](a.md#none)", 1),
        ("[a](#none)", 1),
        ("[a](../../outside.md)", 1),
        ("[a](none.md) and [b](nothing.md)", 2),
    ] {
        let found = tree.broken_links("docs/b.md", text);
        assert_eq!(found.len(), broken, "{text}: {found:?}");
    }
}

#[test]
fn named_files_are_found() {
    let text = "Run `scripts/test.sh`, read `CHANGELOG.md`; not `application/json`, `/v1/referrals`,\n\
                `policies/*.cedar` or scripts/plain.sh.\n```sh\nbash .ci/run --data @examples/a.json\n```\n";
    let named: Vec<String> = named_files(text).into_iter().collect();
    assert_eq!(named, [".ci/run", "CHANGELOG.md", "examples/a.json", "scripts/test.sh"]);
}

#[test]
fn the_table_of_problems_is_read() {
    let source = "match self {\n Self::A => (S::OK, \"one-kind\", \"T\", \"d\"),\n Self::B => (\n  S::GONE,\n  \"two\",\n) }";
    assert_eq!(kinds_in_table(source), BTreeSet::from(["one-kind", "two"]));
}

// Reading.

/// What is in the repository: every file and folder, and the text of each document.
struct Tree(BTreeMap<String, Option<String>>);

impl Tree {
    fn read(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().is_some_and(|name| MADE.iter().any(|made| name == *made)) {
                    continue;
                }
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                let document = path.extension().is_some_and(|extension| extension == "md");
                let text = document.then(|| fs::read_to_string(&path).unwrap());
                entries.insert(name, text);
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        Self(entries)
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let mut entries = BTreeMap::new();
        for (path, text) in files {
            for (at, _) in path.match_indices('/') {
                entries.insert(path.chars().take(at).collect(), None);
            }
            entries.insert((*path).to_owned(), Some((*text).to_owned()));
        }
        Self(entries)
    }

    fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains_key(path.trim_end_matches('/'))
    }

    fn text(&self, path: &str) -> &str {
        self.0.get(path).and_then(Option::as_deref).unwrap_or_else(|| panic!("no {path}"))
    }

    fn broken_links(&self, path: &str, text: &str) -> Vec<String> {
        let leads = |target: &str| {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.to_owned() } else { resolve(path, file)? };
            let there =
                if file == path { text } else { self.0.get(&file)?.as_deref().unwrap_or("") };
            (anchor.is_empty() || anchors(there).contains(anchor)).then_some(())
        };
        links(text)
            .into_iter()
            .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            .filter(|target| leads(target).is_none())
            .map(|target| format!("{path}: {target} leads nowhere"))
            .collect()
    }
}

/// `docs/a.md`, `../src` → `src`; nothing when it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Splits a document into prose lines and the code it holds, in fences and between backticks.
fn prose_and_code(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut prose, mut code) = (Vec::new(), Vec::new());
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            code.push(line.to_owned());
        } else {
            let parts = line.split('`').enumerate();
            let (inside, outside): (Vec<_>, Vec<_>) = parts.partition(|(index, _)| index % 2 == 1);
            code.extend(inside.iter().map(|(_, part)| (*part).to_owned()));
            let outside: Vec<&str> = outside.iter().map(|(_, part)| *part).collect();
            prose.push(outside.join("`"));
        }
    }
    (prose, code)
}

/// Targets of `[text](target "title")` and of `[label]: target`.
fn links(text: &str) -> Vec<String> {
    let (prose, _) = prose_and_code(text);
    let mut found = Vec::new();
    for line in &prose {
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or(part);
            found.extend(target.split_whitespace().next().map(ToOwned::to_owned));
        }
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.map(|(_, target)| target.trim().to_owned()));
    }
    found
}

/// The anchors of a document's headings, as a forge makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .chars()
            .filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'))
            .map(|sign| if sign == ' ' { '-' } else { sign })
            .flat_map(char::to_lowercase)
            .collect();
        let again = (1..).map(|times| format!("{anchor}-{times}"));
        let free = std::iter::once(anchor.clone()).chain(again).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

/// Files that a document names in code: paths into our folders, and documents at the top.
fn named_files(text: &str) -> BTreeSet<String> {
    let (_, code) = prose_and_code(text);
    code.iter()
        .flat_map(|code| code.split([' ', '"', '\'', '@', '=', '(', ')', ',', ';']))
        .filter(|word| !word.contains(['*', '{', '}', '<', '>', '$', '…', ':']))
        .filter(|word| match word.split_once('/') {
            Some((folder, _)) => FOLDERS.contains(&folder),
            None => Path::new(word).extension().is_some_and(|extension| extension == "md"),
        })
        .map(ToOwned::to_owned)
        .collect()
}

/// The kinds in the problem table: the second part of each `(S::STATUS, "kind", …)`.
fn kinds_in_table(source: &str) -> BTreeSet<&str> {
    source
        .split("S::")
        .skip(1)
        .filter_map(|row| row.split_once(',')?.1.trim_start().strip_prefix('"')?.split('"').next())
        .collect()
}
