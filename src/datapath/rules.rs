//! What may come out of a tunnel: whole packets from the client's own addresses, to whom it may talk.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Instant;

use super::{Datapath, Discard, Session, address::Ipv4, address6::Ipv6, mss};
use crate::onlink::dhcp;
use crate::pool::{Delegated, Prefix};

/// Where an inner packet goes that keeps to the rules, and its place in its datagram.
pub(super) enum Inner {
    /// Into the network.
    Beyond(Range<usize>),
    /// No further than to us.
    OnLink(Range<usize>),
}

impl Datapath {
    /// Holds an IPv4 packet against the rules: whole, from the client's own address, not to another client.
    pub(super) fn inner_ipv4(
        &mut self,
        now: Instant,
        place: usize,
        bytes: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Inner, Discard> {
        let (session, policy) = (&mut self.sessions[place], &self.policy);
        let address = session.address.ok_or(Discard::NotUp)?;
        let body = bytes.get_mut(packet.clone()).ok_or(Discard::MalformedIp)?;
        let ip = Ipv4::parse(body).ok_or(Discard::MalformedIp)?;
        let whole = packet.start..packet.start + ip.len;
        if ip.source != address {
            return Err(Discard::SpoofedSource);
        }
        let is_ours = policy.local.contains(&ip.destination);
        // Read of UDP alone, and of hardly any of that more than the port.
        if ip.udp_port(body).is_some_and(dhcp::is_for_server) && (ip.destination.is_broadcast() || is_ours) {
            return session.ask(now, whole);
        }
        let is_clients = || {
            policy.networks.iter().any(|network| network.contains(ip.destination))
                || policy.outlying.contains(ip.destination)
        };
        if !policy.client_to_client && !is_ours && is_clients() {
            return Err(Discard::ClientToClient);
        }
        let tcp = ip.tcp().and_then(|place| body.get_mut(place));
        session
            .send(now, Outgoing { whole, destination: ip.destination.into(), is_ours, tcp, mss: session.mss })
    }

    /// The same of an IPv6 packet of a session that has a prefix, and perhaps one more for the hosts behind its client. What has the link for
    /// its destination comes from an address of the link or from none, RFC 4861 §4; nothing else may.
    pub(super) fn inner_ipv6(
        &mut self,
        now: Instant,
        place: usize,
        bytes: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Inner, Discard> {
        let (session, policy) = (&mut self.sessions[place], &self.policy);
        let prefix = session.prefix6.ok_or(Discard::NotUp)?;
        let body = bytes.get_mut(packet.clone()).ok_or(Discard::MalformedIp)?;
        let ip = Ipv6::parse(body).ok_or(Discard::MalformedIp)?;
        let whole = packet.start..packet.start + ip.len;
        let is_behind = |prefix: Delegated| prefix.contains(ip.source);
        let is_own = Prefix::of(ip.source) == prefix || session.delegated.is_some_and(is_behind);
        if ip.is_on_link() {
            if !is_own && !ip.source.is_unicast_link_local() && !ip.source.is_unspecified() {
                return Err(Discard::SpoofedSource);
            }
            if !ip.may_be_answered(body) {
                return Err(Discard::OnLink);
            }
            return session.ask(now, whole);
        }
        if !is_own {
            return Err(Discard::SpoofedSource);
        }
        let is_ours = policy.local6.contains(&ip.destination);
        let is_clients = || policy.networks6.iter().any(|network| network.contains(ip.destination));
        if !policy.client_to_client && !is_ours && is_clients() {
            return Err(Discard::ClientToClient);
        }
        let tcp = ip.tcp().and_then(|place| body.get_mut(place));
        let mss = mss::over_ipv6(session.mss);
        session.send(now, Outgoing { whole, destination: ip.destination.into(), is_ours, tcp, mss })
    }
}

/// A packet from the client's own address to where it may go, of either version.
struct Outgoing<'a> {
    /// Its place in its datagram.
    whole: Range<usize>,
    destination: IpAddr,
    /// Whether that is an address of the server's.
    is_ours: bool,
    /// The TCP segment in it, if there is one,
    tcp: Option<&'a mut [u8]>,
    /// and the largest that it may announce.
    mss: u16,
}

impl Session {
    /// A packet to us as the client's neighbour on the link.
    fn ask(&mut self, now: Instant, whole: Range<usize>) -> Result<Inner, Discard> {
        if self.questions.admit(now) { Ok(Inner::OnLink(whole)) } else { Err(Discard::TooManyQuestions) }
    }

    /// A packet into the network, as far as the account's limits allow.
    fn send(&mut self, now: Instant, packet: Outgoing<'_>) -> Result<Inner, Discard> {
        let Outgoing { whole, destination, is_ours, tcp, mss } = packet;
        if let Some(limits) = &mut self.limits {
            limits.admit_up(now, destination, is_ours, whole.len())?;
        }
        if let Some(segment) = tcp {
            mss::clamp(segment, mss);
        }
        self.meter.count_in(1, whole.len() as u64);
        Ok(Inner::Beyond(whole))
    }
}
