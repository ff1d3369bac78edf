//! The frames of one direction of a WebSocket: what of the bytes at hand goes on, and what is noted of them.
//!
//! A flow asks its lane about each read. A lane that is sealed passes nothing any more: the sink has had, or will now
//! get, its Close, and what the source still says is only looked through for its own.

use super::lag::Lag;
use switchboard_core::websocket::frame::{Bounds, Halt, MOST_LEFT, Scan, Scanner, Sender, Tally, Until, is_pong_of};

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    scanner: Scanner,
    bounds: Bounds,
    /// The first bytes of a head whose last have not come. They go on with it.
    held: [u8; MOST_LEFT],
    held_len: u8,
    sealed: bool,
    /// Each read is looked at, not only the unusual: there is a rate, or a pong of ours to be taken out.
    watched: bool,
    metered: bool,
    /// Nothing is read for now: a rate is used up.
    paused: bool,
    /// The payload of our Ping that this side has not answered.
    awaited: Option<[u8; 8]>,
    /// Bytes that were ours: they are no sign of life between the peers.
    swallowed: u64,
    /// The sink has had the source's Close.
    closed_sink: bool,
    /// The sink is owed a Close, behind what the source says until its own.
    last_words: bool,
    /// What is done where the sink is slow; nothing by default.
    lag: Option<Box<Lag>>,
    /// What came since the tunnel looked.
    noted: Noted,
}

/// What a tunnel has to look at after a read, rarely anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Something of the following.
    pub(super) any: bool,
    pub(super) ping: bool,
    pub(super) pong: bool,
    pub(super) close: bool,
    /// The sink is slower than the rule allows.
    pub(super) lags: bool,
    /// Why the lane was sealed.
    pub(super) halt: Option<Halt>,
}

impl Lane {
    pub(super) fn new(sender: Sender, extensions: u8, bounds: Bounds, lag: Option<Box<Lag>>) -> Self {
        Self {
            scanner: Scanner::new(sender, extensions),
            bounds,
            held: [0; MOST_LEFT],
            held_len: 0,
            sealed: false,
            watched: false,
            metered: false,
            paused: false,
            awaited: None,
            swallowed: 0,
            closed_sink: false,
            last_words: false,
            lag,
            noted: Noted::default(),
        }
    }

    pub(super) const fn tally(&self) -> &Tally {
        self.scanner.tally()
    }

    pub(super) const fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether the sink has had a Close of the source's: it gets no second one.
    pub(super) const fn has_closed_sink(&self) -> bool {
        self.closed_sink
    }

    /// Whether the tunnel has something to look at.
    #[inline]
    pub(super) const fn is_noted(&self) -> bool {
        self.noted.any
    }

    pub(super) fn take_noted(&mut self) -> Noted {
        std::mem::take(&mut self.noted)
    }

    /// What is held back.
    pub(super) fn held(&self) -> &[u8] {
        self.held.get(..usize::from(self.held_len)).unwrap_or_default()
    }

    /// Whether more is read while `pending` bytes wait for the sink.
    pub(super) fn reads_on(&self, pending: usize) -> bool {
        !self.sealed && self.lag.as_ref().is_some_and(|lag| lag.reads_on(pending))
    }

    /// Whether some of what is pending may be left out later.
    #[inline]
    pub(super) fn is_lossy(&self) -> bool {
        self.lag.as_ref().is_some_and(|lag| lag.is_lossy())
    }

    /// The scanner as it stands, where what comes next may have to be told apart once the sink is slow.
    #[inline]
    pub(super) fn mark(&self) -> Option<Scanner> {
        if self.lag.is_some() { Some(self.scanner.clone()) } else { None }
    }

    /// Keeps what the sink did not take: of `bytes`, whose scanner stood at `before`, all but the first `taken`. The sink
    /// has so much `under_way` of what is pending then.
    #[cold]
    pub(super) fn keep(
        &mut self,
        before: &Scanner,
        pending: &mut Vec<u8>,
        bytes: &[u8],
        taken: usize,
        under_way: usize,
    ) {
        let Some(lag) = &mut self.lag else { return };
        lag.add(before, pending, bytes, taken, under_way);
        if lag.is_over() && !self.noted.lags {
            self.noted.lags = true;
            self.noted.any = true;
        }
    }

    /// The sink has taken so much of what was pending, of which so much is left.
    pub(super) fn took(&mut self, taken: usize, left: usize) {
        if let Some(lag) = &mut self.lag {
            lag.take(taken, left);
        }
    }

    /// Messages that were left out because the sink was slow.
    pub(super) fn dropped(&self) -> u64 {
        self.lag.as_ref().map_or(0, |lag| lag.dropped)
    }

    /// Puts what is held back in front of the next read. Returns how many bytes that are.
    #[inline]
    pub(super) fn lead_in(&self, scratch: &mut [u8]) -> usize {
        if self.held_len == 0 {
            return 0;
        }
        let held = self.held();
        match scratch.get_mut(..held.len()) {
            Some(room) => room.copy_from_slice(held),
            None => return 0,
        }
        held.len()
    }

    /// Tells how many of `bytes`, which begin with what was held back, go on. The rest is kept, or of no use.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let scan = self.scanner.scan(bytes, &self.bounds);
        if scan.taken == bytes.len() && !self.watched && is_ordinary(&scan) {
            self.held_len = 0;
            return scan.taken;
        }
        self.pass_rare(bytes, &scan)
    }

    #[cold]
    fn pass_rare(&mut self, bytes: &[u8], scan: &Scan) -> usize {
        let Noted { ping, pong, close, .. } = self.noted;
        self.noted = Noted {
            any: self.noted.any || self.metered || !is_ordinary(scan),
            ping: ping || scan.ping,
            pong: pong || scan.pong,
            close: close || scan.close,
            lags: self.noted.lags,
            halt: scan.halt.or(self.noted.halt),
        };
        let was_sealed = self.sealed;
        self.closed_sink |= scan.close && !was_sealed;
        if scan.halt.is_some() {
            self.seal();
            // What stands behind goes nowhere, but the next head has to be found in it.
            self.pass(bytes.get(scan.taken..).unwrap_or_default());
        } else {
            self.hold(bytes.get(scan.taken..).unwrap_or_default());
        }
        if was_sealed { 0 } else { scan.taken }
    }

    fn hold(&mut self, rest: &[u8]) {
        self.held_len = 0;
        if let Some(room) = self.held.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
            self.held_len = u8::try_from(rest.len()).unwrap_or(0);
        }
    }

    fn seal(&mut self) {
        self.sealed = true;
        self.watched = true;
        self.paused = false;
        self.bounds = Bounds::NONE;
    }

    /// Has the tunnel look at each read.
    pub(super) const fn meter(&mut self) {
        self.metered = true;
        self.watched = true;
    }

    /// Stops reading, or goes on.
    pub(super) const fn pause(&mut self, paused: bool) {
        self.paused = paused && !self.sealed;
    }

    #[inline]
    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a frame of the proxy's own may stand behind what has gone on.
    pub(super) const fn may_interject(&self) -> bool {
        !self.sealed && !self.closed_sink && self.scanner.is_between_frames()
    }

    /// Waits for the Pong with this payload, or no longer.
    pub(super) const fn await_pong(&mut self, payload: Option<[u8; 8]>) {
        self.awaited = payload;
    }

    /// Whether our Ping is unanswered.
    pub(super) const fn awaits_pong(&self) -> bool {
        self.awaited.is_some()
    }

    /// How many bytes were ours.
    pub(super) const fn swallowed(&self) -> u64 {
        self.swallowed
    }

    /// Takes the Pong of our Ping off the front of what was read. Returns how many bytes that are; `None` where it has
    /// still to come whole. A Pong of ours that stands elsewhere goes on: to its reader it is a heartbeat.
    #[cold]
    pub(super) fn swallow(&mut self, bytes: &[u8]) -> Option<usize> {
        let Some(payload) = self.awaited.filter(|_| self.scanner.is_between_frames()) else { return Some(0) };
        let size = match bytes {
            [0x8A, 0x88, ..] => 14,
            [0x8A, 8, ..] => 10,
            [0x8A] => 14,
            _ => return Some(0),
        };
        if bytes.len() < size {
            self.hold(bytes);
            return None;
        }
        if !is_pong_of(bytes, payload) {
            return Some(0);
        }
        self.awaited = None;
        self.held_len = 0;
        self.swallowed += size as u64;
        Some(size)
    }

    /// Lets pass what the source still says, up to its own Close, or to its end.
    pub(super) const fn await_last_words(&mut self) {
        self.last_words = true;
    }

    /// The source has ended. Where that ends its last words without a Close, the lane is sealed, so that the sink gets ours.
    pub(super) fn ends_last_words(&mut self) -> bool {
        let ends = self.last_words && !self.sealed && !self.closed_sink && self.scanner.is_between_messages();
        if ends {
            self.held_len = 0;
            self.seal_at(Until::Message);
        }
        ends
    }

    /// Has the tunnel look, whatever came.
    pub(super) const fn nudge(&mut self) {
        self.noted.any = true;
    }

    /// Wants the lane sealed at the next boundary of this kind. Notes it where it stands at one already.
    pub(super) fn seal_at(&mut self, until: Until) {
        if self.sealed {
            return;
        }
        self.bounds.until = until;
        let at_one = match until {
            Until::Exhausted => false,
            Until::Message => self.scanner.is_between_messages(),
            Until::Frame => self.scanner.is_between_frames(),
        };
        if at_one {
            self.seal();
            self.noted.any = true;
            self.noted.halt = Some(Halt::Boundary);
        }
    }
}

const fn is_ordinary(scan: &Scan) -> bool {
    !(scan.ping || scan.pong || scan.close || scan.halt.is_some())
}
