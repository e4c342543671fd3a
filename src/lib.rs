//! The `adit` server as a library, so that tests can drive `Server`.

mod checksum;
pub mod cli;
pub mod config;
pub mod control;
mod datapath;
pub mod domain;
pub mod eventloop;
pub mod host;
pub mod init;
pub mod io;
pub mod logging;
pub mod onlink;
pub mod pool;
pub mod reload;
mod replace;
#[cfg(test)]
mod scratch;
pub mod server;
pub mod shard;
pub mod status;
pub mod superpacket;
pub mod users;
mod workers;
