//! What requests say about content: ranges, codings, tags, names of files, media types. Nothing panics, and what is read is
//! possible: parts lie within the content and are less than it, names stay below their directory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::content::compress::is_compressible;
use switchboard_core::content::range::{MOST_RANGES, Ranges};
use switchboard_core::content::{Accepted, Coding, conditional, names, path};

const CODINGS: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let size = [0, 1, 10, 1000, u64::MAX - 1, u64::MAX][usize::from(first) % 6];
    let within = |part: &std::ops::Range<u64>| part.start < part.end && part.end <= size;
    match Ranges::read(rest, size) {
        Ranges::Whole | Ranges::Outside => {}
        Ranges::One(part) => assert!(within(&part)),
        Ranges::Several(parts) => {
            assert!(parts.len() > 1 && parts.len() <= MOST_RANGES && parts.iter().all(within));
            assert!(parts.iter().map(|part| u128::from(part.end - part.start)).sum::<u128>() < u128::from(size));
        }
    }
    let accepted = Accepted::read(rest.split(|byte| *byte == b'\n'));
    let chosen = accepted.choose(CODINGS);
    assert!(chosen == Coding::Identity || accepted.quality(chosen) > 0);
    assert!(CODINGS.iter().all(|coding| chosen == Coding::Identity || accepted.quality(*coding) <= accepted.quality(chosen)));
    // Whoever has a tag strongly has it weakly too.
    assert!(!conditional::has_tag(rest, Some(b"\"a\""), true) || conditional::has_tag(rest, Some(b"\"a\""), false));
    if let Ok(wanted) = path::wanted(rest, usize::from(first)) {
        assert!(!wanted.path.starts_with(b"/") && !wanted.path.contains(&0));
        assert!(wanted.path.split(|byte| *byte == b'/').all(|segment| segment != b".." && segment != b"."));
    }
    let _ = (is_compressible(rest), names::is_fingerprinted(rest), names::matches("*a*b/*c", rest));
});
