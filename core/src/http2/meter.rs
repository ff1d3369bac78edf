//! Counts the frames of a connection by their 9-byte headers, and says when a peer sends what costs us and serves nobody.
//!
//! It stands below the frame layer and sees the bytes of both directions: floods of control frames, endless header
//! blocks and resets, ours too, for a peer can make us reset (SECURITY cases 148–151); and what a header alone shows to
//! be wrong, so that the peer reads the right code. It keeps no payload.

use std::time::Duration;

use crate::moment::Moment;

/// What clients send before their first frame (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The time over which frames are counted.
const SPAN: Duration = Duration::from_secs(10);

/// Frames within a span that ask nothing of an exchange: more than any client that we know sends.
const SETTINGS: u32 = 50;
const PINGS: u32 = 100;
const EMPTY_DATA: u32 = 100;
const PRIORITIES: u32 = 100;
const UNKNOWN: u32 = 100;
const WINDOW_UPDATES: u32 = 1000;

/// The largest frame that we take: what holds where SETTINGS say nothing (§6.5.2).
const MAX_FRAME: u32 = 16 * 1024;

/// CONTINUATION frames of one header block. A head within `limits.head` needs two.
const CONTINUATIONS: u32 = 8;

/// Why a connection can't go on: too much of something, or a header that shows an error of the connection.
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
    /// A frame that is larger than we allow, or whose type has another size (RFC 9113 §4.2, §6).
    FrameSize,
    /// Something else than SETTINGS behind the preface (§3.4).
    NoSettings,
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
            Self::FrameSize => "bytes in a frame",
            Self::NoSettings => "frames before SETTINGS",
        }
    }

    /// The error code for the GOAWAY (§7).
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::FrameSize => 0x6,
            Self::NoSettings => 0x1,
            Self::Settings
            | Self::Pings
            | Self::EmptyData
            | Self::Priorities
            | Self::WindowUpdates
            | Self::Unknown
            | Self::Continuations
            | Self::Resets => 0xb,
        }
    }
}

/// Counts the frames of one connection.
#[derive(Debug)]
pub struct Meter {
    received: Frames,
    sent: Frames,
    since: Moment,
    counts: Counts,
    /// Bytes of the preface that have still to come.
    preface: usize,
    /// SETTINGS have still to come.
    begins: bool,
    /// CONTINUATION frames of the header block that is open; `None` where none is.
    block: Option<u32>,
    most_resets: u32,
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
    /// Frames with payload, both ways: each may be answered by an update of either window, and measured by a ping.
    data: u32,
    streams: u32,
}

impl Meter {
    /// Makes the meter of a connection that a client opens; `most_resets` is `http2.resets_per_10s`.
    #[must_use]
    pub fn server(most_resets: u32, now: Moment) -> Self {
        Self {
            received: Frames::default(),
            sent: Frames::default(),
            since: now,
            counts: Counts::default(),
            preface: PREFACE.len(),
            begins: true,
            block: None,
            most_resets,
        }
    }

    /// Counts what came from the peer.
    ///
    /// # Errors
    /// The peer floods us. Nothing more of it should be read.
    pub fn received(&mut self, bytes: &[u8], now: Moment) -> Result<(), Breach> {
        self.turn(now);
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        let mut rest = bytes.get(skipped..).unwrap_or_default();
        while let Some(frame) = self.received.next(&mut rest) {
            self.count_received(frame)?;
        }
        Ok(())
    }

    /// Counts what we send: a peer can make us reset streams, and what we send explains what it answers.
    ///
    /// # Errors
    /// The peer makes us reset too much.
    pub fn sent(&mut self, bytes: &[u8], now: Moment) -> Result<(), Breach> {
        self.turn(now);
        let mut rest = bytes;
        while let Some(frame) = self.sent.next(&mut rest) {
            match frame.kind {
                Kind::Reset => self.reset()?,
                Kind::Data => self.counts.data = self.counts.data.saturating_add(1),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a frame or a header block has begun and not ended: a peer that falls silent here keeps us waiting.
    #[must_use]
    pub const fn is_within(&self) -> bool {
        self.received.is_within() || self.block.is_some() || self.preface > 0
    }

    fn turn(&mut self, now: Moment) {
        if now.since(self.since) >= SPAN {
            self.since = now;
            self.counts = Counts::default();
        }
    }

    fn count_received(&mut self, frame: Frame) -> Result<(), Breach> {
        if std::mem::take(&mut self.begins) && (frame.kind != Kind::Settings || frame.is_ack()) {
            return Err(Breach::NoSettings);
        }
        if !frame.fits() {
            return Err(Breach::FrameSize);
        }
        let counts = &mut self.counts;
        match frame.kind {
            Kind::Data if frame.length == 0 && !frame.ends_stream() => {
                bump(&mut counts.empty_data, EMPTY_DATA, Breach::EmptyData)
            }
            Kind::Data => {
                counts.data = counts.data.saturating_add(1);
                Ok(())
            }
            Kind::Headers => {
                counts.streams = counts.streams.saturating_add(1);
                self.block = (!frame.ends_headers()).then_some(0);
                Ok(())
            }
            Kind::Continuation => {
                let mut count = self.block.unwrap_or(0);
                let verdict = bump(&mut count, CONTINUATIONS, Breach::Continuations);
                self.block = (!frame.ends_headers()).then_some(count);
                verdict
            }
            Kind::Reset => self.reset(),
            Kind::Settings => bump(&mut counts.settings, SETTINGS, Breach::Settings),
            Kind::Ping => bump(&mut counts.pings, PINGS.saturating_add(counts.data), Breach::Pings),
            Kind::Priority => {
                bump(&mut counts.priorities, PRIORITIES.saturating_add(counts.streams), Breach::Priorities)
            }
            Kind::WindowUpdate => {
                let most = WINDOW_UPDATES.saturating_add(counts.data.saturating_add(counts.streams).saturating_mul(4));
                bump(&mut counts.window_updates, most, Breach::WindowUpdates)
            }
            Kind::Other => bump(&mut counts.unknown, UNKNOWN, Breach::Unknown),
        }
    }

    fn reset(&mut self) -> Result<(), Breach> {
        bump(&mut self.counts.resets, self.most_resets, Breach::Resets)
    }
}

fn bump(count: &mut u32, most: u32, breach: Breach) -> Result<(), Breach> {
    *count = count.saturating_add(1);
    if *count > most { Err(breach) } else { Ok(()) }
}

/// The type of a frame (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Ping,
    WindowUpdate,
    Continuation,
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, Debug)]
struct Frame {
    length: u32,
    kind: Kind,
    flags: u8,
}

impl Frame {
    fn read(header: &[u8; 9]) -> Self {
        let [a, b, c, kind, flags, ..] = *header;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            6 => Kind::Ping,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        Self { length: u32::from_be_bytes([0, a, b, c]), kind, flags }
    }

    /// Whether its length is one that its type has, and within what we announce (§6.5.2: 16 KiB, as we say nothing).
    const fn fits(self) -> bool {
        match self.kind {
            Kind::Priority => self.length == 5,
            Kind::Reset | Kind::WindowUpdate => self.length == 4,
            Kind::Ping => self.length == 8,
            Kind::Settings if self.is_ack() => self.length == 0,
            Kind::Settings => self.length.is_multiple_of(6) && self.length <= MAX_FRAME,
            Kind::Data | Kind::Headers | Kind::Continuation | Kind::Other => self.length <= MAX_FRAME,
        }
    }

    const fn is_ack(self) -> bool {
        self.flags & 1 != 0
    }

    const fn ends_stream(self) -> bool {
        self.flags & 1 != 0
    }

    const fn ends_headers(self) -> bool {
        self.flags & 4 != 0
    }
}

/// Finds the frames of one direction, however their bytes are split.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; 9],
    have: usize,
    /// Payload bytes that are still to come.
    left: u32,
}

impl Frames {
    /// Takes bytes up to the end of the next header, or all of them.
    fn next(&mut self, rest: &mut &[u8]) -> Option<Frame> {
        let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        self.left -= u32::try_from(skipped).unwrap_or(self.left);
        *rest = rest.get(skipped..).unwrap_or_default();
        while let Some((byte, behind)) = rest.split_first() {
            *rest = behind;
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if self.have == self.header.len() {
                self.have = 0;
                let frame = Frame::read(&self.header);
                self.left = frame.length;
                return Some(frame);
            }
        }
        None
    }

    const fn is_within(&self) -> bool {
        self.have > 0 || self.left > 0
    }
}
