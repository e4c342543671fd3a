//! What is wrong with a file of ours, and where: `FILE:LINE:COLUMN: found …, expected …`.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_saphyr::{Location, Spanned};

/// One thing wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
    /// What was found and what was expected.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.text)
    }
}

/// Everything that keeps a file from being used, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns the problems, first line first.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is wrong with one file, so that an operator sees all of it at once.
pub(crate) struct Findings<'a> {
    file: &'a Path,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a Path) -> Self {
        Self { file, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Records that the file cannot be used as it is.
    pub(crate) fn wrong(&mut self, at: Location, text: impl Into<String>) {
        let problem = self.problem(at, text.into());
        self.problems.push(problem);
    }

    /// Records that `key` has a value it cannot have. Not for secrets: the value is shown.
    pub(crate) fn wrong_value(&mut self, key: &str, value: &Spanned<String>, expected: impl fmt::Display) {
        self.wrong(value.referenced, format!("{key}: found {:?}, expected {expected}", value.value));
    }

    /// Records something that works but is probably not meant.
    pub(crate) fn warn(&mut self, at: Location, text: impl Into<String>) {
        let problem = self.problem(at, text.into());
        self.warnings.push(problem);
    }

    /// Returns the warnings, or the problems if there is any.
    pub(crate) fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.warnings.sort_by_key(|problem| (problem.line, problem.column));
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(Problems(self.problems)) }
    }

    fn problem(&self, at: Location, text: String) -> Problem {
        let (line, column) = line_and_column(at);
        Problem { file: self.file.to_owned(), line, column, text }
    }
}

/// The reader gives line 0 to what has no place, such as a file without content: that is its beginning.
pub(crate) fn line_and_column(at: Location) -> (u64, u64) {
    (at.line().max(1), at.column().max(1))
}

/// Warns when others than its owner may read a file that holds secrets.
pub(crate) fn readable_by_others(path: &Path) -> Option<Problem> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o044 != 0).then(|| Problem {
        file: path.to_owned(),
        line: 1,
        column: 1,
        text: format!(
            "holds secrets and is readable by others than its owner (mode {mode:04o}), expected mode 0600"
        ),
    })
}
