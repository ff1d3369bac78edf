//! PROXY headers: a verdict stands once it is given, and the header ends where it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::proxy_header::{MAX_LENGTH, Parsed, parse};

fuzz_target!(|bytes: &[u8]| {
    let mut verdict = None;
    for end in 0..=bytes.len().min(MAX_LENGTH + 50) {
        let now = parse(&bytes[..end]);
        match verdict {
            Some(before) => assert_eq!(now, before, "more bytes change nothing"),
            None if now == Ok(Parsed::NeedMore) => assert!(end < MAX_LENGTH, "a header is at most so long"),
            None => {
                if let Ok(Parsed::Done(header)) = now {
                    assert_eq!(
                        header.consumed, end,
                        "it was whole before its last byte, or asked for more than it took"
                    );
                }
                verdict = Some(now);
            }
        }
    }
});
