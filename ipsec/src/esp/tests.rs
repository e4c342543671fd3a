//! Whole packets: through a pair of SAs, against packets of others, and against an attacker.

use proptest::prelude::*;

use super::{
    suite::tests::{aes_256, every_suite},
    *,
};
use crate::{
    crypto::{CipherKey, Iv},
    vectors::{COMPUTED, Vectors, octets},
};

/// How many there are.
const SUITES: usize = 45;

const SPI: Spi = Spi(0xc0ff_ee01);

fn keys(suite: EspSuite) -> EspKeys {
    let keymat: Vec<u8> = (1..=255).take(suite.key_len()).collect();
    EspKeys::new(suite, &keymat).unwrap()
}

fn pair(suite: EspSuite) -> (OutboundSa, InboundSa) {
    (OutboundSa::new(SPI, suite, &keys(suite)), InboundSa::new(SPI, suite, &keys(suite)))
}

fn ivs() -> IvSource {
    IvSource::new([9; 32])
}

fn aes_256_sha1() -> EspSuite {
    aes_256(EspIntegrity::Sha1_96)
}

/// A framed packet, not sealed yet.
fn frame(sa: &mut OutboundSa, ivs: &mut IvSource, payload: &[u8]) -> Vec<u8> {
    let mut slot = vec![0xee; sa.packet_len(payload.len())];
    slot[sa.header_len()..][..payload.len()].copy_from_slice(payload);
    sa.frame(ivs, &mut slot, payload.len()).unwrap();
    slot
}

fn seal(sa: &OutboundSa, packet: &mut [u8]) {
    seal_batch(&mut [Lane { key: sa.key(), packet }]);
}

fn open(sa: &InboundSa, packet: &mut [u8]) -> bool {
    let mut verified = [false];
    open_batch(&mut [Lane { key: sa.key(), packet }], &mut verified);
    verified[0]
}

fn sealed(sa: &mut OutboundSa, payload: &[u8]) -> Vec<u8> {
    let mut packet = frame(sa, &mut ivs(), payload);
    seal(sa, &mut packet);
    packet
}

/// All three steps of the way in.
fn receive(sa: &mut InboundSa, packet: &[u8]) -> Result<Vec<u8>, EspDiscard> {
    let mut packet = packet.to_vec();
    let sequence = sa.check(&packet)?;
    if !open(sa, &mut packet) {
        return Err(EspDiscard::BadIcv);
    }
    sa.accept(sequence, &packet).map(|range| packet[range].to_vec())
}

/// Seals a payload with a trailer of the test's own.
fn receive_trailer(suite: EspSuite, text: &[u8]) -> Result<Vec<u8>, EspDiscard> {
    let (mut outbound, mut inbound) = pair(suite);
    let mut packet = frame(&mut outbound, &mut ivs(), &text[..text.len() - TRAILER_LEN]);
    packet[suite.header_len()..][..text.len()].copy_from_slice(text);
    seal(&outbound, &mut packet);
    receive(&mut inbound, &packet)
}

#[test]
fn what_is_sealed_opens_in_every_suite_at_every_length() {
    for suite in every_suite() {
        let (mut outbound, mut inbound) = pair(suite);
        for payload_len in (0..=200).chain([1400]) {
            let payload: Vec<u8> = (0..=255).cycle().take(payload_len).collect();
            let packet = sealed(&mut outbound, &payload);
            assert_eq!(packet.len(), suite.packet_len(payload_len));
            let shown = payload_len >= 16 && packet.windows(16).any(|window| window == &payload[..16]);
            let null = matches!(suite, EspSuite::Separate { cipher: EspCipher::Null, .. });
            assert_eq!(shown, null && payload_len >= 16, "{suite} shows its payload");
            assert_eq!(receive(&mut inbound, &packet).as_deref(), Ok(&payload[..]), "{suite} {payload_len}");
            assert_eq!(receive(&mut inbound, &packet), Err(EspDiscard::Replayed), "{suite} {payload_len}");
        }
    }
}

/// What `tests/vectors/ipsec.py` calls a suite.
fn name(suite: EspSuite) -> String {
    let (cipher, integrity) = match suite {
        EspSuite::Gcm { key, icv } => {
            let suite = EspSuite::Gcm { key, icv };
            return format!("aes{}.gcm{}", key.key_len() * 8, suite.icv_len());
        }
        EspSuite::Separate { cipher, integrity } => (cipher, integrity),
    };
    let cipher = match cipher {
        EspCipher::Null => "null".into(),
        EspCipher::Des => "des".into(),
        EspCipher::TripleDes => "3des".into(),
        EspCipher::Aes(bits) => format!("aes{}", bits.key_len() * 8),
    };
    let integrity = match integrity {
        EspIntegrity::Md5_96 => "md5",
        EspIntegrity::Sha1_96 => "sha1",
        EspIntegrity::Sha256_96 => "sha256_96",
        EspIntegrity::Sha256_128 => "sha256",
        EspIntegrity::Sha384_192 => "sha384",
        EspIntegrity::Sha512_256 => "sha512",
    };
    format!("{cipher}.{integrity}")
}

/// `tests/vectors/ipsec.py` writes these packets with other libraries.
#[test]
fn packets_are_what_python_computes() {
    let vectors = Vectors::of(COMPUTED);
    let payload = vectors.get("esp.payload");
    for suite in every_suite() {
        let name = name(suite);
        let keys = EspKeys::new(suite, vectors.get(&format!("esp.{name}.keymat"))).unwrap();
        let expected = vectors.get(&format!("esp.{name}.packet"));

        let mut outbound = OutboundSa::new(SPI, suite, &keys);
        let mut packet = frame(&mut outbound, &mut ivs(), payload);
        let iv = FIXED_HEADER_LEN..suite.header_len();
        packet[iv.clone()].copy_from_slice(&expected[iv]);
        seal(&outbound, &mut packet);
        assert_eq!(packet, expected, "{suite}");
        assert_eq!(
            receive(&mut InboundSa::new(SPI, suite, &keys), expected).as_deref(),
            Ok(payload),
            "{suite}"
        );
    }
}

/// The first packet of `02-sunrise-sunset-esp.pcap` and, in UDP, of `espudp1.pcap` in tcpdump's tests, keys as FreeS/WAN's
/// tests used them. It is tunnel mode: authentic, well padded, and then not for us.
#[test]
fn a_captured_3des_md5_packet_is_authentic() {
    let suite = EspSuite::Separate { cipher: EspCipher::TripleDes, integrity: EspIntegrity::Md5_96 };
    let keymat = octets("4043434545464649494a4a4c4c4f4f51515252545457575887658765876587658765876587658765");
    let packet = octets(
        "12345678000000014c20452f3cb09211d3a748cde5c811e39c4ee83cfe96a1e42acfd2b87aab05d1642ba3af9c1bc342\
         102c40ad15df4de0200a63638734711187d412093b83bfaa43191cbd84a45b0276338399b1f5ca17cc9254457e590655\
         1a7041e3dc9176e86fd3ffdd00b0bc11f8103097",
    );
    let mut sa = InboundSa::new(Spi(0x1234_5678), suite, &EspKeys::new(suite, &keymat).unwrap());
    assert_eq!(receive(&mut sa, &packet), Err(EspDiscard::NextHeader));

    let mut opened = packet;
    let mut sa = InboundSa::new(Spi(0x1234_5678), suite, &EspKeys::new(suite, &keymat).unwrap());
    let sequence = sa.check(&opened).unwrap();
    assert!(open(&sa, &mut opened));
    let ping = "45000054000040003f01b8a6c0000201c00001010800baf06f000500239bc73bf234010008090a0b0c0d0e0f1011\
                12131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204";
    assert_eq!(opened[16..104], octets(ping));
    assert_eq!(sa.accept(sequence, &opened), Err(EspDiscard::NextHeader));
}

/// The first packet of `08-sunrise-sunset-esp2.pcap` in tcpdump's tests, whose integrity key is not published: ESP in IPv4
/// in ESP, ending in the ping of the other capture.
#[test]
fn a_captured_nested_packet_decrypts() {
    let outer_key = octets("43434545464649494a4a4c4c4f4f51515252545457575840");
    let inner_key = octets("434545464649494a4a4c4c4f4f5151525254545757584043");
    let decrypt = |key: &[u8], packet: &[u8]| {
        let cipher = crate::crypto::Cipher::TripleDes;
        let mut text = packet[16..packet.len() - 12].to_vec();
        CipherKey::new(cipher, key)
            .unwrap()
            .decrypt(&mut Iv::new(cipher, &packet[8..16]), &mut text)
            .unwrap();
        text
    };
    let outer = decrypt(
        &outer_key,
        &octets(
            "123456780000000147412fc54b99800befbbafd4d0d960a86f57c5d8438ef69389a04b761c4506aa04707a04ded7b948\
             e6bb2ae9a1bc35851cec0b967c35ffd3bbf3373e02b42e33c2f5dcfb01b9013db033c953132de719acefbc66e79c458d\
             3967af01a7ccce3ec6329a55533335b9578ffaf08d09ea9d737f811878623fb74442073d9adb0c01f38d44ed3ccd56c2\
             5436f0867bd03a45a38f5917458d6016d513d6542846af5959412f4a",
        ),
    );
    // An IPv4 packet of 136 octets, protocol 50; padding 1 to 6; next header 4.
    assert_eq!(outer[..4], [0x45, 0, 0, 136]);
    assert_eq!((outer[9], &outer[136..]), (50, &[1, 2, 3, 4, 5, 6, 6, 4][..]));
    let inner = decrypt(&inner_key, &outer[20..136]);
    assert_eq!(inner[..4], [0x45, 0, 0, 84]);
    assert_eq!((inner[9], &inner[84..]), (1, &[1, 2, 2, 4][..]));
}

/// Android's kernels before 2017 cut HMAC-SHA2-256 to 96 bits, others to 128, under one number: the first packet tells.
#[test]
fn the_first_packet_pins_the_truncation() {
    for cipher in [EspCipher::TripleDes, EspCipher::Aes(AesBits::B128)] {
        let suite = |integrity| EspSuite::Separate { cipher, integrity };
        let (long, short) = (suite(EspIntegrity::Sha256_128), suite(EspIntegrity::Sha256_96));
        for (sent, other) in [(long, short), (short, long)] {
            let (mut outbound, mut inbound) = (pair(long).0, pair(long).1);
            let mut client = pair(sent).0;
            let mut strange = pair(other).0;
            // Only an authentic packet decides.
            let mut damaged = sealed(&mut client, b"damaged");
            damaged[20] ^= 1;
            assert_eq!(receive(&mut inbound, &damaged), Err(EspDiscard::BadIcv));
            assert_eq!(receive(&mut inbound, &sealed(&mut client, b"first")).as_deref(), Ok(&b"first"[..]));
            assert_eq!(inbound.suite(), sent);
            if sent == long {
                strange.skip_to(10);
                let packet = sealed(&mut strange, b"other");
                assert_eq!(receive(&mut inbound, &packet), Err(EspDiscard::PartialBlock));
            }
            assert_eq!(receive(&mut inbound, &sealed(&mut client, b"second")).as_deref(), Ok(&b"second"[..]));
            // And the other half of the pair follows.
            outbound.follow(inbound.suite());
            assert_eq!(outbound.suite(), sent);
            let packet = sealed(&mut outbound, b"answer");
            assert_eq!(packet.len(), sent.packet_len(6));
            assert_eq!(receive(&mut pair(sent).1, &packet).as_deref(), Ok(&b"answer"[..]));
        }
    }
    // Somebody cuts the first packet on its way: the second, which nobody could have made, puts it right for good.
    let (mut client, mut inbound) = pair(aes_256(EspIntegrity::Sha256_128));
    let first = sealed(&mut client, b"first");
    assert!(receive(&mut inbound, &first[..first.len() - 4]).is_ok());
    assert_eq!(inbound.suite(), aes_256(EspIntegrity::Sha256_96));
    assert!(receive(&mut inbound, &sealed(&mut client, b"second")).is_ok());
    assert_eq!(inbound.suite(), aes_256(EspIntegrity::Sha256_128));
    let third = sealed(&mut client, b"third");
    assert_eq!(receive(&mut inbound, &third[..third.len() - 4]), Err(EspDiscard::PartialBlock));

    let (mut outbound, _) = pair(aes_256_sha1());
    outbound.follow(aes_256(EspIntegrity::Sha256_96));
    assert_eq!(outbound.suite(), aes_256_sha1(), "nothing else is followed");
}

#[test]
fn an_iv_of_gcm_is_never_used_twice() {
    let (mut outbound, _) = pair(EspSuite::Gcm { key: AesBits::B256, icv: GcmIcv::O16 });
    for sequence in 1..=3_u8 {
        assert_eq!(frame(&mut outbound, &mut ivs(), b"text")[8..16], [0, 0, 0, 0, 0, 0, 0, sequence]);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for suite in every_suite() {
        let (mut outbound, mut inbound) = pair(suite);
        let packet = sealed(&mut outbound, b"forty octets of payload, give or take...");
        for place in 0..packet.len() {
            let mut tampered = packet.clone();
            tampered[place] ^= 1 << (place % 8);
            assert_eq!(receive(&mut inbound, &tampered), Err(EspDiscard::BadIcv), "{suite} {place}");
        }
        // And none of that has moved the window.
        assert!(receive(&mut inbound, &packet).is_ok(), "{suite}");
    }
}

#[test]
fn every_prefix_is_discarded() {
    for suite in every_suite() {
        let (mut outbound, mut inbound) = pair(suite);
        let packet = sealed(&mut outbound, &[5; 100]);
        for len in 0..packet.len() {
            let received = receive(&mut inbound, &packet[..len]);
            if suite.truncated_otherwise().is_some() && len + 4 == packet.len() && suite.icv_len() == 16 {
                assert_eq!(received, Ok(vec![5; 100]), "what is cut is of the other truncation");
                continue;
            }
            let discard = received.unwrap_err();
            let text_len = |suite: EspSuite| {
                let text_len = len.checked_sub(suite.header_len() + suite.icv_len())?;
                text_len.is_multiple_of(suite.alignment()).then_some(text_len)
            };
            // A length that only the other truncation has is looked at as that.
            let expected = match text_len(suite).or_else(|| text_len(suite.truncated_otherwise()?)) {
                Some(0) => EspDiscard::Short,
                Some(_) => EspDiscard::BadIcv,
                None if len < suite.header_len() + suite.icv_len() => EspDiscard::Short,
                None => EspDiscard::PartialBlock,
            };
            assert_eq!(discard, expected, "{suite} {len}");
        }
    }
}

#[test]
fn padding_must_be_1_2_3() {
    let suite = aes_256_sha1();
    let text = |padding: &[u8], pad_len: u8| {
        // Payload, padding and trailer to a whole block.
        let front = (padding.len() + TRAILER_LEN).next_multiple_of(16) - padding.len() - TRAILER_LEN;
        [&vec![0xab; front][..], padding, &[pad_len, 17]].concat()
    };
    assert_eq!(receive_trailer(suite, &text(&[], 0)), Ok(vec![0xab; 14]));
    assert_eq!(receive_trailer(suite, &text(&[1, 2, 3], 3)), Ok(vec![0xab; 11]));
    assert_eq!(receive_trailer(suite, &text(&[1, 2, 4], 3)), Err(EspDiscard::BadPadding));
    assert_eq!(receive_trailer(suite, &text(&[0, 0, 0], 3)), Err(EspDiscard::BadPadding));
    assert_eq!(receive_trailer(suite, &text(&[1, 2, 3], 4)), Err(EspDiscard::BadPadding));
    // All of the text but the trailer, and one octet more.
    let most: Vec<u8> = (1..=14).collect();
    assert_eq!(receive_trailer(suite, &text(&most, 14)), Ok(vec![]));
    assert_eq!(receive_trailer(suite, &text(&most, 15)), Err(EspDiscard::BadPadding));
    assert_eq!(receive_trailer(suite, &text(&most, 255)), Err(EspDiscard::BadPadding));
    // A sender may pad with more blocks than it needs (RFC 4303 §2.4).
    let longest: Vec<u8> = (1..=255).collect();
    assert_eq!(receive_trailer(suite, &text(&longest, 255)), Ok(vec![0xab; 15]));
}

#[test]
fn only_udp_is_for_us_and_dummies_are_told_apart() {
    let suite = aes_256_sha1();
    for next_header in 0..=255 {
        let text = [&[0; 14][..], &[0, next_header]].concat();
        let expected = match next_header {
            17 => Ok(vec![0; 14]),
            59 => Err(EspDiscard::Dummy),
            _ => Err(EspDiscard::NextHeader),
        };
        assert_eq!(receive_trailer(suite, &text), expected, "{next_header}");
    }
}

#[test]
fn sequence_numbers_count_from_1_and_end() {
    let (mut outbound, mut inbound) = pair(aes_256_sha1());
    let sequence = |packet: &[u8]| u32::from_be_bytes(packet[4..8].try_into().unwrap());
    assert_eq!(sequence(&frame(&mut outbound, &mut ivs(), &[])), 1);
    assert_eq!(sequence(&frame(&mut outbound, &mut ivs(), &[])), 2);

    outbound.skip_to(u32::MAX - 1);
    let last = sealed(&mut outbound, b"the last one");
    assert_eq!(sequence(&last), u32::MAX);
    let mut slot = vec![0; outbound.packet_len(4)];
    for _ in 0..3 {
        assert_eq!(outbound.frame(&mut ivs(), &mut slot, 4), Err(Exhausted));
    }
    assert!(slot.iter().all(|&octet| octet == 0), "nothing was framed");
    assert!(receive(&mut inbound, &last).is_ok());
}

#[test]
fn sequence_0_is_refused_before_any_cryptography() {
    let (mut outbound, inbound) = pair(aes_256_sha1());
    let mut packet = sealed(&mut outbound, b"payload");
    packet[4..8].fill(0);
    assert_eq!(inbound.check(&packet), Err(EspDiscard::SequenceZero));
}

#[test]
fn of_equal_packets_in_one_batch_the_first_is_accepted() {
    let (mut outbound, mut inbound) = pair(aes_256_sha1());
    let mut packets: Vec<_> =
        [b"one", b"two"].iter().map(|payload| sealed(&mut outbound, *payload)).collect();
    packets.insert(1, packets[0].clone());
    let sequences: Vec<_> = packets.iter().map(|packet| inbound.check(packet).unwrap()).collect();
    let mut lanes: Vec<_> = packets.iter_mut().map(|packet| Lane { key: inbound.key(), packet }).collect();
    let mut verified = [false; 3];
    open_batch(&mut lanes, &mut verified);
    assert_eq!(verified, [true; 3]);
    let accepted: Vec<_> = sequences
        .into_iter()
        .zip(&packets)
        .map(|(sequence, packet)| inbound.accept(sequence, packet).map(|range| &packet[range]))
        .collect();
    assert_eq!(accepted, [Ok(&b"one"[..]), Err(EspDiscard::Replayed), Ok(b"two")]);
}

#[test]
fn lanes_of_different_suites_do_not_mix() {
    let mut pairs: Vec<_> = every_suite().map(pair).collect();
    let mut packets: Vec<_> = pairs
        .iter_mut()
        .enumerate()
        .map(|(len, (outbound, _))| frame(outbound, &mut ivs(), &vec![7; 31 * len]))
        .collect();
    let mut lanes: Vec<_> = pairs
        .iter()
        .zip(&mut packets)
        .map(|((outbound, _), packet)| Lane { key: outbound.key(), packet })
        .collect();
    seal_batch(&mut lanes);
    // One in the middle is damaged, and only that one is refused.
    packets[12][30] ^= 0x80;
    let mut lanes: Vec<_> = pairs
        .iter()
        .zip(&mut packets)
        .map(|((_, inbound), packet)| Lane { key: inbound.key(), packet })
        .collect();
    let mut verified = vec![true; lanes.len()];
    open_batch(&mut lanes, &mut verified);
    assert!(verified.iter().enumerate().all(|(lane, verified)| *verified == (lane != 12)));
    for (len, ((_, inbound), packet)) in
        pairs.iter_mut().zip(&packets).enumerate().filter(|(lane, _)| *lane != 12)
    {
        assert_eq!(
            inbound.accept(Sequence(1), packet).map(|range| packet[range].to_vec()),
            Ok(vec![7; 31 * len])
        );
    }
}

#[test]
fn another_key_verifies_nothing() {
    let suite = aes_256_sha1();
    let packet = sealed(&mut OutboundSa::new(SPI, suite, &keys(suite)), b"payload");
    let other = EspKeys::new(suite, &[3; 52]).unwrap();
    assert_eq!(receive(&mut InboundSa::new(SPI, suite, &other), &packet), Err(EspDiscard::BadIcv));
}

#[test]
fn ivs_never_repeat_and_belong_to_their_seed() {
    let draw = |seed: u8| {
        let (mut outbound, mut ivs) = (pair(aes_256_sha1()).0, IvSource::new([seed; 32]));
        (0..1000).map(|_| frame(&mut outbound, &mut ivs, &[])[8..24].to_vec()).collect::<Vec<_>>()
    };
    let ivs = draw(1);
    let mut sorted = ivs.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 1000);
    assert_eq!(ivs, draw(1));
    assert_ne!(ivs, draw(2));
}

#[test]
#[should_panic(expected = "a frame has a header")]
fn what_is_no_frame_does_not_leave_unprotected() {
    let (outbound, _) = pair(aes_256_sha1());
    seal(&outbound, &mut [0; 50]);
}

/// 100 000 sessions want small SAs; the schedules of the legacy ciphers are boxed for that.
#[test]
fn an_sa_is_small() {
    let (outbound, inbound) = (size_of::<OutboundSa>(), size_of::<InboundSa>());
    assert!(outbound <= 448 && inbound <= 592, "{outbound} {inbound}");
}

proptest! {
    #[test]
    fn random_octets_are_discarded(packet: Vec<u8>, suite in 0..SUITES) {
        let suite = every_suite().nth(suite).unwrap();
        prop_assert!(receive(&mut pair(suite).1, &packet).is_err());
    }

    /// What `accept` says of octets that were never checked does not matter; that it says something does.
    #[test]
    fn accept_survives_any_octets(packet: Vec<u8>, sequence: u32, suite in 0..SUITES) {
        let mut inbound = pair(every_suite().nth(suite).unwrap()).1;
        if let Ok(range) = inbound.accept(Sequence(sequence), &packet) {
            prop_assert!(packet.get(range).is_some());
        }
    }

    #[test]
    fn open_survives_any_octets(mut packet: Vec<u8>, suite in 0..SUITES) {
        let inbound = pair(every_suite().nth(suite).unwrap()).1;
        prop_assert!(!open(&inbound, &mut packet));
    }

    /// Authentic but made by a hostile client: any plaintext at all.
    #[test]
    fn accept_survives_any_authentic_text(blocks in 1..20_usize, fill: Vec<u8>, suite in 0..SUITES) {
        let suite = every_suite().nth(suite).unwrap();
        let text: Vec<u8> = fill.into_iter().chain(std::iter::repeat(1)).take(blocks * 16).collect();
        let _ = receive_trailer(suite, &text);
    }
}
