use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn keeps_one_deadline_each_and_pops_them_in_order() {
    let start = start();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut timers = Timers::new();
    timers.set('a', at(5));
    timers.set('b', at(3));
    timers.set('a', at(1));
    assert_eq!(timers.next(), Some(at(1)));
    assert_eq!(timers.pop_due(start), None);
    assert_eq!(timers.pop_due(at(9)), Some('a'));
    timers.stop('b');
    assert_eq!(timers.pop_due(at(9)), None);
    assert_eq!(timers.next(), None);
    assert!(timers.is_empty());
}

#[test]
fn nothing_is_due_a_nanosecond_early_or_late() {
    let start = start();
    for exponent in 0..62 {
        let (deadline, mut timers) = (start + Duration::from_nanos(1 << exponent), Timers::new());
        timers.set("first", start);
        assert_eq!(timers.pop_due(start), Some("first"));
        timers.set("second", deadline);
        assert_eq!(timers.next(), Some(deadline));
        assert_eq!(timers.pop_due(deadline - Duration::from_nanos(1)), None, "{exponent}");
        assert_eq!(timers.pop_due(deadline), Some("second"), "{exponent}");
    }
}

/// Says what [`Timers`] is to say, with no regard for time.
#[derive(Default)]
struct Model(BTreeMap<u8, Instant>);

impl Model {
    fn due(&self, now: Instant) -> Option<Instant> {
        self.0.values().copied().min().filter(|at| *at <= now)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, Duration),
    Stop(u8),
    Pass(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Of every magnitude, and not seldom the same.
    let duration = || {
        prop_oneof![
            (0..2_u64, 0..64_u32).prop_map(|(odd, bits)| Duration::from_nanos((1 << bits.min(58)) - odd)),
            (0..70_000_u64).prop_map(Duration::from_millis),
        ]
    };
    let step = prop_oneof![
        4 => (any::<u8>(), duration()).prop_map(|(key, after)| Step::Set(key, after)),
        1 => any::<u8>().prop_map(Step::Stop),
        2 => duration().prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..300)
}

proptest! {
    /// What is due comes out, in order, and nothing else; nobody sleeps too long.
    #[test]
    fn agrees_with_the_model(steps in steps()) {
        let (mut now, mut timers, mut model) = (start(), Timers::new(), Model::default());
        for step in steps {
            match step {
                Step::Set(key, after) => {
                    timers.set(key, now + after);
                    model.0.insert(key, now + after);
                }
                Step::Stop(key) => {
                    timers.stop(key);
                    model.0.remove(&key);
                }
                Step::Pass(time) => {
                    now += time.min(Duration::from_secs(1 << 24));
                    while let Some(key) = timers.pop_due(now) {
                        prop_assert_eq!(model.0.get(&key).copied(), model.due(now));
                        model.0.remove(&key);
                    }
                    prop_assert_eq!(model.due(now), None);
                }
            }
            prop_assert_eq!(timers.len(), model.0.len());
            let first = model.0.values().min();
            prop_assert!(timers.next() <= first.copied() || first.is_none());
            prop_assert_eq!(timers.next().is_none(), first.is_none());
        }
    }
}
