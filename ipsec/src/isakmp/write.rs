//! Writing messages: payloads are chained and lengths patched after their bodies.

use super::iana::{DOI_IPSEC, NotifyType, PayloadType, ProtocolId, SIT_IDENTITY_ONLY, VERSION_1_0};
use super::{Cookies, ExchangeType, Flags, HEADER_LEN, Header, Proposal, Transform};

/// A chain of payloads in the making: what is hashed and, with a header in front, sent.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    bytes: Vec<u8>,
    first: Option<PayloadType>,
    /// Where the last payload's next-payload octet stands.
    last: usize,
}

impl Chain {
    /// Adds a payload with this body.
    pub(crate) fn push(&mut self, kind: PayloadType, body: &[u8]) -> &mut Self {
        self.push_with(kind, |bytes| bytes.extend_from_slice(body))
    }

    /// Adds a payload whose body a closure writes.
    pub(crate) fn push_with(&mut self, kind: PayloadType, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        match self.first {
            None => self.first = Some(kind),
            Some(_) => {
                if let Some(next) = self.bytes.get_mut(self.last) {
                    *next = kind.0;
                }
            }
        }
        self.last = self.bytes.len();
        generic(&mut self.bytes, PayloadType::NONE, write);
        self
    }

    /// Adds the answer to an offer: one proposal with one transform, its attributes as they came (RFC 2409 §5: the
    /// responder must not alter them; RFC 2408 §4.2: it keeps the numbers).
    pub(crate) fn push_sa(
        &mut self,
        proposal: &Proposal<'_>,
        transform: &Transform<'_>,
        spi: &[u8],
    ) -> &mut Self {
        self.push_with(PayloadType::SECURITY_ASSOCIATION, |bytes| {
            bytes.extend_from_slice(&DOI_IPSEC.to_be_bytes());
            bytes.extend_from_slice(&SIT_IDENTITY_ONLY.to_be_bytes());
            generic(bytes, PayloadType::NONE, |bytes| {
                bytes.extend_from_slice(&[proposal.number, proposal.protocol.0, octets(spi.len()), 1]);
                bytes.extend_from_slice(spi);
                generic(bytes, PayloadType::NONE, |bytes| {
                    bytes.extend_from_slice(&[transform.number, transform.id, 0, 0]);
                    bytes.extend_from_slice(transform.raw);
                });
            });
        })
    }

    /// Adds a notification, RFC 2408 §3.14.
    pub(crate) fn push_notify(
        &mut self,
        protocol: ProtocolId,
        kind: NotifyType,
        spi: &[u8],
        data: &[u8],
    ) -> &mut Self {
        self.push_with(PayloadType::NOTIFICATION, |bytes| {
            bytes.extend_from_slice(&DOI_IPSEC.to_be_bytes());
            bytes.extend_from_slice(&[protocol.0, octets(spi.len())]);
            bytes.extend_from_slice(&kind.0.to_be_bytes());
            bytes.extend_from_slice(spi);
            bytes.extend_from_slice(data);
        })
    }

    /// Adds a Delete for one SA, RFC 2408 §3.15.
    pub(crate) fn push_delete(&mut self, protocol: ProtocolId, spi: &[u8]) -> &mut Self {
        self.push_with(PayloadType::DELETE, |bytes| {
            bytes.extend_from_slice(&DOI_IPSEC.to_be_bytes());
            bytes.extend_from_slice(&[protocol.0, octets(spi.len()), 0, 1]);
            bytes.extend_from_slice(spi);
        })
    }

    /// Kind of the first payload.
    pub(crate) fn first(&self) -> PayloadType {
        self.first.unwrap_or(PayloadType::NONE)
    }

    /// The payloads' octets.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payloads with `first` put in front: RFC 2409 §5.5 wants HASH before what it hashes.
    pub(crate) fn prefixed(self, kind: PayloadType, body: &[u8]) -> Self {
        let mut chain = Self::default();
        chain.push(kind, body);
        let next = self.first();
        if let Some(octet) = chain.bytes.first_mut() {
            *octet = next.0;
        }
        chain.last = chain.bytes.len() + self.last;
        chain.bytes.extend_from_slice(&self.bytes);
        chain
    }
}

/// A whole message: header, then payloads or their ciphertext.
pub(crate) struct MessageWriter {
    header: Header,
}

impl MessageWriter {
    /// Starts a message of ours.
    pub(crate) fn new(cookies: Cookies, exchange: ExchangeType, message_id: u32) -> Self {
        let header =
            Header { cookies, next_payload: PayloadType::NONE, exchange, flags: Flags::NONE, message_id };
        Self { header }
    }

    /// The message in clear.
    pub(crate) fn clear(self, chain: &Chain) -> Vec<u8> {
        self.finish(Flags::NONE, chain.first(), |bytes| bytes.extend_from_slice(chain.as_bytes()))
    }

    /// The message with its payloads encrypted by `encrypt`, which pads to whole blocks.
    pub(crate) fn encrypted(self, chain: &Chain, encrypt: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        self.finish(Flags::ENCRYPTION, chain.first(), |bytes| {
            bytes.extend_from_slice(&encrypt(chain.as_bytes()));
        })
    }

    fn finish(self, flags: Flags, first: PayloadType, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let Header { cookies, exchange, message_id, .. } = self.header;
        let mut bytes = Vec::with_capacity(TYPICAL_LEN);
        bytes.extend_from_slice(&cookies.to_bytes());
        bytes.extend_from_slice(&[first.0, VERSION_1_0, exchange.0, flags.0]);
        bytes.extend_from_slice(&message_id.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        body(&mut bytes);
        let length = u32::try_from(bytes.len()).expect("a message of ours is far below 4 GiB");
        if let Some(field) = bytes.get_mut(HEADER_LEN - 4..HEADER_LEN) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        bytes
    }
}

/// Writes a generic payload header, the body, then the length.
fn generic(bytes: &mut Vec<u8>, next: PayloadType, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[next.0, 0, 0, 0]);
    write(bytes);
    // What we send is bounded by what fits a datagram we received, plus constants; a longer one is cut off by its length.
    let length = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// The size octet of an SPI field: four or sixteen.
fn octets(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(0)
}

/// Room for the messages we write most.
const TYPICAL_LEN: usize = 512;
