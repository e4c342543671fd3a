//! DHCPv6, RFC 8415: name servers and domain for a client that has made its address itself (§6.1), which is all that Windows asks for; and
//! for one that is a router a prefix, of which the hosts behind it make theirs (§6.3).
//!
//! ```text
//! ┌──────┬───────────────┬──────────────┬──────────────┬───
//! │ kind │ transaction 3 │ 1: client id │ 2: server id │ …    of which a client's message has what it needs
//! └──────┴───────────────┴──────────────┴──────────────┴───
//! 11 Information-request ▶                          ◀ 7 Reply      23: DNS, 24: domain
//!  1 Solicit ▶                                      ◀ 2 Advertise  25: IA_PD { T1, T2, 26: { lifetimes, prefix } or 13: status }
//!  3 Request, 5 Renew, 6 Rebind, 1 Solicit with 14 ▶  ◀ 7 Reply    the same, and now it holds
//!  8 Release, 4 Confirm ▶                           ◀ 7 Reply      13: status
//! ```
//!
//! There is nothing to find and nothing to keep: the prefix goes with the client's address, as the one of the link does. Who asks to extend
//! what it was never given gets it, as §18.3.4 allows; so a server that has forgotten everything is not noticed, as long as it calls itself
//! what it did before: to another one's name it has nothing to say (§16.6), and the client does not ask for anybody else until T2.

mod association;
mod message;

use std::time::Duration;

use super::Directions;
use super::ipv6::{Answer, Link6, Received, UDP, packet};
use crate::pool::Delegated;
use association::Grant;
pub use association::Iaid;
use message::{
    ADVERTISE, DNS, DOMAINS, Kind, NOT_ON_LINK, PREFERENCE, RAPID_COMMIT, REPLY, Request, SUCCESS,
    USE_MULTICAST, push, push_status,
};

/// Who we are, RFC 8415 §11.5: a number of our own, which stays the same when the server is started anew (§11).
#[derive(Clone, Copy, Debug)]
pub struct ServerId(pub [u8; 16]);

impl ServerId {
    fn duid(&self) -> Vec<u8> {
        [&DUID_UUID[..], &self.0].concat()
    }
}

/// The prefix that a client may have delegated.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Which it is.
    pub prefix: Delegated,
    /// The client's association that it is in, if it is delegated.
    pub holder: Option<Iaid>,
    /// How long the client's session will last, if that is known.
    pub left: Option<Duration>,
}

/// What becomes of that prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The client has it now, in that association.
    Delegated(Iaid),
    /// The client has given it back.
    Released,
    /// There is none, and the client was told.
    Refused,
}

/// What is said to a datagram, and what comes of it; nothing if it is no message that §16 has us answer.
pub(super) fn answer(
    received: Received<'_>,
    link: Link6,
    directions: &Directions,
    server_id: &ServerId,
    lease: Option<Lease>,
) -> Option<Answer> {
    let (&[_, _, d0, d1, ..], message) = received.payload.split_first_chunk::<UDP_LEN>()?;
    if u16::from_be_bytes([d0, d1]) != SERVER_PORT || !received.source.is_unicast_link_local() {
        return None;
    }
    let request = Request::parse(message, server_id)?;
    let is_unicast = !received.destination.is_multicast();
    let (reply, change) = match request.kind {
        // §16 has these discarded.
        Kind::Solicit | Kind::Confirm | Kind::Rebind | Kind::InformationRequest if is_unicast => return None,
        // §18.4: nobody was told to.
        Kind::Request | Kind::Renew | Kind::Release if is_unicast => {
            (status(&request, server_id, USE_MULTICAST), None)
        }
        Kind::InformationRequest => {
            let mut reply = request.reply(REPLY, server_id);
            push_directions(&mut reply, &request, directions);
            (reply, None)
        }
        Kind::Confirm => (status(&request, server_id, confirm(&request, link)?), None),
        Kind::Release => release(&request, server_id, lease),
        Kind::Solicit | Kind::Request | Kind::Renew | Kind::Rebind => {
            let (mut reply, change) = lend(&request, link, server_id, lease)?;
            push_directions(&mut reply, &request, directions);
            (reply, change)
        }
    };
    let [s0, s1] = SERVER_PORT.to_be_bytes();
    let [c0, c1] = CLIENT_PORT.to_be_bytes();
    let [l0, l1] = u16::try_from(UDP_LEN + reply.len()).ok()?.to_be_bytes();
    let datagram = [&[s0, s1, c0, c1, l0, l1, 0, 0][..], &reply].concat();
    let packet = packet((link.local, received.source), (UDP, CHECKSUM), &datagram);
    Some(Answer { packet, change })
}

/// §18.3.1, §18.3.2, §18.3.4, §18.3.5: the prefix goes into one association for prefixes, the one that has it before all others. A client
/// with several has hardly more than one use for it.
fn lend(
    request: &Request<'_>,
    link: Link6,
    server_id: &ServerId,
    lease: Option<Lease>,
) -> Option<(Vec<u8>, Option<Change>)> {
    request.associations().next()?;
    let wanted = || request.associations().filter_map(|association| association.for_prefixes());
    let holder = lease.and_then(|lease| lease.holder);
    let place = wanted().find(|iaid| Some(*iaid) == holder).or_else(|| wanted().next());
    let grant = lease.map(|Lease { prefix, left, .. }| Grant::new(prefix, left)).zip(place);
    // §18.3.1: nobody else is there to be asked, so it need not be asked twice.
    let is_rapid = request.kind == Kind::Solicit && request.find(RAPID_COMMIT).is_some() && grant.is_some();
    let holds = request.kind != Kind::Solicit || is_rapid;
    let mut reply = request.reply(if holds { REPLY } else { ADVERTISE }, server_id);
    if is_rapid {
        push(&mut reply, RAPID_COMMIT, &[]);
    } else if !holds {
        // §18.2.1: and need not be waited for.
        push(&mut reply, PREFERENCE, &[u8::MAX]);
    }
    let extends = matches!(request.kind, Kind::Renew | Kind::Rebind);
    for association in request.associations() {
        match grant {
            Some((grant, place)) if association.for_prefixes() == Some(place) => {
                association.push_granted(&mut reply, grant, extends);
            }
            _ => association.push_refused(&mut reply, request.kind, link),
        }
    }
    let change = match (grant, place) {
        (Some((_, place)), _) => (holds && Some(place) != holder).then_some(Change::Delegated(place)),
        (None, Some(_)) => Some(Change::Refused),
        (None, None) => None,
    };
    Some((reply, change))
}

/// §18.3.7.
fn release(request: &Request<'_>, server_id: &ServerId, lease: Option<Lease>) -> (Vec<u8>, Option<Change>) {
    let mut reply = status(request, server_id, SUCCESS);
    let mut change = None;
    for association in request.associations() {
        let iaid = association.for_prefixes();
        match lease.filter(|lease| iaid.is_some() && lease.holder == iaid) {
            Some(lease) if association.holds(lease.prefix) => change = Some(Change::Released),
            Some(_) => {}
            None => association.push_unknown(&mut reply),
        }
    }
    (reply, change)
}

/// §18.3.3: whether the client's addresses are of this link. Nothing if it names none.
fn confirm(request: &Request<'_>, link: Link6) -> Option<u16> {
    let mut addresses = request.associations().flat_map(|association| association.addresses()).peekable();
    addresses.peek()?;
    let is_here = addresses.all(|address| link.has(address));
    Some(if is_here { SUCCESS } else { NOT_ON_LINK })
}

/// A reply that tells nothing else.
fn status(request: &Request<'_>, server_id: &ServerId, status: u16) -> Vec<u8> {
    let mut reply = request.reply(REPLY, server_id);
    push_status(&mut reply, status, "");
    reply
}

fn push_directions(reply: &mut Vec<u8>, request: &Request<'_>, directions: &Directions) {
    let dns: Vec<u8> = directions.dns6.iter().flatten().flat_map(|server| server.octets()).collect();
    if request.wants(DNS) && !dns.is_empty() {
        push(reply, DNS, &dns);
    }
    if let Some(domain) = directions.domain.as_ref().filter(|_| request.wants(DOMAINS)) {
        push(reply, DOMAINS, &domain.to_wire());
    }
}

/// RFC 8415 §7.2.
const CLIENT_PORT: u16 = 546;
pub(crate) const SERVER_PORT: u16 = 547;
const UDP_LEN: usize = 8;
/// Where UDP has its checksum.
const CHECKSUM: usize = 6;
/// RFC 8415 §11.5.
const DUID_UUID: [u8; 2] = [0, 4];

#[cfg(test)]
mod tests;
