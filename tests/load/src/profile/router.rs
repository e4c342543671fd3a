//! Routers that dial in: MikroTik and TP-Link.
//!
//! Not seen on the wire: RouterOS's default phase 1 list, both firmwares' vendor IDs and farewells, and all of TP-Link's
//! but that it has 3DES, MD5, SHA-1 and MODP-1024 only.

use std::time::Duration;

use super::*;

impl Profile {
    /// MikroTik RouterOS: a second exchange with MODP-1024, and new ESP keys all half hours.
    pub fn mikrotik() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::linux();
        profile.name = "MikroTik RouterOS";
        profile.ike.transforms = [Aes128, TripleDes]
            .map(|cipher| {
                [Group::Modp2048, Group::Modp1024].map(|group| IkeTransform::new(cipher, Sha1, group))
            })
            .concat();
        profile.ike.lifetime = Duration::from_secs(86_400);
        profile.ike.rekey_after = Some(Duration::from_secs(69_120));
        profile.ike.identity_port = (17, 500);
        profile.ike.vendor_ids = vec![
            vendor::RFC_3947.to_vec(),
            vendor::NAT_T_03.to_vec(),
            vendor::NAT_T_02N.to_vec(),
            vendor::NAT_T_02.to_vec(),
            vendor::DPD.to_vec(),
        ];
        profile.ike.retransmit = Retransmit::fixed(Duration::from_secs(5), 6);
        profile.esp.transforms = esp_grid(&[Aes256, Aes192, Aes128], &[Sha1]);
        profile.esp.layout = EspLayout::Racoon;
        profile.esp.lifetime = Duration::from_secs(1_800);
        profile.esp.rekey_after = Some(Duration::from_secs(1_440));
        profile.esp.deletes_replaced = Some(Duration::from_secs(10));
        profile.esp.pfs = Some(Group::Modp1024);
        profile.l2tp.sccrq = vec![
            Avp::ProtocolVersion,
            Avp::FramingCapabilities(1),
            Avp::BearerCapabilities(0),
            Avp::FirmwareRevision(1),
            Avp::HostName(b"MikroTik".to_vec()),
            Avp::VendorName("MikroTik"),
            Avp::AssignedTunnelId,
            Avp::ReceiveWindowSize(4),
        ];
        profile.l2tp.window = 4;
        profile.l2tp.data_header = DataHeader::Plain;
        profile.ppp.lcp = vec![LcpOption::Mru(1450), LcpOption::MagicNumber];
        // MPLSCP, which it tries beside IPCP.
        profile.ppp.extras = vec![(0x8281, Vec::new())];
        profile
    }

    /// TP-Link: 3DES and MODP-1024 only, MD5 first.
    pub fn tp_link() -> Self {
        use {Cipher::*, Hash::*};
        let mut profile = Self::linux();
        profile.name = "TP-Link router";
        profile.ike.transforms =
            [Md5, Sha1].map(|hash| IkeTransform::new(TripleDes, hash, Group::Modp1024)).to_vec();
        profile.ike.lifetime = Duration::from_secs(28_800);
        profile.ike.rekey_after = Some(Duration::from_secs(25_200));
        profile.esp.transforms = esp_grid(&[TripleDes], &[Md5, Sha1]);
        profile
    }
}
