//! Field lines, as heads and trailer sections share them, and what the codec itself reads in them.
//!
//! `Lines` is the syntax: a cursor that goes on where it stopped. `Facts` is the meaning: framing and connection options.

use super::scan::{is_token, span, token_end, trimmed, value_end};
use super::{Framing, HeadError, HeadLimits};
use crate::message::{Field, Name, Span, Version};

/// How many options Connection may name in all its lines (case 66). No client that we know sends more than four.
const MAX_CONNECTION_OPTIONS: u8 = 32;

/// What the scan of field lines met.
#[derive(Debug)]
pub(super) enum Line {
    /// The bytes end within a line.
    Partial,
    /// A whole line.
    Field(Field),
    /// The blank line; the cursor stands behind it.
    End,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Start,
    Name,
    Value,
}

/// Where the scan of field lines stands. What it has seen it does not look at again.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The next byte to look at.
    pub(super) at: usize,
    line: usize,
    colon: usize,
    count: usize,
    stage: Stage,
}

impl Lines {
    /// Starts at a byte of the buffer: behind the first line of a head.
    pub(super) fn start(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    /// Scans up to the next line end.
    ///
    /// Limits come before syntax, so that the verdict doesn't depend on how the bytes were split.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Line, HeadError> {
        if let Stage::Start = self.stage {
            match bytes.get(self.at) {
                None => return Ok(Line::Partial),
                Some(b'\r') => return self.end(bytes),
                Some(b'\n') => return Err(HeadError::BareLf),
                Some(b' ' | b'\t') if self.count == 0 => return Err(HeadError::SpaceBeforeFirstField),
                Some(b' ' | b'\t') => return Err(HeadError::ObsFold),
                Some(_) if self.count >= limits.fields => return Err(HeadError::TooManyFields),
                Some(_) => {
                    self.line = self.at;
                    self.stage = Stage::Name;
                }
            }
        }
        if let Stage::Name = self.stage {
            self.at = token_end(bytes, self.at);
            self.check_length(limits)?;
            match bytes.get(self.at) {
                None => return Ok(Line::Partial),
                Some(b':') if self.at == self.line => return Err(HeadError::EmptyName),
                Some(b':') => {
                    self.colon = self.at;
                    self.at += 1;
                    self.stage = Stage::Value;
                }
                Some(b' ' | b'\t') => return Err(HeadError::SpaceBeforeColon),
                Some(b'\r' | b'\n') => return Err(HeadError::NoColon),
                Some(_) => return Err(HeadError::BadName),
            }
        }
        self.at = value_end(bytes, self.at);
        self.check_length(limits)?;
        match (bytes.get(self.at), bytes.get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Ok(Line::Field(self.field(bytes))),
            (None | Some(b'\r'), None) => Ok(Line::Partial),
            (Some(b'\r'), _) => Err(HeadError::BareCr),
            (Some(b'\n'), _) => Err(HeadError::BareLf),
            (_, _) => Err(HeadError::BadValue),
        }
    }

    fn end(&mut self, bytes: &[u8]) -> Result<Line, HeadError> {
        match bytes.get(self.at + 1) {
            None => Ok(Line::Partial),
            Some(b'\n') => {
                self.at += 2;
                Ok(Line::End)
            }
            Some(_) => Err(HeadError::BareCr),
        }
    }

    /// The cursor stands where at least CRLF has still to come.
    fn check_length(&self, limits: &HeadLimits) -> Result<(), HeadError> {
        if self.at + 2 - self.line > limits.field { Err(HeadError::FieldTooLong) } else { Ok(()) }
    }

    /// Makes a field of the line whose CR the cursor stands at, and goes behind it.
    fn field(&mut self, bytes: &[u8]) -> Field {
        let value_end = self.at;
        self.at += 2;
        self.count += 1;
        self.stage = Stage::Start;
        let name = span(self.line, self.colon);
        Field {
            name_id: Name::find(name.of(bytes)),
            name,
            value: trimmed(bytes, self.colon + 1, value_end),
            line: span(self.line, self.at),
            dropped: false,
        }
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
    /// `Expect: 100-continue`
    pub(super) expect_continue: bool,
    /// A Content-Length with leading zeros; its line was marked as dropped.
    pub(super) length_dropped: bool,
}

impl Facts {
    /// Reads a field if it is one that framing or the connection depend on, and refuses it as soon as it is wrong.
    #[inline]
    pub(super) fn note(&mut self, field: &mut Field, bytes: &[u8]) -> Result<(), HeadError> {
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
        for option in value.of(bytes).split(|&b| b == b',') {
            self.options = self.options.saturating_add(1);
            if self.options > MAX_CONNECTION_OPTIONS {
                return Err(HeadError::TooManyConnectionOptions);
            }
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
            if !option.is_empty() && !is_token(option) {
                return Err(HeadError::BadConnection);
            }
        }
        Ok(())
    }
}
