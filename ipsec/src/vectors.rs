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

/// The octets that `hex` stands for.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
