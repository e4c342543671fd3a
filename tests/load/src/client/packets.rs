//! Packets: an IP packet into ESP and out of it.

use std::ops::Range;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;

use super::{Client, Transmit, Upper};
use crate::esp::OutboundSa;
use crate::ike::Setup;
use crate::udp;

impl Client {
    /// Takes an ESP packet in place; the place of the IP packet of one that carries it.
    ///
    /// The load generator's way in: no copy, and nothing queued for data. After `None` the client may have
    /// something to send.
    pub fn open_packet(&mut self, now: Instant, datagram: &mut [u8]) -> Option<Range<usize>> {
        let range = self.open(now, datagram);
        if range.is_none() {
            self.settle(now);
        }
        range
    }

    pub(super) fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        let spi = packet.first_chunk::<4>()?;
        let (sa, _) = self.inbound.iter_mut().find(|(sa, _)| sa.spi() == *spi)?;
        let range = sa.open(packet)?;
        let base = packet.as_ptr().addr();
        let setup = self.ike.setup();
        let payload = udp::payload(packet.get(range)?, setup.l2tp_port, (setup.server, setup.local))?;
        let ip = match &mut self.upper {
            Upper::Nothing => None,
            Upper::Tunnel(lac) => {
                lac.handle_datagram(now, payload);
                None
            }
            Upper::Link(lac, link) => {
                let frame = lac.handle_datagram(now, payload)?;
                link.handle_frame(now, frame)
            }
        }?;
        let start = ip.as_ptr().addr() - base;
        Some(start..start + ip.len())
    }

    /// Sends an IP packet through the tunnel; `false` before there is one.
    pub fn send_packet(&mut self, _now: Instant, packet: &[u8]) -> bool {
        let mut payload = Vec::with_capacity(packet.len() + 128);
        let sealed = self.seal_packet(packet, &mut payload);
        if sealed {
            self.transmits.push_back(Transmit::esp(self.esp_port, payload));
        }
        sealed
    }

    /// Appends an IP packet as the ESP packet that carries it.
    ///
    /// The load generator's way out; it may seal ahead of sending.
    pub fn seal_packet(&mut self, packet: &[u8], datagram: &mut Vec<u8>) -> bool {
        let Upper::Link(lac, link) = &mut self.upper else { return false };
        let is_ipv6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
        if !(if is_ipv6 { link.has_ipv6() } else { link.is_up() }) {
            return false;
        }
        let ppp = if is_ipv6 { PPP_IPV6 } else { PPP_IP };
        let Some(sa) = &mut self.outbound else { return false };
        let mut header = Vec::with_capacity(16);
        lac.data_header(packet.len() + ppp.len(), &mut header);
        seal(self.ike.setup(), sa, &mut self.rng, &[&header, &ppp, packet], datagram);
        true
    }

    /// Sends an L2TP datagram of the caller's making, for tests of what a hostile client may say.
    pub fn send_l2tp(&mut self, datagram: &[u8]) -> bool {
        let Some(sa) = &mut self.outbound else { return false };
        let mut payload = Vec::new();
        seal(self.ike.setup(), sa, &mut self.rng, &[datagram], &mut payload);
        self.transmits.push_back(Transmit::esp(self.esp_port, payload));
        true
    }

    /// Sends a PPP frame of the caller's making, for tests of what a hostile client may say.
    pub fn send_frame(&mut self, frame: &[u8]) -> bool {
        let Upper::Link(lac, _) = &mut self.upper else { return false };
        let mut datagram = Vec::new();
        lac.data_header(frame.len(), &mut datagram);
        datagram.extend(frame);
        self.send_l2tp(&datagram)
    }
}

/// Wraps an L2TP datagram into UDP and ESP.
pub(super) fn seal(
    setup: &Setup,
    sa: &mut OutboundSa,
    rng: &mut ChaCha20Rng,
    parts: &[&[u8]],
    datagram: &mut Vec<u8>,
) {
    let addresses = (setup.esp.udp_checksum || setup.local.is_ipv6()).then_some((setup.local, setup.server));
    let header = udp::header(setup.l2tp_port, addresses, parts);
    let whole: Vec<&[u8]> = [&header[..]].into_iter().chain(parts.iter().copied()).collect();
    sa.seal(rng, &whole, datagram);
}

/// Address, control, protocol: IPv4, IPv6.
const PPP_IP: [u8; 4] = [0xff, 0x03, 0x00, 0x21];
const PPP_IPV6: [u8; 4] = [0xff, 0x03, 0x00, 0x57];
