//! Whatever arrives, the server neither falls nor swells, nor answers a stranger with more than it sent.
