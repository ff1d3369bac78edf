//! The bodies of the proxy's own answers.
