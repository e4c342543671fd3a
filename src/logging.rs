//! Log lines on standard error: for a person, for the journal, or as JSON.
//!
//! ```text
//! 2026-11-23T09:14:03.123456Z INFO  c17 alice has 10.20.0.2
//! ```
//!
//! Much of what is logged was chosen by strangers (names, identities, vendor strings): control characters are
//! shown escaped, so that nobody writes lines of their own or reaches the terminal.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging for the whole process. A second call does nothing.
pub fn start(log: Log) {
    let builder = tracing_subscriber::fmt().with_max_level(filter(log.level)).with_writer(std::io::stderr);
    let journal = is_journal();
    let _second_call = match log.format {
        LogFormat::Text => builder.event_format(Line { journal }).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
}

/// Tells whether standard error is the journal, which keeps the time and reads the priority itself.
///
/// `JOURNAL_STREAM` alone is not enough (systemd.exec(5)): a shell may have inherited it.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let status = nix::sys::stat::fstat(std::io::stderr());
    status.is_ok_and(|status| stream == format!("{}:{}", status.st_dev, status.st_ino))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// One event, one line.
struct Line {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(writer, "<{}>", priority(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:<5} ")?;
        }
        let mut parts = Parts::default();
        event.record(&mut parts);
        writeln!(writer, "{}{}{}", parts.peer, parts.message, parts.others)
    }
}

/// The syslog severities of RFC 5424 §6.2.1 that sd-daemon(3) reads in front of a line.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// What an event carries: the connection it is about comes first, the message next, the rest as `name=value`.
#[derive(Default)]
struct Parts {
    peer: String,
    message: String,
    others: String,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "peer" | "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _infallible = match field.name() {
            "message" => write!(Escaped(&mut self.message), "{value:?}"),
            "peer" => write!(Escaped(&mut self.peer), "{value:?} "),
            name => write!(Escaped(&mut self.others), " {name}={value:?}"),
        };
    }
}

/// Passes text on with its control characters escaped.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() { self.0.extend(c.escape_default()) } else { self.0.push(c) }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(journal: bool, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_writer(move || writer.clone())
            .event_format(Line { journal })
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_has_time_level_connection_and_message() {
        let line = logged(false, || tracing::info!(peer = %"c17", code = 691, name = "bob", "refused"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert_eq!(rest, "INFO  c17 refused code=691 name=\"bob\"\n");
    }

    #[test]
    fn the_journal_gets_a_priority_and_no_time() {
        assert_eq!(logged(true, || tracing::warn!("careful")), "<4>careful\n");
        assert_eq!(logged(true, || tracing::debug!(peer = "c1", "step")), "<7>c1 step\n");
        assert_eq!(logged(true, || tracing::trace!("hidden")), "");
    }

    #[test]
    fn strangers_write_neither_lines_nor_escape_sequences() {
        let name = "bob\n<0>panic\u{1b}[2J\u{9b}1m";
        let line = logged(true, || tracing::info!("user {name} refused"));
        assert_eq!(line, "<6>user bob\\n<0>panic\\u{1b}[2J\\u{9b}1m refused\n");
    }
}
