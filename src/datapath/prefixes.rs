//! Packets to a prefix come to the shard of the address that it goes with: whoever has both has their packets on one core.

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::Inside;
use crate::pool::{Pool, Prefix, Range6};

/// Where the prefixes of pools are, and where the addresses that they go with.
#[derive(Clone, Debug)]
pub struct Prefixes(Arc<[Stretch]>);

/// A range whose prefixes go with a pool's addresses one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// All of it.
    pub range: Range6,
    /// How far the second four octets of an address there are shifted to the right for the number of its prefix,
    pub down: u32,
    /// and what is added to that for the number of the address that goes with it.
    pub ahead: u32,
}

impl Prefixes {
    /// Those of `pools`.
    pub fn of(pools: &[Pool]) -> Self {
        Self(pools.iter().flat_map(Stretch::of).take(MOST_STRETCHES).collect())
    }

    /// Each range; they do not overlap.
    pub fn stretches(&self) -> &[Stretch] {
        &self.0
    }

    /// The number whose remainder decides to which shard the kernel brings packets to what is `inside`: the address's, or that of the
    /// address that goes with the prefix.
    pub fn number(&self, inside: Inside) -> u32 {
        let first = match inside {
            Inside::V4(_) => return inside.number(),
            Inside::V6(prefix) => prefix.network(),
            Inside::Delegated(prefix) => prefix.network(),
        };
        let stretch = self.0.iter().find(|stretch| stretch.range.contains(first));
        inside.number().wrapping_add(stretch.map_or(0, |stretch| stretch.ahead))
    }

    /// The same of whatever `destination` belongs to: all that goes with one address has its number.
    pub fn number_of(&self, destination: Ipv6Addr) -> u32 {
        let number = Prefix::of(destination).number();
        let stretch = self.0.iter().find(|stretch| stretch.range.contains(destination));
        stretch.map_or(number, |stretch| (number >> stretch.down).wrapping_add(stretch.ahead))
    }
}

impl Stretch {
    fn of(pool: &Pool) -> impl Iterator<Item = Self> {
        let network = pool.range.network().to_bits();
        let own = pool.range6.map(|range| (range, 0, range.nth(0).number()));
        let delegate = pool.delegate;
        let behind = delegate.map(|cut| (cut.range(), cut.number_shift(), cut.nth(0).number()));
        let all = own.into_iter().chain(behind);
        all.map(move |(range, down, first)| Self { range, down, ahead: network.wrapping_sub(first) })
    }
}

/// The kernel goes through them for each packet of IPv6. Packets to prefixes of more pools come to the shard of the prefix's own number,
/// and are handed over.
const MOST_STRETCHES: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU32;

    use super::*;
    use crate::datapath::Shards;
    use crate::pool::Delegation;

    fn pool(range: &str, range6: Option<&str>, delegate: Option<&str>) -> Pool {
        let range: crate::pool::Range = range.parse().unwrap();
        Pool {
            name: range.to_string(),
            range,
            range6: range6.map(|range6| range6.parse().unwrap()),
            delegate: delegate.map(|cut| Delegation::new(cut.parse().unwrap(), range.host_bits()).unwrap()),
        }
    }

    /// The first and the last address of a prefix.
    fn some_of(inside: Inside) -> [Ipv6Addr; 2] {
        let (first, length) = match inside {
            Inside::V4(address) => unreachable!("{address} is no prefix"),
            Inside::V6(prefix) => (prefix.network(), 64),
            Inside::Delegated(prefix) => (prefix.network(), prefix.length()),
        };
        [first, Ipv6Addr::from_bits(first.to_bits() | u128::MAX >> length)]
    }

    #[test]
    fn whatever_goes_with_an_address_is_of_its_shard() {
        let pools = [
            pool("10.20.0.0/16", Some("2001:db8:1::/48"), Some("2001:db8:100::/40")),
            pool("10.30.0.0/16", None, None),
            pool("192.168.7.0/24", Some("fd00:1:2:ff00::/56"), Some("fd00:3::/44")),
            pool("172.16.0.0/30", Some("fd00:1:ffff::/48"), None),
            pool("11.0.0.0/8", Some("fd01::/32"), Some("2001:d00::/40")),
        ];
        let prefixes = Prefixes::of(&pools);
        for count in [1, 2, 3, 5, 6, 7, 8, 12, 48, 96] {
            let shards = Shards::new(NonZeroU32::new(count).unwrap());
            for pool in &pools {
                let [first, last] = [pool.range.server(), pool.range.broadcast()].map(Ipv4Addr::to_bits);
                let step = 1 + (last - first) as usize / 1000;
                for address in (first..last).step_by(step).map(Ipv4Addr::from_bits) {
                    let own = pool.prefix_of(address).map(Inside::V6);
                    let behind = pool.delegated_of(address).map(Inside::Delegated);
                    for inside in own.into_iter().chain(behind) {
                        assert_eq!(prefixes.number(inside), address.to_bits(), "{inside}");
                        let of_address = shards.of_inside(Inside::V4(address), &prefixes);
                        assert_eq!(shards.of_inside(inside, &prefixes), of_address);
                        for one in some_of(inside) {
                            assert_eq!(prefixes.number_of(one), address.to_bits(), "{one}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_strangers_prefix_has_its_own_number() {
        let stranger = Prefix::of("2001:db8:2:7::1".parse().unwrap());
        for pools in [&[][..], &[pool("10.20.0.0/16", Some("2001:db8:1::/48"), None)]] {
            assert_eq!(Prefixes::of(pools).number(Inside::V6(stranger)), stranger.number());
            assert_eq!(Prefixes::of(pools).number_of(stranger.network()), stranger.number());
        }
    }
}
