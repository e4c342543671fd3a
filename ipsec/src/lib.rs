//! IKEv1 responder and ESP, without IO.
#![forbid(unsafe_code)]
