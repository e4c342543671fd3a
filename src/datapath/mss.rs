//! Clamping the TCP maximum segment size, RFC 9293 §3.7.1, so that connections never need what the tunnel cannot carry.

/// The largest segment over IPv6 where over IPv4 it is that one: the header is so much longer, RFC 8200 §3.
pub(super) fn over_ipv6(mss: u16) -> u16 {
    mss.saturating_sub(20)
}

/// Lowers the MSS option of a TCP SYN to at most `limit` bytes and mends the checksum.
pub(super) fn clamp(segment: &mut [u8], limit: u16) {
    let Some((fixed, options)) = segment.split_first_chunk_mut::<20>() else { return };
    if fixed[13] & SYN == 0 {
        return;
    }
    let options_len = (usize::from(fixed[12] >> 4) * 4).saturating_sub(20);
    let Some(mut options) = options.get_mut(..options_len) else { return };
    // The option's place matters to the checksum only by its parity.
    let mut odd = false;
    loop {
        match options {
            [MSS, 4, high, low, ..] => {
                let old = u16::from_be_bytes([*high, *low]);
                if old > limit {
                    [*high, *low] = limit.to_be_bytes();
                    let checksum = u16::from_be_bytes([fixed[16], fixed[17]]);
                    let [c0, c1] = if odd {
                        update(checksum, old.swap_bytes(), limit.swap_bytes())
                    } else {
                        update(checksum, old, limit)
                    }
                    .to_be_bytes();
                    (fixed[16], fixed[17]) = (c0, c1);
                }
                return;
            }
            [NOP, rest @ ..] => {
                options = rest;
                odd = !odd;
            }
            [kind, len, ..] if *kind != END && *len >= 2 => {
                let len = usize::from(*len);
                let Some((_, rest)) = options.split_at_mut_checked(len) else { return };
                options = rest;
                odd ^= len % 2 == 1;
            }
            _ => return,
        }
    }
}

/// The checksum after one 16-bit word changed from `old` to `new`, RFC 1624 §3 equation 3.
fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    // Two folds leave at most 16 bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

const SYN: u8 = 0x02;
const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath::address::Ipv4;

    const TCP: u8 = 6;

    /// A SYN from 10.20.0.2 to 10.20.0.1 with the given options (a multiple of four bytes) and a right checksum.
    fn syn(options: &[u8]) -> Vec<u8> {
        let mut packet = vec![0u8; 40];
        packet[0] = 0x45;
        packet[9] = TCP;
        packet[12..20].copy_from_slice(&[10, 20, 0, 2, 10, 20, 0, 1]);
        packet[20..24].copy_from_slice(&[0x30, 0x39, 0, 80]);
        packet[32] = u8::try_from((20 + options.len()) / 4).unwrap() << 4;
        packet[33] = SYN;
        packet.extend_from_slice(options);
        let len = u16::try_from(packet.len()).unwrap();
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        let sum = !checksum(&packet);
        packet[36..38].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// The ones' complement sum over pseudo-header and segment: 0xffff when the checksum is right.
    fn checksum(packet: &[u8]) -> u16 {
        let tcp = &packet[20..];
        let words = packet[12..20].chunks(2).chain(tcp.chunks(2));
        let mut sum: u32 = 6 + u32::try_from(tcp.len()).unwrap();
        for word in words {
            sum += u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]));
        }
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap()
    }

    fn clamped(options: &[u8], limit: u16) -> Vec<u8> {
        let mut packet = syn(options);
        assert_eq!(checksum(&packet), 0xffff);
        let ip = Ipv4::parse(&packet).unwrap();
        clamp(&mut packet[ip.tcp().unwrap()], limit);
        assert_eq!(checksum(&packet), 0xffff, "checksum after clamping {options:02x?}");
        packet[40..].to_vec()
    }

    #[test]
    fn lowers_a_large_mss_and_mends_the_checksum() {
        assert_eq!(clamped(&[2, 4, 0x05, 0xb4], 1360), [2, 4, 0x05, 0x50]);
        assert_eq!(clamped(&[1, 1, 4, 2, 2, 4, 0xff, 0xff], 1360), [1, 1, 4, 2, 2, 4, 0x05, 0x50]);
    }

    #[test]
    fn mends_the_checksum_of_an_option_at_an_odd_place() {
        assert_eq!(clamped(&[1, 2, 4, 0x23, 0x28, 1, 1, 1], 1360), [1, 2, 4, 0x05, 0x50, 1, 1, 1]);
        assert_eq!(clamped(&[3, 3, 7, 2, 4, 0x05, 0xb4, 0], 1000), [3, 3, 7, 2, 4, 0x03, 0xe8, 0]);
    }

    #[test]
    fn leaves_a_small_mss_other_segments_and_broken_options_alone() {
        assert_eq!(clamped(&[2, 4, 0x02, 0x00], 1360), [2, 4, 0x02, 0x00]);
        assert_eq!(clamped(&[8, 0, 2, 4, 5, 0xb4, 0, 0], 1360), [8, 0, 2, 4, 5, 0xb4, 0, 0]);
        assert_eq!(clamped(&[0, 2, 4, 0xff, 0xff, 0, 0, 0], 1360), [0, 2, 4, 0xff, 0xff, 0, 0, 0]);
        let mut packet = syn(&[2, 4, 0x05, 0xb4]);
        packet[33] = 0x10;
        let before = packet.clone();
        let ip = Ipv4::parse(&packet).unwrap();
        clamp(&mut packet[ip.tcp().unwrap()], 1000);
        assert_eq!(packet, before);
    }
}
