//! A quick hash for tables whose keys are not a stranger's to choose: SPIs, which we drew at random, our own numbers of sessions,
//! and addresses of our pools and accounts.
//! No peer can aim at one bucket by them, so nothing is gained by a hash that nobody can foresee.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table of such keys.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Scatter>>;

#[derive(Default)]
pub(super) struct Scatter(u64);

impl Scatter {
    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(ODD);
    }
}

impl Hasher for Scatter {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    /// A product's high bits depend on all of the key's, and a table looks at the low ones first.
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// 2^64 divided by the golden ratio: multiples of it lie far from each other.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};
    use std::net::Ipv4Addr;

    use super::Scatter;

    /// A pool's addresses, the most regular keys there are, fill a table about as evenly as chance would: of as many buckets as
    /// keys, chance leaves 37 % empty.
    #[test]
    fn neighbours_are_scattered() {
        let hash = BuildHasherDefault::<Scatter>::default();
        for step in [1, 2, 256, 65_536] {
            let address = |i: u32| Ipv4Addr::from(0x0a00_0000 + i * step);
            let hashes: Vec<u64> = (0..256).map(|i| hash.hash_one(address(i))).collect();
            let buckets: HashSet<u64> = hashes.iter().map(|hash| hash % 256).collect();
            let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(buckets.len() > 140 && tags.len() > 90, "{step}: {} {}", buckets.len(), tags.len());
        }
    }
}
