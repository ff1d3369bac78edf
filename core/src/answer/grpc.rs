//! The proxy's own answers to gRPC: a status and a message in fields, HTTP 200, no body.
//!
//! "Trailers-Only" in the protocol's words. A client would make a status of any other answer by itself, and lose the
//! reason; this way it reads the same sentence as a browser does.

use crate::reason::Reason;

/// The type of what has only a status.
pub(super) const CONTENT_TYPE: &str = "application/grpc";

/// Whether a request with this `content-type` is gRPC: `application/grpc`, alone or with `+proto` and the like. gRPC-Web
/// is another protocol, with its status in the body.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    let (name, rest) = content_type.split_at_checked(CONTENT_TYPE.len()).unwrap_or_default();
    name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The status of a reason: what gRPC's own table makes of the HTTP status, except that what is too large or too often
/// says so.
pub(super) const fn status(reason: Reason) -> &'static str {
    match reason.status() {
        401 => "16",
        403 => "7",
        404 | 405 => "12",
        413 | 414 | 429 | 431 => "8",
        421 | 502..=504 => "14",
        // 400, 408, 499, 500, 505
        _ => "13",
    }
}

/// Appends a message, percent-encoded as the protocol wants it.
pub(super) fn message(out: &mut Vec<u8>, parts: &[&str]) {
    for byte in parts.iter().flat_map(|part| part.bytes()) {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_from_what_only_begins_alike() {
        for (text, expect) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=x", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn messages_are_printable() {
        let mut out = Vec::new();
        message(&mut out, &["50% – ok", "\r\n"]);
        assert_eq!(String::from_utf8(out).unwrap(), "50%25 %E2%80%93 ok%0D%0A");
    }

    #[test]
    fn statuses_are_those_that_clients_know() {
        for (reason, expect) in [
            (Reason::NoRoute, "12"),
            (Reason::Denied, "7"),
            (Reason::Unauthorized, "16"),
            (Reason::RateLimited, "8"),
            (Reason::BodyTooLarge, "8"),
            (Reason::ConnectRefused, "14"),
            (Reason::NoEndpoint, "14"),
            (Reason::ResponseTimeout, "14"),
            (Reason::BadRequest, "13"),
            (Reason::Internal, "13"),
        ] {
            assert_eq!(status(reason), expect, "{reason:?}");
        }
    }
}
