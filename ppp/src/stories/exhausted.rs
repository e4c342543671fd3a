//! A client that is who it says, and for whom no address is left.

use std::time::Duration;

use super::{Story, response};
use crate::{Event, Reason};

const GOODBYE: &str = "8021 05 01 .. 6e6f20667265652061646472657373";

/// As far as the end of IPCP.
fn to_end() -> Story {
    let (mut story, challenge) = Story::to_challenge();
    story.ipv4 = None;
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let request = story.asked();
    story.accept(&request, "secret");
    assert!(story.sent().starts_with("ff03c22303"), "the password was right");
    story.ours(GOODBYE);
    story.quiet();
    story
}

fn closed(story: &mut Story) {
    assert!(story.sent().starts_with("ff03c02105"), "LCP says goodbye as well");
    story.peer("c021 06 01 ..");
    story.pass(Duration::from_secs(6));
    let end = std::iter::from_fn(|| story.link.poll_event()).last();
    assert!(matches!(end, Some(Event::Closed(Reason::NoAddress))), "{end:?}");
}

#[test]
fn it_is_told_by_the_end_of_ipcp() {
    let mut story = to_end();
    // Windows was not listening yet.
    story.peer("8021 01 07 .. 0306 00000000 8106 00000000");
    story.ours(GOODBYE);
    story.peer("8021 06 01 ..");
    closed(&mut story);
}

#[test]
fn one_that_does_not_answer_is_not_waited_for() {
    let mut story = to_end();
    story.pass(Duration::from_secs(3));
    closed(&mut story);
}
