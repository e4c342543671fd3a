//! Negotiation of one control protocol's options, RFC 1661 §4, as far as a client needs it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Codes, RFC 1661 §5 and RFC 1570 §1.
pub(super) mod code {
    pub(crate) const CONFIGURE_REQUEST: u8 = 1;
    pub(crate) const CONFIGURE_ACK: u8 = 2;
    pub(crate) const CONFIGURE_NAK: u8 = 3;
    pub(crate) const CONFIGURE_REJECT: u8 = 4;
    pub(crate) const TERMINATE_REQUEST: u8 = 5;
    pub(crate) const TERMINATE_ACK: u8 = 6;
    pub(crate) const PROTOCOL_REJECT: u8 = 8;
    pub(crate) const ECHO_REQUEST: u8 = 9;
    pub(crate) const ECHO_REPLY: u8 = 10;
    pub(crate) const IDENTIFICATION: u8 = 12;
}

/// A control packet: code, identifier, data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) code: u8,
    pub(super) identifier: u8,
    pub(super) data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` unless the length fits; what follows it is padding.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let ([code, identifier, high, low], _) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let data = bytes.get(..length)?.get(4..)?;
        Some(Self { code: *code, identifier: *identifier, data })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let length = u16::try_from(self.data.len() + 4).expect("our own packets are short");
        [&[self.code, self.identifier][..], &length.to_be_bytes(), self.data].concat()
    }
}

/// An option: type and value.
pub(super) type ConfigOption = (u8, Vec<u8>);

/// All options of a packet; `None` if they break off.
pub(super) fn decode_options(mut bytes: &[u8]) -> Option<Vec<ConfigOption>> {
    let mut options = Vec::new();
    while let Some([kind, length]) = bytes.first_chunk() {
        let (option, rest) = bytes.split_at_checked(usize::from(*length))?;
        options.push((*kind, option.get(2..)?.to_vec()));
        bytes = rest;
    }
    bytes.is_empty().then_some(options)
}

pub(super) fn encode_options(options: &[ConfigOption]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in options {
        bytes.extend([*kind, u8::try_from(value.len() + 2).expect("our own options are short")]);
        bytes.extend(value);
    }
    bytes
}

/// What to say to the peer's request.
pub(super) enum Answer {
    Ack,
    Nak(Vec<ConfigOption>),
    Reject(Vec<ConfigOption>),
}

/// How one protocol is negotiated.
pub(super) struct Negotiation {
    pub(super) protocol: u16,
    /// What we ask for.
    pub(super) wanted: Vec<ConfigOption>,
    identifier: u8,
    /// The peer acknowledged our request.
    acknowledged: bool,
    /// We acknowledged the peer's request.
    acknowledges: bool,
    restart: Duration,
    left: u32,
    resend_at: Option<Instant>,
}

impl Negotiation {
    pub(super) fn new(protocol: u16, identifier: u8, wanted: Vec<ConfigOption>, restart: Duration) -> Self {
        Self {
            protocol,
            wanted,
            identifier,
            acknowledged: false,
            acknowledges: false,
            restart,
            left: 0,
            resend_at: None,
        }
    }

    /// Begins, or begins anew, and sends the first request.
    pub(super) fn start(&mut self, now: Instant, tries: u32, out: &mut VecDeque<Vec<u8>>) {
        self.acknowledged = false;
        self.acknowledges = false;
        self.left = tries;
        self.send_request(now, out);
    }

    pub(super) fn is_open(&self) -> bool {
        self.acknowledged && self.acknowledges
    }

    fn send_request(&mut self, now: Instant, out: &mut VecDeque<Vec<u8>>) {
        self.left = self.left.saturating_sub(1);
        self.resend_at = Some(now + self.restart);
        let data = encode_options(&self.wanted);
        let request = Packet { code: code::CONFIGURE_REQUEST, identifier: self.identifier, data: &data };
        out.push_back(frame(self.protocol, &request.encode()));
    }

    /// Takes a Configure-Request, which `judge` looks at.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        judge: impl FnOnce(&[ConfigOption]) -> Answer,
        out: &mut VecDeque<Vec<u8>>,
    ) {
        let Some(options) = decode_options(packet.data) else { return };
        if self.is_open() {
            // RFC 1661 §4.1: a request in Opened takes the layer down, and both sides begin anew.
            self.acknowledged = false;
            self.identifier = self.identifier.wrapping_add(1);
            self.send_request(now, out);
        }
        let (code, data) = match judge(&options) {
            Answer::Ack => (code::CONFIGURE_ACK, packet.data.to_vec()),
            Answer::Nak(options) => (code::CONFIGURE_NAK, encode_options(&options)),
            Answer::Reject(options) => (code::CONFIGURE_REJECT, encode_options(&options)),
        };
        self.acknowledges = code == code::CONFIGURE_ACK;
        let answer = Packet { code, identifier: packet.identifier, data: &data };
        out.push_back(frame(self.protocol, &answer.encode()));
    }

    /// Takes an Ack, Nak or Reject of our request.
    pub(super) fn handle_answer(&mut self, now: Instant, packet: &Packet<'_>, out: &mut VecDeque<Vec<u8>>) {
        if packet.identifier != self.identifier || self.acknowledged {
            return;
        }
        let Some(options) = decode_options(packet.data) else { return };
        match packet.code {
            code::CONFIGURE_ACK if options == self.wanted => {
                self.acknowledged = true;
                self.resend_at = None;
                return;
            }
            code::CONFIGURE_NAK => {
                for (kind, value) in options {
                    if let Some(wanted) = self.wanted.iter_mut().find(|(ours, _)| *ours == kind) {
                        wanted.1 = value;
                    }
                }
            }
            code::CONFIGURE_REJECT => {
                self.wanted.retain(|(ours, _)| options.iter().all(|(kind, _)| kind != ours))
            }
            _ => return,
        }
        self.identifier = self.identifier.wrapping_add(1);
        self.send_request(now, out);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.resend_at
    }

    /// `false` when requests are used up.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Vec<u8>>) -> bool {
        if self.resend_at.is_none_or(|due| now < due) {
            return true;
        }
        if self.left == 0 {
            self.resend_at = None;
            return false;
        }
        self.send_request(now, out);
        true
    }

    /// The peer does not speak this protocol.
    pub(super) fn give_up(&mut self) {
        self.resend_at = None;
        self.acknowledged = false;
    }

    /// An option's value as it stands.
    pub(super) fn value(&self, kind: u8) -> Option<&[u8]> {
        self.wanted.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
    }
}

/// A whole frame: address, control, protocol, packet (RFC 1662 §3.1).
pub(super) fn frame(protocol: u16, packet: &[u8]) -> Vec<u8> {
    [&[0xff, 0x03][..], &protocol.to_be_bytes(), packet].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_survive_and_no_prefix_does() {
        let data = encode_options(&[(1, vec![5, 120]), (7, Vec::new())]);
        let bytes = Packet { code: 1, identifier: 9, data: &data }.encode();
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!((packet.code, packet.identifier, packet.data), (1, 9, &data[..]));
        assert_eq!(decode_options(packet.data).unwrap(), [(1, vec![5, 120]), (7, Vec::new())]);
        for length in 0..bytes.len() {
            assert!(Packet::decode(&bytes[..length]).is_none());
        }
        assert!(decode_options(&[1, 1]).is_none(), "shorter than its own header");
    }
}
