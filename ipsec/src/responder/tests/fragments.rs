//! Messages in pieces.

use super::*;
use crate::fragment::MAX_UNFRAGMENTED;
use crate::isakmp::iana::{ExchangeType, NotifyType, PayloadType};
use crate::isakmp::{Chain, Cookies, MessageWriter, Payloads};
use crate::proposal::Algorithms;

/// A message in pieces of so many octets, as racoon makes them: the same id every time, and flagged as encrypted.
fn pieces(message: &[u8], len: usize) -> Vec<Vec<u8>> {
    let count = message.len().div_ceil(len);
    let piece = |(index, data): (usize, &[u8])| {
        let header = Message::parse(message).expect("a message").header;
        let number = u8::try_from(index + 1).expect("few");
        let last = u8::from(index + 1 == count);
        let body = [&[0, 1, number, last][..], data].concat();
        let mut chain = Chain::default();
        chain.push(PayloadType::FRAGMENT, &body);
        let mut bytes = MessageWriter::new(header.cookies, header.exchange, 0).clear(&chain);
        bytes[19] = 1;
        bytes
    };
    message.chunks(len).enumerate().map(piece).collect()
}

/// What pieces of ours, none longer than what passes everywhere, amount to.
fn joined(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (number, bytes) in (1_u8..).zip(pieces) {
        assert!(bytes.len() + 4 <= MAX_UNFRAGMENTED);
        let message = Message::parse(bytes).expect("a message");
        let payloads = message.payloads().expect("payloads");
        let body = payloads.require(PayloadType::FRAGMENT).expect("a piece");
        assert_eq!((body[2], body[3]), (number, u8::from(usize::from(number) == pieces.len())));
        whole.extend_from_slice(&body[4..]);
    }
    whole
}

#[test]
fn every_message_may_come_in_pieces_in_any_order() {
    for profile in [Profile::windows10(), Profile::apple(), Profile::android(3), Profile::network_manager()] {
        let mut world = World::with_psks(&["main"]);
        let mut client = client(profile);
        let message2 = world.ask(client.path(), &client.message1());
        let send = |world: &mut World, path: Path, message: &[u8], len: usize| -> Vec<Vec<u8>> {
            let mut all = pieces(message, len);
            all.reverse();
            let last = all.pop().expect("a piece");
            for piece in &all {
                assert!(world.send(path, piece).is_empty());
            }
            world.send(path, &last)
        };
        let message3 = client.message3(&message2);
        let message4 = send(&mut world, client.path(), &message3, 100).remove(0);
        let path = client.float(&message4);
        let message5 = client.message5();
        let message6 = send(&mut world, path, &message5, 40).remove(0);
        // All of them again are a retransmission, as is the whole.
        assert_eq!(send(&mut world, path, &message5, 33), std::slice::from_ref(&message6));
        assert_eq!(world.ask(path, &message5), message6);
        client.finish(&message6);
        let quick1 = client.quick1();
        let quick2 = send(&mut world, path, &quick1, 90).remove(0);
        let quick3 = client.quick3(&quick2);
        send(&mut world, path, &quick3, 30);
        assert_eq!(world.log().last().map(String::as_str), Some("c1 confirmed"));
        assert_eq!(world.responder.discards().of(Discard::Fragment), 0);
    }
}

#[test]
fn a_lost_piece_is_filled_in_when_all_come_again() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::apple());
    let message2 = world.ask(client.path(), &client.message1());
    let all = pieces(&client.message3(&message2), 100);
    for piece in all.iter().skip(1) {
        assert!(world.send(client.path(), piece).is_empty());
    }
    world.wait(secs(3));
    assert_eq!(world.send(client.path(), &all[0]).len(), 1);
    // What comes twice afterwards begins a message that never comes whole.
    world.send(client.path(), &all[1]);
    world.discards(client.path(), &all[1], Discard::Fragment);
    world.wait(secs(31));
    assert_eq!(world.responder.discards().of(Discard::Fragment), 2);
    assert!(world.responder.fragments.since(client.cookies).is_none());
}

#[test]
fn strangers_are_not_waited_for() {
    let mut world = World::with_psks(&["main"]);
    let client = client(Profile::windows10());
    for piece in pieces(&client.message1(), 100) {
        world.discards(client.path(), &piece, Discard::UnknownCookies);
    }
    assert_eq!(world.responder.poll_timeout(), None);
}

#[test]
fn pieces_of_pieces_and_of_other_cookies_are_discarded() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message3 = client.message3(&message2);
    let nested = pieces(&message3, 1000).remove(0);
    let nested = pieces(&nested, 2000).remove(0);
    world.discards(client.path(), &nested, Discard::Fragment);
    let mut other = pieces(&message3, 2000).remove(0);
    other[HEADER_LEN + 8] ^= 1;
    world.discards(client.path(), &other, Discard::Fragment);
    let rubbish = pieces(&message3, 2000).remove(0);
    let mut cut = rubbish[..60].to_vec();
    cut[24..28].copy_from_slice(&60_u32.to_be_bytes());
    cut[HEADER_LEN + 2..HEADER_LEN + 4].copy_from_slice(&32_u16.to_be_bytes());
    world.discards(client.path(), &cut, Discard::Fragment);
    assert_eq!(world.send(client.path(), &message3).len(), 1, "and the client goes on");
}

/// Nothing we say with a pre-shared key is long, so this says something made up.
#[test]
fn long_messages_go_out_in_pieces_to_those_who_announced_it_and_on() {
    let announced =
        |profile: Profile| profile.vendor_ids.iter().any(|id| id.starts_with(b"\x40\x48\xb7\xd5"));
    let mut silent = Profile::network_manager();
    silent.vendor_ids.retain(|id| !id.starts_with(b"\x40\x48\xb7\xd5"));
    for profile in [Profile::windows10(), Profile::apple(), Profile::network_manager(), silent] {
        let takes = announced(profile.clone());
        let mut world = World::with_psks(&["main"]);
        let mut client = client(profile);
        let check = |world: &mut World, path: Path, cookies: Cookies, takes: bool| {
            let mut chain = Chain::default();
            chain.push(PayloadType::CERTIFICATE, &[7; 3000]);
            let long = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
            world.responder.transmit(path, long.clone());
            world.settle();
            let sent = world.sent();
            assert_eq!(sent.len(), if takes { 3 } else { 1 });
            assert_eq!(if takes { joined(&sent) } else { sent[0].clone() }, long);
        };
        let message2 = world.ask(client.path(), &client.message1());
        let message4 = world.ask(client.path(), &client.message3(&message2));
        check(&mut world, client.path(), client.cookies, takes);
        let path = client.float(&message4);
        let message6 = world.ask(path, &client.message5());
        client.finish(&message6);
        check(&mut world, path, client.cookies, takes);
        // Nothing is known of other cookies.
        let unknown = Cookies { responder: crate::isakmp::Cookie([9; 8]), ..client.cookies };
        check(&mut world, path, unknown, false);
    }
}

#[test]
fn the_announcement_is_answered_as_it_was_made() {
    let answered = |message2: &[u8]| -> Vec<Vec<u8>> {
        let message = Message::parse(message2).expect("message 2");
        let payloads: Payloads<'_> = message.payloads().expect("payloads");
        let ids = payloads.of(PayloadType::VENDOR_ID).filter(|id| id.starts_with(b"\x40\x48\xb7\xd5"));
        ids.map(<[u8]>::to_vec).collect()
    };
    let mut silent = Profile::network_manager();
    silent.vendor_ids.retain(|id| !id.starts_with(b"\x40\x48\xb7\xd5"));
    for (profile, lengths) in
        [(Profile::windows10(), vec![16]), (Profile::apple(), vec![20]), (silent, Vec::new())]
    {
        let config = Config { algorithms: Algorithms::Legacy, ..config(&["main"]) };
        let mut world = World::new(config);
        let client = client(profile.clone());
        let message1 = client.message1();
        let message2 = world.ask(client.path(), &message1);
        let ids = answered(&message2);
        assert_eq!(ids.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert!(ids.iter().all(|id| profile.vendor_ids.contains(id)));
        assert!(message2.len() <= message1.len());
    }
}

#[test]
fn an_informational_in_pieces_is_one() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::android(3));
    world.connect(&mut client);
    let ask = client.notify(NotifyType::R_U_THERE, &[0, 0, 0, 1]);
    let answers: Vec<_> =
        pieces(&ask, 20).iter().flat_map(|piece| world.send(client.path(), piece)).collect();
    assert_eq!(answers.len(), 1);
}
