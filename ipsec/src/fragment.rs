//! IKE fragmentation: messages in pieces that pass where fragments of IP do not, \[MS-IKEE\] §2.2.3.1 and §3.3.
//!
//! ```text
//!   +---------------------------+------+------+--------+--------+------+-------+ - - - - -
//!   | header, next payload 132  |   0  |   0  | length |   id   |number| 1=last|  a piece
//!   +---------------------------+------+------+--------+--------+------+-------+ - - - - -
//! ```
//!
//! The pieces of equal id, in order of their numbers from 1, are a whole message with its own header, which may be encrypted;
//! the pieces are not, whatever their flags say. Certificates are what makes messages long: Windows, Apple, racoon and
//! strongSwan all take them apart like this.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use crate::crypto::Hash;
use crate::discard::Discard;
use crate::isakmp::iana::{ExchangeType, PayloadType};
use crate::isakmp::{Cookies, HEADER_LEN, Header, Malformed, Message, MessageWriter};

/// A piece of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    id: u16,
    number: u8,
    last: bool,
    data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The piece that a message carries, if that is what it does. Nothing may stand behind it.
    pub(crate) fn of(message: &Message<'a>) -> Result<Option<Self>, Malformed> {
        if message.header.next_payload != PayloadType::FRAGMENT {
            return Ok(None);
        }
        let payloads = message.payloads()?;
        let body = payloads.require(PayloadType::FRAGMENT)?;
        let (&[i0, i1, number, flags], data) = body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        if payloads.iter().count() > 1 || number == 0 || data.is_empty() {
            return Err(Malformed::Value);
        }
        let last = flags & LAST_FRAGMENT != 0;
        Ok(Some(Self { id: u16::from_be_bytes([i0, i1]), number, last, data }))
    }
}

/// The pieces of one message, as far as they have come.
#[derive(Debug)]
struct Partial {
    /// When the first of them came.
    since: Instant,
    of: (u16, ExchangeType, u32),
    pieces: BTreeMap<u8, Box<[u8]>>,
    /// Number of the last piece, once that is here.
    last: Option<u8>,
}

impl Partial {
    fn new(since: Instant, of: (u16, ExchangeType, u32)) -> Self {
        Self { since, of, pieces: BTreeMap::new(), last: None }
    }

    /// Adds a piece that contradicts none of the others. `Err` if one of that number is here.
    fn add(&mut self, fragment: &Fragment<'_>) -> Result<(), Discard> {
        let Entry::Vacant(vacant) = self.pieces.entry(fragment.number) else { return Err(Discard::Fragment) };
        vacant.insert(fragment.data.into());
        if fragment.last {
            self.last = Some(fragment.number);
        }
        Ok(())
    }

    /// Whether a piece can be of this message. Racoon gives every message the same id, so that is not all there is to it.
    fn fits(&self, of: (u16, ExchangeType, u32), fragment: &Fragment<'_>) -> bool {
        let same = self.pieces.get(&fragment.number).is_none_or(|piece| **piece == *fragment.data);
        let highest = self.pieces.keys().next_back().copied().unwrap_or(0);
        let ends = match self.last {
            Some(last) if fragment.last => fragment.number == last,
            Some(last) => fragment.number < last,
            None => !fragment.last || fragment.number >= highest,
        };
        self.of == of && same && ends
    }

    fn len(&self) -> usize {
        self.pieces.values().map(|piece| piece.len()).sum()
    }

    fn is_whole(&self) -> bool {
        self.last.is_some_and(|last| self.pieces.len() == usize::from(last))
    }
}

/// Messages that have come in part: one at a time under each pair of cookies, so many in all.
#[derive(Debug, Default)]
pub(crate) struct Fragments(BTreeMap<Cookies, Partial>);

impl Fragments {
    /// A piece arrived; gives the message that it completes.
    ///
    /// One that contradicts what came before is the first of another message. Beyond the most that may wait, what has waited
    /// longest is given up: pieces come back to back, so that is nobody's who is still there.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        header: &Header,
        fragment: &Fragment<'_>,
    ) -> Result<Option<Vec<u8>>, Discard> {
        let cookies = header.cookies;
        let of = (fragment.id, header.exchange, header.message_id);
        if fragment.number > MAX_NUMBER {
            return Err(Discard::Fragment);
        }
        if !self.0.contains_key(&cookies) && self.0.len() >= MAX_PARTIAL {
            let oldest = self.0.iter().min_by_key(|(_, partial)| partial.since).map(|(cookies, _)| *cookies);
            oldest.and_then(|cookies| self.0.remove(&cookies));
        }
        let partial = self.0.entry(cookies).or_insert_with(|| Partial::new(now, of));
        if !partial.fits(of, fragment) {
            *partial = Partial::new(now, of);
        }
        partial.add(fragment)?;
        if partial.len() > MAX_LEN {
            self.0.remove(&cookies);
            return Err(Discard::Fragment);
        }
        if !partial.is_whole() {
            return Ok(None);
        }
        let whole = self.0.remove(&cookies).map(|partial| partial.pieces.into_values());
        Ok(whole.map(|pieces| pieces.flat_map(Vec::from).collect()))
    }

    /// Since when the rest of a message is waited for.
    pub(crate) fn since(&self, cookies: Cookies) -> Option<Instant> {
        self.0.get(&cookies).map(|partial| partial.since)
    }

    /// Gives up what came in part; whether there was any.
    pub(crate) fn remove(&mut self, cookies: Cookies) -> bool {
        self.0.remove(&cookies).is_some()
    }
}

/// The pieces of a message of ours that is too long for one datagram.
///
/// The id is of the message's content: the same message sent again fills the gaps of before, another one is told apart.
pub(crate) fn split(message: &[u8]) -> Vec<Vec<u8>> {
    let Ok(whole) = Message::parse(message) else { return Vec::new() };
    let Header { cookies, exchange, message_id, .. } = whole.header;
    let digest = Hash::Sha256.digest(&[message]);
    let id = digest.first_chunk::<2>().map_or(1, |id| u16::from_be_bytes(*id).max(1));
    let pieces = message.chunks(PIECE_LEN);
    let count = pieces.len();
    let numbered = pieces.zip(1_u8..);
    numbered
        .map(|(piece, number)| {
            let flags = if usize::from(number) == count { LAST_FRAGMENT } else { 0 };
            let mut chain = crate::isakmp::Chain::default();
            chain.push_with(PayloadType::FRAGMENT, |bytes| {
                bytes.extend_from_slice(&id.to_be_bytes());
                bytes.extend_from_slice(&[number, flags]);
                bytes.extend_from_slice(piece);
            });
            MessageWriter::new(cookies, exchange, message_id).clear(&chain)
        })
        .collect()
}

/// The longest UDP payload that is sent in one piece to a client that takes several: with the longest headers, IPv6's 40
/// octets and UDP's 8, it makes a packet of 1280, which every path of IPv6 carries (RFC 8200 §5) and hardly one of IPv4
/// does not. Apple and strongSwan draw the line there too.
pub(crate) const MAX_UNFRAGMENTED: usize = 1280 - 40 - 8;

/// Octets of a message that go into one piece, beside a non-ESP marker, the header and the payload's own eight.
const PIECE_LEN: usize = MAX_UNFRAGMENTED - 4 - HEADER_LEN - 8;

/// Flag of the last piece.
const LAST_FRAGMENT: u8 = 1;

/// Windows' pieces make packets of 576 octets; 29 of them have been seen.
const MAX_NUMBER: u8 = 64;

/// Octets of a message in pieces: a chain of three large certificates.
const MAX_LEN: usize = 32 * 1024;

/// Messages in pieces at once: with [`MAX_LEN`], eight mebibytes.
const MAX_PARTIAL: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::isakmp::iana::VERSION_1_0;
    use crate::isakmp::{Cookie, Flags};
    use crate::responder::tests::start;

    const COOKIES: Cookies = Cookies { initiator: Cookie([1; 8]), responder: Cookie([2; 8]) };

    fn header(cookies: Cookies, message_id: u32) -> Header {
        let (next_payload, exchange) = (PayloadType::FRAGMENT, ExchangeType::MAIN_MODE);
        Header { cookies, next_payload, exchange, flags: Flags::ENCRYPTION, message_id }
    }

    fn piece(id: u16, number: u8, last: bool, data: &[u8]) -> Fragment<'_> {
        Fragment { id, number, last, data }
    }

    /// Adds pieces in order: the message, or why there is none.
    fn all(pieces: &[Fragment<'_>]) -> Vec<Result<Option<Vec<u8>>, Discard>> {
        let mut fragments = Fragments::default();
        pieces.iter().map(|piece| fragments.add(start(), &header(COOKIES, 0), piece)).collect()
    }

    #[test]
    fn pieces_make_a_message_in_any_order_and_once() {
        let (one, two, three) =
            (piece(1, 1, false, b"ab"), piece(1, 2, false, b"cd"), piece(1, 3, true, b"e"));
        let whole = Ok(Some(b"abcde".to_vec()));
        for order in [[one, two, three], [three, two, one], [two, three, one], [one, three, two]] {
            assert_eq!(all(&order), [Ok(None), Ok(None), whole.clone()]);
        }
        assert_eq!(
            all(&[one, one, three, one, two]),
            [Ok(None), Err(Discard::Fragment), Ok(None), Err(Discard::Fragment), whole]
        );
        assert_eq!(all(&[piece(9, 1, true, b"x")]), [Ok(Some(b"x".to_vec()))]);
    }

    #[test]
    fn what_contradicts_begins_another_message() {
        let (one, last) = (piece(2, 1, false, b"new"), piece(2, 2, true, b"er"));
        let whole = Ok(Some(b"newer".to_vec()));
        // Another id; the same id, as racoon's always is, and another content, or an end before.
        for old in [piece(1, 1, false, b"old"), piece(2, 1, false, b"old"), piece(2, 1, false, b"")] {
            assert_eq!(all(&[old, one, last]).pop(), Some(whole.clone()), "{old:?}");
        }
        let (early, late) = (piece(2, 2, true, b"x"), piece(2, 3, false, b"y"));
        assert_eq!(all(&[early, late, one, last]).pop(), Some(Ok(None)), "what is behind the end");
        assert_eq!(all(&[early, late, last, one]).pop(), Some(whole.clone()));
        let mut fragments = Fragments::default();
        assert_eq!(fragments.add(start(), &header(COOKIES, 7), &one), Ok(None));
        assert_eq!(fragments.add(start(), &header(COOKIES, 8), &last), Ok(None), "of another exchange");
        assert_eq!(fragments.add(start(), &header(COOKIES, 8), &one), whole);
    }

    #[test]
    fn memory_is_bounded() {
        let long = vec![0; MAX_LEN / 2];
        assert_eq!(
            all(&[
                piece(1, 1, false, &long),
                piece(1, 2, false, &long),
                piece(1, 3, false, b"x"),
                piece(1, 4, true, b"x")
            ]),
            [Ok(None), Ok(None), Err(Discard::Fragment), Ok(None)]
        );
        assert_eq!(all(&[piece(1, MAX_NUMBER + 1, false, b"x")]), [Err(Discard::Fragment)]);
        let mut fragments = Fragments::default();
        for number in 0..1000_u64 {
            let cookies = Cookies { initiator: Cookie(number.to_be_bytes()), ..COOKIES };
            let now = start() + Duration::from_millis(number);
            assert_eq!(fragments.add(now, &header(cookies, 0), &piece(1, 1, false, b"x")), Ok(None));
            assert!(fragments.0.len() <= MAX_PARTIAL);
        }
        let newest = Cookies { initiator: Cookie(999_u64.to_be_bytes()), ..COOKIES };
        assert!(fragments.since(newest).is_some() && fragments.since(COOKIES).is_none());
    }

    #[test]
    fn what_we_split_is_put_together_again_and_every_piece_is_short() {
        for len in [HEADER_LEN, 1192, 1193, 2384, 2385, 9000] {
            let mut message = vec![7; len];
            message[..16].copy_from_slice(&COOKIES.to_bytes());
            message[16..20].copy_from_slice(&[5, VERSION_1_0, 2, 1]);
            message[24..28].copy_from_slice(&u32::try_from(len).expect("short").to_be_bytes());
            let mut fragments = Fragments::default();
            let pieces = split(&message);
            assert_eq!(pieces.len(), len.div_ceil(1192));
            let mut whole = None;
            for bytes in &pieces {
                assert!(bytes.len() + 4 <= MAX_UNFRAGMENTED);
                let carrier = Message::parse(bytes).expect("a message");
                assert_eq!(carrier.header.flags, Flags::NONE, "Windows wants it clear");
                assert!(whole.is_none());
                let piece = Fragment::of(&carrier).expect("a piece").expect("a piece");
                whole = fragments.add(start(), &carrier.header, &piece).expect("fits");
            }
            assert_eq!(whole, Some(message.clone()));
            assert_eq!(split(&message), pieces, "the same again has the same id");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_pieces_are_survived_and_a_message_comes_through_behind_them(
            before in proptest::collection::vec(
                (0_u64..3, 0_u16..3, 1_u8..=255, any::<bool>(), proptest::collection::vec(any::<u8>(), 1..2000)),
                0..40,
            ),
        ) {
            let mut fragments = Fragments::default();
            let cookies = |number: u64| Cookies { initiator: Cookie(number.to_be_bytes()), ..COOKIES };
            for (number, id, index, last, data) in &before {
                let added = fragments.add(start(), &header(cookies(*number), 0), &piece(*id, *index, *last, data));
                prop_assert!(added.unwrap_or_default().is_none_or(|whole| whole.len() <= MAX_LEN));
                prop_assert!(fragments.0.values().all(|partial| partial.len() <= MAX_LEN));
            }
            // The same pieces twice, as a client repeats them, make the message whatever was there.
            let pieces = [piece(7, 1, false, b"ab"), piece(7, 2, false, b"cd"), piece(7, 3, true, b"e")];
            let all = pieces.iter().chain(&pieces);
            let wholes: Vec<_> =
                all.filter_map(|piece| fragments.add(start(), &header(cookies(0), 0), piece).ok().flatten()).collect();
            prop_assert!(wholes.contains(&b"abcde".to_vec()));
        }
    }

    #[test]
    fn malformed_pieces_are_told() {
        let of = |body: &[u8]| {
            let mut bytes = [&COOKIES.to_bytes()[..], &[132, VERSION_1_0, 2, 1, 0, 0, 0, 0]].concat();
            bytes.extend(u32::try_from(HEADER_LEN + body.len()).expect("short").to_be_bytes());
            bytes.extend(body);
            Fragment::of(&Message::parse(&bytes).expect("a message")).map(|piece| piece.is_some())
        };
        assert_eq!(of(&[0, 0, 0, 9, 0, 1, 1, 0, 42]), Ok(true));
        assert_eq!(of(&[0, 0, 0, 8, 0, 1, 1, 0]), Err(Malformed::Value), "empty");
        assert_eq!(of(&[0, 0, 0, 9, 0, 1, 0, 0, 42]), Err(Malformed::Value), "number 0");
        assert_eq!(of(&[0, 0, 0, 7, 0, 1, 1]), Err(Malformed::Truncated));
        assert_eq!(of(&[0, 0, 0, 10, 0, 1, 1, 0, 42]), Err(Malformed::Length));
        assert_eq!(of(&[13, 0, 0, 9, 0, 1, 1, 0, 42, 0, 0, 0, 4]), Err(Malformed::Value), "not alone");
    }
}
