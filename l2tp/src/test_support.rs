//! What the tests of this crate share.

use std::time::Instant;

/// The one real instant; all others are this plus a duration.
#[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
pub(crate) fn start() -> Instant {
    Instant::now()
}
