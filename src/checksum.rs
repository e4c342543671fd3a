//! The Internet checksum, RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.
//!
//! Sums are taken over the machine's own words; the result has the right bytes in either order (RFC 1071 §2 (B)), so it
//! is stored as it is, without a swap.

pub(crate) use multibuffer::{copy_and_sum, sum};

/// A number of a pseudo header, as the word that it is in the packet.
pub(crate) fn word(value: u16) -> u64 {
    u64::from(u16::from_ne_bytes(value.to_be_bytes()))
}

/// What takes the word at an even place out of the sum of `bytes`, RFC 1624 §3: what it lacks of all ones, which are zero.
pub(crate) fn complement(bytes: &[u8], place: usize) -> u64 {
    let word = bytes.get(place..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u64::from(!u16::from_ne_bytes(*word)))
}

/// What the pseudo header of RFC 9293 §3.1 adds for a transport segment of `transport_len` octets behind `header`, an IPv4
/// header without its options.
pub(crate) fn pseudo(header: &[u8; 20], transport_len: usize) -> u64 {
    sum(&header[12..]) + word(u16::from(header[9])) + word(u16::try_from(transport_len).unwrap_or(u16::MAX))
}

/// The same for IPv6, RFC 8200 §8.1: `addresses` are source and destination.
pub(crate) fn pseudo6(addresses: &[u8; 32], protocol: u8, transport_len: usize) -> u64 {
    sum(addresses) + word(u16::from(protocol)) + word(u16::try_from(transport_len).unwrap_or(u16::MAX))
}

/// The checksum that belongs to a sum, in the order of the packet's bytes. What was summed with its checksum gives zeros.
pub(crate) fn finish(mut sum: u64) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    // Folded, it has 16 bits.
    (!(sum as u16)).to_ne_bytes()
}

/// The same for UDP, RFC 768: zero means that there is none, so it goes out as its complement.
pub(crate) fn finish_udp(sum: u64) -> [u8; 2] {
    match finish(sum) {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Slowly, by the RFC's text.
    fn slow(bytes: &[u8]) -> [u8; 2] {
        let words =
            bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let folded = words.fold(0, |sum, word| (sum + word) % 0x1_0000 + (sum + word) / 0x1_0000);
        (!u16::try_from(folded).unwrap()).to_be_bytes()
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(finish(sum(&bytes)), [!0xdd, !0xf2]);
    }

    #[test]
    fn udp_has_no_checksum_of_zero() {
        assert_eq!((finish(sum(&[0xff, 0xff])), finish_udp(sum(&[0xff, 0xff]))), ([0, 0], [0xff, 0xff]));
        assert_eq!(finish_udp(sum(&[1, 2])), [0xfe, 0xfd]);
    }

    #[test]
    fn a_pseudo_header_has_addresses_protocol_and_length() {
        let mut header = [0xee; 20];
        header[9] = 17;
        header[12..].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
        let by_hand = [192, 0, 2, 1, 198, 51, 100, 7, 0, 17, 0x05, 0x78];
        assert_eq!(finish(pseudo(&header, 0x578)), slow(&by_hand));
    }

    #[test]
    fn a_word_is_taken_out_of_a_sum() {
        let bytes = [0x12, 0x34, 0xab, 0xcd, 0x56, 0x78];
        assert_eq!(finish(sum(&bytes) + complement(&bytes, 2)), slow(&[0x12, 0x34, 0x56, 0x78]));
    }

    proptest! {
        #[test]
        fn as_slowly(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(finish(sum(&bytes)), slow(&bytes));
        }
    }
}
