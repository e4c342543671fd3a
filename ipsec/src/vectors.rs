//! Test vectors, as they stand in `tests/vectors`: lines of `name = hex`.

use std::collections::BTreeMap;

/// What `ipsec.py` computed.
pub(crate) const COMPUTED: &str = include_str!("../../tests/vectors/ipsec.txt");
/// A handshake with a pre-shared key between two strangers.
pub(crate) const HANDSHAKE: &str = include_str!("../../tests/vectors/ikev1-psk.txt");

/// The vectors of a file by their names.
pub(crate) struct Vectors(BTreeMap<&'static str, Vec<u8>>);

impl Vectors {
    pub(crate) fn of(file: &'static str) -> Self {
        let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(
            lines
                .map(|line| line.split_once(" = ").unwrap())
                .map(|(name, hex)| (name, octets(hex)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("no vector {name}"))
    }
}

/// A file that `pki.bash` made.
pub(crate) fn pki(name: &str) -> &'static [u8] {
    let file = PKI.iter().find(|(file, _)| *file == name);
    file.unwrap_or_else(|| panic!("no file {name}")).1
}

/// Names the files of a directory.
macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_bytes!(concat!("../../tests/vectors/pki/", $name)))),*] };
}

const PKI: &[(&str, &[u8])] = files! {
    "both-ca.pem"
    "ca.crl"
    "ca.pem"
    "client-2021.pem"
    "client-encipher.pem"
    "client-impostor.pem"
    "client-of-short.pem"
    "client-old-sub.pem"
    "client-other.pem"
    "client-p256.key"
    "client-p256.pem"
    "client-p384.key"
    "client-p384.pem"
    "client-revoked.pem"
    "client-sha1.pem"
    "client-short.key"
    "client-short.pem"
    "client-sub.p7"
    "client-sub.pem"
    "client-web.pem"
    "client.key"
    "client.pem"
    "old-sub.pem"
    "other-ca.pem"
    "server-abc-sha1.signature"
    "server-nameless.pem"
    "server-p256-sec1.key"
    "server-p256.key"
    "server-p256.pem"
    "server-p384.key"
    "server-p384.pem"
    "server-pkcs1.key"
    "server.key"
    "server.pem"
    "sub.pem"
};

/// The octets that `hex` stands for.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
