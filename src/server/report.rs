//! The answer to `adit status`.

use std::{collections::BTreeMap, ops::Bound, time::Instant};

use super::{Server, Session, session::Stage};
use crate::{
    datapath::{SessionIndex, Traffic},
    status::{self, OutlyingStatus, PoolStatus, SessionStatus, Status},
};

/// A status that is drawn up bit by bit: packets do not wait for a hundred thousand sessions to be told.
#[derive(Debug, Default)]
pub struct Draft {
    sessions: Vec<SessionStatus>,
    /// The last session that was looked at.
    last: SessionIndex,
}

impl Server {
    /// Who is connected, how full the pools are, and what was discarded.
    pub fn status(&self, now: Instant) -> Status {
        let mut draft = Draft::default();
        loop {
            if let Some(status) = self.draw_up(now, &mut draft, usize::MAX) {
                return status;
            }
        }
    }

    /// Goes on with a draft by so many sessions; the status, once those were the last.
    pub fn draw_up(&self, now: Instant, draft: &mut Draft, sessions: usize) -> Option<Status> {
        let mut left = sessions;
        for (index, session) in self.sessions.range((Bound::Excluded(draft.last), Bound::Unbounded)) {
            left = left.checked_sub(1)?;
            draft.last = *index;
            draft.sessions.extend(self.session_status(now, session));
        }
        let (used, size) = self.pools.outlying();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            sessions: std::mem::take(&mut draft.sessions),
            offloads: Vec::new(),
            pools: self
                .pools
                .usage()
                .map(|(pool, used, size)| PoolStatus { name: pool.name.clone(), used, size })
                .collect(),
            outlying: OutlyingStatus { used, size },
            shards: Vec::new(),
            discards: self.discards(),
        };
        status.include(&self.load());
        Some(status)
    }

    fn session_status(&self, now: Instant, session: &Session) -> Option<SessionStatus> {
        let Stage::Up { login, since } = &session.stage else { return None };
        let connection = self.connections.get(&session.lac.peer)?;
        let Traffic { bytes_in, packets_in, bytes_out, packets_out } = session.traffic();
        Some(SessionStatus {
            id: session.lac.peer.to_string(),
            user: login.user.to_string(),
            outside: connection.path.remote,
            inside: login.address,
            delegated: login.delegated().map(|prefix| prefix.to_string()),
            key: connection.phase1.credential.name().to_owned(),
            nat: connection.nat(),
            ike: connection.phase1.suite.to_string(),
            esp: connection.esp(),
            age_seconds: now.saturating_duration_since(*since).as_secs(),
            bytes_in,
            packets_in,
            bytes_out,
            packets_out,
        })
    }

    /// Every counter of the control plane, by `layer.reason`.
    fn discards(&self) -> BTreeMap<String, u64> {
        let layers = self
            .ike
            .discards()
            .iter()
            .map(|(name, count)| ("ike", name, count))
            .chain(self.lns.discards().iter().map(|(name, count)| ("l2tp", name, count)))
            .chain(self.ppp_discards.iter().map(|(name, count)| ("ppp", *name, *count)));
        layers.map(|(layer, name, count)| (format!("{layer}.{}", status::bare(layer, name)), count)).collect()
    }
}
