//! PPP, server side (RFC 1661 and its network and authentication protocols), without IO.
#![forbid(unsafe_code)]
