//! `forward_auth`: the question to another service who somebody is, and what is made of its answer.
//!
//! The question has the request's fields but neither its body nor what belongs to a connection, an upgrade or a body;
//! the service sees where the request goes in `X-Forwarded-…` and `X-Original-…`. What the answer says of the user
//! replaces whatever the client said of it (case 73).

use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::edits::{is_own, line};
use super::who::Who;
use crate::config;
use crate::forwarding::{HOP_BY_HOP, Names};
use crate::message::{Field, Fields, Name};
use crate::route::Facts;
use crate::snapshot::UpstreamId;

/// The service, and what is taken from its answers.
#[derive(Debug)]
pub struct Forward {
    /// Where it is asked, by its name in the configuration.
    pub name: Box<str>,
    /// The same, once the snapshot has its number.
    pub upstream: Option<UpstreamId>,
    /// Path and query of the question.
    path: Box<str>,
    /// Its `Host`.
    host: Box<str>,
    copies: Box<[(Name, Box<str>)]>,
}

/// Fields of a refusal that the client gets.
const TOLD: [&[u8]; 6] =
    [b"content-type", b"location", b"set-cookie", b"www-authenticate", b"cache-control", b"content-language"];

impl Forward {
    pub(super) fn compile(written: &config::ForwardAuth) -> Self {
        let copy = |name: &String| (Name::find(name.as_bytes()), name.as_str().into());
        Self {
            name: written.upstream.as_str().into(),
            upstream: None,
            path: written.path.as_str().into(),
            host: written.host.as_str().into(),
            copies: written.copy_headers.iter().map(copy).collect(),
        }
    }

    /// Writes the question's head.
    pub fn write_head(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        line(out, b"host", self.host.as_bytes());
        for field in facts.fields.all() {
            let name = field.name.of(facts.head);
            if !field.dropped && passes(field.name_id, name) {
                line(out, name, field.value.of(facts.head));
            }
        }
        let target = facts.destination.forward();
        let host = facts.destination.host();
        line(out, b"x-forwarded-method", facts.method);
        line(out, b"x-forwarded-proto", facts.scheme.as_bytes());
        line(out, b"x-forwarded-host", host);
        line(out, b"x-forwarded-uri", target);
        line(out, b"x-original-method", facts.method);
        line(out, b"x-original-url", &[facts.scheme.as_bytes(), b"://", host, target].concat());
        if let Some(ip) = facts.client_ip {
            // Writing to a vector does not fail.
            let _ = write!(out, "x-forwarded-for: {ip}\r\nx-real-ip: {ip}\r\n");
        }
        line(out, b"x-request-id", facts.request_id);
        out.extend_from_slice(b"\r\n");
    }

    /// Whether a line of the request says what only the service may say.
    pub(super) fn tells(&self, field: &Field, bytes: &[u8]) -> bool {
        self.copies.iter().any(|(id, name)| field.is_called(bytes, *id, name))
    }

    /// Writes the lines that the service says of the user.
    pub fn copy(&self, answer: &Fields, bytes: &[u8], who: &mut Who) {
        for (_, name) in &self.copies {
            for field in answer.matching(bytes, name.as_bytes()) {
                line(&mut who.lines, name.as_bytes(), field.value.of(bytes));
            }
        }
    }
}

/// Notes what a service that has let a request pass may have known the user by. It alone knows by which of the fields of
/// its question: all count that any two requests of one user don't differ in.
pub fn prove(fields: &Fields, bytes: &[u8], who: &mut Who) {
    let mut digest = Sha256::new();
    for field in fields.all().iter().filter(|field| !field.dropped) {
        let (name, value) = (field.name.of(bytes).to_ascii_lowercase(), field.value.of(bytes));
        if passes(field.name_id, &name) && !is_passing(&name) {
            for part in [&name, value] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
    }
    who.prove(&[digest.finalize().as_slice()]);
}

/// Writes the lines of a refusal that the client gets.
pub fn told_lines(answer: &Fields, bytes: &[u8], out: &mut Vec<u8>) {
    for field in answer.all() {
        let name = field.name.of(bytes);
        if !field.dropped && TOLD.iter().any(|told| name.eq_ignore_ascii_case(told)) {
            line(out, name, field.value.of(bytes));
        }
    }
}

/// What belongs to a body, a connection or an upgrade would mean something else in the question.
const ELSEWHERE: Names = HOP_BY_HOP.and(&[
    Name::Host,
    Name::Trailer,
    Name::Expect,
    Name::ContentType,
    Name::MaxForwards,
    Name::XRequestId,
    Name::Http2Settings,
]);

/// Whether a field of the request goes into the question. What makes an answer conditional, partial or compressed does not.
fn passes(id: Name, name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let kinds: [&[u8]; 5] = [b"if-", b"content-", b"sec-websocket-", b"x-original-", b"accept-encoding"];
    !ELSEWHERE.has(id)
        && lower != b"range"
        && !std::str::from_utf8(&lower).is_ok_and(is_own)
        && !kinds.iter().any(|kind| lower.starts_with(kind))
}

/// Whether a field, in lower case, says how or why something is asked now, and not by whom.
fn is_passing(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 14] = [
        b"accept",
        b"accept-language",
        b"baggage",
        b"cache-control",
        b"dnt",
        b"last-event-id",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"save-data",
        b"traceparent",
        b"tracestate",
        b"user-agent",
    ];
    NAMES.contains(&name) || [&b"sec-ch-"[..], b"sec-fetch-"].iter().any(|kind| name.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::Request;

    #[test]
    fn by_what_a_service_may_have_known_a_user() {
        let evidence = |lines: &[(&str, &str)]| {
            let request = lines.iter().fold(Request::get("h"), |request, (name, value)| request.with(name, value));
            let mut who = Who::default();
            prove(&request.fields, &request.head, &mut who);
            who.evidence().to_vec()
        };
        let ann = evidence(&[("Cookie", "u=ann"), ("accept", "a")]);
        assert_eq!(evidence(&[("Cookie", "u=ann"), ("Last-Event-ID", "7"), ("sec-fetch-mode", "cors")]), ann);
        for other in [("cookie", "u=bob"), ("cookie2", "u=ann"), ("authorization", "u=ann"), ("x-key", "1")] {
            assert_ne!(evidence(&[other, ("accept", "a")]), ann, "{other:?}");
        }
        assert_ne!(evidence(&[("cookie", "u=ann"), ("x-key", "1")]), ann);
    }
}
