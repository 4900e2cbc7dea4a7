//! Tables for people.

use std::fmt::Write;

/// Rows under headings, if there are any, in columns as wide as they need to be. What could move a terminal's
/// cursor, or turn its text around, is spelt out.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |row: &Vec<String>| row.iter().map(|cell| tame(cell)).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let headings: Vec<String> = headings.iter().map(|cell| tame(cell)).collect();
    let columns = rows.first().map_or(headings.len(), Vec::len);
    let mut widths = vec![0; columns];
    for row in std::iter::once(&headings).chain(&rows) {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut text = String::new();
    let head = Some(&headings).filter(|headings| !headings.is_empty());
    for row in head.into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(&widths) {
            let space = column.saturating_sub(width(cell)) + 2;
            // Writing to a String does not fail.
            let _ = write!(line, "{cell}{:space$}", "");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn tame(cell: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    cell.chars()
        .flat_map(|c| {
            let spelt = c.is_control() || turns(c);
            let escaped = spelt.then(|| c.escape_unicode());
            let itself = (!spelt).then_some(c);
            escaped.into_iter().flatten().chain(itself)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            vec!["ada@example.org".to_owned(), "en".to_owned()],
            vec!["é@b.c".to_owned(), "\u{1b}[2J\u{202e}".to_owned()],
        ];
        assert_eq!(
            table(&["ADDRESS", "LANGUAGE"], &rows),
            "ADDRESS          LANGUAGE\n\
             ada@example.org  en\n\
             é@b.c            \\u{1b}[2J\\u{202e}\n"
        );
    }
}
