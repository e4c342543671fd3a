//! What LCP says of the link itself: that it is up or down, that its end is near, whether anybody is there, RFC 1661 §3 and §5.

use std::time::Instant;

use super::{Link, Phase};
use crate::automaton::{REJECTED_COPY, Signal};
use crate::config::Config;
use crate::liveness;
use crate::network::SETUP_LIMIT;
use crate::packet::{Code, Packet, Protocol};
use crate::reason::Reason;
use crate::wire::Discard;

impl Link {
    pub(super) fn handle_lcp(&mut self, now: Instant, packet: Packet<'_>) {
        if matches!(self.phase, Phase::Dead) && packet.code != Code::TERMINATE_REQUEST {
            return self.wire.discard(Discard::Phase);
        }
        match packet.code {
            Code::TERMINATE_REQUEST => self.handle_terminate_request(now, packet),
            Code::PROTOCOL_REJECT => self.handle_protocol_reject(now, packet.data),
            Code::ECHO_REQUEST => self.handle_echo_request(now, packet),
            // Liveness has noted the frame; RFC 1661 §5.8, §5.9 and RFC 1570 §2 want nothing else. Windows
            // introduces itself with three Identifications, before LCP is opened and after.
            Code::ECHO_REPLY | Code::DISCARD_REQUEST | Code::IDENTIFICATION | Code::TIME_REMAINING => {}
            _ => {
                let signal = self.lcp.handle_packet(now, packet, &mut self.wire);
                self.handle_lcp_signal(now, signal);
            }
        }
    }

    pub(super) fn handle_lcp_signal(&mut self, now: Instant, signal: Option<Signal>) {
        match signal {
            None => {}
            Some(Signal::Up) => self.enter_authenticate(now),
            Some(Signal::Down) => {
                self.leave(now, Phase::Establish);
                self.setup_by = now + SETUP_LIMIT;
            }
            Some(Signal::Finished) => self.finish(),
            Some(Signal::NoAnswer) => self.end(now, Reason::LcpTimeout),
            Some(Signal::Rejected) if self.lcp.is_over() => self.end(now, Reason::LcpRejected),
            Some(Signal::Rejected) => self.leave(now, Phase::Terminate(Reason::LcpRejected)),
            // It did not hear our Ack, so what we sent since then was discarded as well.
            Some(Signal::Repeated) => {
                if let Phase::Authenticate(auth) = &self.phase {
                    auth.repeat(&mut self.wire);
                }
            }
            Some(Signal::Impossible(reason)) => self.close(now, reason),
        }
    }

    /// The client hangs up. While LCP is being negotiated the table of RFC 1661 §4.1 would go on negotiating.
    fn handle_terminate_request(&mut self, now: Instant, packet: Packet<'_>) {
        self.lcp.handle_packet(now, packet, &mut self.wire);
        let reason = match &self.phase {
            Phase::Authenticate(auth) => auth.refusal(),
            Phase::Establish | Phase::Network { .. } | Phase::Terminate(_) | Phase::Dead => None,
        };
        let reason = reason.unwrap_or_else(|| Reason::peer_terminated(packet.data));
        self.end(now, reason);
    }

    fn handle_echo_request(&mut self, now: Instant, packet: Packet<'_>) {
        let Some((&magic, data)) = packet.data.split_first_chunk() else {
            return self.wire.discard(Discard::Truncated);
        };
        let own = self.lcp.protocol.magic();
        // RFC 1661 §6.4: our own request, come back. Foreign numbers do no harm.
        if own != 0 && u32::from_be_bytes(magic) == own {
            return self.wire.discard(Discard::Magic);
        }
        let reply = [&own.to_be_bytes(), data].concat();
        self.lcp.echo(now, packet.identifier, &reply, &mut self.wire);
    }

    fn handle_protocol_reject(&mut self, now: Instant, data: &[u8]) {
        let Some((&protocol, _)) = data.split_first_chunk() else {
            return self.wire.discard(Discard::Truncated);
        };
        // RFC 1661 §5.7: only meant when LCP is opened.
        if !self.lcp.is_opened() {
            return self.wire.discard(Discard::Phase);
        }
        match (Protocol(u16::from_be_bytes(protocol)), &mut self.phase) {
            (Protocol::LCP, _) => {
                let signal = self.lcp.protocol_rejected(now, &mut self.wire);
                self.handle_lcp_signal(now, signal);
            }
            (protocol, Phase::Authenticate(auth)) if protocol == auth.protocol() => {
                let reason = self.lcp.protocol.auth_refused(None);
                self.close(now, reason);
            }
            (protocol, Phase::Network { .. }) => {
                let reason =
                    self.with_network(|network, around| network.protocol_rejected(now, protocol, around));
                self.close_for(now, reason);
            }
            _ => self.wire.discard(Discard::Answer),
        }
    }

    /// RFC 1661 §5.7, but not before the client is in: §3.5 wants silence.
    pub(super) fn handle_unsupported(&mut self, protocol: Protocol, information: &[u8]) {
        if !matches!(self.phase, Phase::Network { .. }) {
            return self.wire.discard(Discard::Phase);
        }
        let information = information.get(..REJECTED_COPY).unwrap_or(information);
        let data = [&protocol.0.to_be_bytes(), information].concat();
        let identifier = self.lcp.next_identifier();
        self.wire.send(Protocol::LCP, Code::PROTOCOL_REJECT, identifier, &data);
    }

    pub(super) fn check_liveness(&mut self, now: Instant) {
        let Config { echo_interval, echo_failures, .. } = *self.config;
        // LCP may have gone down or the link have been closed in this very call.
        if !self.lcp.is_opened() {
            return;
        }
        match self.liveness.handle_timeout(now, echo_interval, echo_failures) {
            liveness::Verdict::Alive => {}
            liveness::Verdict::Ask => {
                let identifier = self.lcp.next_identifier();
                let magic = self.lcp.protocol.magic().to_be_bytes();
                self.wire.send(Protocol::LCP, Code::ECHO_REQUEST, identifier, &magic);
            }
            liveness::Verdict::Dead => self.close(now, Reason::PeerSilent),
        }
    }
}
