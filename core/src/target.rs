//! The request target and its authority, canonical.
