//! Where the parts of a packet are.

use std::ops::Range;

use super::{EspSuite, FIXED_HEADER_LEN, TRAILER_LEN};

/// What it depends on, of a suite: kept with its keys, because every packet asks several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Octets of an IV.
    iv_len: u8,
    /// What the text is padded to: a power of two.
    alignment: u8,
    /// Octets after the ciphertext.
    icv_len: u8,
}

impl Geometry {
    /// That of a suite's packets.
    pub(super) fn of(suite: EspSuite) -> Self {
        let [iv_len, alignment, icv_len] = [suite.iv_len(), suite.alignment(), suite.icv_len()]
            .map(|len| u8::try_from(len).unwrap_or_else(|_| unreachable!("no part is as long as that")));
        debug_assert!(alignment.is_power_of_two(), "blocks are");
        Self { iv_len, alignment, icv_len }
    }

    /// [`EspSuite::header_len`].
    pub(super) fn header_len(self) -> usize {
        FIXED_HEADER_LEN + usize::from(self.iv_len)
    }

    /// [`EspSuite::icv_len`].
    pub(super) fn icv_len(self) -> usize {
        self.icv_len.into()
    }

    /// [`EspSuite::packet_len`].
    pub(super) fn packet_len(self, payload_len: usize) -> usize {
        let text_len = (payload_len + TRAILER_LEN + self.beyond_blocks()) & !self.beyond_blocks();
        self.header_len() + text_len + self.icv_len()
    }

    /// `None` if a packet of that length is too short, or its text not whole blocks.
    pub(super) fn layout(self, packet_len: usize) -> Option<Layout> {
        let text_end = packet_len.checked_sub(self.icv_len())?;
        let text_len = text_end.checked_sub(self.header_len())?;
        (text_len & self.beyond_blocks() == 0).then_some(Layout { iv_len: self.iv_len.into(), text_end })
    }

    /// The bits that the length of whole blocks has not.
    fn beyond_blocks(self) -> usize {
        usize::from(self.alignment) - 1
    }
}

/// Where the parts of one packet are.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    iv_len: usize,
    text_end: usize,
}

/// The parts of a packet.
pub(super) struct Pieces<'a> {
    pub(super) fixed: &'a [u8],
    pub(super) iv: &'a [u8],
    pub(super) text: &'a mut [u8],
    pub(super) icv: &'a mut [u8],
}

impl Layout {
    /// Header, IV and ciphertext.
    pub(super) fn covered(self) -> Range<usize> {
        0..self.text_end
    }

    /// Between IV and ICV.
    pub(super) fn text(self) -> Range<usize> {
        FIXED_HEADER_LEN + self.iv_len..self.text_end
    }

    /// Octets of the IV.
    pub(super) fn iv_len(self) -> usize {
        self.iv_len
    }

    /// The parts of a packet that is so long.
    pub(super) fn split(self, packet: &mut [u8]) -> Pieces<'_> {
        let (covered, icv) = packet.split_at_mut(self.text_end);
        let (fixed, rest) = covered.split_at_mut(FIXED_HEADER_LEN);
        let (iv, text) = rest.split_at_mut(self.iv_len);
        Pieces { fixed, iv, text, icv }
    }
}
