//! Sixteen bytes looked at together: vector comparisons, by name.
//!
//! The scanner of heads and the escaping of log lines ask with it. It marks bytes (0xFF) and never says what they mean.

use wide::u8x16;

/// Bytes in a block.
pub(crate) const BLOCK: usize = 16;

/// Marks the bytes from `least` to `most`.
#[inline(always)]
pub(crate) fn within(block: u8x16, least: u8, most: u8) -> u8x16 {
    // Unsigned vectors know equal and least, not less-than: what is below `least` wraps to far above.
    let offset = block - u8x16::splat(least);
    offset.min(u8x16::splat(most - least)).simd_eq(offset)
}

/// Marks the bytes that are `byte`.
#[inline(always)]
pub(crate) fn is(block: u8x16, byte: u8) -> u8x16 {
    block.simd_eq(u8x16::splat(byte))
}
