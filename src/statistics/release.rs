//! The body of a release: canonical JSON, made once, served byte for byte ever after.
//!
//! Cells follow SDMX: `OBS_STATUS` `A` (shown) or `Q` (suppressed), `CONF_STATUS` `F` (free) or `C` (confidential). A
//! hidden cell has no value, never 0. Keys are sorted and there are no spaces, so that the hash of the body can be made
//! again by anyone. [`Published`] reads a body back: every other format is made of what was sealed, never of counts.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A published cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    /// Its table, such as `year.referrals.source`.
    pub table: String,
    /// Where in it: dimension and code, sorted by dimension.
    pub place: Vec<(String, String)>,
    /// Its figure; nothing where it is hidden.
    pub value: Option<i64>,
}

impl Cell {
    /// A cell that is shown.
    #[must_use]
    pub fn shown(table: String, mut place: Vec<(String, String)>, value: i64) -> Self {
        place.sort();
        Self { table, place, value: Some(value) }
    }
}

/// What a release says beside its cells. Values are JSON, as text.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Name and JSON value, in any order; written sorted.
    pub fields: Vec<(&'static str, String)>,
}

/// Writes the canonical body. `inline_table`: whether each cell says its table, or the head says the one table there is.
#[must_use]
pub fn body(cells: &[Cell], head: &Head, inline_table: bool) -> String {
    let mut out = String::from("{\"cells\":[");
    for (at, one) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        cell(&mut out, one, inline_table);
    }
    out.push(']');
    let mut fields: Vec<_> = head.fields.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    for (name, value) in fields {
        // Writing to a String cannot fail.
        let _infallible = write!(out, ",\"{name}\":{value}");
    }
    out.push('}');
    out
}

/// A text as JSON. For words of closed lists, codes and names of a contract.
#[must_use]
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn cell(out: &mut String, cell: &Cell, inline_table: bool) {
    let (conf, obs) = if cell.value.is_some() { ("F", "A") } else { ("C", "Q") };
    let value = cell.value.map_or_else(|| "null".to_owned(), |value| value.to_string());
    let table =
        if inline_table { format!("\"table\":{},", quoted(&cell.table)) } else { String::new() };
    let place: Vec<String> = cell
        .place
        .iter()
        .map(|(name, code)| format!("{}:{}", quoted(name), quoted(code)))
        .collect();
    let _infallible = write!(
        out,
        "{{\"confStatus\":\"{conf}\",\"obsStatus\":\"{obs}\",{table}\"value\":{value},\"where\":{{{}}}}}",
        place.join(",")
    );
}

/// A release as it is read back from its body.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its cells, in their order.
    pub cells: Vec<Cell>,
    /// What it says of the method.
    pub method: Value,
    /// Gemeente or region.
    pub area: String,
    /// CBS codes of the gemeenten it is about: its own, or those of its region when it was sealed.
    pub municipalities: Vec<String>,
    /// Quarter or year.
    pub period: String,
    /// What is counted: `family`.
    pub unit: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyFile {
    cells: Vec<CellFile>,
    method: Value,
    municipality: Option<String>,
    #[serde(default)]
    municipalities: Vec<String>,
    region: Option<String>,
    period: String,
    table: Option<String>,
    unit: String,
}

#[derive(Deserialize)]
struct CellFile {
    table: Option<String>,
    value: Option<i64>,
    #[serde(rename = "where")]
    place: BTreeMap<String, String>,
}

/// Not the body of a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the body of a release")]
pub struct NotABody;

impl Published {
    /// Reads a body.
    ///
    /// # Errors
    /// [`NotABody`].
    pub fn read(body: &str) -> Result<Self, NotABody> {
        let file: BodyFile = serde_json::from_str(body).or(Err(NotABody))?;
        let only = file.table.unwrap_or_default();
        let cell = |cell: CellFile| Cell {
            table: cell.table.unwrap_or_else(|| only.clone()),
            place: cell.place.into_iter().collect(),
            value: cell.value,
        };
        let own = file.municipality.iter().cloned();
        Ok(Self {
            municipalities: file.municipalities.into_iter().chain(own).collect(),
            cells: file.cells.into_iter().map(cell).collect(),
            method: file.method,
            area: file.municipality.or(file.region).ok_or(NotABody)?,
            period: file.period,
            unit: file.unit,
        })
    }

    /// The dimensions that any cell has, sorted.
    #[must_use]
    pub fn dimensions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .cells
            .iter()
            .flat_map(|cell| cell.place.iter().map(|(name, _)| name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The tables, in the order in which they begin.
    #[must_use]
    pub fn tables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for cell in &self.cells {
            if !names.contains(&cell.table.as_str()) {
                names.push(&cell.table);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_canonical_and_is_read_back_as_it_was() {
        let cells = [
            Cell::shown("year.referrals".to_owned(), Vec::new(), 12),
            Cell {
                table: "year.referrals.source".to_owned(),
                place: vec![("source".to_owned(), "poh-j".to_owned())],
                value: None,
            },
        ];
        let fields = vec![
            ("unit", quoted("family")),
            ("municipality", quoted("GM0119")),
            ("period", quoted("2026")),
            ("method", "{\"name\":\"x\"}".to_owned()),
        ];
        let text = body(&cells, &Head { fields }, true);
        assert_eq!(
            text,
            "{\"cells\":[{\"confStatus\":\"F\",\"obsStatus\":\"A\",\"table\":\"year.referrals\",\"value\":12,\"where\":{}},\
             {\"confStatus\":\"C\",\"obsStatus\":\"Q\",\"table\":\"year.referrals.source\",\"value\":null,\
             \"where\":{\"source\":\"poh-j\"}}],\"method\":{\"name\":\"x\"},\"municipality\":\"GM0119\",\"period\":\"2026\",\
             \"unit\":\"family\"}"
        );
        let read = Published::read(&text).unwrap();
        assert_eq!((read.cells.as_slice(), read.area.as_str()), (&cells[..], "GM0119"));
        assert_eq!((read.dimensions(), read.tables().len()), (vec!["source"], 2));
        assert!(Published::read("{}").is_err());
    }
}
