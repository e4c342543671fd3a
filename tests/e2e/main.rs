//! Whole `Server` against a scripted client over a simulated link, in virtual time.
//!
//! Each module tells the stories of one subject; `world` is where they take place.

#![expect(clippy::print_stdout, reason = "a test that fails shows what it printed")]

mod accounts;
mod addresses;
mod certificates;
mod clients;
mod connect;
mod delegation;
mod determinism;
mod dhcp;
mod eap;
mod hostile;
mod inner;
mod inner6;
mod ipv6;
mod lifecycle;
mod limits;
mod logins;
mod mtu;
mod nat;
mod native;
mod no_waiting;
mod outlying;
mod passwords;
mod policy;
mod refusals;
mod shards;
mod superpackets;
mod tunnels;
mod world;
