//! What the kernel left for us to do: checksums to complete and superpackets to segment.
//!
//! The `virtio_net_hdr` (VIRTIO 1.3 §5.1.6) says which; the packet's own headers say where everything lies, because
//! `hdr_len` is a hint that the kernel fills as suits its buffers.

/// The header before each packet on the device, in the machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VnetHeader {
    flags: u8,
    gso_type: u8,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl VnetHeader {
    /// Its length on the wire.
    pub const LEN: usize = 10;

    /// The header of a packet that needs nothing.
    pub const PLAIN: [u8; Self::LEN] = [0; Self::LEN];

    /// Splits what was read from the device into header and packet.
    pub(super) fn split(bytes: &mut [u8]) -> Result<(Self, &mut [u8]), Unusable> {
        let (header, packet) = bytes.split_first_chunk_mut::<{ Self::LEN }>().ok_or(Unusable)?;
        let [flags, gso_type, _, _, size0, size1, start0, start1, offset0, offset1] = *header;
        let header = Self {
            flags,
            gso_type: gso_type & !GSO_ECN,
            gso_size: u16::from_ne_bytes([size0, size1]),
            csum_start: u16::from_ne_bytes([start0, start1]),
            csum_offset: u16::from_ne_bytes([offset0, offset1]),
        };
        Ok((header, packet))
    }

    /// Whether the packet is one packet.
    pub(super) fn is_whole(&self) -> bool {
        self.gso_type == GSO_NONE
    }

    /// Completes an open checksum: its field holds the pseudo header's sum, and everything from `csum_start` on is
    /// still to be added.
    pub(super) fn complete(&self, packet: &mut [u8]) -> Result<(), Unusable> {
        if self.flags & NEEDS_CSUM == 0 {
            return Ok(());
        }
        let covered = packet.get_mut(usize::from(self.csum_start)..).ok_or(Unusable)?;
        let checksum = finish(sum(covered));
        let field = covered.get_mut(usize::from(self.csum_offset)..).ok_or(Unusable)?;
        *field.first_chunk_mut().ok_or(Unusable)? = nonzero(checksum);
        Ok(())
    }
}

/// Cuts a superpacket into packets and writes them, one behind the other, into `out`; yields their lengths.
///
/// Every packet gets the headers of the whole with its own lengths, identification, sequence number, flags and
/// complete checksums. Each is written when it is asked for.
pub(super) fn segment<'a>(
    header: &VnetHeader,
    packet: &'a [u8],
    out: &'a mut [u8],
) -> Result<impl Iterator<Item = usize> + use<'a>, Unusable> {
    let Headers { ip, transport, kind } = Headers::of(header.gso_type, packet)?;
    let (headers, payload) = packet.split_at_checked(ip + transport).ok_or(Unusable)?;
    let size = usize::from(header.gso_size);
    if size == 0 || payload.is_empty() {
        return Err(Unusable);
    }
    let count = payload.len().div_ceil(size);
    if out.len() < count * headers.len() + payload.len() {
        return Err(Unusable);
    }
    let mut rest = out;
    Ok(payload.chunks(size).enumerate().map_while(move |(index, data)| {
        let (slot, behind) = std::mem::take(&mut rest).split_at_mut_checked(headers.len() + data.len())?;
        rest = behind;
        let (slot_headers, slot_data) = slot.split_at_mut_checked(headers.len())?;
        slot_headers.copy_from_slice(headers);
        slot_data.copy_from_slice(data);
        let position = Position { index, offset: index * size, last: index + 1 == count };
        write_headers(slot, ip, kind, position)?;
        Some(slot.len())
    }))
}

/// A packet whose headers do not agree with what the kernel says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
}

/// The lengths of a packet's headers.
struct Headers {
    ip: usize,
    transport: usize,
    kind: Kind,
}

impl Headers {
    fn of(gso_type: u8, packet: &[u8]) -> Result<Self, Unusable> {
        let (fixed, _) = packet.split_first_chunk::<20>().ok_or(Unusable)?;
        let ip = usize::from(fixed[0] & 0x0f) * 4;
        if fixed[0] >> 4 != 4 || ip < fixed.len() {
            return Err(Unusable);
        }
        let (kind, transport) = match (gso_type, fixed[9]) {
            (GSO_TCPV4, 6) => {
                let data_offset = packet.get(ip + 12).ok_or(Unusable)? >> 4;
                (Kind::Tcp, usize::from(data_offset) * 4)
            }
            (GSO_UDP_L4, 17) => (Kind::Udp, 8),
            _ => return Err(Unusable),
        };
        let minimum = if kind == Kind::Tcp { 20 } else { 8 };
        if transport < minimum { Err(Unusable) } else { Ok(Self { ip, transport, kind }) }
    }
}

/// Where in the superpacket a segment lies.
struct Position {
    index: usize,
    offset: usize,
    last: bool,
}

/// Makes copied headers those of this one packet.
fn write_headers(packet: &mut [u8], ip: usize, kind: Kind, position: Position) -> Option<()> {
    let length = u16::try_from(packet.len()).ok()?;
    let (network, transport) = packet.split_at_mut_checked(ip)?;

    let fixed = network.first_chunk_mut::<20>()?;
    fixed[2..4].copy_from_slice(&length.to_be_bytes());
    // RFC 6864 lets atomic datagrams repeat it; the kernel's own segmentation counts up, and so do we.
    let identification = u16::from_be_bytes([fixed[4], fixed[5]]).wrapping_add(position.index as u16);
    fixed[4..6].copy_from_slice(&identification.to_be_bytes());
    fixed[10..12].fill(0);
    let protocol = fixed[9];
    let addresses = sum(&fixed[12..20]);
    let checksum = finish(sum(network)).to_ne_bytes();
    network.first_chunk_mut::<20>()?[10..12].copy_from_slice(&checksum);

    let transport_length = u16::try_from(transport.len()).ok()?;
    let pseudo = addresses + word(u16::from(protocol)) + word(transport_length);
    match kind {
        Kind::Tcp => {
            let fixed = transport.first_chunk_mut::<20>()?;
            let sequence = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
            let sequence = sequence.wrapping_add(u32::try_from(position.offset).ok()?);
            fixed[4..8].copy_from_slice(&sequence.to_be_bytes());
            if !position.last {
                fixed[13] &= !(TCP_FIN | TCP_PSH);
            }
            if position.index > 0 {
                // RFC 3168 §6.1.2: the window is reduced once, not once per segment.
                fixed[13] &= !TCP_CWR;
            }
            fixed[16..18].fill(0);
            let checksum = finish(pseudo + sum(transport)).to_ne_bytes();
            transport.first_chunk_mut::<20>()?[16..18].copy_from_slice(&checksum);
        }
        Kind::Udp => {
            let fixed = transport.first_chunk_mut::<8>()?;
            fixed[4..6].copy_from_slice(&transport_length.to_be_bytes());
            fixed[6..8].fill(0);
            let checksum = nonzero(finish(pseudo + sum(transport)));
            transport.first_chunk_mut::<8>()?[6..8].copy_from_slice(&checksum);
        }
    }
    Some(())
}

/// Whether an IPv4 packet without options and its TCP segment or UDP datagram have the checksums they should have.
pub(super) fn checksums_are_right(packet: &[u8]) -> bool {
    let Some((network, transport)) = packet.split_first_chunk::<IP_LEN>() else { return false };
    finish(sum(network)) == 0 && finish(pseudo(network, transport.len()) + sum(transport)) == 0
}

/// Makes copied headers (IPv4 without options, then TCP or UDP) those of a superpacket of `len` octets of payload, to be cut
/// into pieces of `size`; returns what stands before it. The transport checksum is left open.
pub(super) fn open_superpacket(headers: &mut [u8], len: usize, size: usize) -> [u8; VnetHeader::LEN] {
    let headers_len = headers.len();
    let Some((network, transport)) = headers.split_first_chunk_mut::<IP_LEN>() else {
        return VnetHeader::PLAIN;
    };
    let narrow = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
    network[2..4].copy_from_slice(&narrow(headers_len + len).to_be_bytes());
    network[10..12].fill(0);
    let checksum = finish(sum(network)).to_ne_bytes();
    network[10..12].copy_from_slice(&checksum);
    let transport_len = transport.len() + len;
    // The pseudo header's sum, not complemented: the kernel adds the rest to it.
    let open = (!finish(pseudo(network, transport_len))).to_ne_bytes();
    let (gso_type, csum_offset) = if network[9] == TCP { (GSO_TCPV4, 16) } else { (GSO_UDP_L4, 6) };
    if let Some(field) = transport.get_mut(csum_offset..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = open;
    }
    if gso_type == GSO_UDP_L4
        && let Some(field) = transport.get_mut(4..).and_then(<[u8]>::first_chunk_mut::<2>)
    {
        *field = narrow(transport_len).to_be_bytes();
    }
    let [hdr_len0, hdr_len1] = narrow(headers_len).to_ne_bytes();
    let [size0, size1] = narrow(size).to_ne_bytes();
    let [start0, start1] = narrow(IP_LEN).to_ne_bytes();
    let [offset0, offset1] = narrow(csum_offset).to_ne_bytes();
    [NEEDS_CSUM, gso_type, hdr_len0, hdr_len1, size0, size1, start0, start1, offset0, offset1]
}

/// The sum of the pseudo header, RFC 9293 §3.1.
fn pseudo(network: &[u8; IP_LEN], transport_len: usize) -> u64 {
    sum(&network[12..]) + word(u16::from(network[9])) + word(u16::try_from(transport_len).unwrap_or(u16::MAX))
}

/// The sum of RFC 1071, not folded, over the machine's own words: its result has the same bytes in either order.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let whole: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    whole + u64::from(u32::from_ne_bytes(last))
}

/// A number of the pseudo header as a word of the packet.
fn word(value: u16) -> u64 {
    u64::from(u16::from_ne_bytes(value.to_be_bytes()))
}

/// Folds and complements; the bytes are in the machine's order.
fn finish(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// RFC 768: a checksum of zero is sent as all ones, for zero means none. For TCP the two are equal.
fn nonzero(checksum: u16) -> [u8; 2] {
    if checksum == 0 { [0xff; 2] } else { checksum.to_ne_bytes() }
}

const IP_LEN: usize = 20;
const TCP: u8 = 6;
const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

const TCP_FIN: u8 = 0x01;
const TCP_PSH: u8 = 0x08;
const TCP_CWR: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A slow checksum from the RFC's text, to compare with.
    fn valid(bytes: &[u8], pseudo: &[u8]) -> bool {
        let words = |bytes: &[u8]| -> u64 {
            bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
        };
        let mut sum = words(bytes) + words(pseudo);
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    }

    fn pseudo(packet: &[u8]) -> Vec<u8> {
        let length = (packet.len() - 20) as u16;
        [&packet[12..20], &[0, packet[9]], &length.to_be_bytes()].concat()
    }

    fn superpacket(protocol: u8, payload: usize) -> Vec<u8> {
        let transport = if protocol == 6 { 32 } else { 8 };
        let mut packet = vec![0; 20 + transport];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&((20 + transport + payload) as u16).to_be_bytes());
        packet[4..6].copy_from_slice(&0xfffe_u16.to_be_bytes());
        packet[8..10].copy_from_slice(&[64, protocol]);
        packet[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
        if protocol == 6 {
            packet[24..28].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
            packet[32..34].copy_from_slice(&[0x80, 0x10 | TCP_FIN | TCP_PSH | TCP_CWR]);
        }
        packet.extend((0..payload).map(|i| (i * 7) as u8));
        packet
    }

    fn header(gso_type: u8, gso_size: u16) -> VnetHeader {
        VnetHeader { flags: NEEDS_CSUM, gso_type, gso_size, csum_start: 20, csum_offset: 16 }
    }

    fn segments(header: &VnetHeader, packet: &[u8]) -> Vec<Vec<u8>> {
        let mut out = vec![0xee; 1 << 18];
        let lengths: Vec<usize> = segment(header, packet, &mut out).unwrap().collect();
        let mut rest = &out[..];
        lengths.iter().map(|length| rest.split_off(..*length).unwrap().to_vec()).collect()
    }

    #[test]
    fn tcp_is_cut_at_the_segment_size() {
        let whole = superpacket(6, 3001);
        let packets = segments(&header(GSO_TCPV4, 1000), &whole);
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1052, 1052, 1052, 53]);
        for (index, packet) in packets.iter().enumerate() {
            assert_eq!(packet[2..4], (packet.len() as u16).to_be_bytes());
            assert_eq!(packet[4..6], 0xfffe_u16.wrapping_add(index as u16).to_be_bytes());
            assert_eq!(packet[24..28], 0xffff_ff00_u32.wrapping_add(1000 * index as u32).to_be_bytes());
            assert!(valid(&packet[..20], &[]) && valid(&packet[20..], &pseudo(packet)), "{index}");
        }
        let flags: Vec<u8> = packets.iter().map(|packet| packet[33]).collect();
        assert_eq!(flags, [0x10 | TCP_CWR, 0x10, 0x10, 0x10 | TCP_FIN | TCP_PSH]);
        assert_eq!(packets.iter().flat_map(|packet| &packet[52..]).copied().collect::<Vec<_>>(), whole[52..]);
    }

    #[test]
    fn udp_is_cut_into_datagrams() {
        let packets = segments(&header(GSO_UDP_L4, 1200), &superpacket(17, 2500));
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1228, 1228, 128]);
        for packet in &packets {
            assert_eq!(packet[24..26], ((packet.len() - 20) as u16).to_be_bytes());
            assert!(valid(&packet[..20], &[]) && valid(&packet[20..], &pseudo(packet)));
        }
    }

    #[test]
    fn an_open_checksum_is_completed() {
        let mut packet = superpacket(6, 77);
        let mut partial: u32 =
            pseudo(&packet).chunks(2).map(|p| u32::from(p[0]) << 8 | u32::from(p[1])).sum();
        partial = (partial & 0xffff) + (partial >> 16);
        packet[36..38].copy_from_slice(&(partial as u16).to_be_bytes());
        header(GSO_NONE, 0).complete(&mut packet).unwrap();
        assert!(valid(&packet[20..], &pseudo(&packet)));
    }

    #[test]
    fn a_udp_checksum_is_never_zero() {
        // All ones in the data make the sum all ones and its complement zero.
        let mut packet = [0, 0, 0xff, 0xff];
        VnetHeader { flags: NEEDS_CSUM, gso_type: 0, gso_size: 0, csum_start: 0, csum_offset: 0 }
            .complete(&mut packet)
            .unwrap();
        assert_eq!(packet, [0xff; 4]);
    }

    #[test]
    fn every_prefix_of_a_superpacket_is_cut_or_refused() {
        let whole = superpacket(6, 300);
        let mut out = vec![0; 1 << 16];
        for length in 0..whole.len() {
            let cut = segment(&header(GSO_TCPV4, 100), &whole[..length], &mut out).map(Iterator::count);
            assert_eq!(cut.is_ok(), length > 52, "{length}");
        }
        let small = segment(&header(GSO_TCPV4, 100), &whole, &mut out[..300 + 2 * 52]);
        assert!(small.is_err(), "three packets do not fit where two do");
    }

    proptest! {
        #[test]
        fn whatever_the_header_says_nothing_panics(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            version in any::<bool>(),
            protocol in prop_oneof![Just(6_u8), Just(17), any::<u8>()],
        ) {
            if version && bytes.len() > 20 {
                bytes[10] = 0x45;
                bytes[19] = protocol;
            }
            if let Ok((header, packet)) = VnetHeader::split(&mut bytes) {
                let _ = header.complete(packet);
                let mut out = vec![0; 1 << 15];
                if let Ok(cut) = segment(&header, packet, &mut out) {
                    prop_assert!(cut.sum::<usize>() <= 1 << 15);
                }
            }
        }
    }
}
