//! A prefix for the hosts behind a client that is a router: packets to them, and from them, belong to its session while it has that.

use std::time::Instant;

use super::{
    Level, Server,
    session::{Asked, Login},
};
use crate::{
    datapath::{Inside, SessionIndex},
    onlink::{Change, Lease},
};

impl Server {
    /// What there is to delegate to the client of a session, and whether it has it.
    pub(super) fn lease(&self, now: Instant, index: SessionIndex) -> Option<Lease> {
        let Login { delegable, asked, .. } = self.sessions.get(&index)?.login()?;
        let holder = if let Asked::Holds(iaid) = asked { Some(*iaid) } else { None };
        let left = self.end_of(now, index).map(|end| end.at.saturating_duration_since(now));
        Some(Lease { prefix: (*delegable)?, holder, left })
    }

    /// The client was told so.
    pub(super) fn change_delegation(&mut self, now: Instant, index: SessionIndex, change: Change) {
        let Some(session) = self.sessions.get_mut(&index) else { return };
        let (peer, mtu) = (session.lac.peer, session.link.mtu());
        let Some(login) = session.login_mut() else { return };
        let asked = match change {
            Change::Delegated(iaid) => Asked::Holds(iaid),
            Change::Released => Asked::Not,
            Change::Refused => Asked::InVain,
        };
        let before = login.delegated();
        let asked_before = std::mem::replace(&mut login.asked, asked);
        let (user, after) = (login.user.clone(), login.delegated());
        let (level, text) = match (before, after) {
            (None, Some(prefix)) => {
                let level = level(&mut login.told.delegated);
                self.assign(now, peer, index, Inside::Delegated(prefix), mtu);
                (level, format!("{user:?} has {prefix} delegated for what is behind it"))
            }
            (Some(prefix), None) => {
                let level = level(&mut login.told.given_back);
                self.unassign(now, peer, index, Inside::Delegated(prefix));
                (level, format!("{user:?} has given back {prefix}, which was delegated"))
            }
            // A client that goes on asking is not worth a line each time.
            (None, None) if asked_before != asked => {
                let remote = self.remote(peer);
                let text = format!(
                    "{user:?}{remote} asked for a prefix to be delegated and was refused (DHCPv6, NoPrefixAvail): its pool has no \
                     `delegate`"
                );
                (Level::Warn, text)
            }
            _ => return,
        };
        self.say_of_client(now, level, peer, text);
    }
}

/// The first time matters; what a client does over and over does not.
fn level(told: &mut bool) -> Level {
    if std::mem::replace(told, true) { Level::Debug } else { Level::Info }
}
