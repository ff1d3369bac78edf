//! Which protocols are offered in a handshake: the one place where the lists are made (RFC 7301).

/// HTTP/2 as ALPN names it (RFC 9113 §3.2).
const HTTP_2: &[u8] = b"h2";

/// HTTP/1.1 as ALPN names it.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The proof of TLS-ALPN-01 (RFC 8737): never offered beside others.
pub const ACME: &[u8] = b"acme-tls/1";

/// What we offer to clients, the best first.
pub fn to_clients() -> Vec<Vec<u8>> {
    vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()]
}

/// What we offer to endpoints, the best first.
pub fn to_endpoints() -> Vec<Vec<u8>> {
    vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()]
}

/// What we offer to endpoints on connections that have to be HTTP/1's.
pub fn to_endpoints_alone() -> Vec<Vec<u8>> {
    vec![HTTP_1_1.to_vec()]
}
