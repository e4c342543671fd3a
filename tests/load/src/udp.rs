//! The UDP header inside ESP, RFC 768.

use std::net::IpAddr;

/// L2TP's port at the server (RFC 2661 §8.1).
pub(crate) const L2TP_PORT: u16 = 1701;

/// The header before `payload`, whose parts are concatenated.
pub(crate) fn header(source: u16, addresses: Option<(IpAddr, IpAddr)>, payload: &[&[u8]]) -> [u8; 8] {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let length = u16::try_from(length + 8).unwrap_or(u16::MAX);
    let mut header = [0; 8];
    for (field, value) in header.as_chunks_mut::<2>().0.iter_mut().zip([source, L2TP_PORT, length]) {
        *field = value.to_be_bytes();
    }
    if let Some((from, to)) = addresses {
        let covered = [&pseudo_header(from, to, length)[..], &header, &payload.concat()].concat();
        let sum = checksum(&covered);
        // Zero means "none", so a sum of zero goes out as its complement.
        header[6..].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    }
    header
}

/// The payload of a datagram from the server's L2TP to `port`. As kernels do, over IPv6 its checksum between these addresses
/// is insisted on (RFC 8200 §8.1).
pub(crate) fn payload(datagram: &[u8], port: u16, (from, to): (IpAddr, IpAddr)) -> Option<&[u8]> {
    let ([s0, s1, d0, d1, l0, l1, c0, c1], rest) = datagram.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    if to.is_ipv6() {
        let covered = [&pseudo_header(from, to, length.try_into().ok()?)[..], datagram].concat();
        if [*c0, *c1] == [0, 0] || checksum(&covered) != 0 {
            return None;
        }
    }
    let (source, destination) = (u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1]));
    (length == datagram.len() && source == L2TP_PORT && destination == port).then_some(rest)
}

/// RFC 768 and RFC 8200 §8.1, which differ in zeros only.
fn pseudo_header(from: IpAddr, to: IpAddr, length: u16) -> Vec<u8> {
    let addresses = [from, to].map(super::ike::nat::address_bytes).concat();
    [&addresses[..], &[0, 17], &length.to_be_bytes()].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u32::from(*byte) << 8);
    let mut sum = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum::<u32>() + last;
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: (IpAddr, IpAddr) =
        (IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn a_header_with_its_checksum_sums_to_nothing() {
        let (from, to): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [192, 0, 2, 1].into());
        let header = header(1701, Some((from, to)), &[b"odd"]);
        let mut whole = vec![10, 0, 0, 1, 192, 0, 2, 1, 0, 17, 0, 11];
        whole.extend(header);
        whole.extend(b"odd");
        assert_eq!(checksum(&whole), 0);
        let datagram = [&[6, 165, 6, 165, 0, 11, 0, 0][..], b"odd"].concat();
        assert_eq!(payload(&datagram, 1701, V4), Some(&b"odd"[..]));
        assert_eq!(payload(&datagram, 1702, V4), None);
        assert_eq!(payload(&datagram[..10], 1701, V4), None);
    }

    #[test]
    fn over_ipv6_the_checksum_must_be_right() {
        let (from, to): (IpAddr, IpAddr) = ([0x2001; 8].into(), [0x2002; 8].into());
        let datagram = [&header(1701, Some((from, to)), &[b"odd"])[..], b"odd"].concat();
        assert_eq!(payload(&datagram, 1701, (from, to)), Some(&b"odd"[..]));
        assert_eq!(payload(&datagram, 1701, (from, from)), None);
        let none = [&header(1701, None, &[b"odd"])[..], b"odd"].concat();
        assert_eq!(payload(&none, 1701, (from, to)), None);
        assert_eq!(payload(&none, 1701, V4), Some(&b"odd"[..]));
    }
}
