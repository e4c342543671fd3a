use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::{Delegation, Pool, Pools};
use crate::datapath::{ShardId, Shards};

const FIRST: ShardId = ShardId(0);

fn pools(ranges: &[(&str, &str)]) -> Pools {
    sharded(1, ranges)
}

fn sharded(shards: u32, ranges: &[(&str, &str)]) -> Pools {
    let pool = |(name, range): &(&str, &str)| Pool {
        name: (*name).to_owned(),
        range: range.parse().unwrap(),
        range6: None,
        delegate: None,
    };
    Pools::new(&ranges.iter().map(pool).collect::<Vec<_>>(), Shards::new(shards.try_into().unwrap()))
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn a_prefix_goes_with_each_address() {
    let pool = Pool {
        name: "default".into(),
        range: "10.20.0.0/16".parse().unwrap(),
        range6: Some("2001:db8:1::/48".parse().unwrap()),
        delegate: Delegation::new("2001:db8:100::/40".parse().unwrap(), 16),
    };
    assert_eq!(pool.server_prefix().unwrap().first().to_string(), "2001:db8:1:1::1");
    let pools = Pools::new(&[pool], Shards::new(1.try_into().unwrap()));
    assert_eq!(pools.prefix_of(ip("10.20.1.2")).unwrap().to_string(), "2001:db8:1:102::/64");
    assert_eq!(pools.prefix_of(ip("10.21.1.2")), None);
    assert_eq!(pools.delegated_of(ip("10.20.1.2")).unwrap().to_string(), "2001:db8:101:200::/56");
    assert_eq!(pools.delegated_of(ip("10.21.1.2")), None);
}

#[test]
fn the_first_client_address_follows_the_servers() {
    let mut pools = pools(&[("default", "10.20.0.0/16")]);
    assert_eq!(pools.server_address(ip("10.20.7.7")), Some(ip("10.20.0.1")));
    assert_eq!(pools.lease("default", FIRST), Some(ip("10.20.0.2")));
    assert_eq!(pools.lease("default", FIRST), Some(ip("10.20.0.3")));
    assert_eq!(pools.lease("other", FIRST), None);
}

#[test]
fn exhaustion_is_a_value_and_ends_with_a_release() {
    let mut pools = pools(&[("small", "10.0.0.0/29")]);
    let all: Vec<_> = std::iter::from_fn(|| pools.lease("small", FIRST)).collect();
    assert_eq!(all, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"].map(ip));
    assert!(pools.release(ip("10.0.0.4")));
    assert!(!pools.release(ip("10.0.0.4")), "twice");
    assert_eq!(pools.lease("small", FIRST), Some(ip("10.0.0.4")));
    assert_eq!(pools.lease("small", FIRST), None);
}

#[test]
fn an_address_rests_as_long_as_possible() {
    let mut pools = pools(&[("small", "10.0.0.0/29")]);
    let first = pools.lease("small", FIRST).unwrap();
    pools.release(first);
    assert_ne!(pools.lease("small", FIRST), Some(first));
}

#[test]
fn network_server_and_broadcast_are_nobodys() {
    let mut pools = pools(&[("small", "10.0.0.0/29")]);
    for address in ["10.0.0.0", "10.0.0.1", "10.0.0.7"].map(ip) {
        assert!(!pools.reserve(address), "{address}");
        assert!(!pools.claim(address), "{address}");
        assert!(!pools.release(address), "{address}");
    }
}

#[test]
fn a_reserved_address_is_handed_out_by_name_only() {
    let mut pools = pools(&[("small", "10.0.0.0/29")]);
    assert!(pools.reserve(ip("10.0.0.3")));
    let all: Vec<_> = std::iter::from_fn(|| pools.lease("small", FIRST)).collect();
    assert_eq!(all, ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"].map(ip));
    assert!(pools.claim(ip("10.0.0.3")));
    assert!(!pools.claim(ip("10.0.0.3")), "in use");
    assert!(pools.release(ip("10.0.0.3")));
    assert_eq!(pools.lease("small", FIRST), None, "still reserved");
}

#[test]
fn an_address_outside_of_every_pool_is_handed_out_by_name_only() {
    let mut pools = pools(&[("small", "10.0.0.0/29")]);
    let own = ip("10.0.0.8");
    assert!(!pools.claim(own) && !pools.release(own) && !pools.lease_again(own), "nobody's yet");
    assert!(pools.reserve(own));
    assert_eq!(pools.outlying(), (0, 1));
    assert!(pools.claim(own));
    assert!(!pools.claim(own), "in use");
    assert!(!pools.reserve(own), "in use");
    assert_eq!(pools.outlying(), (1, 1));
    assert_eq!((pools.server_address(own), pools.name_of(own)), (None, None));
    assert!(pools.release(own) && !pools.release(own));
    assert!(!pools.lease_again(own), "it is kept for whoever claims it");
    // The account loses it while somebody has it.
    assert!(pools.claim(own));
    pools.give_back(own);
    assert_eq!(pools.outlying(), (1, 0));
    assert!(pools.release(own) && !pools.claim(own));
    assert_eq!(std::iter::from_fn(|| pools.lease_any(FIRST)).count(), 5, "of the pool alone");
}

#[test]
fn which_addresses_lie_outside() {
    let pools = [("a", "10.0.0.0/29"), ("b", "10.1.0.0/16")].map(|(name, range)| Pool {
        name: name.into(),
        range: range.parse().unwrap(),
        range6: None,
        delegate: None,
    });
    let addresses = ["10.0.0.7", "10.0.0.8", "10.1.255.255", "10.2.0.0", "9.255.255.255"].map(ip);
    let outside = super::outlying(&pools, addresses);
    assert_eq!(outside, ["9.255.255.255", "10.0.0.8", "10.2.0.0"].map(ip).into());
}

#[test]
fn the_next_pool_serves_when_the_first_is_empty() {
    let mut pools = pools(&[("a", "10.0.0.0/30"), ("b", "10.1.0.0/30")]);
    assert_eq!(pools.lease_any(FIRST), Some(ip("10.0.0.2")));
    assert_eq!(pools.lease_any(FIRST), Some(ip("10.1.0.2")));
    assert_eq!(pools.lease_any(FIRST), None);
    assert_eq!(pools.server_address(ip("10.1.0.2")), Some(ip("10.1.0.1")));
    assert_eq!(pools.usage().map(|(_, used, all)| (used, all)).collect::<Vec<_>>(), [(1, 1), (1, 1)]);
}

#[test]
fn a_large_pool_costs_nothing_until_used() {
    let mut pools = pools(&[("large", "10.0.0.0/8")]);
    pools.lease("large", FIRST);
    assert_eq!(pools.spaces.first().unwrap().taken.len(), 1);
}

#[test]
fn a_shards_own_addresses_come_first_and_none_is_left_over() {
    for shards in 2..5 {
        let mut pools = sharded(shards, &[("small", "10.0.0.0/27")]);
        let last = ShardId(shards - 1);
        let all: Vec<_> = std::iter::from_fn(|| pools.lease("small", last)).collect();
        let own = all.iter().take_while(|address| address.to_bits() % shards == last.0).count();
        assert_eq!(own, (2..31).filter(|n| (0x0a00_0000 + n) % shards == last.0).count());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 29, "{all:?}");
        // What comes back is its shard's again, and the oldest first.
        let (mine, others) = (all[0], all[own]);
        assert!(pools.release(others) && pools.release(mine));
        assert_eq!([pools.lease("small", last), pools.lease("small", last)], [Some(mine), Some(others)]);
        assert!(pools.release(others) && pools.lease_again(others) && !pools.lease_again(others));
        assert_eq!(pools.lease("small", last), None);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Lease,
    Release(Ipv4Addr),
    Reserve(Ipv4Addr),
    GiveBack(Ipv4Addr),
    Claim(Ipv4Addr),
}

fn step() -> impl Strategy<Value = Step> {
    // A /27 and one address beyond each end.
    let address = (0_u32..34).prop_map(|n| Ipv4Addr::from_bits(ip("9.255.255.255").to_bits() + n));
    prop_oneof![
        3 => Just(Step::Lease),
        2 => address.clone().prop_map(Step::Release),
        1 => address.clone().prop_map(Step::Reserve),
        1 => address.clone().prop_map(Step::GiveBack),
        1 => address.prop_map(Step::Claim),
    ]
}

proptest! {
    /// The pool and the obvious set-based model agree on every answer, whatever is asked in whatever order.
    #[test]
    fn agrees_with_a_model(steps in prop::collection::vec(step(), 0..200)) {
        let mut pools = pools(&[("p", "10.0.0.0/27")]);
        let clients: BTreeSet<Ipv4Addr> = (2..31).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
        let outside = BTreeSet::from(["9.255.255.255", "10.0.0.32"].map(ip));
        let mut reserved = BTreeSet::new();
        let mut used = BTreeSet::new();
        let mut rested_at: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
        // Those whose turn has not come yet.
        let mut fresh = clients.clone();
        for (time, step) in steps.into_iter().enumerate() {
            match step {
                Step::Lease => {
                    let free = |a: &&Ipv4Addr| !used.contains(*a) && !reserved.contains(*a);
                    let first = fresh.iter().find(free).copied();
                    fresh.retain(|address| first.is_some_and(|first| *address > first));
                    let oldest = rested_at.iter().min_by_key(|(_, time)| **time).map(|(address, _)| *address);
                    let best = first.or(oldest);
                    prop_assert_eq!(pools.lease("p", FIRST), best);
                    used.extend(best);
                    best.map(|address| rested_at.remove(&address));
                }
                Step::Release(address) => {
                    let was = used.remove(&address);
                    prop_assert_eq!(pools.release(address), was);
                    let rests = clients.contains(&address) && !fresh.contains(&address);
                    if was && rests && !reserved.contains(&address) {
                        rested_at.insert(address, time);
                    }
                }
                Step::Reserve(address) => {
                    let is_possible = clients.contains(&address) || outside.contains(&address);
                    prop_assert_eq!(pools.reserve(address), is_possible && !used.contains(&address));
                    if is_possible {
                        reserved.insert(address);
                        rested_at.remove(&address);
                    }
                }
                Step::GiveBack(address) => {
                    pools.give_back(address);
                    let rests = clients.contains(&address) && !fresh.contains(&address);
                    if reserved.remove(&address) && rests && !used.contains(&address) {
                        rested_at.insert(address, time);
                    }
                }
                Step::Claim(address) => {
                    let can = reserved.contains(&address) && used.insert(address);
                    prop_assert_eq!(pools.claim(address), can);
                }
            }
            let in_use = pools.usage().map(|(_, used, _)| used).sum::<u32>();
            let (outlying, all_outlying) = pools.outlying();
            prop_assert_eq!(usize::try_from(in_use).unwrap() + outlying, used.len());
            prop_assert_eq!(all_outlying, reserved.intersection(&outside).count());
        }
    }
}
