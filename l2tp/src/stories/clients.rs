//! One story for each kind of client.

use hex_literal::hex;

use super::*;
use crate::iana::MessageType;
use crate::{Disconnect, Reason};

/// Android's mtpd, as its messages were seen on the wire: first SCCRQ, tunnel id 4d2.
const MTPD_SCCRQ: [u8; 69] = hex!(
    "c8020045 0000 0000 0000 0000 80080000 0000 0001 80080000 0002 0100 800f0000 0007 616e6f6e796d6f7573"
    "800a0000 0003 00000003 80080000 0009 04d2 80080000 000a 0001"
);

/// Its ICRQ's AVPs: session id 1e61, call serial number.
const MTPD_ICRQ: [u8; 26] = hex!("80080000 0000 000a 80080000 000e 1e61 800a0000 000f 2a3b4c5d");

/// Its ICCN's AVPs: 100 Mbit/s, framing type.
const MTPD_ICCN: [u8; 28] = hex!("80080000 0000 000c 800a0000 0018 05f5e100 800a0000 0013 00000003");

/// Its StopCCN's AVPs, with a result code of two bytes.
const MTPD_STOP_CCN: [u8; 24] = hex!("80080000 0000 0004 80080000 0009 04d2 80080000 0001 0006");

#[test]
fn android() {
    let mut world = World::new(Config::default());
    let answers = world.say(&MTPD_SCCRQ);
    let [sccrp] = &answers[..] else { panic!("{answers:02x?}") };
    let tunnel = assigned(sccrp, 9);
    let [t0, t1] = tunnel.to_be_bytes();
    let mut expected = hex!(
        "c802004a 04d2 0000 0000 0001 80080000 0000 0002 80080000 0002 0100 800a0000 0003 00000003"
        "800a0000 0007 61646974 000a0000 0008 61646974 80080000 0009 ffff 80080000 000a 0008"
    );
    expected[64..66].copy_from_slice(&[t0, t1]);
    assert_eq!(sccrp[..], expected);

    // It sends nothing more before it has the acknowledgement of SCCCN, so nothing could carry that.
    let answers = world.say(&message(tunnel, 0, 1, 1, SCCCN));
    assert_eq!(answers, [hex!("c802000c 04d2 0000 0001 0002")]);
    let opened =
        Event::TunnelOpened { peer: 1, tunnel_id: tunnel, host_name: "anonymous".into(), vendor: None };
    assert_eq!(world.events(), [opened]);

    let answers = world.say(&message(tunnel, 0, 2, 1, &MTPD_ICRQ));
    let [icrp] = &answers[..] else { panic!("{answers:02x?}") };
    let session = assigned(icrp, 14);
    let mut expected = hex!("c802001c 04d2 1e61 0001 0003 80080000 0000 000b 80080000 000e ffff").to_vec();
    expected[26..].copy_from_slice(&session.to_be_bytes());
    assert_eq!(icrp[..], expected);

    let answers = world.say(&message(tunnel, session, 3, 2, &MTPD_ICCN));
    assert_eq!(answers, [hex!("c802000c 04d2 0000 0002 0004")]);
    let ours = SessionKey { tunnel_id: tunnel, session_id: session };
    let theirs = SessionKey { tunnel_id: 0x04d2, session_id: 0x1e61 };
    let opened = Event::SessionOpened {
        peer: 1,
        session: ours,
        peer_session: theirs,
        tx_speed: 100_000_000,
        sequencing_required: false,
    };
    assert_eq!(world.events(), [opened]);

    let stop_ccn = message(tunnel, 0, 4, 2, &MTPD_STOP_CCN);
    assert_eq!(world.say(&stop_ccn), [hex!("c802000c 04d2 0000 0002 0005")]);
    let reason = Reason::Stopped { result: 6, error: 0, message: String::new() };
    assert_eq!(
        world.events(),
        [
            Event::SessionClosed { peer: 1, session: ours, reason: reason.clone() },
            Event::TunnelClosed { peer: 1, tunnel_id: tunnel, reason },
        ]
    );

    // RFC 2661 §5.7: repetitions are acknowledged for a full cycle, then the tunnel is forgotten.
    world.wait(30 * SECOND);
    assert_eq!(world.say(&stop_ccn), [hex!("c802000c 04d2 0000 0002 0005")]);
    world.wait(2 * SECOND);
    assert_eq!(world.lns.poll_timeout(), None);
    assert!(world.say(&stop_ccn).is_empty());
    assert!(world.events().is_empty());
}

#[test]
fn android_with_a_secret() {
    let mut world = World::with_secret();
    let sccrq = [&MTPD_SCCRQ[12..], &avp(0x8000, 11, &[0x5a; 32])].concat();
    let sccrp = world.say(&message(0, 0, 0, 0, &sccrq)).remove(0);
    let tunnel = assigned(&sccrp, 9);
    let secret = Secret::new("tunnel secret");
    let response = secret.response(MessageType::SCCRP, &[0x5a; 32]).0;
    // Challenge, then Challenge Response, are the last of the SCCRP.
    let (rest, tail) = sccrp.split_at(sccrp.len() - 44);
    assert_eq!(rest.len(), 74);
    assert_eq!(tail[..6], hex!("80160000000b"));
    assert_eq!(tail[22..], [hex!("80160000000d").as_slice(), &response].concat());

    let proof = secret.response(MessageType::SCCCN, &tail[6..22]).0;
    let scccn = [SCCCN, &avp(0x8000, 13, &proof)].concat();
    assert_eq!(world.say(&message(tunnel, 0, 1, 1, &scccn)), [zlb(0x04d2, 1, 2)]);
    assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }]));
}

#[test]
fn wrong_or_missing_secret() {
    for proof in [None, Some(avp(0x8000, 13, &[0; 16])), Some(avp(0x8000, 13, &[0; 15]))] {
        let mut world = World::with_secret();
        let tunnel = assigned(&world.say(&MTPD_SCCRQ)[0], 9);
        let scccn = [SCCCN, &proof.unwrap_or_default()].concat();
        let answers = world.say(&message(tunnel, 0, 1, 1, &scccn));
        assert_eq!(kinds(&answers), [4]);
        assert!(matches!(world.events()[..], [Event::TunnelFailed { .. }]));
        // Nothing else of that tunnel is heard any more.
        assert_eq!(kinds(&world.say(&message(tunnel, 0, 2, 1, &icrq(1)))), [0]);
        assert!(world.events().is_empty());
    }
}

#[test]
fn client_demands_a_secret_that_is_not_configured() {
    let mut world = World::new(Config::default());
    let sccrq = [&MTPD_SCCRQ[12..], &avp(0x8000, 11, &[0x5a; 32])].concat();
    for _ in 0..2 {
        let stop_ccn = world.say(&message(0, 0, 0, 0, &sccrq)).remove(0);
        assert_eq!(stop_ccn[..12], hex!("c8020026 04d2 0000 0000 0001"));
        assert_eq!(stop_ccn[12..26], hex!("80080000 0000 0004 80080000 0009"));
        assert_eq!(stop_ccn[28..], hex!("800a0000 0001 0004 0000"));
        let failed = Event::TunnelFailed { peer: 1, host_name: "anonymous".into(), reason: Reason::NoSecret };
        assert_eq!(world.events(), [failed]);
    }
    assert_eq!(world.lns.poll_timeout(), None, "no state");
}

#[test]
fn windows() {
    // Windows 10: framing 1, bearer 0, firmware 0a00, host name, "Microsoft", tunnel id 1, window 8.
    let sccrq = hex!(
        "80080000 0000 0001 80080000 0002 0100 800a0000 0003 00000001 800a0000 0004 00000000 00080000 0006 0a00"
        "80150000 0007 4445534b544f502d3741423132 3343 000f0000 0008 4d6963726f736f6674 80080000 0009 0001"
        "80080000 000a 0008"
    );
    // ICRQ: session id 1, serial number, bearer type 2, Microsoft's Correlation ID.
    let icrq = hex!(
        "80080000 0000 000a 80080000 000e 0001 800a0000 000f 00000000 800a0000 0012 00000002"
        "00160137 0001 00112233445566778899aabbccddeeff"
    );
    // ICCN: speed, framing, proxy authen type 4 (none).
    let iccn = hex!("80080000 0000 000c 800a0000 0018 3b9aca00 800a0000 0013 00000001 00080000 001d 0004");
    let mut world = World::new(Config::default());
    let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq))[0], 9);
    assert_eq!(world.say(&message(tunnel, 0, 1, 1, SCCCN)), [zlb(1, 1, 2)]);
    let opened = Event::TunnelOpened {
        peer: 1,
        tunnel_id: tunnel,
        host_name: "DESKTOP-7AB123C".into(),
        vendor: Some("Microsoft".into()),
    };
    assert_eq!(world.events(), [opened]);
    let session = assigned(&world.say(&message(tunnel, 0, 2, 1, &icrq))[0], 14);
    assert_eq!(world.say(&message(tunnel, session, 3, 2, &iccn)), [zlb(1, 2, 4)]);
    assert!(matches!(world.events()[..], [Event::SessionOpened { tx_speed: 1_000_000_000, .. }]));
    // CDN with error code and text, then StopCCN.
    let cdn = [CDN, &hex!("80100000 0001 0002 0006 627965 0d0a21"), &avp(0x8000, 14, &[0, 1])].concat();
    assert_eq!(world.say(&message(tunnel, session, 4, 2, &cdn)), [zlb(1, 2, 5)]);
    let events = world.events();
    let [Event::SessionClosed { reason, .. }] = &events[..] else { panic!("{events:?}") };
    let text = "client hung up: general error, vendor-specific error (bye\u{fffd}\u{fffd}!)";
    assert_eq!(reason.to_string(), text);
    let stop_ccn = [STOP_CCN, &avp(0x8000, 9, &[0, 1]), &hex!("800a0000 0001 0001 0000")].concat();
    assert_eq!(world.say(&message(tunnel, 0, 5, 2, &stop_ccn)), [zlb(1, 2, 6)]);
    assert!(matches!(world.events()[..], [Event::TunnelClosed { .. }]));
}

#[test]
fn old_windows() {
    let stop = |id: u16| [STOP_CCN, &avp(0x8000, 9, &id.to_be_bytes()), &avp(0x8000, 1, &[0, 1])].concat();
    // An empty host name; a StopCCN with another tunnel id within, or to tunnel 0 with their or our tunnel id within.
    let sccrq = [SCCRQ, &avp(0x8000, 7, &[]), &avp(0x8000, 9, &[0, 9])].concat();
    for (addressed, theirs) in [(true, None), (false, Some(true)), (false, Some(false))] {
        let mut world = World::new(Config::default());
        let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq))[0], 9);
        world.say(&message(tunnel, 0, 1, 1, SCCCN));
        assert!(
            matches!(&world.events()[..], [Event::TunnelOpened { host_name, .. }] if host_name.is_empty())
        );
        let within = theirs.map_or(0x7777, |theirs| if theirs { 9 } else { tunnel });
        let header_id = if addressed { tunnel } else { 0 };
        assert_eq!(world.say(&message(header_id, 0, 2, 1, &stop(within))), [zlb(9, 1, 3)]);
        assert!(matches!(world.events()[..], [Event::TunnelClosed { .. }]));
    }
}

#[test]
fn apple() {
    // Host name with its NUL; SCCCN and ICRQ back to back; StopCCN with an eight-byte little-endian result code.
    let sccrq = hex!(
        "80080000 0000 0001 80080000 0002 0100 800a0000 0003 00000003 80100000 0007 6d61632e6c616e2e6c00"
        "80080000 0009 0011 80080000 000a 0004"
    );
    let icrq = hex!("80080000 0000 000a 80080000 000e 0203 800a0000 000f 00000001");
    let iccn = hex!("80080000 0000 000c 800a0000 0018 000f4240 800a0000 0013 00000003");
    for swapped in [false, true] {
        let mut world = World::new(Config::default());
        let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq))[0], 9);
        let scccn = message(tunnel, 0, 1, 1, SCCCN);
        let icrq = message(tunnel, 0, 2, 1, &icrq);
        let answers = if swapped {
            assert!(world.say(&icrq).is_empty());
            world.say(&scccn)
        } else {
            assert_eq!(world.say(&scccn), [zlb(0x11, 1, 2)]);
            world.say(&icrq)
        };
        let [icrp] = &answers[..] else { panic!("{answers:02x?}") };
        assert_eq!(icrp[4..12], hex!("0011 0203 0001 0003"));
        let events = world.events();
        assert!(matches!(&events[..], [Event::TunnelOpened { host_name, .. }] if host_name == "mac.lan.l"));
        let session = assigned(icrp, 14);
        assert_eq!(world.say(&message(tunnel, session, 3, 2, &iccn)), [zlb(0x11, 2, 4)]);
        let cdn = [CDN, &hex!("800e0000 0001 0300 000000000000"), &avp(0x8000, 14, &[2, 3])].concat();
        assert_eq!(world.say(&message(tunnel, session, 4, 2, &cdn)), [zlb(0x11, 2, 5)]);
        let stop_ccn =
            [STOP_CCN, &avp(0x8000, 9, &[0, 0x11]), &hex!("800e0000 0001 0100 000000000000")].concat();
        assert_eq!(world.say(&message(tunnel, 0, 5, 2, &stop_ccn)), [zlb(0x11, 2, 6)]);
        let events = world.events();
        let [_, Event::SessionClosed { reason: cdn, .. }, Event::TunnelClosed { reason: stop, .. }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(cdn.to_string(), "client hung up: administrative reasons");
        assert_eq!(stop.to_string(), "client closed the tunnel: general request to clear the tunnel");
    }
}

#[test]
fn xl2tpd() {
    let sccrq = hex!(
        "80080000 0000 0001 80080000 0002 0100 800a0000 0003 00000003 800a0000 0004 00000000 00080000 0006 0690"
        "800c0000 0007 636c69656e74 00130000 0008 78656c6572616e63652e636f6d 80080000 0009 8f2a 80080000 000a 0004"
    );
    let icrq = hex!("80080000 0000 000a 80080000 000e 5c31 800a0000 000f 00000001 800a0000 0012 00000000");
    let iccn =
        hex!("80080000 0000 000c 800a0000 0018 00989680 800a0000 0013 00000001 000a0000 0026 00989680");
    let mut world = World::new(Config::default());
    let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq))[0], 9);
    world.say(&message(tunnel, 0, 1, 1, SCCCN));
    let session_id = assigned(&world.say(&message(tunnel, 0, 2, 1, &icrq))[0], 14);
    world.say(&message(tunnel, session_id, 3, 2, &iccn));
    assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }, Event::SessionOpened { .. }]));

    // The server hangs up: CDN and StopCCN, both at once, with the ids that xl2tpd compares.
    let session = SessionKey { tunnel_id: tunnel, session_id };
    world.lns.disconnect(world.now, 1, session, Disconnect::Administrative);
    let sent: Vec<Vec<u8>> = world.sent().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(kinds(&sent), [14, 4]);
    assert_eq!(sent[0][4..12], hex!("8f2a 5c31 0002 0004"));
    assert_eq!(sent[0][20..30], hex!("800a0000 0001 0003 0000"));
    assert_eq!(assigned(&sent[0], 14), session_id);
    assert_eq!(sent[1][4..12], hex!("8f2a 0000 0003 0004"));
    assert_eq!(assigned(&sent[1], 9), tunnel);
    let reason = Reason::Local(Disconnect::Administrative);
    assert_eq!(
        world.events(),
        [
            Event::SessionClosed { peer: 1, session, reason: reason.clone() },
            Event::TunnelClosed { peer: 1, tunnel_id: tunnel, reason },
        ]
    );
    assert!(world.say(&zlb(tunnel, 4, 3)).is_empty());
    assert!(world.say(&zlb(tunnel, 4, 4)).is_empty());
    assert_eq!(world.lns.poll_timeout(), None, "acknowledged and forgotten");
}

#[test]
fn hidden_avps() {
    let mut world = World::with_secret();
    let secret = Secret::new("tunnel secret");
    let hide = |attribute: u16, value: &[u8]| {
        let hidden = secret.hide(crate::iana::Attribute(attribute), b"vector", value, 11);
        avp(0xc000, attribute, &hidden)
    };
    let vector = avp(0x8000, 36, b"vector");
    let sccrq =
        [SCCRQ, &vector, &avp(0x8000, 7, b"host"), &hide(9, &[1, 2]), &hide(11, b"challenge")].concat();
    let sccrp = world.say(&message(0, 0, 0, 0, &sccrq)).remove(0);
    assert_eq!(sccrp[4..6], [1, 2]);
    assert_eq!(sccrp[sccrp.len() - 16..], secret.response(MessageType::SCCRP, b"challenge").0);
    let tunnel = assigned(&sccrp, 9);
    let challenge = &sccrp[sccrp.len() - 38..][..16];
    let proof = secret.response(MessageType::SCCCN, challenge).0;
    world.say(&message(tunnel, 0, 1, 1, &[SCCCN, &vector, &hide(13, &proof)].concat()));
    let icrp = world.say(&message(tunnel, 0, 2, 1, &[ICRQ, &vector, &hide(14, &[3, 4])].concat())).remove(0);
    assert_eq!(icrp[6..8], [3, 4]);
    assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }]));
}
