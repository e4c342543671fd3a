//! The answer to `adit status`.

use std::{collections::BTreeMap, time::Instant};

use super::{Server, Session, session::Stage};
use crate::{
    datapath::{SessionIndex, Traffic},
    status::{PoolStatus, SessionStatus, Status},
};

impl Server {
    /// Who is connected, how full the pools are, and what was discarded.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            sessions: self
                .sessions
                .iter()
                .filter_map(|(index, session)| self.session_status(now, *index, session))
                .collect(),
            pools: self
                .pools
                .usage()
                .map(|(pool, used, size)| PoolStatus { name: pool.name.clone(), used, size })
                .collect(),
            discards: self.discards(),
        }
    }

    fn session_status(&self, now: Instant, index: SessionIndex, session: &Session) -> Option<SessionStatus> {
        let Stage::Up { login, since } = &session.stage else { return None };
        let connection = self.connections.get(&session.lac.peer)?;
        let Traffic { bytes_in, packets_in, bytes_out, packets_out } = self.datapath.traffic(index);
        Some(SessionStatus {
            id: session.lac.peer.to_string(),
            user: login.user.clone(),
            outside: connection.path.remote,
            inside: login.address,
            key: connection.credential.name().to_owned(),
            nat: connection.nat.clone(),
            ike: connection.ike.clone(),
            esp: connection.esp.clone(),
            age_seconds: now.saturating_duration_since(*since).as_secs(),
            bytes_in,
            packets_in,
            bytes_out,
            packets_out,
        })
    }

    /// Every counter of every layer, by `layer.reason`.
    fn discards(&self) -> BTreeMap<String, u64> {
        let mut ppp = self.ppp_discards.clone();
        for session in self.sessions.values() {
            for (name, count) in session.link.discards().iter() {
                *ppp.entry(name).or_default() += count;
            }
        }
        let layers = self
            .ike
            .discards()
            .iter()
            .map(|(name, count)| ("ike", name, count))
            .chain(self.datapath.esp_discards.iter().map(|(name, count)| ("esp", name, count)))
            .chain(self.lns.discards().iter().map(|(name, count)| ("l2tp", name, count)))
            .chain(ppp.into_iter().map(|(name, count)| ("ppp", name, count)))
            .chain(self.datapath.discards.iter().map(|(name, count)| ("data", name, count)));
        // Most engines put their own name in front, so that their counters can be told apart without a layer.
        let bare = |layer: &str, name: &'static str| {
            name.strip_prefix(layer).map_or(name, |name| name.trim_start_matches('_'))
        };
        layers.map(|(layer, name, count)| (format!("{layer}.{}", bare(layer, name)), count)).collect()
    }
}
