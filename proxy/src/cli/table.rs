//! Tables on the screen: headings, and columns as wide as what stands in them. `route list`, `endpoint list` and `top`
//! print by it; scripts that want more take `--json`.

use super::paint::plain;

/// Rows under their headings. A cell is one word or more and never empty: columns can be counted.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = headings.iter().map(|heading| heading.to_ascii_uppercase()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(|row| cells(row))).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &[String]) -> Vec<String> {
    let cell = |text: &String| if text.is_empty() { "-".to_owned() } else { plain(text.as_bytes()) };
    row.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        let rows = [row(&["a.very.long.name", "x", "up"]), row(&["ä", "", "\u{1b}[2J"])];
        let expect =
            "NAME              IN_FLIGHT  STATE\na.very.long.name  x          up\nä                 -          ·[2J\n";
        assert_eq!(table(&["name", "in_flight", "state"], &rows), expect);
        assert_eq!(table(&["name"], &[]), "NAME\n");
    }
}
