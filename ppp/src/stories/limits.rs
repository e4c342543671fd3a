//! Sessions that end at their time.

use std::time::{Duration, Instant};

use super::{Story, hex};
use crate::{Event, SessionEnd};

const WHY: &str = "the session's time is over";

fn end(story: &Story, minutes: u64) -> Option<SessionEnd> {
    Some(SessionEnd { at: story.now + Duration::from_secs(minutes * 60), why: WHY })
}

/// The client is there: it answers echoes.
fn pass(story: &mut Story, duration: Duration) -> Vec<String> {
    let until: Instant = story.now + duration;
    let mut said = Vec::new();
    while story.link.poll_timeout().is_some_and(|at| at <= until) {
        story.wait();
        while let Some(frame) = story.link.poll_transmit().map(|frame| hex(&frame)) {
            if frame.starts_with("ff03c02109") {
                story.peer(&format!("c021 0a {} .. 00000000", &frame[10..12]));
            } else {
                said.push(frame);
            }
        }
    }
    story.now = until;
    said
}

#[test]
fn a_client_is_told_how_long_it_has_and_then_dismissed() {
    let mut story = Story::to_up();
    story.link.limit_session(story.now, end(&story, 10));
    let magic = story.magic.clone();
    let remaining =
        |identifier: &str, seconds: u32| format!("ff03c0210d{identifier}000c{magic}{seconds:08x}");
    let first = story.sent();
    assert_eq!(first, remaining(&first[10..12], 600));
    let told = pass(&mut story, Duration::from_secs(599));
    let identifiers: Vec<&str> = told.iter().map(|frame| &frame[10..12]).collect();
    assert_eq!(told, [remaining(identifiers[0], 300), remaining(identifiers[1], 60)]);
    assert!(identifiers[0] != identifiers[1] && identifiers[0] != &first[10..12], "each is another one");
    let goodbye = pass(&mut story, Duration::from_secs(1));
    assert_eq!(goodbye.len(), 1);
    assert!(
        goodbye[0].starts_with("ff03c02105") && goodbye[0].ends_with(&hex(WHY.as_bytes())),
        "{goodbye:?}"
    );
    assert!(matches!(story.event(), Event::NetworkDown));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("it should be closed") };
    assert_eq!(reason.to_string(), WHY);
}

#[test]
fn a_short_session_is_told_once_and_one_about_to_begin_when_it_does() {
    let mut story = Story::to_network();
    story.link.limit_session(story.now, end(&story, 1));
    story.quiet();
    story.peer("8021 02 01 .. 0306 0a140001");
    story.peer("8021 01 01 .. 0306 0a140007");
    story.ours("8021 02 01 .. 0306 0a140007");
    assert!(story.sent().ends_with("0000003c"));
    assert_eq!(pass(&mut story, Duration::from_secs(59)), Vec::<String>::new());
}

#[test]
fn an_end_can_be_moved_and_taken_away() {
    let mut story = Story::to_up();
    story.link.limit_session(story.now, end(&story, 10));
    story.sent();
    story.link.limit_session(story.now, end(&story, 20));
    assert!(story.sent().ends_with("000004b0"));
    // The same again is nothing new.
    story.link.limit_session(story.now, end(&story, 20));
    story.quiet();
    story.link.limit_session(story.now, None);
    assert_eq!(pass(&mut story, Duration::from_secs(86_400)), Vec::<String>::new());
    assert!(story.link.is_up());
    // One that has passed already.
    story.link.limit_session(story.now, end(&story, 0));
    assert!(matches!(story.event(), Event::NetworkDown));
}
