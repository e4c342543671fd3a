//! Windows, as captured from 7, 10 and 11.

use std::time::Duration;

use super::*;

impl Profile {
    /// Windows 10 and 11 with a pre-shared key and default settings.
    pub fn windows_10() -> Self {
        use {Cipher::*, Hash::*};
        Self {
            name: "Windows 10",
            ike: IkeProfile {
                transforms: vec![
                    IkeTransform::new(Aes256, Sha1, Group::Ecp384),
                    IkeTransform::new(Aes128, Sha1, Group::Ecp256),
                    IkeTransform::new(Aes256, Sha1, Group::Modp2048),
                    IkeTransform::new(TripleDes, Sha1, Group::Modp2048),
                    IkeTransform::new(TripleDes, Sha1, Group::Modp1024),
                ],
                layout: IkeLayout::Windows,
                lifetime: Duration::from_secs(28_800),
                vendor_ids: vec![
                    vendor::MS_WINDOWS_8.to_vec(),
                    [&vendor::MS_NT5[..], &9_u32.to_be_bytes()].concat(),
                    vendor::RFC_3947.to_vec(),
                    vendor::NAT_T_02N.to_vec(),
                    vendor::FRAGMENTATION.to_vec(),
                    vendor::MS_NEGOTIATION_DISCOVERY.to_vec(),
                    vendor::MS_INITIAL_CONTACT.to_vec(),
                    vendor::MS_IKE_CGA.to_vec(),
                ],
                nonce_len: 48,
                identity_port: (0, 0),
                initial_contact: InitialContact::Never,
                padding: IkePadding::Zeros,
                message_ids: MessageIds::Counting,
                retransmit: Retransmit::backoff(Duration::from_secs(1), 200, Duration::from_secs(16), 6),
                heeds_plain_notify: true,
                strict_payloads: false,
                keepalive: Some(Duration::from_secs(20)),
                rekey_after: None,
                deletes_replaced: true,
                renews_on_4500: true,
            },
            esp: EspProfile {
                transforms: esp_grid(&[Aes256, Aes128, TripleDes, Des], &[Sha1]),
                layout: EspLayout::Windows,
                lifetime: Duration::from_secs(3_600),
                kilobytes: Some(250_000),
                pfs: None,
                nat_oa: true,
                identity_port: IdentityPort::Source,
                delay: Duration::ZERO,
                sha256_icv: 16,
                udp_checksum: true,
                rekey_after: Some(Duration::from_secs(3_500)),
                deletes_replaced: Some(Duration::ZERO),
            },
            l2tp: L2tpProfile {
                source_port_1701: true,
                sccrq: vec![
                    Avp::ProtocolVersion,
                    Avp::FramingCapabilities(1),
                    Avp::BearerCapabilities(0),
                    Avp::FirmwareRevision(0x0a00),
                    Avp::HostName(b"DESKTOP-4V2K7QJ".to_vec()),
                    Avp::VendorName("Microsoft"),
                    Avp::AssignedTunnelId,
                    Avp::ReceiveWindowSize(8),
                ],
                icrq: vec![
                    Avp::AssignedSessionId,
                    Avp::CallSerialNumber,
                    Avp::BearerType(2),
                    Avp::CorrelationId,
                ],
                iccn: vec![Avp::TxConnectSpeed(1_000_000_000), Avp::FramingType(1)],
                window: 8,
                retransmit: Retransmit::backoff(Duration::from_secs(1), 200, Duration::from_secs(8), 6),
                ack_delay: Duration::from_millis(500),
                pace: Pace::BackToBack,
                demands: L2tpDemands::Rfc,
                result_code: ResultCode::Full,
                data_header: DataHeader::Plain,
                hello: None,
            },
            ppp: PppProfile {
                lcp: vec![
                    LcpOption::Mru(1400),
                    LcpOption::MagicNumber,
                    LcpOption::ProtocolCompression,
                    LcpOption::AddressCompression,
                    LcpOption::Callback,
                    LcpOption::Mrru(1614),
                    LcpOption::Endpoint,
                ],
                first_identifier: 0,
                identification: vec![
                    b"MSRASV5.20".to_vec(),
                    b"MSRAS-0-DESKTOP-4V2K7QJ".to_vec(),
                    b"\x9a\x53\x1e\x70\x0c\x8d\x4b\x4f\xb2\x61\x5e\x0d\x3a\x77\x29\xc4".to_vec(),
                ],
                ipcp: vec![
                    IpcpOption::Address,
                    IpcpOption::Dns1,
                    IpcpOption::Nbns1,
                    IpcpOption::Dns2,
                    IpcpOption::Nbns2,
                ],
                // IPV6CP with an interface identifier; CCP with MPPE and MPPC.
                extras: vec![
                    (0x8057, b"\x01\x0a\x02\x11\x22\xff\xfe\x33\x44\x55".to_vec()),
                    (0x80fd, b"\x12\x06\x01\x00\x00\xe1".to_vec()),
                ],
                echo: None,
                attach_delay: Duration::ZERO,
                restart: Duration::from_secs(3),
                max_configure: 10,
            },
            farewell: vec![
                (Farewell::Terminate, Duration::from_secs(3)),
                (Farewell::Cdn, Duration::ZERO),
                (Farewell::StopCcn, Duration::from_secs(2)),
                (Farewell::DeleteEsp, Duration::ZERO),
                (Farewell::DeleteIsakmp, Duration::ZERO),
            ],
        }
    }
}
