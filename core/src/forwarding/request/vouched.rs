//! What an upstream is told about a client beyond the request itself: on the proxy's word, or on that of a trusted peer.
//!
//! A cache asks: who is told something else may be answered something else. Writes nothing that goes up.

use super::{Hop, begins};
use crate::forwarding::Peer;
use crate::message::{Field, Fields, Name};

impl Hop {
    /// Appends what tells one client's requests from another's that are alike: the certificate that it has shown, and the
    /// lines of a trusted peer that are passed on. Nothing for most requests. Addresses and ids are left out: they differ
    /// from client to client, and are no reason to answer differently.
    pub fn vouched(&self, fields: &Fields, bytes: &[u8], peer: &Peer, out: &mut Vec<u8>) {
        let Some(told) = self.told else { return out.extend_from_slice(peer.certificate()) };
        // Of several ways to say it, the one that is passed on.
        for (name, said) in [(&b"host"[..], told.host), (b"proto", told.proto), (b"port", told.port)] {
            if let Some(said) = said {
                part(out, name, said.of(bytes));
            }
        }
        for field in fields.all().iter().filter(|field| !field.dropped) {
            let value = field.value.of(bytes);
            if tells(field, bytes) {
                part(out, field.name.of(bytes), value);
            } else if field.name_id == Name::Forwarded && told.forwarded && peer.forwarded().rfc7239 {
                // Cut without regard to quotes: that tells some apart that are alike, and none alike that are not.
                let parts = value.split(|byte| matches!(byte, b',' | b';')).map(<[u8]>::trim_ascii);
                parts.filter(|said| !begins(said, &[b"for=", b"by="])).for_each(|said| part(out, b"forwarded", said));
            }
        }
    }
}

/// Whether a line is the word of a proxy on what was asked or by whom.
fn tells(field: &Field, bytes: &[u8]) -> bool {
    match field.name_id {
        Name::XForwardedPrefix | Name::XForwardedServer | Name::XOriginalUrl | Name::XRewriteUrl => true,
        Name::Other => begins(field.name.of(bytes), &[b"x-forwarded-", b"x-client-cert", b"client-cert"]),
        _ => false,
    }
}

fn part(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
