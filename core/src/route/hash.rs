//! The hash of hosts and path segments: a few instructions for each eight bytes.
//!
//! It is no defence against chosen keys, and needs none: what stands in the tables comes from the configuration alone.
//! A request only looks up, and what it looks up can't lengthen a chain.

use std::hash::Hasher;

/// An odd number with well-spread bits: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds words into a state by rotation, exclusive or and multiplication.
#[derive(Clone, Copy, Default)]
pub(super) struct FastHasher(u64);

impl FastHasher {
    const fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        // The last eight bytes once more where the length is odd: cheaper than a loop over what is left.
        if let (false, Some(last)) = (tail.is_empty(), bytes.last_chunk::<8>()) {
            self.add(u64::from_le_bytes(*last));
        } else {
            self.add(tail.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        // Multiplication leaves the low bits weak, and the table takes its place from them.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    /// The table takes a place from the low bits and tells neighbours apart by the high ones: both must spread.
    #[test]
    fn names_that_differ_little_spread_over_the_table() {
        let build = BuildHasherDefault::<FastHasher>::default();
        for form in
            ["w{}", "{}.localhost", "w{}.preview.example.com", "{}-very-long-name-of-a-branch.preview.example.com"]
        {
            let names = (0..10_000).map(|n| form.replace("{}", &n.to_string()).into_bytes().into_boxed_slice());
            let hashes: Vec<u64> = names.map(|name| build.hash_one(name)).collect();
            let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0x3fff).collect();
            let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            // Chance alone would take 7,500 of the 16,384 places.
            assert!(low.len() > 6_500 && high.len() == 128, "{form}: {} places, {} tags", low.len(), high.len());
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 10_000, "{form}");
        }
    }
}
