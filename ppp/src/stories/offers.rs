//! Which authentication protocol LCP agrees on.

use std::sync::Arc;

use super::{Story, acked, bytes};
use crate::{AuthProtocol, Config, Discard, EapConfig, EapMethod, Event};

const CHAP: &str = "c22305";
const PAP: &str = "c023";

fn all_three() -> Story {
    let auth = vec![AuthProtocol::MsChapV2, AuthProtocol::Chap, AuthProtocol::Pap];
    Story::with(Config { auth, ..Config::default() })
}

/// The client Naks what we offer; our next request offers this.
fn naks(story: &mut Story, identifier: u8, wanted: &str, next: &str) {
    let length = 2 + wanted.len() / 2;
    story.peer(&format!("c021 03 {identifier:02x} .. 03{length:02x} {wanted}"));
    let offer = story.lcp_offer(identifier + 1, next);
    story.ours(&offer);
}

#[test]
fn the_first_of_the_list_is_offered_first() {
    for (auth, option) in [(AuthProtocol::Pap, PAP), (AuthProtocol::Chap, CHAP)] {
        let story = Story::with(Config { auth: vec![auth, AuthProtocol::MsChapV2], ..Config::default() });
        assert_eq!(story.auth, option);
    }
}

#[test]
fn what_the_client_would_rather_use_is_offered_next() {
    let mut story = all_three();
    naks(&mut story, 1, PAP, PAP);
    story.peer("c021 01 01 .. 0506 a1a2a3a4");
    let offer = story.lcp_offer(2, PAP);
    story.ours("c021 02 01 .. 0506 a1a2a3a4");
    story.peer(&acked(&offer));
    assert!(matches!(story.event(), Event::LcpUp));
    // PAP it is: nobody is challenged, and a CHAP Response is as foreign as any other frame.
    story.quiet();
    story.peer("c223 02 01 .. 10 00000000000000000000000000000000 61");
    story.quiet();
    assert_eq!(story.discards().count(Discard::Phase), 1);
    story.peer("c023 01 01 .. 01 61 01 62");
    story.asked();
}

/// EAP, or MS-CHAPv1, is nothing that was configured here: the next of ours is tried, and what was refused is not
/// offered again.
#[test]
fn what_is_not_configured_is_never_offered() {
    let mut story = all_three();
    naks(&mut story, 1, "c227", CHAP);
    naks(&mut story, 2, "c22380", PAP);
    story.peer("c021 03 03 .. 0305 c22381");
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 04 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(
        reason.to_string().starts_with(
            "no common authentication protocol: we allow MS-CHAPv2, CHAP-MD5, PAP, the client wants MS-CHAPv2"
        ),
        "{reason}"
    );
}

/// A client may not talk us into something weaker than we allow.
#[test]
fn no_way_down_to_pap() {
    let mut story = Story::new();
    story.peer("c021 03 01 .. 0304 c023");
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 02 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().contains("we allow MS-CHAPv2, the client wants PAP"), "{reason}");
}

/// What the operator decides while a link is up holds when the client negotiates it anew, and not before.
#[test]
fn another_method_from_the_next_time_on() {
    let config = |method| {
        let eap = EapConfig { methods: vec![method], ..EapConfig::default() };
        Config { auth: vec![AuthProtocol::Eap], eap, ..Config::default() }
    };
    let mut story = Story::with(config(EapMethod::Md5));
    story.open();
    let identity = bytes(&story.sent());
    story.link.set_config(Arc::new(config(EapMethod::MsChapV2)));
    story.peer(&format!("c227 02 {:02x} .. 01 616c696365", identity[5]));
    assert_eq!(bytes(&story.sent())[8], 4, "the method that there was when it began");
    story.peer("c021 01 05 .. 0506 b1b2b3b4");
    let request = story.lcp_request(2);
    story.ours(&request);
    story.ours("c021 02 05 .. 0506 b1b2b3b4");
    story.peer(&acked(&request));
    let identity = bytes(&story.sent());
    story.peer(&format!("c227 02 {:02x} .. 01 616c696365", identity[5]));
    assert_eq!(bytes(&story.sent())[8], 26);
}
