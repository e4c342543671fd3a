//! Whatever arrives, in whatever phase: no panic, no flood, no second ending.

use std::time::Duration;

use proptest::prelude::*;

use super::{Story, acked, bytes, chap, eap, hex, new_password, pap, response, verify};
use crate::{Event, Reason};

/// One link in every phase.
fn phases() -> [Story; 11] {
    let refused = {
        let (mut story, challenge) = Story::to_challenge();
        story.peer(&response(&challenge, 0, "alice", "wrong"));
        story.asked();
        story.reject();
        story.sent();
        story
    };
    let leaving = {
        let mut story = Story::to_up();
        story.link.close(story.now, Reason::Shutdown);
        story
    };
    [
        Story::new(),
        Story::to_challenge().0,
        refused,
        new_password::expired().0,
        chap::to_challenge().0,
        pap::listening(),
        eap::asking(),
        eap::challenging(),
        Story::to_network(),
        Story::to_up(),
        leaving,
    ]
}

/// Everything that a well-behaved client says.
fn vocabulary() -> Vec<Vec<u8>> {
    let (story, challenge) = Story::to_challenge();
    let mut frames = vec![
        bytes(&acked(&story.lcp_request(1))),
        bytes(&response(&challenge, 0, "OFFICE\\alice", "secret")),
        bytes(&new_password::change(&new_password::expired().1, 1, "secret", "better")),
        bytes(&chap::response(&chap::to_challenge().1, "alice", "secret")),
        bytes(&pap::request(1, b"alice", b"secret")),
    ];
    frames.extend(eap::vocabulary());
    frames.extend(
        [
            "c021 01 00 .. 0104 0578 0506 4d414749 0702 0802 0d03 06 1104 064e 1305 01 e0e0",
            "ff03 c021 01 01 .. 0104 0578 0206 00000000 0506 61626364 0702 0802",
            "c021 03 01 .. 0104 0500",
            "c021 03 01 .. 0305 c22305",
            "c021 04 01 .. 0104 0578",
            "c021 05 02 .. 55736572",
            "c021 06 01 ..",
            "c021 07 01 .. 09 01 0008 00000000",
            "c021 08 01 .. 8021 01 01 000a 0306 0a140001",
            "c021 09 01 .. 61626364",
            "c021 0a 01 .. 61626364",
            "c021 0b 01 .. 61626364",
            "c021 0c 01 .. 61626364 4d5352415356352e3230",
            "c021 0d 01 .. 61626364 00000e10",
            "8021 01 01 .. 0206 002d0f01 0306 00000000 8106 00000000 8306 00000000",
            "8021 01 02 .. 0306 0a140007",
            "8021 02 01 .. 0306 0a140001",
            "8021 03 01 .. 0306 0a140002",
            "8021 05 03 ..",
            "80fd 01 01 .. 1206 00000001",
            "8057 01 01 .. 010a 0102030405060708",
            "21 45",
        ]
        .map(bytes),
    );
    frames
}

/// Takes everything the link has to say: how many frames, and whether it ended.
fn drain(story: &mut Story) -> (usize, usize) {
    let frames = std::iter::from_fn(|| story.link.poll_transmit()).count();
    let ends =
        std::iter::from_fn(|| story.link.poll_event()).filter(|event| matches!(event, Event::Closed(_)));
    (frames, ends.count())
}

#[test]
fn every_prefix_of_every_valid_frame_is_discarded() {
    for frame in vocabulary() {
        for length in 0..frame.len() {
            let prefix = &frame[..length];
            for mut story in phases() {
                drain(&mut story);
                story.discards();
                let up = story.link.is_up();
                story.link.handle_frame(story.now, prefix);
                let (frames, ends) = drain(&mut story);
                // What we do not speak we send back, whole or not.
                let unsupported =
                    ["80fd", "8057", "c023", "c227"].iter().any(|start| hex(prefix).starts_with(start));
                assert_eq!((story.link.is_up(), ends), (up, 0), "{}", hex(prefix));
                if unsupported {
                    assert!(frames <= 1, "{}", hex(prefix));
                } else {
                    let discarded: u64 = story.discards().iter().map(|(_, count)| count).sum();
                    assert_eq!((frames, discarded), (0, 1), "{}", hex(prefix));
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Move {
    Frame(Vec<u8>),
    Pass(Duration),
    Accept,
    Reject,
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    let noise = proptest::collection::vec(any::<u8>(), 0..80);
    let protocol =
        proptest::sample::select(vec![[0xc0, 0x21], [0xc0, 0x23], [0xc2, 0x23], [0x80, 0x21], [0x80, 0xfd]]);
    // A well-formed packet with made-up content gets deeper than noise does.
    let packet = (protocol, 0_u8..15, 0_u8..4, proptest::collection::vec(any::<u8>(), 0..64)).prop_map(
        |(protocol, code, identifier, data)| {
            let length = u16::try_from(4 + data.len()).unwrap().to_be_bytes();
            [&protocol[..], &[code, identifier], &length, &data].concat()
        },
    );
    let words = vocabulary();
    let word =
        (proptest::sample::select(words), any::<proptest::sample::Index>(), any::<u8>(), any::<bool>())
            .prop_map(|(mut frame, at, octet, damage)| {
                if damage {
                    *at.get_mut(&mut frame) = octet;
                }
                frame
            });
    prop_oneof![
        2 => noise.prop_map(Move::Frame),
        4 => packet.prop_map(Move::Frame),
        8 => word.prop_map(Move::Frame),
        2 => (0_u64..40_000).prop_map(|millis| Move::Pass(Duration::from_millis(millis))),
        1 => Just(Move::Accept),
        1 => Just(Move::Reject),
        1 => Just(Move::Close),
    ]
}

proptest! {
    #[test]
    fn nothing_a_peer_does_breaks_a_link(start in 0..9_usize, moves in proptest::collection::vec(moves(), 1..60)) {
        let mut story = phases().into_iter().nth(start).unwrap();
        let (_, mut ends) = drain(&mut story);
        let mut request = story.pending.clone();
        for step in moves {
            let bound = match step {
                Move::Frame(frame) => {
                    story.link.handle_frame(story.now, &frame);
                    3
                }
                Move::Pass(duration) => {
                    story.now += duration;
                    story.link.handle_timeout(story.now);
                    prop_assert!(story.link.poll_timeout().is_none_or(|at| at > story.now));
                    // After a long silence: Success and IPCP request, Echo-Request, Terminate-Request.
                    4
                }
                Move::Accept => {
                    if let Some(request) = &request
                        && verify(request, "secret").is_some()
                    {
                        story.accept(request, "secret");
                    }
                    2
                }
                Move::Reject => {
                    if let Some(request) = &request {
                        story.reject_late(request, 691);
                    }
                    2
                }
                Move::Close => {
                    story.link.close(story.now, Reason::Shutdown);
                    1
                }
            };
            let frames = std::iter::from_fn(|| story.link.poll_transmit()).count();
            prop_assert!(frames <= bound, "{frames} frames at once");
            while let Some(event) = story.link.poll_event() {
                match event {
                    Event::AuthRequest(asked) => request = Some(asked),
                    Event::Job(job) => story.link.handle_job(story.now, job.run(Duration::from_secs(1_798_761_600))),
                    Event::Closed(_) => ends += 1,
                    Event::LcpUp
                    | Event::NetworkUp { .. }
                    | Event::NetworkDown
                    | Event::Ipv6Up { .. }
                    | Event::Ipv6Down => {}
                }
            }
            prop_assert!(ends <= 1);
            prop_assert!(ends == 0 || story.link.poll_timeout().is_none());
        }
        // Left alone, every link that is not up comes to an end.
        if !story.link.is_up() && ends == 0 {
            story.pass(Duration::from_secs(400));
            prop_assert_eq!(drain(&mut story).1, 1);
        }
    }
}
