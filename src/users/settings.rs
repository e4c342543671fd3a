//! What a user gets and may do: the user's own words over the group's over those for everybody.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Date, Hours, Quota, Rate};
use crate::config::{Dns, Routes};
use crate::domain::Domain;

/// Everything about an account but who it is. Users without words of their own share their group's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The pool that addresses come from; `None`: any, in the order of the configuration.
    pub pool: Option<Arc<str>>,
    /// How many sessions at once; `None`: any number.
    pub sessions: Option<usize>,
    /// What happens to one more.
    pub when_full: WhenFull,
    /// The last day on which the account works.
    pub expires: Option<Date>,
    /// Whether the account is locked.
    pub disabled: bool,
    /// When the account may be used; `None`: always.
    pub hours: Option<Hours>,
    /// How much each session may send.
    pub rate_up: Option<Rate>,
    /// How much each session may be sent.
    pub rate_down: Option<Rate>,
    /// How much all sessions together may move.
    pub quota: Option<Quota>,
    /// After how long without a data packet a session ends.
    pub idle_timeout: Option<Duration>,
    /// After how long a session ends in any case.
    pub session_timeout: Option<Duration>,
    /// Destinations the client is told to send here; `None`: those of the configuration.
    pub routes: Option<Routes>,
    /// Name servers the client is told, at most two of each family; `None`: those of the configuration.
    pub dns: Option<Dns>,
    /// The domain the client is told to complete names with.
    pub domain: Option<Domain>,
    /// The only networks that the user may reach; `None`: all.
    pub to: Option<Arc<Routes>>,
}

/// What happens when somebody comes who has as many sessions as allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest session ends: it is most often one that a sleeping phone left behind.
    #[default]
    Replace,
    /// The newcomer is refused.
    Refuse,
}

/// Why an account cannot be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It is locked.
    Disabled,
    /// Its last day is over.
    Expired,
    /// It may be used at other hours.
    Hours,
}

impl Settings {
    /// Why the account cannot be used at `now`, if so.
    pub fn closed(&self, now: SystemTime) -> Option<Closed> {
        if self.disabled {
            Some(Closed::Disabled)
        } else if self.expires.is_some_and(|day| now >= day.end()) {
            Some(Closed::Expired)
        } else if self.hours.as_ref().is_some_and(|hours| !hours.is_open(now)) {
            Some(Closed::Hours)
        } else {
            None
        }
    }

    /// When, from `now` on, the account cannot be used any more, and why.
    pub fn closes_in(&self, now: SystemTime) -> Option<(Duration, Closed)> {
        if self.disabled {
            return Some((Duration::ZERO, Closed::Disabled));
        }
        let expires =
            self.expires.map(|day| (day.end().duration_since(now).unwrap_or_default(), Closed::Expired));
        let hours = self.hours.as_ref().and_then(|hours| Some((hours.left(now)?, Closed::Hours)));
        expires.into_iter().chain(hours).min_by_key(|(left, _)| *left)
    }
}
