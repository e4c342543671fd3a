//! What holds for a session while it lasts: its end, its limits, and whether it is used at all.

use std::time::{Duration, Instant};

use ppp::{Reason, SessionEnd};

use super::{Server, session::Session, timer::Timer};
use crate::{
    datapath::{Limits, Order, SessionIndex},
    users::{Closed, Settings},
};

/// When data came or went last, as far as one who looks now and then can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    active: Instant,
    packets: u64,
    /// Whether the session's packets are told to keep to anything.
    limited: bool,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self { active: now, packets: 0, limited: false }
    }

    /// Somebody logs in.
    pub(super) fn begin(&mut self, now: Instant) {
        self.active = now;
    }
}

impl Server {
    /// Has a session keep to what its user's settings say, from now on; whoever is not logged in has none.
    pub(super) fn set_limits(&mut self, now: Instant, index: SessionIndex) {
        let wall = self.wall(now);
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let Some(login) = session.login() else { return };
        let (at, settings) = (login.at, login.settings.clone());
        let timeout = settings.session_timeout.map(|timeout| SessionEnd { at: at + timeout, why: TIMEOUT });
        let closes =
            settings.closes_in(wall).map(|(left, why)| SessionEnd { at: now + left, why: closed(why) });
        session.link.limit_session(now, timeout.into_iter().chain(closes).min_by_key(|end| end.at));
        self.touched.insert(index);
        let limits = Limits::of(&settings).map(Box::new);
        let peer = session.lac.peer;
        let before = std::mem::replace(&mut session.watch.limited, limits.is_some());
        if before || limits.is_some() {
            self.order(now, peer, Order::Limit { session: index, limits });
        }
        self.watch(now, index);
    }

    /// Sees whether a session is in use, and when to look again.
    pub(super) fn watch(&mut self, now: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let Some(settings) = session.login().map(|login| login.settings.clone()) else { return };
        match look(now, session, &settings) {
            Look::Unwatched => self.timers.stop(Timer::Watch(index)),
            Look::Again(at) => self.timers.set(Timer::Watch(index), at),
            Look::Idle => self.hang_up(now, index, Reason::Policy(IDLE)),
        }
    }
}

/// What a look at a session brings.
enum Look {
    /// Nobody wants to know.
    Unwatched,
    Again(Instant),
    Idle,
}

fn look(now: Instant, session: &mut Session, settings: &Settings) -> Look {
    let Some(timeout) = settings.idle_timeout else { return Look::Unwatched };
    let traffic = session.meter.read();
    let packets = traffic.packets_in + traffic.packets_out;
    let watch = &mut session.watch;
    if watch.packets != packets {
        (watch.packets, watch.active) = (packets, now);
    }
    let over = watch.active + timeout;
    if over <= now {
        return Look::Idle;
    }
    // The last packet came since the last look: the oftener one looks, the better one knows when.
    Look::Again(over.min(now + (timeout / LOOKS).max(Duration::from_secs(1))))
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
const IDLE: &str = "nothing came or went for as long as may be (idle_timeout)";
/// How often a session is looked at within its idle time-out.
const LOOKS: u32 = 16;
