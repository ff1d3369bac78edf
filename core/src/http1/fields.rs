//! Field lines, as heads and trailer sections share them, and what the codec itself reads in them.
//!
//! `Lines` is the syntax: a cursor that goes on where it stopped. `Facts` is the meaning: framing and connection options.

use super::scan::{is_token, span, token_end, trimmed, value_end};
use super::{Framing, HeadError, HeadLimits};
use crate::message::{Field, Fields, Name, Span, Version};

/// How many options Connection may name in all its lines (case 66). No client that we know sends more than four.
const MAX_CONNECTION_OPTIONS: u8 = 32;

/// What the scan of field lines met.
#[derive(Debug)]
pub(super) enum Line {
    /// The bytes end within a line.
    Partial,
    /// A whole line; its field was added to the list.
    Field,
    /// The blank line; the cursor stands behind it.
    End,
}

/// Where the scan of field lines stands. What it has seen it does not look at again.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The next byte to look at.
    at: usize,
    /// Where the line at hand begins.
    line: usize,
    /// Where its colon is; 0 while it has not come (a name stands before it).
    colon: usize,
    count: usize,
}

impl Lines {
    /// Starts at a byte of the buffer: behind the first line of a head.
    pub(super) fn start(at: usize) -> Self {
        Self { at, line: at, colon: 0, count: 0 }
    }

    /// Where the next line begins; behind the blank line once that has come. Not within a line.
    pub(super) fn position(&self) -> usize {
        self.line
    }

    /// Goes back to where a line began, because that line was cut out of the buffer. It still counts.
    pub(super) fn rewind(&mut self, line: usize) {
        *self = Self { count: self.count, ..Self::start(line) };
    }

    /// Scans up to the next line end.
    ///
    /// Limits come before syntax, so that the verdict doesn't depend on how the bytes were split. A line that is there
    /// whole goes straight through; whatever else is found is judged out of line.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &[u8], limits: &HeadLimits, fields: &mut Fields) -> Result<Line, HeadError> {
        let Self { mut at, line, mut colon, count } = *self;
        if at == line {
            match bytes.get(at) {
                None | Some(b'\r' | b'\n' | b' ' | b'\t') => return self.blank(bytes),
                Some(_) if count >= limits.fields => return Err(HeadError::TooManyFields),
                Some(_) => {}
            }
        }
        if colon == 0 {
            at = token_end(bytes, at);
            if at == line || bytes.get(at) != Some(&b':') {
                self.at = at;
                return self.stopped_in_name(bytes, limits);
            }
            colon = at;
            at += 1;
        }
        at = value_end(bytes, at);
        let end = at + 2;
        if end - line > limits.field || bytes.get(at..end) != Some(b"\r\n") {
            (self.at, self.colon) = (at, colon);
            return self.stopped_in_value(bytes, limits);
        }
        *self = Self { at: end, line: end, colon: 0, count: count + 1 };
        let name = span(line, colon);
        fields.push(Field {
            name_id: Name::find(name.of(bytes)),
            name,
            value: trimmed(bytes, colon + 1, at),
            line: span(line, end),
            dropped: false,
        });
        Ok(Line::Field)
    }

    /// Judges a line that begins with white space or a line end, or has not begun.
    fn blank(&mut self, bytes: &[u8]) -> Result<Line, HeadError> {
        match (bytes.get(self.at), bytes.get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                *self = Self { count: self.count, ..Self::start(self.at + 2) };
                Ok(Line::End)
            }
            (None | Some(b'\r'), None) => Ok(Line::Partial),
            (Some(b'\r'), _) => Err(HeadError::BareCr),
            (Some(b'\n'), _) => Err(HeadError::BareLf),
            (_, _) if self.count == 0 => Err(HeadError::SpaceBeforeFirstField),
            (_, _) => Err(HeadError::ObsFold),
        }
    }

    #[cold]
    fn stopped_in_name(&self, bytes: &[u8], limits: &HeadLimits) -> Result<Line, HeadError> {
        self.check_length(limits)?;
        match bytes.get(self.at) {
            None => Ok(Line::Partial),
            Some(b':') => Err(HeadError::EmptyName),
            Some(b' ' | b'\t') => Err(HeadError::SpaceBeforeColon),
            Some(b'\r' | b'\n') => Err(HeadError::NoColon),
            Some(_) => Err(HeadError::BadName),
        }
    }

    #[cold]
    fn stopped_in_value(&self, bytes: &[u8], limits: &HeadLimits) -> Result<Line, HeadError> {
        self.check_length(limits)?;
        match (bytes.get(self.at), bytes.get(self.at + 1)) {
            (None | Some(b'\r'), None) => Ok(Line::Partial),
            (Some(b'\r'), _) => Err(HeadError::BareCr),
            (Some(b'\n'), _) => Err(HeadError::BareLf),
            (_, _) => Err(HeadError::BadValue),
        }
    }

    /// The cursor stands where at least CRLF has still to come.
    fn check_length(&self, limits: &HeadLimits) -> Result<(), HeadError> {
        if self.at + 2 - self.line > limits.field { Err(HeadError::FieldTooLong) } else { Ok(()) }
    }
}

/// What the codec reads in the fields of a head: framing (RFC 9112 §6) and connection options (RFC 9110 §7.6.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    options: u8,
    /// Whether some connection option is no token.
    pub(super) bad_option: bool,
    /// `Expect: 100-continue`
    pub(super) expect_continue: bool,
    /// A Content-Length with leading zeros; its line was marked as dropped.
    pub(super) length_dropped: bool,
}

impl Facts {
    /// Reads the last field if it is one that framing or the connection depend on; refuses it as soon as it is wrong.
    #[inline(always)]
    pub(super) fn note_last(&mut self, fields: &mut Fields, bytes: &[u8]) -> Result<(), HeadError> {
        let Some(field) = fields.all_mut().last_mut() else { return Ok(()) };
        match field.name_id {
            Name::ContentLength => self.note_length(field, bytes),
            Name::TransferEncoding => self.note_transfer_encoding(field.value.of(bytes)),
            Name::Connection => self.note_connection(field.value, bytes),
            Name::Upgrade => {
                self.upgrade_field = true;
                Ok(())
            }
            Name::Expect => {
                self.expect_continue |= field.value.of(bytes).eq_ignore_ascii_case(b"100-continue");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The framing of a message that may have a body; `otherwise` where no field says it.
    pub(super) fn framing(&self, version: Version, otherwise: Framing) -> Result<Framing, HeadError> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(HeadError::LengthAndTransferEncoding),
            (None, true) if version == Version::Http10 => Err(HeadError::TransferEncodingIn10),
            (None, true) => Ok(Framing::Chunked),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, false) => Ok(otherwise),
        }
    }

    /// Whether the sender would keep the connection (RFC 9112 §9.3). `close` wins over `keep-alive`.
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    /// Whether `Connection: upgrade` and `Upgrade` are both there.
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade_option && self.upgrade_field
    }

    fn note_length(&mut self, field: &mut Field, bytes: &[u8]) -> Result<(), HeadError> {
        let text = field.value.of(bytes);
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::BadLength);
        }
        // 19 digits always fit in 64 bits, so the sum can't overflow.
        if text.len() > 19 {
            return Err(HeadError::LengthTooLarge);
        }
        let length = text.iter().fold(0_u64, |n, b| n * 10 + u64::from(b - b'0'));
        if i64::try_from(length).is_err() {
            return Err(HeadError::LengthTooLarge);
        }
        if self.length.replace(length).is_some() {
            return Err(HeadError::RepeatedLength);
        }
        // `007` means 7 to us; no other reader shall be asked what it thinks (case 7).
        if text.len() > 1 && text.first() == Some(&b'0') {
            field.dropped = true;
            self.length_dropped = true;
        }
        Ok(())
    }

    fn note_transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.chunked {
            return Err(HeadError::RepeatedTransferEncoding);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::BadTransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// Empty elements are ignored, as RFC 9110 §5.6.1 asks, but they count.
    fn note_connection(&mut self, value: Span, bytes: &[u8]) -> Result<(), HeadError> {
        // What nearly all say; the loop would come to the same.
        if value.of(bytes) == b"keep-alive" && self.options < MAX_CONNECTION_OPTIONS {
            self.options += 1;
            self.keep_alive = true;
            return Ok(());
        }
        for option in value.of(bytes).split(|&b| b == b',') {
            self.options = self.options.saturating_add(1);
            if self.options > MAX_CONNECTION_OPTIONS {
                return Err(HeadError::TooManyConnectionOptions);
            }
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
            self.bad_option |= !option.is_empty() && !is_token(option);
        }
        Ok(())
    }
}
