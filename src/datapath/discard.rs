//! Why the data path lets a packet go.

/// A packet that went nowhere; each variant is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Discard {
    /// An empty datagram, or one too short to be anything.
    Runt,
    /// A NAT keepalive, RFC 3948 §2.3: one byte 0xFF. Counted, and all that it should be.
    Keepalive,
    /// ESP for an SPI that is not, or no longer, ours.
    UnknownSpi,
    /// Native ESP of a client that agreed to have it in UDP, or the other way round.
    OtherEncapsulation,
    /// Something other than UDP to the L2TP port inside ESP.
    NotL2tp,
    /// An L2TP data message that does not parse.
    MalformedL2tp,
    /// An L2TP data message for no session of this client.
    NoSession,
    /// A PPP frame that does not parse.
    MalformedPpp,
    /// IP before the session has an address, or after it lost it.
    NotUp,
    /// An inner packet that is no whole IP packet.
    MalformedIp,
    /// An inner source address that is not the client's own.
    SpoofedSource,
    /// One client's packet to another, when that is not allowed.
    ClientToClient,
    /// A packet for our own end of the link that has no answer.
    OnLink,
    /// One more of those than a client may send for now.
    TooManyQuestions,
    /// A client's packet to a network that its user may not reach.
    OutOfReach,
    /// A packet that is more than the user's rate.
    OverRate,
    /// A packet from the TUN device for an address that no session has.
    NoRoute,
    /// A packet from the TUN device for a client without a confirmed SA.
    NoSa,
    /// Something from the TUN device that is neither IPv4 nor IPv6.
    NotIp,
    /// A packet longer than its client takes, which must not be cut: its sender is told.
    TooBig,
    /// A packet too large for one UDP datagram around it.
    TooLarge,
    /// L2TP from yet another UDP port of a client that uses many already.
    TooManyPorts,
    /// A client whose outbound SA has used its last sequence number.
    Exhausted,
}

impl Discard {
    /// Every variant, in counter order.
    pub const ALL: [Self; 23] = [
        Self::Runt,
        Self::Keepalive,
        Self::UnknownSpi,
        Self::OtherEncapsulation,
        Self::NotL2tp,
        Self::MalformedL2tp,
        Self::NoSession,
        Self::MalformedPpp,
        Self::NotUp,
        Self::MalformedIp,
        Self::SpoofedSource,
        Self::ClientToClient,
        Self::OnLink,
        Self::TooManyQuestions,
        Self::OutOfReach,
        Self::OverRate,
        Self::NoRoute,
        Self::NoSa,
        Self::NotIp,
        Self::TooBig,
        Self::TooLarge,
        Self::TooManyPorts,
        Self::Exhausted,
    ];

    /// The counter's name in `adit status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runt => "runt",
            Self::Keepalive => "keepalive",
            Self::UnknownSpi => "unknown_spi",
            Self::OtherEncapsulation => "other_encapsulation",
            Self::NotL2tp => "not_l2tp",
            Self::MalformedL2tp => "malformed_l2tp",
            Self::NoSession => "no_session",
            Self::MalformedPpp => "malformed_ppp",
            Self::NotUp => "not_up",
            Self::MalformedIp => "malformed_ip",
            Self::SpoofedSource => "spoofed_source",
            Self::ClientToClient => "client_to_client",
            Self::OnLink => "on_link",
            Self::TooManyQuestions => "too_many_questions",
            Self::OutOfReach => "out_of_reach",
            Self::OverRate => "over_rate",
            Self::NoRoute => "no_route",
            Self::NoSa => "no_sa",
            Self::NotIp => "not_ip",
            Self::TooBig => "too_big",
            Self::TooLarge => "too_large",
            Self::TooManyPorts => "too_many_ports",
            Self::Exhausted => "sequence_exhausted",
        }
    }
}

/// How often each [`Discard`] happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    pub(crate) fn count(&mut self, discard: Discard) {
        self.add(discard, 1);
    }

    /// The same of several packets.
    pub(crate) fn add(&mut self, discard: Discard, packets: usize) {
        self.0[discard as usize] += u64::try_from(packets).unwrap_or(u64::MAX);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Discard::ALL.iter().map(|discard| (discard.name(), self.0[*discard as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_in_the_order_of_the_variants() {
        for (place, discard) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(discard as usize, place);
        }
    }
}
