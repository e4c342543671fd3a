//! Whole `Server` against a scripted client over a simulated link, in virtual time.
