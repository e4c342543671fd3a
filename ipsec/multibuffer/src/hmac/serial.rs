//! One message after another, by RustCrypto; it uses SHA-NI itself where the CPU has it.

use super::{DIGEST_LEN, Form, HmacKey, Rows, Sha1, Sha256, Sha512, Words};

impl Sha1 {
    /// FIPS 180-4 §5.3.1.
    pub(super) const INITIAL: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]);
}

impl Words for Sha1 {
    type Block = [u8; 64];

    const ZEROS: [u8; 64] = [0; 64];
    const BLOCK_LEN: usize = 64;

    fn of(key: &HmacKey) -> Option<(&[Self; 2], usize)> {
        match &key.0 {
            Form::Sha1(states) => Some((states, 20)),
            _ => None,
        }
    }

    fn blocks(message: &[u8]) -> (&[Self::Block], &[u8]) {
        message.as_chunks()
    }

    fn compress(&mut self, blocks: &[[u8; 64]]) {
        sha1::block_api::compress(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; DIGEST_LEN] {
        front(self.0.map(u32::to_be_bytes).as_flattened())
    }

    fn put(self, rows: &mut Self::Rows, lane: usize) {
        put(self.0, rows, lane);
    }

    fn take(rows: &Self::Rows, lane: usize) -> Self {
        Self(take(rows, lane))
    }
}

impl Sha256 {
    /// FIPS 180-4 §5.3.3.
    pub(super) const INITIAL: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);
}

impl Words for Sha256 {
    type Block = [u8; 64];

    const ZEROS: [u8; 64] = [0; 64];
    const BLOCK_LEN: usize = 64;

    fn of(key: &HmacKey) -> Option<(&[Self; 2], usize)> {
        match &key.0 {
            Form::Sha256(states) => Some((states, 32)),
            _ => None,
        }
    }

    fn blocks(message: &[u8]) -> (&[Self::Block], &[u8]) {
        message.as_chunks()
    }

    fn compress(&mut self, blocks: &[[u8; 64]]) {
        sha2::block_api::compress256(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; DIGEST_LEN] {
        front(self.0.map(u32::to_be_bytes).as_flattened())
    }

    fn put(self, rows: &mut Self::Rows, lane: usize) {
        put(self.0, rows, lane);
    }

    fn take(rows: &Self::Rows, lane: usize) -> Self {
        Self(take(rows, lane))
    }
}

impl Sha512 {
    /// FIPS 180-4 §5.3.4: SHA-384 is SHA-512 from other words, cut short.
    pub(super) const INITIAL_384: Self = Self([
        0xcbbb_9d5d_c105_9ed8,
        0x629a_292a_367c_d507,
        0x9159_015a_3070_dd17,
        0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31,
        0x8eb4_4a87_6858_1511,
        0xdb0c_2e0d_64f9_8fa7,
        0x47b5_481d_befa_4fa4,
    ]);

    /// FIPS 180-4 §5.3.5.
    pub(super) const INITIAL: Self = Self([
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ]);
}

impl Words for Sha512 {
    type Block = [u8; 128];

    const ZEROS: [u8; 128] = [0; 128];
    const BLOCK_LEN: usize = 128;

    fn of(key: &HmacKey) -> Option<(&[Self; 2], usize)> {
        match &key.0 {
            Form::Sha384(states) => Some((states, 48)),
            Form::Sha512(states) => Some((states, 64)),
            _ => None,
        }
    }

    fn blocks(message: &[u8]) -> (&[Self::Block], &[u8]) {
        message.as_chunks()
    }

    fn compress(&mut self, blocks: &[[u8; 128]]) {
        sha2::block_api::compress512(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; DIGEST_LEN] {
        front(self.0.map(u64::to_be_bytes).as_flattened())
    }

    fn put(self, rows: &mut Self::Rows, lane: usize) {
        put(self.0, rows, lane);
    }

    fn take(rows: &Self::Rows, lane: usize) -> Self {
        Self(take(rows, lane))
    }
}

fn front(octets: &[u8]) -> [u8; DIGEST_LEN] {
    let mut whole = [0; DIGEST_LEN];
    whole[..octets.len()].copy_from_slice(octets);
    whole
}

fn put<T, const WORDS: usize>(words: [T; WORDS], rows: &mut Rows<T, WORDS>, lane: usize) {
    for (row, word) in rows.0.iter_mut().zip(words) {
        row[lane] = word;
    }
}

fn take<T: Copy, const WORDS: usize>(rows: &Rows<T, WORDS>, lane: usize) -> [T; WORDS] {
    rows.0.each_ref().map(|row| row[lane])
}
