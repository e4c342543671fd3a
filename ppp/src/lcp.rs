//! The options of LCP, RFC 1661 §6.
//!
//! | option        | the client asks                | we ask                                       |
//! |---------------|--------------------------------|----------------------------------------------|
//! | 1 MRU         | 576 and more                   | ours                                         |
//! | 2 asyncmap    | any: it means nothing here     | never                                        |
//! | 3 auth        | rejected: we do not log in     | one protocol at a time, in configured order  |
//! | 5 magic       | yes, unless it is our own      | yes                                          |
//! | 7 PFC, 8 ACFC | yes; we never compress, though | never: whoever sends data to us may keep it simple |
//! | others        | rejected                       | never                                        |

use crate::auth::{AuthProtocol, describe_offer};
use crate::config::Config;
use crate::control::{ControlProtocol, Judgement};
use crate::packet::{Options, Protocol, push_option};
use crate::reason::Reason;
use crate::wire::Wire;

pub(crate) struct Lcp {
    /// What we ask for, until the client rejects the option.
    mru: Option<u16>,
    /// What may still be asked for; the first is what we do ask for.
    offers: Vec<AuthProtocol>,
    allowed: Vec<AuthProtocol>,
    /// Ours; zero once the client has rejected the option.
    magic: u32,
    peer_mru: u16,
    /// How often in a row the client's magic number was our own.
    loops: u32,
}

impl Lcp {
    pub(crate) fn new(config: &Config, wire: &mut Wire) -> Self {
        Self {
            mru: Some(config.mru),
            offers: config.auth.clone(),
            allowed: config.auth.clone(),
            magic: wire.magic(),
            peer_mru: DEFAULT_MRU,
            loops: 0,
        }
    }

    pub(crate) fn magic(&self) -> u32 {
        self.magic
    }

    pub(crate) fn peer_mru(&self) -> u16 {
        self.peer_mru
    }

    /// What the client has to authenticate itself with.
    pub(crate) fn auth(&self) -> Option<AuthProtocol> {
        self.offers.first().copied()
    }

    /// The client wants none of our authentication protocols, but perhaps another one.
    pub(crate) fn auth_refused(&self, wanted: Option<&[u8]>) -> Reason {
        let offered = self.allowed.iter().map(AuthProtocol::to_string).collect::<Vec<_>>().join(", ");
        Reason::AuthRefused { offered, wanted: wanted.map(describe_offer) }
    }

    /// The peer Nak'ed our protocol: the one it would rather use if we allow it, else the next of ours.
    fn next_offer(&mut self, wanted: &[&[u8]]) -> Result<(), Reason> {
        if !self.offers.is_empty() {
            self.offers.remove(0);
        }
        let welcome = wanted
            .iter()
            .filter_map(|option| AuthProtocol::from_option(option))
            .find_map(|protocol| self.offers.iter().position(|&offer| offer == protocol));
        if let Some(welcome) = welcome {
            self.offers.swap(0, welcome);
        }
        if self.offers.is_empty() { Err(self.auth_refused(wanted.first().copied())) } else { Ok(()) }
    }
}

impl ControlProtocol for Lcp {
    const PROTOCOL: Protocol = Protocol::LCP;

    fn request(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if let Some(mru) = self.mru {
            push_option(&mut options, MRU, &mru.to_be_bytes());
        }
        if let Some(auth) = self.auth() {
            push_option(&mut options, AUTH, auth.option());
        }
        if self.magic != 0 {
            push_option(&mut options, MAGIC, &self.magic.to_be_bytes());
        }
        options
    }

    fn judge(&mut self, options: Options<'_>, wire: &mut Wire) -> Result<Judgement, Reason> {
        let mut judgement = Judgement::default();
        // §6.4: our own number means our own request, come back. Only a new number can tell, so nothing else of it
        // is judged: rejecting our own demand for authentication would look like the client's refusal.
        let own = self.magic.to_be_bytes();
        if self.magic != 0
            && let Some(option) = options.clone().find(|option| option.kind == MAGIC && option.data == own)
        {
            self.loops += 1;
            if self.loops == LOOPS {
                return Err(Reason::LoopedBack);
            }
            judgement.nak(MAGIC, option.whole, &wire.magic().to_be_bytes());
            return Ok(judgement);
        }
        self.loops = 0;
        let mut peer_mru = DEFAULT_MRU;
        for option in options {
            match (option.kind, option.data) {
                (MRU, &[high, low]) => match u16::from_be_bytes([high, low]) {
                    // An IPv4 host must be able to take 576 octets, RFC 791 §3.1; a rejected packet's copy fits too.
                    ..MINIMUM_MRU => judgement.nak(MRU, option.whole, &MINIMUM_MRU.to_be_bytes()),
                    mru => peer_mru = mru,
                },
                // pppd and its kin (Android, Apple) always ask. Acknowledging costs nothing, a Reject a round
                // trip; there is no asynchronous line for the map to be applied to.
                (ASYNCMAP, &[_, _, _, _]) => {}
                // §6.4: zero is illegal.
                (MAGIC, &[0, 0, 0, 0]) => judgement.nak(MAGIC, option.whole, &wire.magic().to_be_bytes()),
                (MAGIC, &[_, _, _, _]) => {}
                (PFC | ACFC, &[]) => {}
                // §5.3 would Nak a known option of a wrong length; whoever sends such a thing is not helped by a hint.
                _ => judgement.reject(option.whole),
            }
        }
        if judgement.is_ack() {
            self.peer_mru = peer_mru;
        }
        Ok(judgement)
    }

    fn naked(&mut self, options: Options<'_>, wire: &mut Wire) -> Result<(), Reason> {
        let mut wanted = Vec::new();
        for option in options {
            match (option.kind, option.data) {
                // A larger MRU than ours need not be asked for: without the option it is 1500, which we can receive.
                (MRU, &[high, low]) if self.mru.is_some() => {
                    let mru = u16::from_be_bytes([high, low]);
                    self.mru = (MINIMUM_MRU..DEFAULT_MRU).contains(&mru).then_some(mru);
                }
                (AUTH, data) => wanted.push(data),
                // §6.4: the hint is not taken; two ends of a looped line would take the same one.
                (MAGIC, _) if self.magic != 0 => self.magic = wire.magic(),
                // What the client would like to see in our request (§5.3), and we never ask for.
                _ => {}
            }
        }
        if wanted.is_empty() { Ok(()) } else { self.next_offer(&wanted) }
    }

    fn rejected(&mut self, options: Options<'_>) -> Result<(), Reason> {
        for option in options {
            match option.kind {
                MRU => self.mru = None,
                MAGIC => self.magic = 0,
                // pppd Naks what it can replace: a Reject means that it will not authenticate itself in any way.
                AUTH => return Err(self.auth_refused(None)),
                _ => {}
            }
        }
        Ok(())
    }
}

const MRU: u8 = 1;
/// RFC 1662 §7.1.
const ASYNCMAP: u8 = 2;
const AUTH: u8 = 3;
const MAGIC: u8 = 5;
const PFC: u8 = 7;
const ACFC: u8 = 8;

/// §6.1: what holds when nobody asks for anything.
const DEFAULT_MRU: u16 = 1500;
const MINIMUM_MRU: u16 = 576;
/// So many requests in a row with our own magic number cannot be chance.
const LOOPS: u32 = 5;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::packet::Code;

    fn judge(request: &[u8]) -> (Code, Vec<u8>) {
        let mut wire = Wire::new([3; 32]);
        let mut lcp = Lcp::new(&Config::default(), &mut wire);
        lcp.judge(Options::parse(request).unwrap(), &mut wire).unwrap().into_answer(false)
    }

    #[test]
    fn what_real_clients_ask_for_is_acknowledged() {
        let pppd = hex!("0104 0578 0206 00000000 0506 a1b2c3d4 0702 0802");
        assert_eq!(judge(&pppd), (Code::CONFIGURE_ACK, vec![]));
        assert_eq!(judge(&[]), (Code::CONFIGURE_ACK, vec![]));
    }

    #[test]
    fn everything_else_is_rejected_in_one_packet() {
        let request = hex!("0304 c023 0104 0010 0d03 06 1104 064e 0905 7f0000 0103 01 0703 01");
        let (code, options) = judge(&request);
        assert_eq!(code, Code::CONFIGURE_REJECT);
        assert_eq!(options, hex!("0304 c023 0d03 06 1104 064e 0905 7f0000 0103 01 0703 01"));
    }

    #[test]
    fn a_tiny_mru_and_a_zero_magic_number_are_naked() {
        assert_eq!(judge(&hex!("0104 0080")), (Code::CONFIGURE_NAK, hex!("0104 0240").to_vec()));
        let (code, options) = judge(&hex!("0506 00000000"));
        assert_eq!(code, Code::CONFIGURE_NAK);
        assert_ne!(options, hex!("0506 00000000"));
    }

    #[test]
    fn our_own_magic_number_again_and_again_is_a_loop() {
        let mut wire = Wire::new([3; 32]);
        let mut lcp = Lcp::new(&Config::default(), &mut wire);
        for _ in 1..LOOPS {
            let mirrored = lcp.request();
            let own = mirrored.get(9..).unwrap().to_vec();
            let judgement = lcp.judge(Options::parse(&own).unwrap(), &mut wire).unwrap();
            let (code, nak) = judgement.into_answer(false);
            assert_eq!(code, Code::CONFIGURE_NAK);
            let before = lcp.magic();
            lcp.naked(Options::parse(&nak).unwrap(), &mut wire).unwrap();
            assert_ne!(lcp.magic(), before);
        }
        let own = lcp.request().get(9..).unwrap().to_vec();
        assert_eq!(lcp.judge(Options::parse(&own).unwrap(), &mut wire).unwrap_err(), Reason::LoopedBack);
    }

    #[test]
    fn a_naked_mru_is_taken_if_it_is_sensible() {
        let mut wire = Wire::new([3; 32]);
        for (hint, request) in [(1280_u16, Some(1280)), (100, None), (9000, None)] {
            let mut lcp = Lcp::new(&Config::default(), &mut wire);
            let mut nak = Vec::new();
            push_option(&mut nak, MRU, &hint.to_be_bytes());
            lcp.naked(Options::parse(&nak).unwrap(), &mut wire).unwrap();
            assert_eq!(lcp.mru, request);
        }
    }
}
