//! What a session costs among many: memory, a packet, an idle second, a login.
//!
//! ```text
//! cargo bench --bench scale                       1 000, 10 000 and 100 000 sessions
//! cargo bench --bench scale -- 1000 2000          so many
//! cargo bench --bench scale -- trains             only packets of one client, several in one superpacket
//! ```
//!
//! Everything but the server's own work is left out: virtual time, no sockets, and the clients' work is not counted.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod crowd;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use adit::config::Config;
use adit::server::Reload;
use adit::users::Users;
use load::profile::EspTransform;
use load::{Cipher, Hash, Profile};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crowd::{Cost, Crowd};

fn main() {
    if std::env::args().any(|argument| argument == "trains") {
        return trains();
    }
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![1_000, 10_000, 100_000] } else { given };
    println!(
        "sessions |  bytes pieces | login µs + arithmetic, allocations | up 84 B  hot | up 1400 B | down 84 B  hot | down 1400 B | idle ns/s  of timers  wakes/s sent/s"
    );
    for size in sizes {
        measure(size);
    }
    let mut crowd = Crowd::new(RUSH, Profile::windows_10(), stopwatch);
    crowd.arithmetic = Duration::from_micros(1500);
    (0..RUSH).for_each(|_| crowd.dial());
    crowd.run(Duration::from_secs(60));
    println!(
        "{RUSH} at once, 1.5 ms of arithmetic each: {} are in, the slowest after {:.1} s",
        crowd.up(),
        crowd.slowest_login().as_secs_f64()
    );
    accounts();
    trains();
}

/// What a packet costs that came with others of its flow, in the suite that most clients choose.
fn trains() {
    let mut profile = Profile::windows_10();
    profile.esp.transforms = vec![EspTransform::new(Cipher::Aes128, Hash::Sha1)];
    let mut crowd = Crowd::new(1, profile, stopwatch);
    crowd.dial();
    crowd.run(Duration::from_secs(1));
    for train in [44, 16, 4, 1] {
        let runs = (0..10 * RUNS).map(|_| crowd.down_trains(0, train, PACKETS, 1400));
        let best = runs.min().unwrap_or_default().as_nanos() as f64 / PACKETS as f64;
        println!("a packet of 1400 B down in a train of {train}: {best:.0} ns");
    }
    // So few at once that the caches hold them, as they do what has just been received.
    let numbers = vec![0; FLOOD];
    let best = (0..1000 * RUNS).map(|_| crowd.up_packets(&numbers, 1400)).min().unwrap_or_default();
    println!("a packet of 1400 B up: {:.0} ns", best.as_nanos() as f64 / FLOOD as f64);
}

/// Logins among few accounts and among many, one here and one there in turn; and how long it takes to have the many read anew.
fn accounts() {
    let mut crowds =
        [FEW_ACCOUNTS, MANY_ACCOUNTS].map(|size| Crowd::new(size, Profile::windows_10(), stopwatch));
    for _ in 0..FEW_ACCOUNTS {
        for crowd in &mut crowds {
            crowd.dial();
            crowd.run(Duration::from_secs(1));
        }
    }
    let [few, many] = crowds.each_ref().map(|crowd| {
        assert_eq!(crowd.up(), FEW_ACCOUNTS, "{}", crowd.last_lines());
        (crowd.cost.time - crowd.cost.arithmetic).as_secs_f64() * 1e6 / FEW_ACCOUNTS as f64
    });
    println!(
        "a login among {FEW_ACCOUNTS} accounts {few:.1} µs, among {MANY_ACCOUNTS} {many:.1}: {:.2} times as much",
        many / few
    );
    let [_, mut crowd] = crowds;
    let reloads = (0..RUNS).map(|_| reload(&mut crowd));
    println!(
        "{MANY_ACCOUNTS} accounts, with a password each, read anew in {:?}",
        reloads.min().unwrap_or_default()
    );
}

/// All of it: the accounts are parsed, checked and hashed, and the server's sessions held against them.
fn reload(crowd: &mut Crowd) -> Duration {
    let accounts: String = (0..MANY_ACCOUNTS)
        .map(|number| {
            format!("{}: {{ password: 'secret {number}', quota: 10 GB per month }}\n", crowd::user(number))
        })
        .collect();
    let beside = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/adit.yaml"));
    let config = Config::load(beside).expect("the example");
    let start = stopwatch();
    let users = Users::parse(Path::new("users.yaml"), accounts.as_bytes(), &config.pools);
    let mut reload = Reload::new(&BTreeSet::new(), users.expect("right accounts"), &config);
    let now = crowd.now;
    while !crowd.server(|server| server.reload(now, &mut reload, usize::MAX)) {}
    stopwatch() - start
}

fn measure(size: usize) {
    let start = stopwatch();
    let mut crowd = Crowd::new(size, Profile::windows_10(), stopwatch);
    // Over one minute, so that the timers of all are spread as they are in life.
    let gap = Duration::from_secs(60) / u32::try_from(size).expect("not that many");
    let mut half = Cost::default();
    for number in 0..size {
        if number == size / 2 {
            half = crowd.cost;
        }
        crowd.dial();
        crowd.run(gap);
    }
    assert_eq!(crowd.up(), size, "{}", crowd.last_lines());
    let each = |value: f64| value / size as f64;
    let memory = crowd.cost;
    // The later half of the logins, when the tables are full.
    let logins = crowd.cost - half;
    let login = |time: Duration| time.as_secs_f64() * 1e6 / (size - size / 2) as f64;

    // Silence from here on: each goes through its whole cycle twice.
    crowd.run(Duration::from_secs(60));
    let before = crowd.cost;
    crowd.run(IDLE);
    let idle = crowd.cost - before;
    let idle_memory = crowd.cost;
    let idle_ns = each(idle.time.as_nanos() as f64) / IDLE.as_secs_f64();
    let dials = stopwatch() - start;

    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut draw = |below: usize| -> Vec<usize> {
        (0..PACKETS).map(|_| usize::try_from(rng.next_u32()).expect("32 bits") % below).collect()
    };
    let (all, hot) = (draw(size), draw(size.min(HOT)));
    let per_packet = |time: Duration| time.as_nanos() as f64 / PACKETS as f64;
    let best =
        |crowd: &mut Crowd, measure: fn(&mut Crowd, &[usize], usize) -> Duration, numbers: &[usize], len| {
            let runs = (0..RUNS).map(|_| per_packet(measure(crowd, numbers, len)));
            runs.fold(f64::INFINITY, f64::min)
        };
    let [up, up_hot] = [&all, &hot].map(|numbers| best(&mut crowd, Crowd::up_packets, numbers, 84));
    let up_large = best(&mut crowd, Crowd::up_packets, &all, 1400);
    let [down, down_hot] = [&all, &hot].map(|numbers| best(&mut crowd, Crowd::down_packets, numbers, 84));
    let down_large = best(&mut crowd, Crowd::down_packets, &all, 1400);
    println!(
        "{size:8} | {:6.0} {:6.1} | {:8.1} + {:6.1} {:8.0} | {up:7.0} {up_hot:5.0} | {up_large:9.0} | {down:7.0} {down_hot:5.0} | {down_large:9.0} | {idle_ns:7.0} {:7.0} {:8.1} {:8.1}   ({:.0}+{:.0} s, idle {:.0} B)",
        each(memory.bytes as f64),
        each(memory.pieces as f64),
        login(logins.time - logins.arithmetic),
        login(logins.arithmetic),
        logins.allocations as f64 / (size - size / 2) as f64,
        each(idle.timers.as_nanos() as f64) / IDLE.as_secs_f64(),
        idle.wakes as f64 / IDLE.as_secs_f64(),
        idle.sent as f64 / IDLE.as_secs_f64(),
        dials.as_secs_f64(),
        (stopwatch() - start).as_secs_f64(),
        each(idle_memory.bytes as f64),
    );
}

#[expect(clippy::disallowed_methods, reason = "what a benchmark is for")]
fn stopwatch() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

const RUSH: usize = 2_000;
const FEW_ACCOUNTS: usize = 100;
const MANY_ACCOUNTS: usize = 10_000;
const IDLE: Duration = Duration::from_secs(120);
const PACKETS: usize = 50_000;
/// Packets that are up within half a millisecond.
const FLOOD: usize = 256;
const RUNS: usize = 3;
/// So many sessions are in the caches, be there as many others as there may.
const HOT: usize = 1_000;
