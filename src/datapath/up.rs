//! Up: what the sockets had ready becomes IP packets for the TUN device.

use std::{ops::Range, time::Instant};

use arrayvec::ArrayVec;
use ipsec::{Lane, OpenKey, Path, Sequence, Spi};
use l2tp::SessionKey;

use super::{Control, Datapath, Discard, HEARD_INTERVAL, L2TP_PORT, LANES, Origin, rules::Inner};

/// One UDP datagram as it came, non-ESP marker and all, or one native ESP packet; it is decrypted in place.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Where it came from and to which of our addresses.
    pub path: Path,
    /// The payload of UDP, or of IP.
    pub bytes: &'a mut [u8],
}

/// The IP packets that a batch of datagrams carried, as places in those datagrams.
#[derive(Debug, Default)]
pub struct Uplink {
    packets: Vec<(usize, Range<usize>)>,
}

impl Uplink {
    /// Index of the datagram and place of the packet in it, in the order of arrival.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = (usize, Range<usize>)> + '_ {
        self.packets.iter().cloned()
    }
}

/// A datagram that is something to us.
#[derive(Debug)]
pub(super) enum Arrival {
    Ike { datagram: usize, message: Range<usize> },
    Esp { datagram: usize, inbound: usize, sequence: Sequence, verified: bool },
}

impl Datapath {
    /// Takes `datagrams` up the stack. IP packets go to `uplink`, all else to `control`.
    pub(crate) fn up(
        &mut self,
        now: Instant,
        origin: Origin,
        datagrams: &mut [Datagram<'_>],
        uplink: &mut Uplink,
        control: &mut Vec<Control>,
    ) {
        uplink.packets.clear();
        self.look_ahead_up(datagrams);
        let mut arrivals = std::mem::take(&mut self.arrivals);
        arrivals.clear();
        for (index, datagram) in datagrams.iter().enumerate() {
            arrivals.extend(self.classify(origin, index, datagram));
        }
        for chunk in arrivals.chunks_mut(LANES) {
            self.open(datagrams, chunk);
        }
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Ike { datagram, message } => control.push(Control::Ike { datagram, message }),
                Arrival::Esp { verified: false, .. } => self.esp_discards.count(ipsec::EspDiscard::BadIcv),
                Arrival::Esp { datagram: index, inbound, sequence, verified: true } => {
                    let Some(datagram) = datagrams.get_mut(index) else { continue };
                    self.deliver(now, index, datagram, inbound, sequence, uplink, control);
                }
            }
        }
        self.arrivals = arrivals;
        self.packets_in += uplink.packets.len() as u64;
    }

    /// Tells IKE, ESP and keepalives apart, RFC 3948 §2, and refuses ESP that needs no cryptography to be refused.
    fn classify(&mut self, origin: Origin, index: usize, datagram: &Datagram<'_>) -> Option<Arrival> {
        let bytes = &*datagram.bytes;
        if datagram.path.is_native() {
            return self.classify_esp(origin, index, datagram);
        }
        if datagram.path.local.port() != ipsec::NAT_T_PORT {
            return Some(Arrival::Ike { datagram: index, message: 0..bytes.len() });
        }
        if bytes == KEEPALIVE {
            self.discards.count(Discard::Keepalive);
            return None;
        }
        if bytes.starts_with(&NON_ESP_MARKER) {
            // iOS sometimes puts the marker twice. An initiator cookie is never zero, so a second one is nothing else.
            let doubled = bytes.get(4..8) == Some(&NON_ESP_MARKER);
            return Some(Arrival::Ike { datagram: index, message: if doubled { 8 } else { 4 }..bytes.len() });
        }
        self.classify_esp(origin, index, datagram)
    }

    fn classify_esp(&mut self, origin: Origin, index: usize, datagram: &Datagram<'_>) -> Option<Arrival> {
        let bytes = &*datagram.bytes;
        let Some((spi, _)) = bytes.split_first_chunk::<4>() else {
            self.discards.count(Discard::Runt);
            return None;
        };
        let spi = Spi(u32::from_be_bytes(*spi));
        let Some(&inbound) = self.by_spi.get(&spi) else {
            if !self.elsewhere.hand_esp(origin, spi, datagram) {
                self.discards.count(Discard::UnknownSpi);
            }
            return None;
        };
        if self.peers[self.inbound[inbound].peer].path.is_native() != datagram.path.is_native() {
            self.discards.count(Discard::OtherEncapsulation);
            return None;
        }
        match self.inbound[inbound].sa.check(bytes) {
            Ok(sequence) => Some(Arrival::Esp { datagram: index, inbound, sequence, verified: false }),
            Err(discard) => {
                self.esp_discards.count(discard);
                None
            }
        }
    }

    /// Verifies and decrypts the ESP packets among `arrivals`, at most [`LANES`] of them, all at once.
    fn open(&self, datagrams: &mut [Datagram<'_>], arrivals: &mut [Arrival]) {
        let mut rest = datagrams.iter_mut();
        let mut taken = 0;
        let mut lanes = ArrayVec::<Lane<'_, OpenKey>, LANES>::new();
        for arrival in arrivals.iter() {
            let Arrival::Esp { datagram, inbound, .. } = arrival else { continue };
            // Arrivals are in the order of datagrams, so each is found ahead.
            let Some(found) = rest.nth(datagram - taken) else { break };
            taken = datagram + 1;
            lanes.push(Lane { key: self.inbound[*inbound].sa.key(), packet: found.bytes });
        }
        let mut results = [false; LANES];
        let results = &mut results[..lanes.len()];
        ipsec::open_batch(&mut lanes, results);
        let verdicts = arrivals.iter_mut().filter_map(|arrival| match arrival {
            Arrival::Esp { verified, .. } => Some(verified),
            Arrival::Ike { .. } => None,
        });
        for (verdict, result) in verdicts.zip(results) {
            *verdict = *result;
        }
    }

    /// Takes one decrypted ESP packet the rest of the way.
    #[expect(
        clippy::too_many_arguments,
        reason = "the loop's own variables; a struct would only rename them"
    )]
    fn deliver(
        &mut self,
        now: Instant,
        index: usize,
        datagram: &mut Datagram<'_>,
        inbound: usize,
        sequence: Sequence,
        uplink: &mut Uplink,
        control: &mut Vec<Control>,
    ) {
        let entry = &mut self.inbound[inbound];
        let suite = entry.sa.suite();
        let accepted = entry.sa.accept(sequence, datagram.bytes);
        if entry.sa.suite() != suite {
            // The client cuts HMAC-SHA2-256 otherwise than the RFC says: so do we, toward it.
            let (spi, suite, peer) = (entry.sa.spi(), entry.sa.suite(), &mut self.peers[entry.peer]);
            peer.outbound
                .iter_mut()
                .filter(|outbound| outbound.inbound == spi)
                .for_each(|outbound| outbound.sa.follow(suite));
            control.push(Control::Truncated { peer: peer.id, suite });
        }
        let udp = match accepted {
            Ok(range) => range,
            Err(discard) => return self.esp_discards.count(discard),
        };
        if !entry.confirmed {
            entry.confirmed = true;
            control.push(Control::Confirmed { inbound: entry.sa.spi() });
        }
        let peer = &mut self.peers[entry.peer];
        // A packet that the network held back must not move the client back to the port it left.
        if peer.path != datagram.path && entry.sa.is_newest(sequence) {
            peer.path = datagram.path;
            control.push(Control::Moved { peer: peer.id, path: datagram.path });
        }
        let Some((port, message)) = l2tp_in_udp(datagram.bytes, udp) else {
            return self.discards.count(Discard::NotL2tp);
        };
        let bytes = &datagram.bytes[message.clone()];
        if l2tp::is_control(bytes) {
            return control.push(Control::L2tp { peer: peer.id, port, datagram: index, message });
        }
        let Ok(data) = l2tp::parse_data(bytes) else {
            return self.discards.count(Discard::MalformedL2tp);
        };
        let key = SessionKey { tunnel_id: data.tunnel_id, session_id: data.session_id };
        let Some(place) = peer.session(port, key) else {
            return control.push(Control::Early { peer: peer.id, port, datagram: index, message });
        };
        let Ok((protocol, payload)) = ppp::parse_frame(data.payload) else {
            return self.discards.count(Discard::MalformedPpp);
        };
        let peer = peer.id;
        let entry = &mut self.sessions[place];
        let session = entry.index;
        if now.saturating_duration_since(entry.heard) >= HEARD_INTERVAL {
            entry.heard = now;
            control.push(Control::Heard { peer, session });
        }
        // Both are parts of `datagram.bytes`: what follows the headers reaches to the message's end, less any padding.
        let frame_len = data.payload.len();
        let frame_end = message.start + offset(bytes, data.payload) + frame_len;
        let packet = frame_end - payload.len()..frame_end;
        let inner = match protocol {
            ppp::Protocol::IPV4 => self.inner_ipv4(now, place, datagram.bytes, packet),
            // Without a prefix it is for the link to say that it does not speak that.
            ppp::Protocol::IPV6 if entry.prefix6.is_some() => {
                self.inner_ipv6(now, place, datagram.bytes, packet)
            }
            _ => {
                let frame = frame_end - frame_len..frame_end;
                return control.push(Control::Ppp { peer, session, datagram: index, frame });
            }
        };
        match inner {
            Ok(Inner::Beyond(packet)) => uplink.packets.push((index, packet)),
            Ok(Inner::OnLink(packet)) => {
                control.push(Control::OnLink { peer, session, datagram: index, packet });
            }
            Err(discard) => self.discards.count(discard),
        }
    }
}

/// The client's UDP port and the place of the L2TP message, if `udp` in `packet` holds one. The UDP checksum is not looked
/// at: behind a NAT it was made over an address that we do not know, and ESP has authenticated the packet, RFC 3948 §3.1.2.
fn l2tp_in_udp(packet: &[u8], udp: Range<usize>) -> Option<(u16, Range<usize>)> {
    let start = udp.start;
    let (header, payload) = packet.get(udp)?.split_first_chunk::<8>()?;
    let [s0, s1, d0, d1, n0, n1, _, _] = *header;
    let len = usize::from(u16::from_be_bytes([n0, n1])).checked_sub(header.len())?;
    let port = u16::from_be_bytes([s0, s1]);
    (u16::from_be_bytes([d0, d1]) == L2TP_PORT && len <= payload.len())
        .then(|| (port, start + header.len()..start + header.len() + len))
}

/// How far into `whole` its part begins.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// RFC 3948 §2.3.
const KEEPALIVE: &[u8] = &[0xff];
/// RFC 3948 §2.2.
const NON_ESP_MARKER: [u8; 4] = [0; 4];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_l2tp_in_udp_and_nothing_else() {
        let mut packet = vec![0xee, 0xee];
        packet.extend_from_slice(&[0x9c, 0x40, 0x06, 0xa5, 0, 11, 0xbe, 0xef, 1, 2, 3, 4]);
        assert_eq!(l2tp_in_udp(&packet, 2..14), Some((40000, 10..13)));
        assert_eq!(l2tp_in_udp(&packet, 2..12), None, "UDP length beyond the packet");
        assert_eq!(l2tp_in_udp(&packet, 2..9), None, "half a header");
        packet[5] = 0xa6;
        assert_eq!(l2tp_in_udp(&packet, 2..14), None, "another port");
        packet[5] = 0xa5;
        packet[7] = 7;
        assert_eq!(l2tp_in_udp(&packet, 2..14), None, "UDP length shorter than its header");
    }

    #[test]
    fn an_offset_is_where_the_part_begins() {
        let whole = [1u8, 2, 3, 4];
        assert_eq!(offset(&whole, &whole[3..]), 3);
        assert_eq!(offset(&whole, &whole[4..]), 4);
    }
}
