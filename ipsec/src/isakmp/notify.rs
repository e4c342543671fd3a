//! Notification and Delete payloads, RFC 2408 §3.14 and §3.15.

use super::Malformed;
use super::iana::{NotifyType, ProtocolId};

/// Something one side tells the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotifyPayload<'a> {
    /// What it says.
    pub(crate) kind: NotifyType,
    /// Which SA: cookies for ISAKMP, else an SPI, or empty.
    pub(crate) spi: &'a [u8],
    /// Further data, meaning by kind.
    pub(crate) data: &'a [u8],
}

impl<'a> NotifyPayload<'a> {
    /// Takes the notification apart.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[_, _, _, _, _protocol, spi_size, k0, k1], rest) =
            body.split_first_chunk::<8>().ok_or(Malformed::Truncated)?;
        let (spi, data) = rest.split_at_checked(spi_size.into()).ok_or(Malformed::Length)?;
        let kind = NotifyType(u16::from_be_bytes([k0, k1]));
        Ok(Self { kind, spi, data })
    }
}

/// SAs that the sender has forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeletePayload<'a> {
    /// Which protocol's.
    pub(crate) protocol: ProtocolId,
    spi_size: usize,
    spis: &'a [u8],
}

impl<'a> DeletePayload<'a> {
    /// Takes the list apart; it must hold as many SPIs as it says.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[_, _, _, _, protocol, spi_size, c0, c1], rest) =
            body.split_first_chunk::<8>().ok_or(Malformed::Truncated)?;
        let spi_size = usize::from(spi_size);
        let count = usize::from(u16::from_be_bytes([c0, c1]));
        if spi_size == 0 {
            return Err(Malformed::Value);
        }
        let octets = spi_size.checked_mul(count).ok_or(Malformed::Length)?;
        let spis = rest.get(..octets).ok_or(Malformed::Length)?;
        Ok(Self { protocol: ProtocolId(protocol), spi_size, spis })
    }

    /// The SPIs: the sender's inbound ones for ESP, cookie pairs for ISAKMP.
    pub(crate) fn spis(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.spis.chunks_exact(self.spi_size)
    }
}
