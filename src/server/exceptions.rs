//! Whose packets come to another core than their number says, and what the kernel is to hear of that.
//!
//! It knows packets by 32 bits of their destination, and no two addresses have the same; but an address, a prefix and one that is
//! delegated may. Then one exception stands for both, and it stays until nobody needs it.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use crate::datapath::{Inside, ShardId};

/// All that there are.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    standing: BTreeMap<(u32, Inside), ShardId>,
    news: VecDeque<(Inside, Option<ShardId>)>,
}

impl Exceptions {
    /// Packets to what is `inside` are to come to `shard`.
    pub(super) fn make(&mut self, inside: Inside, shard: ShardId) {
        self.standing.insert((inside.number(), inside), shard);
        self.news.push_back((inside, Some(shard)));
    }

    /// They may come to where their number says, unless that is somebody else's too.
    pub(super) fn end(&mut self, inside: Inside) {
        let number = inside.number();
        self.standing.remove(&(number, inside));
        let others = self.standing.range((number, LEAST)..).take_while(|((found, _), _)| *found == number);
        let other = others.map(|((_, other), shard)| (*other, Some(*shard))).next();
        self.news.push_back(other.unwrap_or((inside, None)));
    }

    /// What the kernel is to hear next.
    pub(super) fn poll(&mut self) -> Option<(Inside, Option<ShardId>)> {
        self.news.pop_front()
    }
}

/// Nothing inside comes before it.
const LEAST: Inside = Inside::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Delegation, Prefix};

    /// A prefix and one to be delegated, both with the number 0x0001_0003; and an address with another one.
    fn insides() -> [Inside; 3] {
        let prefix = Prefix::of("2001:db8:1:3::".parse().unwrap());
        let delegation = Delegation::new("2001:db8:100::/48".parse().unwrap(), 8).unwrap();
        let insides =
            [Inside::V6(prefix), Inside::Delegated(delegation.nth(3)), Inside::V4([0, 1, 0, 4].into())];
        assert_eq!(insides.map(Inside::number), [0x0001_0003, 0x0001_0003, 0x0001_0004]);
        insides
    }

    #[test]
    fn a_number_is_an_exception_until_the_last_who_has_it_ends() {
        let [prefix, delegated, address] = insides();
        for (first, second) in [(prefix, delegated), (delegated, prefix)] {
            let mut exceptions = Exceptions::default();
            exceptions.make(address, ShardId(5));
            exceptions.make(prefix, ShardId(1));
            exceptions.make(delegated, ShardId(2));
            exceptions.end(first);
            exceptions.end(second);
            let mut kernel = BTreeMap::new();
            let mut seen = Vec::new();
            while let Some((inside, shard)) = exceptions.poll() {
                match shard {
                    Some(shard) => _ = kernel.insert(inside.number(), shard),
                    None => _ = kernel.remove(&inside.number()),
                }
                seen.push(kernel.get(&prefix.number()).copied());
            }
            let left = if second == prefix { ShardId(1) } else { ShardId(2) };
            assert_eq!(seen, [None, Some(ShardId(1)), Some(ShardId(2)), Some(left), None]);
            assert_eq!(kernel, BTreeMap::from([(address.number(), ShardId(5))]));
        }
    }
}
