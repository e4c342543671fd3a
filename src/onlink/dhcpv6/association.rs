//! Identity associations, RFC 8415 §4.2: what a client keeps together under a number of its own. Those for prefixes get one, if there is
//! one for the client; those for addresses are told that there is none to be had: a client makes its addresses itself. What it may have
//! from another link, it is to forget.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::message::{
    Kind, NO_ADDRS_AVAIL, NO_BINDING, NO_PREFIX_AVAIL, NOT_ON_LINK, options_of, push, push_status,
};
use crate::onlink::Link6;
use crate::pool::Delegated;

/// The number of an association for prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iaid([u8; 4]);

/// One of them, §21.4, §21.5, §21.21.
#[derive(Clone, Copy, Debug)]
pub(super) struct Association<'a> {
    code: u16,
    iaid: Iaid,
    options: &'a [u8],
}

impl<'a> Association<'a> {
    /// Nothing if the option is another one.
    pub(super) fn parse(code: u16, value: &'a [u8]) -> Option<Self> {
        let (&iaid, rest) = value.split_first_chunk()?;
        let options = match code {
            // T1 and T2 are ours to say.
            IA_NA | IA_PD => rest.get(8..)?,
            IA_TA => rest,
            _ => return None,
        };
        Some(Self { code, iaid: Iaid(iaid), options })
    }

    /// The number of one for prefixes.
    pub(super) fn for_prefixes(&self) -> Option<Iaid> {
        (self.code == IA_PD).then_some(self.iaid)
    }

    /// The addresses that the client has in it, §21.6.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let is_for_addresses = self.code != IA_PD;
        let all = options_of(self.options).filter(move |(code, _)| is_for_addresses && *code == IAADDR);
        all.filter_map(|(_, value)| value.first_chunk().copied().map(Ipv6Addr::from))
    }

    /// Whether the client has that prefix in it.
    pub(super) fn holds(&self, prefix: Delegated) -> bool {
        self.prefixes().any(|place| place == place_of(prefix))
    }

    /// Appends it with that prefix; and if the client extends what it had, all other prefixes as what they are for it from now on: over,
    /// §18.3.4 and §18.3.5.
    pub(super) fn push_granted(&self, reply: &mut Vec<u8>, grant: Grant, extends: bool) {
        let Grant { prefix, preferred, valid } = grant;
        // §14.2: half the time, and four fifths.
        let mut value =
            [self.iaid.0, (preferred / 2).to_be_bytes(), (preferred / 5 * 4).to_be_bytes()].concat();
        push_prefix(&mut value, place_of(prefix), [preferred, valid]);
        for other in self.prefixes().filter(|place| extends && *place != place_of(prefix)).take(MOST_OTHERS) {
            push_prefix(&mut value, other, [0, 0]);
        }
        push(reply, IA_PD, &value);
    }

    /// Appends it with why there is nothing in it; or with what is over for the client: addresses of another link, and prefixes that it does
    /// not have.
    pub(super) fn push_refused(&self, reply: &mut Vec<u8>, kind: Kind, link: Link6) {
        let extends = matches!(kind, Kind::Renew | Kind::Rebind);
        let is_strange = |address: &Ipv6Addr| !link.has(*address);
        let has_strange = self.addresses().any(|address| is_strange(&address));
        let has_prefixes = self.for_prefixes().is_some() && self.prefixes().next().is_some();
        match self.code {
            // §18.3.4, §18.3.5.
            _ if extends && (has_strange || has_prefixes) => self.push_over(reply, is_strange),
            IA_PD => self.push_empty(reply, NO_PREFIX_AVAIL, "no prefix is delegated to this client"),
            // §18.3.2.
            _ if kind == Kind::Request && has_strange => self.push_empty(reply, NOT_ON_LINK, ""),
            _ => self.push_empty(reply, NO_ADDRS_AVAIL, "addresses are made of the router's prefix"),
        }
    }

    /// Appends it with its prefixes, and those of its addresses that are strange, none of which has time left.
    fn push_over(&self, reply: &mut Vec<u8>, is_strange: impl Fn(&Ipv6Addr) -> bool) {
        let mut value = self.head();
        for address in self.addresses().filter(is_strange).take(MOST_OTHERS) {
            push(&mut value, IAADDR, &[&address.octets()[..], &[0; 8]].concat());
        }
        let prefixes = self.prefixes().filter(|_| self.code == IA_PD);
        for place in prefixes.take(MOST_OTHERS) {
            push_prefix(&mut value, place, [0, 0]);
        }
        push(reply, self.code, &value);
    }

    /// Appends it as one that we do not know.
    pub(super) fn push_unknown(&self, reply: &mut Vec<u8>) {
        self.push_empty(reply, NO_BINDING, "");
    }

    fn push_empty(&self, reply: &mut Vec<u8>, status: u16, text: &str) {
        let mut value = self.head();
        push_status(&mut value, status, text);
        push(reply, self.code, &value);
    }

    /// What it begins with when there is no time for it.
    fn head(&self) -> Vec<u8> {
        let times: &[u8] = if self.code == IA_TA { &[] } else { &[0; 8] };
        [&self.iaid.0, times].concat()
    }

    /// Length and address of each, §21.22.
    fn prefixes(&self) -> impl Iterator<Item = Place> + use<'a> {
        let all = options_of(self.options).filter(|(code, _)| *code == IAPREFIX);
        all.filter_map(|(_, value)| value.get(8..)?.first_chunk().copied())
    }
}

/// A prefix for some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    prefix: Delegated,
    preferred: u32,
    valid: u32,
}

impl Grant {
    /// For as long as clients have it; but not beyond the end of the session, if that is known.
    pub(super) fn new(prefix: Delegated, left: Option<Duration>) -> Self {
        let [preferred, valid] = [PREFERRED, VALID].map(|time| match left {
            Some(left) => time.min(u32::try_from(left.as_secs()).unwrap_or(u32::MAX)),
            None => time,
        });
        Self { prefix, preferred, valid }
    }
}

/// A prefix as it stands in its option.
type Place = [u8; 17];

fn place_of(prefix: Delegated) -> Place {
    let mut place = [prefix.length(); 17];
    place[1..].copy_from_slice(&prefix.network().octets());
    place
}

fn push_prefix(value: &mut Vec<u8>, place: Place, lifetimes: [u32; 2]) {
    let [preferred, valid] = lifetimes.map(u32::to_be_bytes);
    push(value, IAPREFIX, &[&preferred[..], &valid, &place].concat());
}

/// In seconds. The prefix is the client's until its session ends; but hosts behind it do not hear of that end, and are to forget their
/// addresses before long.
const PREFERRED: u32 = 3600;
const VALID: u32 = 7200;
/// As many as an answer has room for.
const MOST_OTHERS: usize = 4;
/// Options of §21.
const IA_NA: u16 = 3;
const IA_TA: u16 = 4;
const IAADDR: u16 = 5;
const IA_PD: u16 = 25;
const IAPREFIX: u16 = 26;
