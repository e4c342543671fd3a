//! What holds for a session while it lasts: its end, its limits, and whether it is used at all.

use std::time::{Duration, Instant};

use ppp::{Reason, SessionEnd};

use super::{
    Server,
    session::{Login, Session},
    timer::Timer,
    usage::Share,
};
use crate::{
    datapath::{Limits, Order, SessionIndex},
    users::Closed,
};

/// When data came or went last, as far as one who looks now and then can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    active: Instant,
    packets: u64,
    /// How many bytes were counted for a quota, and when the session was looked at for that.
    charged: u64,
    looked: Instant,
    /// Whether the session's packets are told to keep to anything.
    limited: bool,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self { active: now, packets: 0, charged: 0, looked: now, limited: false }
    }

    /// Somebody logs in; what was moved before is not theirs.
    pub(super) fn begin(&mut self, now: Instant, moved: u64) {
        (self.active, self.charged) = (now, moved);
    }

    /// How much more that is than was counted so far.
    pub(super) fn charge(&mut self, moved: u64) -> u64 {
        moved.saturating_sub(std::mem::replace(&mut self.charged, moved))
    }

    /// How long ago this was asked last.
    pub(super) fn looked(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(std::mem::replace(&mut self.looked, now))
    }
}

impl Server {
    /// Has a session keep to what its user's settings say, from now on; whoever is not logged in has none.
    pub(super) fn set_limits(&mut self, now: Instant, index: SessionIndex) {
        let end = self.end_of(now, index);
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let Some(login) = session.login() else { return };
        let settings = login.settings.clone();
        session.link.limit_session(now, end);
        self.touched.insert(index);
        let limits = Limits::of(&settings).map(Box::new);
        let peer = session.lac.peer;
        let before = std::mem::replace(&mut session.watch.limited, limits.is_some());
        if before || limits.is_some() {
            self.order(now, peer, Order::Limit { session: index, limits });
        }
        self.watch(now, index);
    }

    /// When a session will be over, as far as its user's settings say.
    pub(super) fn end_of(&self, now: Instant, index: SessionIndex) -> Option<SessionEnd> {
        let Login { at, settings, .. } = self.sessions.get(&index)?.login()?;
        let timeout = settings.session_timeout.map(|timeout| SessionEnd { at: *at + timeout, why: TIMEOUT });
        let closes = settings.closes_in(self.wall(now));
        let closes = closes.map(|(left, why)| SessionEnd { at: now + left, why: closed(why) });
        timeout.into_iter().chain(closes).min_by_key(|end| end.at)
    }

    /// Sees whether a session is in use, and how much of its user's quota is left; and when to look again.
    pub(super) fn watch(&mut self, now: Instant, index: SessionIndex) {
        let wall = self.wall(now);
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let Some(login) = session.login() else { return };
        let (user, timeout) = (login.user.clone(), login.settings.idle_timeout);
        let share = self.usage.charge(now, wall, session);
        let idle_at = timeout.map(|timeout| session.idle_at(now, timeout));
        if matches!(share, Share::UsedUp) {
            let all: Vec<SessionIndex> = self.sessions_of(&user).collect();
            return all.into_iter().for_each(|one| self.hang_up(now, one, Reason::Policy(USED_UP)));
        }
        if idle_at.is_some_and(|at| at <= now) {
            return self.hang_up(now, index, Reason::Policy(IDLE));
        }
        // The last packet came since the last look: the oftener one looks, the better one knows when.
        let look =
            |at: Instant, timeout: Duration| at.min(now + (timeout / LOOKS).max(Duration::from_secs(1)));
        let idle = idle_at.zip(timeout).map(|(at, timeout)| look(at, timeout));
        let quota = if let Share::Left(at) = share { Some(at) } else { None };
        match idle.into_iter().chain(quota).min() {
            Some(at) => self.timers.set(Timer::Watch(index), at),
            None => self.timers.stop(Timer::Watch(index)),
        }
    }
}

impl Session {
    /// When the session will have been idle for that long, as far as one can tell now.
    fn idle_at(&mut self, now: Instant, timeout: Duration) -> Instant {
        let traffic = self.meter.read();
        let packets = traffic.packets_in + traffic.packets_out;
        if self.watch.packets != packets {
            (self.watch.packets, self.watch.active) = (packets, now);
        }
        self.watch.active + timeout
    }
}

/// What a session that its account does not allow any more is told.
pub(super) const fn closed(why: Closed) -> &'static str {
    match why {
        Closed::Disabled => "the account is disabled",
        Closed::Expired => "the account has expired",
        Closed::Hours => "the account may not be used at this hour",
    }
}

const TIMEOUT: &str = "the session has lasted as long as it may (session_timeout)";
const USED_UP: &str = "the user's quota is used up (quota)";
const IDLE: &str = "nothing came or went for as long as may be (idle_timeout)";
/// How often a session is looked at within its idle time-out.
const LOOKS: u32 = 16;
