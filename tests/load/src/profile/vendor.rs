//! Vendor IDs of the field, by name.

use hex_literal::hex;

pub(super) const RFC_3947: [u8; 16] = hex!("4a131c81070358455c5728f20e95452f");
pub(super) const NAT_T_DRAFT: [u8; 16] = hex!("4df37928e9fc4fd1b3262170d515c662");
pub(super) const NAT_T_00: [u8; 16] = hex!("4485152d18b6bbcd0be8a8469579ddcc");
pub(super) const NAT_T_02: [u8; 16] = hex!("cd60464335df21f87cfdb2fc68b6a448");
pub(super) const NAT_T_02N: [u8; 16] = hex!("90cb80913ebb696e086381b5ec427b1f");
pub(super) const NAT_T_03: [u8; 16] = hex!("7d9419a65310ca6f2c179d9215529d56");
pub(super) const NAT_T_04: [u8; 16] = hex!("9909b64eed937c6573de52ace952fa6b");
pub(super) const NAT_T_05: [u8; 16] = hex!("80d0bb3def54565ee84645d4c85ce3ee");
pub(super) const NAT_T_06: [u8; 16] = hex!("4d1e0e136deafa34c4f3ea9f02ec7285");
pub(super) const NAT_T_07: [u8; 16] = hex!("439b59f8ba676c4c7737ae22eab8f582");
pub(super) const NAT_T_08: [u8; 16] = hex!("8f8d83826d246b6fc7a8a6a428c11de8");
pub(super) const FRAGMENTATION: [u8; 16] = hex!("4048b7d56ebce88525e7de7f00d6c2d3");
pub(super) const FRAGMENTATION_MAIN: [u8; 20] = hex!("4048b7d56ebce88525e7de7f00d6c2d380000000");
pub(super) const DPD: [u8; 16] = hex!("afcad71368a1f1c96b8696fc77570100");
pub(super) const XAUTH: [u8; 8] = hex!("09002689dfd6b712");
pub(super) const MS_WINDOWS_8: [u8; 20] = hex!("01528bbbc00696121849ab9a1c5b2a5100000001");
pub(super) const MS_NT5: [u8; 16] = hex!("1e2b516905991c7d7c96fcbfb587e461");
pub(super) const MS_NEGOTIATION_DISCOVERY: [u8; 16] = hex!("fb1de3cdf341b7ea16b7e5be0855f120");
pub(super) const MS_INITIAL_CONTACT: [u8; 16] = hex!("26244d38eddb61b3172a36e3d0cfb819");
pub(super) const MS_IKE_CGA: [u8; 16] = hex!("e3a5966a76379fe707228231e5ce8652");
