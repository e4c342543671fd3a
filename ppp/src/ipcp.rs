//! The options of IPCP, RFC 1332 §3, and the name servers of RFC 1877.
//!
//! | option                 | the client asks                     | we ask |
//! |------------------------|-------------------------------------|--------|
//! | 3 address              | Nak'ed until it is the assigned one | ours   |
//! | 129, 131 DNS           | Nak'ed until it is the configured one, rejected if there is none | never |
//! | 2 compression (VJ), 130, 132 WINS, 1 addresses, others | rejected | never |

use std::net::Ipv4Addr;

use crate::automaton::MAX_FAILURE;
use crate::control::{ControlProtocol, Judgement};
use crate::packet::{Options, Protocol, push_option};
use crate::reason::Reason;
use crate::wire::Wire;

/// A client's place in the IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Config {
    /// The client's own address.
    pub peer: Ipv4Addr,
    /// Ours, the client's next hop.
    pub local: Ipv4Addr,
    /// What the client is to ask for names, first and second.
    pub dns: [Option<Ipv4Addr>; 2],
}

pub(crate) struct Ipcp {
    assigned: Ipv4Config,
    /// Our address is part of our request until the client rejects it.
    announces: bool,
    naks_received: u32,
    /// How often the client was told its address and did not take it.
    refusals: u32,
}

impl Ipcp {
    pub(crate) fn new(assigned: Ipv4Config) -> Self {
        Self { assigned, announces: true, naks_received: 0, refusals: 0 }
    }

    pub(crate) fn peer(&self) -> Ipv4Addr {
        self.assigned.peer
    }
}

impl ControlProtocol for Ipcp {
    const PROTOCOL: Protocol = Protocol::IPCP;

    fn request(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if self.announces {
            push_option(&mut options, ADDRESS, &self.assigned.local.octets());
        }
        options
    }

    fn judge(&mut self, options: Options<'_>, _: &mut Wire) -> Result<Judgement, Reason> {
        let mut judgement = Judgement::default();
        let mut asked = None;
        for option in options {
            let wanted = match option.kind {
                ADDRESS => Some(self.assigned.peer),
                DNS_1 => self.assigned.dns[0],
                DNS_2 => self.assigned.dns[1],
                _ => None,
            };
            let (Some(wanted), &[a, b, c, d]) = (wanted, option.data) else {
                judgement.reject(option.whole);
                continue;
            };
            let value = Ipv4Addr::from([a, b, c, d]);
            if option.kind == ADDRESS {
                asked = Some(value);
            }
            if value != wanted {
                judgement.nak(option.kind, option.whole, &wanted.octets());
            }
        }
        // RFC 1332 §3.3: an address is needed, so whoever does not ask is told to.
        if asked.is_none() {
            judgement.require(ADDRESS, &self.assigned.peer.octets());
        }
        if asked != Some(self.assigned.peer) && !judgement.is_reject() {
            // Rejecting the option in the end, as RFC 1661 §4.6 would, leaves a client without an address.
            if self.refusals == MAX_FAILURE {
                return Err(Reason::AddressRefused { asked, assigned: self.assigned.peer });
            }
            self.refusals += 1;
        }
        Ok(judgement)
    }

    fn naked(&mut self, _: Options<'_>, _: &mut Wire) -> Result<(), Reason> {
        // Our address is not for the client to choose; if it goes on, it need not know it.
        self.naks_received += 1;
        self.announces &= self.naks_received < MAX_FAILURE;
        Ok(())
    }

    fn rejected(&mut self, _: Options<'_>) -> Result<(), Reason> {
        self.announces = false;
        Ok(())
    }
}

const ADDRESS: u8 = 3;
const DNS_1: u8 = 129;
const DNS_2: u8 = 131;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::packet::Code;

    fn ipcp() -> Ipcp {
        Ipcp::new(Ipv4Config {
            peer: Ipv4Addr::new(10, 20, 0, 7),
            local: Ipv4Addr::new(10, 20, 0, 1),
            dns: [Some(Ipv4Addr::new(9, 9, 9, 9)), None],
        })
    }

    fn judge(ipcp: &mut Ipcp, request: &[u8]) -> Result<(Code, Vec<u8>), Reason> {
        let judgement = ipcp.judge(Options::parse(request).unwrap(), &mut Wire::new([0; 32]))?;
        Ok(judgement.into_answer(false))
    }

    #[test]
    fn a_client_gets_address_and_name_server_but_no_more() {
        let mut ipcp = ipcp();
        let reject =
            judge(&mut ipcp, &hex!("0206 002d0f01 0306 00000000 8106 00000000 8306 00000000 8206 00000000"));
        assert_eq!(
            reject,
            Ok((Code::CONFIGURE_REJECT, hex!("0206 002d0f01 8306 00000000 8206 00000000").to_vec()))
        );
        let nak = judge(&mut ipcp, &hex!("0306 00000000 8106 00000000"));
        assert_eq!(nak, Ok((Code::CONFIGURE_NAK, hex!("0306 0a140007 8106 09090909").to_vec())));
        assert_eq!(judge(&mut ipcp, &hex!("0306 0a140007 8106 09090909")), Ok((Code::CONFIGURE_ACK, vec![])));
    }

    #[test]
    fn a_client_that_asks_for_no_address_is_told_to() {
        assert_eq!(judge(&mut ipcp(), &[]), Ok((Code::CONFIGURE_NAK, hex!("0306 0a140007").to_vec())));
    }

    #[test]
    fn a_client_cannot_insist_on_an_address() {
        let mut ipcp = ipcp();
        for _ in 0..MAX_FAILURE {
            assert_eq!(judge(&mut ipcp, &hex!("0306 c0a80102")).unwrap().0, Code::CONFIGURE_NAK);
        }
        let reason = judge(&mut ipcp, &hex!("0306 c0a80102")).unwrap_err();
        assert!(reason.to_string().contains("10.20.0.7 and insists on 192.168.1.2"), "{reason}");
    }

    #[test]
    fn our_address_is_given_up_only_when_rejected_or_naked_for_long() {
        let mut wire = Wire::new([0; 32]);
        let mut ipcp = ipcp();
        assert_eq!(ipcp.request(), hex!("0306 0a140001"));
        for _ in 1..MAX_FAILURE {
            ipcp.naked(Options::parse(&hex!("0306 01020304")).unwrap(), &mut wire).unwrap();
            assert_eq!(ipcp.request(), hex!("0306 0a140001"));
        }
        ipcp.naked(Options::parse(&hex!("0306 01020304")).unwrap(), &mut wire).unwrap();
        assert!(ipcp.request().is_empty());
    }
}
