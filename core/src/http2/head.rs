//! Writes the head of a stream into the form in which all versions meet, and refuses what RFC 9113 §8 forbids.
//!
//! The proxy calls it with what its frame layer hands out: names in lower case, pseudo-fields apart. A refusal is a
//! stream error; nothing of such a message goes on.

use crate::http1::scan::{lower_token_end, value_end};
use crate::http1::{Framing, RequestHead, ResponseHead};
use crate::message::{Field, Fields, Name, Span, Version};

/// What makes a message malformed (RFC 9113 §8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A field of HTTP/1 connections, or `TE` that says more than `trailers` (§8.2.2).
    ConnectionField,
    /// A name that is no token in lower case (§8.2.1).
    Name,
    /// A value with white space at an end, or with a control character (§8.2.1).
    Value,
    /// A pseudo-field that is unknown, twice there, or not in front (§8.3).
    Pseudo,
    /// No method, or one that is no token (§8.3.1).
    Method,
    /// No status, or none that may be (§8.3.2).
    Status,
    /// `:authority` and `Host` that differ, several `Host`, or none of both (§8.3.1).
    Authority,
    /// A path that is missing, does not begin with a slash, or has what a target may not have (§8.3.1).
    Path,
    /// A scheme other than that of the connection (§8.3.1).
    Scheme,
    /// A length that is no number, differs from another one, or from what came (§8.1.1).
    Length,
    /// An extended CONNECT for another protocol than WebSocket (RFC 8441 §4).
    Protocol,
    /// More fields than `limits.fields`, crumbs of cookies counted too (§10.5.1).
    TooLarge,
}

/// A head that is being written: `out` gets lines as HTTP/1 would have them, `fields` their places.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut Vec<u8>,
    fields: Fields,
    cookie: Vec<u8>,
    length: Option<u64>,
    /// How many fields more there may be.
    left: usize,
}

impl<'a> Builder<'a> {
    /// Begins the head of a request with at most `most` fields. `out` is emptied.
    pub fn request(out: &'a mut Vec<u8>, head: &mut RequestHead, method: &[u8], target: &[u8], most: usize) -> Self {
        out.clear();
        head.clear();
        head.version = Version::Http2;
        head.keep_alive = true;
        head.method = push(out, method);
        out.push(b' ');
        head.target = push(out, target);
        out.extend_from_slice(b" HTTP/2.0\r\n");
        Self { out, fields: std::mem::take(&mut head.fields), cookie: Vec::new(), length: None, left: most }
    }

    /// Begins the head of an answer with at most `most` fields. `out` is emptied.
    pub fn answer(out: &'a mut Vec<u8>, head: &mut ResponseHead, status: u16, most: usize) -> Self {
        out.clear();
        head.clear();
        head.version = Version::Http2;
        head.status = status;
        head.keep_alive = true;
        out.extend_from_slice(b"HTTP/2.0\r\n");
        Self { out, fields: std::mem::take(&mut head.fields), cookie: Vec::new(), length: None, left: most }
    }

    /// Adds a field that a peer sent.
    ///
    /// # Errors
    /// What may not be in HTTP/2.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.known_field(Name::find(name), name, value)
    }

    /// As [`Builder::field`], where the name has been looked up.
    ///
    /// # Errors
    /// The same.
    pub fn known_field(&mut self, known: Name, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.left = self.left.checked_sub(1).ok_or(Malformed::TooLarge)?;
        Self::check(known, name, value)?;
        match known {
            // Crumbs are one field to HTTP/1 (§8.2.3); what stands first keeps its place.
            Name::Cookie => {
                if !self.cookie.is_empty() {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
                return Ok(());
            }
            Name::ContentLength => {
                let length = number(value).ok_or(Malformed::Length)?;
                // Two that are the same are two still (case 93).
                if self.length.replace(length).is_some() {
                    return Err(Malformed::Length);
                }
            }
            _ => {}
        }
        self.line(known, name, value);
        Ok(())
    }

    /// Whether a field may be in HTTP/2, as head or as trailer.
    pub(super) fn check(known: Name, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        // Known names too: they are found in any case.
        if name.is_empty() || lower_token_end(name) < name.len() {
            let pseudo = name.first() == Some(&b':');
            return Err(if pseudo { Malformed::Pseudo } else { Malformed::Name });
        }
        if matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t']) || value_end(value, 0) < value.len() {
            return Err(Malformed::Value);
        }
        match known {
            _ if super::is_of_http1(known) => Err(Malformed::ConnectionField),
            Name::Te if !value.eq_ignore_ascii_case(b"trailers") => Err(Malformed::ConnectionField),
            _ => Ok(()),
        }
    }

    /// The length that the fields so far declare.
    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Adds a line that nobody has to be asked about.
    pub fn line(&mut self, known: Name, name: &[u8], value: &[u8]) {
        let start = self.out.len();
        let name = push(self.out, name);
        self.out.extend_from_slice(b": ");
        let value = push(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        let line = Span { start: at(start), end: at(self.out.len()) };
        self.fields.push(Field { name_id: known, name, value, line, dropped: false });
    }

    /// Ends the head of a request; `ended` where no frame follows it.
    pub fn finish_request(mut self, head: &mut RequestHead, ended: bool) {
        head.fields = self.end();
        head.framing = if ended { Framing::None } else { Framing::Frames(self.length) };
        head.expect_continue =
            head.fields.named(Name::Expect).any(|field| field.value.of(self.out).eq_ignore_ascii_case(b"100-continue"));
        head.len = self.out.len();
    }

    /// Ends the head of an answer; `ended` where no frame follows it.
    pub fn finish_answer(mut self, head: &mut ResponseHead, ended: bool) {
        head.fields = self.end();
        head.frames = Some(if ended { Framing::Length(0) } else { Framing::Frames(self.length) });
        head.len = self.out.len();
    }

    fn end(&mut self) -> Fields {
        if !self.cookie.is_empty() {
            let cookie = std::mem::take(&mut self.cookie);
            self.line(Name::Cookie, b"cookie", &cookie);
        }
        self.out.extend_from_slice(b"\r\n");
        std::mem::take(&mut self.fields)
    }
}

/// Appends bytes and tells where they lie.
fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = at(out.len());
    out.extend_from_slice(bytes);
    Span { start, end: at(out.len()) }
}

/// A place in a head, which the frame layer's limit keeps far below 4 GiB.
fn at(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    i64::try_from(value).is_ok().then_some(value)
}
