//! The throughput by length of train as a chart: groups of bars, one panel for each direction, in SVG.

use std::fmt::Write as _;

use super::figures::Figures;
use super::table::{DIRECTIONS, flood, gbit};

/// One chart; bars that were not measured are left out.
pub(super) fn draw(figures: &Figures) -> String {
    let value = |name, direction, train| {
        figures.median(&flood(name, direction, 1, train, "aes128-sha1"), "inner_gbit")
    };
    let all = DIRECTIONS.into_iter().flat_map(|direction| {
        SERIES.into_iter().flat_map(move |(name, _)| TRAINS.map(|train| value(name, direction, train)))
    });
    let highest = all.flatten().fold(1.0, f64::max);
    let mut svg = String::new();
    let width = MARGIN + DIRECTIONS.len() * PANEL;
    let height = TOP + PLOT + BOTTOM;
    let _ = writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">
<style>text{{fill:#57606a}}.title{{font-size:13px;font-weight:bold}}.adit{{fill:#2f6fdb}}.softether{{fill:#d9822b}}.plain{{fill:#a8b0b9}}</style>
<text class="title" x="{MARGIN}" y="16">Gbit/s inside the tunnel: one client, AES-128-CBC + SHA1, 1400-byte packets, server on one core</text>"##
    );
    for (index, (name, label)) in SERIES.into_iter().enumerate() {
        let x = MARGIN + index * 150;
        let _ = writeln!(
            svg,
            r#"<rect class="{name}" x="{x}" y="26" width="10" height="10"/><text x="{}" y="35">{label}</text>"#,
            x + 15
        );
    }
    for (panel, direction) in DIRECTIONS.into_iter().enumerate() {
        let left = MARGIN + panel * PANEL;
        for (group, train) in TRAINS.into_iter().enumerate() {
            let x = left + group * GROUP;
            for (bar, (name, _)) in SERIES.into_iter().enumerate() {
                let Some(gbits) = value(name, direction, train) else { continue };
                let long = gbits / highest * PLOT as f64;
                let (x, y) = (x + bar * BAR, (TOP + PLOT) as f64 - long);
                let label = gbit(Some(gbits)).unwrap_or_default();
                let _ = writeln!(
                    svg,
                    r#"<rect class="{name}" x="{x}" y="{y:.1}" width="{}" height="{long:.1}"/><text x="{}" y="{:.1}" text-anchor="middle" font-size="9">{label}</text>"#,
                    BAR - 2,
                    x + BAR / 2 - 1,
                    y - 3.0,
                );
            }
            let middle = x + SERIES.len() * BAR / 2;
            let _ = writeln!(
                svg,
                r#"<text x="{middle}" y="{}" text-anchor="middle">{train}</text>"#,
                TOP + PLOT + 14
            );
        }
        let middle = left + (PANEL - GAP) / 2;
        let _ = writeln!(
            svg,
            r##"<line x1="{left}" x2="{}" y1="{y}" y2="{y}" stroke="#a8b0b9"/><text x="{middle}" y="{}" text-anchor="middle">{direction}: packets that come together</text>"##,
            left + PANEL - GAP,
            TOP + PLOT + 30,
            y = TOP + PLOT,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Bars of a group: who it is in the figures, and for the reader.
const SERIES: [(&str, &str); 3] =
    [("plain", "forwarding, no tunnel"), ("adit", "adit"), ("softether", "SoftEther VPN")];
const TRAINS: [u16; 4] = [44, 16, 4, 1];

/// Lengths, in the drawing's own units.
const MARGIN: usize = 12;
const TOP: usize = 60;
const PLOT: usize = 170;
const BOTTOM: usize = 38;
const BAR: usize = 28;
const GROUP: usize = SERIES.len() * BAR + 14;
const GAP: usize = 24;
const PANEL: usize = TRAINS.len() * GROUP + GAP;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let line = |name: &str, esp: &str, gbits: f64| {
            format!(
                r#"{{"name":"{name}","kind":"flood","esp":{esp},"clients":1,"direction":"down","train":16,"inner_gbit":{gbits}}}"#
            )
        };
        let text = [line("plain", "null", 20.0), line("adit", "\"aes128-sha1\"", 5.0)].join("\n");
        let svg = draw(&Figures::parse(&text).unwrap());
        let heights: Vec<&str> = svg
            .lines()
            .filter_map(|line| line.split_once(r#"width="26" height=""#)?.1.split('"').next())
            .collect();
        assert_eq!(heights, ["170.0", "42.5"]);
        assert!(svg.ends_with("</svg>\n"));
    }
}
