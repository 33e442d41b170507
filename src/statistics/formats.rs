//! A release in other forms than the JSON it was sealed in: CSV with its CSVW metadata, JSON-stat 2.0 and XLSX.
//!
//! Every form is made of the sealed body, by way of the same [`Sheet`]: the same rows, the same figures, the same hidden
//! cells. A cell of a table that lacks one of the table's dimensions is the total over it, code `_T` as in SDMX.

use crate::statistics::formats::csv::Separator;
use crate::statistics::release::{Cell, Published};

pub mod csv;
pub mod jsonstat;
pub mod labels;
pub mod xlsx;

/// A form in which a release is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// As it was sealed.
    Json,
    /// RFC 4180.
    Csv,
    /// W3C CSV on the Web: what the columns of the CSV are.
    CsvMetadata,
    /// JSON-stat 2.0.
    JsonStat,
    /// Office Open XML, one sheet of figures and one of explanation.
    Xlsx,
}

impl Format {
    /// All, in order of preference where a caller has none.
    pub const ALL: &'static [Self] =
        &[Self::Json, Self::Csv, Self::JsonStat, Self::Xlsx, Self::CsvMetadata];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::CsvMetadata => "application/csvm+json",
            Self::JsonStat => "application/vnd.json-stat+json",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// What ends the name of a file of it.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::CsvMetadata => "csv-metadata.json",
            Self::JsonStat => "json-stat.json",
            Self::Xlsx => "xlsx",
        }
    }
}

/// The code of a total over a dimension.
pub const TOTAL: &str = "_T";

/// One row of every form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Its table.
    pub table: String,
    /// Its code of each dimension of the sheet; empty where the table does not have it.
    pub codes: Vec<String>,
    /// Its figure; nothing where it is hidden.
    pub value: Option<i64>,
}

impl Row {
    /// SDMX: `A` shown, `Q` suppressed.
    #[must_use]
    pub const fn obs_status(&self) -> &'static str {
        if self.value.is_some() { "A" } else { "Q" }
    }

    /// SDMX: `F` free, `C` confidential.
    #[must_use]
    pub const fn conf_status(&self) -> &'static str {
        if self.value.is_some() { "F" } else { "C" }
    }
}

/// A release as rows and columns.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Names of the dimensions, sorted.
    pub dimensions: Vec<String>,
    /// The rows, in the order of the release.
    pub rows: Vec<Row>,
}

impl Sheet {
    /// Lays a release out.
    #[must_use]
    pub fn of(published: &Published) -> Self {
        let dimensions: Vec<String> =
            published.dimensions().into_iter().map(str::to_owned).collect();
        let has = |table: &str, dimension: &String| {
            let mut own = published.cells.iter().filter(|cell| cell.table == table);
            own.any(|cell| cell.place.iter().any(|(name, _)| name == dimension))
        };
        let code = |cell: &Cell, dimension: &String| {
            let found = cell.place.iter().find(|(name, _)| name == dimension);
            match found {
                Some((_, code)) => code.clone(),
                None if has(&cell.table, dimension) => TOTAL.to_owned(),
                None => String::new(),
            }
        };
        let row = |cell: &Cell| Row {
            table: cell.table.clone(),
            codes: dimensions.iter().map(|dimension| code(cell, dimension)).collect(),
            value: cell.value,
        };
        let rows = published.cells.iter().map(row).collect();
        Self { rows, dimensions: dimensions.clone() }
    }
}

/// What a form says beside its cells.
#[derive(Clone, Debug)]
pub struct About {
    /// Id of the release.
    pub release: String,
    /// Its hash, hex.
    pub sha256: String,
    /// When it was sealed, RFC 3339.
    pub sealed_at: String,
    /// Name of a file of it, without what ends it.
    pub file: String,
}

/// Makes a form of a release. What was sealed is JSON already: that is not made here.
///
/// # Errors
/// [`NotMade`].
pub fn make(
    published: &Published,
    (format, separator): (Format, Separator),
    about: &About,
) -> Result<Vec<u8>, NotMade> {
    match format {
        Format::Json => Err(NotMade),
        Format::Csv => csv::write(published, separator),
        Format::CsvMetadata => {
            let url = format!("{}.{}", about.file, Format::Csv.extension());
            Ok(csv::metadata(published, &url, separator).to_string().into_bytes())
        }
        Format::JsonStat => Ok(jsonstat::write(published, about).to_string().into_bytes()),
        Format::Xlsx => xlsx::write(published, about),
    }
}

/// Could not be made: a fault of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the release could not be shown in this form")]
pub struct NotMade;

#[cfg(test)]
pub(crate) mod testing {
    use super::{About, Published};

    /// What its forms say beside.
    pub(crate) fn about() -> About {
        let text = |text: &str| text.to_owned();
        About {
            release: text("r"),
            sha256: text("h"),
            sealed_at: text("2027-01-02T00:00:00Z"),
            file: text("x"),
        }
    }

    /// A release with a hidden cell, a total over a dimension, and tables of different dimensions.
    pub(crate) fn published() -> Published {
        let hidden = "{\"confStatus\":\"C\",\"obsStatus\":\"Q\",\"table\":\"year.referrals.source\",\"value\":null,\
            \"where\":{\"source\":\"poh-j\",\"year\":\"2026\"}}";
        let shown = |table: &str, place: &str, value: i64| {
            format!(
                "{{\"confStatus\":\"F\",\"obsStatus\":\"A\",\"table\":\"{table}\",\"value\":{value},\"where\":{{{place}}}}}"
            )
        };
        let cells = [
            shown("quarter.referrals", "\"quarter\":\"2026Q4\"", 6),
            shown("year.referrals.source", "\"year\":\"2026\"", 21),
            shown("year.referrals.source", "\"source\":\"wijkteam\",\"year\":\"2026\"", 18),
            hidden.to_owned(),
        ];
        let body = format!(
            "{{\"cells\":[{}],\"method\":{{\"name\":\"test\"}},\"municipality\":\"GM0119\",\"period\":\"2026Q4\",\
             \"unit\":\"family\"}}",
            cells.join(",")
        );
        Published::read(&body).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_column_for_each_dimension_and_totals_by_name() {
        let sheet = Sheet::of(&testing::published());
        assert_eq!(sheet.dimensions, ["quarter", "source", "year"]);
        let codes: Vec<Vec<&str>> =
            sheet.rows.iter().map(|row| row.codes.iter().map(String::as_str).collect()).collect();
        assert_eq!(
            codes,
            [
                ["2026Q4", "", ""],
                ["", "_T", "2026"],
                ["", "wijkteam", "2026"],
                ["", "poh-j", "2026"]
            ]
        );
        let hidden = &sheet.rows[3];
        assert_eq!((hidden.value, hidden.obs_status(), hidden.conf_status()), (None, "Q", "C"));
    }
}
