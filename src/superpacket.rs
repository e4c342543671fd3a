//! Several IP packets of one flow that are still one, as a kernel hands them over that was asked to leave them so.
//!
//! ```text
//!   headers │ payload 1 │ payload 2 │ payload 3        a superpacket
//!
//!   headers │ payload 1
//!        headers │ payload 2                           its segments, each written once, where it goes on from
//!             headers │ payload 3
//! ```
//!
//! Every segment gets the headers of the whole with its own lengths, identification, sequence number, flags and
//! complete checksums. An ordinary packet is a superpacket of one; of that, the kernel may have left a checksum open.

use std::ops::Range;

use crate::checksum;

/// An IP packet, or several, and what is left to do for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superpacket<'a> {
    bytes: &'a [u8],
    left: Left,
    /// Which of its packets are meant: those from here on, and before there.
    from: usize,
    to: usize,
}

/// What whoever hands a packet over has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// The checksum: its field lies `field` octets behind `start` and holds the pseudo header's sum, to which everything
    /// from `start` on is still to be added.
    Checksum {
        /// Where what it covers begins.
        start: u16,
        /// Where in that it stands.
        field: u16,
    },
    /// To cut it into packets with so many octets of payload each, the last perhaps with fewer.
    Segmentation {
        /// What the payload is of.
        transport: Transport,
        /// Octets of payload.
        size: u16,
    },
}

/// A protocol whose payload can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768; each segment is a datagram.
    Udp,
}

impl<'a> Superpacket<'a> {
    /// Whether `bytes` are what `left` says is only looked at by [`Self::segments`].
    #[must_use]
    pub fn new(bytes: &'a [u8], left: Left) -> Self {
        Self { bytes, left, from: 0, to: usize::MAX }
    }

    /// Only these of its packets, by their number; there may be fewer.
    #[must_use]
    pub fn part(self, packets: Range<usize>) -> Self {
        Self { from: packets.start, to: packets.end, ..self }
    }

    /// The same, of octets that were copied from its own.
    pub(crate) fn of_copy(self, bytes: &[u8]) -> Superpacket<'_> {
        Superpacket { bytes, ..self }
    }

    /// The octets as they came.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// What is left to do.
    #[must_use]
    pub fn left(self) -> Left {
        self.left
    }

    /// The first `len` octets: what stands behind an IP packet in a buffer is not of it.
    #[must_use]
    pub(crate) fn truncate(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), ..self }
    }

    /// How many packets it seems to be; they need not be right.
    #[must_use]
    pub fn count(self) -> usize {
        let all = match self.left {
            Left::Segmentation { transport, size } if size > 0 => {
                let headers = header_lens(transport, self.bytes).map_or(0, |(ip, rest)| ip + rest);
                self.bytes.len().saturating_sub(headers).div_ceil(size.into()).max(1)
            }
            _ => 1,
        };
        all.min(self.to).saturating_sub(self.from)
    }

    /// The packets in it.
    ///
    /// # Errors
    ///
    /// If its headers do not agree with what is said to be left to do.
    pub fn segments(self) -> Result<Segments<'a>, Malformed> {
        let Self { bytes, from, to, .. } = self;
        let whole =
            |work| Segments { headers: &[], payload: bytes, size: bytes.len().max(1), work, from, to };
        match self.left {
            Left::Nothing => Ok(whole(Work::Nothing)),
            Left::Checksum { start, field } => {
                let (start, field) = (usize::from(start), usize::from(field));
                if bytes.len() < start + field + CHECKSUM_LEN {
                    Err(Malformed)
                } else {
                    Ok(whole(Work::Checksum { start, field }))
                }
            }
            Left::Segmentation { transport, size } => {
                let (ip, rest) = header_lens(transport, bytes).ok_or(Malformed)?;
                let (headers, payload) = bytes.split_at_checked(ip + rest).ok_or(Malformed)?;
                if size == 0 || payload.is_empty() || bytes.len() > MAX_LEN {
                    return Err(Malformed);
                }
                let sums = Sums::of(headers, ip, transport);
                let work = Work::Headers { ip, transport, sums };
                Ok(Segments { headers, payload, size: size.into(), work, from, to })
            }
        }
    }
}

impl<'a> From<&'a [u8]> for Superpacket<'a> {
    /// One packet with nothing left to do.
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(bytes, Left::Nothing)
    }
}

impl Transport {
    /// Without options.
    fn header_len(self) -> usize {
        match self {
            Self::Tcp => TCP_LEN,
            Self::Udp => UDP_LEN,
        }
    }
}

fn is_ipv6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte >> 4 == 6)
}

/// The octets of the IP header and of the transport header that `packet` begins with, if that is what it has. Of IPv6, the kernel
/// hands over whole flows without extension headers only (`TUN_F_TSO6` covers no others).
fn header_lens(transport: Transport, packet: &[u8]) -> Option<(usize, usize)> {
    let fixed = packet.first_chunk::<IP_LEN>()?;
    let (ip, protocol) = match fixed[0] >> 4 {
        4 => (usize::from(fixed[0] & 0x0f) * 4, fixed[9]),
        6 => (IPV6_LEN, fixed[6]),
        _ => return None,
    };
    let len = match (transport, protocol) {
        (Transport::Tcp, TCP) => usize::from(packet.get(ip + 12)? >> 4) * 4,
        (Transport::Udp, UDP) => UDP_LEN,
        _ => return None,
    };
    (ip >= IP_LEN && len >= transport.header_len()).then_some((ip, len))
}

/// A superpacket whose headers do not agree with what is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The packets in a superpacket, or in a part of it. That the headers have room for what is written into them was looked at.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    /// Those that each of several packets has; none of them if there is only one packet.
    headers: &'a [u8],
    payload: &'a [u8],
    size: usize,
    work: Work,
    from: usize,
    to: usize,
}

/// What is to be done to the octets of a packet once they are where they belong.
#[derive(Clone, Copy, Debug)]
enum Work {
    Nothing,
    Checksum {
        start: usize,
        field: usize,
    },
    /// To make headers of the whole, `ip` octets of them IP, those of one packet.
    Headers {
        ip: usize,
        transport: Transport,
        sums: Sums,
    },
}

/// What the headers of all segments have in common, summed up; to it, each adds what it has of its own. To sum up what was just written
/// would wait until it has arrived in the cache.
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// Of the IPv4 header without length, identification and checksum; IPv6 has no checksum.
    network: u64,
    /// Of the pseudo header without the length, and of the transport header without its length or, in TCP's, sequence number and flags;
    /// without the checksum.
    transport: u64,
}

impl Sums {
    /// `headers` are those of `ip` octets and of `transport`.
    fn of(headers: &[u8], ip: usize, transport: Transport) -> Self {
        let (network, rest) = headers.split_at(ip);
        let (network, pseudo) = if is_ipv6(network) {
            let addresses = network.last_chunk().map_or(0, |last| checksum::pseudo6(last, network[6], 0));
            (0, addresses)
        } else {
            let without = [2, 4, 10].map(|field| checksum::complement(network, field));
            let pseudo = network.first_chunk().map_or(0, |fixed| checksum::pseudo(fixed, 0));
            (checksum::sum(network) + without.iter().sum::<u64>(), pseudo)
        };
        let without: &[usize] = match transport {
            Transport::Tcp => &[4, 6, 12, 16],
            Transport::Udp => &[4, 6],
        };
        let without: u64 = without.iter().map(|field| checksum::complement(rest, *field)).sum();
        Self { network, transport: pseudo + checksum::sum(rest) + without }
    }
}

impl<'a> Segments<'a> {
    /// They in their order.
    pub fn iter(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let Self { headers, payload, size, work, from, to } = *self;
        let part = payload.chunks(size).enumerate().skip(from).take(to.saturating_sub(from));
        part.map(move |(index, data)| {
            let offset = index * size;
            Segment { headers, data, work, index, offset, last: offset + data.len() == payload.len() }
        })
    }
}

/// One of the packets in a superpacket.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    headers: &'a [u8],
    data: &'a [u8],
    work: Work,
    /// Its place among the segments.
    index: usize,
    /// Its place in the payload of the whole.
    offset: usize,
    last: bool,
}

#[expect(clippy::len_without_is_empty, reason = "a packet is never empty")]
impl Segment<'_> {
    /// Octets of the packet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len() + self.data.len()
    }

    /// Writes the packet.
    ///
    /// # Panics
    ///
    /// If `to` is not [`Self::len`] octets long.
    pub fn write(&self, to: &mut [u8]) {
        let (headers, data) = to.split_at_mut(self.headers.len());
        headers.copy_from_slice(self.headers);
        match self.work {
            Work::Nothing => data.copy_from_slice(self.data),
            Work::Checksum { start, field } => {
                let (before, covered) = data.split_at_mut(start);
                let (data_before, data_covered) = self.data.split_at(start);
                before.copy_from_slice(data_before);
                let sum = checksum::copy_and_sum(data_covered, covered);
                // Zero would be right as well but for UDP, where it means none.
                covered[field..field + CHECKSUM_LEN].copy_from_slice(&checksum::finish_udp(sum));
            }
            Work::Headers { ip, transport, sums } => {
                let beside = checksum::copy_and_sum(self.data, data);
                let (network, rest) = headers.split_at_mut(ip);
                let transport_len = narrow(rest.len() + data.len());
                self.write_ip(network, transport_len, sums.network);
                // Of what the pseudo header has: the length.
                let beside = beside + sums.transport + checksum::word(transport_len);
                match transport {
                    Transport::Tcp => self.write_tcp(beside, rest),
                    Transport::Udp => write_udp(beside, rest, transport_len),
                }
            }
        }
    }

    fn write_ip(&self, header: &mut [u8], transport_len: u16, common: u64) {
        if is_ipv6(header) {
            header[4..6].copy_from_slice(&transport_len.to_be_bytes());
            return;
        }
        let len = narrow(header.len() + usize::from(transport_len));
        header[2..4].copy_from_slice(&len.to_be_bytes());
        // RFC 6864 lets atomic datagrams repeat it; the kernel's own segmentation counts up, and so do we.
        let identification =
            u16::from_be_bytes([self.headers[4], self.headers[5]]).wrapping_add(narrow(self.index));
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        let sum = common + checksum::word(len) + checksum::word(identification);
        header[10..12].copy_from_slice(&checksum::finish(sum));
    }

    /// `beside` is the sum of all that the checksum covers but sequence number and flags; the header is of an even length.
    fn write_tcp(&self, beside: u64, header: &mut [u8]) {
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]])
            .wrapping_add(u32::from(narrow(self.offset)));
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        let mut flags = header[13];
        if !self.last {
            flags &= !(FIN | PSH);
        }
        if self.index > 0 {
            // RFC 3168 §6.1.2: the window is reduced once, not once per segment.
            flags &= !CWR;
        }
        header[13] = flags;
        let [high, low] = [narrow((sequence >> 16) as usize), narrow((sequence & 0xffff) as usize)];
        let flags = u16::from_be_bytes([header[12], flags]);
        let sum = beside + [high, low, flags].map(checksum::word).iter().sum::<u64>();
        header[16..18].copy_from_slice(&checksum::finish(sum));
    }
}

/// `beside` is the sum of all that the checksum covers but the length in this header.
fn write_udp(beside: u64, header: &mut [u8], len: u16) {
    header[4..6].copy_from_slice(&len.to_be_bytes());
    header[6..8].copy_from_slice(&checksum::finish_udp(beside + checksum::word(len)));
}

/// Of lengths and places within [`MAX_LEN`].
fn narrow(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// What an IPv4 length field holds, RFC 791 §3.1.
const MAX_LEN: usize = 65_535;
/// An IPv4 header without options.
const IP_LEN: usize = 20;
/// An IPv6 header.
const IPV6_LEN: usize = 40;
const TCP_LEN: usize = 20;
const UDP_LEN: usize = 8;
const CHECKSUM_LEN: usize = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// TCP's flags, RFC 9293 §3.1.
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

#[cfg(test)]
mod tests;
