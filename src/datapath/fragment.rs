//! A packet that may be cut and is longer than its client takes: its fragments, RFC 791 §3.2.
//!
//! ```text
//!   header, options │ 0 … 1279 │ 1280 … 1379           the packet
//!
//!   header, options │ 0 … 1279                         its fragments, each sealed by itself: offset 0, more to come
//!   header, some options │ 1280 … 1379                                                       offset 160
//! ```
//!
//! Otherwise it would be cut outside the tunnel (RFC 4459 §3.1), where packet filters and address translators lose fragments that they
//! cannot tell whose they are. Inside (§3.4) the host that it is for puts it together, as it has to be able to anyway.

use arrayvec::ArrayVec;

use crate::checksum;

/// What of a packet is still to be cut off, piece by piece.
#[derive(Clone, Debug)]
pub(super) struct Fragments<'a> {
    /// The next one's, but for the numbers that are its own.
    header: Header,
    /// Where that one begins, in units of eight octets.
    offset: u16,
    rest: &'a [u8],
    /// Whether the packet is a fragment itself, and not the last.
    more: bool,
    mtu: usize,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Fragment<'a> {
    header: Header,
    data: &'a [u8],
}

type Header = ArrayVec<u8, MAX_HEADER>;

impl<'a> Fragments<'a> {
    /// Those of an IPv4 packet that does not forbid it, each of `mtu` octets at most; `None` if it cannot be cut so.
    pub(super) fn of(packet: &'a [u8], mtu: u16) -> Option<Self> {
        let fixed: &[u8; IP_LEN] = packet.first_chunk()?;
        let (header, rest) = packet.split_at_checked(usize::from(fixed[0] & 0x0f) * 4)?;
        let (field, mtu) = (u16::from_be_bytes([fixed[6], fixed[7]]), usize::from(mtu));
        let offset = field & OFFSET;
        // Further on, offsets would not fit their field: nobody could put that together.
        let ends = usize::from(offset) * UNIT + rest.len();
        if header.len() < IP_LEN || mtu < header.len() + UNIT || ends > MAX_LEN {
            return None;
        }
        let more = field & MORE_FRAGMENTS != 0;
        Some(Self { header: header.iter().copied().collect(), offset, rest, more, mtu })
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let room = self.mtu - self.header.len();
        let len = if self.rest.len() <= room { self.rest.len() } else { room / UNIT * UNIT };
        let (data, rest) = self.rest.split_at(len);
        let more = self.more || !rest.is_empty();
        let later = later(&self.header);
        let mut header = std::mem::replace(&mut self.header, later);
        write_numbers(&mut header, len, self.offset, more);
        self.offset += narrow(len / UNIT);
        self.rest = rest;
        Some(Fragment { header, data })
    }
}

impl Fragment<'_> {
    /// Octets of the packet that it is.
    pub(super) fn len(&self) -> usize {
        self.header.len() + self.data.len()
    }

    /// Writes it into [`Self::len`] octets.
    pub(super) fn write(&self, to: &mut [u8]) {
        let (header, data) = to.split_at_mut(self.header.len());
        header.copy_from_slice(&self.header);
        data.copy_from_slice(self.data);
    }
}

/// The header of all fragments but the first: with those options alone that say that they shall be copied, RFC 791 §3.1.
fn later(header: &Header) -> Header {
    let Some((fixed, mut options)) = header.split_first_chunk::<IP_LEN>() else { return header.clone() };
    let mut later = Header::from_iter(*fixed);
    loop {
        let len = match options {
            [NOP, ..] => 1,
            [kind, len, ..] if *kind != END && *len >= 2 => usize::from(*len),
            // The end of the list, or of what makes sense.
            _ => break,
        };
        let Some((option, rest)) = options.split_at_checked(len) else { break };
        if option.first().is_some_and(|kind| kind & COPIED != 0) {
            later.extend(option.iter().copied());
        }
        options = rest;
    }
    while later.len() % 4 != 0 {
        later.push(END);
    }
    later
}

/// Writes what is a fragment's own: of its `len` octets of data, the first one's place, and whether more follow.
fn write_numbers(header: &mut Header, len: usize, offset: u16, more: bool) {
    let header_len = header.len();
    let Some(fixed) = header.first_chunk_mut::<IP_LEN>() else { return };
    fixed[0] = 0x40 | u8::try_from(header_len / 4).unwrap_or(0x0f);
    fixed[2..4].copy_from_slice(&narrow(header_len + len).to_be_bytes());
    let field = offset | if more { MORE_FRAGMENTS } else { 0 };
    fixed[6..8].copy_from_slice(&field.to_be_bytes());
    fixed[10..12].fill(0);
    let checksum = checksum::finish(checksum::sum(header));
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&checksum);
    }
}

/// Of lengths and places within [`MAX_LEN`].
fn narrow(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// A header without options, and with as many as it can have.
const IP_LEN: usize = 20;
const MAX_HEADER: usize = 60;
/// What a length field holds, RFC 791 §3.1.
const MAX_LEN: usize = 65_535;
/// Offsets count these octets.
const UNIT: usize = 8;
/// Of the field of flags and offset.
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
/// Of options: those of one octet, and the flag of a type.
const END: u8 = 0;
const NOP: u8 = 1;
const COPIED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet with these options, whose data are told apart by their places.
    fn packet(options: &[u8], field: u16, len: usize) -> Vec<u8> {
        let header_len = IP_LEN + options.len();
        let mut packet = vec![0x40 | (header_len / 4) as u8, 0xb8];
        packet.extend(((header_len + len) as u16).to_be_bytes());
        packet.extend([0, 111]);
        packet.extend(field.to_be_bytes());
        packet.extend([119, 6, 0, 0, 192, 0, 2, 1, 10, 20, 0, 2]);
        packet.extend(options);
        let sum = checksum::finish(checksum::sum(&packet));
        packet[10..12].copy_from_slice(&sum);
        packet.extend((0..len).map(|place| (place * 7 / 3) as u8));
        packet
    }

    fn fragments(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
        let fragments = Fragments::of(packet, mtu).unwrap();
        fragments
            .map(|fragment| {
                let mut written = vec![0xee; fragment.len()];
                fragment.write(&mut written);
                written
            })
            .collect()
    }

    fn number(packet: &[u8], at: usize) -> u16 {
        u16::from_be_bytes([packet[at], packet[at + 1]])
    }

    fn header_len(packet: &[u8]) -> usize {
        usize::from(packet[0] & 0x0f) * 4
    }

    /// RFC 791 appendix A, example 2.
    #[test]
    fn the_example_of_rfc_791() {
        let [first, second] = &fragments(&packet(&[], 0, 452), 280)[..] else { panic!("not two") };
        assert_eq!((number(first, 2), number(first, 6), first.len()), (276, 0x2000, 276));
        assert_eq!((number(second, 2), number(second, 6), second.len()), (216, 32, 216));
        for fragment in [first, second] {
            assert_eq!((number(fragment, 4), fragment[8], fragment[9]), (111, 119, 6));
        }
    }

    #[test]
    fn only_options_that_say_so_are_copied() {
        // A record route for three addresses, which stays with the first; a router alert (RFC 2113), which does not.
        let record = [7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let options = [&record[..], &[NOP], &[0x94, 4, 0, 0]].concat();
        let pieces = fragments(&packet(&options, 0, 3000), 1300);
        assert_eq!(pieces[0][..2], [0x4a, 0xb8]);
        assert_eq!(pieces[0][20..40], options);
        for later in &pieces[1..] {
            assert_eq!((later[0], &later[20..24]), (0x46, &[0x94, 4, 0, 0][..]));
        }
        // What follows what makes no sense is not copied.
        for broken in [[7, 1, 0x94, 4], [7, 9, 0x94, 4], [END, 0x94, 4, 0]] {
            let pieces = fragments(&packet(&broken, 0, 3000), 1300);
            assert_eq!((pieces[0][0], pieces[1][0]), (0x46, 0x45), "{broken:?}");
        }
    }

    #[test]
    fn a_fragment_is_cut_into_such() {
        let pieces = fragments(&packet(&[], MORE_FRAGMENTS | 100, 1376), 1300);
        assert_eq!(pieces.iter().map(|piece| number(piece, 6)).collect::<Vec<_>>(), [0x2064, 0x2064 + 160]);
        let pieces = fragments(&packet(&[], 100, 1376), 1300);
        assert_eq!(pieces.iter().map(|piece| number(piece, 6)).collect::<Vec<_>>(), [0x2064, 0x64 + 160]);
    }

    #[test]
    fn what_cannot_be_cut_is_not() {
        let whole = packet(&[], 0, 1400);
        for len in 0..IP_LEN {
            assert!(Fragments::of(&whole[..len], 1300).is_none(), "{len}");
        }
        assert!(Fragments::of(&whole, 27).is_none(), "no room for anything");
        assert!(
            Fragments::of(&packet(&[], OFFSET, 1400), 1300).is_none(),
            "it ends beyond the longest packet"
        );
    }

    proptest! {
        #[test]
        fn put_together_they_are_the_packet(
            options in proptest::collection::vec(any::<u8>(), 0..=10).prop_map(|words| words.repeat(4)),
            offset in 0..8000_u16,
            more in any::<bool>(),
            len in 1..1500_usize,
            mtu in 68..1600_u16,
        ) {
            let field = offset | if more { MORE_FRAGMENTS } else { 0 };
            let whole = packet(&options, field, len);
            let pieces = fragments(&whole, mtu);
            let mut next = usize::from(offset) * UNIT;
            let mut data = Vec::<u8>::new();
            for (index, piece) in pieces.iter().enumerate() {
                let (header, rest) = piece.split_at(header_len(piece));
                prop_assert_eq!(checksum::finish(checksum::sum(header)), [0, 0]);
                prop_assert!(piece.len() <= usize::from(mtu) && usize::from(number(piece, 2)) == piece.len());
                prop_assert_eq!(usize::from(number(piece, 6) & OFFSET) * UNIT, next);
                let is_last = index + 1 == pieces.len();
                prop_assert_eq!(number(piece, 6) & !OFFSET != 0, more || !is_last);
                prop_assert!(is_last || rest.len() % UNIT == 0);
                let differs = |at: usize| header[at] != whole[at];
                prop_assert!(![1, 4, 5, 8, 9].into_iter().chain(12..20).any(differs));
                next += rest.len();
                data.extend(rest);
            }
            prop_assert_eq!(&data, &whole[header_len(&whole)..]);
            prop_assert_eq!(&pieces[0][20..header_len(&pieces[0])], &options);
        }
    }
}
