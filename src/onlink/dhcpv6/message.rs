//! What DHCPv6 messages are made of, RFC 8415 §8 and §21.1: a kind, a transaction and options.

use super::ServerId;
use super::association::Association;

/// A message of a client that is for us and fit to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) kind: Kind,
    transaction: [u8; 3],
    options: &'a [u8],
}

/// The kinds that clients send, §7.3. A Decline is not among them: no address of a client's is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Solicit,
    Request,
    Confirm,
    Renew,
    Rebind,
    Release,
    InformationRequest,
}

impl<'a> Request<'a> {
    /// Holds a message against §16.
    pub(super) fn parse(message: &'a [u8], server_id: &ServerId) -> Option<Self> {
        let (&[kind, t0, t1, t2], options) = message.split_first_chunk()?;
        let kind = Kind::of(kind)?;
        let request = Self { kind, transaction: [t0, t1, t2], options };
        let server = request.find(SERVER_ID);
        let is_ours = |id: &[u8]| id == server_id.duid();
        let is_for_us = match kind {
            Kind::Request | Kind::Renew | Kind::Release => server.is_some_and(is_ours),
            Kind::Solicit | Kind::Confirm | Kind::Rebind => server.is_none(),
            Kind::InformationRequest => server.is_none_or(is_ours) && request.associations().next().is_none(),
        };
        let is_named = match request.find(CLIENT_ID) {
            Some(id) => (SHORTEST_DUID..=LONGEST_DUID).contains(&id.len()),
            None => kind == Kind::InformationRequest,
        };
        (is_for_us && is_named).then_some(request)
    }

    /// The value of the first option with that code.
    pub(super) fn find(&self, code: u16) -> Option<&'a [u8]> {
        options_of(self.options).find(|(found, _)| *found == code).map(|(_, value)| value)
    }

    /// Whether its option is to be told: without a list of wishes, everything is.
    pub(super) fn wants(&self, code: u16) -> bool {
        self.find(WANTED)
            .is_none_or(|codes| codes.as_chunks().0.iter().any(|pair| u16::from_be_bytes(*pair) == code))
    }

    /// The identity associations, as far as an answer has room for them.
    pub(super) fn associations(&self) -> impl Iterator<Item = Association<'a>> + use<'a> {
        let all = options_of(self.options).filter_map(|(code, value)| Association::parse(code, value));
        all.take(MOST_ASSOCIATIONS)
    }

    /// The beginning of what is said to it, §18.3.9 and §18.3.10.
    pub(super) fn reply(&self, kind: u8, server_id: &ServerId) -> Vec<u8> {
        let [t0, t1, t2] = self.transaction;
        let mut reply = vec![kind, t0, t1, t2];
        if let Some(client_id) = self.find(CLIENT_ID) {
            push(&mut reply, CLIENT_ID, client_id);
        }
        push(&mut reply, SERVER_ID, &server_id.duid());
        reply
    }
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Solicit,
            3 => Self::Request,
            4 => Self::Confirm,
            5 => Self::Renew,
            6 => Self::Rebind,
            8 => Self::Release,
            11 => Self::InformationRequest,
            _ => return None,
        })
    }
}

/// Code and value of each option, as far as they are whole.
pub(super) fn options_of(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[c0, c1, l0, l1], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        bytes = rest;
        Some((u16::from_be_bytes([c0, c1]), value))
    })
}

pub(super) fn push(message: &mut Vec<u8>, code: u16, value: &[u8]) {
    let Ok(len) = u16::try_from(value.len()) else { return };
    message.extend(code.to_be_bytes());
    message.extend(len.to_be_bytes());
    message.extend(value);
}

/// §21.13, with what the user of the client may be shown.
pub(super) fn push_status(message: &mut Vec<u8>, status: u16, text: &str) {
    push(message, STATUS, &[&status.to_be_bytes()[..], text.as_bytes()].concat());
}

/// What we say, §7.3.
pub(super) const ADVERTISE: u8 = 2;
pub(super) const REPLY: u8 = 7;
/// §11.1: a type, and at most 128 octets.
const SHORTEST_DUID: usize = 3;
const LONGEST_DUID: usize = 130;
/// Of a client that wants an address and a prefix, twice.
const MOST_ASSOCIATIONS: usize = 4;
/// Options of §21 and of RFC 3646.
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const WANTED: u16 = 6;
pub(super) const PREFERENCE: u16 = 7;
const STATUS: u16 = 13;
pub(super) const RAPID_COMMIT: u16 = 14;
pub(super) const DNS: u16 = 23;
pub(super) const DOMAINS: u16 = 24;
/// Statuses of §21.13.
pub(super) const SUCCESS: u16 = 0;
pub(super) const NO_ADDRS_AVAIL: u16 = 2;
pub(super) const NO_BINDING: u16 = 3;
pub(super) const NOT_ON_LINK: u16 = 4;
pub(super) const USE_MULTICAST: u16 = 5;
pub(super) const NO_PREFIX_AVAIL: u16 = 6;
