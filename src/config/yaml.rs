//! YAML text to typed values that remember their place, and the reader's complaints in an operator's words.
//!
//! Every scalar is read as the text that stands in the file: `mtu: 70000` and a password of `0123` reach us
//! as written, and each setting says itself what it expected.

use std::fmt;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};
use zeroize::Zeroizing;

use super::problem::{Problem, Problems, line_and_column};

/// A scalar as written, and where.
pub(crate) type Text = Spanned<String>;

/// A scalar that is a secret: shown nowhere, zeroed when dropped.
pub(crate) struct Hidden(pub(crate) Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A mapping whose keys the operator chooses, in file order.
pub(crate) struct Entries<T>(pub(crate) Vec<(Text, Spanned<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

/// Reads a whole file that may hold secrets.
pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!("no such file"),
        _ => anyhow::Error::from(error),
    });
    Ok(Zeroizing::new(bytes.with_context(|| format!("cannot read {}", path.display()))?))
}

/// Reads `bytes` as one YAML document; `None` when it has no content.
pub(crate) fn parse<'de, T: Deserialize<'de>>(path: &Path, bytes: &'de [u8]) -> Result<Option<T>, Problems> {
    let problem = |(line, column), text: String| Problem { file: path.to_owned(), line, column, text };
    let text = str::from_utf8(bytes).map_err(|error| {
        let (good, _) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let place = end_of(&String::from_utf8_lossy(good));
        problem(place, "found bytes that are not UTF-8, expected text".to_owned())
    })?;
    // The limits against hostile documents would also stop a file of 100 000 users; whoever writes our files
    // is root.
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_events: 100_000_000,
            max_nodes: 100_000_000,
            max_total_scalar_bytes: 1 << 30,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        problem(line_and_column(at), explain(&error, rest_of_line(text, at))).into()
    })
}

/// Says what the reader found and expected, given the text from the place of the error to the end of its
/// line.
///
/// Never shows that text: it may be a secret.
fn explain(error: &Error, rest: &str) -> String {
    match error {
        Error::AliasError { error, .. } => explain(error, rest),
        Error::Unexpected { expected, .. } if expected.contains("scalar") => {
            format!("found {}, expected a single value", shape(rest))
        }
        Error::Unexpected { expected, .. } if expected.contains("sequence") => {
            format!("found {}, expected a list", shape(rest))
        }
        Error::Unexpected { expected, .. } if expected.contains("mapping") => {
            format!("found {}, expected `key: value` settings", shape(rest))
        }
        Error::NullIntoString { .. } => "found nothing, expected a value".to_owned(),
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("found unknown key {field:?}, expected one of {}", expected.join(", "))
        }
        Error::SerdeMissingField { field, .. } => format!("found no key `{field}`, expected it here"),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("found key {key:?} a second time, expected it once")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "found a key a second time, expected it once".to_owned()
        }
        Error::MultipleDocuments { .. } => "found a second document, expected one".to_owned(),
        other => {
            let text = other.to_string();
            format!("found {}, expected valid YAML", text.split(" at line ").next().unwrap_or_default())
        }
    }
}

/// Names the kind of node that begins with `rest`.
fn shape(rest: &str) -> &'static str {
    let rest = rest.trim_end();
    let word_end = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
    match rest.chars().next() {
        // The reader puts an empty value where its colon is.
        None | Some('~' | '#' | ':') => "nothing",
        Some('[') => "a list",
        Some('-') if rest == "-" || rest.starts_with("- ") => "a list",
        Some('{') => "`key: value` settings",
        Some(_) if rest.split(word_end).next() == Some("null") => "nothing",
        Some(_) if rest.ends_with(':') || rest.contains(": ") => "`key: value` settings",
        Some(_) => "a single value",
    }
}

fn rest_of_line(text: &str, at: Location) -> &str {
    let (line, column) = line_and_column(at);
    let skip = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = text.lines().nth(skip(line)).unwrap_or_default();
    line.char_indices().nth(skip(column)).and_then(|(start, _)| line.get(start..)).unwrap_or_default()
}

fn end_of(text: &str) -> (u64, u64) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
    let last = text.rsplit('\n').next().unwrap_or_default();
    (count(text.matches('\n').count()), count(last.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_the_text_that_stands_in_the_file() {
        for text in [
            "0123",
            "1e10",
            "true",
            "0x10",
            "2027-06-30",
            "~x",
            "1_000",
            "12345678901234567890123456789012",
            "é",
        ] {
            for line in [format!("a: {text}"), format!("a: '{text}'"), format!("a: \"{text}\"")] {
                let file: Entries<Hidden> = parse(Path::new("x"), line.as_bytes()).unwrap().unwrap();
                assert_eq!(file.0.first().unwrap().1.value.0.as_str(), text, "{line}");
            }
        }
    }
}
