//! The `adit` server as a library, so that tests can drive `Server`.

pub mod config;
pub mod io;
pub mod pool;
pub mod status;
pub mod users;
