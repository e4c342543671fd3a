//! What may come out of a tunnel: whole packets from the client's own addresses, to whom it may talk.

use std::ops::Range;
use std::time::Instant;

use super::{Datapath, Discard, Questions, Session, address::Ipv4, address6::Ipv6, mss};
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
        let Session { address: Some(address), mss, meter, limits, questions, .. } = &mut self.sessions[place]
        else {
            return Err(Discard::NotUp);
        };
        let body = bytes.get_mut(packet.clone()).ok_or(Discard::MalformedIp)?;
        let ip = Ipv4::parse(body).ok_or(Discard::MalformedIp)?;
        if ip.source != *address {
            return Err(Discard::SpoofedSource);
        }
        let policy = &self.policy;
        // Read of UDP alone, and of hardly any of that more than the port.
        if ip.udp_port(body).is_some_and(dhcp::is_for_server)
            && (ip.destination.is_broadcast() || policy.local.contains(&ip.destination))
        {
            return on_link(now, questions, packet.start..packet.start + ip.len);
        }
        if !policy.client_to_client
            && !policy.local.contains(&ip.destination)
            && (policy.networks.iter().any(|network| network.contains(ip.destination))
                || policy.outlying.contains(ip.destination))
        {
            return Err(Discard::ClientToClient);
        }
        if let Some(limits) = limits {
            limits.admit_up(now, ip.destination.into(), policy.local.contains(&ip.destination), ip.len)?;
        }
        if let Some(segment) = ip.tcp().and_then(|place| body.get_mut(place)) {
            mss::clamp(segment, *mss);
        }
        meter.count_in(1, ip.len as u64);
        Ok(Inner::Beyond(packet.start..packet.start + ip.len))
    }

    /// The same of an IPv6 packet of a session that has a prefix, and perhaps one more for the hosts behind its client. What has the link for its destination comes from an address of the link or
    /// from none, RFC 4861 §4; nothing else may.
    pub(super) fn inner_ipv6(
        &mut self,
        now: Instant,
        place: usize,
        bytes: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Inner, Discard> {
        let Session { prefix6: Some(prefix), delegated, mss, meter, limits, questions, .. } =
            &mut self.sessions[place]
        else {
            return Err(Discard::NotUp);
        };
        let body = bytes.get_mut(packet.clone()).ok_or(Discard::MalformedIp)?;
        let ip = Ipv6::parse(body).ok_or(Discard::MalformedIp)?;
        let is_behind = |prefix: Delegated| prefix.contains(ip.source);
        let is_own = Prefix::of(ip.source) == *prefix || delegated.is_some_and(is_behind);
        if ip.is_on_link() {
            if !is_own && !ip.source.is_unicast_link_local() && !ip.source.is_unspecified() {
                return Err(Discard::SpoofedSource);
            }
            if !ip.may_be_answered(body) {
                return Err(Discard::OnLink);
            }
            return on_link(now, questions, packet.start..packet.start + ip.len);
        }
        if !is_own {
            return Err(Discard::SpoofedSource);
        }
        let policy = &self.policy;
        if !policy.client_to_client
            && !policy.local6.contains(&ip.destination)
            && policy.networks6.iter().any(|network| network.contains(ip.destination))
        {
            return Err(Discard::ClientToClient);
        }
        if let Some(limits) = limits {
            limits.admit_up(now, ip.destination.into(), policy.local6.contains(&ip.destination), ip.len)?;
        }
        if let Some(segment) = ip.tcp().and_then(|place| body.get_mut(place)) {
            mss::clamp(segment, mss::over_ipv6(*mss));
        }
        meter.count_in(1, ip.len as u64);
        Ok(Inner::Beyond(packet.start..packet.start + ip.len))
    }
}

fn on_link(now: Instant, questions: &mut Questions, packet: Range<usize>) -> Result<Inner, Discard> {
    if questions.admit(now) { Ok(Inner::OnLink(packet)) } else { Err(Discard::TooManyQuestions) }
}
