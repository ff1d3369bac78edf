//! Frames that are about the connection, and the windows of both directions (RFC 9113 §5.2, §6.5 to §6.9).

use super::slots::{Known, Loss, Receiving};
use super::{
    ACK, ALIVE, Code, Connection, Event, Fault, Header, INITIAL_WINDOW, Key, Kind, Leaving, MAX_WINDOW, Role, SEEN,
    put_header, put_number,
};

/// Windows that somebody has to take at once, one after the other, before the stream gets a larger one. Chosen.
const PROOF: u32 = 4;

impl Connection {
    pub(super) fn settings(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        if frame.has(ACK) {
            if !std::mem::replace(&mut self.acknowledged, true) {
                let more = i64::from(self.bounds.stream_window) - i64::from(INITIAL_WINDOW);
                self.slots.each(|slot| slot.window_in += more);
            }
            return Ok(None);
        }
        let before = i64::from(self.peer.window);
        self.peer.take(payload, self.role == Role::Server)?;
        self.begun = true;
        self.owes_update |= self.peer.table_size < 4096;
        let more = i64::from(self.peer.window) - before;
        let mut overflows = false;
        self.slots.each(|slot| {
            slot.window_out += more;
            overflows |= slot.window_out > MAX_WINDOW;
        });
        if overflows {
            return Err(Code::FlowControl.into());
        }
        put_header(&mut self.out, 0, Kind::Settings, ACK, 0);
        Ok((more > 0).then_some(Event::RoomForAll))
    }

    /// How many streams a client has reset, and how many we did for what it had done.
    #[must_use]
    pub fn resets(&self) -> (u64, u64) {
        self.meter.as_ref().map_or((0, 0), |meter| meter.resets)
    }

    pub(super) fn ping(&mut self, frame: &Header, payload: &[u8]) {
        if !frame.has(ACK) {
            return self.put_ping(payload, ACK);
        }
        self.asked &= payload != ALIVE;
        if payload == SEEN && self.leaving == Leaving::Told {
            self.leaving = Leaving::Last(self.last);
            self.put_goaway(self.last, Code::None);
        }
    }

    pub(super) fn goaway(&mut self, last: u32) -> Option<Event> {
        self.peer_leaves = true;
        if self.role == Role::Server {
            return None;
        }
        for key in self.slots.above(last) {
            self.lose(key, Loss::Unprocessed, true);
        }
        Some(Event::LostMany)
    }

    pub(super) fn window_update(&mut self, stream: u32, more: i64) -> Result<Option<Event>, Fault> {
        if stream == 0 {
            let before = self.window_out;
            self.window_out += more;
            return match more {
                0 => Err(Code::Protocol.into()),
                _ if self.window_out > MAX_WINDOW => Err(Code::FlowControl.into()),
                _ => Ok((before <= 0).then_some(Event::RoomForAll)),
            };
        }
        let key = match self.slots.find(stream) {
            Known::Open(key) => key,
            Known::Unknown if self.is_idle(stream) => return Err(Code::Protocol.into()),
            Known::Closed { .. } | Known::Unknown => return Ok(None),
        };
        let Some(slot) = self.slots.slot(key) else { return Ok(None) };
        slot.window_out += more;
        match more {
            0 => self.fail(key, Code::Protocol),
            _ if slot.window_out > MAX_WINDOW => self.fail(key, Code::FlowControl),
            _ => Ok(std::mem::take(&mut slot.waits).then_some(Event::Room(key))),
        }
    }

    /// Opens the connection's window again when half of it has been taken.
    pub(super) fn owe(&mut self, count: usize) {
        let mut count = u32::try_from(count).unwrap_or(0);
        if self.excess > 0 {
            // What large streams had lent it goes back, now that they are gone.
            let kept = count.min(self.excess);
            self.excess -= kept;
            self.spare += kept;
            count -= kept;
        }
        self.owed += count;
        if self.owed > 0 && self.owed >= self.bounds.connection_window.max(INITIAL_WINDOW) / 2 {
            put_number(&mut self.out, Kind::WindowUpdate, 0, self.owed);
            self.window_in += i64::from(std::mem::take(&mut self.owed));
        }
    }

    /// The same for a stream. One whose payload is taken as it comes gets a larger window, step by step: on a long way a
    /// window is what travels in one round trip. Of a burst the rest may still lie there when half a window has been taken,
    /// so what counts is that it was all taken at some moment in between.
    pub(super) fn settle(&mut self, key: Key, count: usize) {
        let Some(slot) = self.slots.slot(key) else { return };
        slot.owed += u32::try_from(count).unwrap_or(0);
        slot.emptied |= slot.unread() == 0;
        let window = self.bounds.stream_window + slot.grown;
        if slot.owed == 0 || slot.owed < window / 2 || slot.receiving != Receiving::Body {
            return;
        }
        let owed = std::mem::take(&mut slot.owed);
        slot.kept_up = slot.kept_up.saturating_add(owed);
        let mut more = 0;
        let emptied = slot.unread() == 0;
        if !std::mem::replace(&mut slot.emptied, emptied) {
            slot.kept_up = 0;
        } else if slot.kept_up / PROOF >= window {
            more = window.min(self.bounds.connection_window.saturating_sub(window)).min(self.spare);
            slot.kept_up = 0;
        }
        slot.grown += more;
        slot.window_in += i64::from(owed + more);
        put_number(&mut self.out, Kind::WindowUpdate, slot.id, owed + more);
        if more > 0 {
            // The others keep what they had.
            self.spare -= more;
            self.window_in += i64::from(more);
            put_number(&mut self.out, Kind::WindowUpdate, 0, more);
        }
    }

    /// Tells the peer that we leave, in two steps: a GOAWAY that refuses nothing, and the real one when that was seen.
    pub fn leave(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Told;
            self.put_goaway(0x7fff_ffff, Code::None);
            self.put_ping(SEEN, 0);
        }
    }

    /// Tells a peer that opens no streams that we leave.
    pub fn leave_at_once(&mut self) {
        if !matches!(self.leaving, Leaving::Last(_)) && self.fault.is_none() {
            self.leaving = Leaving::Last(self.last);
            self.put_goaway(self.last, Code::None);
        }
    }
}
