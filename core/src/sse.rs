//! Event streams (`text/event-stream`, WHATWG HTML §9.2), read as they pass: where an event ends, and which id it has.
//!
//! A relay shows a [`Scanner`] each piece of a stream before it goes on. Nothing is copied but the line of an id, and
//! whatever the split of the bytes, the events are the same. What may be said between two events is written here too.

pub mod ring;
pub mod session;

use memchr::memchr2;

/// The longest id that is kept, in bytes. A longer one counts as none that could be resumed from.
pub const MOST_ID: usize = 512;

/// A comment that no reader acts on: a sign of life.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// Tells a reader after how many milliseconds it is to connect again once the stream has ended.
#[must_use]
pub fn retry(millis: u32) -> Vec<u8> {
    format!("retry: {millis}\n\n").into_bytes()
}

/// Whether a `Content-Type` is that of an event stream.
#[must_use]
pub fn is_event_stream(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// What an event says of its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Id {
    /// Nothing: whoever reads it keeps the id of the event before.
    #[default]
    Silent,
    /// This one.
    Is(Box<[u8]>),
    /// One that takes the id away (empty), or that can't be kept (longer than [`MOST_ID`]).
    Lost,
}

/// Reads one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanner {
    /// Whether the next byte begins a line.
    at_line: bool,
    /// The last byte was a CR: a LF behind it belongs to it.
    after_cr: bool,
    /// The event at hand has a line that is no comment.
    begun: bool,
    /// The line at hand is a comment.
    comment: bool,
    /// The line at hand as far as it has come, where it may be that of an id.
    line: Option<Vec<u8>>,
    /// Bytes of a byte order mark that may still come, before the first line.
    mark: u8,
    id: Id,
}

/// A line may begin with this once (WHATWG HTML §9.2.5).
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl Default for Scanner {
    fn default() -> Self {
        Self { at_line: true, after_cr: false, begun: false, comment: false, line: None, mark: 3, id: Id::Silent }
    }
}

impl Scanner {
    /// Whether something else may be said here: the last line has ended, and no event has begun.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.at_line && !self.begun
    }

    /// Takes bytes up to the end of the first event, or all of them where none ends. Returns how many; whether one has
    /// ended is told by [`Self::is_between`]. An event ends at the first byte of the line end that closes it: the LF of
    /// a CRLF is the next one's, to which it means nothing. Comments between events end as events do.
    pub fn next(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                at += 1;
                continue;
            }
            if self.mark > 0 && self.heed_mark(byte) {
                at += 1;
                continue;
            }
            if self.at_line && !matches!(byte, b'\r' | b'\n') {
                self.begin_line(byte);
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                self.keep(rest);
                return bytes.len();
            };
            self.keep(rest.get(..end).unwrap_or_default());
            self.after_cr = rest.get(end) == Some(&b'\r');
            at += end + 1;
            if self.end_line() {
                return at;
            }
        }
        at
    }

    /// The id of the event that has just ended.
    pub fn take_id(&mut self) -> Id {
        std::mem::take(&mut self.id)
    }

    /// Whether `byte` belongs to the byte order mark of a stream.
    fn heed_mark(&mut self, byte: u8) -> bool {
        let expected = MARK.get(usize::from(3 - self.mark)).copied();
        if self.at_line && expected == Some(byte) {
            self.mark -= 1;
            return true;
        }
        // What looked like the beginning of one is the beginning of a line.
        if std::mem::take(&mut self.mark) < 3 {
            self.begin_line(MARK[0]);
        }
        false
    }

    fn begin_line(&mut self, byte: u8) {
        self.at_line = false;
        self.comment = byte == b':';
        self.begun |= !self.comment;
        self.line = (byte == b'i').then(Vec::new);
    }

    /// Keeps what may be an id: one byte more than the longest shows that it is too long. With a NUL, however far behind, it
    /// is no id at all.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(line) = &mut self.line else { return };
        let room = (b"id: ".len() + MOST_ID + 1).saturating_sub(line.len());
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        line.extend_from_slice(kept);
        if rest.contains(&0) {
            self.line = None;
        }
    }

    /// Ends a line; tells whether nothing of an event is open then.
    fn end_line(&mut self) -> bool {
        let blank = std::mem::replace(&mut self.at_line, true);
        if let Some(line) = self.line.take()
            && let Some(id) = id_of(&line)
        {
            self.id = id;
        }
        self.begun &= !blank;
        !self.begun
    }
}

/// What a whole line says of the id; `None` where it says nothing.
fn id_of(line: &[u8]) -> Option<Id> {
    let value = match line.strip_prefix(b"id")? {
        [] => &[],
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    match value {
        _ if value.contains(&0) => None,
        [] => Some(Id::Lost),
        _ if value.len() > MOST_ID => Some(Id::Lost),
        _ => Some(Id::Is(value.into())),
    }
}

#[cfg(test)]
mod tests;
