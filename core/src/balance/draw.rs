//! Numbers that are random enough to spread load, from a seed that somebody else drew.

/// A stream of numbers: `SplitMix64`. Never used where a guess would do harm.
#[derive(Clone, Copy, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Begins a stream.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; 0 where that is 0. Its bias, below 2⁻³², is nothing to a balance.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.number()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// Spreads the bits of a number over all of it.
#[must_use]
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The hash of a key by which requests are spread: the same in every process and for every version of the program.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let fold = |state: u64, word: u64| mix(state ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let state = words.iter().fold(bytes.len() as u64, |state, word| fold(state, u64::from_le_bytes(*word)));
    fold(state, tail.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}
