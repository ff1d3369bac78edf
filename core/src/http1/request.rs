//! Request heads: the request line, the fields, and what they say about body and connection (RFC 9112 §3, §5, §6).
//!
//! Listeners keep one per connection while it reads and clear it between messages. Host, target and hop-by-hop rules are
//! the business of `target` and `forwarding`, not of this file.

use super::fields::{Facts, Line, Lines};
use super::scan::{method_end, span, target_end};
use super::{Framing, HeadError, HeadLimits, Progress, version};
use crate::message::{Fields, Span, Version};

/// No registered method comes near it (RFC 9110 §16.1; the longest has 17).
const MAX_METHOD: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Start,
    Method,
    Target,
    Version,
    Fields,
    Done,
}

/// A request head. The spans refer to the bytes given to [`RequestHead::parse`].
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method, a token of at most 32 bytes, as written: `get` is not `GET`.
    pub method: Span,
    /// The request target as written: printable ASCII, not empty.
    pub target: Span,
    /// The version; 1.2 to 1.9 count as 1.1.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes of the head with its blank line, and with a tolerated CRLF in front.
    pub len: usize,
    /// How the body ends: never [`Framing::Close`]; [`Framing::Frames`] where HTTP/2 brought it.
    pub framing: Framing,
    /// Whether the client would send another request on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for 100 before it sends the body. Never in HTTP/1.0 (RFC 9110 §10.1.1).
    pub expect_continue: bool,
    /// Whether `Connection: upgrade` and `Upgrade` are both there, in whatever version.
    pub upgrade: bool,
    /// Whether `Content-Length` had leading zeros. Its line is marked as dropped: who forwards the head writes the number
    /// of `framing` instead.
    pub length_dropped: bool,
    stage: Stage,
    /// Where the part of the request line at hand begins, and the next byte to look at.
    mark: usize,
    at: usize,
    lines: Lines,
    facts: Facts,
}

impl RequestHead {
    /// Makes it ready for the next message and keeps its memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Parses as much as there is of a head. `bytes` begins where the head does (or at the CRLF in front of it) and grows
    /// from call to call; what was scanned before is not scanned again. Bytes behind the head are not looked at.
    ///
    /// # Errors
    /// The first thing that is wrong. The connection can't be used further: where the head ends is unknown.
    pub fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        let most = limits.head.min(u32::MAX as usize);
        let window = bytes.get(..most).unwrap_or(bytes);
        match self.advance(window, limits)? {
            Progress::Partial if bytes.len() >= most => Err(HeadError::HeadTooLarge),
            progress => Ok(progress),
        }
    }

    #[inline]
    fn advance(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        if !matches!(self.stage, Stage::Fields | Stage::Done) && !self.request_line(bytes, limits)? {
            return Ok(Progress::Partial);
        }
        if let Stage::Fields = self.stage {
            loop {
                match self.lines.next(bytes, limits, &mut self.fields)? {
                    Line::Partial => return Ok(Progress::Partial),
                    Line::Field => self.facts.note_last(&mut self.fields, bytes)?,
                    Line::End => break,
                }
            }
            self.finish(bytes)?;
        }
        Ok(Progress::Complete)
    }

    /// Goes through the parts of the request line; false where the bytes end before its LF.
    fn request_line(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, HeadError> {
        if let Stage::Start = self.stage {
            let Some(start) = start(bytes)? else { return Ok(false) };
            self.mark = start;
            self.at = start;
            self.stage = Stage::Method;
        }
        if let Stage::Method = self.stage {
            self.at = method_end(bytes, self.at);
            let (from, to) = (self.mark, self.at);
            match bytes.get(to) {
                _ if to - from > MAX_METHOD => return Err(HeadError::MethodTooLong),
                None => return Ok(false),
                Some(b' ') if to > from => {}
                Some(_) => return Err(HeadError::BadMethod),
            }
            self.method = span(from, to);
            self.mark = to + 1;
            self.at = to + 1;
            self.stage = Stage::Target;
        }
        if let Stage::Target = self.stage {
            self.at = target_end(bytes, self.at);
            let (from, to) = (self.mark, self.at);
            match bytes.get(to) {
                _ if to - from > limits.target => return Err(HeadError::TargetTooLong),
                None => return Ok(false),
                Some(b' ') if to > from => {}
                Some(b' ') => return Err(HeadError::DoubleSpace),
                Some(b'\r' | b'\n') => return Err(HeadError::NoVersion),
                Some(_) => return Err(HeadError::BadTarget),
            }
            self.target = span(from, to);
            self.mark = to + 1;
            self.stage = Stage::Version;
        }
        let rest = bytes.get(self.mark..).unwrap_or_default();
        let Some(version) = version::of_request(rest)? else { return Ok(false) };
        self.version = version;
        self.lines = Lines::start(self.mark + version::REQUEST_LEN);
        self.stage = Stage::Fields;
        Ok(true)
    }

    fn finish(&mut self, bytes: &[u8]) -> Result<(), HeadError> {
        if self.facts.bad_option {
            return Err(HeadError::BadConnection);
        }
        self.len = self.lines.position();
        self.framing = self.facts.framing(self.version, Framing::None)?;
        self.keep_alive = self.facts.keep_alive(self.version);
        self.expect_continue = self.facts.expect_continue && self.version == Version::Http11;
        self.upgrade = self.facts.upgrade();
        self.length_dropped = self.facts.length_dropped;
        // A body of HTTP/1.0 that has no length may follow all the same: nothing behind it is a request (case 13).
        let bodiless = matches!(self.method.of(bytes), b"GET" | b"HEAD");
        if self.version == Version::Http10 && self.framing == Framing::None && !bodiless {
            self.keep_alive = false;
        }
        self.stage = Stage::Done;
        Ok(())
    }
}

/// Where the method begins: behind one CRLF at most (RFC 9112 §2.2). `None` where the bytes don't show it yet.
fn start(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    match *bytes {
        [] | [b'\r'] | [0x16] | [b'\r', b'\n'] => Ok(None),
        [0x16, 0x03, ..] => Err(HeadError::Tls),
        [b'\r', b'\n', b'\r' | b'\n', ..] => Err(HeadError::LeadingBlankLines),
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\r', ..] => Err(HeadError::BareCr),
        [b'\n', ..] => Err(HeadError::BareLf),
        [..] => Ok(Some(0)),
    }
}
