//! Control and data messages, RFC 2661 §3.1 and §6, and what each client demands of them.

use super::avp::{self, Avp, attribute};
use crate::profile::{self, L2tpDemands, ResultCode};

/// Message types, RFC 2661 §3.2.
pub(super) mod kind {
    pub(crate) const SCCRQ: u16 = 1;
    pub(crate) const SCCRP: u16 = 2;
    pub(crate) const SCCCN: u16 = 3;
    pub(crate) const STOP_CCN: u16 = 4;
    pub(crate) const HELLO: u16 = 6;
    pub(crate) const ICRQ: u16 = 10;
    pub(crate) const ICRP: u16 = 11;
    pub(crate) const ICCN: u16 = 12;
    pub(crate) const CDN: u16 = 14;
}

/// A control message as received; a ZLB has no kind.
pub(super) struct Control<'a> {
    pub(super) session: u16,
    pub(super) ns: u16,
    pub(super) nr: u16,
    pub(super) kind: Option<u16>,
    avps: Vec<Avp<'a>>,
}

impl<'a> Control<'a> {
    /// `None` for a message that this client ignores, `Err` for one that it could not live with.
    pub(super) fn decode(
        datagram: &'a [u8],
        demands: L2tpDemands,
        tunnel: u16,
        next_ns: u16,
    ) -> Result<Option<Self>, String> {
        let Some((head, body)) = datagram.split_first_chunk::<12>() else {
            return Err(format!("a control message of {} bytes", datagram.len()));
        };
        let [flags, length, peer, session, ns, nr] =
            [0, 2, 4, 6, 8, 10].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        // T, L and S set, O and P clear, version 2.
        if flags & 0xcb0f != 0xc802 {
            return Err(format!("a control message with flags {flags:04x}"));
        }
        if usize::from(length) != datagram.len() {
            return Err(format!("a control message of {} bytes says {length}", datagram.len()));
        }
        if peer != tunnel {
            // To a device that vanished, and whose place is ours now.
            if demands == L2tpDemands::Rfc {
                return Ok(None);
            }
            return Err(format!("a control message for tunnel {peer}, ours is {tunnel}"));
        }
        let Some(avps) = avp::decode_all(body) else {
            return Err("a control message with broken AVPs".into());
        };
        let Some(first) = avps.first() else {
            return Ok(Some(Self { session, ns, nr, kind: None, avps }));
        };
        if (first.vendor, first.kind) != (0, attribute::MESSAGE_TYPE) || first.u16().is_none() {
            return Err("a control message whose first AVP is not Message Type".into());
        }
        let control = Self { session, ns, nr, kind: first.u16(), avps };
        match demands {
            L2tpDemands::Rfc => {}
            L2tpDemands::Mtpd => {
                if control.avps.first().is_some_and(|first| first.first != 0x8008) {
                    return Err("mtpd wants the Message Type AVP to begin with 8008".into());
                }
                // It has one message in flight and takes only what acknowledges that.
                if nr != next_ns {
                    return Ok(None);
                }
            }
            L2tpDemands::Apple => control.check_for_apple()?,
        }
        Ok(Some(control))
    }

    fn check_for_apple(&self) -> Result<(), String> {
        for avp in &self.avps {
            let unknown = avp.vendor != 0 || avp.kind > attribute::LAST;
            if avp.hidden()
                || avp.reserved()
                || avp.kind == attribute::CHALLENGE
                || unknown && avp.mandatory()
            {
                return Err(format!("Apple's plug-in gives up at AVP {}/{}", avp.vendor, avp.kind));
            }
        }
        let needed = [
            attribute::PROTOCOL_VERSION,
            attribute::HOST_NAME,
            attribute::FRAMING_CAPABILITIES,
            attribute::ASSIGNED_TUNNEL_ID,
        ];
        let missing = needed.iter().find(|kind| self.find(**kind).is_none());
        match missing {
            Some(missing) if self.kind == Some(kind::SCCRP) => {
                Err(format!("Apple's plug-in wants AVP {missing} in SCCRP"))
            }
            _ => Ok(()),
        }
    }

    fn find(&self, kind: u16) -> Option<&Avp<'a>> {
        self.avps.iter().find(|avp| avp.vendor == 0 && avp.kind == kind)
    }

    pub(super) fn u16(&self, kind: u16) -> Option<u16> {
        self.find(kind)?.u16()
    }

    /// The result code, or zero.
    pub(super) fn result(&self) -> u16 {
        let value = self.find(attribute::RESULT_CODE).map_or(&[][..], |avp| avp.value);
        value.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))
    }
}

/// A data message as received.
pub(super) struct Data<'a> {
    pub(super) sequenced: bool,
    pub(super) payload: &'a [u8],
}

/// The payload of data for this tunnel and session, whatever bits its header has.
pub(super) fn decode_data(datagram: &[u8], ids: (u16, u16)) -> Option<Data<'_>> {
    fn take(bytes: &mut &[u8]) -> Option<u16> {
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u16::from_be_bytes(*value))
    }
    let mut rest = datagram;
    let flags = take(&mut rest)?;
    (flags & 0x800f == 0x0002).then_some(())?;
    if flags & 0x4000 != 0 {
        let length = usize::from(take(&mut rest)?);
        rest = datagram.get(..length)?.get(4..)?;
    }
    ((take(&mut rest)?, take(&mut rest)?) == ids).then_some(())?;
    let sequenced = flags & 0x0800 != 0;
    if sequenced {
        take(&mut rest)?;
        take(&mut rest)?;
    }
    if flags & 0x0200 != 0 {
        let offset = usize::from(take(&mut rest)?);
        rest = rest.get(offset..)?;
    }
    Some(Data { sequenced, payload: rest })
}

/// The numbers a client puts into its AVPs.
pub(super) struct Own {
    pub(super) tunnel: u16,
    pub(super) session: u16,
    pub(super) serial: u32,
    pub(super) correlation: [u8; 16],
}

impl Own {
    pub(super) fn encode(&self, entry: &profile::Avp) -> Vec<u8> {
        use profile::Avp;
        let long = |kind, value: &u32| avp::encode(true, kind, &value.to_be_bytes());
        let short = |kind, value: &u16| avp::encode(true, kind, &value.to_be_bytes());
        match entry {
            Avp::ProtocolVersion => short(attribute::PROTOCOL_VERSION, &0x0100),
            Avp::FramingCapabilities(bits) => long(attribute::FRAMING_CAPABILITIES, bits),
            Avp::BearerCapabilities(bits) => long(attribute::BEARER_CAPABILITIES, bits),
            Avp::FirmwareRevision(revision) => {
                avp::encode(false, attribute::FIRMWARE_REVISION, &revision.to_be_bytes())
            }
            Avp::HostName(name) => avp::encode(true, attribute::HOST_NAME, name),
            Avp::VendorName(name) => avp::encode(false, attribute::VENDOR_NAME, name.as_bytes()),
            Avp::AssignedTunnelId => short(attribute::ASSIGNED_TUNNEL_ID, &self.tunnel),
            Avp::ReceiveWindowSize(size) => short(attribute::RECEIVE_WINDOW_SIZE, size),
            Avp::AssignedSessionId => short(attribute::ASSIGNED_SESSION_ID, &self.session),
            Avp::CallSerialNumber => long(attribute::CALL_SERIAL_NUMBER, &self.serial),
            Avp::BearerType(bits) => long(attribute::BEARER_TYPE, bits),
            Avp::TxConnectSpeed(speed) => long(attribute::TX_CONNECT_SPEED, speed),
            Avp::FramingType(bits) => long(attribute::FRAMING_TYPE, bits),
            Avp::CorrelationId => avp::encode_vendor(false, 311, 1, &self.correlation),
            Avp::Raw(bytes) => bytes.clone(),
        }
    }
}

/// The Message Type AVP, which comes first.
pub(super) fn message_type(kind: u16) -> Vec<u8> {
    avp::encode(true, attribute::MESSAGE_TYPE, &kind.to_be_bytes())
}

/// The Result Code AVP in a client's shape.
pub(super) fn result_code(shape: ResultCode, result: u16) -> Vec<u8> {
    let value = match shape {
        ResultCode::Full => [result.to_be_bytes(), [0; 2]].concat(),
        ResultCode::Short => result.to_be_bytes().to_vec(),
        ResultCode::Apple => [&result.to_le_bytes()[..], &[0; 6]].concat(),
    };
    avp::encode(true, attribute::RESULT_CODE, &value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// mtpd's SCCRQ as seen on the wire, with tunnel id 0x1234.
    #[test]
    fn android_sccrq() {
        let own = Own { tunnel: 0x1234, session: 1, serial: 2, correlation: [0; 16] };
        let avps = profile::Profile::android().l2tp.sccrq;
        let bytes: Vec<u8> = avps.iter().flat_map(|entry| own.encode(entry)).collect();
        let expected = hex!(
            "8008 0000 0002 0100" "800f 0000 0007 616e6f6e796d6f7573" "800a 0000 0003 00000003"
            "8008 0000 0009 1234" "8008 0000 000a 0001"
        );
        assert_eq!([message_type(kind::SCCRQ), bytes].concat()[8..], expected);
        assert_eq!(result_code(ResultCode::Short, 6), hex!("8008 0000 0001 0006"));
        assert_eq!(result_code(ResultCode::Apple, 3), hex!("800e 0000 0001 0300 000000000000"));
    }

    #[test]
    fn mtpd_is_particular() {
        let message = |first: [u8; 2]| {
            let mut bytes = hex!("c802 0014 0007 0000 0000 0001 0000 0000 0000 0002").to_vec();
            bytes[12..14].copy_from_slice(&first);
            bytes
        };
        let decode =
            |bytes: &[u8]| Control::decode(bytes, L2tpDemands::Mtpd, 7, 1).map(|found| found.is_some());
        assert_eq!(decode(&message([0x80, 8])), Ok(true));
        assert!(decode(&message([0x00, 8])).is_err(), "not mandatory");
        assert!(decode(&message([0x80, 7])).is_err(), "broken");
        let good = message([0x80, 8]);
        assert_eq!(Control::decode(&good, L2tpDemands::Mtpd, 7, 2).map(|found| found.is_some()), Ok(false));
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err());
        }
    }

    #[test]
    fn data_with_every_bit() {
        let ids = (7, 9);
        for bytes in [
            &hex!("0002 0007 0009 ff03")[..],
            &hex!("4002 000a 0007 0009 ff03 0000"),
            &hex!("0802 0007 0009 0001 0000 ff03"),
            &hex!("0202 0007 0009 0002 0000 ff03"),
        ] {
            assert_eq!(decode_data(bytes, ids).unwrap().payload, [0xff, 3]);
            assert!(decode_data(bytes, (7, 8)).is_none());
        }
    }
}
