//! What no single client is known by: tie breakers, several calls at a time, a request that is repeated under another id.

use hex_literal::hex;

use super::*;
use crate::discard::Discard;
use crate::{Disconnect, Reason};

/// RFC 2661 §4.4.3: it decides between two requests that cross, and we never send one. Neither its value, nor an M bit that must
/// not be there, nor a wrong length keeps the client out.
#[test]
fn a_tie_breaker_breaks_nothing() {
    let breakers: [&[u8]; 5] = [
        &hex!("000e0000 0005 0000000000000000"),
        &hex!("000e0000 0005 ffffffffffffffff"),
        &hex!("000e0000 0005 0123456789abcdef"),
        &hex!("800e0000 0005 0123456789abcdef"),
        &hex!("00080000 0005 0123"),
    ];
    for breaker in breakers {
        let mut world = World::new(Config::default());
        let sccrp = world.say(&message(0, 0, 0, 0, &[&sccrq(7)[..], breaker].concat())).remove(0);
        assert_eq!(kind(&sccrp), 2, "{breaker:02x?}");
        assert!(!sccrp.windows(6).any(|avp| avp[2..] == [0, 0, 0, 5]), "we have none to send");
        assert_eq!(world.say(&message(assigned(&sccrp, 9), 0, 1, 1, SCCCN)), [zlb(7, 1, 2)]);
        assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }]));
    }
}

/// The call of each of two users, in one tunnel: ids, data and end are each its own.
#[test]
fn several_calls_in_one_tunnel() {
    let mut world = World::new(Config::default());
    let first = world.open_session();
    let tunnel = first.tunnel_id;
    let icrp = world.say(&message(tunnel, 0, 4, 2, &icrq(0x0c0e))).remove(0);
    assert_eq!(icrp[4..8], hex!("0a0b 0c0e"), "addressed to the session that asked");
    let second = SessionKey { tunnel_id: tunnel, session_id: assigned(&icrp, 14) };
    assert_ne!(first, second);
    assert_eq!(world.say(&message(tunnel, second.session_id, 5, 3, ICCN)), [zlb(0x0a0b, 3, 6)]);
    let opened = Event::SessionOpened {
        peer: 1,
        session: second,
        peer_session: SessionKey { tunnel_id: 0x0a0b, session_id: 0x0c0e },
        tx_speed: 0,
        sequencing_required: false,
    };
    assert_eq!(world.events(), [opened]);

    // The first hangs up; the second goes on, and with it the tunnel.
    let cdn = [CDN, &avp(0x8000, 1, &[0, 3]), &avp(0x8000, 14, &[0x0c, 0x0d])].concat();
    assert_eq!(world.say(&message(tunnel, first.session_id, 6, 3, &cdn)), [zlb(0x0a0b, 3, 7)]);
    assert!(matches!(world.events()[..], [Event::SessionClosed { session, .. }] if session == first));
    assert_eq!(world.say(&message(tunnel, 0, 7, 3, HELLO)), [zlb(0x0a0b, 3, 8)]);
    world.lns.disconnect(world.now, 1, second, Disconnect::Administrative);
    assert!(
        matches!(world.events()[..], [Event::SessionClosed { session, .. }, Event::TunnelClosed { .. }] if session == second)
    );
}

/// A client that gets no answer repeats its SCCRQ with another Assigned Tunnel ID. Which of the two it holds to is seen by what it
/// says next; the other one costs an SCCRP and its repeats.
#[test]
fn a_request_repeated_under_another_id() {
    for held in [0, 1] {
        let mut world = World::new(Config::default());
        let ids = [0x0101, 0x0202];
        let tunnels = ids.map(|id| {
            let sccrp = world.say(&message(0, 0, 0, 0, &sccrq(id))).remove(0);
            assert_eq!(sccrp[4..6], id.to_be_bytes());
            assigned(&sccrp, 9)
        });
        assert_ne!(tunnels[0], tunnels[1]);
        let (tunnel, id) = (tunnels[held], ids[held]);
        assert_eq!(world.say(&message(tunnel, 0, 1, 1, SCCCN)), [zlb(id, 1, 2)]);
        let icrp = world.say(&message(tunnel, 0, 2, 1, &icrq(3))).remove(0);
        assert_eq!(world.say(&message(tunnel, assigned(&icrp, 14), 3, 2, ICCN)), [zlb(id, 2, 4)]);
        assert!(matches!(world.events()[..], [Event::TunnelOpened { .. }, Event::SessionOpened { .. }]));

        // The other one is given up, and nothing of that is said to the one that is held to.
        let abandoned = ids[1 - held].to_be_bytes();
        assert!(world.wait(59 * SECOND).iter().all(|(_, sent)| sent[4..6] == abandoned));
        let events = world.events();
        assert!(
            matches!(&events[..], [Event::TunnelFailed { reason: Reason::NoResponse, .. }]),
            "{events:?}"
        );
        assert_eq!(world.say(&message(tunnel, 0, 4, 2, HELLO)), [zlb(id, 2, 5)]);
    }
}

/// Repeated once more, by a client that takes the answer to its first request after all: late requests open nothing that stays.
#[test]
fn a_request_that_comes_late() {
    let mut world = World::new(Config::default());
    let session = world.open_session();
    let late = message(0, 0, 0, 0, &sccrq(0x0909));
    assert_eq!(kinds(&world.say(&late)), [2]);
    assert_eq!(world.say(&late), [zlb(0x0909, 1, 1)], "the same again is no third one");
    assert_eq!(world.lns.discards().count(Discard::Duplicate), 1);
    let tunnel = session.tunnel_id;
    assert_eq!(world.say(&message(tunnel, 0, 4, 2, HELLO)), [zlb(0x0a0b, 2, 5)]);
    world.wait(59 * SECOND);
    assert!(matches!(world.events()[..], [Event::TunnelFailed { .. }]));
    assert_eq!(world.say(&message(tunnel, 0, 5, 2, HELLO)), [zlb(0x0a0b, 2, 6)]);
}
