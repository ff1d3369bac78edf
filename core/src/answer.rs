//! The proxy's own answers: what `exchange` sends where no upstream answered.
//!
//! An `Answer` is a status, fields and a body, and knows nothing of an HTTP version; `write` renders it for HTTP/1.
//! It says in words what happened and what to look at. It never names a version, an upstream's address or an inner
//! error: those stand in the access log, under the same request id.

mod form;
mod grpc;
mod page;
mod status;
mod words;

use std::ops::Range;

use crate::message::Version;
use crate::policy::{Chain, Notes, edits};
use crate::reason::Reason;

pub use form::Form;
pub use grpc::is_grpc;
pub use status::phrase;
pub use words::{Words, words};

/// The code of an answer that a `respond:` rule gives.
pub const RESPOND: &str = "respond";

/// The code of an answer about the proxy itself.
pub const BUILTIN: &str = "builtin";

/// The name of an answer to an authority that asks for proof, in the access log.
pub const TOKEN: &str = "acme_challenge";
/// The name of an answer with a file, in the access log.
pub const FILES: &str = "files";
/// The code of an answer that a `redirect:` rule gives.
pub const REDIRECT: &str = "redirect";
/// The code of an answer that the service of `forward_auth` gave.
pub const FORWARD_AUTH: &str = "forward_auth";
/// The code of an answer to a preflight.
pub const PREFLIGHT: &str = "preflight";

/// Methods that a 405 names where no rule says which are allowed (RFC 9110 §15.5.6 demands a list).
const FORWARDED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// An answer of the proxy's own. Reused from exchange to exchange: filling it again keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    status: u16,
    fields: Vec<(&'static str, Range<usize>)>,
    values: Vec<u8>,
    /// Further fields as whole lines, from policies.
    lines: Vec<u8>,
    body: Vec<u8>,
}

/// What an answer with a [`Reason`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    /// Why the proxy answers.
    pub reason: Reason,
    /// The exchange's id, 32 hexadecimal digits.
    pub request_id: &'a str,
    /// The form of the body, from the request's `accept`.
    pub form: Form,
    /// A clause or a sentence that makes the reason precise ("a space stands before a colon"), or nothing. It is the
    /// same for every request that makes this mistake: it holds no bytes of the request and no address.
    pub detail: &'a str,
    /// Hosts (with their port where it matters) that would have been served: in `demo` and `dev` only, else empty.
    pub known_hosts: &'a [String],
    /// Seconds after which it makes sense to ask again; `None` takes the reason's own.
    pub retry_after: Option<u32>,
}

/// How an answer goes onto an HTTP/1 connection.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a> {
    /// The `date`, as [`Stamp::http_date`](crate::stamp::Stamp::http_date) gives it; empty leaves the field out.
    pub date: &'a [u8],
    /// The version of the request. HTTP/1.0 is told when its connection is kept.
    pub version: Version,
    /// Whether the connection is closed behind this answer.
    pub close: bool,
    /// Whether the request was a HEAD: the fields are those of a GET, the body stays away (RFC 9110 §9.3.2).
    pub head: bool,
}

impl Answer {
    /// Makes an empty answer, to be filled by one of the methods below.
    #[must_use]
    pub const fn new() -> Self {
        Self { status: 0, fields: Vec::new(), values: Vec::new(), lines: Vec::new(), body: Vec::new() }
    }

    /// Fills it with the explanation of a reason.
    pub fn explain(&mut self, what: &Explanation<'_>) {
        let reason = what.reason;
        if what.form == Form::Grpc {
            return self.explain_to_grpc(what);
        }
        self.start(reason.status(), reason.code(), what.request_id);
        self.push("content-type", what.form.content_type().as_bytes());
        self.push("cache-control", b"no-store");
        self.push("x-content-type-options", b"nosniff");
        if what.form == Form::Html {
            self.push("content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'");
        }
        if let Some(seconds) = what.retry_after.or(retry_after(reason)) {
            self.push("retry-after", seconds.to_string().as_bytes());
        }
        if reason == Reason::MethodNotAllowed {
            self.push("allow", FORWARDED_METHODS.as_bytes());
        }
        page::write(&mut self.body, what);
    }

    /// The same for gRPC: a status and a message, and nothing else.
    fn explain_to_grpc(&mut self, what: &Explanation<'_>) {
        self.start(200, what.reason.code(), what.request_id);
        self.push("content-type", grpc::CONTENT_TYPE.as_bytes());
        self.push("grpc-status", grpc::status(what.reason).as_bytes());
        let mut message = Vec::new();
        let sentence = if what.detail.is_empty() { words(what.reason).what } else { what.detail };
        grpc::message(&mut message, &[what.reason.code(), ": ", sentence]);
        self.push("grpc-message", &message);
    }

    /// Fills it with a `respond:` rule's text, exactly. `status` is 200–599.
    pub fn respond(&mut self, status: u16, text: &str, request_id: &str) {
        self.start(status, RESPOND, request_id);
        self.push("content-type", Form::Text.content_type().as_bytes());
        self.push("x-content-type-options", b"nosniff");
        self.body.extend_from_slice(text.as_bytes());
    }

    /// Fills it with an answer about the proxy itself, which nobody may keep.
    pub fn builtin(&mut self, status: u16, text: &str, content_type: &str, request_id: &str) {
        self.start(status, BUILTIN, request_id);
        self.push("content-type", content_type.as_bytes());
        self.push("cache-control", b"no-store");
        self.push("x-content-type-options", b"nosniff");
        self.body.extend_from_slice(text.as_bytes());
    }

    /// Fills it with a `redirect:` rule's answer. `status` is 301, 302, 303, 307 or 308.
    ///
    /// # Errors
    ///
    /// [`Reason::Internal`] where the location, which holds facts of the request, is no legal field value: a control
    /// byte in it could end the line (RFC 9110 §5.5). The answer is then unfinished; explain that reason instead.
    pub fn redirect(&mut self, status: u16, location: &[u8], request_id: &str) -> Result<(), Reason> {
        if location.iter().any(|byte| byte.is_ascii_control()) {
            return Err(Reason::Internal);
        }
        self.start(status, REDIRECT, request_id);
        self.push("location", location);
        self.push("content-type", Form::Text.content_type().as_bytes());
        self.body.extend_from_slice(phrase(status).as_bytes());
        self.body.push(b'\n');
        Ok(())
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Its fields in order, names in lower case, without those that frame the message.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let further =
            edits::lines(&self.lines).filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)));
        self.own_fields().chain(further)
    }

    fn own_fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (*name, self.values.get(value.clone()).unwrap_or_default()))
    }

    /// Gives it one more field, in the place of one of that name.
    pub fn set(&mut self, name: &'static str, value: &[u8]) {
        self.fields.retain(|(field, _)| *field != name);
        self.push(name, value);
    }

    /// Puts a page of the site's own in the place of the body.
    pub fn show(&mut self, page: &str) {
        self.fields.retain(|(field, _)| *field != "content-security-policy");
        self.body.clear();
        self.body.extend_from_slice(page.as_bytes());
    }

    /// Fills it with what `forward_auth` was answered: a status, whole lines, a body.
    pub fn pass_on(&mut self, status: u16, lines: &[u8], body: &[u8], request_id: &str) {
        self.start(status, FORWARD_AUTH, request_id);
        self.lines.extend_from_slice(lines);
        self.body.extend_from_slice(body);
    }

    /// Fills it with the answer to a preflight: 204, and these lines, each with its CRLF.
    pub fn preflight(&mut self, lines: &[u8], request_id: &str) {
        self.start(204, PREFLIGHT, request_id);
        self.lines.extend_from_slice(lines);
    }

    /// Does to it what the policies of a rule say of every answer. Reason and request id stay whatever they say.
    pub fn edit(&mut self, chain: &Chain, notes: &Notes) {
        let mut lines = std::mem::take(&mut self.lines);
        let has = |name: &[u8]| self.fields.iter().any(|(field, _)| field.as_bytes() == name);
        chain.edit_own(notes, has, &mut lines);
        self.fields.retain(|(field, _)| !chain.removes(field));
        self.lines = lines;
    }

    /// Its body, as a GET would receive it; empty where the status forbids one.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        if self.bodiless() { &[] } else { &self.body }
    }

    /// Appends it to `out` as a whole HTTP/1.1 message (RFC 9112 §4), framed by its length.
    pub fn write(&self, out: &mut Vec<u8>, wire: &Wire<'_>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(phrase(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        if !wire.date.is_empty() {
            write_field(out, "date", wire.date);
        }
        for (name, value) in self.fields() {
            write_field(out, name, value);
        }
        // A 204 has no length (RFC 9110 §8.6); that of a 304 would be another message's.
        if !self.bodiless() {
            write_field(out, "content-length", self.body.len().to_string().as_bytes());
        }
        if wire.close {
            write_field(out, "connection", b"close");
        } else if wire.version == Version::Http10 {
            write_field(out, "connection", b"keep-alive");
        }
        out.extend_from_slice(b"\r\n");
        if !wire.head {
            out.extend_from_slice(self.body());
        }
    }

    fn start(&mut self, status: u16, code: &str, request_id: &str) {
        self.status = status;
        self.fields.clear();
        self.values.clear();
        self.lines.clear();
        self.body.clear();
        self.push("x-switchboard-reason", code.as_bytes());
        self.push("x-request-id", request_id.as_bytes());
    }

    fn push(&mut self, name: &'static str, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.fields.push((name, start..self.values.len()));
    }

    const fn bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Seconds that `retry-after` gives where the caller knows nothing better: only where waiting helps by itself.
const fn retry_after(reason: Reason) -> Option<u32> {
    match reason {
        // Chosen: a second is long for a machine that sheds load and short for a person.
        Reason::RateLimited | Reason::NoEndpoint | Reason::Overloaded | Reason::Draining => Some(1),
        Reason::BadRequest
        | Reason::HeadTooLarge
        | Reason::TargetTooLong
        | Reason::BodyTooLarge
        | Reason::HeadTimeout
        | Reason::BodyTimeout
        | Reason::NoRoute
        | Reason::NoFile
        | Reason::PreconditionFailed
        | Reason::RangeNotSatisfiable
        | Reason::Misdirected
        | Reason::MethodNotAllowed
        | Reason::UnsupportedVersion
        | Reason::Denied
        | Reason::Uninspected
        | Reason::Unauthorized
        | Reason::Maintenance
        | Reason::ConnectRefused
        | Reason::ConnectTimeout
        | Reason::TlsFailed
        | Reason::UpstreamReset
        | Reason::UpstreamBadResponse
        | Reason::UpgradeFailed
        | Reason::ResponseTimeout
        | Reason::NotCached
        | Reason::Loop
        | Reason::ClientGone
        | Reason::MessageTooLong
        | Reason::FrameFault
        | Reason::TunnelIdle
        | Reason::TunnelAge
        | Reason::PeerDead
        | Reason::SlowPeer
        | Reason::FileChanged
        | Reason::Internal => None,
    }
}

#[cfg(test)]
mod tests;
