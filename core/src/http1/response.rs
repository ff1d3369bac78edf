//! Response heads: the status line, the fields, and what they say about body and connection (RFC 9112 §4, §5, §6).
//!
//! Upstream connections keep one and clear it between messages, interim answers included. Every error of it is
//! `upstream_bad_response`; the framing also needs the method of the request, so it is asked for afterwards.

use super::fields::{Facts, Line, Lines};
use super::scan::{span, value_end};
use super::{Framing, HeadError, HeadLimits, Progress, version};
use crate::message::{Fields, Span, Version};

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Status,
    Reason,
    Fields,
    Done,
}

/// A response head. A connection option that is no token doesn't count against it: servers that add their own are about,
/// and nothing can be hidden that way. The spans refer to the bytes given to [`ResponseHead::parse`].
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase as written; often empty.
    pub reason: Span,
    /// The version; 1.2 to 1.9 count as 1.1.
    pub version: Version,
    /// The field lines.
    pub fields: Fields,
    /// Bytes of the head with its blank line.
    pub len: usize,
    /// Whether the server would take another request on this connection, were the body to end by itself.
    pub keep_alive: bool,
    /// Whether `Connection: upgrade` and `Upgrade` are both there.
    pub upgrade: bool,
    /// Whether `Content-Length` had leading zeros. Its line is marked as dropped: who forwards the head writes the number
    /// itself.
    pub length_dropped: bool,
    /// How the body ends where HTTP/2 brought the head; `None` for a head that was parsed.
    pub frames: Option<Framing>,
    stage: Stage,
    /// The next byte of the status line to look at.
    at: usize,
    lines: Lines,
    facts: Facts,
}

impl ResponseHead {
    /// Makes it ready for the next message and keeps its memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Parses as much as there is of a head. `bytes` begins where the head does and grows from call to call; what was
    /// scanned before is not scanned again. Bytes behind the head are not looked at. `limits.target` plays no part.
    ///
    /// # Errors
    /// The first thing that is wrong. The connection can't be used further.
    pub fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        let most = limits.head.min(u32::MAX as usize);
        let window = bytes.get(..most).unwrap_or(bytes);
        match self.advance(window, limits)? {
            Progress::Partial if bytes.len() >= most => Err(HeadError::HeadTooLarge),
            progress => Ok(progress),
        }
    }

    /// How the body ends, given the method of the request (RFC 9112 §6.3). An answer to HEAD, and 1xx, 204 and 304, has
    /// no body whatever its fields say; an answer that says nothing goes on until the connection is closed.
    ///
    /// # Errors
    /// The fields contradict each other or the version. [`ResponseHead::parse`] has refused those already, so that this
    /// fails only on a head that was never parsed whole.
    pub fn framing(&self, request_method: &[u8]) -> Result<Framing, HeadError> {
        let framing = match self.frames {
            Some(frames) => frames,
            None => self.facts.framing(self.version, Framing::Close)?,
        };
        if request_method == b"HEAD" || self.is_bodiless() || self.status == 304 {
            return Ok(Framing::None);
        }
        Ok(framing)
    }

    #[inline]
    fn advance(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        if matches!(self.stage, Stage::Status | Stage::Reason) && !self.status_line(bytes, limits)? {
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
            self.finish()?;
        }
        Ok(Progress::Complete)
    }

    /// Goes through the parts of the status line; false where the bytes end before its LF.
    fn status_line(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, HeadError> {
        if let Stage::Status = self.stage {
            let Some(version) = version::read(bytes, HeadError::BadStatusLine)? else { return Ok(false) };
            let Some(status) = status(bytes.get(version::LEN..).unwrap_or_default())? else { return Ok(false) };
            self.version = version;
            self.status = status;
            self.at = version::LEN + 4;
            self.stage = Stage::Reason;
        }
        // RFC 9112 §4 wants a space even before an empty phrase; servers leave it out, and nothing can be misread.
        let phrase = version::LEN + 4;
        match bytes.get(phrase) {
            None => return Ok(false),
            Some(b' ' | b'\r' | b'\n') => {}
            Some(_) => return Err(HeadError::BadStatusLine),
        }
        self.at = value_end(bytes, self.at);
        let end = self.at;
        match (bytes.get(end), bytes.get(end + 1)) {
            _ if end + 2 > limits.field => return Err(HeadError::FieldTooLong),
            (Some(b'\r'), Some(b'\n')) => {}
            (None | Some(b'\r'), None) => return Ok(false),
            (Some(b'\r'), _) => return Err(HeadError::BareCr),
            (Some(b'\n'), _) => return Err(HeadError::BareLf),
            (_, _) => return Err(HeadError::BadReason),
        }
        self.reason = span(end.min(phrase + 1), end);
        self.lines = Lines::start(end + 2);
        self.stage = Stage::Fields;
        Ok(true)
    }

    fn finish(&mut self) -> Result<(), HeadError> {
        self.len = self.lines.position();
        let framing = self.facts.framing(self.version, Framing::Close)?;
        self.keep_alive = self.facts.keep_alive(self.version);
        self.upgrade = self.facts.upgrade();
        self.length_dropped = self.facts.length_dropped;
        // A server that frames a body where none can be may well send one: its connection is not trusted again.
        if self.is_bodiless() && !matches!(framing, Framing::Close | Framing::Length(0)) {
            self.keep_alive = false;
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Whether the status alone rules a body and its framing out. 304 may carry the length that a 200 would have.
    fn is_bodiless(&self) -> bool {
        matches!(self.status, 100..=199 | 204)
    }
}

/// Reads a space and three digits at the start of `rest`; `None` where more bytes are needed.
fn status(rest: &[u8]) -> Result<Option<u16>, HeadError> {
    const FORM: &[u8; 4] = b" 100";
    if let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] = *rest {
        return Ok(Some([a, b, c].iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0'))));
    }
    for (&byte, &least) in rest.iter().zip(FORM) {
        let fits = if least == b' ' { byte == b' ' } else { (least..=b'9').contains(&byte) };
        if !fits {
            return Err(HeadError::BadStatusLine);
        }
    }
    Ok(None)
}
