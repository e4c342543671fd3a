//! The page for operators says what the table shows, and nothing else.

use super::{CERTIFIED, IDENTIFIED, ROWS, Row};

const PAGE: &str = include_str!("../../../conf/clients.md");

/// Client, versions, pre-shared key, identifier, certificate, phase 1, ESP, remarks.
fn rows_of_the_page() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    let lines = PAGE.lines().filter(|line| line.starts_with('|'));
    // Without the titles and the rule beneath them.
    lines.skip(2).map(cells).collect()
}

#[test]
fn every_row_of_the_page_is_one_of_the_table() {
    let page = rows_of_the_page();
    let said: Vec<_> =
        page.iter().map(|cells| (cells[0], cells[1], [cells[3], cells[4]], cells[5], cells[6])).collect();
    let among = |rows: &[&Row], row: &Row| rows.iter().any(|other| other.client == row.client);
    let shown = ROWS.iter().map(|row| {
        let identifier = if among(IDENTIFIED, row) { "tested" } else { "not tested" };
        let certificate = if among(CERTIFIED, row) { "tested, RSA" } else { "not tested" };
        (row.client, row.versions, [identifier, certificate], row.ike, row.esp)
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(said, shown);
}
