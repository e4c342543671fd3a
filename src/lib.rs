//! The `adit` server as a library, so that tests can drive `Server`.

pub mod cli;
pub mod config;
pub mod control;
pub mod init;
pub mod host;
pub mod io;
pub mod logging;
pub mod pool;
#[cfg(test)]
mod scratch;
pub mod status;
pub mod users;
