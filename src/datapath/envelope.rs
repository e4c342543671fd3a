//! What is put around every packet to a session.

use std::ops::Range;

use ipsec::{IvSource, OutboundSa, Path};

use super::{
    Discard, Inside, Meter, PPP_LEN, PREFIX_LEN, UDP_LEN, checksum,
    down::{Downlink, Pace},
    fragment::{Fragment, Fragments},
};

/// What packets to one session have in common.
pub(super) struct Envelope<'a> {
    /// The place of its client.
    pub(super) peer: usize,
    pub(super) path: Path,
    pub(super) sa: &'a mut OutboundSa,
    pub(super) ivs: &'a mut IvSource,
    /// UDP, L2TP and PPP; only the UDP length is written anew.
    pub(super) headers: [u8; PREFIX_LEN],
    pub(super) meter: &'a Meter,
}

/// A session's constant headers before a packet to `inside`.
pub(super) fn headers(prefix: &[u8; PREFIX_LEN], inside: Inside) -> [u8; PREFIX_LEN] {
    let mut headers = *prefix;
    match inside {
        Inside::V4(_) => {}
        Inside::V6(_) | Inside::Delegated(_) => headers[PPP_HEADER].copy_from_slice(&ppp::DATA_HEADER_IPV6),
    }
    headers
}

impl Envelope<'_> {
    /// Puts one more packet of `len` octets into `down`, framed but not yet encrypted. It is written by `write`, once, where it goes on from.
    #[inline]
    pub(super) fn put(
        &mut self,
        down: &mut Downlink,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), Discard> {
        let header_len = self.sa.header_len();
        let payload_len = PREFIX_LEN + len;
        let outer_len = self.sa.packet_len(payload_len);
        if outer_len > MAX_UDP_PAYLOAD {
            return Err(Discard::TooLarge);
        }
        let slot = down.reserve(outer_len);
        let payload = &mut slot[header_len..header_len + payload_len];
        let (headers, body) = payload.split_at_mut(PREFIX_LEN);
        headers.copy_from_slice(&self.headers);
        let udp_len = u16::try_from(payload_len).map_err(|_| Discard::TooLarge)?;
        headers[UDP_LENGTH].copy_from_slice(&udp_len.to_be_bytes());
        write(body);
        checksum::fill(self.path, payload);
        self.sa.frame(self.ivs, slot, payload_len).map_err(|_| Discard::Exhausted)?;
        self.meter.count_out(1, len as u64);
        let cipher = if self.sa.suite().is_slow() { Pace::Slow } else { Pace::Quick };
        down.commit(self.peer, self.path, outer_len, cipher);
        Ok(())
    }

    /// The same in fragments of at most `mtu` octets.
    #[cold]
    pub(super) fn put_cut(
        &mut self,
        down: &mut Downlink,
        len: usize,
        write: impl FnOnce(&mut [u8]),
        mtu: u16,
    ) -> Result<(), Discard> {
        let mut whole = std::mem::take(&mut down.whole);
        whole.resize(len, 0);
        write(&mut whole);
        let put = |fragment: Fragment<'_>| self.put(down, fragment.len(), |body| fragment.write(body));
        let done = match Fragments::of(&whole, mtu) {
            Some(mut fragments) => fragments.try_for_each(put),
            None => Err(Discard::MalformedIp),
        };
        down.whole = whole;
        done
    }
}

/// Where the PPP header of a packet is in its session's constant headers.
const PPP_HEADER: Range<usize> = PREFIX_LEN - PPP_LEN..PREFIX_LEN;
/// The length field of a UDP header.
const UDP_LENGTH: Range<usize> = 4..6;
const _: () = assert!(UDP_LENGTH.end <= UDP_LEN);
/// What a UDP datagram over IPv4 can carry.
const MAX_UDP_PAYLOAD: usize = 65_507;
