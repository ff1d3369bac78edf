//! `Vary`: which fields of a request an answer was chosen by, and whether another request would get the same
//! (RFC 9111 §4.1).
//!
//! Values are compared in a normal form that keeps their meaning: lists as one line without white space around commas;
//! `Accept-Encoding` as the set of what is acceptable; languages without case.

use super::lines;
use crate::message::Fields;

/// Fields that the proxy itself writes for an upstream: what a client sends of them is not what the answer was chosen by,
/// so that an answer that varies by one can't be told from another (case 135).
const OURS: &[&[u8]] = &[
    b"*",
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-real-ip",
    b"x-request-id",
];

/// Names that `Vary` may hold at most. Chosen: more than any sensible answer has.
const MOST_NAMES: usize = 16;

/// A field that an answer was chosen by: its name in lower case, and the request's value in its normal form.
pub type Chosen = (Box<[u8]>, Box<[u8]>);

/// What an answer was chosen by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vary(Vec<Chosen>);

/// The answer was chosen by something that no request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknowable;

impl Vary {
    /// Reads which fields an answer was chosen by, and what the request says of each.
    ///
    /// # Errors
    /// Where that can't be known: `*`, a field that the proxy writes, a name that is none, over 16 names.
    pub fn read(answer: (&Fields, &[u8]), request: (&Fields, &[u8])) -> Result<Self, Unknowable> {
        let mut by: Vec<Chosen> = Vec::new();
        for line in lines(answer.0, answer.1, b"vary") {
            for name in line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
                let name = name.to_ascii_lowercase().into_boxed_slice();
                if OURS.contains(&&*name) || by.len() == MOST_NAMES || !name.iter().all(u8::is_ascii_graphic) {
                    return Err(Unknowable);
                }
                if by.iter().all(|(known, _)| *known != name) {
                    let mut value = Vec::new();
                    normal(&name, request, &mut value);
                    by.push((name, value.into_boxed_slice()));
                }
            }
        }
        Ok(Self(by))
    }

    /// The same and what another was chosen by, for the same request: a later head may tell answers further apart, but
    /// one that has forgotten a field makes nobody's answer everybody's.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        let more = other.0.iter().filter(|(name, _)| self.0.iter().all(|(known, _)| known != name));
        let more: Vec<Chosen> = more.cloned().collect();
        self.0.extend(more);
        self
    }

    /// Makes it of what [`Vary::parts`] gave.
    #[must_use]
    pub fn from_parts(parts: Vec<Chosen>) -> Self {
        Self(parts)
    }

    /// The names, lower case, each with the request's value in its normal form.
    #[must_use]
    pub fn parts(&self) -> &[Chosen] {
        &self.0
    }

    /// Whether the answer would be chosen for this request too. `scratch` is lent for the call.
    #[must_use]
    pub fn fits(&self, request: (&Fields, &[u8]), scratch: &mut Vec<u8>) -> bool {
        self.0.iter().all(|(name, value)| {
            scratch.clear();
            normal(name, request, scratch);
            *scratch == **value
        })
    }
}

impl Vary {
    /// Writes what another request says of the same fields: two that are alike in it would be given the same.
    pub fn chosen(&self, request: (&Fields, &[u8]), out: &mut Vec<u8>) {
        for (name, _) in &self.0 {
            normal(name, request, out);
            out.push(b'\n');
        }
    }
}

/// Writes the normal form of a field of the request. One that is not there differs from one that is empty.
fn normal(name: &[u8], (fields, bytes): (&Fields, &[u8]), out: &mut Vec<u8>) {
    let mut values = lines(fields, bytes, name).peekable();
    if values.peek().is_none() {
        return;
    }
    out.push(b':');
    match name {
        b"accept-encoding" => encodings(values, out),
        b"accept-language" | b"accept-charset" => {
            let start = out.len();
            list(values, out);
            out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        }
        _ => list(values, out),
    }
}

/// One list of the lines' members, without the white space around commas. What is in quotes stays as it is.
fn list<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let (mut quoted, mut start) = (false, out.len());
        for byte in value.trim_ascii() {
            quoted ^= *byte == b'"';
            match byte {
                b',' if !quoted => {
                    trim_end(out, start);
                    out.push(b',');
                    start = out.len();
                }
                b' ' | b'\t' if !quoted && out.len() == start => {}
                byte => out.push(*byte),
            }
        }
        trim_end(out, start);
    }
}

fn trim_end(out: &mut Vec<u8>, start: usize) {
    while out.len() > start && matches!(out.last(), Some(b' ' | b'\t')) {
        out.pop();
    }
}

/// The codings that are acceptable, in alphabetical order; weights only say which is liked best, and any will do. Of
/// those that are not (`q=0`) only `identity` and `*` say more than their absence does.
fn encodings<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut codings: Vec<Vec<u8>> = Vec::new();
    for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let mut coding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(is_zero);
        if coding == b"x-gzip" {
            coding = b"gzip".to_vec();
        }
        match (refused, coding.as_slice()) {
            (_, b"") => continue,
            (true, b"identity" | b"*") => coding.extend_from_slice(b";q=0"),
            (true, _) => continue,
            // Always acceptable unless refused.
            (false, b"identity") => continue,
            (false, _) => {}
        }
        codings.push(coding);
    }
    codings.sort_unstable();
    codings.dedup();
    out.extend_from_slice(&codings.join(&b','));
}

/// Whether a parameter is a weight of nothing: `q=0`, `q=0.000`.
fn is_zero(parameter: &[u8]) -> bool {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
    value.is_some_and(|value| value.first() == Some(&b'0') && value.iter().all(|byte| matches!(byte, b'0' | b'.')))
}
