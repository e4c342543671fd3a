//! macOS, iOS and iPadOS.
//!
//! Phase 1's list and phase 2's are from Apple's published sources, as what shipped devices were seen to choose agrees with.
//! Not seen: the phase 1 list of systems before SHA-2 (taken to be 3DES of its time), and what IPv6CP they ask for.

use std::time::Duration;

use super::*;

impl Profile {
    /// OS X and iOS before SHA-2: MODP-1024 only, in both phases SHA-1 and MD5.
    pub fn apple_older() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::apple();
        profile.name = "OS X before SHA-2";
        profile.ike.transforms = [
            (Aes256, Sha1),
            (Aes256, Md5),
            (Aes128, Sha1),
            (Aes128, Md5),
            (TripleDes, Sha1),
            (TripleDes, Md5),
        ]
        .map(|(cipher, hash)| IkeTransform::new(cipher, hash, Group::Modp1024))
        .to_vec();
        profile.esp.transforms = esp_grid(&[Aes256, Aes128, TripleDes], &[Sha1, Md5]);
        profile
    }

    /// macOS and iOS with a pre-shared key and no group name.
    pub fn apple() -> Self {
        use {Cipher::*, Hash::*};
        let with = |cipher: Cipher, hashes: &[Hash], group: Group| {
            hashes.iter().map(|hash| IkeTransform::new(cipher, *hash, group)).collect::<Vec<_>>()
        };
        Self {
            name: "macOS and iOS",
            ike: IkeProfile {
                transforms: [
                    with(Aes256, &[Sha256, Sha1, Md5, Sha512], Group::Modp2048),
                    with(Aes256, &[Sha256, Sha1, Md5], Group::Modp1536),
                    with(Aes256, &[Sha256, Sha1, Md5], Group::Modp1024),
                    with(Aes128, &[Sha1, Md5], Group::Modp1024),
                    with(TripleDes, &[Sha1, Md5], Group::Modp1024),
                ]
                .concat(),
                layout: IkeLayout::Racoon,
                lifetime: Duration::from_secs(3_600),
                vendor_ids: vec![
                    vendor::RFC_3947.to_vec(),
                    vendor::NAT_T_DRAFT.to_vec(),
                    vendor::NAT_T_08.to_vec(),
                    vendor::NAT_T_07.to_vec(),
                    vendor::NAT_T_06.to_vec(),
                    vendor::NAT_T_05.to_vec(),
                    vendor::NAT_T_04.to_vec(),
                    vendor::NAT_T_03.to_vec(),
                    vendor::NAT_T_02.to_vec(),
                    vendor::NAT_T_02N.to_vec(),
                    vendor::FRAGMENTATION_MAIN.to_vec(),
                    vendor::DPD.to_vec(),
                ],
                nonce_len: 16,
                identity_port: (17, 500),
                initial_contact: InitialContact::Informational,
                identifier: None,
                padding: IkePadding::Random,
                message_ids: MessageIds::Random,
                retransmit: Retransmit::fixed(Duration::from_secs(3), 10),
                heeds_plain_notify: false,
                strict_payloads: true,
                keepalive: Some(Duration::from_secs(20)),
                // 80 % or 90 % of 3600 s, by whose cookie is higher.
                rekey_after: Some(Duration::from_secs(3_240)),
                deletes_replaced: true,
                renews_on_4500: true,
            },
            esp: EspProfile {
                transforms: esp_grid(&[Aes256, Aes128, TripleDes], &[Sha256, Sha1, Md5]),
                layout: EspLayout::Racoon,
                lifetime: Duration::from_secs(3_600),
                kilobytes: None,
                pfs: None,
                nat_oa: true,
                identity_port: IdentityPort::Source,
                delay: Duration::ZERO,
                sha256_icv: 16,
                udp_checksum: true,
                rekey_after: Some(Duration::from_secs(2_880)),
                deletes_replaced: Some(Duration::from_secs(6)),
                answers: true,
            },
            l2tp: L2tpProfile {
                source_port_1701: false,
                sccrq: vec![
                    Avp::ProtocolVersion,
                    Avp::FramingCapabilities(3),
                    // The name goes out with its terminating NUL.
                    Avp::HostName(b"MacBook-Pro.local\0".to_vec()),
                    Avp::AssignedTunnelId,
                    Avp::ReceiveWindowSize(4),
                ],
                icrq: vec![Avp::AssignedSessionId, Avp::CallSerialNumber],
                iccn: vec![Avp::TxConnectSpeed(1_000_000), Avp::FramingType(3)],
                window: 4,
                retransmit: Retransmit::backoff(Duration::from_secs(1), 200, Duration::from_secs(4), 9),
                ack_delay: Duration::ZERO,
                pace: Pace::BackToBack,
                demands: L2tpDemands::Apple,
                result_code: ResultCode::Apple,
                data_header: DataHeader::Length,
                hello: None,
            },
            ppp: PppProfile {
                lcp: vec![
                    LcpOption::AsyncMap(0),
                    LcpOption::MagicNumber,
                    LcpOption::ProtocolCompression,
                    LcpOption::AddressCompression,
                ],
                first_identifier: 1,
                authentication: Authentication::MsChapV2,
                identification: Vec::new(),
                ipcp: vec![IpcpOption::VanJacobson, IpcpOption::Address, IpcpOption::Dns1, IpcpOption::Dns2],
                extras: vec![(0x8057, b"\x01\x0a\x02\x1f\xf3\xff\xfe\x4a\x10\x07".to_vec())],
                echo: Some((Duration::from_secs(10), 4)),
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
