//! The rows. A profile's file says what of it nobody has seen on the wire.

use load::Profile;

use super::Row;

pub(super) const WINDOWS_XP: Row = Row {
    client: "Windows XP",
    versions: "SP2",
    source: "https://support.linogate.com/en/ipsec/log.html, Microsoft KB 325158",
    profile: Profile::windows_xp,
    ike: "3DES-CBC/SHA1/MODP-2048",
    esp: "3DES-CBC/HMAC-SHA1-96",
};

pub(super) const WINDOWS_VISTA: Row = Row {
    client: "Windows Vista",
    versions: "all",
    source: "as Windows 7; version word from ike-scan's ike-vendor-ids",
    profile: Profile::windows_vista,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const WINDOWS_7: Row = Row {
    client: "Windows 7",
    versions: "all",
    source: "https://pastebin.com/EmQnXqsn, https://pastebin.com/SHNPWQsp",
    profile: Profile::windows_7,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const WINDOWS_10: Row = Row {
    client: "Windows 8 and 10",
    versions: "all",
    source: "https://pastebin.com/9KRNXBtv, https://pastebin.com/TyxewRKk, https://pastebin.com/Tg0HeEKw",
    profile: Profile::windows_10,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const WINDOWS_11: Row = Row {
    client: "Windows 11",
    versions: "all",
    source: "http://ne-lab.com/?p=212",
    profile: Profile::windows_11,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const ANDROID_2: Row = Row {
    client: "Android 2",
    versions: "2.x",
    source: "CyanogenMod/android_external_ipsec-tools setup.c",
    profile: Profile::android_2,
    ike: "AES-128-CBC/SHA1/MODP-1024",
    esp: "AES-128-CBC/HMAC-SHA1-96",
};

pub(super) const ANDROID_4: Row = Row {
    client: "Android 4",
    versions: "4.0 to 5.0",
    source: "CyanogenMod/android_external_ipsec-tools setup.c, android_external_mtpd l2tp.c",
    profile: Profile::android_4,
    ike: "AES-256-CBC/SHA1/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const ANDROID_6: Row = Row {
    client: "Android 6",
    versions: "5.1 to 7.1.1",
    source: "android_external_ipsec-tools 568db0f",
    profile: Profile::android_6,
    ike: "AES-256-CBC/SHA2-256/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const ANDROID_8: Row = Row {
    client: "Android 8",
    versions: "7.1.2 to 8.1",
    source: "android_external_ipsec-tools 12fee5f and 25e4998, kernel drivers/net/ppp/pppolac.c",
    profile: Profile::android_8,
    ike: "AES-256-CBC/SHA2-512/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA2-384-192",
};

pub(super) const ANDROID_9: Row = Row {
    client: "Android 9",
    versions: "9 to 11",
    source: "android_external_ipsec-tools 12fee5f and 25e4998",
    profile: Profile::android,
    ike: "AES-256-CBC/SHA2-512/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA2-384-192",
};

pub(super) const APPLE_OLDER: Row = Row {
    client: "OS X before SHA-2",
    versions: "not known which",
    source: "kitten/setup-strong-strongswan#28",
    profile: Profile::apple_older,
    ike: "AES-256-CBC/SHA1/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const APPLE: Row = Row {
    client: "macOS, iOS and iPadOS",
    versions: "current",
    source: "apple-oss-distributions/ppp Helpers/vpnd/ipsec_utils.c and Drivers/L2TP, apple-oss-distributions/ipsec",
    profile: Profile::apple,
    ike: "AES-256-CBC/SHA2-512/MODP-2048",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const CHROMEOS: Row = Row {
    client: "ChromeOS",
    versions: "with strongSwan and xl2tpd",
    source: "ChromiumOS platform/vpn-manager l2tpipsec_vpn.cc",
    profile: Profile::chromeos,
    ike: "AES-128-CBC/SHA2-256/MODP-3072",
    esp: "AES-128-CBC/HMAC-SHA1-96",
};

pub(super) const STRONGSWAN: Row = Row {
    client: "NetworkManager-l2tp with strongSwan",
    versions: "not known which",
    source: "nm-l2tp/NetworkManager-l2tp src/nm-l2tp-service.c",
    profile: Profile::linux,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const LIBRESWAN: Row = Row {
    client: "NetworkManager-l2tp with libreswan",
    versions: "not known which",
    source: "nm-l2tp/NetworkManager-l2tp src/nm-l2tp-service.c, libreswan/libreswan#1343",
    profile: Profile::libreswan,
    ike: "AES-256-CBC/SHA1/ECP-384",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const MIKROTIK: Row = Row {
    client: "MikroTik RouterOS",
    versions: "not known which",
    source: "https://pastebin.com/JzWYY9hG, https://pastebin.com/ZEstEwWK",
    profile: Profile::mikrotik,
    ike: "AES-128-CBC/SHA1/MODP-2048",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};

pub(super) const TP_LINK: Row = Row {
    client: "TP-Link routers",
    versions: "with 3DES only",
    source: "hwdsl2/setup-ipsec-vpn#282 and #454",
    profile: Profile::tp_link,
    ike: "3DES-CBC/SHA1/MODP-1024",
    esp: "3DES-CBC/HMAC-SHA1-96",
};

pub(super) const EDGEOS: Row = Row {
    client: "Ubiquiti EdgeOS",
    versions: "with strongSwan and xl2tpd",
    source: "vyos/vyos-1x src/conf_mode/vpn_ipsec.py, for the lists",
    profile: Profile::edgeos,
    ike: "AES-256-CBC/SHA1/MODP-1024",
    esp: "AES-256-CBC/HMAC-SHA1-96",
};
