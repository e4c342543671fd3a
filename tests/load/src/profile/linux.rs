//! Linux: strongSwan or libreswan, xl2tpd and pppd.
//!
//! Not seen on the wire: libreswan's vendor IDs and pauses, ChromeOS's lifetimes, and anything of EdgeOS: its lists are
//! those of VyOS as a server, of the same origin.

use std::time::Duration;

use super::*;

impl Profile {
    /// NetworkManager-l2tp with libreswan: no MODP-1024, and a second exchange in Quick Mode by default.
    pub fn libreswan() -> Self {
        let mut profile = Self::linux();
        profile.name = "NetworkManager-l2tp, libreswan";
        profile.ike.transforms.retain(|transform| transform.group != Group::Modp1024);
        profile.ike.lifetime = Duration::from_secs(28_800);
        profile.ike.rekey_after = Some(Duration::from_secs(27_900));
        profile.ike.vendor_ids = vec![
            vendor::DPD.to_vec(),
            vendor::FRAGMENTATION.to_vec(),
            vendor::RFC_3947.to_vec(),
            vendor::NAT_T_03.to_vec(),
            vendor::NAT_T_02N.to_vec(),
            vendor::NAT_T_02.to_vec(),
        ];
        profile.ike.retransmit =
            Retransmit::backoff(Duration::from_millis(500), 200, Duration::from_secs(16), 8);
        profile.esp.lifetime = Duration::from_secs(28_800);
        profile.esp.rekey_after = Some(Duration::from_secs(27_000));
        profile.esp.pfs = Some(Group::Modp2048);
        profile
    }

    /// ChromeOS: strongSwan and xl2tpd with lists of their own. Its first ESP transform, AES-128-GCM, is left out, so that the
    /// server chooses among the others.
    pub fn chromeos() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::linux();
        profile.name = "ChromeOS";
        profile.ike.transforms = vec![
            IkeTransform::new(Aes128, Sha256, Group::Modp3072),
            IkeTransform::new(Aes128, Sha1, Group::Modp2048),
            IkeTransform::new(TripleDes, Sha1, Group::Modp1536),
            IkeTransform::new(TripleDes, Sha1, Group::Modp1024),
        ];
        profile.esp.transforms = vec![
            EspTransform::new(Aes128, Sha256),
            EspTransform::new(Aes128, Sha1),
            EspTransform::new(TripleDes, Sha1),
            EspTransform::new(Aes128, Md5),
            EspTransform::new(TripleDes, Md5),
        ];
        profile
    }

    /// Ubiquiti EdgeOS, dialling by hand-written files of strongSwan and xl2tpd.
    pub fn edgeos() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::linux();
        profile.name = "Ubiquiti EdgeOS";
        profile.ike.transforms = vec![
            IkeTransform::new(Aes256, Sha1, Group::Modp1024),
            IkeTransform::new(TripleDes, Sha1, Group::Modp1024),
        ];
        profile.esp.transforms = esp_grid(&[Aes256, TripleDes], &[Sha1]);
        profile
    }

    /// NetworkManager-l2tp with strongSwan and its default lists.
    pub fn linux() -> Self {
        use {Cipher::*, Hash::*};
        Self {
            name: "NetworkManager-l2tp",
            ike: IkeProfile {
                transforms: vec![
                    IkeTransform::new(Aes256, Sha256, Group::Modp2048),
                    IkeTransform::new(Aes256, Sha256, Group::Modp1536),
                    IkeTransform::new(Aes256, Sha256, Group::Modp1024),
                    IkeTransform::new(Aes256, Sha1, Group::Modp2048),
                    IkeTransform::new(Aes256, Sha1, Group::Modp1536),
                    IkeTransform::new(Aes256, Sha1, Group::Modp1024),
                    IkeTransform::new(Aes256, Sha1, Group::Ecp384),
                    IkeTransform::new(Aes128, Sha1, Group::Modp1024),
                    IkeTransform::new(Aes128, Sha1, Group::Ecp256),
                    IkeTransform::new(TripleDes, Sha1, Group::Modp2048),
                    IkeTransform::new(TripleDes, Sha1, Group::Modp1024),
                ],
                layout: IkeLayout::StrongSwan,
                lifetime: Duration::from_secs(10_800),
                vendor_ids: vec![
                    vendor::XAUTH.to_vec(),
                    vendor::DPD.to_vec(),
                    vendor::FRAGMENTATION_MAIN.to_vec(),
                    vendor::RFC_3947.to_vec(),
                    vendor::NAT_T_02N.to_vec(),
                ],
                nonce_len: 32,
                identity_port: (0, 0),
                initial_contact: InitialContact::InMessage5,
                identifier: None,
                padding: IkePadding::Zeros,
                message_ids: MessageIds::Random,
                retransmit: Retransmit::backoff(Duration::from_secs(4), 180, Duration::from_secs(76), 6),
                heeds_plain_notify: true,
                strict_payloads: false,
                keepalive: Some(Duration::from_secs(20)),
                rekey_after: Some(Duration::from_secs(10_000)),
                deletes_replaced: true,
                renews_on_4500: true,
            },
            esp: EspProfile {
                transforms: esp_grid(&[Aes256, Aes128, TripleDes], &[Sha1]),
                layout: EspLayout::StrongSwan,
                lifetime: Duration::from_secs(3_600),
                kilobytes: None,
                pfs: None,
                nat_oa: true,
                identity_port: IdentityPort::Source,
                delay: Duration::ZERO,
                sha256_icv: 16,
                udp_checksum: false,
                rekey_after: Some(Duration::from_secs(2_900)),
                deletes_replaced: Some(Duration::ZERO),
                answers: true,
            },
            l2tp: L2tpProfile {
                source_port_1701: true,
                sccrq: vec![
                    Avp::ProtocolVersion,
                    Avp::FramingCapabilities(3),
                    Avp::BearerCapabilities(0),
                    Avp::FirmwareRevision(0x0690),
                    Avp::HostName(b"laptop".to_vec()),
                    Avp::VendorName("xelerance.com"),
                    Avp::AssignedTunnelId,
                    Avp::ReceiveWindowSize(8),
                ],
                icrq: vec![Avp::AssignedSessionId, Avp::CallSerialNumber, Avp::BearerType(0)],
                iccn: vec![Avp::TxConnectSpeed(100_000_000), Avp::FramingType(1)],
                window: 8,
                retransmit: Retransmit::backoff(Duration::from_secs(1), 200, Duration::from_secs(8), 6),
                ack_delay: Duration::ZERO,
                pace: Pace::BackToBack,
                demands: L2tpDemands::Rfc,
                result_code: ResultCode::Full,
                data_header: DataHeader::Length,
                hello: Some(Duration::from_secs(60)),
            },
            ppp: PppProfile {
                lcp: vec![
                    LcpOption::Mru(1400),
                    LcpOption::AsyncMap(0),
                    LcpOption::MagicNumber,
                    LcpOption::ProtocolCompression,
                    LcpOption::AddressCompression,
                ],
                first_identifier: 1,
                authentication: Authentication::MsChapV2,
                identification: Vec::new(),
                ipcp: vec![IpcpOption::VanJacobson, IpcpOption::Address, IpcpOption::Dns1, IpcpOption::Dns2],
                extras: vec![
                    (0x80fd, b"\x1a\x04\x78\x00\x18\x04\x78\x00\x15\x03\x2f".to_vec()),
                    (0x8057, b"\x01\x0a\xac\x4e\x12\x9b\x83\x7d\x01\xe6".to_vec()),
                ],
                echo: Some((Duration::from_secs(30), 5)),
                attach_delay: Duration::ZERO,
                restart: Duration::from_secs(3),
                max_configure: 10,
            },
            farewell: vec![
                (Farewell::Terminate, Duration::from_secs(3)),
                (Farewell::Cdn, Duration::ZERO),
                (Farewell::StopCcn, Duration::from_secs(1)),
                (Farewell::DeleteEsp, Duration::ZERO),
                (Farewell::DeleteIsakmp, Duration::ZERO),
            ],
        }
    }
}
