use hex_literal::hex;

use super::*;
use crate::onlink::{LONGEST, MOST_ROUTES};

const ENDS: Ends = Ends { client: Ipv4Addr::new(10, 20, 0, 7), server: Ipv4Addr::new(10, 20, 0, 1) };

fn directions(routes: &[&str]) -> Directions {
    Directions {
        dns: [Some(Ipv4Addr::new(9, 9, 9, 9)), None],
        domain: Some("corp.example".parse().unwrap()),
        routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
        ..Directions::default()
    }
}

/// A packet with these options, as macOS makes it: hardware type 8, a client identifier.
fn inform(options: &[u8]) -> Vec<u8> {
    let mut message = hex!("01080600 00000001 0000 0000 0a140007 00000000 00000000 00000000").to_vec();
    message.extend(hex!("00000001 00000000 00000000 00000001"));
    message.extend([0; SNAME_AND_FILE]);
    message.extend(COOKIE);
    message.extend(options);
    let mut packet = hex!("45000000 00000000 40110000 0a140007 ffffffff 0044 0043 0000 0000").to_vec();
    packet.extend(message);
    packet
}

const MACOS: [u8; 21] = hex!("350108 3d0708000000010000 3706062c2b01f90f ff");

/// The options of an answer, whose headers are held against the rules.
fn options(answer: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (ip, rest) = answer.split_at(20);
    let (udp, message) = rest.split_at(8);
    assert_eq!(checksum::finish(checksum::sum(ip)), [0, 0], "IP's checksum");
    let header = ip.first_chunk().unwrap();
    let sum = checksum::pseudo(header, rest.len()) + checksum::sum(rest);
    assert_eq!(checksum::finish(sum), [0, 0], "UDP's checksum");
    assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), answer.len());
    assert_eq!(usize::from(u16::from_be_bytes([udp[4], udp[5]])), rest.len());
    assert_eq!((&ip[12..16], &ip[16..20]), (&[10, 20, 0, 1][..], &[10, 20, 0, 7][..]));
    assert_eq!(udp[..4], hex!("0043 0044"));
    assert_eq!(message[..12], hex!("02080600 00000001 00000000"), "the question's hardware and number");
    assert_eq!(message[12..16], [10, 20, 0, 7], "ciaddr");
    assert_eq!(message[16..28], [0; 12], "RFC 2131 §4.3.5: no yiaddr");
    assert_eq!(message[28..44], hex!("00000001 00000000 00000000 00000001"));
    let options = message[44..].strip_prefix(&[0; 192][..]).unwrap().strip_prefix(&COOKIE).unwrap();
    assert!(message.len() >= 300 && options.contains(&END));
    options_of(options).map(|(code, value)| (code, value.to_vec())).collect()
}

#[test]
fn macos_gets_what_it_asks_for_under_the_number_it_knows() {
    let answer = answer(&inform(&MACOS), ENDS, &directions(&["192.168.7.0/24", "10.0.0.0/9"])).unwrap();
    let expected = [
        (53, hex!("05").to_vec()),
        (54, vec![10, 20, 0, 1]),
        (1, vec![255; 4]),
        (6, vec![9, 9, 9, 9]),
        (15, b"corp.example".to_vec()),
        (249, hex!("18 c0a807 0a140001 09 0a00 0a140001").to_vec()),
    ];
    assert_eq!(options(&answer), expected);
}

/// The example of RFC 3442: how many octets of a network are significant.
#[test]
fn routes_have_as_many_octets_as_count() {
    let routes =
        ["0.0.0.0/0", "10.0.0.0/8", "10.17.0.0/16", "10.27.129.0/24", "10.229.0.128/25", "10.198.122.47/32"];
    let question = inform(&hex!("350108 370179 ff"));
    let answer = answer(&question, ENDS, &directions(&routes)).unwrap();
    let expected = hex!(
        "00 0a140001  08 0a 0a140001  10 0a11 0a140001  18 0a1b81 0a140001  19 0ae50080 0a140001  20 0ac67a2f 0a140001"
    );
    assert_eq!(options(&answer)[2..], [(121, expected.to_vec())]);
}

#[test]
fn without_a_list_of_wishes_everything_is_told_and_without_routes_none() {
    let codes = |routes: &[&str]| -> Vec<u8> {
        let answer = answer(&inform(&hex!("350108 ff")), ENDS, &directions(routes)).unwrap();
        options(&answer).iter().map(|(code, _)| *code).collect()
    };
    assert_eq!(codes(&["192.168.7.0/24"]), [53, 54, 1, 6, 15, 121, 249]);
    assert_eq!(codes(&[]), [53, 54, 1, 6, 15]);
}

#[test]
fn what_is_not_set_is_not_told() {
    let answer = answer(&inform(&hex!("350108 ff")), ENDS, &Directions::default()).unwrap();
    assert_eq!(options(&answer).iter().map(|(code, _)| *code).collect::<Vec<_>>(), [53, 54, 1]);
}

#[test]
fn many_routes_go_on_in_another_option_with_no_route_cut() {
    let routes: Vec<String> = (0..70).map(|number| format!("10.{number}.1.0/24")).collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let answer = answer(&inform(&hex!("350108 370179 ff")), ENDS, &directions(&routes)).unwrap();
    let parts: Vec<Vec<u8>> =
        options(&answer).into_iter().filter(|(code, _)| *code == 121).map(|(_, value)| value).collect();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [31 * 8, 31 * 8, 8 * 8]);
    assert!(
        parts
            .iter()
            .flat_map(|part| part.chunks(8))
            .zip(0..)
            .all(|(route, number)| route[..3] == [24, 10, number])
    );
}

#[test]
fn as_many_routes_as_may_be_fit_beside_the_longest_domain() {
    let label = "a".repeat(63);
    let directions = Directions {
        dns: [Some(Ipv4Addr::new(9, 9, 9, 9)); 2],
        domain: Some(format!("{label}.{label}.{label}.{}", "a".repeat(61)).parse().unwrap()),
        routes: (0..MOST_ROUTES).map(|number| format!("10.0.0.{number}/32").parse().unwrap()).collect(),
        ..Directions::default()
    };
    let answer = answer(&inform(&hex!("350108 ff")), ENDS, &directions).unwrap();
    let octets = |wanted: u8| -> usize {
        options(&answer).iter().filter(|(code, _)| *code == wanted).map(|(_, value)| value.len()).sum()
    };
    assert_eq!([octets(15), octets(121), octets(249)], [253, MOST_ROUTES * 9, MOST_ROUTES * 9]);
    assert!(answer.len() <= LONGEST, "{} octets", answer.len());
}

#[test]
fn other_messages_and_broken_ones_have_no_answer() {
    let directions = directions(&[]);
    let whole = inform(&MACOS);
    // Everything up to the message type is needed.
    for len in 0..28 + 44 + 192 + 4 + 3 {
        assert_eq!(answer(&whole[..len], ENDS, &directions), None, "{len} octets");
    }
    for kind in [1, 2, 3, 4, 5, 6, 7, 9] {
        assert_eq!(answer(&inform(&[53, 1, kind, 255]), ENDS, &directions), None, "message type {kind}");
    }
    let mut reply = whole.clone();
    reply[28] = REPLY;
    assert_eq!(answer(&reply, ENDS, &directions), None);
    let mut bootp = whole;
    bootp[28 + 44 + 192] = 0;
    assert_eq!(answer(&bootp, ENDS, &directions), None, "another cookie");
}
