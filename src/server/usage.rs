//! How much of their quotas users have used.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{Server, session::Session};
use crate::users::{Ledger, Quota, Used};

/// What was counted for each user who has a quota, or had one.
#[derive(Debug, Default)]
pub(super) struct Usage {
    used: HashMap<Arc<str>, Used>,
    /// Whose count was not written down yet.
    changed: BTreeSet<Arc<str>>,
}

/// How a session stands with its user's quota.
pub(super) enum Share {
    /// There is none.
    Unlimited,
    /// Nothing is left of it.
    UsedUp,
    /// Something is; time to look again.
    Left(Instant),
}

impl Usage {
    /// Counts what a session moved since this was asked last.
    pub(super) fn charge(&mut self, now: Instant, wall: SystemTime, session: &mut Session) -> Share {
        let traffic = session.meter.read();
        let total = traffic.bytes_in + traffic.bytes_out;
        let moved = session.watch.charge(total);
        let since = session.watch.looked(now);
        let Some(login) = session.login() else { return Share::Unlimited };
        let Some(quota) = login.settings.quota else { return Share::Unlimited };
        let used = self.count(&login.user, quota, wall, moved);
        match quota.bytes.saturating_sub(used) {
            0 => Share::UsedUp,
            left => Share::Left(now + until_look(left, moved, since)),
        }
    }

    /// Whether nothing is left of a user's quota.
    pub(super) fn is_used_up(&self, user: &str, quota: Quota, wall: SystemTime) -> bool {
        self.used.get(user).is_some_and(|used| used.at(quota.period.first_day(wall)).bytes >= quota.bytes)
    }

    /// Adds what was moved; returns all that was used in the present period.
    fn count(&mut self, user: &Arc<str>, quota: Quota, wall: SystemTime, moved: u64) -> u64 {
        let first_day = quota.period.first_day(wall);
        let before = self.used.get(user).copied().unwrap_or(Used { since: first_day, bytes: 0 });
        let mut used = before.at(first_day);
        used.bytes = used.bytes.saturating_add(moved);
        if moved > 0 {
            self.used.insert(user.clone(), used);
            self.changed.insert(user.clone());
        }
        used.bytes
    }
}

impl Server {
    /// Takes up counts that an earlier server left behind.
    pub fn restore(&mut self, ledger: &Ledger) {
        self.usage.used = ledger.iter().map(|(user, used)| (user.into(), used)).collect();
    }

    /// The next count that is to be written down.
    pub fn poll_usage(&mut self) -> Option<(Arc<str>, Used)> {
        let user = self.usage.changed.pop_first()?;
        let used = *self.usage.used.get(&user)?;
        Some((user, used))
    }

    /// Counts what everybody moved.
    pub(super) fn charge_all(&mut self, now: Instant) {
        let wall = self.wall(now);
        for session in self.sessions.values_mut() {
            self.usage.charge(now, wall, session);
        }
    }
}

/// When to look again if `left` is left after `moved` bytes in a time `since`: half way to when that would be used up.
fn until_look(left: u64, moved: u64, since: Duration) -> Duration {
    let half = since.as_secs_f64() * left as f64 / (2.0 * moved.max(1) as f64);
    Duration::try_from_secs_f64(half).unwrap_or(RARELY).clamp(OFTEN, RARELY)
}

/// How often a session is looked at whose user's quota is nearly used up, and one that does not seem to need it: what is moved
/// within that time may be too much.
const OFTEN: Duration = Duration::from_secs(1);
const RARELY: Duration = Duration::from_secs(10);
