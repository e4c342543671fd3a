//! Addresses from which native ESP gets lost: a firewall on the way drops IP protocol 50.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

/// The latest of them. One that is forgotten costs its client one more failing dial.
#[derive(Default)]
pub(super) struct NoNative {
    known: BTreeSet<IpAddr>,
    oldest_first: VecDeque<IpAddr>,
}

impl NoNative {
    /// Whether it is one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.known.contains(&address.to_canonical())
    }

    /// Remembers one more.
    pub(super) fn insert(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        if !self.known.insert(address) {
            return;
        }
        self.oldest_first.push_back(address);
        if self.oldest_first.len() > MAX_ADDRESSES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Only who knows a key adds to them.
const MAX_ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let address = |number: usize| IpAddr::from(u32::try_from(number).expect("few").to_be_bytes());
        let mut known = NoNative::default();
        for number in 0..=MAX_ADDRESSES {
            known.insert(address(number));
            known.insert(address(number));
        }
        assert!(!known.contains(address(0)));
        assert!((1..=MAX_ADDRESSES).all(|number| known.contains(address(number))));
        assert!(known.contains(IpAddr::from(std::net::Ipv4Addr::from([0, 0, 0, 1]).to_ipv6_mapped())));
    }
}
