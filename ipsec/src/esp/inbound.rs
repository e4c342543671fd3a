//! The receiving half of a pair of SAs, RFC 4303 §3.4.

use std::{fmt, ops::Range};

use super::{
    EspDiscard, EspKeys, EspSuite, NEXT_HEADER_NONE, NEXT_HEADER_UDP, OpenKey, PADDING, Sequence, Spi,
    replay::ReplayWindow,
};

/// An SA that receives: its number was chosen by us.
pub struct InboundSa {
    spi: Spi,
    window: ReplayWindow,
    key: OpenKey,
}

impl InboundSa {
    /// Expands the keys.
    pub fn new(spi: Spi, suite: EspSuite, keys: &EspKeys) -> Self {
        Self { spi, window: ReplayWindow::new(), key: OpenKey::new(suite, keys) }
    }

    /// The number by which the peer calls this SA.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// The algorithms. Which truncation of HMAC-SHA2-256 the peer means is only known once a packet was accepted.
    pub fn suite(&self) -> EspSuite {
        self.key.suite()
    }

    /// Fetches what a packet of it will need into the caches.
    pub fn prefetch(&self) {
        multibuffer::prefetch(self);
    }

    /// What [`open_batch`](super::open_batch) needs.
    pub fn key(&self) -> &OpenKey {
        &self.key
    }

    /// What can be said of a packet without any cryptography: that it is long enough, that its ciphertext is whole blocks
    /// and that its number could be new (§3.4.3: "rejecting a packet before verification"). The SPI is not looked at.
    pub fn check(&self, packet: &[u8]) -> Result<Sequence, EspDiscard> {
        let (_spi, rest) = packet.split_first_chunk::<4>().ok_or(EspDiscard::Short)?;
        let (sequence, _) = rest.split_first_chunk().ok_or(EspDiscard::Short)?;
        match self.key.layout(packet.len()) {
            Some(layout) if layout.text().is_empty() => return Err(EspDiscard::Short),
            Some(_) => {}
            None => {
                let least = self.suite().header_len() + self.suite().icv_len();
                return Err(if packet.len() < least { EspDiscard::Short } else { EspDiscard::PartialBlock });
            }
        }
        self.window.check(u32::from_be_bytes(*sequence))
    }

    /// Whether no accepted packet has a higher number: only such a packet says where the peer is now.
    pub fn is_newest(&self, sequence: Sequence) -> bool {
        self.window.is_newest(sequence)
    }

    /// Takes a packet that [`open_batch`](super::open_batch) has verified and decrypted: moves the replay window, takes the
    /// padding off, and says where the inner UDP datagram lies. Behind that datagram there may be octets that hide its
    /// length (§2.7): its own length field counts.
    pub fn accept(&mut self, sequence: Sequence, packet: &[u8]) -> Result<Range<usize>, EspDiscard> {
        self.window.accept(sequence)?;
        self.key.pin(packet.len());
        let range = self.key.layout(packet.len()).ok_or(EspDiscard::Short)?.text();
        let text = packet.get(range.clone());
        let (pad_len, next_header, padded) = match text {
            Some([padded @ .., pad_len, next_header]) => (usize::from(*pad_len), *next_header, padded),
            _ => return Err(EspDiscard::Short),
        };
        let payload_len = padded.len().checked_sub(pad_len).ok_or(EspDiscard::BadPadding)?;
        // A check that SHOULD be made, §2.4. The packet is authentic, so the answer is no oracle.
        if padded[payload_len..] != PADDING[..pad_len] {
            return Err(EspDiscard::BadPadding);
        }
        match next_header {
            NEXT_HEADER_UDP => Ok(range.start..range.start + payload_len),
            NEXT_HEADER_NONE => Err(EspDiscard::Dummy),
            _ => Err(EspDiscard::NextHeader),
        }
    }
}

impl fmt::Debug for InboundSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboundSa({} {})", self.spi, self.suite())
    }
}
