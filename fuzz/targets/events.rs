//! Event streams: where events end and which ids they have, whatever the split, and as a naive reader of lines sees it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::sse::{Id, MOST_ID, Scanner};
use switchboard_fuzz::cuts;

fuzz_target!(|bytes: &[u8]| {
    let whole = run(bytes, &[]);
    for stops in cuts(bytes) {
        assert_eq!(run(bytes, &stops), whole, "cut at {stops:?}");
    }
    assert_eq!(whole.0, naive(bytes));
});

/// The ids of the events, and whether the stream stands between two at its end.
fn run(bytes: &[u8], stops: &[usize]) -> (Vec<Id>, bool) {
    let mut scanner = Scanner::default();
    let (mut ids, mut at) = (Vec::new(), 0);
    for &stop in stops.iter().chain([&bytes.len()]) {
        while at < stop {
            let taken = scanner.next(&bytes[at..stop]);
            assert!(taken > 0 && taken <= stop - at);
            at += taken;
            if scanner.is_between() {
                ids.push(scanner.take_id());
            }
        }
    }
    // An event without an id is told from a mere line end by nothing that anybody needs.
    ids.retain(|id| *id != Id::Silent);
    (ids, scanner.is_between())
}

/// The ids of whole events, by lines.
fn naive(bytes: &[u8]) -> Vec<Id> {
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    let (mut ids, mut id, mut at) = (Vec::new(), Id::Silent, 0);
    while let Some(end) = bytes[at..].iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &bytes[at..at + end];
        at += end + if bytes[at + end..].starts_with(b"\r\n") { 2 } else { 1 };
        if line.is_empty() {
            ids.push(std::mem::take(&mut id));
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if &line[..colon] == b"id" && !value.contains(&0) {
            id = if value.is_empty() || value.len() > MOST_ID { Id::Lost } else { Id::Is(value.into()) };
        }
    }
    ids.retain(|id| *id != Id::Silent);
    ids
}
