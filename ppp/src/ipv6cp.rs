//! The one option of IPV6CP that is in use, RFC 5072 §4.1: the interface identifier, the lower half of an address.
//!
//! | option               | the client asks                                                   | we ask |
//! |----------------------|-------------------------------------------------------------------|--------|
//! | 1 identifier         | Ack'ed unless it is zero or ours: then Nak'ed with the one we have for it | ours |
//! | 2 compression, others | rejected                                                         | never  |
//!
//! Addresses and name servers come later, by router advertisements (RFC 4861) and DHCPv6: here it is only seen to that the two
//! ends of the link have different link-local addresses.

use std::fmt;
use std::net::Ipv6Addr;

use crate::automaton::MAX_FAILURE;
use crate::control::{ControlProtocol, Judgement};
use crate::packet::{Options, Protocol, push_option};
use crate::reason::Reason;
use crate::wire::Wire;

/// The lower half of an IPv6 address; zero means that there is none yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub [u8; 8]);

impl InterfaceId {
    /// The address of whoever has this identifier on the link, RFC 4291 §2.5.6.
    #[must_use]
    pub fn link_local(self) -> Ipv6Addr {
        let prefix = u128::from(0xfe80_u16) << 112;
        Ipv6Addr::from_bits(prefix | u128::from(u64::from_be_bytes(self.0)))
    }

    fn is_zero(self) -> bool {
        self.0 == [0; 8]
    }
}

impl fmt::Debug for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.link_local(), f)
    }
}

/// The two ends of a link that carries IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Config {
    /// Ours.
    pub local: InterfaceId,
    /// What is proposed to a client that has none, or ours.
    pub peer: InterfaceId,
}

pub(crate) struct Ipv6cp {
    config: Ipv6Config,
    /// Our identifier is part of our request until the client rejects it.
    announces: bool,
    naks_received: u32,
    /// What the client has chosen.
    peer: Option<InterfaceId>,
}

impl Ipv6cp {
    pub(crate) fn new(config: Ipv6Config) -> Self {
        Self { config, announces: true, naks_received: 0, peer: None }
    }

    pub(crate) fn local(&self) -> InterfaceId {
        self.config.local
    }
}

impl ControlProtocol for Ipv6cp {
    const PROTOCOL: Protocol = Protocol::IPV6CP;

    fn request(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if self.announces {
            push_option(&mut options, IDENTIFIER, &self.config.local.0);
        }
        options
    }

    fn judge(&mut self, options: Options<'_>, _: &mut Wire) -> Result<Judgement, Reason> {
        let mut judgement = Judgement::default();
        let mut asked = None;
        for option in options {
            match (option.kind, option.data.try_into().map(InterfaceId)) {
                (IDENTIFIER, Ok(identifier)) => {
                    asked = Some(identifier);
                    if identifier.is_zero() || identifier == self.config.local {
                        judgement.nak(IDENTIFIER, option.whole, &self.config.peer.0);
                    }
                }
                _ => judgement.reject(option.whole),
            }
        }
        if asked.is_none() {
            judgement.require(IDENTIFIER, &self.config.peer.0);
        }
        if judgement.is_ack() {
            self.peer = asked;
        }
        Ok(judgement)
    }

    fn naked(&mut self, options: Options<'_>, _: &mut Wire) -> Result<(), Reason> {
        self.naks_received += 1;
        // §4.1: the hint is taken if it tells the two ends apart. A client that goes on need not know ours.
        self.announces &= self.naks_received < MAX_FAILURE;
        for option in options {
            if let (IDENTIFIER, Ok(hint)) = (option.kind, option.data.try_into().map(InterfaceId))
                && !hint.is_zero()
                && Some(hint) != self.peer
                && hint != self.config.peer
            {
                self.config.local = hint;
            }
        }
        Ok(())
    }

    fn rejected(&mut self, _: Options<'_>) -> Result<(), Reason> {
        self.announces = false;
        Ok(())
    }
}

const IDENTIFIER: u8 = 1;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::packet::Code;

    fn ipv6cp() -> Ipv6cp {
        let config = Ipv6Config {
            local: InterfaceId(hex!("0000000000000001")),
            peer: InterfaceId(hex!("0000000000000002")),
        };
        Ipv6cp::new(config)
    }

    fn judge(ipv6cp: &mut Ipv6cp, request: &[u8]) -> (Code, Vec<u8>) {
        let judgement = ipv6cp.judge(Options::parse(request).unwrap(), &mut Wire::new([0; 32])).unwrap();
        judgement.into_answer(false)
    }

    #[test]
    fn a_client_keeps_the_identifier_it_chose() {
        let mut ipv6cp = ipv6cp();
        let windows = hex!("010a 0102030405060708");
        assert_eq!(judge(&mut ipv6cp, &windows), (Code::CONFIGURE_ACK, vec![]));
        assert_eq!(ipv6cp.peer, Some(InterfaceId(hex!("0102030405060708"))));
    }

    #[test]
    fn none_zero_or_ours_is_answered_with_a_proposal() {
        let proposal = (Code::CONFIGURE_NAK, hex!("010a 0000000000000002").to_vec());
        for request in [&[][..], &hex!("010a 0000000000000000"), &hex!("010a 0000000000000001")] {
            assert_eq!(judge(&mut ipv6cp(), request), proposal);
        }
    }

    #[test]
    fn compression_and_broken_identifiers_are_rejected() {
        let (code, options) = judge(&mut ipv6cp(), &hex!("0204 0061 0104 0001 010a 0102030405060708"));
        assert_eq!((code, options), (Code::CONFIGURE_REJECT, hex!("0204 0061 0104 0001").to_vec()));
    }

    #[test]
    fn a_hint_is_taken_if_it_tells_the_ends_apart() {
        let mut wire = Wire::new([0; 32]);
        let mut ipv6cp = ipv6cp();
        judge(&mut ipv6cp, &hex!("010a 0000000000000007"));
        for useless in [hex!("010a 0000000000000000"), hex!("010a 0000000000000007")] {
            ipv6cp.naked(Options::parse(&useless).unwrap(), &mut wire).unwrap();
            assert_eq!(ipv6cp.request(), hex!("010a 0000000000000001"));
        }
        ipv6cp.naked(Options::parse(&hex!("010a 0000000000000009")).unwrap(), &mut wire).unwrap();
        assert_eq!(ipv6cp.request(), hex!("010a 0000000000000009"));
        for _ in 3..MAX_FAILURE {
            ipv6cp.naked(Options::parse(&[]).unwrap(), &mut wire).unwrap();
        }
        assert!(ipv6cp.request().is_empty(), "five times is enough");
    }

    #[test]
    fn an_identifier_makes_a_link_local_address() {
        assert_eq!(
            InterfaceId(hex!("0211 22ff fe33 4455")).link_local().to_string(),
            "fe80::211:22ff:fe33:4455"
        );
    }
}
