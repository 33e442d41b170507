//! JSON-stat 2.0: a collection with a dataset for each table of the release.

use crate::statistics::formats::{About, Row, Sheet, labels};
use crate::statistics::release::Published;
use serde_json::{Map, Value, json};

/// The collection.
#[must_use]
pub fn write(published: &Published, about: &About) -> Value {
    let sheet = Sheet::of(published);
    let tables = published.tables();
    let items: Vec<Value> =
        tables.iter().map(|table| dataset(published, &sheet, table, about)).collect();
    json!({
        "version": "2.0",
        "class": "collection",
        "label": format!("Buurtgezinnen {} {}", published.area, published.period),
        "updated": about.sealed_at,
        "link": {"item": items},
    })
}

fn dataset(published: &Published, sheet: &Sheet, table: &str, about: &About) -> Value {
    let rows: Vec<&Row> = sheet.rows.iter().filter(|row| row.table == table).collect();
    // The dimensions this table has, each with its codes in the order in which they come.
    let mut axes: Vec<(usize, Vec<&str>)> = Vec::new();
    for at in 0..sheet.dimensions.len() {
        let mut codes: Vec<&str> = Vec::new();
        for row in &rows {
            let code = row.codes.get(at).map(String::as_str).unwrap_or_default();
            if !code.is_empty() && !codes.contains(&code) {
                codes.push(code);
            }
        }
        if !codes.is_empty() {
            axes.push((at, codes));
        }
    }
    let ids: Vec<&str> =
        axes.iter().filter_map(|(at, _)| sheet.dimensions.get(*at)).map(String::as_str).collect();
    let size: Vec<usize> = axes.iter().map(|(_, codes)| codes.len()).collect();
    let (values, status) = figures(&rows, &axes, size.iter().product());
    let time: Vec<&str> =
        ids.iter().copied().filter(|id| matches!(*id, "quarter" | "year")).collect();
    let dimension: Map<String, Value> = ids
        .iter()
        .zip(&axes)
        .map(|(id, (_, codes))| ((*id).to_owned(), category(id, codes)))
        .collect();
    json!({
        "version": "2.0",
        "class": "dataset",
        "label": labels::table(table),
        "source": "Buurtpoort",
        "updated": about.sealed_at,
        "id": ids,
        "size": size,
        "role": {"time": time},
        "dimension": dimension,
        "value": values,
        "status": status,
        "note": [labels::NOTE],
        "extension": {
            "table": table,
            "area": published.area,
            "period": published.period,
            "unit": published.unit,
            "releaseId": about.release,
            "sha256": about.sha256,
            "method": published.method,
        },
    })
}

/// Figures and statuses in the order of the cube; a place that is not in the release is hidden, as it may say nothing.
fn figures(
    rows: &[&Row],
    axes: &[(usize, Vec<&str>)],
    places: usize,
) -> (Vec<Value>, Vec<&'static str>) {
    let mut cube = vec![(Value::Null, "Q"); places];
    for row in rows {
        let place = axes.iter().try_fold(0, |sum, (at, codes)| {
            let code = row.codes.get(*at)?;
            Some(sum * codes.len() + codes.iter().position(|one| one == code)?)
        });
        if let Some(cell) = place.and_then(|place| cube.get_mut(place)) {
            *cell = (row.value.map_or(Value::Null, Value::from), row.obs_status());
        }
    }
    cube.into_iter().unzip()
}

fn category(dimension: &str, codes: &[&str]) -> Value {
    let named: Map<String, Value> =
        codes.iter().map(|code| ((*code).to_owned(), json!(labels::code(code)))).collect();
    json!({"label": labels::column(dimension), "category": {"index": codes, "label": named}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::formats::testing::{about, published};

    #[test]
    fn each_table_is_a_dataset_whose_cube_is_whole() {
        let told = write(&published(), &about());
        let items = told["link"]["item"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        let table = &items[1];
        assert_eq!(table["id"], json!(["source", "year"]));
        assert_eq!(table["size"], json!([3, 1]));
        assert_eq!(table["value"], json!([21, 18, null]));
        assert_eq!(table["status"], json!(["A", "A", "Q"]));
        assert_eq!(table["role"]["time"], json!(["year"]));
        let source = &table["dimension"]["source"]["category"];
        assert_eq!(source["index"], json!(["_T", "wijkteam", "poh-j"]));
        assert_eq!(source["label"]["_T"], json!("Totaal"));
        assert_eq!(items[0]["value"], json!([6]));
    }
}
