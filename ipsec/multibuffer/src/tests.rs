//! Every kernel against RustCrypto, and both against published vectors.

use ::aes::{Aes128, Aes192, Aes256};
use ::hmac::{KeyInit, Mac};
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use proptest::prelude::*;

use super::*;

fn reference_cbc(key: &[u8], iv: &[u8; 16], text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let (blocks, _) = cbc::cipher::Array::slice_as_chunks_mut(&mut out);
    match key.len() {
        16 => cbc::Encryptor::<Aes128>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks),
        24 => cbc::Encryptor::<Aes192>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks),
        _ => cbc::Encryptor::<Aes256>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks),
    }
    out
}

fn reference_mac(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        <M as KeyInit>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => mac::<::hmac::Hmac<sha1::Sha1>>(key, message),
        Hash::Sha256 => mac::<::hmac::Hmac<sha2::Sha256>>(key, message),
        Hash::Sha384 => mac::<::hmac::Hmac<sha2::Sha384>>(key, message),
        Hash::Sha512 => mac::<::hmac::Hmac<sha2::Sha512>>(key, message),
    }
}

fn reference_triple_des(key: &[u8], iv: &[u8; 8], text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let (blocks, _) = cbc::cipher::Array::slice_as_chunks_mut(&mut out);
    cbc::Encryptor::<::des::TdesEde3>::new_from_slices(key, iv).unwrap().encrypt_blocks(blocks);
    out
}

/// Octets that differ from place to place, and from seed to seed.
fn octets(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn check_cbc(packets: &[(usize, usize)]) {
    for tier in Tier::available() {
        let keys: Vec<Vec<u8>> =
            packets.iter().enumerate().map(|(i, (kind, _))| octets(i, [16, 24, 32][kind % 3])).collect();
        let iv = |i: usize| <[u8; 16]>::try_from(&*octets(1000 + i, 16)).unwrap();
        let plain: Vec<Vec<u8>> =
            packets.iter().enumerate().map(|(i, (_, blocks))| octets(2000 + i, 16 * blocks)).collect();
        let mut texts = plain.clone();

        let encrypting: Vec<EncryptKey> = keys.iter().map(|key| EncryptKey::new(tier, key)).collect();
        let mut lanes: Vec<Cbc<'_, EncryptKey>> = texts
            .iter_mut()
            .zip(&encrypting)
            .enumerate()
            .map(|(i, (text, key))| Cbc { key, iv: iv(i), text })
            .collect();
        cbc_encrypt(tier, &mut lanes);
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(
                *text,
                reference_cbc(&keys[i], &iv(i), &plain[i]),
                "{tier:?} packet {i} of {}",
                packets.len()
            );
        }

        let decrypting: Vec<DecryptKey> = keys.iter().map(|key| DecryptKey::new(tier, key)).collect();
        let mut lanes: Vec<Cbc<'_, DecryptKey>> = texts
            .iter_mut()
            .zip(&decrypting)
            .enumerate()
            .map(|(i, (text, key))| Cbc { key, iv: iv(i), text })
            .collect();
        cbc_decrypt(tier, &mut lanes);
        assert_eq!(texts, plain, "{tier:?}");
    }
}

/// Packets of so many blocks; `keys` different keys take turns.
fn check_triple_des(keys: usize, packets: &[usize]) {
    let octets_of_keys: Vec<Vec<u8>> = (0..keys).map(|i| octets(i, 24)).collect();
    let keyed: Vec<TripleDesKey> = octets_of_keys.iter().map(|key| TripleDesKey::new(key)).collect();
    let iv = |i: usize| <[u8; 8]>::try_from(&*octets(1000 + i, 8)).unwrap();
    let plain: Vec<Vec<u8>> = packets.iter().enumerate().map(|(i, len)| octets(2000 + i, 8 * len)).collect();
    let expected: Vec<Vec<u8>> = plain
        .iter()
        .enumerate()
        .map(|(i, text)| reference_triple_des(&octets_of_keys[i % keys], &iv(i), text))
        .collect();
    for tier in Tier::available() {
        let mut texts = plain.clone();
        let lanes = |texts: &mut Vec<Vec<u8>>, work: fn(Tier, &mut [TripleDes<'_>])| {
            let lanes = texts.iter_mut().enumerate();
            let mut lanes: Vec<_> =
                lanes.map(|(i, text)| TripleDes { key: &keyed[i % keys], iv: iv(i), text }).collect();
            work(tier, &mut lanes);
        };
        lanes(&mut texts, triple_des_encrypt);
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(*text, expected[i], "{tier:?} packet {i} of {}", packets.len());
        }
        lanes(&mut texts, triple_des_decrypt);
        assert_eq!(texts, plain, "{tier:?}");
    }
}

fn check_hmac(messages: &[(usize, usize)]) {
    const HASHES: [(Hash, usize); 4] =
        [(Hash::Sha1, 20), (Hash::Sha256, 32), (Hash::Sha384, 48), (Hash::Sha512, 64)];
    let kind = |i: usize| HASHES[messages[i].0 % 4];
    let keys: Vec<Vec<u8>> = (0..messages.len()).map(|i| octets(i, kind(i).1)).collect();
    let texts: Vec<Vec<u8>> =
        messages.iter().enumerate().map(|(i, (_, len))| octets(3000 + i, *len)).collect();
    let keyed: Vec<HmacKey> = keys.iter().enumerate().map(|(i, key)| HmacKey::new(kind(i).0, key)).collect();
    for tier in Tier::available() {
        let mut lanes: Vec<Hmac<'_>> = texts
            .iter()
            .zip(&keyed)
            .map(|(message, key)| Hmac { key, message, mac: [0; DIGEST_LEN] })
            .collect();
        hmac(tier, &mut lanes);
        for (i, lane) in lanes.iter().enumerate() {
            let (hash, len) = kind(i);
            let expected = reference_mac(hash, &keys[i], &texts[i]);
            assert_eq!(lane.mac[..len], expected[..], "{tier:?} {hash:?} message {i} of {}", messages.len());
        }
    }
}

/// NIST SP 800-38A §F.2.1, F.2.3, F.2.5: one text under three keys, as one batch and alone.
#[test]
fn published_cbc() {
    use hex_literal::hex;
    let text = hex!(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    );
    let iv = hex!("000102030405060708090a0b0c0d0e0f");
    let cases: [(&[u8], [u8; 64]); 3] = [
        (
            &hex!("2b7e151628aed2a6abf7158809cf4f3c"),
            hex!(
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
                "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
            ),
        ),
        (
            &hex!("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"),
            hex!(
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
                "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"
            ),
        ),
        (
            &hex!("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
            hex!(
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"
            ),
        ),
    ];
    for tier in Tier::available() {
        for (key, cipher) in cases {
            let (seal, open) = (EncryptKey::new(tier, key), DecryptKey::new(tier, key));
            for count in [1, 2, 5, 16, 17] {
                let mut texts = vec![text; count];
                let mut lanes: Vec<_> =
                    texts.iter_mut().map(|text| Cbc { key: &seal, iv, text: &mut text[..] }).collect();
                cbc_encrypt(tier, &mut lanes);
                assert_eq!(texts, vec![cipher; count], "{tier:?}");
                let mut lanes: Vec<_> =
                    texts.iter_mut().map(|text| Cbc { key: &open, iv, text: &mut text[..] }).collect();
                cbc_decrypt(tier, &mut lanes);
                assert_eq!(texts, vec![text; count], "{tier:?}");
            }
        }
    }
}

/// NIST SP 800-67 App. B.1: three blocks under three keys, here as the first blocks of as many packets, whose IV is zero.
#[test]
fn published_triple_des() {
    use hex_literal::hex;
    let key = TripleDesKey::new(&hex!("0123456789abcdef 23456789abcdef01 456789abcdef0123"));
    let plain = *b"The qufck brown fox jump";
    let cipher = hex!("a826fd8ce53b855f cce21c8112256fe6 68d5c05dd9b6b900");
    for tier in Tier::available() {
        for copies in [1, 5, 6, 30, 171] {
            let mut blocks: Vec<[u8; 8]> = plain.as_chunks().0.repeat(copies);
            let run = |blocks: &mut Vec<[u8; 8]>, work: fn(Tier, &mut [TripleDes<'_>])| {
                let mut lanes: Vec<_> =
                    blocks.iter_mut().map(|text| TripleDes { key: &key, iv: [0; 8], text }).collect();
                work(tier, &mut lanes);
            };
            run(&mut blocks, triple_des_encrypt);
            assert_eq!(blocks, cipher.as_chunks().0.repeat(copies), "{tier:?}");
            run(&mut blocks, triple_des_decrypt);
            assert_eq!(blocks, plain.as_chunks().0.repeat(copies), "{tier:?}");
        }
    }
}

/// RFC 2202 §3 case 1 and RFC 4231 §4.2, in lanes of every width.
#[test]
fn published_hmac() {
    use hex_literal::hex;
    let key = [0x0b; 20];
    let cases: [(Hash, &[u8]); 4] = [
        (Hash::Sha1, &hex!("b617318655057264e28bc0b6fb378c8ef146be00")),
        (Hash::Sha256, &hex!("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")),
        (
            Hash::Sha384,
            &hex!(
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"
            ),
        ),
        (
            Hash::Sha512,
            &hex!(
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
            ),
        ),
    ];
    for tier in Tier::available() {
        for (hash, expected) in cases {
            let key = HmacKey::new(hash, &key);
            assert_eq!(key.hash(), hash);
            for count in [1, 2, 3, 4, 8, 12, 16, 33] {
                let mut lanes: Vec<_> = (0..count)
                    .map(|_| Hmac { key: &key, message: b"Hi There", mac: [0; DIGEST_LEN] })
                    .collect();
                hmac(tier, &mut lanes);
                assert!(lanes.iter().all(|lane| lane.mac.starts_with(expected)), "{tier:?} {hash:?} {count}");
            }
        }
    }
}

#[test]
fn every_number_of_lanes() {
    for count in (0..=65).chain([255, 256, 257, 511, 512, 513, 1025]) {
        check_triple_des(3, &vec![3; count]);
    }
    for count in 0..=65 {
        for kind in 0..3 {
            check_cbc(&vec![(kind, 20); count]);
        }
        for kind in 0..4 {
            check_hmac(&vec![(kind, 600); count]);
        }
    }
}

/// Where padding spills into a second block, and where a message has no whole block.
#[test]
fn every_short_length() {
    check_hmac(&(0..300).flat_map(|len| [(0, len), (1, len), (2, len), (3, len)]).collect::<Vec<_>>());
    check_cbc(&(0..40).map(|blocks| (blocks, blocks)).collect::<Vec<_>>());
}

/// A text longer than a kernel does in one call, among short ones.
#[test]
fn a_giant_among_dwarfs() {
    check_cbc(&[(0, 1), (0, 600), (0, 2), (0, 1), (0, 0), (0, 129)]);
    check_triple_des(2, &[1, 600, 2, 1, 0, 129]);
    check_triple_des(2, &[&[1, 600, 2, 1, 0, 129][..], &[3; 30]].concat());
    check_hmac(&[(0, 1), (0, 9000), (0, 2), (0, 1), (0, 0), (0, 129)]);
}

#[test]
#[should_panic(expected = "whole blocks")]
fn a_partial_block_is_refused() {
    let key = EncryptKey::new(Tier::Portable, &[0; 16]);
    cbc_encrypt(Tier::Portable, &mut [Cbc { key: &key, iv: [0; 16], text: &mut [0; 17] }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cbc_is_what_rustcrypto_computes(packets in prop::collection::vec((0..3_usize, 0..=562_usize), 1..=64)) {
        check_cbc(&packets);
    }

    #[test]
    fn hmac_is_what_rustcrypto_computes(messages in prop::collection::vec((0..4_usize, 0..=9000_usize), 1..=64)) {
        check_hmac(&messages);
    }

    #[test]
    fn triple_des_is_what_rustcrypto_computes(
        keys in 1..=64_usize,
        packets in prop::collection::vec(0..=1125_usize, 1..=64),
    ) {
        check_triple_des(keys, &packets);
    }
}

/// By the text of RFC 1071 §1: the ones' complement sum of adjacent octets as 16-bit words.
fn slow_sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let folded = words.fold(0, |sum, word| (sum + word) % 0x1_0000 + (sum + word) / 0x1_0000);
    u16::try_from(folded).unwrap()
}

/// Folded, and in the order of the octets.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::from_be(u16::try_from(sum).unwrap())
}

fn check_sum(bytes: &[u8], offset: usize) {
    for tier in Tier::available() {
        // SAFETY: it is one of those that the CPU has.
        let sum = unsafe { checksum::sum_by(tier, bytes) };
        assert_eq!(fold(sum), slow_sum(bytes), "{tier:?} {}", bytes.len());
        let mut room = vec![0xa5; offset + bytes.len() + 130];
        // SAFETY: as above.
        let sum = unsafe { checksum::copy_and_sum_by(tier, bytes, &mut room[offset..offset + bytes.len()]) };
        assert_eq!(fold(sum), slow_sum(bytes), "{tier:?} {}", bytes.len());
        let (before, rest) = room.split_at(offset);
        let (copy, behind) = rest.split_at(bytes.len());
        assert!(copy == bytes && before.iter().chain(behind).all(|octet| *octet == 0xa5), "{tier:?}");
    }
}

#[test]
fn sums_of_every_short_length() {
    // The example of RFC 1071 §3.
    check_sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0);
    assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    for len in 0..300 {
        check_sum(&octets(len, len), len % 7);
    }
    // All carries there are.
    check_sum(&[0xff; 65_535], 1);
}

#[test]
#[should_panic(expected = "as much room")]
fn a_copy_does_not_go_beyond_its_room() {
    copy_and_sum(&[0; 65], &mut [0; 64]);
}

proptest! {
    #[test]
    fn sums_are_what_the_rfc_says(bytes in prop::collection::vec(any::<u8>(), 0..=9000_usize), offset in 0..64_usize) {
        check_sum(&bytes, offset);
    }
}
