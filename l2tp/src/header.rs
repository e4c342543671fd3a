//! The L2TP header, RFC 2661 §3.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |T|L|x|x|S|x|O|P|x|x|x|x|  Ver  |          Length (L)           |
//! |           Tunnel ID           |           Session ID          |
//! |             Ns (S)            |             Nr (S)            |
//! |        Offset Size (O)        |        Offset pad…            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;

use crate::SessionKey;

/// Why bytes are not an L2TP packet, RFC 2661 §3.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The packet ends before its header does.
    Truncated,
    /// The version is not 2.
    Version,
    /// The T bit says data where control was expected, or the other way round.
    Type,
    /// A control message without L or S bit, or with the O bit.
    Flags,
    /// The length field is shorter than the header or longer than the packet.
    Length,
    /// The offset points behind the packet.
    Offset,
}

impl Malformed {
    /// Names the cause for a counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "l2tp_truncated",
            Self::Version => "l2tp_version",
            Self::Type => "l2tp_type",
            Self::Flags => "l2tp_flags",
            Self::Length => "l2tp_length",
            Self::Offset => "l2tp_offset",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "packet ends within its L2TP header",
            Self::Version => "L2TP version is not 2",
            Self::Type => "control where data was expected, or data where control was",
            Self::Flags => "control message without L and S bits or with an offset",
            Self::Length => "L2TP length field does not fit the packet",
            Self::Offset => "L2TP offset points behind the packet",
        })
    }
}

impl std::error::Error for Malformed {}

/// Tells whether the first byte has the T bit: a control message rather than a data message.
pub fn is_control(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first & 0x80 != 0)
}

/// A data message, whatever optional fields its header had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data<'a> {
    /// Our tunnel id.
    pub tunnel_id: u16,
    /// Our session id.
    pub session_id: u16,
    /// The PPP frame.
    pub payload: &'a [u8],
}

/// Parses a data message with or without L, S and O bits; Ns and Nr are skipped because Sequencing Required is
/// never sent, reserved and priority bits are ignored (RFC 2661 §3.1).
pub fn parse_data(packet: &[u8]) -> Result<Data<'_>, Malformed> {
    let (flags, rest) = take_u16(packet)?;
    if flags & TYPE != 0 {
        return Err(Malformed::Type);
    }
    if flags & VERSION_MASK != VERSION {
        return Err(Malformed::Version);
    }
    let rest = if flags & LENGTH != 0 { within_length(packet)? } else { rest };
    let (tunnel_id, rest) = take_u16(rest)?;
    let (session_id, rest) = take_u16(rest)?;
    let rest = if flags & SEQUENCE != 0 { rest.get(4..).ok_or(Malformed::Truncated)? } else { rest };
    let payload = if flags & OFFSET != 0 {
        let (offset, rest) = take_u16(rest)?;
        rest.get(usize::from(offset)..).ok_or(Malformed::Offset)?
    } else {
        rest
    };
    Ok(Data { tunnel_id, session_id, payload })
}

/// The constant header of every data message we send on a session: neither length, nor sequence, nor offset.
pub fn data_header(peer_session: SessionKey) -> [u8; 6] {
    let [v0, v1] = VERSION.to_be_bytes();
    let [t0, t1] = peer_session.tunnel_id.to_be_bytes();
    let [s0, s1] = peer_session.session_id.to_be_bytes();
    [v0, v1, t0, t1, s0, s1]
}

/// What a control message's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ControlHeader {
    pub(crate) tunnel_id: u16,
    pub(crate) session_id: u16,
    pub(crate) ns: u16,
    pub(crate) nr: u16,
}

impl ControlHeader {
    /// Splits a control message into header and AVPs. Bytes behind the length field's end are no part of it.
    pub(crate) fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (flags, _) = take_u16(packet)?;
        if flags & TYPE == 0 {
            return Err(Malformed::Type);
        }
        if flags & VERSION_MASK != VERSION {
            return Err(Malformed::Version);
        }
        // RFC 2661 §3.1: L and S MUST be set and O MUST be clear in control messages. P and x bits are ignored.
        if flags & (LENGTH | SEQUENCE | OFFSET) != LENGTH | SEQUENCE {
            return Err(Malformed::Flags);
        }
        let rest = within_length(packet)?;
        let (tunnel_id, rest) = take_u16(rest)?;
        let (session_id, rest) = take_u16(rest)?;
        let (ns, rest) = take_u16(rest)?;
        let (nr, rest) = take_u16(rest)?;
        Ok((Self { tunnel_id, session_id, ns, nr }, rest))
    }

    /// Writes a whole control message: this header, then the AVPs (none for a ZLB, which is exactly 12 bytes).
    pub(crate) fn write(&self, avps: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(CONTROL_HEADER_LEN.saturating_add(avps.len()));
        // Exactly c802: Android's mtpd drops a message with O or P set, or T, L or S clear.
        for field in
            [TYPE | LENGTH | SEQUENCE | VERSION, 0, self.tunnel_id, self.session_id, self.ns, self.nr]
        {
            packet.extend_from_slice(&field.to_be_bytes());
        }
        packet.extend_from_slice(avps);
        let length = u16::try_from(packet.len()).expect("our messages are a few hundred bytes");
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        packet
    }
}

/// A received control message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) header: ControlHeader,
    pub(crate) avps: &'a [u8],
    /// The whole of it.
    pub(crate) datagram: &'a [u8],
}

impl<'a> Incoming<'a> {
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (header, avps) = ControlHeader::parse(datagram)?;
        Ok(Self { header, avps, datagram })
    }
}

fn take_u16(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (field, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed::Truncated)?;
    Ok((u16::from_be_bytes(*field), rest))
}

/// The packet behind its length field and up to the end that the length field gives.
fn within_length(packet: &[u8]) -> Result<&[u8], Malformed> {
    let (_, rest) = take_u16(packet)?;
    let (length, _) = take_u16(rest)?;
    packet.get(..usize::from(length)).and_then(|packet| packet.get(4..)).ok_or(Malformed::Length)
}

const TYPE: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION_MASK: u16 = 0x000f;
const VERSION: u16 = 2;
const CONTROL_HEADER_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control() {
        let packet = hex!("c802000c 0001 0002 0003 0004");
        let header = ControlHeader { tunnel_id: 1, session_id: 2, ns: 3, nr: 4 };
        assert_eq!(ControlHeader::parse(&packet), Ok((header, [].as_slice())));
        assert_eq!(header.write(&[]), packet);
        assert_eq!(header.write(&hex!("0102")), hex!("c802000e 0001 0002 0003 0004 0102"));
    }

    #[test]
    fn control_ignores_reserved_and_priority_bits_and_trailing_bytes() {
        let header = ControlHeader { tunnel_id: 1, session_id: 2, ns: 3, nr: 4 };
        assert_eq!(
            ControlHeader::parse(&hex!("f9f2000d 0001 0002 0003 0004 aa bb")),
            Ok((header, [0xaa].as_slice()))
        );
    }

    #[test]
    fn control_refused() {
        for (packet, why) in [
            (hex!("c803000c 0001 0002 0003 0004"), Malformed::Version),
            (hex!("c801000c 0001 0002 0003 0004"), Malformed::Version),
            (hex!("4802000c 0001 0002 0003 0004"), Malformed::Type),
            (hex!("8802000c 0001 0002 0003 0004"), Malformed::Flags),
            (hex!("c002000c 0001 0002 0003 0004"), Malformed::Flags),
            (hex!("ca02000c 0001 0002 0003 0004"), Malformed::Flags),
            (hex!("c802000d 0001 0002 0003 0004"), Malformed::Length),
            (hex!("c802000b 0001 0002 0003 0004"), Malformed::Truncated),
            (hex!("c8020003 0001 0002 0003 0004"), Malformed::Length),
            (hex!("c8020000 0001 0002 0003 0004"), Malformed::Length),
        ] {
            assert_eq!(ControlHeader::parse(&packet), Err(why), "{packet:02x?}");
        }
    }

    #[test]
    fn every_prefix_of_control_is_refused() {
        let packet = hex!("c802000c 0001 0002 0003 0004");
        for end in 0..packet.len() {
            assert!(ControlHeader::parse(&packet[..end]).is_err());
        }
    }

    #[test]
    fn data() {
        let data = Data { tunnel_id: 1, session_id: 2, payload: &hex!("ff03c021") };
        for packet in [
            hex!("0002 0001 0002 ff03c021").as_slice(),
            &hex!("4002 000c 0001 0002 ff03c021"),
            &hex!("4002 000c 0001 0002 ff03c021 99"),
            &hex!("0802 0001 0002 0007 0000 ff03c021"), // Android up to 8 starts with Ns
            &hex!("0202 0001 0002 0000 ff03c021"),
            &hex!("0202 0001 0002 0003 aabbcc ff03c021"),
            &hex!("4a02 0014 0001 0002 0007 0000 0002 aabb ff03c021"),
            &hex!("35f2 0001 0002 ff03c021"),
        ] {
            assert_eq!(parse_data(packet), Ok(data), "{packet:02x?}");
            assert!(!is_control(packet));
        }
        assert!(is_control(&hex!("c802")));
        assert!(!is_control(&[]));
    }

    #[test]
    fn data_refused() {
        assert_eq!(parse_data(&hex!("c802 000c 0001 0002 ff03c021")), Err(Malformed::Type));
        assert_eq!(parse_data(&hex!("0003 0001 0002 ff03c021")), Err(Malformed::Version));
        assert_eq!(parse_data(&hex!("4002 000d 0001 0002 ff03c021")), Err(Malformed::Length));
        assert_eq!(parse_data(&hex!("4002 0003 0001 0002 ff03c021")), Err(Malformed::Length));
        assert_eq!(parse_data(&hex!("4002 0007 0001 0002 ff03c021")), Err(Malformed::Truncated));
        assert_eq!(parse_data(&hex!("0202 0001 0002 0005 ff03c021")), Err(Malformed::Offset));
        assert_eq!(parse_data(&hex!("0202 0001 0002 ffff ff03c021")), Err(Malformed::Offset));
        let longest = hex!("4a02 0010 0001 0002 0007 0000 0002 aabb");
        for end in 0..longest.len() {
            assert!(parse_data(&longest[..end]).is_err());
        }
    }

    #[test]
    fn data_header_is_plain() {
        assert_eq!(data_header(SessionKey { tunnel_id: 0x1234, session_id: 0x5678 }), hex!("0002 1234 5678"));
    }

    proptest! {
        #[test]
        fn random_bytes(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ControlHeader::parse(&packet);
            let _ = parse_data(&packet);
        }
    }
}
