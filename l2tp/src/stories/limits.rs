//! What belongs to whom, and how much of it a peer may have.

use super::*;
use crate::discard::Discard;
use crate::{Disconnect, Reason};

#[test]
fn equal_ids_of_two_peers_never_meet() {
    let mut world = World::new(Config::default());
    let ids: Vec<u16> =
        [1, 2].map(|peer| assigned(&world.say_as(peer, &message(0, 0, 0, 0, &sccrq(5)))[0], 9)).into();
    assert_ne!(ids[0], ids[1]);
    assert!(world.say_as(2, &message(ids[0], 0, 1, 1, SCCCN)).is_empty());
    assert_eq!(world.lns.discards().count(Discard::UnknownTunnel), 1);
    for (peer, id) in [(1, ids[0]), (2, ids[1])] {
        assert_eq!(world.say_as(peer, &message(id, 0, 1, 1, SCCCN)), [zlb(5, 1, 2)]);
    }
    world.events();
    let stop_ccn = [STOP_CCN, &avp(0x8000, 9, &[0, 5]), &avp(0x8000, 1, &[0, 1])].concat();
    world.say_as(2, &message(0, 0, 2, 1, &stop_ccn));
    assert!(matches!(world.events()[..], [Event::TunnelClosed { peer: 2, .. }]));
    assert_eq!(world.say_as(1, &message(ids[0], 0, 2, 1, HELLO)), [zlb(5, 1, 3)]);
}

#[test]
fn a_repeated_sccrq_opens_no_second_tunnel() {
    let mut world = World::new(Config::default());
    let request = message(0, 0, 0, 0, &sccrq(5));
    let tunnel = assigned(&world.say(&request)[0], 9);
    assert_eq!(world.say(&request), [zlb(5, 1, 1)]);
    let again = world.wait(SECOND);
    assert_eq!(again.len(), 1);
    assert_eq!(assigned(&again[0].1, 9), tunnel, "our own retransmission");
    world.say(&message(tunnel, 0, 1, 1, SCCCN));
    assert_eq!(world.say(&request), [zlb(5, 1, 2)], "a late one");
    assert_eq!(world.lns.discards().count(Discard::Duplicate), 2);
    assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }]));
}

#[test]
fn a_client_that_begins_anew_with_the_same_id() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    world.wait(40 * SECOND);
    let sccrp = world.say(&message(0, 0, 0, 0, &sccrq(0x0a0b))).remove(0);
    assert_eq!(kind(&sccrp), 2);
    let reason = Reason::Replaced;
    assert_eq!(
        world.events(),
        [
            Event::SessionClosed { peer: 1, session, reason: reason.clone() },
            Event::TunnelClosed { peer: 1, tunnel_id: session.tunnel_id, reason },
        ]
    );
    assert_eq!(world.say(&message(assigned(&sccrp, 9), 0, 1, 1, SCCCN)), [zlb(0x0a0b, 1, 2)]);
}

#[test]
fn reconnect_with_the_same_id_right_after_stop_ccn() {
    let mut world = World::new(Config::default());
    let tunnel = world.open_tunnel();
    let stop_ccn = [STOP_CCN, &avp(0x8000, 9, &[0x0a, 0x0b]), &avp(0x8000, 1, &[0, 1])].concat();
    world.say(&message(tunnel, 0, 2, 1, &stop_ccn));
    world.events();
    world.open_tunnel();
}

#[test]
fn half_open_tunnels_make_room_and_open_ones_stay() {
    let mut world = World::new(Config::default());
    let open = world.open_tunnel();
    for id in 1..=7 {
        assert_eq!(kinds(&world.say(&message(0, 0, 0, 0, &sccrq(id)))), [2]);
        world.now += SECOND / 100;
    }
    assert!(world.events().is_empty());
    assert_eq!(kinds(&world.say(&message(0, 0, 0, 0, &sccrq(8)))), [2]);
    assert!(matches!(world.events()[..], [Event::TunnelFailed { reason: Reason::TooMany, .. }]));
    assert_eq!(world.say(&message(open, 0, 2, 1, HELLO)), [zlb(0x0a0b, 1, 3)]);
    // Another peer has its own share.
    assert_eq!(kinds(&world.say_as(2, &message(0, 0, 0, 0, &sccrq(1)))), [2]);
}

#[test]
fn open_tunnels_are_bounded() {
    let mut world = World::new(Config { max_tunnels: 2, ..Config::default() });
    world.open_tunnel();
    let tunnel = assigned(&world.say(&message(0, 0, 0, 0, &sccrq(2)))[0], 9);
    world.say(&message(tunnel, 0, 1, 1, SCCCN));
    world.events();
    assert_eq!(kinds(&world.say(&message(0, 0, 0, 0, &sccrq(3)))), [4]);
    assert!(matches!(world.events()[..], [Event::TunnelFailed { reason: Reason::TooMany, .. }]));
}

#[test]
fn sessions_are_bounded() {
    let mut world = World::new(Config { max_sessions: 2, ..Config::default() });
    let session = world.open_session();
    let tunnel = session.tunnel_id;
    assert_eq!(kinds(&world.say(&message(tunnel, 0, 4, 2, &icrq(2)))), [11]);
    // The one that is not connected gives way.
    let answers = world.say(&message(tunnel, 0, 5, 3, &icrq(3)));
    assert_eq!(kinds(&answers), [14, 11]);
    assert_eq!(answers[0][6..8], [0, 2]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { reason: Reason::TooMany, .. }]));
    let third = assigned(&answers[1], 14);
    assert_eq!(kinds(&world.say(&message(tunnel, third, 6, 5, ICCN))), [0]);
    assert!(matches!(world.events()[..], [Event::SessionOpened { .. }]));
    let answers = world.say(&message(tunnel, 0, 7, 5, &icrq(4)));
    assert_eq!(kinds(&answers), [14]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { reason: Reason::TooMany, .. }]));

    // One hangs up, then the owner ends the other: only then does the tunnel go.
    world.lns.disconnect(world.now, 1, session, Disconnect::LinkClosed);
    let sent: Vec<Vec<u8>> = world.sent().into_iter().map(|(_, payload)| payload).collect();
    assert!(kinds(&sent).iter().all(|kind| *kind == 14));
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }]));
    world.lns.disconnect(world.now, 1, session, Disconnect::LinkClosed);
    assert!(world.events().is_empty(), "it is over already");
    world.lns.disconnect(
        world.now,
        1,
        SessionKey { tunnel_id: tunnel, session_id: third },
        Disconnect::Shutdown,
    );
    assert!(matches!(world.events()[..], [Event::SessionClosed { .. }, Event::TunnelClosed { .. }]));
}

#[test]
fn a_session_id_used_twice() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let answers = world.say(&message(session.tunnel_id, 0, 4, 2, &icrq(0x0c0d)));
    assert_eq!(kinds(&answers), [14]);
    assert!(matches!(world.events()[..], [Event::SessionClosed { reason: Reason::Replaced, .. }]));
    assert_eq!(kinds(&world.say(&message(session.tunnel_id, 0, 5, 3, &icrq(0x0c0d)))), [11]);
}

#[test]
fn cdn_before_our_session_id_is_known() {
    let mut world = World::new(Config::default());
    let tunnel = world.open_tunnel();
    world.say(&message(tunnel, 0, 2, 1, &icrq(7)));
    let cdn = [CDN, &avp(0x8000, 1, &[0, 3]), &avp(0x8000, 14, &[0, 7])].concat();
    assert_eq!(world.say(&message(tunnel, 0, 3, 2, &cdn)), [zlb(0x0a0b, 2, 4)]);
    assert!(matches!(world.events()[..], [Event::SessionFailed { reason: Reason::Disconnected { .. }, .. }]));
    assert_eq!(world.say(&message(tunnel, 0, 4, 2, &cdn)), [zlb(0x0a0b, 2, 5)]);
    assert_eq!(world.lns.discards().count(Discard::UnknownSession), 1);
}

#[test]
fn the_peer_below_is_gone() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    world.say(&message(0, 0, 0, 0, &sccrq(1)));
    world.lns.remove_peer(world.now, 1);
    assert!(world.sent().is_empty());
    let events = world.events();
    assert!(events.contains(&Event::SessionClosed { peer: 1, session, reason: Reason::PeerGone }));
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(world.lns.poll_timeout(), None);
    world.lns.remove_peer(world.now, 1);
    assert!(world.events().is_empty());
}

#[test]
fn a_peer_that_acknowledges_nothing() {
    let mut world = World::new(Config::default());
    let tunnel = world.open_tunnel();
    let mut most = 0;
    for ns in 2..500 {
        most = most.max(world.say(&message(tunnel, 0, ns, 1, &icrq(ns))).len());
    }
    assert!(most <= 4, "{most} messages in answer to one");
    let closed = Event::TunnelClosed { peer: 1, tunnel_id: tunnel, reason: Reason::NoResponse };
    assert!(world.events().contains(&closed));
    assert_eq!(world.lns.poll_timeout(), None);
}
