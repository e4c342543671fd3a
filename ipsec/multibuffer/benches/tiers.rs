//! What one core encrypts and authenticates on each tier: `cargo bench --package multibuffer [-- SUITE]`.
//!
//! 64 packets of 1400 octets, each with a key of its own: 1408 octets of blocks, and an HMAC over 1432 octets. The tiers take turns, so
//! that a noisy machine is noisy for all of them; each figure is the median of its turns, in Gbit/s of 1400 octets a packet.

#![allow(clippy::print_stdout, reason = "it prints a table")]
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use multibuffer::{
    Cbc, DIGEST_LEN, DecryptKey, EncryptKey, Hash, Hmac, HmacKey, Tier, TripleDes, TripleDesKey, cbc_decrypt,
    cbc_encrypt, hmac, triple_des_decrypt, triple_des_encrypt,
};

const PACKETS: usize = 64;
const PAYLOAD_LEN: usize = 1400;
const TEXT_LEN: usize = 1408;
const COVERED_LEN: usize = 24 + TEXT_LEN;
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
enum Cipher {
    /// With a key of so many octets.
    Aes(usize),
    TripleDes,
}

/// A key for each packet.
enum Keys {
    Aes(Vec<EncryptKey>, Vec<DecryptKey>),
    TripleDes(Vec<TripleDesKey>),
}

/// One suite on one tier.
struct Bench {
    tier: Tier,
    keys: Keys,
    mac: Vec<HmacKey>,
    packets: Vec<[u8; COVERED_LEN]>,
}

impl Bench {
    fn new(tier: Tier, cipher: Cipher, hash: Hash) -> Self {
        let key = |packet: usize, len: usize| vec![u8::try_from(packet).unwrap_or(0); len];
        let keys = match cipher {
            Cipher::Aes(len) => Keys::Aes(
                (0..PACKETS).map(|i| EncryptKey::new(tier, &key(i, len))).collect(),
                (0..PACKETS).map(|i| DecryptKey::new(tier, &key(i, len))).collect(),
            ),
            Cipher::TripleDes => {
                Keys::TripleDes((0..PACKETS).map(|i| TripleDesKey::new(&key(i, 24))).collect())
            }
        };
        Self {
            tier,
            keys,
            mac: (0..PACKETS).map(|i| HmacKey::new(hash, &key(i, 20))).collect(),
            packets: vec![[0; COVERED_LEN]; PACKETS],
        }
    }

    fn authenticate(&self, lanes: usize) {
        for chunk in 0..PACKETS / lanes {
            let range = chunk * lanes..(chunk + 1) * lanes;
            let mut messages: Vec<Hmac<'_>> = self.packets[range.clone()]
                .iter()
                .zip(&self.mac[range])
                .map(|(message, key)| Hmac { key, message, mac: [0; DIGEST_LEN] })
                .collect();
            hmac(self.tier, &mut messages);
            black_box(&messages);
        }
    }

    fn seal(&mut self, lanes: usize) {
        for chunk in 0..PACKETS / lanes {
            let range = chunk * lanes..(chunk + 1) * lanes;
            let texts = self.packets[range.clone()].iter_mut().map(|packet| &mut packet[24..]);
            match &self.keys {
                Keys::Aes(keys, _) => {
                    let lanes = texts.zip(&keys[range]).map(|(text, key)| Cbc { key, iv: [7; 16], text });
                    cbc_encrypt(self.tier, &mut lanes.collect::<Vec<_>>());
                }
                Keys::TripleDes(keys) => {
                    let lanes =
                        texts.zip(&keys[range]).map(|(text, key)| TripleDes { key, iv: [7; 8], text });
                    triple_des_encrypt(self.tier, &mut lanes.collect::<Vec<_>>());
                }
            }
        }
        self.authenticate(lanes);
    }

    fn open(&mut self, lanes: usize) {
        self.authenticate(lanes);
        for chunk in 0..PACKETS / lanes {
            let range = chunk * lanes..(chunk + 1) * lanes;
            let texts = self.packets[range.clone()].iter_mut().map(|packet| &mut packet[24..]);
            match &self.keys {
                Keys::Aes(_, keys) => {
                    let lanes = texts.zip(&keys[range]).map(|(text, key)| Cbc { key, iv: [7; 16], text });
                    cbc_decrypt(self.tier, &mut lanes.collect::<Vec<_>>());
                }
                Keys::TripleDes(keys) => {
                    let lanes =
                        texts.zip(&keys[range]).map(|(text, key)| TripleDes { key, iv: [7; 8], text });
                    triple_des_decrypt(self.tier, &mut lanes.collect::<Vec<_>>());
                }
            }
        }
    }
}

/// Gbit/s of payload in one turn.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn turn(mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut batches = 0_u32;
    while begin.elapsed() < TURN {
        work();
        batches += 1;
    }
    let bits = f64::from(batches) * (PACKETS * PAYLOAD_LEN * 8) as f64;
    bits / begin.elapsed().as_secs_f64() / 1e9
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:<24} {:>7} {:<9} {:>10} {:>10}", "suite", "packets", "tier", "seal Gb/s", "open Gb/s");
    let suites = [
        ("AES-128-CBC + SHA1", Cipher::Aes(16), Hash::Sha1),
        ("AES-256-CBC + SHA1", Cipher::Aes(32), Hash::Sha1),
        ("AES-256-CBC + SHA256", Cipher::Aes(32), Hash::Sha256),
        ("AES-256-CBC + SHA512", Cipher::Aes(32), Hash::Sha512),
        ("3DES-CBC + SHA1", Cipher::TripleDes, Hash::Sha1),
    ];
    for (suite, cipher, hash) in suites.into_iter().filter(|(suite, ..)| suite.contains(&wanted)) {
        for lanes in [PACKETS, 16, 8, 4, 3, 2, 1] {
            let mut benches: Vec<(Bench, Vec<f64>, Vec<f64>)> = Tier::available()
                .map(|tier| (Bench::new(tier, cipher, hash), Vec::new(), Vec::new()))
                .collect();
            for _ in 0..TURNS {
                for (bench, sealed, opened) in &mut benches {
                    sealed.push(turn(|| bench.seal(lanes)));
                    opened.push(turn(|| bench.open(lanes)));
                }
            }
            for (bench, mut sealed, mut opened) in benches {
                sealed.sort_by(f64::total_cmp);
                opened.sort_by(f64::total_cmp);
                let tier = format!("{:?}", bench.tier);
                println!(
                    "{suite:<24} {lanes:>6} {tier:<9} {:>10.2} {:>10.2}",
                    sealed[TURNS / 2],
                    opened[TURNS / 2]
                );
            }
        }
    }
}
