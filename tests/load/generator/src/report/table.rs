//! The figures as tables in Markdown. A figure that was not measured is a dash, a table without figures is left out.

use std::fmt::Write as _;

use serde_json::Value;

use super::figures::Figures;

/// Who is compared, in the order of columns.
const NAMES: [&str; 3] = ["adit", "softether", "plain"];

/// All tables, with a line on where and when before them.
pub(super) fn tables(figures: &Figures) -> String {
    let parts = [Some(machine(figures)), trains(figures), suites(figures), rest(figures)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn machine(figures: &Figures) -> String {
    let say = |field| figures.text(&[("kind", "machine".into())], field).unwrap_or("unknown");
    format!(
        "{}; {}, Linux {}; commit {}; medians of repetitions that took turns: {}.\n",
        say("date"),
        say("cpu"),
        say("kernel"),
        say("commit"),
        say("repetitions"),
    )
}

/// Throughput by length of train.
fn trains(figures: &Figures) -> Option<String> {
    let mut table = Table::new(&[
        "Gbit/s inside, AES-128-CBC + SHA1",
        "up: adit",
        "SoftEther",
        "plain",
        "down: adit",
        "SoftEther",
        "plain",
    ]);
    for clients in [1, 64] {
        for train in [44, 16, 4, 1] {
            let title = format!("{clients} client{}, trains of {train}", if clients == 1 { "" } else { "s" });
            let cells = DIRECTIONS.iter().flat_map(|direction| NAMES.map(|name| (direction, name)));
            let cells = cells.map(|(direction, name)| {
                gbit(figures.median(&flood(name, direction, clients, train, "aes128-sha1"), "inner_gbit"))
            });
            table.row(title, cells.collect());
        }
    }
    table.finish()
}

/// Throughput and cost by suite.
fn suites(figures: &Figures) -> Option<String> {
    let mut table = Table::new(&[
        "One client; trains of 44, to SoftEther single packets",
        "up: adit",
        "SoftEther",
        "down: adit",
        "SoftEther",
        "CPU-seconds/GB up: adit",
        "SoftEther",
        "down: adit",
        "SoftEther",
    ]);
    for (suite, title) in SUITES {
        let cells = ["inner_gbit", "cpu_seconds_per_gb"].into_iter().flat_map(|field| {
            DIRECTIONS.into_iter().flat_map(move |direction| {
                NAMES.into_iter().take(2).map(move |name| (field, direction, name))
            })
        });
        let cells = cells.map(|(field, direction, name)| {
            let train = if name == "softether" { 1 } else { 44 };
            gbit(figures.median(&flood(name, direction, 1, train, suite), field))
        });
        table.row(title.into(), cells.collect());
    }
    table.finish()
}

/// Everything else, a line each.
fn rest(figures: &Figures) -> Option<String> {
    let mut table = Table::new(&["", "adit", "SoftEther", "plain"]);
    let mut row = |title: String, cell: &dyn Fn(&str) -> Option<String>| {
        table.row(title, NAMES.iter().map(|name| cell(name)).collect());
    };
    for streams in [1, 8] {
        for direction in DIRECTIONS {
            let title =
                format!("TCP {direction}, {streams} stream{}, Gbit/s", if streams == 1 { "" } else { "s" });
            row(title, &|name| {
                let wanted = of(name, "tcp", [("direction", direction.into()), ("streams", streams.into())]);
                gbit(figures.median(&wanted, "gbit"))
            });
        }
    }
    for (ike, title) in [("aes256-sha1-modp2048", "MODP-2048"), ("aes256-sha1-ecp384", "ECP-384")] {
        let login = |name: &str| of(name, "login", [("ike", ike.into())]);
        row(format!("logins per second, {title}"), &|name| {
            figures.median(&login(name), "per_second").map(|rate| format!("{rate:.0}"))
        });
        row(format!("all at once, {title}: slowest, of how many, dropped"), &|name| {
            let most = |field| figures.most(&login(name), field);
            let (slowest, clients, dropped) = (most("max_ms")?, most("clients")?, most("dropped")?);
            Some(format!("{:.1} s of {clients}, {dropped} dropped", slowest / 1e3))
        });
    }
    for sessions in [50, 100, 1000, 10_000] {
        let hold = |name: &str| of(name, "hold", [("sessions", sessions.into())]);
        row(format!("{sessions} idle sessions: more memory, share of a core"), &|name| {
            let grown = figures.median(&hold(name), "bytes_per_session")? * f64::from(sessions) / 1e6;
            let idle = figures.median(&hold(name), "idle_cpu")? * 100.0;
            Some(format!("{grown:.1} MB, {idle:.2} %"))
        });
    }
    for (flood, title) in [
        (Value::Null, "nobody else"),
        ("down".into(), "another client is flooded"),
        ("up".into(), "another client floods"),
    ] {
        row(format!("ping with {title}: median, p99"), &|name| {
            let ping = of(name, "ping", [("flood", flood.clone()), ("flood_esp", Value::Null)]);
            let (median, p99) = (figures.median(&ping, "median_us")?, figures.median(&ping, "p99_us")?);
            Some(format!("{median:.0} µs, {p99:.0} µs"))
        });
    }
    row("ping while another client is flooded with 3DES: median, p99".into(), &|name| {
        let ping = of(name, "ping", [("flood", "down".into()), ("flood_esp", "3des-sha1".into())]);
        let (median, p99) = (figures.median(&ping, "median_us")?, figures.median(&ping, "p99_us")?);
        Some(format!("{median:.0} µs, {p99:.0} µs"))
    });
    table.finish()
}

/// What lines of a flood say; plain packets have no suite.
pub(super) fn flood(
    name: &str,
    direction: &str,
    clients: u16,
    train: u16,
    suite: &str,
) -> Vec<(&'static str, Value)> {
    let esp = if name == "plain" { Value::Null } else { suite.into() };
    let [clients, train] = [("clients", clients.into()), ("train", train.into())];
    of(name, "flood", [("direction", direction.into()), clients, train, ("esp", esp)])
}

fn of<const N: usize>(
    name: &str,
    kind: &str,
    rest: [(&'static str, Value); N],
) -> Vec<(&'static str, Value)> {
    [("name", name.into()), ("kind", kind.into())].into_iter().chain(rest).collect()
}

/// With as many digits as matter.
pub(super) fn gbit(value: Option<f64>) -> Option<String> {
    value.map(|value| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") })
}

/// A table under construction.
struct Table {
    text: String,
    empty: bool,
}

impl Table {
    fn new(titles: &[&str]) -> Self {
        let mut text = String::new();
        let _ = writeln!(text, "| {} |", titles.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(titles.len() - 1));
        Self { text, empty: true }
    }

    fn row(&mut self, title: String, cells: Vec<Option<String>>) {
        if cells.iter().all(Option::is_none) {
            return;
        }
        self.empty = false;
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".into())).collect();
        let _ = writeln!(self.text, "| {title} | {} |", cells.join(" | "));
    }

    fn finish(self) -> Option<String> {
        (!self.empty).then_some(self.text)
    }
}

/// Both ways.
pub(super) const DIRECTIONS: [&str; 2] = ["up", "down"];

/// Suites by their names in the figures and in the table.
const SUITES: [(&str, &str); 5] = [
    ("aes128-sha1", "AES-128-CBC + SHA1"),
    ("aes256-sha1", "AES-256-CBC + SHA1"),
    ("aes256-sha256", "AES-256-CBC + SHA2-256"),
    ("aes128gcm", "AES-128-GCM"),
    ("3des-sha1", "3DES + SHA1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_a_dash_or_nothing() {
        let text = r#"{"kind":"machine","date":"today","cpu":"a CPU","kernel":"6.1","commit":"abc","repetitions":"3"}
{"name":"adit","kind":"flood","esp":"aes128-sha1","clients":1,"direction":"up","train":44,"inner_gbit":9.004,"cpu_seconds_per_gb":0.9}
{"name":"plain","kind":"flood","esp":null,"clients":1,"direction":"up","train":44,"inner_gbit":33.333}
{"name":"adit","kind":"hold","sessions":1000,"bytes_per_session":3000,"idle_cpu":0.0042}"#;
        let tables = tables(&Figures::parse(text).unwrap());
        let rows: Vec<&str> = tables.lines().collect();
        assert_eq!(
            rows[0],
            "today; a CPU, Linux 6.1; commit abc; medians of repetitions that took turns: 3."
        );
        assert!(rows.contains(&"| 1 client, trains of 44 | 9.00 | – | 33.3 | – | – | – |"), "{tables}");
        assert!(rows.contains(&"| AES-128-CBC + SHA1 | 9.00 | – | – | – | 0.90 | – | – | – |"), "{tables}");
        assert!(
            rows.contains(&"| 1000 idle sessions: more memory, share of a core | 3.0 MB, 0.42 % | – | – |")
        );
        assert!(!tables.contains("TCP") && !tables.contains("64 clients"), "{tables}");
    }
}
