//! L2TP network server (RFC 2661), without IO.
#![forbid(unsafe_code)]
