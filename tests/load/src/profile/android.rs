//! Android: racoon, mtpd and pppd.
//!
//! Read from the sources up to 7.1.2. Not seen: what makers changed in 8 to 11, and the timings of 2.x.

use std::time::Duration;

use super::*;

impl Profile {
    /// Android 2.x: 3DES first, AES last and only with 128 bits.
    pub fn android_2() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::android_4();
        profile.esp.transforms = esp_grid(&[TripleDes, Des, Aes128], &[Sha1, Md5]);
        let ike = [TripleDes, Des, Aes128].map(|cipher| (cipher, &[Sha1, Md5][..]));
        profile.named("Android 2", &ike)
    }

    /// Android 4 and 5.0: SHA-1 and MD5 only.
    pub fn android_4() -> Self {
        use {Cipher::*, Hash::*};
        let ciphers = [Aes256, Aes128, TripleDes, Des];
        let mut profile = Self::racoon();
        profile.esp.transforms = esp_grid(&ciphers, &[Sha1, Md5]);
        profile.l2tp.data_header = DataHeader::SequencedUntilPlain;
        let ike = ciphers.map(|cipher| (cipher, &[Sha1, Md5][..]));
        profile.named("Android 4 to 5.0", &ike)
    }

    /// Android 7.1.2 and 8: as their successors, but data starts with sequence numbers.
    pub fn android_8() -> Self {
        let mut profile = Self { name: "Android 7.1.2 to 8", ..Self::android() };
        profile.l2tp.data_header = DataHeader::SequencedUntilPlain;
        profile
    }

    /// Android 9 up to the last version with L2TP.
    pub fn android() -> Self {
        use {Cipher::*, Hash::*};
        let ike = [
            (Aes256, &[Sha384, Sha256, Sha512, Sha1, Md5][..]),
            (Aes128, &[Sha512, Sha384, Sha256, Sha1, Md5]),
            (TripleDes, &[Sha256, Sha1, Md5]),
            (Des, &[Sha256, Sha1, Md5]),
        ];
        Self {
            esp: EspProfile {
                transforms: esp_grid(&[Aes256, Aes128, TripleDes, Des], &[Sha512, Sha384, Sha1, Sha256, Md5]),
                ..Self::racoon().esp
            },
            farewell: vec![
                (Farewell::Terminate, Duration::from_millis(10)),
                (Farewell::DeleteEsp, Duration::ZERO),
                (Farewell::DeleteIsakmp, Duration::ZERO),
            ],
            ..Self::racoon()
        }
        .named("Android 9 to 11", &ike)
    }

    /// Android 5.1 to 7.1.1: HMAC-SHA2-256 first, cut to 96 bits; data with sequence numbers.
    pub fn android_6() -> Self {
        use {Cipher::*, Hash::*};
        let hashes = &[Sha256, Sha1, Md5][..];
        let mut profile = Self::racoon();
        profile.esp.transforms = esp_grid(&[Aes256, Aes128, TripleDes, Des], hashes);
        profile.esp.sha256_icv = 12;
        profile.l2tp.data_header = DataHeader::SequencedUntilPlain;
        let ike = [Aes256, Aes128, TripleDes, Des].map(|cipher| (cipher, hashes));
        profile.named("Android 5.1 to 7.1.1", &ike)
    }

    fn named(mut self, name: &'static str, ike: &[(Cipher, &[Hash])]) -> Self {
        let row = |(cipher, hashes): &(Cipher, &[Hash])| {
            let transform = |hash: &Hash| IkeTransform::new(*cipher, *hash, Group::Modp1024);
            hashes.iter().map(transform).collect()
        };
        self.ike.transforms = ike.iter().map(row).collect::<Vec<Vec<_>>>().concat();
        self.name = name;
        self
    }

    /// What all versions share; the transforms are filled in by each.
    fn racoon() -> Self {
        Self {
            name: "Android",
            ike: IkeProfile {
                transforms: Vec::new(),
                layout: IkeLayout::Racoon,
                lifetime: Duration::from_secs(28_800),
                vendor_ids: vec![
                    vendor::RFC_3947.to_vec(),
                    vendor::NAT_T_02.to_vec(),
                    vendor::NAT_T_02N.to_vec(),
                    vendor::NAT_T_00.to_vec(),
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
                rekey_after: None,
                deletes_replaced: false,
                renews_on_4500: true,
            },
            esp: EspProfile {
                transforms: Vec::new(),
                layout: EspLayout::Racoon,
                lifetime: Duration::from_secs(28_800),
                kilobytes: None,
                pfs: None,
                nat_oa: false,
                identity_port: IdentityPort::Any,
                delay: Duration::from_secs(1),
                sha256_icv: 16,
                udp_checksum: true,
                rekey_after: Some(Duration::from_secs(23_040)),
                deletes_replaced: None,
                answers: true,
            },
            l2tp: L2tpProfile {
                source_port_1701: false,
                sccrq: vec![
                    Avp::ProtocolVersion,
                    Avp::HostName(b"anonymous".to_vec()),
                    Avp::FramingCapabilities(3),
                    Avp::AssignedTunnelId,
                    Avp::ReceiveWindowSize(1),
                ],
                icrq: vec![Avp::AssignedSessionId, Avp::CallSerialNumber],
                iccn: vec![Avp::TxConnectSpeed(100_000_000), Avp::FramingType(3)],
                window: 1,
                // The framework gives the whole connection 60 s.
                retransmit: Retransmit::fixed(Duration::from_secs(2), 30),
                ack_delay: Duration::ZERO,
                pace: Pace::AwaitAcks,
                demands: L2tpDemands::Mtpd,
                result_code: ResultCode::Short,
                data_header: DataHeader::Plain,
                hello: None,
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
                // CCP: deflate, old deflate, BSD-Compress.
                extras: vec![(0x80fd, b"\x1a\x04\x78\x00\x18\x04\x78\x00\x15\x03\x2f".to_vec())],
                echo: None,
                attach_delay: Duration::from_millis(20),
                restart: Duration::from_secs(3),
                max_configure: 10,
            },
            farewell: vec![
                (Farewell::Terminate, Duration::from_secs(1)),
                (Farewell::StopCcn, Duration::ZERO),
            ],
        }
    }
}
