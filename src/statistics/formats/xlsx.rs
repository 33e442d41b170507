//! Office Open XML: the figures on one sheet, what they mean on another.

use crate::statistics::formats::{About, NotMade, Row, Sheet, labels};
use crate::statistics::release::Published;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet, XlsxError};

/// The workbook. The value of a hidden cell is blank; every label is Dutch.
///
/// # Errors
/// [`NotMade`].
pub fn write(published: &Published, about: &About) -> Result<Vec<u8>, NotMade> {
    let mut book = Workbook::new();
    // Otherwise the clock of the making would be in it, and each making other bytes.
    let sealed = ExcelDateTime::parse_from_str(about.sealed_at.get(..19).unwrap_or_default());
    let sealed = sealed.or(Err(NotMade))?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&sealed));
    let sheet = Sheet::of(published);
    figures(book.add_worksheet(), published, &sheet).or(Err(NotMade))?;
    let lines = [
        ("Gebied", published.area.as_str()),
        ("Periode", &published.period),
        ("Vastgesteld op", &about.sealed_at),
        ("SHA-256", &about.sha256),
        ("Methode", &published.method.to_string()),
        ("Uitleg", labels::NOTE),
    ];
    explained(book.add_worksheet(), &lines).or(Err(NotMade))?;
    book.save_to_buffer().or(Err(NotMade))
}

fn figures(page: &mut Worksheet, published: &Published, sheet: &Sheet) -> Result<(), XlsxError> {
    page.set_name("Cijfers")?;
    let dimensions = sheet.dimensions.iter().map(String::as_str);
    let columns = ["table", "label"].into_iter().chain(dimensions).chain([
        "value",
        "obsStatus",
        "confStatus",
        "unit",
    ]);
    for (column, name) in (0_u16..).zip(columns) {
        page.write_string(0, column, labels::column(name))?;
    }
    for (line, row) in (1_u32..).zip(&sheet.rows) {
        put(page, line, row, &published.unit)?;
    }
    page.set_freeze_panes(1, 0)?;
    page.autofit();
    Ok(())
}

fn put(page: &mut Worksheet, line: u32, row: &Row, unit: &str) -> Result<(), XlsxError> {
    page.write_string(line, 0, &row.table)?;
    page.write_string(line, 1, labels::table(&row.table))?;
    let mut column = 2;
    for code in &row.codes {
        page.write_string(line, column, code)?;
        column += 1;
    }
    if let Some(value) = row.value {
        // A count is far below what a spreadsheet holds exactly.
        let value = i32::try_from(value).unwrap_or(i32::MAX);
        page.write_number(line, column, value)?;
    }
    page.write_string(line, column + 1, row.obs_status())?;
    page.write_string(line, column + 2, row.conf_status())?;
    page.write_string(line, column + 3, unit)?;
    Ok(())
}

fn explained(page: &mut Worksheet, lines: &[(&str, &str)]) -> Result<(), XlsxError> {
    page.set_name("Toelichting")?;
    for (line, (name, text)) in (0_u32..).zip(lines) {
        page.write_string(line, 0, *name)?;
        page.write_string(line, 1, *text)?;
    }
    page.autofit();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::formats::testing::{about, published};

    #[test]
    fn a_workbook_is_made_the_same_each_time() {
        let book = write(&published(), &about()).unwrap();
        assert!(book.starts_with(b"PK"), "a zip archive");
        assert!(book.len() > 2_000);
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        assert_eq!(write(&published(), &about()).unwrap(), book, "a second later");
    }
}
