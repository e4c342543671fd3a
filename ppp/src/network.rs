//! The network phase, RFC 1661 §3.6: IPCP, which we begin, and IPV6CP beside it, which the client begins if it wants to.
//!
//! Each comes and goes without the other. A client without IPv4 stays as long as it has IPv6; whether it has IPv6 makes no
//! difference to one that has IPv4.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::auth::Addressing;
use crate::automaton::{Automaton, RESTART_INTERVAL, Signal};
use crate::ipcp::Ipcp;
use crate::ipv6cp::{Ipv6Config, Ipv6cp};
use crate::link::Event;
use crate::packet::{Code, Packet, Protocol};
use crate::reason::Reason;
use crate::wire::{Discard, Wire};

/// The network control protocols of a client that is in.
pub(crate) struct Network {
    ipv4: Ipv4,
    ipv6: Ipv6,
    /// Until then something is up or the link is given up.
    setup_by: Instant,
}

/// Whether there is an address for the client.
enum Ipv4 {
    /// None: it is told so until it has heard it, or for that long. Of all ways to refuse, this one has Windows say that the server ended the
    /// protocol (736), and pppd repeat our words.
    Exhausted {
        until: Instant,
    },
    Begun(Automaton<Ipcp>),
}

/// How far IPv6 has come.
enum Ipv6 {
    /// The client is not to have any.
    Refused,
    /// Clients that can begin by themselves (Windows, pppd, RouterOS); the others need not be asked.
    Awaited(Ipv6Config),
    Begun(Box<Automaton<Ipv6cp>>),
}

/// What the link has besides its layers.
pub(crate) struct Surroundings<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) events: &'a mut VecDeque<Event>,
}

impl Network {
    /// Begins IPCP.
    pub(crate) fn open(now: Instant, addressing: &Addressing, setup_by: Instant, wire: &mut Wire) -> Self {
        let ipv4 = match addressing.ipv4 {
            Some(config) => Ipv4::Begun(Automaton::open(now, Ipcp::new(config), wire)),
            None => {
                say_exhausted(wire);
                Ipv4::Exhausted { until: now + RESTART_INTERVAL }
            }
        };
        Self { ipv4, ipv6: addressing.ipv6.map_or(Ipv6::Refused, Ipv6::Awaited), setup_by }
    }

    /// Whether a packet of that protocol is for [`Self::handle_packet`].
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::IPCP => true,
            Protocol::IPV6CP | Protocol::IPV6 => !matches!(self.ipv6, Ipv6::Refused),
            _ => false,
        }
    }

    /// Whether IPv4 packets may flow.
    pub(crate) fn has_ipv4(&self) -> bool {
        matches!(&self.ipv4, Ipv4::Begun(ipcp) if ipcp.is_opened())
    }

    /// Whether IPv6 packets may flow.
    pub(crate) fn has_ipv6(&self) -> bool {
        matches!(&self.ipv6, Ipv6::Begun(ipv6cp) if ipv6cp.is_opened())
    }

    /// Takes a packet of IPCP or IPV6CP. A reason ends the link.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        protocol: Protocol,
        packet: Packet<'_>,
        around: &mut Surroundings<'_>,
    ) -> Option<Reason> {
        if protocol == Protocol::IPV6CP {
            self.handle_ipv6cp(now, packet, around);
            return None;
        }
        match &mut self.ipv4 {
            Ipv4::Exhausted { .. } if packet.code == Code::TERMINATE_ACK => Some(Reason::NoAddress),
            Ipv4::Exhausted { .. } => {
                // It was not listening yet when it was told.
                say_exhausted(around.wire);
                None
            }
            Ipv4::Begun(ipcp) => {
                let signal = ipcp.handle_packet(now, packet, around.wire);
                self.handle_ipcp_signal(now, signal, around)
            }
        }
    }

    /// The client does not speak a protocol.
    pub(crate) fn protocol_rejected(
        &mut self,
        now: Instant,
        protocol: Protocol,
        around: &mut Surroundings<'_>,
    ) -> Option<Reason> {
        match (protocol, &self.ipv6) {
            (Protocol::IPCP, _) => {
                let Ipv4::Begun(ipcp) = &mut self.ipv4 else { return Some(Reason::NoAddress) };
                let signal = ipcp.protocol_rejected(now, around.wire);
                self.handle_ipcp_signal(now, signal, around)
            }
            (Protocol::IPV4, _) => Some(Reason::IpcpRejected),
            (Protocol::IPV6CP | Protocol::IPV6, Ipv6::Begun(_)) => {
                self.drive_ipv6cp(now, around, |ipv6cp, wire| ipv6cp.protocol_rejected(now, wire));
                None
            }
            _ => {
                around.wire.discard(Discard::Answer);
                None
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, around: &mut Surroundings<'_>) -> Option<Reason> {
        self.drive_ipv6cp(now, around, |ipv6cp, wire| ipv6cp.handle_timeout(now, wire));
        let reason = match &mut self.ipv4 {
            Ipv4::Exhausted { until } => (*until <= now).then_some(Reason::NoAddress),
            Ipv4::Begun(ipcp) => {
                let signal = ipcp.handle_timeout(now, around.wire);
                self.handle_ipcp_signal(now, signal, around)
            }
        };
        reason.or_else(|| self.setup_deadline().is_some_and(|at| at <= now).then_some(Reason::SetupTimeout))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let ipv6cp = match &self.ipv6 {
            Ipv6::Begun(ipv6cp) => ipv6cp.poll_timeout(),
            Ipv6::Refused | Ipv6::Awaited(_) => None,
        };
        let ipcp = match &self.ipv4 {
            Ipv4::Exhausted { until } => Some(*until),
            Ipv4::Begun(ipcp) => ipcp.poll_timeout(),
        };
        [ipcp, ipv6cp, self.setup_deadline()].into_iter().flatten().min()
    }

    /// Our request is about to be repeated to a client that has not said a word about IPCP.
    pub(crate) fn repeats_into_silence(&self, now: Instant) -> bool {
        matches!(&self.ipv4, Ipv4::Begun(ipcp) if ipcp.repeats_into_silence(now))
    }

    /// The layer below is gone.
    pub(crate) fn lower_down(mut self, now: Instant, around: &mut Surroundings<'_>) {
        self.drive_ipv6cp(now, around, |ipv6cp, wire| ipv6cp.lower_down(now, wire));
        if let Ipv4::Begun(ipcp) = &mut self.ipv4
            && ipcp.lower_down(now, around.wire) == Some(Signal::Down)
        {
            around.events.push_back(Event::NetworkDown);
        }
    }

    fn setup_deadline(&self) -> Option<Instant> {
        (!self.has_ipv4() && !self.has_ipv6()).then_some(self.setup_by)
    }

    fn handle_ipcp_signal(
        &mut self,
        now: Instant,
        signal: Option<Signal>,
        around: &mut Surroundings<'_>,
    ) -> Option<Reason> {
        let Ipv4::Begun(ipcp) = &self.ipv4 else { return None };
        let reason = match signal {
            // After Finished the client has put IP down but not hung up, and may want it back: RouterOS does.
            // The setup limit is running again.
            None | Some(Signal::Repeated | Signal::Finished) => return None,
            Some(Signal::Up) => {
                around.events.push_back(Event::NetworkUp { address: ipcp.protocol.peer() });
                return None;
            }
            Some(Signal::Down) => {
                around.events.push_back(Event::NetworkDown);
                self.setup_by = now + SETUP_LIMIT;
                return None;
            }
            Some(Signal::NoAnswer) => Reason::IpcpTimeout,
            Some(Signal::Rejected) => Reason::IpcpRejected,
            Some(Signal::Impossible(reason)) => reason,
        };
        // It has said that it wants IPv6: if nothing comes of that either, the setup limit is there.
        (!matches!(self.ipv6, Ipv6::Begun(_))).then_some(reason)
    }

    fn handle_ipv6cp(&mut self, now: Instant, packet: Packet<'_>, around: &mut Surroundings<'_>) {
        if let Ipv6::Awaited(config) = self.ipv6 {
            let ipv6cp = Automaton::open_asked(now, Ipv6cp::new(config), around.wire);
            self.ipv6 = Ipv6::Begun(Box::new(ipv6cp));
        }
        self.drive_ipv6cp(now, around, |ipv6cp, wire| ipv6cp.handle_packet(now, packet, wire));
    }

    /// Has IPV6CP do something. Whatever becomes of it, the link goes on.
    fn drive_ipv6cp(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_>,
        act: impl FnOnce(&mut Automaton<Ipv6cp>, &mut Wire) -> Option<Signal>,
    ) {
        let Ipv6::Begun(ipv6cp) = &mut self.ipv6 else { return };
        let was_up = ipv6cp.is_opened();
        act(ipv6cp, around.wire);
        match (was_up, ipv6cp.is_opened()) {
            (false, true) => around.events.push_back(Event::Ipv6Up { local: ipv6cp.protocol.local() }),
            (true, false) => {
                around.events.push_back(Event::Ipv6Down);
                self.setup_by = now + SETUP_LIMIT;
            }
            (true, true) | (false, false) => {}
        }
    }
}

/// RFC 1661 §5.5: the end of a protocol, in words.
fn say_exhausted(wire: &mut Wire) {
    wire.send(Protocol::IPCP, Code::TERMINATE_REQUEST, 1, Reason::NoAddress.summary().as_bytes());
}

/// How long a client may take from the first frame to its address, and anew after each refused password. Windows'
/// own server gives as much.
pub(crate) const SETUP_LIMIT: Duration = Duration::from_secs(150);
