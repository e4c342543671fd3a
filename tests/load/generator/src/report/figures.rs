//! Figures as they were measured, and medians of those that belong together.

use anyhow::Context as _;
use serde_json::Value;

/// Lines of JSON, in the order of measuring.
pub(super) struct Figures(Vec<Value>);

/// What a line must say to belong: names and values.
pub(super) type Wanted<'a> = &'a [(&'a str, Value)];

impl Figures {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().enumerate().map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} of the figures", index + 1))
        });
        lines.collect::<anyhow::Result<_>>().map(Self)
    }

    /// The median of `field` over all lines that have it and say what is `wanted`.
    pub(super) fn median(&self, wanted: Wanted<'_>, field: &str) -> Option<f64> {
        let mut values: Vec<f64> = self.lines(wanted).filter_map(|line| line.get(field)?.as_f64()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            1 => values.get(middle).copied(),
            _ => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
        }
    }

    /// The largest of `field`.
    pub(super) fn most(&self, wanted: Wanted<'_>, field: &str) -> Option<f64> {
        self.lines(wanted).filter_map(|line| line.get(field)?.as_f64()).max_by(f64::total_cmp)
    }

    /// What the first such line says of `field`.
    pub(super) fn text(&self, wanted: Wanted<'_>, field: &str) -> Option<&str> {
        self.lines(wanted).find_map(|line| line.get(field)?.as_str())
    }

    fn lines(&self, wanted: Wanted<'_>) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |line| wanted.iter().all(|(name, value)| line.get(name) == Some(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_what_belongs_together() {
        let text = r#"{"name":"adit","train":44,"inner_gbit":3.0}
{"name":"adit","train":44,"inner_gbit":9.0}
{"name":"adit","train":1,"inner_gbit":100.0}
{"name":"plain","train":44,"inner_gbit":50}
{"name":"adit","train":44,"inner_gbit":4.0,"esp":"x"}"#;
        let figures = Figures::parse(text).unwrap();
        let wanted = [("name", "adit".into()), ("train", 44.into())];
        assert_eq!(figures.median(&wanted, "inner_gbit"), Some(4.0));
        assert_eq!(figures.most(&wanted, "inner_gbit"), Some(9.0));
        assert_eq!(figures.text(&wanted, "esp"), Some("x"));
        assert_eq!(figures.median(&[("name", "plain".into())], "inner_gbit"), Some(50.0));
        assert_eq!(figures.median(&wanted[1..], "inner_gbit"), Some(6.5), "of an even number");
        assert_eq!(figures.median(&wanted, "lost"), None);
        assert!(Figures::parse("{}\n{").is_err());
    }
}
