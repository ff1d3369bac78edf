//! What is true of every request of one connection: who is at its other end, and the lines that say so upstream.
//!
//! A connection makes a `Peer` when it starts (after the PROXY header, where there is one) and again when its
//! requests read a newer configuration. `request` copies its block of lines as one piece.

use std::net::{IpAddr, SocketAddr};

use super::write::{address, number_line};
use crate::config::{Cidr, Forwarded};

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As URIs and `X-Forwarded-Proto` have it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The other end of a client connection.
#[derive(Clone, Debug)]
pub struct Peer {
    address: Option<SocketAddr>,
    local_port: Option<u16>,
    scheme: Scheme,
    trusted: bool,
    forwarded: Forwarded,
    /// The lines that are the same for all requests of an untrusted peer.
    block: Box<[u8]>,
    /// The lines about the certificate that it has shown.
    certificate: Box<[u8]>,
}

impl Peer {
    /// Describes a connection.
    ///
    /// `address` is the client's: the PROXY header's where one was read, else the socket's; `None` for a unix socket.
    /// `local_port` is the one that it connected to. Whether it is trusted goes by that same address: a balancer that
    /// says by PROXY header who its client is vouches for the address, not for the header fields that the client sends.
    /// A unix socket is never trusted.
    #[must_use]
    pub fn new(
        address: Option<SocketAddr>,
        local_port: Option<u16>,
        scheme: Scheme,
        trusted_proxies: &[Cidr],
        forwarded: Forwarded,
    ) -> Self {
        // One form per address: what came over IPv4 is IPv4, also on a socket that takes both families.
        let address = address.map(|end| SocketAddr::new(end.ip().to_canonical(), end.port()));
        let trusted = address.is_some_and(|end| trusted_proxies.iter().any(|network| network.contains(end.ip())));
        let mut peer = Self {
            address,
            local_port,
            scheme,
            trusted,
            forwarded,
            block: Box::default(),
            certificate: Box::default(),
        };
        if forwarded.x_forwarded {
            peer.block = peer.render().into_boxed_slice();
        }
        peer
    }

    /// Says which certificate the peer has shown: its subject as text, and the SHA-256 of the certificate. Upstreams read
    /// it in fields that no untrusted client can set.
    #[must_use]
    pub fn with_certificate(mut self, subject: &str, fingerprint: &[u8]) -> Self {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(b"x-client-cert-subject: ");
        // A subject may hold anything; a field value may not.
        out.extend(subject.bytes().map(|byte| if matches!(byte, b' '..=b'~') { byte } else { b'?' }));
        out.extend_from_slice(b"\r\nx-client-cert-fingerprint: ");
        for byte in fingerprint {
            for digit in [byte >> 4, byte & 15] {
                out.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
            }
        }
        out.extend_from_slice(b"\r\n");
        self.certificate = out.into_boxed_slice();
        self
    }

    /// The address, in its canonical form; `None` for a unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|end| end.ip())
    }

    /// The address with its port; `None` for a unix socket.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The port that it connected to, where there is one.
    #[must_use]
    pub const fn local_port(&self) -> Option<u16> {
        self.local_port
    }

    /// How it connected.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether its trust headers are believed.
    #[must_use]
    pub const fn trusted(&self) -> bool {
        self.trusted
    }

    /// Which forwarding headers are written.
    pub(super) const fn forwarded(&self) -> Forwarded {
        self.forwarded
    }

    /// The lines of an untrusted peer, each with its CRLF.
    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    /// The lines about its certificate, each with its CRLF.
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        if let Some(ip) = self.ip() {
            out.extend_from_slice(b"x-forwarded-for: ");
            address(&mut out, ip);
            out.extend_from_slice(b"\r\nx-real-ip: ");
            address(&mut out, ip);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"x-forwarded-proto: ");
        out.extend_from_slice(self.scheme.text().as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(port) = self.local_port {
            number_line(&mut out, b"x-forwarded-port: ", u64::from(port));
        }
        out
    }
}
