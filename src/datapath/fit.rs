//! What travels outside in one piece.

use ipsec::{Encapsulation, EspSuite};

use super::PREFIX_LEN;

/// The largest inner packet whose outer one is no longer than what an Ethernet carries, over IPv6 or IPv4.
pub(crate) fn inner_mtu(suite: EspSuite, encapsulation: Encapsulation, over_ipv6: bool) -> u16 {
    let ip = if over_ipv6 { IPV6_LEN } else { IPV4_LEN };
    let headers = match encapsulation {
        Encapsulation::Udp => ip + UDP_LEN,
        Encapsulation::Native => ip,
    };
    let fits = |inner: &u16| headers + suite.packet_len(PREFIX_LEN + usize::from(*inner)) <= ETHERNET_MTU;
    (0..=1500).rev().find(fits).unwrap_or_default()
}

const IPV4_LEN: usize = 20;
/// RFC 8200 §3.
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
const ETHERNET_MTU: usize = 1500;

#[cfg(test)]
mod tests {
    use ipsec::{AesBits, EspCipher, EspIntegrity, GcmIcv};

    use super::*;

    /// From the RFCs' drawings: IP 20, UDP 8, SPI and sequence number 8, IV 16, ICV, whole blocks of 16; of these UDP 8, L2TP 6, PPP 4
    /// and the trailer 2 are not for the inner packet.
    #[test]
    fn as_much_as_whole_blocks_leave() {
        let aes = |integrity| EspSuite::Separate { cipher: EspCipher::Aes(AesBits::B256), integrity };
        let by_hand = |room: usize, icv: usize| (room - 8 - 16 - icv) / 16 * 16 - 20;
        for (integrity, icv) in
            [(EspIntegrity::Sha1_96, 12), (EspIntegrity::Sha256_128, 16), (EspIntegrity::Sha512_256, 32)]
        {
            for (encapsulation, over_ipv6, room) in [
                (Encapsulation::Udp, false, 1472),
                (Encapsulation::Udp, true, 1452),
                (Encapsulation::Native, false, 1480),
            ] {
                let mtu = inner_mtu(aes(integrity), encapsulation, over_ipv6);
                assert_eq!(usize::from(mtu), by_hand(room, icv), "{integrity}, {room}");
            }
        }
        let gcm = EspSuite::Gcm { key: AesBits::B128, icv: GcmIcv::O16 };
        // An IV of 8 octets, blocks of four.
        assert_eq!(inner_mtu(gcm, Encapsulation::Udp, false), 1472 - 8 - 8 - 16 - 20);
    }
}
