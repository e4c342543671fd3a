//! Frames, control packets and configuration options, RFC 1661 §2, §5, §6.
//!
//! ```text
//! ┌────┬────┬──────────┬──────┬────────────┬────────┬──────────────────────────────────┬─────────┐
//! │ ff │ 03 │ protocol │ code │ identifier │ length │ options: type, length, data  …   │ padding │
//! └────┴────┴──────────┴──────┴────────────┴────────┴──────────────────────────────────┴─────────┘
//!  absent with  1 octet                      from code on
//!  ACFC         with PFC
//! ```

use std::fmt;

/// Splits a frame into its protocol and its information field, with or without the HDLC address and control
/// octets (ACFC, RFC 1661 §6.6) and with a protocol field of one or two octets (PFC, §6.5).
pub fn parse_frame(frame: &[u8]) -> Result<(Protocol, &[u8]), Malformed> {
    match frame.strip_prefix(&ADDRESS_CONTROL).unwrap_or(frame) {
        [0xff, ..] => Err(Malformed::Address),
        [low, information @ ..] if low & 1 == 1 => Ok((Protocol(u16::from(*low)), information)),
        [high, low, information @ ..] if low & 1 == 1 => {
            Ok((Protocol(u16::from_be_bytes([*high, *low])), information))
        }
        [] | [_] => Err(Malformed::Truncated),
        [_, _, ..] => Err(Malformed::Protocol),
    }
}

/// A PPP protocol number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// Internet Protocol, version 4.
    pub const IPV4: Self = Self(0x0021);
    /// Internet Protocol, version 6.
    pub const IPV6: Self = Self(0x0057);
    /// Internet Protocol Control Protocol, RFC 1332.
    pub const IPCP: Self = Self(0x8021);
    /// IPv6 Control Protocol, RFC 5072.
    pub const IPV6CP: Self = Self(0x8057);
    /// Compression Control Protocol, RFC 1962.
    pub const CCP: Self = Self(0x80fd);
    /// Link Control Protocol, RFC 1661.
    pub const LCP: Self = Self(0xc021);
    /// Password Authentication Protocol, RFC 1334.
    pub const PAP: Self = Self(0xc023);
    /// Challenge Handshake Authentication Protocol, RFC 1994.
    pub const CHAP: Self = Self(0xc223);
    /// Extensible Authentication Protocol, RFC 3748.
    pub const EAP: Self = Self(0xc227);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4 => f.write_str("IPv4"),
            Self::IPV6 => f.write_str("IPv6"),
            Self::IPCP => f.write_str("IPCP"),
            Self::IPV6CP => f.write_str("IPV6CP"),
            Self::CCP => f.write_str("CCP"),
            Self::LCP => f.write_str("LCP"),
            Self::PAP => f.write_str("PAP"),
            Self::CHAP => f.write_str("CHAP"),
            Self::EAP => f.write_str("EAP"),
            Self(number) => write!(f, "protocol {number:#06x}"),
        }
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not a frame or not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The frame or packet ends before its fixed part does.
    Truncated,
    /// The frame starts with 0xff, but 0x03 does not follow.
    Address,
    /// The protocol field is even.
    Protocol,
    /// A packet's length field does not fit the packet.
    Length,
    /// A configuration option's length field does not fit the packet.
    Option,
}

/// The code of a control packet, RFC 1661 §5 and RFC 1570 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

impl Code {
    pub(crate) const CONFIGURE_REQUEST: Self = Self(1);
    pub(crate) const CONFIGURE_ACK: Self = Self(2);
    pub(crate) const CONFIGURE_NAK: Self = Self(3);
    pub(crate) const CONFIGURE_REJECT: Self = Self(4);
    pub(crate) const TERMINATE_REQUEST: Self = Self(5);
    pub(crate) const TERMINATE_ACK: Self = Self(6);
    pub(crate) const CODE_REJECT: Self = Self(7);
    pub(crate) const PROTOCOL_REJECT: Self = Self(8);
    pub(crate) const ECHO_REQUEST: Self = Self(9);
    pub(crate) const ECHO_REPLY: Self = Self(10);
    pub(crate) const DISCARD_REQUEST: Self = Self(11);
    pub(crate) const IDENTIFICATION: Self = Self(12);
    pub(crate) const TIME_REMAINING: Self = Self(13);
}

/// A control packet: LCP, IPCP and CHAP all have this shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) code: Code,
    pub(crate) identifier: u8,
    pub(crate) data: &'a [u8],
    /// The packet as it came, without padding.
    pub(crate) whole: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(information: &'a [u8]) -> Result<Self, Malformed> {
        let (&[code, identifier, high, low], _) =
            information.split_first_chunk().ok_or(Malformed::Truncated)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        // What follows the length is padding, RFC 1661 §5.
        let (whole, _) = information.split_at_checked(length).ok_or(Malformed::Length)?;
        let data = whole.get(HEADER..).ok_or(Malformed::Length)?;
        Ok(Self { code: Code(code), identifier, data, whole })
    }
}

/// Writes a whole frame, address and control octets included: that is how LCP must be sent whatever was
/// negotiated (RFC 1661 §6.6), and for the others it is never wrong.
pub(crate) fn encode(protocol: Protocol, code: Code, identifier: u8, data: &[u8]) -> Vec<u8> {
    let data = data.get(..MAX_DATA).unwrap_or(data);
    let length = u16::try_from(HEADER + data.len()).expect("data was cut to MAX_DATA");
    let mut frame = Vec::with_capacity(ADDRESS_CONTROL.len() + 2 + HEADER + data.len());
    frame.extend(ADDRESS_CONTROL);
    frame.extend(protocol.0.to_be_bytes());
    frame.extend([code.0, identifier]);
    frame.extend(length.to_be_bytes());
    frame.extend(data);
    frame
}

/// The options of a Configure packet, all of them checked to lie within it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = data;
        while !rest.is_empty() {
            (_, rest) = ConfigureOption::split(rest).ok_or(Malformed::Option)?;
        }
        Ok(Self(data))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = ConfigureOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (option, rest) = ConfigureOption::split(self.0)?;
        self.0 = rest;
        Some(option)
    }
}

/// One option, RFC 1661 §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigureOption<'a> {
    pub(crate) kind: u8,
    pub(crate) data: &'a [u8],
    /// The option as it came.
    pub(crate) whole: &'a [u8],
}

impl<'a> ConfigureOption<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[kind, length], _) = bytes.split_first_chunk()?;
        let (whole, rest) = bytes.split_at_checked(usize::from(length))?;
        let data = whole.get(OPTION_HEADER..)?;
        Some((Self { kind, data, whole }, rest))
    }
}

/// Appends one option.
pub(crate) fn push_option(options: &mut Vec<u8>, kind: u8, data: &[u8]) {
    let length = u8::try_from(OPTION_HEADER + data.len()).expect("our options are a few octets long");
    options.extend([kind, length]);
    options.extend(data);
}

/// What stands before every IPv4 packet sent to a client: no field is ever compressed on our side.
pub const DATA_HEADER_IPV4: [u8; 4] = [0xff, 0x03, 0x00, 0x21];

/// The same before every IPv6 packet.
pub const DATA_HEADER_IPV6: [u8; 4] = [0xff, 0x03, 0x00, 0x57];

/// All-Stations address and Unnumbered Information, RFC 1662 §3.1.
const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];
/// Code, identifier, length.
const HEADER: usize = 4;
const OPTION_HEADER: usize = 2;
const MAX_DATA: usize = 0xffff - HEADER;

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_come_with_every_mixture_of_field_compression() {
        for frame in [&hex!("ff03 0021 45")[..], &hex!("0021 45"), &hex!("ff03 21 45"), &hex!("21 45")] {
            assert_eq!(parse_frame(frame), Ok((Protocol::IPV4, &[0x45][..])));
        }
        assert_eq!(parse_frame(&hex!("c021 01")), Ok((Protocol::LCP, &[0x01][..])));
        assert_eq!(parse_frame(&DATA_HEADER_IPV4), Ok((Protocol::IPV4, &[][..])));
    }

    #[test]
    fn what_is_no_frame_is_named() {
        assert_eq!(parse_frame(&[]), Err(Malformed::Truncated));
        assert_eq!(parse_frame(&hex!("ff03")), Err(Malformed::Truncated));
        assert_eq!(parse_frame(&hex!("ff03 c0")), Err(Malformed::Truncated));
        assert_eq!(parse_frame(&hex!("ff04 0021")), Err(Malformed::Address));
        assert_eq!(parse_frame(&hex!("ff03 c020")), Err(Malformed::Protocol));
    }

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let packet = Packet::parse(&hex!("01 07 0006 aabb cc")).unwrap();
        assert_eq!((packet.code, packet.identifier), (Code::CONFIGURE_REQUEST, 7));
        assert_eq!((packet.data, packet.whole), (&hex!("aabb")[..], &hex!("01 07 0006 aabb")[..]));
        assert_eq!(Packet::parse(&hex!("01 07 0003 aa")).unwrap_err(), Malformed::Length);
        assert_eq!(Packet::parse(&hex!("01 07 0006 aa")).unwrap_err(), Malformed::Length);
        assert_eq!(Packet::parse(&hex!("01 07 00")).unwrap_err(), Malformed::Truncated);
    }

    #[test]
    fn options_are_taken_whole_or_not_at_all() {
        let options = hex!("0104 0578 0702 0802");
        let kinds: Vec<u8> = Options::parse(&options).unwrap().map(|option| option.kind).collect();
        assert_eq!(kinds, [1, 7, 8]);
        for (length, whole) in (0..=options.len()).map(|length| (length, [0, 4, 6, 8].contains(&length))) {
            assert_eq!(Options::parse(&options[..length]).is_ok(), whole, "{length} octets");
        }
        assert!(Options::parse(&hex!("0100")).is_err());
        assert!(Options::parse(&hex!("0101")).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let frame = encode(Protocol::IPCP, Code::CONFIGURE_ACK, 9, &hex!("0306 0a140001"));
        assert_eq!(frame, hex!("ff03 8021 02 09 000a 0306 0a140001"));
        let huge = encode(Protocol::LCP, Code::CODE_REJECT, 1, &vec![0; 70_000]);
        assert_eq!(huge.len(), 0xffff + 4);
    }

    proptest! {
        #[test]
        fn decoders_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((_, information)) = parse_frame(&bytes)
                && let Ok(packet) = Packet::parse(information)
                && let Ok(options) = Options::parse(packet.data)
            {
                let length: usize = options.map(|option| option.whole.len()).sum();
                prop_assert_eq!(length, packet.data.len());
            }
        }
    }
}
