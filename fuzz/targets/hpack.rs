//! Header blocks: arbitrary bytes are decoded within the limit or refused, and twice the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::http2::{Block, Decoder};

fuzz_target!(|blocks: Vec<&[u8]>| {
    let (mut one, mut two) = (Decoder::new(4096), Decoder::new(4096));
    let (mut block, mut fresh) = (Block::default(), Block::default());
    for bytes in blocks {
        // A block that is reused is as good as a fresh one.
        let results = (one.decode(bytes, &mut block), two.decode(bytes, &mut fresh));
        assert_eq!(results.0, results.1);
        if results.0.is_err() {
            return;
        }
        assert_eq!(block, fresh);
        assert!(block.bytes.len() <= 4096);
        fresh = Block::default();
    }
});
