//! The `adit` server as a library, so that tests can drive `Server`.

pub mod pool;
pub mod status;
