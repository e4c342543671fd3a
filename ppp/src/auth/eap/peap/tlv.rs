//! The TLVs of EAP-TLV Extensions, [MS-PEAP] §2.2.8.1: how the two ends of a tunnel tell each other how it went.
//!
//! ```text
//! ┌─────┬───────────┬────────┬─────────┐
//! │ M R │ type (14) │ length │ value … │
//! └─────┴───────────┴────────┴─────────┘
//! ```

/// What one packet of TLVs says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tlvs<'a> {
    /// Result TLV, §2.2.8.1.2.
    pub(super) success: Option<bool>,
    /// Cryptobinding TLV, §2.2.8.1.1.
    pub(super) cryptobinding: Option<&'a [u8]>,
}

impl<'a> Tlvs<'a> {
    /// Nothing if a length does not fit. Other types are passed over: an answer to a statement of health, for example.
    pub(super) fn parse(mut rest: &'a [u8]) -> Option<Self> {
        let mut tlvs = Self::default();
        while let Some((&[kind_high, kind_low, high, low], behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let (value, behind) = behind.split_at_checked(length)?;
            match (u16::from_be_bytes([kind_high, kind_low]) & TYPE, value) {
                (RESULT, [0, 1]) => tlvs.success = Some(true),
                (RESULT, _) => tlvs.success = Some(false),
                (CRYPTOBINDING, value) => tlvs.cryptobinding = Some(value),
                _ => {}
            }
            rest = behind;
        }
        rest.is_empty().then_some(tlvs)
    }
}

/// Appends one.
pub(super) fn push(tlvs: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("our TLVs are a few octets long");
    tlvs.extend(kind.to_be_bytes());
    tlvs.extend(length.to_be_bytes());
    tlvs.extend(value);
}

/// Appends a Result TLV, which is mandatory.
pub(super) fn push_result(tlvs: &mut Vec<u8>, success: bool) {
    push(tlvs, MANDATORY | RESULT, if success { &[0, 1] } else { &[0, 2] });
}

pub(super) const CRYPTOBINDING: u16 = 12;
const RESULT: u16 = 3;
const MANDATORY: u16 = 0x8000;
/// M and R are not part of the type.
const TYPE: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn results_are_written_and_read() {
        let mut tlvs = Vec::new();
        push_result(&mut tlvs, true);
        assert_eq!(tlvs, hex!("8003 0002 0001"));
        assert_eq!(Tlvs::parse(&tlvs).unwrap().success, Some(true));
        push_result(&mut tlvs, false);
        assert_eq!(Tlvs::parse(&tlvs).unwrap().success, Some(false));
        assert_eq!(Tlvs::parse(&[]), Some(Tlvs::default()));
    }

    #[test]
    fn unknown_ones_are_passed_over_and_broken_ones_refused() {
        let tlvs = Tlvs::parse(&hex!("8007 0003 aabbcc 000c 0002 0102 4003 0002 0001")).unwrap();
        assert_eq!((tlvs.success, tlvs.cryptobinding), (Some(true), Some(&[1, 2][..])));
        assert_eq!(Tlvs::parse(&hex!("8003 0003 0001")), None);
        assert_eq!(Tlvs::parse(&hex!("8003 00")), None);
    }
}
