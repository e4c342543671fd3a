//! A flood with a window: as fast as what is in between can go, and never faster.
//!
//! ```text
//! Source ─ trains ─▶ what is measured ─▶ Sink        sent − arrived − lost ≤ window, on each lane
//! ```
//!
//! An open flood measures how a machine collapses under more than it can carry; with the window it measures what it
//! carries, without a search for the right rate. What does not arrive in time is counted as lost, which is shown
//! beside the result. For who does not go on with what it has while nothing new comes, there is a rate as well.
//!
//! Whoever measures must not cost what is measured. The loop never sleeps: to wake it would be the work of the core that brings
//! a packet to a sink's socket, and on one machine that is the server's.

use std::time::{Duration, Instant};

use crate::clock;

/// Where packets come from.
pub(crate) trait Source {
    /// Sends the next train and returns its packets; `None` when there are no more.
    fn send(&mut self) -> anyhow::Result<Option<u64>>;
}

/// Where they arrive.
pub(crate) trait Sink {
    /// Takes what is there, without waiting, and returns its packets.
    fn receive(&mut self) -> anyhow::Result<u64>;
}

/// One direction.
pub(crate) struct Lane<'a> {
    source: &'a mut dyn Source,
    sink: &'a mut dyn Sink,
    limit: Limit,
    progress: Progress,
}

/// What keeps a source back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// Packets that may be under way.
    Window(u64),
    /// Packets a second, whatever becomes of them.
    Rate(f64),
}

/// How far a lane is.
struct Progress {
    sent: u64,
    arrived: u64,
    lost: u64,
    /// When the last packet arrived.
    last: Instant,
}

/// What came of a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) arrived: u64,
    pub(crate) lost: u64,
    pub(crate) elapsed: Duration,
}

/// What came of a flood: of each of its lanes, and for how long the loop had nothing to do before the last packet came.
pub(crate) struct Flooded {
    pub(crate) lanes: Vec<Outcome>,
    pub(crate) idle: Duration,
}

/// What else is done in a flood's every turn.
pub(crate) trait Beside {
    /// The flood begins, perhaps again after a pause.
    fn begin(&mut self);
    /// It goes on.
    fn turn(&mut self) -> anyhow::Result<()>;
}

/// Sends on every lane until the time is over, or until nothing is left on one of them, and counts what arrives.
pub(crate) fn run(
    duration: Duration,
    lanes: &mut [Lane<'_>],
    mut beside: Option<&mut dyn Beside>,
) -> anyhow::Result<Flooded> {
    if let Some(beside) = &mut beside {
        beside.begin();
    }
    let start = clock();
    lanes.iter_mut().for_each(|lane| lane.progress.last = start);
    let mut over = false;
    // When something moved last, and the turn before.
    let (mut last, mut before) = (start, start);
    // Without the wait for what does not come any more.
    let (mut idle, mut idle_since) = (Duration::ZERO, Duration::ZERO);
    loop {
        let mut moved = false;
        for lane in &mut *lanes {
            // Some at once: to look in vain for what has arrived costs as much as a small packet.
            let burst = lane.progress.sent + BURST;
            while !over && lane.progress.sent < burst && lane.may_send(start) {
                match lane.source.send()? {
                    Some(0) => break,
                    Some(packets) => {
                        lane.progress.sent += packets;
                        moved = true;
                    }
                    None => over = true,
                }
            }
            moved |= lane.receive()?;
        }
        if over && lanes.iter().all(|lane| lane.progress.under_way() == 0) {
            break;
        }
        let now = clock();
        over |= now - start >= duration;
        if moved {
            last = now;
            idle += std::mem::take(&mut idle_since);
        } else {
            idle_since += now - before;
        }
        before = now;
        if let Some(beside) = &mut beside {
            beside.turn()?;
        }
        if now - last >= PATIENCE {
            last = now;
            for lane in &mut *lanes {
                // It may have come while another process had the core.
                if !lane.receive()? {
                    lane.progress.give_up();
                }
            }
        }
    }
    Ok(Flooded { lanes: lanes.iter().map(|lane| lane.progress.outcome(start)).collect(), idle })
}

impl<'a> Lane<'a> {
    /// A lane before anything was sent.
    pub(crate) fn new(source: &'a mut dyn Source, sink: &'a mut dyn Sink, limit: Limit) -> Self {
        Self { source, sink, limit, progress: Progress { sent: 0, arrived: 0, lost: 0, last: clock() } }
    }

    fn may_send(&self, start: Instant) -> bool {
        match self.limit {
            Limit::Window(window) => self.progress.under_way() < window,
            Limit::Rate(rate) => (self.progress.sent as f64) < (clock() - start).as_secs_f64() * rate,
        }
    }

    fn receive(&mut self) -> anyhow::Result<bool> {
        let received = self.sink.receive()?;
        if received > 0 {
            self.progress.arrived += received;
            // What was given up may still come.
            self.progress.lost =
                self.progress.lost.min(self.progress.sent.saturating_sub(self.progress.arrived));
            self.progress.last = clock();
        }
        Ok(received > 0)
    }
}

impl Progress {
    fn under_way(&self) -> u64 {
        self.sent.saturating_sub(self.arrived + self.lost)
    }

    fn give_up(&mut self) {
        self.lost += self.under_way();
    }

    fn outcome(&self, start: Instant) -> Outcome {
        Outcome { arrived: self.arrived, lost: self.lost, elapsed: self.last - start }
    }
}

/// Packets sent on a lane in a turn, unless a train is longer.
const BURST: u64 = 16;

/// How long nothing arrives before what is under way counts as lost.
const PATIENCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ends::{UdpSink, UdpSource};

    fn loopback(payload: u16, train: u16, flows: usize) -> (UdpSource, UdpSink) {
        let sink = UdpSink::bind("127.0.0.1:0".parse().unwrap(), payload).unwrap();
        let to = sink.address().unwrap();
        (UdpSource::connect(&vec![to; flows], payload, train).unwrap(), sink)
    }

    #[test]
    fn over_loopback_everything_arrives() {
        for (train, flows) in [(1, 1), (44, 1), (1, 64), (16, 64)] {
            let (mut source, mut sink) = loopback(1372, train, flows);
            let mut lanes = [Lane::new(&mut source, &mut sink, Limit::Window(88))];
            let [outcome] = run(Duration::from_millis(30), &mut lanes, None).unwrap().lanes[..] else {
                panic!()
            };
            assert!(outcome.arrived > 88 && outcome.arrived.is_multiple_of(train.into()), "{outcome:?}");
            assert_eq!(outcome.lost, 0);
        }
    }

    #[test]
    fn lanes_do_not_wait_for_each_other() {
        let (mut up, mut up_sink) = loopback(1372, 1, 1);
        let (mut down, mut down_sink) = loopback(1372, 44, 1);
        let mut lanes = [
            Lane::new(&mut up, &mut up_sink, Limit::Window(10)),
            Lane::new(&mut down, &mut down_sink, Limit::Window(880)),
        ];
        let outcomes = run(Duration::from_millis(30), &mut lanes, None).unwrap().lanes;
        assert!(outcomes.iter().all(|outcome| outcome.arrived > 100 && outcome.lost == 0), "{outcomes:?}");
        assert!(outcomes[1].arrived > outcomes[0].arrived);
    }

    #[test]
    fn a_rate_is_kept() {
        let (mut source, mut sink) = loopback(100, 1, 1);
        let mut lanes = [Lane::new(&mut source, &mut sink, Limit::Rate(10_000.0))];
        let Flooded { lanes, idle } = run(Duration::from_millis(100), &mut lanes, None).unwrap();
        let [outcome] = lanes[..] else { panic!() };
        // No more, even if the machine had no time for as many.
        assert!((2..=1100).contains(&outcome.arrived), "{outcome:?}");
        // A packet takes less than the tenth of a millisecond between two of them.
        assert!(Duration::ZERO < idle && idle <= outcome.elapsed, "{idle:?} of {outcome:?}");
    }

    /// Loses all of the second hundred.
    struct Lossy(u64, UdpSource);

    impl Source for Lossy {
        fn send(&mut self) -> anyhow::Result<Option<u64>> {
            self.0 += 1;
            match self.0 {
                101..=200 => Ok(Some(1)),
                301.. => Ok(None),
                _ => self.1.send(),
            }
        }
    }

    #[test]
    fn what_is_lost_is_counted_and_does_not_stop_the_flood() {
        let (source, mut sink) = loopback(100, 1, 1);
        let mut source = Lossy(0, source);
        let mut lanes = [Lane::new(&mut source, &mut sink, Limit::Window(10))];
        let [outcome] = run(Duration::from_secs(5), &mut lanes, None).unwrap().lanes[..] else { panic!() };
        assert_eq!((outcome.arrived, outcome.lost), (200, 100));
        assert!(outcome.elapsed < Duration::from_secs(5));
    }
}
