//! What time does: retransmission, HELLO, timeouts.

use super::*;
use crate::{Disconnect, Reason};

#[test]
fn sccrp_is_retransmitted_and_given_up() {
    let mut world = World::new(Config::default());
    let sccrp = world.say(&message(0, 0, 0, 0, &sccrq(5))).remove(0);
    let again: Vec<(u64, Vec<u8>)> = [1, 3, 7, 15, 23].map(|at| (at, sccrp.clone())).into();
    assert_eq!(world.wait(60 * SECOND), again);
    let reason = Reason::NoResponse;
    assert_eq!(world.events(), [Event::TunnelFailed { peer: 1, host_name: String::new(), reason }]);
    assert_eq!(world.lns.poll_timeout(), None);
}

#[test]
fn half_open_tunnel_whose_client_acknowledges_only() {
    let mut world = World::new(Config::default());
    let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq(5)))[0], 9);
    assert!(world.say(&zlb(tunnel, 1, 1)).is_empty());
    let sent = world.wait(60 * SECOND);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, kind(&sent[0].1)), (60, 4));
    assert!(matches!(world.events()[..], [Event::TunnelFailed { reason: Reason::SetupTimeout, .. }]));
    assert!(world.say(&zlb(tunnel, 1, 2)).is_empty());
    assert_eq!(world.lns.poll_timeout(), None);
}

#[test]
fn a_call_that_is_never_connected() {
    let mut world = World::new(Config { hello_interval: Duration::ZERO, ..Config::default() });
    let tunnel = world.open_tunnel();
    world.wait(10 * SECOND);
    world.say(&message(tunnel, 0, 2, 1, &icrq(7)));
    world.say(&zlb(tunnel, 3, 2));
    let sent = world.wait(60 * SECOND);
    assert_eq!((sent[0].0, kind(&sent[0].1)), (60, 14));
    assert_eq!(sent[0].1[6..8], [0, 7]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { reason: Reason::SetupTimeout, .. }]));
    world.say(&zlb(tunnel, 3, 3));
    // The tunnel is left without a session, and in the end not left.
    let sent = world.wait(60 * SECOND);
    assert_eq!((sent[0].0, kind(&sent[0].1)), (60, 4));
    assert!(matches!(world.events()[..], [Event::TunnelClosed { reason: Reason::NoSession, .. }]));
}

#[test]
fn hello_after_silence() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let tunnel = session.tunnel_id;
    for nr in 3..6 {
        let sent = world.wait(60 * SECOND);
        assert_eq!(sent.iter().map(|(at, message)| (*at, kind(message))).collect::<Vec<_>>(), [(60, 6)]);
        world.say(&zlb(tunnel, 4, nr));
    }
    // Any control message counts as a sign of life, and so does data.
    world.wait(50 * SECOND);
    world.say(&message(tunnel, 0, 4, 5, HELLO));
    assert!(world.wait(55 * SECOND).is_empty());
    world.lns.note_inbound(world.now, 1);
    assert!(world.wait(59 * SECOND).is_empty());
    assert_eq!(world.wait(SECOND).len(), 1);
    assert!(world.events().is_empty());
}

#[test]
fn an_unanswered_hello_ends_a_silent_tunnel() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let sent = world.wait(299 * SECOND);
    let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [60, 61, 63, 67, 75, 83, 151, 153, 157, 165, 173, 241, 243, 247, 255, 263]);
    assert!(world.events().is_empty(), "a phone may sleep");
    assert!(world.wait(SECOND).is_empty());
    let reason = Reason::NoResponse;
    assert_eq!(
        world.events(),
        [
            Event::SessionClosed { peer: 1, session, reason: reason.clone() },
            Event::TunnelClosed { peer: 1, tunnel_id: session.tunnel_id, reason },
        ]
    );
    assert_eq!(world.lns.poll_timeout(), None);
}

/// Android 9 and 10 at times never acknowledge a HELLO.
#[test]
fn an_unanswered_hello_does_not_end_a_tunnel_whose_data_flows() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let mut hellos = world.wait(70 * SECOND).len();
    assert_eq!(hellos, 4, "at 60, 61, 63 and 67 s");
    for _ in 0..100 {
        world.lns.note_inbound(world.now, 1);
        hellos += world.wait(20 * SECOND).len();
    }
    assert_eq!(hellos, 4, "nor is it repeated");
    assert!(world.events().is_empty());
    // The goodbye does not wait behind it, although the acknowledgement is still missing.
    world.lns.disconnect(world.now, 1, session, Disconnect::Administrative);
    let sent: Vec<Vec<u8>> = world.sent().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(kinds(&sent), [14, 4]);
}

#[test]
fn data_that_stops_after_an_unanswered_hello() {
    let mut world = World::new(Config::default());
    world.open_session();
    world.wait(62 * SECOND);
    world.lns.note_inbound(world.now, 1);
    let sent = world.wait(300 * SECOND);
    let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
    let expected = [60, 62, 66, 74, 82, 150, 152, 156, 164, 172, 240, 242, 246, 254, 262];
    assert_eq!(times, expected, "silent for a minute, then a cycle each minute");
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }, Event::TunnelClosed { .. }]));
}

/// A window of 1 and a lost HELLO: what comes behind it must not wait for the data to stop.
#[test]
fn an_answer_behind_an_unanswered_hello() {
    let mut world = World::new(Config::default());
    let window = [sccrq(5), avp(0x8000, 10, &[0, 1])].concat();
    let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &window))[0], 9);
    world.say(&message(tunnel, 0, 1, 1, SCCCN));
    let session = assigned(&world.say(&message(tunnel, 0, 2, 1, &icrq(7)))[0], 14);
    world.say(&message(tunnel, session, 3, 2, ICCN));
    world.wait(60 * SECOND);
    for _ in 0..5 {
        world.lns.note_inbound(world.now, 1);
        assert!(world.wait(10 * SECOND).is_empty());
    }
    assert_eq!(world.say(&message(tunnel, 0, 4, 2, &icrq(8))), [zlb(5, 3, 5)], "the window is full");
    let sent = world.wait(SECOND);
    assert_eq!(kind(&sent[0].1), 6);
    let answers = world.say(&zlb(tunnel, 5, 3));
    assert_eq!(kinds(&answers), [11]);
}

#[test]
fn stop_ccn_is_retransmitted_and_given_up_quietly() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    world.lns.disconnect(world.now, 1, session, Disconnect::Shutdown);
    assert_eq!(world.sent().len(), 2);
    assert_eq!(world.events().len(), 2);
    assert_eq!(world.wait(60 * SECOND).len(), 10);
    assert!(world.events().is_empty());
    assert_eq!(world.lns.poll_timeout(), None);
}

#[test]
fn stop_ccn_from_both_sides() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    world.lns.disconnect(world.now, 1, session, Disconnect::Administrative);
    world.sent();
    world.events();
    let stop_ccn = [STOP_CCN, &avp(0x8000, 9, &[0x0a, 0x0b]), &avp(0x8000, 1, &[0, 6])].concat();
    assert_eq!(world.say(&message(session.tunnel_id, 0, 4, 2, &stop_ccn)), [zlb(0x0a0b, 4, 5)]);
    assert!(world.wait(60 * SECOND).is_empty(), "neither needs another word");
    assert!(world.events().is_empty());
    assert_eq!(world.lns.poll_timeout(), None);
}

#[test]
fn the_peers_window_is_honoured() {
    for (window, expected) in [(None, 4), (Some(0), 4), (Some(1), 1), (Some(2), 2)] {
        let mut world = World::new(Config::default());
        let window: Vec<u8> =
            window.map(|window: u16| avp(0x8000, 10, &window.to_be_bytes())).unwrap_or_default();
        let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &[sccrq(5), window.clone()].concat()))[0], 9);
        world.say(&message(tunnel, 0, 1, 1, SCCCN));
        let mut nr = 1;
        let mut in_flight = 0;
        for call in 0..30 {
            // Acknowledge all for a while, then nothing.
            nr = if call < 10 { call + 1 } else { nr };
            let answers = world.say(&message(tunnel, 0, call + 2, nr, &icrq(call + 1)));
            in_flight =
                if call < 10 { 1 } else { in_flight + kinds(&answers).iter().filter(|k| **k != 0).count() };
        }
        assert_eq!(in_flight, expected, "{window:?}");
    }
}
