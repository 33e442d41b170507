//! RFC 4180, and CSV on the Web beside it.

use crate::statistics::formats::{NotMade, Sheet, labels};
use crate::statistics::release::Published;
use serde_json::{Value, json};

/// What stands between the columns.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Separator {
    /// `,` as RFC 4180 has it.
    #[default]
    Comma,
    /// `;` as a spreadsheet in Dutch expects it.
    Semicolon,
}

impl Separator {
    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// Columns before and after those of the dimensions.
const BEFORE: [&str; 3] = ["area", "period", "table"];
const AFTER: [&str; 5] = ["value", "obsStatus", "confStatus", "unit", "label"];

fn columns(sheet: &Sheet) -> Vec<&str> {
    let own = sheet.dimensions.iter().map(String::as_str);
    BEFORE.into_iter().chain(own).chain(AFTER).collect()
}

/// The rows; the value of a hidden cell is empty.
///
/// # Errors
/// [`NotMade`].
pub fn write(published: &Published, separator: Separator) -> Result<Vec<u8>, NotMade> {
    let sheet = Sheet::of(published);
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator.byte())
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(columns(&sheet)).or(Err(NotMade))?;
    for row in &sheet.rows {
        let value = row.value.map(|value| value.to_string()).unwrap_or_default();
        let label = labels::table(&row.table);
        let before = [published.area.as_str(), &published.period, &row.table];
        let after = [&*value, row.obs_status(), row.conf_status(), &published.unit, &label];
        let codes = row.codes.iter().map(String::as_str);
        writer.write_record(before.into_iter().chain(codes).chain(after)).or(Err(NotMade))?;
    }
    writer.into_inner().or(Err(NotMade))
}

/// What the columns are, in the terms of CSVW; `url` is that of the CSV.
#[must_use]
pub fn metadata(published: &Published, url: &str, separator: Separator) -> Value {
    let sheet = Sheet::of(published);
    let column = |name: &&str| {
        let kind = if *name == "value" { "integer" } else { "string" };
        json!({
            "name": name,
            "titles": {"nl": labels::column(name), "en": name},
            "datatype": kind,
            "required": *name == "table",
        })
    };
    let between = if separator == Separator::Comma { "," } else { ";" };
    json!({
        "@context": "http://www.w3.org/ns/csvw",
        "url": url,
        "dialect": {"delimiter": between, "header": true, "encoding": "utf-8"},
        "dc:title": format!("Buurtgezinnen {} {}", published.area, published.period),
        "dc:language": "nl",
        "tableSchema": {"columns": columns(&sheet).iter().map(column).collect::<Vec<_>>()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::formats::testing::published;

    #[test]
    fn a_csv_has_the_rows_and_the_metadata_its_columns() {
        let text = String::from_utf8(write(&published(), Separator::Comma).unwrap()).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "area,period,table,quarter,source,year,value,obsStatus,confStatus,unit,label"
        );
        assert!(lines[1].starts_with("GM0119,2026Q4,quarter.referrals,2026Q4,,,6,A,F,family,"));
        assert!(lines[4].contains(",poh-j,2026,,Q,C,family,"), "a hidden cell is empty");
        let semicolons = write(&published(), Separator::Semicolon).unwrap();
        let semicolons = String::from_utf8(semicolons).unwrap();
        assert!(semicolons.contains(";poh-j;2026;;Q;C;family;"), "{semicolons}");
        let told = metadata(&published(), "x.csv", Separator::Comma);
        let columns = told["tableSchema"]["columns"].as_array().unwrap();
        let names: Vec<&str> = columns.iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(names.join(","), lines[0]);
    }
}
