//! Counts the frames of a connection, and says when a peer sends what costs us and serves nobody.
//!
//! Floods of control frames, endless header blocks and resets, ours too, for a peer can make us reset (SECURITY cases
//! 148–151). It knows headers and no payload.

use std::time::Duration;

use super::frame::{Code, END_STREAM, Header, Kind};
use crate::moment::Moment;

/// The time over which frames are counted.
const SPAN: Duration = Duration::from_secs(10);

/// Frames within a span that ask nothing of an exchange: more than any client that we know sends.
const SETTINGS: u32 = 50;
const PINGS: u32 = 100;
const EMPTY_DATA: u32 = 100;
const PRIORITIES: u32 = 100;
const UNKNOWN: u32 = 100;
const WINDOW_UPDATES: u32 = 1000;

/// Messages that are malformed, and frames that their streams may not have: no client of good will sends them. Chosen.
const MALFORMED: u32 = 32;

/// CONTINUATION frames of one header block. A head within `limits.head` needs two.
const CONTINUATIONS: u32 = 8;

/// What a connection had too much of (ENHANCE_YOUR_CALM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// SETTINGS
    Settings,
    /// PING, beyond what data explains.
    Pings,
    /// DATA without data.
    EmptyData,
    /// PRIORITY
    Priorities,
    /// WINDOW_UPDATE, beyond what data explains.
    WindowUpdates,
    /// Frames of no known type.
    Unknown,
    /// CONTINUATION within one header block.
    Continuations,
    /// Streams that were reset, by either side.
    Resets,
    /// Streams that we reset for what was sent on them.
    Malformed,
}

impl Breach {
    /// What there was too much of, for the log.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Settings => "SETTINGS frames",
            Self::Pings => "PING frames",
            Self::EmptyData => "empty DATA frames",
            Self::Priorities => "PRIORITY frames",
            Self::WindowUpdates => "WINDOW_UPDATE frames",
            Self::Unknown => "frames of unknown types",
            Self::Continuations => "CONTINUATION frames",
            Self::Resets => "reset streams",
            Self::Malformed => "malformed messages",
        }
    }
}

/// Counts the frames of one connection.
#[derive(Debug)]
pub(super) struct Meter {
    since: Moment,
    counts: Counts,
    /// CONTINUATION frames of the header block that is open.
    block: u32,
    most_resets: u32,
    /// Streams that the peer reset and that we did, since the connection began.
    pub(super) resets: (u64, u64),
}

/// What has passed since the span began.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    settings: u32,
    pings: u32,
    empty_data: u32,
    priorities: u32,
    window_updates: u32,
    unknown: u32,
    resets: u32,
    malformed: u32,
    /// Frames with payload, both ways: each may be answered by an update of either window, and measured by a ping.
    data: u32,
    streams: u32,
}

impl Meter {
    /// Makes the meter of a connection; `most_resets` is `http2.resets_per_10s`.
    pub(super) fn new(most_resets: u32, now: Moment) -> Self {
        Self { since: now, counts: Counts::default(), block: 0, most_resets, resets: (0, 0) }
    }

    /// Counts a frame that came from the peer.
    ///
    /// # Errors
    /// The peer floods us. Nothing more of it should be read.
    pub(super) fn received(&mut self, frame: &Header, now: Moment) -> Result<(), Breach> {
        self.turn(now);
        self.count(frame)
    }

    /// Counts a reset of ours: a peer can make us reset streams.
    ///
    /// # Errors
    /// The peer makes us reset too much.
    pub(super) fn reset_by_us(&mut self, code: Code) -> Result<(), Breach> {
        self.resets.1 += 1;
        if matches!(code, Code::Protocol | Code::FlowControl | Code::StreamClosed | Code::FrameSize) {
            bump(&mut self.counts.malformed, MALFORMED, Breach::Malformed)?;
        }
        self.count_reset()
    }

    fn count_reset(&mut self) -> Result<(), Breach> {
        bump(&mut self.counts.resets, self.most_resets, Breach::Resets)
    }

    /// Counts frames with data of ours: they explain what the peer answers.
    pub(super) const fn data_sent(&mut self, frames: u32) {
        self.counts.data = self.counts.data.saturating_add(frames);
    }

    fn turn(&mut self, now: Moment) {
        if now.since(self.since) >= SPAN {
            self.since = now;
            self.counts = Counts::default();
        }
    }

    fn count(&mut self, frame: &Header) -> Result<(), Breach> {
        let counts = &mut self.counts;
        match frame.kind {
            Kind::Data if frame.length == 0 && !frame.has(END_STREAM) => {
                bump(&mut counts.empty_data, EMPTY_DATA, Breach::EmptyData)
            }
            Kind::Data => {
                counts.data = counts.data.saturating_add(1);
                Ok(())
            }
            Kind::Headers => {
                counts.streams = counts.streams.saturating_add(1);
                self.block = 0;
                Ok(())
            }
            Kind::Continuation => bump(&mut self.block, CONTINUATIONS, Breach::Continuations),
            Kind::Reset => {
                self.resets.0 += 1;
                self.count_reset()
            }
            Kind::Settings => bump(&mut counts.settings, SETTINGS, Breach::Settings),
            Kind::Ping => bump(&mut counts.pings, PINGS.saturating_add(counts.data), Breach::Pings),
            Kind::Priority => {
                bump(&mut counts.priorities, PRIORITIES.saturating_add(counts.streams), Breach::Priorities)
            }
            Kind::WindowUpdate => {
                let most = WINDOW_UPDATES.saturating_add(counts.data.saturating_add(counts.streams).saturating_mul(4));
                bump(&mut counts.window_updates, most, Breach::WindowUpdates)
            }
            Kind::GoAway | Kind::Push | Kind::Other => bump(&mut counts.unknown, UNKNOWN, Breach::Unknown),
        }
    }
}

fn bump(count: &mut u32, most: u32, breach: Breach) -> Result<(), Breach> {
    *count = count.saturating_add(1);
    if *count > most { Err(breach) } else { Ok(()) }
}
