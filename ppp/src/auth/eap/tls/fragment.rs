//! TLS in pieces that fit an EAP packet, RFC 5216 §2.1.5 and §3.1.
//!
//! ```text
//! ┌───────┬──────────────────────┬──────────────┐
//! │ flags │ TLS message length 4 │ TLS records …│     flags: L 80, M 40, S 20; PEAP's version in the last two bits
//! └───────┴──────────────────────┴──────────────┘
//!           only with L
//! ```
//!
//! Each piece but the last has M, the first has L besides; each is answered with an empty packet before the next is sent.

/// What one packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece<'a> {
    /// L: how long the whole is.
    length: Option<usize>,
    /// M: this is not the last one.
    more: bool,
    records: &'a [u8],
}

impl<'a> Piece<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Option<Self> {
        let (&flags, rest) = data.split_first()?;
        let (length, records) = if flags & LENGTH == 0 {
            (None, rest)
        } else {
            let (&length, records) = rest.split_first_chunk()?;
            (Some(usize::try_from(u32::from_be_bytes(length)).ok()?), records)
        };
        Some(Self { length, more: flags & MORE != 0, records })
    }

    /// Nothing but a word that the last piece of ours has come.
    pub(crate) fn is_acknowledgement(self) -> bool {
        self.records.is_empty() && !self.more
    }
}

/// What the client has sent of one flight.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    announced: Option<usize>,
    collected: Vec<u8>,
}

/// What a piece brought.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There are more to come: this one is to be acknowledged.
    More,
    /// The whole flight.
    Whole(Vec<u8>),
    /// It does not fit what came before, or is too much. What was collected is gone.
    Wrong,
}

impl Incoming {
    pub(crate) fn add(&mut self, piece: Piece<'_>) -> Progress {
        // Windows repeats the length in each piece; the first one counts.
        let announced = self.announced.or(piece.length);
        let total = self.collected.len() + piece.records.len();
        let fits = total <= announced.unwrap_or(MOST) && announced.unwrap_or(0) <= MOST;
        let complete = announced.is_none_or(|announced| announced == total);
        // A piece with nothing in it would be asked for for ever.
        if !fits || (!piece.more && !complete) || (piece.more && piece.records.is_empty()) {
            *self = Self::default();
            return Progress::Wrong;
        }
        self.collected.extend(piece.records);
        self.announced = announced;
        if piece.more {
            return Progress::More;
        }
        Progress::Whole(std::mem::take(self).collected)
    }
}

/// A flight of ours, and how much of it has been sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    flight: Vec<u8>,
    sent: usize,
    /// The most type-data that a packet has room for.
    room: usize,
}

impl Outgoing {
    /// `room` is how much type-data fits a packet.
    pub(crate) fn new(flight: Vec<u8>, room: usize) -> Self {
        Self { flight, sent: 0, room: room.max(LEAST_ROOM) }
    }

    /// Whether the last piece has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent == self.flight.len()
    }

    /// The type-data of the next packet; nothing once all is sent.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let rest = self.flight.get(self.sent..).filter(|rest| !rest.is_empty())?;
        let first = self.sent == 0;
        let mut flags = 0;
        let mut data = vec![0];
        if first && rest.len() >= self.room {
            flags |= LENGTH;
            data.extend(u32::try_from(rest.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        let (now, later) = rest.split_at(rest.len().min(self.room - data.len()));
        if !later.is_empty() {
            flags |= MORE;
        }
        data.extend(now);
        if let Some(octet) = data.first_mut() {
            *octet = flags;
        }
        self.sent += now.len();
        Some(data)
    }
}

/// The type-data of a Request that begins the conversation: S alone; for PEAP of version 0 as well.
pub(crate) const START: [u8; 1] = [0x20];
/// The type-data of a Request that acknowledges a piece.
pub(crate) const ACKNOWLEDGEMENT: [u8; 1] = [0];

const LENGTH: u8 = 0x80;
const MORE: u8 = 0x40;

/// More than any chain of certificates a client has. RFC 5216 §2.1.5 wants a limit, against whoever fills our memory.
const MOST: usize = 0x1_0000;
/// Flags, length and something behind them.
const LEAST_ROOM: usize = 64;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn add(incoming: &mut Incoming, data: &[u8]) -> Progress {
        incoming.add(Piece::parse(data).unwrap())
    }

    #[test]
    fn what_is_cut_here_is_put_together_there() {
        let flight: Vec<u8> = (0..5000_u16).map(|number| number as u8).collect();
        for room in [64, 65, 1000, 4995, 4999, 5000, 5001, 5002] {
            let mut outgoing = Outgoing::new(flight.clone(), room);
            let mut incoming = Incoming::default();
            let mut whole = None;
            while let Some(data) = outgoing.next() {
                assert!(data.len() <= room, "{} octets in a room of {room}", data.len());
                assert_eq!(whole, None, "something behind the last piece");
                match add(&mut incoming, &data) {
                    Progress::More => {}
                    Progress::Whole(all) => whole = Some(all),
                    Progress::Wrong => panic!("wrong"),
                }
            }
            assert_eq!(whole.as_ref(), Some(&flight), "room {room}");
        }
    }

    #[test]
    fn the_first_of_several_pieces_says_how_long_all_are() {
        let mut outgoing = Outgoing::new(vec![7; 100], 64);
        assert_eq!(outgoing.next().unwrap()[..6], hex!("c0 00000064 07"));
        assert_eq!(outgoing.next().unwrap()[..2], hex!("00 07"));
        assert_eq!(outgoing.next(), None);
        assert_eq!(Outgoing::new(vec![7; 10], 64).next().unwrap()[..2], hex!("00 07"));
    }

    #[test]
    fn pieces_that_do_not_fit_are_refused() {
        // Longer than announced; shorter; an empty one that wants more; more than anybody needs.
        for pieces in [
            &[&hex!("c0 00000003 aa")[..], &hex!("40 bb"), &hex!("00 ccdd")][..],
            &[&hex!("c0 00000003 aa"), &hex!("00 bb")],
            &[&hex!("c0 00000003")],
            &[&hex!("c0 00010001 aa")],
        ] {
            let mut incoming = Incoming::default();
            let last = pieces.iter().map(|piece| add(&mut incoming, piece)).last();
            assert_eq!(last, Some(Progress::Wrong));
            assert_eq!(add(&mut incoming, &hex!("00 aa")), Progress::Whole(vec![0xaa]));
        }
    }

    #[test]
    fn nobody_fills_our_memory() {
        let mut incoming = Incoming::default();
        let mut piece = vec![MORE];
        piece.extend([0; 1000]);
        let taken = (0..100).take_while(|_| add(&mut incoming, &piece) == Progress::More).count();
        assert_eq!(taken, MOST / 1000);
        assert!(incoming.collected.is_empty());
    }

    #[test]
    fn lengths_are_read_whole_or_not_at_all() {
        assert_eq!(Piece::parse(&[]), None);
        assert_eq!(Piece::parse(&hex!("80 000000")), None);
        assert!(Piece::parse(&hex!("00")).unwrap().is_acknowledgement());
        assert!(!Piece::parse(&hex!("40")).unwrap().is_acknowledgement());
    }
}
