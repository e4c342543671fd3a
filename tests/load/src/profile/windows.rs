//! Windows, as captured from 7, 10 and 11.
//!
//! Not seen on the wire: Vista's and 8's lists (taken to be those of 7 and 10), XP's hashes in phase 1, its ESP list,
//! data headers and PPP options, and when each of them renews its keys before the time is up.

use std::time::Duration;

use super::*;

impl Profile {
    /// Windows XP with Service Pack 2: 3DES only, and of NAT traversal the second draft only.
    pub fn windows_xp() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::windows_10();
        profile.name = "Windows XP";
        profile.ike.transforms = vec![
            IkeTransform::new(TripleDes, Sha1, Group::Modp2048),
            IkeTransform::new(TripleDes, Md5, Group::Modp2048),
            IkeTransform::new(TripleDes, Sha1, Group::Modp1024),
            IkeTransform::new(TripleDes, Md5, Group::Modp1024),
        ];
        profile.ike.vendor_ids =
            vec![microsoft(4), vendor::FRAGMENTATION.to_vec(), vendor::NAT_T_02N.to_vec()];
        profile.ike.nonce_len = 20;
        profile.ike.message_ids = MessageIds::Random;
        profile.esp.transforms = esp_grid(&[TripleDes, Des], &[Sha1, Md5]);
        profile.firmware(0x0501);
        // The Correlation ID came with Vista's first service pack.
        profile.l2tp.icrq.retain(|avp| *avp != Avp::CorrelationId);
        profile.ppp.identification.truncate(2);
        profile.ppp.identification[0] = b"MSRASV5.10".to_vec();
        // No IPv6 over PPP before Vista.
        profile.ppp.extras.retain(|(protocol, _)| *protocol != 0x8057);
        profile
    }

    /// Windows Vista.
    pub fn windows_vista() -> Self {
        let mut profile = Self::windows_7();
        profile.name = "Windows Vista";
        profile.ike.vendor_ids[0] = microsoft(5);
        profile.firmware(0x0600);
        profile
    }

    /// Windows 7: one vendor ID less than its successors.
    pub fn windows_7() -> Self {
        let mut profile = Self::windows_10();
        profile.name = "Windows 7";
        profile.ike.vendor_ids.remove(0);
        profile.ike.vendor_ids[0] = microsoft(8);
        profile.firmware(0x0601);
        profile
    }

    /// Windows 11, which differs from 10 in nothing that was seen.
    pub fn windows_11() -> Self {
        Self { name: "Windows 11", ..Self::windows_10() }
    }

    /// The version of Windows, as SCCRQ has it.
    fn firmware(&mut self, version: u16) {
        for avp in &mut self.l2tp.sccrq {
            if let Avp::FirmwareRevision(revision) = avp {
                *revision = version;
            }
        }
    }

    /// Windows 8 and 10 with a pre-shared key and default settings.
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
                    microsoft(9),
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
                identifier: None,
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
                answers: true,
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
                authentication: Authentication::MsChapV2,
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

/// The vendor ID of Microsoft's IKE with the version of Windows in it.
fn microsoft(version: u32) -> Vec<u8> {
    [&vendor::MS_NT5[..], &version.to_be_bytes()].concat()
}
