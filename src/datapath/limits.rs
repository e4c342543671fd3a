//! What one session may do: how fast, and how far.
//!
//! A rate is policed by a token bucket in the shape of the generic cell rate algorithm (ITU-T I.371, annex A): instead of tokens there
//! is the time at which the bucket would be full again, and a packet moves it by as long as it takes at that rate.
//! Nothing is queued: what comes too fast is dropped, which TCP takes as the sign to slow down that it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Datapath, Discard, SessionIndex};
use crate::config::Routes;
use crate::users::{Rate, Settings};

/// Limits as the control plane orders them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    up: Option<Rate>,
    down: Option<Rate>,
    to: Option<Arc<Routes>>,
}

impl Limits {
    /// What of an account's settings packets have to keep to; hardly ever anything.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        let Settings { rate_up: up, rate_down: down, ref to, .. } = *settings;
        (up.is_some() || down.is_some() || to.is_some()).then(|| Self { up, down, to: to.clone() })
    }
}

/// Limits at work.
#[derive(Debug)]
pub(super) struct Limiter {
    up: Option<Bucket>,
    down: Option<Bucket>,
    to: Option<Arc<Routes>>,
}

impl Limiter {
    fn new(now: Instant, limits: Limits, before: Option<&Self>) -> Self {
        let bucket = |rate: Option<Rate>, before: Option<&Bucket>| {
            let rate = rate?;
            // A limit that stays goes on as it is: ordering it again fills no bucket.
            let kept = before.filter(|bucket| bucket.rate == rate);
            Some(kept.copied().unwrap_or(Bucket { rate, full_at: now }))
        };
        Self {
            up: bucket(limits.up, before.and_then(|before| before.up.as_ref())),
            down: bucket(limits.down, before.and_then(|before| before.down.as_ref())),
            to: limits.to,
        }
    }

    /// Whether the client may send a packet of `len` bytes to `destination`, which is not one of ours.
    pub(super) fn admit_up(
        &mut self,
        now: Instant,
        destination: IpAddr,
        is_ours: bool,
        len: usize,
    ) -> Result<(), Discard> {
        let leads_to = |to: &Routes| match destination {
            IpAddr::V4(address) => to.ipv4.iter().any(|range| range.contains(address)),
            IpAddr::V6(address) => to.ipv6.iter().any(|range| range.contains(address)),
        };
        if !is_ours && !self.to.as_deref().is_none_or(leads_to) {
            return Err(Discard::OutOfReach);
        }
        take(&mut self.up, now, len)
    }

    /// Whether the client may be sent a packet of `len` bytes.
    pub(super) fn admit_down(&mut self, now: Instant, len: usize) -> Result<(), Discard> {
        take(&mut self.down, now, len)
    }
}

impl Datapath {
    /// Has a session keep to `limits` from now on.
    pub(super) fn limit(&mut self, now: Instant, session: SessionIndex, limits: Option<Box<Limits>>) {
        let Some(&place) = self.by_session.get(&session) else { return };
        if let Some(entry) = self.sessions.get_mut(place) {
            let before = entry.limits.take();
            entry.limits = limits.map(|limits| Box::new(Limiter::new(now, *limits, before.as_deref())));
        }
    }
}

fn take(bucket: &mut Option<Bucket>, now: Instant, len: usize) -> Result<(), Discard> {
    match bucket {
        None => Ok(()),
        Some(bucket) => bucket.take(now, len).then_some(()).ok_or(Discard::OverRate),
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    full_at: Instant,
}

impl Bucket {
    /// Whether there is room at `now` for a packet of `len` bytes, which is taken.
    fn take(&mut self, now: Instant, len: usize) -> bool {
        let from = self.full_at.max(now);
        // Of what it holds, one packet may stand out: otherwise one larger than all of it would never pass.
        if from.saturating_duration_since(now) > DEPTH {
            return false;
        }
        // A length is below 2^16, so this does not overflow.
        let nanoseconds = len as u64 * 8_000_000_000 / self.rate.bits();
        self.full_at = from + Duration::from_nanos(nanoseconds);
        true
    }
}

/// How much may come at once after a pause: enough for TCP over far distances to fill its rate, little enough that a
/// rate holds over ten seconds to within some percent.
const DEPTH: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    /// What passes in ten seconds of packets of `len` bytes at `offered` bits a second, in bits a second.
    fn passed(rate: &str, len: usize, offered: u64) -> f64 {
        let (start, rate) = (start(), rate.parse().unwrap());
        let mut bucket = Bucket { rate, full_at: start };
        let gap = Duration::from_nanos(len as u64 * 8_000_000_000 / offered);
        let mut now = start;
        let mut bytes = 0;
        while now < start + Duration::from_secs(10) {
            bytes += if bucket.take(now, len) { len } else { 0 };
            now += gap;
        }
        bytes as f64 * 8.0 / 10.0
    }

    #[test]
    fn a_rate_holds_to_five_percent_over_ten_seconds() {
        for (text, rate) in [("64 kbit/s", 64e3), ("1 Mbit/s", 1e6), ("50 Mbit/s", 50e6), ("1 Gbit/s", 1e9)] {
            for len in [64, 576, 1400] {
                let share = passed(text, len, (rate * 1.7) as u64) / rate;
                assert!((0.95..=1.05).contains(&share), "{text}, {len} bytes: {share}");
            }
        }
    }

    #[test]
    fn who_keeps_to_the_rate_loses_nothing() {
        for len in [64, 1400] {
            let share = passed("1 Mbit/s", len, 990_000) / 990_000.0;
            assert!(share > 0.998, "{len} bytes: {share}");
        }
    }

    #[test]
    fn a_packet_larger_than_the_bucket_passes_after_a_pause() {
        let now = start();
        let mut bucket = Bucket { rate: "8 kbit/s".parse().unwrap(), full_at: now };
        assert!(bucket.take(now, 1500));
        assert!(!bucket.take(now + Duration::from_secs(1), 1500), "1.5 s are not over");
        assert!(bucket.take(now + Duration::from_millis(1250), 1500));
    }

    #[test]
    fn a_limit_that_stays_goes_on_as_it_was() {
        let now = start();
        let settings = |rate: &str| Settings { rate_up: rate.parse().ok(), ..Settings::default() };
        assert_eq!(Limits::of(&Settings::default()), None);
        let limits = |rate| Limits::of(&settings(rate)).unwrap();
        let mut limiter = Limiter::new(now, limits("8 kbit/s"), None);
        let admit = |limiter: &mut Limiter| limiter.admit_up(now, IpAddr::from([127, 0, 0, 1]), false, 1500);
        assert_eq!(admit(&mut limiter), Ok(()));
        assert_eq!(admit(&mut limiter), Err(Discard::OverRate));
        let mut again = Limiter::new(now, limits("8 kbit/s"), Some(&limiter));
        assert_eq!(admit(&mut again), Err(Discard::OverRate));
        let mut other = Limiter::new(now, limits("9 kbit/s"), Some(&limiter));
        assert_eq!(admit(&mut other), Ok(()));
    }

    #[test]
    fn only_some_networks_can_be_reached() {
        let now = start();
        let ipv4 = vec!["192.168.7.0/24".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let to = Routes { ipv4, ipv6: vec!["2001:db8:7::/48".parse().unwrap()] };
        let settings = Settings { to: Some(Arc::new(to)), ..Settings::default() };
        let mut limiter = Limiter::new(now, Limits::of(&settings).unwrap(), None);
        let mut admit = |text: &str, is_ours| limiter.admit_up(now, text.parse().unwrap(), is_ours, 100);
        assert_eq!(admit("192.168.7.255", false), Ok(()));
        assert_eq!(admit("10.1.2.3", false), Ok(()));
        assert_eq!(admit("2001:db8:7::1", false), Ok(()));
        for beyond in ["192.168.8.0", "2001:db8:8::1"] {
            assert_eq!(admit(beyond, false), Err(Discard::OutOfReach), "{beyond}");
        }
        assert_eq!(admit("172.16.0.1", true), Ok(()));
    }
}
