//! A server's connection fed with arbitrary frames, in pieces and at once: no panic, the same events and answers, and
//! never more held than the windows allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::config::Http2;
use switchboard_core::http2::{Connection, Event, PREFACE, Role};
use switchboard_core::moment::Moment;

/// Feeds all of it, `step` bytes at once, and tells what came of it.
fn run(bytes: &[u8], step: usize) -> (Vec<Event>, Vec<u8>) {
    let mut connection = Connection::new(Role::Server, Http2::default(), 32 * 1024, Moment::ZERO);
    let (mut events, mut said, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        held.extend_from_slice(piece);
        let mut rest = held.as_slice();
        loop {
            match connection.next(&mut rest, Moment::ZERO) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => {
                    said.extend_from_slice(connection.outgoing());
                    return (events, said);
                }
            }
        }
        held = rest.to_vec();
        assert!(held.len() < 9 + 16 * 1024);
        said.extend_from_slice(connection.outgoing());
        connection.sent(connection.outgoing().len());
    }
    (events, said)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, frames) = input;
    let bytes = [PREFACE.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0], frames].concat();
    assert_eq!(run(&bytes, usize::from(step) + 1), run(&bytes, bytes.len()));
});
