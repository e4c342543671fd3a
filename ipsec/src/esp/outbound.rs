//! The sending half of a pair of SAs, RFC 4303 §3.3.

use std::fmt;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{EspKeys, EspSuite, FIXED_HEADER_LEN, NEXT_HEADER_UDP, PADDING, SealKey, Spi};

/// An SA that sends: its number was chosen by the peer.
pub struct OutboundSa {
    spi: Spi,
    /// The number of the last packet; the first one's is 1 (§2.2).
    sequence: u32,
    key: SealKey,
}

impl OutboundSa {
    /// Expands the keys.
    pub fn new(spi: Spi, suite: EspSuite, keys: &EspKeys) -> Self {
        Self { spi, sequence: 0, key: SealKey::new(suite, keys) }
    }

    /// Fetches what a packet through it will need into the caches.
    pub fn prefetch(&self) {
        multibuffer::prefetch(self);
    }

    /// The number by which the peer knows this SA.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// The algorithms.
    pub fn suite(&self) -> EspSuite {
        self.key.suite()
    }

    /// The peer's packets on the other half of the pair are of that suite: if it is the other truncation of ours, ours becomes
    /// that. Two lengths of HMAC-SHA2-256 go by one number (RFC 4868 §2.6, and the draft that Android's kernels followed).
    pub fn follow(&mut self, suite: EspSuite) {
        self.key.follow(suite);
    }

    /// [`EspSuite::header_len`].
    pub fn header_len(&self) -> usize {
        self.key.geometry().header_len()
    }

    /// [`EspSuite::packet_len`].
    pub fn packet_len(&self, payload_len: usize) -> usize {
        self.key.geometry().packet_len(payload_len)
    }

    /// What [`seal_batch`](super::seal_batch) needs.
    pub fn key(&self) -> &SealKey {
        &self.key
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, sequence: u32) {
        self.sequence = sequence;
    }

    /// Makes a packet of a UDP datagram that lies in `slot` behind [`EspSuite::header_len`] octets: writes everything but
    /// the ICV, and nothing is encrypted yet.
    ///
    /// # Panics
    ///
    /// If `slot` is not of [`EspSuite::packet_len`] octets.
    pub fn frame(
        &mut self,
        ivs: &mut IvSource,
        slot: &mut [u8],
        payload_len: usize,
    ) -> Result<(), Exhausted> {
        let geometry = self.key.geometry();
        assert_eq!(slot.len(), geometry.packet_len(payload_len), "a slot is as long as the packet");
        // "The transmitter MUST NOT send a packet on an SA if doing so would cause the sequence number to cycle", §3.3.3.
        self.sequence = self.sequence.checked_add(1).ok_or(Exhausted)?;

        let (header, rest) = slot.split_at_mut(geometry.header_len());
        let (fixed, iv) = header.split_at_mut(FIXED_HEADER_LEN);
        let (spi, sequence) = fixed.split_at_mut(4);
        spi.copy_from_slice(&self.spi.0.to_be_bytes());
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        match self.suite() {
            // Unpredictable for CBC (RFC 3602 §2.1); for GCM never the same twice under a key (RFC 4106 §3.1), which the sequence
            // number is not.
            EspSuite::Separate { .. } => ivs.fill(iv),
            EspSuite::Gcm { .. } => iv.copy_from_slice(&u64::from(self.sequence).to_be_bytes()),
        }

        let (text, _icv) = rest.split_at_mut(rest.len() - geometry.icv_len());
        let (_payload, trailer) = text.split_at_mut(payload_len);
        let [padding @ .., pad_len, next_header] = trailer else {
            unreachable!("a trailer is two octets at least")
        };
        padding.copy_from_slice(&PADDING[..padding.len()]);
        *pad_len = PADDING[..padding.len()].last().copied().unwrap_or(0);
        *next_header = NEXT_HEADER_UDP;
        Ok(())
    }
}

impl fmt::Debug for OutboundSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundSa({} {})", self.spi, self.suite())
    }
}

/// The SA has used its last sequence number and sends nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// Initialization vectors that nobody can predict, as CBC needs them (RFC 3602 §2.1): the key stream of ChaCha.
///
/// One serves all SAs of a thread. Eight rounds are what is unbroken with the largest margin per nanosecond; the stream is not a
/// key's only protection here, it is public octet by octet.
pub struct IvSource(ChaCha8Rng);

impl IvSource {
    /// Starts the stream that belongs to `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    fn fill(&mut self, iv: &mut [u8]) {
        self.0.fill_bytes(iv);
    }
}

impl fmt::Debug for IvSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IvSource")
    }
}
