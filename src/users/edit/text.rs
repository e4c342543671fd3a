//! A YAML text with the places of its mappings, to change a few words of it and nothing else.
//!
//! ```text
//! users:                                   ← a mapping in block style: a pair begins a line
//!   alice: { password: a, group: staff }   ← one in flow style: pairs stand between commas
//! ```

use std::ops::Range;

use anyhow::{Context as _, bail};
use granit_parser::{Event, Parser, Span, StructureStyle};

/// A mapping where it stands.
#[derive(Debug)]
pub(super) struct Mapping {
    flow: bool,
    /// In flow style from brace to brace.
    place: Range<usize>,
    pub(super) pairs: Vec<Pair>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    place: Range<usize>,
    pub(super) value: Value,
}

/// What stands behind a key.
#[derive(Debug)]
pub(super) enum Value {
    Scalar(Range<usize>),
    Mapping(Mapping),
    /// A list, or what is written elsewhere.
    Other(Range<usize>),
}

/// The words that go to the place of others.
#[derive(Debug)]
pub(super) struct Splice {
    place: Range<usize>,
    words: String,
}

/// Reads `text`; `None` if there is nothing in it but comments.
pub(super) fn read(text: &str) -> anyhow::Result<Option<Mapping>> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    let top = loop {
        match events.next()? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (Event::MappingStart(style, ..), span) => break events.mapping(style, &span)?,
            (Event::Scalar(text, ..), _) if text.is_empty() => return Ok(None),
            (Event::StreamEnd, _) => return Ok(None),
            _ => bail!("it has no `key: value` settings"),
        }
    };
    Ok(Some(top))
}

/// Puts every splice into `text`; they do not overlap.
pub(super) fn splice(text: &str, mut splices: Vec<Splice>) -> anyhow::Result<String> {
    splices.sort_by_key(|splice| splice.place.start);
    let mut result = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for Splice { place, words } in splices {
        result.push_str(text.get(done..place.start).context("changes overlap")?);
        result.push_str(&words);
        done = place.end;
    }
    result.push_str(text.get(done..).context("a change is outside of the text")?);
    Ok(result)
}

/// Adds a pair to a text without any.
pub(super) fn append(text: &str, pair: &str) -> Splice {
    let end = text.len();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Splice { place: end..end, words: format!("{newline}{pair}\n") }
}

impl Mapping {
    /// The pair with that key.
    pub(super) fn get(&self, key: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.key == key)
    }

    /// Adds a pair behind all others.
    pub(super) fn insert(&self, text: &str, pair: &str) -> anyhow::Result<Splice> {
        let Some(last) = self.pairs.last() else {
            return Ok(Splice { place: self.place.clone(), words: format!("{{ {pair} }}") });
        };
        let end = last.value.end(last);
        if self.flow {
            return Ok(Splice { place: end..end, words: format!(", {pair}") });
        }
        // Behind a comment on the same line; in front of those on the next ones, which may be about anything.
        let end = end_of_line(text, end);
        let newline = if text.get(..end).is_some_and(|before| before.ends_with('\n')) { "" } else { "\n" };
        let indent = indent(text, last)?;
        Ok(Splice { place: end..end, words: format!("{newline}{indent}{pair}\n") })
    }

    /// Puts other words in the place of a pair.
    pub(super) fn replace(&self, text: &str, pair: &Pair, words: &str) -> Splice {
        let end = pair.value.end(pair);
        // A block scalar ends behind its line breaks, and those stay.
        let end = text.get(..end).map_or(end, |before| before.trim_end().len());
        Splice { place: pair.place.start..end, words: words.to_owned() }
    }

    /// Takes out a pair.
    pub(super) fn remove(&self, text: &str, pair: &Pair) -> anyhow::Result<Splice> {
        let (start, end) = (pair.place.start, pair.value.end(pair));
        if !self.flow {
            let indent = indent(text, pair)?;
            return Ok(Splice { place: start - indent.len()..end_of_line(text, end), words: String::new() });
        }
        let index = self.pairs.iter().position(|other| other.place == pair.place).context("no such pair")?;
        let before = index.checked_sub(1).and_then(|index| self.pairs.get(index));
        let place = match (self.pairs.get(index + 1), before) {
            (Some(next), _) => start..next.place.start,
            (None, Some(before)) => before.value.end(before)..end,
            (None, None) => start..end,
        };
        Ok(Splice { place, words: String::new() })
    }
}

impl Value {
    /// Where it ends; an empty one ends with the colon behind its key.
    fn end(&self, pair: &Pair) -> usize {
        let end = match self {
            Self::Scalar(place) | Self::Other(place) => place.end,
            Self::Mapping(mapping) if mapping.flow => mapping.place.end,
            Self::Mapping(mapping) => {
                mapping.pairs.last().map_or(mapping.place.end, |last| last.value.end(last))
            }
        };
        end.max(pair.place.end)
    }
}

/// What stands in front of a pair on its line.
fn indent<'t>(text: &'t str, pair: &Pair) -> anyhow::Result<&'t str> {
    let before = text.get(..pair.place.start).context("a place outside of the text")?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    anyhow::ensure!(line.bytes().all(|byte| byte == b' '), "{:?} does not begin its line", pair.key);
    Ok(line)
}

/// Behind the line break that ends the line of `place`, or the end of the text. What ends behind a line break ends there: for the
/// reader, a block scalar (YAML 1.2.2 §8.1) ends at the first character of the next line, behind what that one is indented with.
fn end_of_line(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default().trim_end_matches(' ');
    if before.ends_with('\n') {
        return before.len();
    }
    let rest = text.get(place..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |newline| place + newline + 1)
}

struct Events<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> anyhow::Result<(Event<'t>, Span)> {
        Ok(self.parser.next_event().context("its end is missing")??)
    }

    /// A mapping up to its end.
    fn mapping(&mut self, style: StructureStyle, start: &Span) -> anyhow::Result<Mapping> {
        let mut pairs = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, end) => {
                    let place = place_of(start)?.start..place_of(&end)?.end;
                    return Ok(Mapping { flow: style == StructureStyle::Flow, place, pairs });
                }
                (Event::Scalar(key, ..), span) => {
                    pairs.push(Pair { key: key.into_owned(), place: place_of(&span)?, value: self.value()? });
                }
                _ => bail!("a key is not a single value"),
            }
        }
    }

    fn value(&mut self) -> anyhow::Result<Value> {
        let (event, span) = self.next()?;
        match event {
            Event::Scalar(..) => Ok(Value::Scalar(place_of(&span)?)),
            Event::MappingStart(style, ..) => Ok(Value::Mapping(self.mapping(style, &span)?)),
            Event::SequenceStart(..) => {
                let mut end = place_of(&span)?.end;
                let mut depth = 1_u32;
                while depth > 0 {
                    let (event, inner) = self.next()?;
                    match event {
                        Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
                        Event::SequenceEnd | Event::MappingEnd => depth -= 1,
                        _ => {}
                    }
                    // The end of what is in block style lies where something else begins.
                    let inner = place_of(&inner)?;
                    if !inner.is_empty() {
                        end = inner.end;
                    }
                }
                Ok(Value::Other(place_of(&span)?.start..end))
            }
            _ => Ok(Value::Other(place_of(&span)?)),
        }
    }
}

fn place_of(span: &Span) -> anyhow::Result<Range<usize>> {
    span.byte_range().context("the reader names no place")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# head
a: { x: 1, y: 'ä: {' }   # of a
b:
  # of x
  x: 1
  list: [1, { z: 2 }]
  seq:
    - 1
    - 2   # two

# of c
c: {}
";

    fn top(text: &str) -> Mapping {
        read(text).unwrap().unwrap()
    }

    fn inner<'m>(mapping: &'m Mapping, key: &str) -> &'m Mapping {
        match &mapping.get(key).unwrap().value {
            Value::Mapping(mapping) => mapping,
            other => panic!("{other:?}"),
        }
    }

    fn spliced(text: &str, splice: Splice) -> String {
        super::splice(text, vec![splice]).unwrap()
    }

    #[test]
    fn pairs_are_inserted_behind_the_last_one() {
        let top = top(TEXT);
        let insert = |mapping: &Mapping| spliced(TEXT, mapping.insert(TEXT, "n: 0").unwrap());
        assert_eq!(insert(&top), format!("{TEXT}n: 0\n"));
        assert_eq!(insert(inner(&top, "a")), TEXT.replace("{' }", "{', n: 0 }"));
        assert_eq!(insert(inner(&top, "b")), TEXT.replace("# two\n", "# two\n  n: 0\n"));
        assert_eq!(insert(inner(&top, "c")), TEXT.replace("c: {}", "c: { n: 0 }"));
    }

    #[test]
    fn a_text_without_a_line_break_at_its_end_gets_one() {
        for text in ["a: 1", "a:\n  b: { c: 1 }"] {
            assert_eq!(spliced(text, top(text).insert(text, "n: 0").unwrap()), format!("{text}\nn: 0\n"));
        }
        assert!(read("# nothing\n").unwrap().is_none() && read("").unwrap().is_none());
        assert_eq!(spliced("# nothing", append("# nothing", "n: 0")), "# nothing\nn: 0\n");
        assert_eq!(spliced("", append("", "n: 0")), "n: 0\n");
    }

    #[test]
    fn pairs_are_removed_with_their_lines_or_commas() {
        let top = top(TEXT);
        let remove = |mapping: &Mapping, key: &str| {
            spliced(TEXT, mapping.remove(TEXT, mapping.get(key).unwrap()).unwrap())
        };
        assert_eq!(remove(&top, "a"), TEXT.replace("a: { x: 1, y: 'ä: {' }   # of a\n", ""));
        assert_eq!(remove(inner(&top, "a"), "x"), TEXT.replace("x: 1, y", "y"));
        assert_eq!(remove(inner(&top, "a"), "y"), TEXT.replace(", y: 'ä: {'", ""));
        assert_eq!(remove(inner(&top, "b"), "list"), TEXT.replace("  list: [1, { z: 2 }]\n", ""));
        assert_eq!(remove(inner(&top, "b"), "seq"), TEXT.replace("  seq:\n    - 1\n    - 2   # two\n", ""));
        assert_eq!(remove(&top, "c"), TEXT.replace("c: {}\n", ""));
    }

    #[test]
    fn a_pair_gives_its_place_to_another() {
        let top = top(TEXT);
        let replace = |mapping: &Mapping, key: &str| {
            spliced(TEXT, mapping.replace(TEXT, mapping.get(key).unwrap(), "n: 0"))
        };
        assert_eq!(replace(inner(&top, "a"), "y"), TEXT.replace("y: 'ä: {'", "n: 0"));
        assert_eq!(replace(inner(&top, "b"), "x"), TEXT.replace("  x: 1\n", "  n: 0\n"));
    }

    #[test]
    fn a_block_scalar_ends_with_its_lines() {
        for (header, gap) in
            [("|-", ""), ("|-", "\n"), ("|", "  # of d\n"), (">+", "\n   \n"), ("|", "# of d\n")]
        {
            let body = format!("{header}\n      secret\n      more\n");
            let text = &format!("b:\n  c:\n    p: {body}{gap}  d:\n    q: 1\n");
            let top = top(text);
            let (b, c) = (inner(&top, "b"), inner(inner(&top, "b"), "c"));
            let p = c.get("p").unwrap();
            // Blank lines belong to the scalar, comments do not.
            let (blank, comment) = if gap.contains('#') { ("", gap) } else { (gap, "") };
            let inserted = format!("b:\n  c:\n    p: {body}{blank}    n: 0\n{comment}  d:\n    q: 1\n");
            assert_eq!(spliced(text, c.insert(text, "n: 0").unwrap()), inserted);
            let removed = format!("b:\n{comment}  d:\n    q: 1\n");
            assert_eq!(spliced(text, b.remove(text, b.get("c").unwrap()).unwrap()), removed);
            let replaced = format!("b:\n  c:\n    n: 0\n{gap}  d:\n    q: 1\n");
            assert_eq!(spliced(text, c.replace(text, p, "n: 0")), replaced);
        }
        let text = "a:\n  p: |\n    secret";
        let top = top(text);
        assert_eq!(
            spliced(text, inner(&top, "a").insert(text, "n: 0").unwrap()),
            format!("{text}\n  n: 0\n")
        );
    }
}
