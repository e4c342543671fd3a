//! Attribute-value pairs, RFC 2661 §4.1.
//!
//! ```text
//! M H reserved │ length (10 bits) │ vendor 2 │ attribute 2 │ value
//! ```

/// Attribute types, RFC 2661 §4.4.
pub(super) mod attribute {
    pub(crate) const MESSAGE_TYPE: u16 = 0;
    pub(crate) const RESULT_CODE: u16 = 1;
    pub(crate) const PROTOCOL_VERSION: u16 = 2;
    pub(crate) const FRAMING_CAPABILITIES: u16 = 3;
    pub(crate) const BEARER_CAPABILITIES: u16 = 4;
    pub(crate) const FIRMWARE_REVISION: u16 = 6;
    pub(crate) const HOST_NAME: u16 = 7;
    pub(crate) const VENDOR_NAME: u16 = 8;
    pub(crate) const ASSIGNED_TUNNEL_ID: u16 = 9;
    pub(crate) const RECEIVE_WINDOW_SIZE: u16 = 10;
    pub(crate) const CHALLENGE: u16 = 11;
    pub(crate) const ASSIGNED_SESSION_ID: u16 = 14;
    pub(crate) const CALL_SERIAL_NUMBER: u16 = 15;
    pub(crate) const BEARER_TYPE: u16 = 18;
    pub(crate) const FRAMING_TYPE: u16 = 19;
    pub(crate) const TX_CONNECT_SPEED: u16 = 24;
    /// The highest attribute of RFC 2661.
    pub(crate) const LAST: u16 = 39;
}

/// One AVP with vendor 0.
pub(super) fn encode(mandatory: bool, kind: u16, value: &[u8]) -> Vec<u8> {
    encode_vendor(mandatory, 0, kind, value)
}

/// One AVP of any vendor.
pub(super) fn encode_vendor(mandatory: bool, vendor: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 6).expect("our own AVPs are short");
    let first = if mandatory { MANDATORY | length } else { length };
    [&first.to_be_bytes(), &vendor.to_be_bytes(), &kind.to_be_bytes(), value].concat()
}

/// An AVP as received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avp<'a> {
    /// M, H and the reserved bits with the length.
    pub(super) first: u16,
    pub(super) vendor: u16,
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

impl Avp<'_> {
    pub(super) fn mandatory(&self) -> bool {
        self.first & MANDATORY != 0
    }

    pub(super) fn hidden(&self) -> bool {
        self.first & HIDDEN != 0
    }

    pub(super) fn reserved(&self) -> bool {
        self.first & 0x3c00 != 0
    }

    pub(super) fn u16(&self) -> Option<u16> {
        Some(u16::from_be_bytes(self.value.try_into().ok()?))
    }
}

/// All AVPs of a message; `None` if they break off.
pub(super) fn decode_all(mut bytes: &[u8]) -> Option<Vec<Avp<'_>>> {
    let mut avps = Vec::new();
    while !bytes.is_empty() {
        let first = u16::from_be_bytes(*bytes.first_chunk()?);
        let (avp, rest) = bytes.split_at_checked(usize::from(first & 0x03ff))?;
        let ([_, _, v0, v1, k0, k1], value) = avp.split_first_chunk()?;
        let (vendor, kind) = (u16::from_be_bytes([*v0, *v1]), u16::from_be_bytes([*k0, *k1]));
        avps.push(Avp { first, vendor, kind, value });
        bytes = rest;
    }
    Some(avps)
}

const MANDATORY: u16 = 0x8000;
const HIDDEN: u16 = 0x4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avps_survive_and_no_cut_does() {
        let bytes = [encode(true, 9, &[1, 2]), encode(false, 8, b"Microsoft")].concat();
        let avps = decode_all(&bytes).unwrap();
        assert_eq!((avps[0].first, avps[0].u16()), (0x8008, Some(0x0102)));
        assert!(!avps[1].mandatory());
        for length in (1..bytes.len()).filter(|length| *length != 8) {
            assert!(decode_all(&bytes[..length]).is_none(), "{length}");
        }
        assert!(decode_all(&[0x80, 5, 0, 0, 0, 0]).is_none(), "shorter than its own header");
    }
}
