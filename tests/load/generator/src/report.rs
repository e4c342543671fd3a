//! `report`: figures of many runs as tables and a chart, and both into the README.

mod chart;
mod figures;
mod table;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use self::figures::Figures;
use crate::say;

#[derive(Args)]
pub(crate) struct ReportOptions {
    /// Lines of JSON: what the other commands print, each with the name of who was measured
    figures: PathBuf,
    /// Write the chart here
    #[arg(long)]
    chart: Option<PathBuf>,
    /// Put the tables into this file, between the two marks; they are printed otherwise
    #[arg(long)]
    readme: Option<PathBuf>,
}

pub(crate) fn run(options: &ReportOptions) -> anyhow::Result<()> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let write = |path: &PathBuf, text: String| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let figures = Figures::parse(&read(&options.figures)?)?;
    let tables = table::tables(&figures);
    if let Some(path) = &options.chart {
        write(path, chart::draw(&figures))?;
    }
    match &options.readme {
        None => say(&tables),
        Some(path) => {
            let text = between_marks(&read(path)?, &tables)
                .with_context(|| format!("{}: the marks {BEGIN} and {END} are missing", path.display()))?;
            write(path, text)
        }
    }
}

/// `text` with `inset` in place of what was between the marks.
fn between_marks(text: &str, inset: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{inset}{END}{after}"))
}

const BEGIN: &str = "<!-- scripts/bench writes from here -->";
const END: &str = "<!-- to here -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("# a\n{BEGIN}\nold\n{END}\n# b\n");
        let new = between_marks(&text, "new\n").unwrap();
        assert_eq!(new, format!("# a\n{BEGIN}\nnew\n{END}\n# b\n"));
        assert_eq!(between_marks(&new, "new\n").as_deref(), Some(&*new));
        assert_eq!(between_marks("# a", "new"), None);
    }
}
