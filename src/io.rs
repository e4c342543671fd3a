//! Where packets enter and leave the process: UDP sockets and those of native ESP in batches, the TUN device, and the wait for
//! any of them.
//!
//! Nothing here knows what UDP or ESP carry, and nothing here fails because of what one peer or one
//! destination did: such packets are dropped and counted.

// The batch calls, control messages and TUN ioctls have no safe binding that neither allocates per packet
// nor forces DF. This is the only module of the binary with `unsafe`; every block says why it is sound.
#![allow(unsafe_code)]

pub mod outer;
pub mod poll;
mod portion;
pub(crate) mod rtnetlink;
pub mod steering;
pub mod tun;
mod waiting;
