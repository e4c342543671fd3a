//! What real clients offer: Windows as captured, Android and Apple from their sources, Linux from its configuration.

use crate::dh::Group;

/// One kind of client.
#[derive(Clone)]
pub(crate) struct Profile {
    /// Body of the SA payload of message 1.
    pub(crate) ike: Vec<u8>,
    pub(crate) vendor_ids: Vec<Vec<u8>>,
    /// ESP transforms.
    pub(crate) esp: Vec<(u8, Vec<u8>)>,
    pub(crate) pfs: Option<Group>,
    /// Port in IDci.
    pub(crate) port: u16,
    pub(crate) nat_oa: bool,
    /// Pads with random octets, as racoon does.
    pub(crate) random_padding: bool,
    /// Numbers its quick modes 1, 2, 3 ….
    pub(crate) counts_message_ids: bool,
}

impl Profile {
    /// Windows 10, `https://pastebin.com/9KRNXBtv`: 408 octets, `[SA V V V V V V V V]`.
    pub(crate) fn windows10() -> Self {
        Self {
            ike: WINDOWS_SA.into(),
            vendor_ids: [
                "01528bbbc00696121849ab9a1c5b2a5100000001",
                "1e2b516905991c7d7c96fcbfb587e46100000009",
                "4a131c81070358455c5728f20e95452f",
                "90cb80913ebb696e086381b5ec427b1f",
                "4048b7d56ebce88525e7de7f00d6c2d3",
                "fb1de3cdf341b7ea16b7e5be0855f120",
                "26244d38eddb61b3172a36e3d0cfb819",
                "e3a5966a76379fe707228231e5ce8652",
            ]
            .map(hex)
            .into(),
            esp: [(12, Some(256)), (12, Some(128)), (3, None), (2, None)]
                .map(|(id, bits)| (id, esp_attributes(4, bits, 2, &windows_life())))
                .into(),
            pfs: None,
            port: 1701,
            nat_oa: true,
            random_padding: false,
            counts_message_ids: true,
        }
    }

    /// The same with certificates instead of a pre-shared key.
    pub(crate) fn signing(mut self, method: u8) -> Self {
        // Attribute 3, authentication method, as type and value.
        let psk = [0x80, 3, 0, 1];
        for start in 0..self.ike.len() - 3 {
            if self.ike[start..start + 4] == psk {
                self.ike[start + 3] = method;
            }
        }
        self
    }

    /// Android 4 to 5.0 (1), 5.1 to 7.1.1 (2), 7.1.2 to 12 (3).
    pub(crate) fn android(version: u8) -> Self {
        let ciphers: [(u16, Option<u16>, u8); 4] =
            [(7, Some(256), 12), (7, Some(128), 12), (5, None, 3), (1, None, 2)];
        let hashes = |bits: Option<u16>, cipher: u16| match (version, bits, cipher) {
            (1, ..) => vec![2, 1],
            (2, ..) => vec![4, 2, 1],
            (_, Some(256), _) => vec![5, 4, 6, 2, 1],
            (_, Some(_), _) => vec![6, 5, 4, 2, 1],
            _ => vec![4, 2, 1],
        };
        let mut ike = Vec::new();
        for (cipher, bits, _) in ciphers {
            for hash in hashes(bits, cipher) {
                let mut attributes = [tv(11, 1), tv(12, 28800), tv(1, cipher)].concat();
                attributes.extend(bits.map(|bits| tv(14, bits)).unwrap_or_default());
                attributes.extend([tv(3, 1), tv(2, hash), tv(4, 2)].concat());
                ike.push((1, attributes));
            }
        }
        let integrity = match version {
            1 => vec![2, 1],
            2 => vec![5, 2, 1],
            _ => vec![7, 6, 2, 5, 1],
        };
        let life = [tv(1, 1), tv(2, 28800)].concat();
        let mut esp = Vec::new();
        for (_, bits, id) in ciphers {
            esp.extend(
                integrity.iter().map(|auth| (id, [&life[..], &esp_attributes(4, bits, *auth, &[])].concat())),
            );
        }
        Self {
            ike: sa(1, &[], &ike),
            vendor_ids: [
                "4a131c81070358455c5728f20e95452f",
                "cd60464335df21f87cfdb2fc68b6a448",
                "90cb80913ebb696e086381b5ec427b1f",
                "4485152d18b6bbcd0be8a8469579ddcc",
                "4048b7d56ebce88525e7de7f00d6c2d380000000",
                "afcad71368a1f1c96b8696fc77570100",
            ]
            .map(hex)
            .into(),
            esp,
            pfs: None,
            port: 0,
            nat_oa: false,
            random_padding: true,
            counts_message_ids: false,
        }
    }

    /// iOS and macOS: 14 transforms, 3600 s.
    pub(crate) fn apple() -> Self {
        let transforms = [
            (256, 4, 14),
            (256, 2, 14),
            (256, 1, 14),
            (256, 6, 14),
            (256, 4, 5),
            (256, 2, 5),
            (256, 1, 5),
            (256, 4, 2),
            (256, 2, 2),
            (256, 1, 2),
            (128, 2, 2),
            (128, 1, 2),
            (0, 2, 2),
            (0, 1, 2),
        ];
        let ike = transforms.map(|(bits, hash, group)| {
            let cipher = if bits > 0 { [tv(1, 7), tv(14, bits)].concat() } else { tv(1, 5) };
            (1, [tv(11, 1), tv(12, 3600), cipher, tv(3, 1), tv(2, hash), tv(4, group)].concat())
        });
        let life = [tv(1, 1), tv(2, 3600)].concat();
        let mut esp = Vec::new();
        for (id, bits) in [(12, Some(256)), (12, Some(128)), (3, None)] {
            esp.extend([5, 2, 1].map(|auth| (id, esp_attributes(4, bits, auth, &life))));
        }
        Self {
            ike: sa(1, &[], &ike),
            vendor_ids: [
                "4a131c81070358455c5728f20e95452f",
                "4df37928e9fc4fd1b3262170d515c662",
                "8f8d83826d246b6fc7a8a6a428c11de8",
                "439b59f8ba676c4c7737ae22eab8f582",
                "4d1e0e136deafa34c4f3ea9f02ec7285",
                "80d0bb3def54565ee84645d4c85ce3ee",
                "9909b64eed937c6573de52ace952fa6b",
                "7d9419a65310ca6f2c179d9215529d56",
                "cd60464335df21f87cfdb2fc68b6a448",
                "90cb80913ebb696e086381b5ec427b1f",
                "4048b7d56ebce88525e7de7f00d6c2d380000000",
                "afcad71368a1f1c96b8696fc77570100",
            ]
            .map(hex)
            .into(),
            esp,
            pfs: None,
            port: 56322,
            nat_oa: true,
            random_padding: true,
            counts_message_ids: false,
        }
    }

    /// NetworkManager-l2tp with strongSwan.
    pub(crate) fn network_manager() -> Self {
        let aes256 = [(4, 14), (4, 5), (4, 2), (2, 14), (2, 5), (2, 2), (2, 20)];
        let mut ike: Vec<(u8, Vec<u8>)> =
            aes256.map(|(hash, group)| (1, strongswan(Some(256), hash, group))).into();
        ike.extend([(2, 2), (2, 19)].map(|(hash, group)| (1, strongswan(Some(128), hash, group))));
        ike.extend([14, 2].map(|group| (1, strongswan(None, 2, group))));
        let life = [tv(1, 1), tv(2, 3600)].concat();
        Self {
            ike: sa(0, &[], &ike),
            vendor_ids: [
                "09002689dfd6b712",
                "afcad71368a1f1c96b8696fc77570100",
                "4048b7d56ebce88525e7de7f00d6c2d380000000",
                "4a131c81070358455c5728f20e95452f",
                "90cb80913ebb696e086381b5ec427b1f",
            ]
            .map(hex)
            .into(),
            esp: [(12, Some(256)), (12, Some(128)), (3, None)]
                .map(|(id, bits)| (id, esp_attributes(4, bits, 2, &life)))
                .into(),
            pfs: None,
            port: 1701,
            nat_oa: true,
            random_padding: false,
            counts_message_ids: false,
        }
    }

    /// One transform in each phase, for what a test is about.
    pub(crate) fn simple(bits: Option<u16>, hash: u16, group: u16) -> Self {
        let ike = [(1, strongswan(bits, hash, group))];
        Self { ike: sa(0, &[], &ike), ..Self::network_manager() }
    }

    /// iOS and macOS with a group name: first MODP-2048 alone, then the rest.
    pub(crate) fn apple_group(first: bool) -> Self {
        let transforms = |hashes: &[u16], bits: u16, group: u16| -> Vec<(u8, Vec<u8>)> {
            let cipher = if bits > 0 { [tv(1, 7), tv(14, bits)].concat() } else { tv(1, 5) };
            let one =
                |hash: &u16| [tv(11, 1), tv(12, 3600), cipher.clone(), tv(3, 1), tv(2, *hash), tv(4, group)];
            hashes.iter().map(|hash| (1, one(hash).concat())).collect()
        };
        let ike = if first {
            transforms(&[4, 2, 1, 6], 256, 14)
        } else {
            [transforms(&[4, 2, 1], 256, 2), transforms(&[2, 1], 128, 2), transforms(&[2, 1], 0, 2)].concat()
        };
        Self { ike: sa(1, &[], &ike), ..Self::apple() }
    }

    pub(crate) fn without_nat_t(mut self) -> Self {
        self.vendor_ids.clear();
        self
    }

    pub(crate) fn with_esp(mut self, esp: &[(u8, Vec<u8>)]) -> Self {
        self.esp = esp.into();
        self
    }

    pub(crate) fn with_pfs(mut self, group: Group) -> Self {
        for (_, attributes) in &mut self.esp {
            attributes.extend(tv(3, group.number()));
        }
        self.pfs = Some(group);
        self
    }
}

/// The SA payload of Windows 7 to 11, as captured; its generic header taken off.
pub(crate) const WINDOWS_SA: &[u8] = &hex_literal::hex!(
    "00000001 00000001 000000c8 01010005"
    "03000028 01010000 80010007 800e0100 80020002 80040014 80030001 800b0001 000c0004 00007080"
    "03000028 02010000 80010007 800e0080 80020002 80040013 80030001 800b0001 000c0004 00007080"
    "03000028 03010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "03000024 04010000 80010005 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "00000024 05010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080"
);

/// Body of an SA payload with one proposal.
pub(crate) fn sa(number: u8, spi: &[u8], transforms: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let protocol = if spi.is_empty() { 1 } else { 3 };
    proposals(&[(number, protocol, spi, transforms)])
}

/// A proposal's number, protocol, SPI and transforms.
pub(crate) type Offered<'a> = (u8, u8, &'a [u8], &'a [(u8, Vec<u8>)]);

/// Body of an SA payload.
pub(crate) fn proposals(all: &[Offered<'_>]) -> Vec<u8> {
    let mut body = [1_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat();
    for (index, (number, protocol, spi, transforms)) in all.iter().enumerate() {
        let mut proposal = vec![*number, *protocol, octet(spi.len()), octet(transforms.len())];
        proposal.extend_from_slice(spi);
        for (index, (id, attributes)) in transforms.iter().enumerate() {
            let next = if index + 1 == transforms.len() { 0 } else { 3 };
            let transform = [&[octet(index + 1), *id, 0, 0][..], attributes].concat();
            proposal.extend(generic(next, &transform));
        }
        body.extend(generic(if index + 1 == all.len() { 0 } else { 2 }, &proposal));
    }
    body
}

fn generic(next: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[next, 0, high, low][..], body].concat()
}

pub(crate) fn tv(class: u16, value: u16) -> Vec<u8> {
    [(class | 0x8000).to_be_bytes(), value.to_be_bytes()].concat()
}

pub(crate) fn tlv(class: u16, value: u32) -> Vec<u8> {
    [&class.to_be_bytes()[..], &[0, 4], &value.to_be_bytes()].concat()
}

pub(crate) fn esp_attributes(mode: u16, bits: Option<u16>, auth: u16, life: &[u8]) -> Vec<u8> {
    let key_length = bits.map(|bits| tv(6, bits)).unwrap_or_default();
    [tv(4, mode), key_length, tv(5, auth), life.to_vec()].concat()
}

fn strongswan(bits: Option<u16>, hash: u16, group: u16) -> Vec<u8> {
    let cipher = bits.map_or_else(|| tv(1, 5), |bits| [tv(1, 7), tv(14, bits)].concat());
    [cipher, tv(2, hash), tv(4, group), tv(3, 1), tv(11, 1), tv(12, 10800)].concat()
}

fn windows_life() -> Vec<u8> {
    [tv(1, 1), tlv(2, 3600), tv(1, 2), tlv(2, 250_000)].concat()
}

fn octet(value: usize) -> u8 {
    u8::try_from(value).expect("an octet")
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| u8::from_str_radix(&char::from(digit).to_string(), 16).expect("hex"))
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
