//! Stateless DHCPv6, RFC 8415 §6.1: name servers and domain for a client that has made its address itself. Windows asks nothing
//! else for them.
//!
//! ```text
//! ┌────┬───────────────┬──────────────┬──────────────┬───────────┬────────────┐
//! │ 11 │ transaction 3 │ 1: client id │ 6: wanted    │ …         │            │   Information-request
//! │  7 │ transaction 3 │ 1: client id │ 2: server id │ 23: DNS   │ 24: domain │   Reply
//! └────┴───────────────┴──────────────┴──────────────┴───────────┴────────────┘
//! ```

use super::Directions;
use super::ipv6::{Link6, Received, UDP, packet};

/// Who we are, RFC 8415 §11.5: a number of our own.
#[derive(Clone, Copy, Debug)]
pub struct ServerId(pub [u8; 16]);

impl ServerId {
    fn duid(&self) -> Vec<u8> {
        [&DUID_UUID[..], &self.0].concat()
    }
}

/// What is said to a datagram; nothing unless it is an Information-request: a client that wants addresses or prefixes of us gets no
/// answer, §18.3.
pub(super) fn answer(
    received: Received<'_>,
    link: Link6,
    directions: &Directions,
    server_id: &ServerId,
) -> Option<Vec<u8>> {
    let (&[_, _, d0, d1, ..], message) = received.payload.split_first_chunk::<UDP_LEN>()?;
    let (&[INFORMATION_REQUEST, t0, t1, t2], options) = message.split_first_chunk()? else { return None };
    let is_for_us = u16::from_be_bytes([d0, d1]) == SERVER_PORT && received.source.is_unicast_link_local();
    // §16.12: for another server, or with what only a client that wants an address sends.
    let other = |(code, value): (u16, &[u8])| match code {
        SERVER_ID => value != server_id.duid(),
        IA_NA | IA_TA | IA_PD => true,
        _ => false,
    };
    if !is_for_us || options_of(options).any(other) {
        return None;
    }
    let find = |wanted| options_of(options).find(|(code, _)| *code == wanted).map(|(_, value)| value);
    let wanted = find(WANTED);
    let wants = |code: u16| {
        wanted.is_none_or(|codes| codes.as_chunks().0.iter().any(|pair| u16::from_be_bytes(*pair) == code))
    };
    let mut reply = vec![REPLY, t0, t1, t2];
    if let Some(client_id) = find(CLIENT_ID) {
        push(&mut reply, CLIENT_ID, client_id);
    }
    push(&mut reply, SERVER_ID, &server_id.duid());
    let dns: Vec<u8> = directions.dns6.iter().flatten().flat_map(|server| server.octets()).collect();
    if wants(DNS) && !dns.is_empty() {
        push(&mut reply, DNS, &dns);
    }
    if let Some(domain) = directions.domain.as_ref().filter(|_| wants(DOMAINS)) {
        push(&mut reply, DOMAINS, &domain.to_wire());
    }
    let [s0, s1] = SERVER_PORT.to_be_bytes();
    let [c0, c1] = CLIENT_PORT.to_be_bytes();
    let [l0, l1] = u16::try_from(UDP_LEN + reply.len()).ok()?.to_be_bytes();
    let datagram = [&[s0, s1, c0, c1, l0, l1, 0, 0][..], &reply].concat();
    Some(packet((link.local, received.source), (UDP, CHECKSUM), &datagram))
}

/// Code and value of each option, as far as they are whole.
fn options_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[c0, c1, l0, l1], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        bytes = rest;
        Some((u16::from_be_bytes([c0, c1]), value))
    })
}

fn push(message: &mut Vec<u8>, code: u16, value: &[u8]) {
    let Ok(len) = u16::try_from(value.len()) else { return };
    message.extend(code.to_be_bytes());
    message.extend(len.to_be_bytes());
    message.extend(value);
}

/// RFC 8415 §7.2.
const CLIENT_PORT: u16 = 546;
pub(crate) const SERVER_PORT: u16 = 547;
const UDP_LEN: usize = 8;
/// Where UDP has its checksum.
const CHECKSUM: usize = 6;
/// RFC 8415 §7.3.
const REPLY: u8 = 7;
const INFORMATION_REQUEST: u8 = 11;
/// RFC 8415 §24, RFC 3646.
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_TA: u16 = 4;
const WANTED: u16 = 6;
const DNS: u16 = 23;
const DOMAINS: u16 = 24;
const IA_PD: u16 = 25;
/// RFC 8415 §11.5.
const DUID_UUID: [u8; 2] = [0, 4];

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use hex_literal::hex;

    use super::*;
    use crate::pool::Prefix;

    const SERVER: ServerId = ServerId([0xab; 16]);

    fn directions() -> Directions {
        Directions {
            dns6: [Some("2620:fe::fe".parse().unwrap()), None],
            domain: Some("corp.example".parse().unwrap()),
            ..Directions::default()
        }
    }

    /// The reply to a message, behind UDP's header.
    fn reply(message: &[u8]) -> Option<Vec<u8>> {
        let datagram = [&hex!("0222 0223 0000 0000")[..], message].concat();
        let source = "fe80::7".parse().unwrap();
        let destination = "ff02::1:2".parse().unwrap();
        let received = Received { source, destination, hop_limit: 1, payload: &datagram };
        let link =
            Link6 { local: "fe80::1".parse().unwrap(), prefix: Prefix::of(Ipv6Addr::UNSPECIFIED), mtu: 1400 };
        let packet = answer(received, link, &directions(), &SERVER)?;
        assert_eq!(packet[24..40], source.octets());
        assert_eq!(packet[40..44], hex!("0223 0222"));
        Some(packet[48..].to_vec())
    }

    #[test]
    fn windows_is_told_name_servers_and_domain() {
        // Elapsed time, client identifier, vendor class, wishes: vendor options, name servers, domains.
        let request = hex!(
            "0b 123456 0008 0002 0000 0001 000e 0001000127d2a1e1080027aabbcc 0010 000e 00000137 0008 4d53465420352e30"
            "0006 0006 0011 0017 0018"
        );
        let expected = hex!(
            "07 123456 0001 000e 0001000127d2a1e1080027aabbcc 0002 0012 0004 abababababababababababababababab"
            "0017 0010 262000fe0000000000000000000000fe 0018 000e 04636f7270076578616d706c6500"
        );
        assert_eq!(reply(&request), Some(expected.to_vec()));
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let codes = |request: &[u8]| -> Vec<u16> {
            options_of(&reply(request).unwrap()[4..]).map(|(code, _)| code).collect()
        };
        assert_eq!(codes(&hex!("0b 000001 0006 0002 0018")), [SERVER_ID, DOMAINS]);
        assert_eq!(codes(&hex!("0b 000001")), [SERVER_ID, DNS, DOMAINS]);
    }

    #[test]
    fn requests_for_addresses_or_other_servers_have_no_answer() {
        assert_eq!(reply(&hex!("01 000001 0003 000c 000000010000000000000000")), None, "Solicit");
        assert_eq!(reply(&hex!("0b 000001 0003 000c 000000010000000000000000")), None, "with an IA_NA");
        assert_eq!(reply(&hex!("0b 000001 0002 0003 000401")), None, "another server");
        assert_eq!(reply(&hex!("0b 0000")), None);
    }
}
