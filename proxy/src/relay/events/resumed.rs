//! An event stream whose session is kept: each event with an id goes into its ring, and a client that came back gets what
//! it has missed, and nothing twice.

use std::rc::Rc;

use switchboard_core::sse::Id;

use crate::exchange::resume::Session;

/// The most bytes of missed events that are written at once.
const PORTION: usize = 64 * 1024;

/// The longest event that is held back to see its id. A longer one goes on, and so does what follows.
const HELD: usize = 64 * 1024;

/// A stream whose session is kept.
#[derive(Debug)]
pub struct Resumed {
    session: Rc<Session>,
    /// What the client has still to be given, as numbers of events.
    missed: Option<(u64, u64)>,
    /// The client has had the events before this number: where the endpoint sends them again they go no further. Over with
    /// the first event that is new.
    had: Option<u64>,
    /// The event at hand, as far as it has come.
    event: Vec<u8>,
    /// It is longer than may be kept.
    too_long: bool,
}

impl Resumed {
    /// Begins with what the session has.
    pub fn new(session: &Rc<Session>) -> Self {
        let missed = session.missed();
        Self {
            session: Rc::clone(session),
            missed: missed.filter(|(from, to)| from < to),
            had: missed.map(|(_, to)| to),
            event: Vec::new(),
            too_long: false,
        }
    }

    pub(super) const fn owes_missed(&self) -> bool {
        self.missed.is_some()
    }

    /// Writes the next of what the client has missed; `false` where it is no longer there.
    pub(super) fn missed(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((from, to)) = self.missed.take() else { return true };
        let Some(next) = self.session.replay(from, to, PORTION, out) else { return false };
        self.missed = (next < to).then_some((next, to));
        true
    }

    /// Takes a piece of the event at hand, which it ends where there is an `id`. What goes on is added to `out`; tells
    /// whether that is all of the piece and nothing else.
    pub(super) fn pass(&mut self, piece: &[u8], ended: Option<Id>, out: &mut Vec<u8>) -> bool {
        let held = self.had.is_some();
        self.collect(piece, held);
        if !held {
            out.extend_from_slice(piece);
        } else if self.had.is_none() {
            // It was held until now.
            out.extend_from_slice(&self.event);
        }
        if let Some(id) = ended {
            self.end(&id, out);
        }
        !held
    }

    fn collect(&mut self, piece: &[u8], held: bool) {
        self.event.extend_from_slice(piece);
        if held && self.event.len() > HELD {
            self.had = None;
        } else if !held && self.event.len() > self.session.most() {
            self.too_long = true;
            self.event = Vec::new();
        }
    }

    fn end(&mut self, id: &Id, out: &mut Vec<u8>) {
        let event = std::mem::take(&mut self.event);
        // Joined to another stream a byte order mark would be part of the first line.
        let text = event.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&event);
        if let Some(to) = self.had {
            match id {
                Id::Is(id) if self.session.has(id, to) => return,
                Id::Is(_) => self.had = None,
                Id::Silent | Id::Lost => {}
            }
            out.extend_from_slice(text);
        }
        match id {
            _ if std::mem::take(&mut self.too_long) => self.session.forget(),
            // The second half of the CRLF before it.
            Id::Is(id) => self.session.keep(id, text.strip_prefix(b"\n").unwrap_or(text)),
            Id::Silent | Id::Lost => {}
        }
    }
}
