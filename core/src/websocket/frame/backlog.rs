//! What a slow side of a WebSocket has still to take, message by message, so that the oldest can be left out.
//!
//! The bytes lie with the caller, in a row; this knows where in them messages begin and end. Only whole messages that are
//! not compressed are ever left out: a compressed one may be what a later one refers to (RFC 7692 §7.2.1).

use std::collections::VecDeque;

use super::Scanner;
use super::head::{CONTINUATION, Head, RSV};

/// The row of what has to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pieces: VecDeque<Piece>,
    /// The length of all pieces.
    bytes: usize,
    /// Payload of the frame at the end of the row that is not in it yet.
    left: u64,
    /// The last piece is a message whose last frame has not come.
    open: bool,
}

/// A message, or something that stands between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    bytes: usize,
    /// It may be left out once it is whole.
    lossy: bool,
}

impl Backlog {
    /// Begins where `scanner` stood before what will be added.
    #[must_use]
    pub fn after(scanner: &Scanner) -> Self {
        let mut backlog = Self { left: scanner.left, ..Self::default() };
        // Some of that message has gone already.
        if !scanner.is_between_messages() {
            backlog.pieces.push_back(Piece { bytes: 0, lossy: false });
            backlog.open = scanner.inside.is_some();
        }
        backlog
    }

    /// Adds bytes that let pass whole heads only, as a scanner does. Before them stand what others have put there: the
    /// row is `row` bytes long by now, these not counted.
    pub fn add(&mut self, row: usize, bytes: &[u8]) {
        if row > self.bytes {
            let other = Piece { bytes: row - self.bytes, lossy: false };
            self.pieces.push_back(other);
            self.bytes = row;
        }
        self.bytes += bytes.len();
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut here = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            if self.left == 0 {
                // Half a head at the end of everything is nothing that could be left out.
                let Some(head) = Head::read(rest) else { return self.extend(rest.len(), false) };
                self.begin(&head);
                self.left = head.length;
                here = usize::from(head.size).min(rest.len());
            } else {
                self.left -= here as u64;
            }
            if let Some(last) = self.pieces.back_mut() {
                last.bytes += here;
            }
            rest = rest.get(here..).unwrap_or_default();
        }
    }

    /// Begins a frame: a piece of its own, unless it goes on with the message at the end of the row.
    fn begin(&mut self, head: &Head) {
        let goes_on = head.opcode() == CONTINUATION;
        if goes_on && self.open {
            self.open = !head.is_final();
            return;
        }
        // What comes in between belongs to no message, and the message around it is in two pieces then: both stay.
        let whole_so_far = !head.is_control() && !goes_on;
        if self.open
            && let Some(last) = self.pieces.back_mut()
        {
            last.lossy = false;
        }
        self.open = whole_so_far && !head.is_final();
        let lossy = whole_so_far && head.first & RSV == 0;
        self.pieces.push_back(Piece { bytes: 0, lossy });
    }

    fn extend(&mut self, bytes: usize, lossy: bool) {
        self.pieces.push_back(Piece { bytes, lossy });
    }

    /// The first `taken` bytes of the row have gone.
    pub fn take(&mut self, taken: usize) {
        self.bytes = self.bytes.saturating_sub(taken);
        let mut left = taken;
        while left > 0 {
            // What goes on in it has still to come.
            let unfinished = self.pieces.len() == 1 && (self.open || self.left > 0);
            match self.pieces.front_mut() {
                Some(first) if left < first.bytes || unfinished => {
                    first.bytes = first.bytes.saturating_sub(left);
                    first.lossy = false;
                    break;
                }
                Some(first) => {
                    left -= first.bytes;
                    self.pieces.pop_front();
                }
                None => break,
            }
        }
    }

    /// The first `bytes` of the row can't be left out any more: they are on their way, though not counted as gone yet.
    pub fn pin(&mut self, bytes: usize) {
        let mut from = 0;
        for piece in &mut self.pieces {
            if from >= bytes {
                break;
            }
            piece.lossy = false;
            from += piece.bytes;
        }
    }

    /// Whether [`Self::leave_out`] would find something.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.oldest().is_some()
    }

    /// Leaves out the oldest message that may be. Returns which bytes of the row it was, from and to.
    pub fn leave_out(&mut self) -> Option<std::ops::Range<usize>> {
        let index = self.oldest()?;
        let from: usize = self.pieces.iter().take(index).map(|piece| piece.bytes).sum();
        let piece = self.pieces.remove(index)?;
        self.bytes -= piece.bytes;
        Some(from..from + piece.bytes)
    }

    fn oldest(&self) -> Option<usize> {
        // The last may not be whole.
        let whole = self.pieces.len() - usize::from(!self.pieces.is_empty() && (self.open || self.left > 0));
        self.pieces.iter().take(whole).position(|piece| piece.lossy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::frame::{Bounds, Sender};

    /// A server's frame with this first byte and a payload of one letter.
    fn frame(first: u8, letter: u8, length: u8) -> Vec<u8> {
        [vec![first, length], vec![letter; usize::from(length)]].concat()
    }

    /// Adds frames one by one, each in two pieces behind its head, drops all that may be dropped, and tells the letters of what is left.
    #[track_caller]
    fn check(frames: &[Vec<u8>], taken: usize, expect: &str) {
        let mut backlog = Backlog::after(&Scanner::new(Sender::Server, 0));
        let mut row = Vec::new();
        for frame in frames {
            let (one, other) = frame.split_at(frame.len().min(3));
            for part in [one, other] {
                backlog.add(row.len(), part);
                row.extend_from_slice(part);
            }
        }
        backlog.take(taken);
        row.drain(..taken);
        while let Some(range) = backlog.leave_out() {
            row.drain(range);
        }
        assert!(!backlog.is_lossy() && backlog.bytes == row.len());
        let letters: Vec<u8> = row.iter().copied().filter(u8::is_ascii_lowercase).collect();
        let mut shown = String::from_utf8(letters).unwrap();
        shown = shown.chars().fold(String::new(), |mut text, letter| {
            if !text.ends_with(letter) {
                text.push(letter);
            }
            text
        });
        assert_eq!(shown, expect, "{frames:?} {taken}");
    }

    #[test]
    fn whole_plain_messages_alone_are_left_out() {
        const TEXT: u8 = 0x81;
        let plain = |letter| frame(TEXT, letter, 5);
        check(&[plain(b'a'), plain(b'b')], 0, "");
        // Compressed, a control frame, a Close.
        check(&[plain(b'a'), frame(0xC1, b'z', 5), plain(b'b')], 0, "z");
        check(&[plain(b'a'), frame(0x89, b'p', 2), frame(0x88, b'c', 2)], 0, "pc");
        // The sink has begun the first.
        check(&[plain(b'a'), plain(b'b')], 1, "a");
        check(&[plain(b'a'), plain(b'b')], 7, "");
        // Fragments are one message; with something in between they stay; the end has not come.
        check(&[frame(0x01, b'a', 3), frame(0x80, b'a', 3), plain(b'b')], 0, "");
        check(&[frame(0x01, b'a', 3), frame(0x89, b'p', 1), frame(0x80, b'd', 3), plain(b'b')], 0, "apd");
        check(&[plain(b'b'), frame(0x01, b'a', 3)], 0, "a");
        check(&[plain(b'b'), plain(b'a')[..4].to_vec()], 0, "a");
    }

    #[test]
    fn what_is_on_its_way_stays() {
        let frames = [frame(0x81, b'a', 5), frame(0x81, b'b', 9), frame(0x81, b'c', 2)];
        for (pinned, stays) in [(0, 0), (1, 1), (7, 1), (8, 2), (18, 2), (19, 3), (99, 3)] {
            let mut backlog = Backlog::after(&Scanner::new(Sender::Server, 0));
            let mut row = Vec::new();
            for frame in &frames {
                backlog.add(row.len(), frame);
                row.extend_from_slice(frame);
            }
            backlog.pin(pinned);
            while let Some(range) = backlog.leave_out() {
                row.drain(range);
            }
            assert_eq!(row, frames[..stays].concat(), "{pinned} bytes are on their way");
        }
    }

    #[test]
    fn it_begins_in_the_middle_and_knows_of_what_others_say() {
        let mut scanner = Scanner::new(Sender::Server, 0);
        let whole = frame(0x01, b'a', 6);
        assert_eq!(scanner.scan(&whole[..4], &Bounds::NONE).taken, 4);
        let mut backlog = Backlog::after(&scanner);
        let mut row = whole[4..].to_vec();
        backlog.add(0, &row);
        for next in [frame(0x80, b'a', 2), frame(0x81, b'b', 2)] {
            backlog.add(row.len(), &next);
            row.extend(next);
        }
        row.extend(frame(0x89, b'p', 1));
        let last = frame(0x82, b'c', 1);
        backlog.add(row.len(), &last);
        row.extend(last);
        while let Some(range) = backlog.leave_out() {
            row.drain(range);
        }
        assert_eq!(row, [&whole[4..], &frame(0x80, b'a', 2), &frame(0x89, b'p', 1)].concat());
        backlog.take(row.len());
        assert_eq!(backlog.bytes, 0);
    }
}
