//! Whether an answer is compressed on its way to the client, and as what; and what its head says then.
//!
//! `exchange` asks once per answer of a rule that compresses. Never twice, never a part, never what says `no-transform`,
//! never what gains nothing; an event stream is left alone, since each of its events has to go at once.

use super::coding::{self, Accepted, Coding};
use crate::message::{Fields, Name};

/// What a rule compresses, compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compress {
    /// The codings that there are; of those that a client takes equally well, the first.
    pub algorithms: Vec<Coding>,
    /// Answers with fewer bytes stay as they are.
    pub min: u64,
    /// Answers that set cookies, and those to requests with `Authorization`, are compressed too. Where a page shows both
    /// a secret and what an attacker sends, lengths can give the secret away (BREACH).
    pub credentials: bool,
}

impl Default for Compress {
    fn default() -> Self {
        Self { algorithms: vec![Coding::Zstd, Coding::Brotli, Coding::Gzip], min: 1024, credentials: false }
    }
}

/// What is decided of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes as it is, and would whatever the client took.
    Never,
    /// Another client would have got it compressed: `Vary` says so.
    Identity,
    /// It is compressed.
    Encode(Coding),
}

/// What is asked of an answer besides its fields.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Its status.
    pub status: u16,
    /// The length that a GET would give, where it is known.
    pub length: Option<u64>,
    /// Whether the request carried `Authorization`.
    pub authorized: bool,
}

impl Compress {
    /// Decides on an answer whose fields stand in `bytes`.
    #[must_use]
    pub fn decide(&self, accepted: &Accepted, facts: &Facts, fields: &Fields, bytes: &[u8]) -> Decision {
        if !has_content(facts.status) || facts.length.is_some_and(|length| length < self.min) {
            return Decision::Never;
        }
        if !self.credentials && (facts.authorized || fields.named(Name::SetCookie).next().is_some()) {
            return Decision::Never;
        }
        let mut kind = false;
        for field in fields.all().iter().filter(|field| !field.dropped) {
            let value = field.value.of(bytes);
            match field.name_id {
                Name::ContentType => kind = is_compressible(value),
                Name::CacheControl if has_directive(value, b"no-transform") => return Decision::Never,
                Name::Other if forbids(field.name.of(bytes), value) => return Decision::Never,
                _ => {}
            }
        }
        if !kind {
            return Decision::Never;
        }
        match accepted.choose(self.algorithms.iter().copied()) {
            Coding::Identity => Decision::Identity,
            other => Decision::Encode(other),
        }
    }
}

/// Fields with which a body has to stay as it is: it is encoded already, a part, or vouched for byte by byte.
fn forbids(name: &[u8], value: &[u8]) -> bool {
    match name.len() {
        6 => name.eq_ignore_ascii_case(b"digest"),
        11 => name.eq_ignore_ascii_case(b"content-md5") || name.eq_ignore_ascii_case(b"repr-digest"),
        13 => name.eq_ignore_ascii_case(b"content-range"),
        14 => name.eq_ignore_ascii_case(b"content-digest"),
        16 => name.eq_ignore_ascii_case(b"content-encoding") && !value.eq_ignore_ascii_case(b"identity"),
        _ => false,
    }
}

const fn has_content(status: u16) -> bool {
    status >= 200 && !matches!(status, 204..=206 | 304)
}

/// Whether a list of directives has this one.
#[must_use]
pub fn has_directive(value: &[u8], directive: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(directive))
}

/// Whether a media type shrinks. Images, video and archives are compressed as they are; an event stream is not touched.
#[must_use]
pub fn is_compressible(content_type: &[u8]) -> bool {
    let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
    let Some(Ok(name)) = content_type.get(..end).map(|name| std::str::from_utf8(name.trim_ascii())) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    match name.split_once('/') {
        Some(("text", kind)) => kind != "event-stream",
        Some(("application", kind)) => matches_application(kind),
        Some(("image", kind)) => matches!(kind, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        Some(("font", kind)) => matches!(kind, "ttf" | "otf" | "collection" | "sfnt"),
        Some((_, kind)) => kind.ends_with("+json") || kind.ends_with("+xml"),
        None => false,
    }
}

fn matches_application(kind: &str) -> bool {
    kind.ends_with("+json")
        || kind.ends_with("+xml")
        || kind.ends_with("+yaml")
        || matches!(
            kind,
            "json"
                | "javascript"
                | "x-javascript"
                | "ecmascript"
                | "xml"
                | "wasm"
                | "x-ndjson"
                | "ndjson"
                | "jsonl"
                | "json-seq"
                | "yaml"
                | "x-yaml"
                | "toml"
                | "sql"
                | "graphql"
                | "rtf"
                | "vnd.ms-fontobject"
                | "x-font-ttf"
        )
}

/// Marks what an encoded body can't keep of its fields, and writes the lines that it gets behind `out`. With
/// [`Decision::Identity`] only `Vary` is said.
pub fn edit(decision: Decision, fields: &mut Fields, bytes: &[u8], out: &mut Vec<u8>) {
    if decision == Decision::Never {
        return;
    }
    let mut varies = false;
    for field in fields.all_mut().iter_mut().filter(|field| !field.dropped && field.name_id == Name::Other) {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        match (name.len(), decision) {
            (4, _) if name.eq_ignore_ascii_case(b"vary") => varies |= coding::varies([value]),
            (4, Decision::Encode(_)) if name.eq_ignore_ascii_case(b"etag") && value.starts_with(b"\"") => {
                field.dropped = true;
                line(out, b"etag: W/", value);
            }
            (13, Decision::Encode(_)) if name.eq_ignore_ascii_case(b"accept-ranges") => field.dropped = true,
            (16, Decision::Encode(_)) if name.eq_ignore_ascii_case(b"content-encoding") => field.dropped = true,
            _ => {}
        }
    }
    if !varies {
        line(out, b"vary: ", b"accept-encoding");
    }
    if let Decision::Encode(coding) = decision {
        line(out, b"content-encoding: ", coding.token().as_bytes());
    }
}

/// What a 304 says to a client that has the encoded form: the tag that it knows it by (RFC 9110 §15.4.5). `known` are
/// the lines of its `If-None-Match`.
pub fn edit_known<'a>(known: impl IntoIterator<Item = &'a [u8]>, fields: &mut Fields, bytes: &[u8], out: &mut Vec<u8>) {
    let is_tag = |field: &&mut crate::message::Field| {
        !field.dropped && field.name.of(bytes).eq_ignore_ascii_case(b"etag") && field.value.of(bytes).starts_with(b"\"")
    };
    let Some(field) = fields.all_mut().iter_mut().find(is_tag) else { return };
    let weak = [b"W/", field.value.of(bytes)].concat();
    let holds = |line: &[u8]| line.windows(weak.len()).any(|part| part == weak);
    if known.into_iter().any(holds) {
        field.dropped = true;
        line(out, b"etag: ", &weak);
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
