//! Tags that an origin gives its answers so that they can be purged together: `Surrogate-Key`, `Cache-Tag`.

use super::lines;
use crate::message::Fields;

/// Tags that one answer has at most; the rest is passed over. Chosen.
const MOST: usize = 256;

/// A tag as it is kept. Two that meet by accident purge a little too much, which does no harm.
#[must_use]
pub fn hash(tag: &[u8]) -> u64 {
    // FNV-1a: the same in every version of the program, for it is stored.
    tag.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The tags of an answer.
#[must_use]
pub fn of(fields: &Fields, bytes: &[u8]) -> Box<[u64]> {
    let spaced = lines(fields, bytes, b"surrogate-key").flat_map(|line| line.split(|byte| *byte == b' '));
    let listed = lines(fields, bytes, b"cache-tag").flat_map(|line| line.split(|byte| *byte == b','));
    let named = spaced.chain(listed).map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty());
    let mut tags: Vec<u64> = named.take(MOST).map(hash).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into_boxed_slice()
}
