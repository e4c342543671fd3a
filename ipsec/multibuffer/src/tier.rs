//! What the CPU can do, found out at run time.

/// A set of instructions that kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Whatever the libraries do: RustCrypto, one packet after another. Only 3DES has a kernel of its own here.
    Portable,
    /// AES-NI with eight lanes, and SHA-NI with four where the CPU has it.
    AesNi,
    /// VAES and AVX-512 with sixteen lanes.
    Avx512,
}

impl Tier {
    /// The best that this CPU has.
    pub fn detect() -> Self {
        if avx512() {
            Self::Avx512
        } else if aes_ni() {
            Self::AesNi
        } else {
            Self::Portable
        }
    }

    /// All that this CPU has, the best last.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        [Self::Portable, Self::AesNi, Self::Avx512].into_iter().filter(move |tier| *tier <= best)
    }
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> bool {
    aes_ni()
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
fn aes_ni() -> bool {
    is_x86_feature_detected!("aes") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
}

/// Whether SHA-1 and SHA-256 rounds are instructions.
#[cfg(target_arch = "x86_64")]
pub(crate) fn sha_ni() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn aes_ni() -> bool {
    false
}
