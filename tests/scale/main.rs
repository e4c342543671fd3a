//! What many sessions may cost, and what many who come at once may expect, in virtual time. `cargo bench --bench scale` gives the
//! figures for more of them.

mod crowd;

use std::time::Duration;

use adit::server::Draft;
use load::{Group, Profile};
use nix::time::{ClockId, clock_gettime};

use crowd::{Cost, Crowd};

/// A crowd that has come within a minute and been idle for four.
fn idle_crowd(size: usize) -> (Crowd, Cost) {
    let mut crowd = Crowd::new(size, profile(), processor_time);
    for _ in 0..size {
        crowd.dial();
        crowd.run(Duration::from_secs_f64(60.0 / size as f64));
    }
    assert_eq!(crowd.up(), size, "{}", crowd.last_lines());
    let logins = crowd.cost;
    crowd.run(Duration::from_secs(240));
    assert_eq!(crowd.up(), size, "{}", crowd.last_lines());
    (crowd, logins)
}

#[test]
fn a_session_is_small_and_nothing_it_does_costs_more_among_many() {
    let (few, many) = (100, 1000);
    let measure = |size: usize| {
        let (mut crowd, logins) = idle_crowd(size);
        let idle = crowd.cost - logins;
        let each = |time: Duration| time.as_secs_f64() / size as f64;
        let bytes = crowd.cost.bytes / size.cast_signed();
        assert!(bytes < 6000, "{bytes} bytes for each of {size} sessions");
        let all: Vec<usize> = (0..size).collect();
        [
            ("login", each(logins.time - logins.arithmetic)),
            ("four idle minutes", each(idle.time)),
            ("packet up", each(crowd.up_packets(&all, 84))),
            ("packet down", each(crowd.down_packets(&all, 84))),
        ]
    };
    // Ten times as many: what walked all of them at each event would cost several times as much, for one session's work is
    // about that of a walk past a hundred.
    for ((what, few), (_, many)) in measure(few).into_iter().zip(measure(many)) {
        assert!(many < 2.5 * few, "{what}: {few:.6} s among a hundred, {many:.6} s among a thousand");
    }
}

/// Who is looked up is found at once, however many there are: what looked at all of them would fold, compare and copy their names.
#[test]
fn a_login_does_the_same_among_a_hundred_accounts_and_among_ten_thousand() {
    let logins = |accounts: usize| {
        let mut crowd = Crowd::new(accounts, profile(), processor_time);
        for _ in 0..20 {
            crowd.dial();
            crowd.run(Duration::from_secs(1));
        }
        assert_eq!(crowd.up(), 20, "{}", crowd.last_lines());
        crowd.cost.allocations
    };
    // Not to the last one: when a hash table makes room depends on its random keys. To copy the names alone would ask for 9900 more each time.
    let [few, many] = [100, 10_000].map(logins);
    assert!(few.abs_diff(many) < 20, "{few} allocations among few, {many} among many");
}

/// What memory a batch needs is kept for the next.
#[test]
fn packets_ask_for_no_memory() {
    let mut crowd = Crowd::new(1, profile(), processor_time);
    crowd.dial();
    crowd.run(Duration::from_secs(1));
    let mut asked = |packets: usize, train: usize| {
        let before = crowd.cost.allocations;
        crowd.down_trains(0, train, packets, 1400);
        crowd.cost.allocations - before
    };
    for train in [1, 44] {
        assert_eq!(asked(1000, train), asked(20_000, train), "trains of {train}");
    }
}

/// Packets wait for a bit of it, not for all.
#[test]
fn a_status_is_drawn_up_bit_by_bit() {
    let (mut crowd, _) = idle_crowd(100);
    let now = crowd.now;
    let (mut draft, mut bits) = (Draft::default(), 1);
    let status = loop {
        match crowd.server(|server| server.draw_up(now, &mut draft, 7)) {
            Some(status) => break status,
            None => bits += 1,
        }
    };
    assert_eq!(bits, 100_usize.div_ceil(7));
    assert_eq!(status, crowd.server(|server| server.status(now)));
    assert_eq!(status.sessions.len(), 100);
}

/// Power comes back after a cut. A key exchange with MODP-2048 and all that one login costs besides take one core 1.5 ms.
#[test]
fn two_thousand_who_come_at_once_are_all_in_within_ten_seconds() {
    for one_address in [false, true] {
        let mut crowd = Crowd::new(2000, profile(), processor_time);
        crowd.arithmetic = Duration::from_micros(1500);
        crowd.one_address = one_address;
        for _ in 0..2000 {
            crowd.dial();
        }
        crowd.run(Duration::from_secs(60));
        assert_eq!(crowd.up(), 2000, "{}", crowd.last_lines());
        let slowest = crowd.slowest_login();
        assert!(slowest < Duration::from_secs(10), "the slowest took {slowest:?}");
    }
}

/// Whose arithmetic is the quickest, for it is not what is measured.
fn profile() -> Profile {
    let mut profile = Profile::windows_10();
    profile.ike.transforms.retain(|transform| transform.group == Group::Ecp256);
    profile
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
