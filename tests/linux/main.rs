//! The edge to Linux against the kernel itself: every test in a network namespace of its own, so it needs root.
//! Without root it fails and says so, rather than pass for something it did not look at.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod esp;
mod host;
mod namespace;
mod outlying;
mod served;
mod shards;
mod tun;
mod udp;
mod users;
