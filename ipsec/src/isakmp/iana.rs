//! The number registries of ISAKMP and the IPsec DOI: RFC 2408 §3, RFC 2407 §4 and §6, RFC 2409 Appendix A.
//!
//! Every number is a newtype that keeps values nobody here has heard of; only `Display` knows names.

use std::fmt;

/// One registry: a newtype, its named values, and a `Display` that falls back to the number.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($repr:ty) { $($constant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub(crate) struct $name(pub(crate) $repr);

        #[allow(dead_code, reason = "a registry names more than we use")]
        impl $name {
            $(#[doc = $text] pub(crate) const $constant: Self = Self($value);)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($value => f.write_str($text),)*
                    other => write!(f, "{} {other}", stringify!($name)),
                }
            }
        }
    };
}

registry! {
    /// What a payload is, RFC 2408 §3.1; NAT traversal numbers from RFC 3947 §9 and its drafts.
    PayloadType(u8) {
        NONE = 0, "none";
        SECURITY_ASSOCIATION = 1, "SA";
        PROPOSAL = 2, "proposal";
        TRANSFORM = 3, "transform";
        KEY_EXCHANGE = 4, "KE";
        IDENTIFICATION = 5, "ID";
        CERTIFICATE = 6, "CERT";
        CERTIFICATE_REQUEST = 7, "CERTREQ";
        HASH = 8, "HASH";
        SIGNATURE = 9, "SIG";
        NONCE = 10, "NONCE";
        NOTIFICATION = 11, "N";
        DELETE = 12, "D";
        VENDOR_ID = 13, "VID";
        NAT_D = 20, "NAT-D";
        NAT_OA = 21, "NAT-OA";
        NAT_D_DRAFT = 130, "NAT-D (draft)";
        NAT_OA_DRAFT = 131, "NAT-OA (draft)";
        FRAGMENT = 132, "fragment";
    }
}

registry! {
    /// Kind of exchange, RFC 2408 §3.1 and RFC 2409 Appendix A.
    ExchangeType(u8) {
        BASE = 1, "Base";
        MAIN_MODE = 2, "Main Mode";
        AUTHENTICATION_ONLY = 3, "Authentication Only";
        AGGRESSIVE_MODE = 4, "Aggressive Mode";
        INFORMATIONAL = 5, "Informational";
        TRANSACTION = 6, "Transaction";
        QUICK_MODE = 32, "Quick Mode";
        NEW_GROUP_MODE = 33, "New Group Mode";
    }
}

registry! {
    /// Security protocol of a proposal, RFC 2407 §4.4.1.
    ProtocolId(u8) {
        ISAKMP = 1, "ISAKMP";
        AH = 2, "AH";
        ESP = 3, "ESP";
        IPCOMP = 4, "IPComp";
    }
}

registry! {
    /// Attribute class of a phase 1 transform, RFC 2409 Appendix A.
    IkeAttribute(u16) {
        ENCRYPTION = 1, "encryption";
        HASH = 2, "hash";
        AUTHENTICATION = 3, "authentication";
        GROUP = 4, "group";
        LIFE_TYPE = 11, "life type";
        LIFE_DURATION = 12, "life duration";
        KEY_LENGTH = 14, "key length";
    }
}

registry! {
    /// Attribute class of an ESP transform, RFC 2407 §4.5.
    EspAttribute(u16) {
        LIFE_TYPE = 1, "life type";
        LIFE_DURATION = 2, "life duration";
        GROUP = 3, "group";
        ENCAPSULATION_MODE = 4, "encapsulation mode";
        AUTHENTICATION = 5, "authentication";
        KEY_LENGTH = 6, "key length";
    }
}

registry! {
    /// Cipher of phase 1, RFC 2409 Appendix A and RFC 3602 §6.
    EncryptionAlgorithm(u16) {
        DES = 1, "DES";
        TRIPLE_DES = 5, "3DES";
        AES = 7, "AES";
    }
}

registry! {
    /// Hash of phase 1, RFC 2409 Appendix A and RFC 4868 §4.
    HashAlgorithm(u16) {
        MD5 = 1, "MD5";
        SHA1 = 2, "SHA1";
        SHA2_256 = 4, "SHA2-256";
        SHA2_384 = 5, "SHA2-384";
        SHA2_512 = 6, "SHA2-512";
    }
}

registry! {
    /// Group of a Diffie-Hellman exchange, RFC 2409 §6, RFC 3526 and RFC 5903.
    GroupDescription(u16) {
        MODP_768 = 1, "MODP-768";
        MODP_1024 = 2, "MODP-1024";
        MODP_1536 = 5, "MODP-1536";
        MODP_2048 = 14, "MODP-2048";
        MODP_3072 = 15, "MODP-3072";
        MODP_4096 = 16, "MODP-4096";
        ECP_256 = 19, "ECP-256";
        ECP_384 = 20, "ECP-384";
        ECP_521 = 21, "ECP-521";
    }
}

registry! {
    /// How phase 1 authenticates, RFC 2409 Appendix A; the XAUTH and hybrid numbers are their drafts'.
    AuthenticationMethod(u16) {
        PRE_SHARED_KEY = 1, "PSK";
        DSS_SIGNATURES = 2, "DSS signatures";
        RSA_SIGNATURES = 3, "RSA signatures";
        ECDSA_256 = 9, "ECDSA-256";
        ECDSA_384 = 10, "ECDSA-384";
        HYBRID_INIT_RSA = 64221, "hybrid RSA";
        XAUTH_INIT_PSK = 65001, "XAUTH PSK";
        XAUTH_INIT_RSA = 65005, "XAUTH RSA";
    }
}

registry! {
    /// How a certificate is encoded, RFC 2408 §3.9.
    CertificateEncoding(u8) {
        PKCS7 = 1, "PKCS #7";
        X509_SIGNATURE = 4, "X.509 for signatures";
    }
}

registry! {
    /// Unit of a life duration, RFC 2407 §4.5 and RFC 2409 Appendix A.
    LifeType(u16) {
        SECONDS = 1, "seconds";
        KILOBYTES = 2, "kilobytes";
    }
}

registry! {
    /// Cipher of an ESP transform, RFC 2407 §4.4.4.
    EspTransform(u8) {
        DES = 2, "DES";
        TRIPLE_DES = 3, "3DES";
        NULL = 11, "NULL";
        AES_CBC = 12, "AES";
        AES_CTR = 13, "AES-CTR";
        AES_GCM_8 = 18, "AES-GCM-8";
        AES_GCM_12 = 19, "AES-GCM-12";
        AES_GCM_16 = 20, "AES-GCM-16";
    }
}

registry! {
    /// Integrity algorithm of an ESP transform, RFC 2407 §4.5 and RFC 4868 §4.
    AuthenticationAlgorithm(u16) {
        HMAC_MD5 = 1, "MD5";
        HMAC_SHA1 = 2, "SHA1";
        HMAC_SHA2_256 = 5, "SHA2-256";
        HMAC_SHA2_384 = 6, "SHA2-384";
        HMAC_SHA2_512 = 7, "SHA2-512";
    }
}

registry! {
    /// Encapsulation mode of an ESP transform, RFC 2407 §4.5, RFC 3947 §5.1 and its drafts.
    EncapsulationMode(u16) {
        TUNNEL = 1, "tunnel";
        TRANSPORT = 2, "transport";
        UDP_TUNNEL = 3, "UDP tunnel";
        UDP_TRANSPORT = 4, "UDP transport";
        UDP_TUNNEL_DRAFT = 61443, "UDP tunnel (draft)";
        UDP_TRANSPORT_DRAFT = 61444, "UDP transport (draft)";
    }
}

registry! {
    /// Kind of identity, RFC 2407 §4.6.2.1.
    IdType(u8) {
        IPV4_ADDR = 1, "address";
        FQDN = 2, "name";
        USER_FQDN = 3, "mailbox";
        IPV4_ADDR_SUBNET = 4, "subnet";
        IPV6_ADDR = 5, "address";
        IPV6_ADDR_SUBNET = 6, "subnet";
        IPV4_ADDR_RANGE = 7, "range";
        IPV6_ADDR_RANGE = 8, "range";
        DER_ASN1_DN = 9, "subject";
        DER_ASN1_GN = 10, "general name";
        KEY_ID = 11, "key id";
    }
}

registry! {
    /// What a notification says, RFC 2408 §3.14.1, RFC 2407 §4.6.3 and RFC 3706 §5.3.
    NotifyType(u16) {
        INVALID_PAYLOAD_TYPE = 1, "INVALID-PAYLOAD-TYPE";
        INVALID_COOKIE = 4, "INVALID-COOKIE";
        INVALID_MAJOR_VERSION = 5, "INVALID-MAJOR-VERSION";
        INVALID_EXCHANGE_TYPE = 7, "INVALID-EXCHANGE-TYPE";
        INVALID_MESSAGE_ID = 9, "INVALID-MESSAGE-ID";
        NO_PROPOSAL_CHOSEN = 14, "NO-PROPOSAL-CHOSEN";
        PAYLOAD_MALFORMED = 16, "PAYLOAD-MALFORMED";
        INVALID_KEY_INFORMATION = 17, "INVALID-KEY-INFORMATION";
        INVALID_ID_INFORMATION = 18, "INVALID-ID-INFORMATION";
        AUTHENTICATION_FAILED = 24, "AUTHENTICATION-FAILED";
        INVALID_SIGNATURE = 25, "INVALID-SIGNATURE";
        CONNECTED = 16384, "CONNECTED";
        RESPONDER_LIFETIME = 24576, "RESPONDER-LIFETIME";
        REPLAY_STATUS = 24577, "REPLAY-STATUS";
        INITIAL_CONTACT = 24578, "INITIAL-CONTACT";
        R_U_THERE = 36136, "R-U-THERE";
        R_U_THERE_ACK = 36137, "R-U-THERE-ACK";
    }
}

/// The IPsec domain of interpretation, RFC 2407 §4.2 (`IPSEC_DOI`).
pub(crate) const DOI_IPSEC: u32 = 1;

/// The only situation in use, RFC 2407 §4.2.1.
pub(crate) const SIT_IDENTITY_ONLY: u32 = 1;

/// Transform identifier of phase 1, RFC 2407 §4.4.2.
pub(crate) const KEY_IKE: u8 = 1;

/// The version octet we speak: major 1, minor 0 (RFC 2408 §3.1).
pub(crate) const VERSION_1_0: u8 = 0x10;
