//! The answer to `adit status`.

use std::{collections::BTreeMap, time::Instant};

use super::{Server, Session, session::Stage};
use crate::{
    datapath::Traffic,
    status::{self, PoolStatus, SessionStatus, Status},
};

impl Server {
    /// Who is connected, how full the pools are, and what was discarded.
    pub fn status(&self, now: Instant) -> Status {
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            sessions: self
                .sessions
                .values()
                .filter_map(|session| self.session_status(now, session))
                .collect(),
            offloads: Vec::new(),
            pools: self
                .pools
                .usage()
                .map(|(pool, used, size)| PoolStatus { name: pool.name.clone(), used, size })
                .collect(),
            shards: Vec::new(),
            discards: self.discards(),
        };
        status.include(&self.load());
        status
    }

    fn session_status(&self, now: Instant, session: &Session) -> Option<SessionStatus> {
        let Stage::Up { login, since } = &session.stage else { return None };
        let connection = self.connections.get(&session.lac.peer)?;
        let Traffic { bytes_in, packets_in, bytes_out, packets_out } = session.traffic();
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

    /// Every counter of the control plane, by `layer.reason`.
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
            .chain(self.lns.discards().iter().map(|(name, count)| ("l2tp", name, count)))
            .chain(ppp.into_iter().map(|(name, count)| ("ppp", name, count)));
        layers.map(|(layer, name, count)| (format!("{layer}.{}", status::bare(layer, name)), count)).collect()
    }
}
