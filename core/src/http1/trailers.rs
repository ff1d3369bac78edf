//! The trailer section: kept as raw lines, bounded, without the fields that must not come late (RFC 9110 §6.5.1).
//!
//! Only the chunked decoder feeds it. Trailers are never merged into headers.

use super::fields::{Line, Lines};
use super::{ChunkError, HeadError, HeadLimits};
use crate::message::Fields;

/// How many fields, dropped ones too (case 32).
const MAX_FIELDS: usize = 32;

/// Fields that frame, route, authenticate or control (case 31), besides those in [`DROPPED_PREFIXES`]. Lower case.
const DROPPED: &[&[u8]] = &[
    b"accept",
    b"age",
    b"authorization",
    b"cache-control",
    b"connection",
    b"cookie",
    b"cookie2",
    b"date",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"origin",
    b"pragma",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"set-cookie2",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
    b"x-real-ip",
    b"x-request-id",
];

/// Beginnings of such names. Lower case.
const DROPPED_PREFIXES: &[&[u8]] = &[
    b"accept-",
    b"content-",
    b"if-",
    b"proxy-",
    b"sec-",
    b"x-client-cert",
    b"x-forwarded-",
    b"x-original-",
    b"x-rewrite-",
    b"x-switchboard-",
];

/// The lines so far.
#[derive(Clone, Debug)]
pub(super) struct Trailers {
    limit: usize,
    seen: usize,
    lines: Vec<u8>,
    scan: Lines,
    fields: Fields,
}

impl Trailers {
    /// `limit` is the most bytes of field lines; the blank line is free.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.saturating_add(2),
            seen: 0,
            lines: Vec::new(),
            scan: Lines::default(),
            fields: Fields::new(),
        }
    }

    /// Takes lines up to and including the blank one. Returns how many bytes it took, and whether the blank line came.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(usize, bool), ChunkError> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let line = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |lf| lf + 1);
            let piece = rest.get(..line.min(self.limit - self.seen)).unwrap_or_default();
            self.lines.extend_from_slice(piece);
            self.seen += piece.len();
            taken += piece.len();
            if self.scan()? {
                return Ok((taken, true));
            }
            if piece.len() < line {
                return Err(ChunkError::TrailersTooLarge);
            }
        }
        Ok((taken, false))
    }

    /// The lines that are kept.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Looks at what was added: one line end at most. True at the blank line.
    fn scan(&mut self) -> Result<bool, ChunkError> {
        // Only the number of fields is bounded here: `feed` has bounded the bytes.
        let limits = HeadLimits { head: usize::MAX, field: usize::MAX, fields: MAX_FIELDS, target: 0 };
        match self.scan.next(&self.lines, &limits, &mut self.fields) {
            Ok(Line::Partial) => Ok(false),
            Ok(Line::Field) => {
                let field = self.fields.all().last().filter(|field| is_dropped(field.name.of(&self.lines)));
                if let Some(line) = field.map(|field| field.line.start as usize) {
                    self.scan.rewind(line);
                    self.lines.truncate(line);
                }
                Ok(false)
            }
            Ok(Line::End) => {
                self.lines.truncate(self.scan.position() - 2);
                Ok(true)
            }
            Err(HeadError::TooManyFields) => Err(ChunkError::TooManyTrailers),
            Err(HeadError::BareLf) => Err(ChunkError::BareLf),
            Err(HeadError::BareCr) => Err(ChunkError::BareCr),
            Err(_) => Err(ChunkError::BadTrailer),
        }
    }
}

/// Whether a field must not come late. `_` and `.` are other spellings of `-` to some origins, so they go too (case 72).
pub(super) fn is_dropped(name: &[u8]) -> bool {
    let begins = |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped))
        || DROPPED_PREFIXES.iter().any(begins)
        || name.iter().any(|b| matches!(b, b'_' | b'.'))
}
