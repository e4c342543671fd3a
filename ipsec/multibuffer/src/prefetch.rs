//! Asking for memory before it is needed.

/// Has the CPU fetch all of `value` into its caches, without waiting for it. Where that cannot be asked for, nothing happens.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let start: *const i8 = std::ptr::from_ref(value).cast();
        for offset in (0..size_of::<T>()).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that the program could see and never faults, whatever the address; this
            // one is within `value` (SSE, which it belongs to, is part of the architecture).
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Octets of a line of the caches.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
