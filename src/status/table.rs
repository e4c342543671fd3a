//! `adit status` for a person: sessions in columns, pools, and what was discarded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{OutlyingStatus, SessionStatus, ShardStatus, Status};

pub(super) fn of(status: &Status) -> String {
    let mut text = String::new();
    let version = if status.version.is_empty() { String::new() } else { format!(" {}", status.version) };
    let sessions = match status.sessions.len() {
        1 => "1 session".to_owned(),
        n => format!("{n} sessions"),
    };
    line(&mut text, format_args!("adit{version}, up {}, {sessions}", duration(status.uptime_seconds)));
    for pool in &status.pools {
        line(&mut text, format_args!("pool {}: {} of {} addresses in use", pool.name, pool.used, pool.size));
    }
    let OutlyingStatus { used, size } = status.outlying;
    if (used, size) != (0, 0) {
        line(&mut text, format_args!("outside of every pool: {used} of {size} addresses in use"));
    }
    // One core has nothing to tell that is not in the sessions.
    for (number, shard) in status.shards.iter().enumerate().filter(|_| status.shards.len() > 1) {
        let ShardStatus { packets_in, packets_out, handed_over } = shard;
        line(
            &mut text,
            format_args!(
                "core {number}: {packets_in} packets in, {packets_out} packets out, {handed_over} handed to another core"
            ),
        );
    }
    for offload in &status.offloads {
        let refused = if offload.refused == 0 {
            String::new()
        } else {
            format!(" (refused {} times)", offload.refused)
        };
        line(&mut text, format_args!("offload {}: {}{refused}", offload.on, offload.used));
    }
    if !status.sessions.is_empty() {
        text.push('\n');
        let heading = SESSION_HEADING.map(str::to_owned);
        columns(&mut text, std::iter::once(heading).chain(status.sessions.iter().map(session)).collect());
    }
    discards(&mut text, &status.discards);
    text
}

const SESSION_HEADING: [&str; 12] = [
    "ID",
    "USER",
    "OUTSIDE",
    "INSIDE",
    "AGE",
    "IN",
    "OUT",
    "PACKETS IN",
    "PACKETS OUT",
    "KEY",
    "NAT",
    "IKE / ESP",
];

fn session(session: &SessionStatus) -> [String; 12] {
    [
        session.id.clone(),
        printable(&session.user),
        session.outside.to_string(),
        inside(session),
        duration(session.age_seconds),
        bytes(session.bytes_in),
        bytes(session.bytes_out),
        session.packets_in.to_string(),
        session.packets_out.to_string(),
        printable(&session.key),
        session.nat.clone(),
        format!("{} / {}", session.ike, session.esp),
    ]
}

/// What there is on the client's side: its address, and what is behind it.
fn inside(session: &SessionStatus) -> String {
    match &session.delegated {
        Some(prefix) => format!("{} {prefix}", session.inside),
        None => session.inside.to_string(),
    }
}

/// Counters that are not zero, one line a group: the part of the name before its first dot.
fn discards(text: &mut String, discards: &BTreeMap<String, u64>) {
    let mut groups: BTreeMap<&str, Vec<[String; 2]>> = BTreeMap::new();
    for (name, count) in discards.iter().filter(|(_, count)| **count > 0) {
        let (group, reason) = name.split_once('.').unwrap_or(("other", name));
        groups.entry(group).or_default().push([count.to_string(), reason.to_owned()]);
    }
    for (group, counters) in groups {
        text.push('\n');
        line(text, format_args!("discarded: {group}"));
        let width = counters.iter().map(|[count, _]| count.len()).max().unwrap_or_default();
        for [count, reason] in counters {
            line(text, format_args!("  {count:>width$}  {reason}"));
        }
    }
}

fn columns<const N: usize>(text: &mut String, rows: Vec<[String; N]>) {
    let mut widths = [0_usize; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut row_text = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _infallible = write!(row_text, "{cell:<width$}  ");
        }
        line(text, format_args!("{}", row_text.trim_end()));
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{content}");
}

/// The two largest units: `59s`, `12m 5s`, `3h 20m`, `2d 4h`.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Three digits and a unit, as network people count: 1 kB is 1000 bytes.
fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut scaled = u128::from(count) * 10;
    if count < 1000 {
        return format!("{count} B");
    }
    let mut unit = "";
    for next in units {
        if scaled < 10_000 {
            break;
        }
        scaled /= 1000;
        unit = next;
    }
    if scaled < 1000 {
        format!("{}.{} {unit}", scaled / 10, scaled % 10)
    } else {
        format!("{} {unit}", scaled / 10)
    }
}

/// The server chose the name, but a terminal should not have to trust it.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{OffloadStatus, PoolStatus};
    use super::*;

    #[test]
    fn sessions_stand_in_columns_and_zero_counters_do_not_show() {
        let alice = SessionStatus {
            id: "c17".to_owned(),
            user: "alice".to_owned(),
            outside: "198.51.100.7:4500".parse().unwrap(),
            inside: "10.20.0.2".parse().unwrap(),
            delegated: None,
            key: "main".to_owned(),
            nat: "client".to_owned(),
            ike: "AES-256-CBC/SHA1/MODP-2048".to_owned(),
            esp: "AES-256-CBC/HMAC-SHA1-96".to_owned(),
            age_seconds: 725,
            bytes_in: 999,
            packets_in: 3,
            bytes_out: 1_234_567,
            packets_out: 1000,
        };
        let bob = SessionStatus {
            id: "c4".to_owned(),
            user: "bob".to_owned(),
            delegated: Some("2001:db8:100:200::/56".to_owned()),
            ..alice.clone()
        };
        let discards = [("esp.replayed", 3), ("esp.bad-icv", 12), ("ike.malformed", 0), ("strange", 1)];
        let status = Status {
            version: "0.1.0".to_owned(),
            uptime_seconds: 90_000,
            sessions: vec![alice, bob],
            pools: vec![PoolStatus { name: "default".to_owned(), used: 2, size: 65_533 }],
            outlying: OutlyingStatus { used: 1, size: 3 },
            shards: vec![
                ShardStatus { packets_in: 3, packets_out: 2000, handed_over: 0 },
                ShardStatus { packets_in: 3, packets_out: 0, handed_over: 5 },
            ],
            offloads: vec![
                OffloadStatus { on: "adit0".to_owned(), used: "nothing".to_owned(), refused: 0 },
                OffloadStatus {
                    on: "UDP 0.0.0.0:4500".to_owned(),
                    used: "coalescing".to_owned(),
                    refused: 2,
                },
            ],
            discards: discards.map(|(name, count)| (name.to_owned(), count)).into(),
        };
        let expected = "\
adit 0.1.0, up 1d 1h, 2 sessions
pool default: 2 of 65533 addresses in use
outside of every pool: 1 of 3 addresses in use
core 0: 3 packets in, 2000 packets out, 0 handed to another core
core 1: 3 packets in, 0 packets out, 5 handed to another core
offload adit0: nothing
offload UDP 0.0.0.0:4500: coalescing (refused 2 times)

ID   USER   OUTSIDE            INSIDE                           AGE     IN     OUT     PACKETS IN  PACKETS OUT  KEY   NAT     IKE / ESP
c17  alice  198.51.100.7:4500  10.20.0.2                        12m 5s  999 B  1.2 MB  3           1000         main  client  AES-256-CBC/SHA1/MODP-2048 / AES-256-CBC/HMAC-SHA1-96
c4   bob    198.51.100.7:4500  10.20.0.2 2001:db8:100:200::/56  12m 5s  999 B  1.2 MB  3           1000         main  client  AES-256-CBC/SHA1/MODP-2048 / AES-256-CBC/HMAC-SHA1-96

discarded: esp
  12  bad-icv
   3  replayed

discarded: other
  1  strange
";
        assert_eq!(status.table(), expected);
    }

    #[test]
    fn an_idle_server_says_so_in_one_line() {
        assert_eq!(Status::default().table(), "adit, up 0s, 0 sessions\n");
    }

    #[test]
    fn units() {
        for (count, text) in
            [(0, "0 B"), (1000, "1.0 kB"), (99_999, "99.9 kB"), (100_000, "100 kB"), (999_999, "999 kB")]
        {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        for (seconds, text) in [(59, "59s"), (60, "1m 0s"), (3600, "1h 0m"), (86_399, "23h 59m")] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn what_was_written_can_be_read_back() {
        let status = Status { uptime_seconds: 5, ..Status::default() };
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
    }
}
