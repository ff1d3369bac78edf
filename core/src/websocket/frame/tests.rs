//! Frames as bytes: what is counted, what is a fault, and that no split of the bytes changes anything.

use super::*;

/// A frame with these first two bytes (mask and length are filled in) and a payload.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(mask | u8::try_from(short).unwrap()),
        medium @ ..0x1_0000 => {
            bytes.push(mask | 126);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(mask | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let key: &[u8] = if masked { &[1, 2, 3, 4] } else { &[] };
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().chain(&[0; 4]).take(4).cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn server(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, false)
}

const STRICT: Bounds = Bounds { strict: true, ..Bounds::NONE };

/// What became of a whole sequence: how much went on, why it ended, and the scanner at its end.
#[derive(Debug, PartialEq)]
struct Outcome {
    taken: usize,
    halt: Option<Halt>,
    flags: (bool, bool, bool),
    scanner: Scanner,
}

/// Shows `bytes` piece by piece as a tunnel would: what was left comes again with what follows.
fn run(mut scanner: Scanner, bytes: &[u8], stops: &[usize], bounds: &Bounds) -> Outcome {
    let (mut taken, mut halt, mut flags) = (0, None, (false, false, false));
    for &stop in stops.iter().chain([&bytes.len()]) {
        let scan = scanner.scan(&bytes[taken..stop], bounds);
        taken += scan.taken;
        flags = (flags.0 | scan.ping, flags.1 | scan.pong, flags.2 | scan.close);
        halt = scan.halt;
        if halt.is_some() {
            break;
        }
        assert!(stop - taken <= MOST_LEFT, "{} bytes were left", stop - taken);
    }
    Outcome { taken, halt, flags, scanner }
}

/// Runs `bytes` whole, byte by byte, and cut in two and three at every place.
fn every_split(sender: Sender, extensions: u8, bytes: &[u8], bounds: &Bounds) -> Outcome {
    let scanner = Scanner::new(sender, extensions);
    let whole = run(scanner.clone(), bytes, &[], bounds);
    let each: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(run(scanner.clone(), bytes, &each, bounds), whole, "byte by byte");
    for first in 0..bytes.len() {
        for second in (first..bytes.len()).step_by(1 + bytes.len() / 40) {
            assert_eq!(run(scanner.clone(), bytes, &[first, second], bounds), whole, "cut at {first}, {second}");
        }
    }
    whole
}

#[track_caller]
fn check_fault(sender: Sender, extensions: u8, bytes: &[u8], expected: Option<Fault>) {
    let loose = every_split(sender, extensions, bytes, &Bounds::NONE);
    assert_eq!(loose.scanner.tally().fault, expected, "{bytes:02x?}");
    assert_eq!((loose.taken, loose.halt), (bytes.len(), None), "a fault is counted alone");
    let strict = every_split(sender, extensions, bytes, &STRICT);
    assert_eq!(strict.halt, expected.filter(|fault| *fault != Fault::AfterClose).map(Halt::Fault));
}

#[test]
fn messages_are_counted_by_kind_and_size() {
    let bytes = [
        server(0x81, b"hello"),
        server(0x82, &[7; 300]),
        server(0x01, b"in "),
        server(0x89, b"ping"),
        server(0x00, b"three "),
        server(0x80, b"parts"),
        server(0x8A, b""),
        server(0x82, &[7; 70_000]),
        server(0x81, b""),
    ]
    .concat();
    let outcome = run(Scanner::new(Sender::Server, 0), &bytes, &[], &Bounds::NONE);
    let tally = outcome.scanner.tally();
    assert_eq!((tally.texts, tally.binaries, tally.frames), (3, 2, 7));
    assert_eq!((tally.payload, tally.longest), (5 + 300 + 14 + 70_000, 70_000));
    assert_eq!((tally.pings, tally.pongs, tally.faults, tally.close), (1, 1, 0, None));
    assert_eq!((outcome.taken, outcome.flags), (bytes.len(), (true, true, false)));
    assert!(outcome.scanner.is_between_messages());
}

#[test]
fn no_split_changes_the_result() {
    let parts: [&[u8]; 6] = [b"", b"a", &[1; 125], &[2; 126], b"\x03\xe8bye", &[3; 200]];
    for masked in [false, true] {
        let sender = if masked { Sender::Client } else { Sender::Server };
        for first in [0x81, 0x01, 0x82, 0x00, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x83, 0x08] {
            for payload in parts {
                let bytes =
                    [frame(first, payload, masked), frame(0x80, b"end", masked), frame(0x81, b"x", masked)].concat();
                for bounds in [Bounds::NONE, STRICT, Bounds { max_message: 127, ..Bounds::NONE }] {
                    every_split(sender, 0, &bytes, &bounds);
                }
            }
        }
    }
}

#[test]
fn a_close_tells_its_code_masked_or_not() {
    for (payload, expected) in
        [(&b""[..], Close::Bare), (b"\x03\xe8", Close::Code(1000)), (b"\x0f\xa0why", Close::Code(4000))]
    {
        for (sender, masked) in [(Sender::Client, true), (Sender::Server, false)] {
            let outcome = every_split(sender, 0, &frame(0x88, payload, masked), &STRICT);
            assert_eq!(outcome.scanner.tally().close, Some(expected));
            assert_eq!((outcome.halt, outcome.flags), (None, (false, false, true)));
        }
    }
    assert_eq!((Close::Bare.code(), Close::Code(1001).code()), (1005, 1001));
}

#[test]
fn case_116_faults_are_counted_and_end_a_strict_scan() {
    let check = |bytes: &[u8], fault| check_fault(Sender::Server, 0, bytes, fault);
    check(&server(0x81, b"fine"), None);
    check(&server(0xC1, b"rsv1"), Some(Fault::Reserved));
    check(&server(0x91, b"rsv3"), Some(Fault::Reserved));
    check(&server(0x83, b"opcode"), Some(Fault::Opcode));
    check(&server(0x8B, b"opcode"), Some(Fault::Opcode));
    check(&frame(0x81, b"masked", true), Some(Fault::Mask));
    check(&server(0x89, &[0; 125]), None);
    check(&server(0x89, &[0; 126]), Some(Fault::LongControl));
    check(&server(0x09, b"in fragments"), Some(Fault::SplitControl));
    check(&server(0x80, b"of nothing"), Some(Fault::Continuation));
    check(&[server(0x01, b"a"), server(0x81, b"b")].concat(), Some(Fault::Continuation));
    check(&[server(0x01, b"a"), server(0x80, b"b")].concat(), None);
    check(&[&[0x81, 126, 0, 125][..], &[0; 125]].concat(), Some(Fault::LengthForm));
    check(&[&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0]].concat(), Some(Fault::LengthForm));
    check(&server(0x88, b"\x03"), Some(Fault::CloseCode));
    for (code, sendable) in [(999, false), (1004, false), (1005, false), (1006, false), (1014, true), (1015, false)] {
        check(&server(0x88, &u16::to_be_bytes(code)), (!sendable).then_some(Fault::CloseCode));
    }
    check(&[server(0x88, b""), server(0x89, b"")].concat(), Some(Fault::AfterClose));
    check_fault(Sender::Client, 0, &server(0x81, b"unmasked"), Some(Fault::Mask));
    check_fault(Sender::Client, 0, &frame(0x81, b"masked", true), None);
}

#[test]
fn a_length_without_end_is_a_fault_and_no_overflow() {
    let mut bytes = vec![0x01, 127];
    bytes.extend([0xFF; 8]);
    let outcome = run(Scanner::new(Sender::Server, 0), &bytes, &[3, 7], &Bounds::NONE);
    assert_eq!((outcome.taken, outcome.scanner.tally().fault), (10, Some(Fault::LengthForm)));
    assert_eq!(outcome.scanner.left, u64::MAX);
}

#[test]
fn agreed_extensions_may_use_their_bits() {
    let deflate = extension_bits(b"permessage-deflate; client_max_window_bits=12");
    check_fault(Sender::Server, deflate, &server(0xC1, b"rsv1"), None);
    check_fault(Sender::Server, deflate, &server(0xA1, b"rsv2"), Some(Fault::Reserved));
    check_fault(Sender::Server, deflate, &server(0xC9, b"ping"), Some(Fault::Reserved));
    check_fault(Sender::Server, deflate, &[server(0x41, b"a"), server(0xC0, b"b")].concat(), Some(Fault::Reserved));
    let unknown = extension_bits(b"x-multiplexed, permessage-deflate");
    check_fault(Sender::Server, unknown, &server(0xF1, b"all"), None);
    assert_eq!(extension_bits(b" , "), 0);
}

#[test]
fn case_116_what_is_too_long_does_not_go_on() {
    let bounds = Bounds { max_message: 10, ..Bounds::NONE };
    let check = |bytes: &[u8], bounds: &Bounds, taken, halt| {
        let outcome = every_split(Sender::Server, 0, bytes, bounds);
        assert_eq!((outcome.taken, outcome.halt), (taken, halt), "{bytes:02x?}");
    };
    check(&server(0x82, &[0; 10]), &bounds, 12, None);
    check(&server(0x82, &[0; 11]), &bounds, 0, Some(Halt::TooLong));
    check(&[server(0x81, b"ok"), server(0x82, &[0; 300])].concat(), &bounds, 4, Some(Halt::TooLong));
    // A message in fragments ends at the one that exceeds it, between two frames.
    check(
        &[server(0x01, &[0; 6]), server(0x89, &[0; 9]), server(0x80, &[0; 5])].concat(),
        &bounds,
        8 + 11,
        Some(Halt::TooLong),
    );
    check(&[server(0x01, &[0; 6]), server(0x80, &[0; 4]), server(0x81, &[0; 9])].concat(), &bounds, 8 + 6 + 11, None);
    let frames = Bounds { max_frame: 5, ..Bounds::NONE };
    check(&[server(0x01, &[0; 5]), server(0x80, &[0; 5])].concat(), &frames, 14, None);
    check(&[server(0x01, &[0; 5]), server(0x80, &[0; 6])].concat(), &frames, 7, Some(Halt::TooLong));
}

#[test]
fn a_scan_ends_where_it_is_wanted_to() {
    let bytes = [server(0x01, b"one "), server(0x89, b""), server(0x80, b"message"), server(0x81, b"two")].concat();
    let message = Bounds { until: Until::Message, ..Bounds::NONE };
    let outcome = run(Scanner::new(Sender::Server, 0), &bytes, &[], &message);
    assert_eq!((outcome.taken, outcome.halt), (0, Some(Halt::Boundary)), "it stands at one");
    let mut scanner = Scanner::new(Sender::Server, 0);
    assert_eq!(scanner.scan(&bytes[..3], &Bounds::NONE).taken, 3);
    let mut at_frame = scanner.clone();
    assert_eq!(scanner.scan(&bytes[3..], &message).taken, 6 + 2 + 9 - 3);
    assert!(scanner.is_between_messages());
    let frame = Bounds { until: Until::Frame, ..Bounds::NONE };
    let scan = at_frame.scan(&bytes[3..6], &frame);
    assert_eq!((scan.taken, scan.halt), (3, Some(Halt::Boundary)), "with the last byte");
    assert!(at_frame.is_between_frames() && !at_frame.is_between_messages());
}

#[test]
fn our_own_frames_are_sound() {
    for (sender, mask) in [(Sender::Client, Some([9, 8, 7, 6])), (Sender::Server, None)] {
        let mut bytes = Vec::new();
        write_ping(&mut bytes, *b"8 bytes!", mask);
        let ping = bytes.len();
        write_close(&mut bytes, 1012, mask);
        let outcome = every_split(sender, 0, &bytes, &STRICT);
        assert_eq!((outcome.halt, outcome.taken), (None, bytes.len()));
        assert_eq!((outcome.scanner.tally().close, outcome.flags), (Some(Close::Code(1012)), (true, false, true)));
        // The peer's Pong has our payload, with its own mask.
        let mut pong = frame(0x8A, b"8 bytes!", mask.is_some());
        assert!(is_pong_of(&pong, *b"8 bytes!") && !is_pong_of(&pong, *b"8 bytes?"));
        assert!(!is_pong_of(&bytes[..ping], *b"8 bytes!"), "a Ping is no Pong");
        pong.pop();
        assert!(!is_pong_of(&pong, *b"8 bytes!"));
    }
}
