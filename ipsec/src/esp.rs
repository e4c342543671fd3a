//! ESP, RFC 4303, in transport mode, and inside UDP as RFC 3948 says.

mod suite;

pub use suite::{EspCipher, EspIntegrity, EspKeys, EspSuite, Spi};
