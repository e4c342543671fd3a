//! What clients get wrong, RFC 2661 §4.1 and §7.1.

use hex_literal::hex;

use super::*;
use crate::discard::Discard;
use crate::{Fault, Reason};

const UNKNOWN_MANDATORY: [u8; 8] = hex!("80080000 03e7 0000");
const UNKNOWN_OPTIONAL: [u8; 8] = hex!("00080000 03e7 0000");

/// Result and error code of a StopCCN or CDN.
fn codes(message: &[u8]) -> (u16, u16) {
    let avps = &message[12..];
    let at = avps.windows(4).position(|window| window == [0, 0, 0, 1]).unwrap();
    let number = |at: usize| u16::from_be_bytes([avps[at], avps[at + 1]]);
    (number(at + 4), number(at + 6))
}

#[test]
fn unknown_mandatory_avp_in_sccrq() {
    let mut world = World::new(Config::default());
    let answers = world.say(&message(0, 0, 0, 0, &[sccrq(5).as_slice(), &UNKNOWN_MANDATORY].concat()));
    assert_eq!(kinds(&answers), [4]);
    assert_eq!(codes(&answers[0]), (2, 8));
    assert!(answers[0].ends_with(b"unknown mandatory AVP 999"));
    let reason = Reason::Fault(Fault::Unrecognised { vendor: 0, attribute: 999 });
    assert_eq!(world.events(), [Event::TunnelFailed { peer: 1, host_name: String::new(), reason }]);
    let answers = world.say(&message(0, 0, 0, 0, &[sccrq(5).as_slice(), &UNKNOWN_OPTIONAL].concat()));
    assert_eq!(kinds(&answers), [2]);
}

#[test]
fn unknown_mandatory_avp_in_an_open_tunnel() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let optional = [HELLO, &UNKNOWN_OPTIONAL].concat();
    assert_eq!(world.say(&message(session.tunnel_id, 0, 4, 2, &optional)), [zlb(0x0a0b, 2, 5)]);
    let answers = world.say(&message(session.tunnel_id, 0, 5, 2, &[HELLO, &UNKNOWN_MANDATORY].concat()));
    assert_eq!(kinds(&answers), [4]);
    assert_eq!(codes(&answers[0]), (2, 8));
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }, Event::TunnelClosed { .. }]));
}

#[test]
fn unknown_mandatory_avp_in_a_session() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let tunnel = session.tunnel_id;
    // In an ICRQ it costs only that call.
    let answers = world.say(&message(tunnel, 0, 4, 2, &[icrq(9).as_slice(), &UNKNOWN_MANDATORY].concat()));
    assert_eq!(kinds(&answers), [14]);
    assert_eq!(answers[0][6..8], [0, 9]);
    assert_eq!(codes(&answers[0]), (2, 8));
    assert!(matches!(world.events()[..], [Event::SessionFailed { .. }]));
    // In an SLI only that session.
    let sli = |avp: &[u8]| [SLI, avp].concat();
    let id = session.session_id;
    assert_eq!(world.say(&message(tunnel, id, 5, 3, &sli(&UNKNOWN_OPTIONAL))), [zlb(0x0a0b, 3, 6)]);
    let answers = world.say(&message(tunnel, id, 6, 3, &sli(&UNKNOWN_MANDATORY)));
    assert_eq!(kinds(&answers), [14]);
    assert_eq!(answers[0][6..8], [0x0c, 0x0d]);
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }]));
    // In an ICCN the call that it would have connected.
    let id = assigned(&world.say(&message(tunnel, 0, 7, 4, &icrq(10)))[0], 14);
    let answers = world.say(&message(tunnel, id, 8, 5, &[ICCN, &UNKNOWN_MANDATORY].concat()));
    assert_eq!(kinds(&answers), [14]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { .. }]));
    // A CDN ends what it ends.
    let id = assigned(&world.say(&message(tunnel, 0, 9, 6, &icrq(11)))[0], 14);
    let answers = world.say(&message(tunnel, id, 10, 7, &[CDN, &UNKNOWN_MANDATORY].concat()));
    assert_eq!(answers, [zlb(0x0a0b, 7, 11)]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { .. }]));
}

#[test]
fn bad_sccrq() {
    let refused: [(&[u8], (u16, u16)); 6] = [
        (&hex!("80080000 0002 0200"), (5, 0x0100)), // version 2
        (&hex!("80070000 0002 01"), (2, 2)),
        (&hex!("80050000 0008"), (2, 2)), // an AVP shorter than its header
        (&hex!("80ff0000 0008"), (2, 2)), // and one longer than the message
        (&hex!("c0160000 0004 00000000000000000000000000000000"), (2, 8)), // hidden, but there is no secret
        (&hex!("84080000 000a 0004"), (2, 8)), // reserved bit
    ];
    for (bad, expected) in refused {
        let mut world = World::new(Config::default());
        let answers = world.say(&message(0, 0, 0, 0, &[&sccrq(5), bad].concat()));
        assert_eq!(kinds(&answers), [4], "{bad:02x?}");
        assert_eq!(codes(&answers[0]), expected, "{bad:02x?}");
        assert!(matches!(world.events()[..], [Event::TunnelFailed { .. }]));
        assert_eq!(world.lns.poll_timeout(), None);
    }
    let discarded: [&[u8]; 5] = [
        SCCRQ,                                          // no tunnel id to answer to
        &hex!("80080000 0000 0001 80080000 0009 0000"), // tunnel id 0
        &hex!("80080000 0009 0005 80080000 0000 0001"), // Message Type not first
        &hex!("80080000 0000 0006 80080000 0009 0005"), // HELLO to no tunnel
        &hex!("80080000 0000 0004 80080000 0009 0005"), // StopCCN of an unknown tunnel
    ];
    for (count, avps) in (1..).zip(discarded) {
        let mut world = World::new(Config::default());
        assert!(world.say(&message(0, 0, 0, 0, avps)).is_empty(), "{count}");
        assert_eq!(world.lns.discards().count(Discard::Unaddressed), 1);
        assert!(world.events().is_empty());
    }
    let mut world = World::new(Config::default());
    assert!(world.say(&message(0, 0, 1, 0, &sccrq(5))).is_empty(), "Ns begins with 0");
}

#[test]
fn bad_icrq() {
    for avps in [ICRQ.to_vec(), icrq(0), [ICRQ, &avp(0x8000, 14, &[1])].concat()] {
        let mut world = World::new(Config::default());
        let tunnel = world.open_tunnel();
        let answers = world.say(&message(tunnel, 0, 2, 1, &avps));
        assert_eq!(kinds(&answers), [4], "a call that has no id can only be refused with its tunnel");
        assert!(matches!(world.events()[..], [Event::TunnelClosed { .. }]));
    }
}

#[test]
fn out_of_place() {
    // In wait-ctl-conn.
    for avps in [icrq(5), ICCN.to_vec(), CDN.to_vec(), hex!("80080000 0000 0002").to_vec()] {
        let mut world = World::new(Config::default());
        let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq(5)))[0], 9);
        let answers = world.say(&message(tunnel, 0, 1, 1, &avps));
        assert_eq!(kinds(&answers), [4]);
        assert_eq!(codes(&answers[0]), (7, 0));
        assert!(matches!(world.events()[..], [Event::TunnelFailed { .. }]));
    }
    // In established.
    for avps in [sccrq(5), SCCCN.to_vec(), hex!("80080000 0000 0002").to_vec()] {
        let mut world = World::new(Config::default());
        let session = world.open_session();
        let answers = world.say(&message(session.tunnel_id, 0, 4, 2, &avps));
        assert_eq!(kinds(&answers), [4]);
        assert_eq!(codes(&answers[0]), (7, 0));
    }
    // In a session: ICCN again, ICRP, OCRP, OCCN.
    for kind in [12, 11, 8, 9] {
        let mut world = World::new(Config::default());
        let session = world.open_session();
        let avps = [0x80, 8, 0, 0, 0, 0, 0, kind];
        assert!(world.say(&message(session.tunnel_id, 0, 4, 2, &avps)).len() == 1, "of no session: ignored");
        assert!(world.events().is_empty());
        let answers = world.say(&message(session.tunnel_id, session.session_id, 5, 2, &avps));
        assert_eq!(kinds(&answers), [14]);
        assert!(matches!(world.events()[..], [Event::SessionClosed { .. }]));
    }
}

#[test]
fn outgoing_call_request() {
    let mut world = World::new(Config::default());
    let tunnel = world.open_tunnel();
    let ocrq = [&hex!("80080000 0000 0007")[..], &avp(0x8000, 14, &[0, 6])].concat();
    let answers = world.say(&message(tunnel, 0, 2, 1, &ocrq));
    assert_eq!(kinds(&answers), [14]);
    assert_eq!(answers[0][6..8], [0, 6]);
    assert_eq!(codes(&answers[0]), (5, 0));
    assert!(matches!(world.events()[..], [Event::SessionFailed { .. }]));
}

#[test]
fn unknown_message_types() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let unknown = hex!("00080000 0000 0063");
    assert_eq!(world.say(&message(session.tunnel_id, 0, 4, 2, &unknown)), [zlb(0x0a0b, 2, 5)]);
    assert_eq!(world.lns.discards().count(Discard::Ignored), 1);
    let answers = world.say(&message(session.tunnel_id, 0, 5, 2, &hex!("80080000 0000 0063")));
    assert_eq!(kinds(&answers), [4]);
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }, Event::TunnelClosed { .. }]));
}

#[test]
fn acknowledgement_of_what_was_never_sent() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    assert_eq!(world.say(&message(session.tunnel_id, 0, 4, 0x1000, HELLO)), [zlb(0x0a0b, 2, 5)]);
    assert_eq!(world.lns.discards().count(Discard::BadAcknowledgement), 1);
}

#[test]
fn reason_texts_name_the_attribute() {
    assert_eq!(Fault::Missing(9).to_string(), "AVP Assigned Tunnel ID is missing");
    assert_eq!(Fault::Length(999).to_string(), "AVP 999 has a wrong length");
    assert_eq!(Fault::OutOfPlace(12).to_string(), "unexpected ICCN");
}
