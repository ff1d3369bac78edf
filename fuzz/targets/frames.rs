//! Frames: split-independent, within bounds, and equal to what a naive reader of whole input counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::websocket::frame::{Bounds, Halt, MOST_LEFT, Scanner, Sender, Until};
use switchboard_fuzz::cuts;

fuzz_target!(|bytes: &[u8]| {
    let [how, bytes @ ..] = bytes else { return };
    let sender = if how & 1 == 0 { Sender::Client } else { Sender::Server };
    let extensions = [0, 0x40, 0x70][usize::from(how >> 1 & 3).min(2)];
    let bounds = Bounds {
        max_frame: if how & 8 == 0 { u64::MAX } else { 100 },
        max_message: if how & 16 == 0 { u64::MAX } else { 200 },
        strict: how & 32 != 0,
        until: Until::Exhausted,
    };
    let begin = Scanner::new(sender, extensions);
    let whole = run(begin.clone(), bytes, &[], &bounds);
    for stops in cuts(bytes) {
        assert_eq!(run(begin.clone(), bytes, &stops, &bounds), whole, "cut at {stops:?}");
    }
    let (scanner, taken, halt) = whole;
    let tally = scanner.tally();
    assert!(tally.longest <= bounds.max_message && tally.fault.is_some() == (tally.faults > 0));
    assert!(!bounds.strict || tally.faults == 0 || tally.close.is_some());
    let (frames, pings, at) = naive(&bytes[..taken]);
    assert_eq!((tally.frames, u64::from(tally.pings)), (frames, pings));
    assert_eq!(scanner.is_between_frames(), at == taken as u128);
    if halt.is_some() {
        assert!(scanner.is_between_frames());
    }
});

fn run(mut scanner: Scanner, bytes: &[u8], stops: &[usize], bounds: &Bounds) -> (Scanner, usize, Option<Halt>) {
    let mut taken = 0;
    for &stop in stops.iter().chain([&bytes.len()]) {
        let scan = scanner.scan(&bytes[taken..stop], bounds);
        taken += scan.taken;
        if scan.halt.is_some() {
            return (scanner, taken, scan.halt);
        }
        assert!(stop - taken <= MOST_LEFT && (taken == stop || scanner.is_between_frames()));
    }
    (scanner, taken, None)
}

/// Frames of messages, Pings, and where the last frame ends: by indices, with nothing in common with the scanner.
fn naive(bytes: &[u8]) -> (u64, u64, u128) {
    let (mut frames, mut pings, mut at) = (0, 0, 0_u128);
    while at < bytes.len() as u128 {
        let head = &bytes[at as usize..];
        let (length, form) = match head[1] & 127 {
            126 => (head[2..4].iter().fold(0, |n, b| n << 8 | u128::from(*b)), 2),
            127 => (head[2..10].iter().fold(0, |n, b| n << 8 | u128::from(*b)), 8),
            short => (u128::from(short), 0),
        };
        if head[0] & 8 == 0 {
            frames += 1;
        } else if head[0] & 15 == 9 {
            pings += 1;
        }
        at += 2 + form + if head[1] & 128 != 0 { 4 } else { 0 } + length;
    }
    (frames, pings, at)
}
