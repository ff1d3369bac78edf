//! The id that names one exchange: in `x-request-id`, in the proxy's own answers and in the access log.
//!
//! The proxy draws a seed when it starts, and each worker counts in a range of its own; nothing here draws randomness.
//! An id is unique, not secret: who sees many of them can learn to continue the series.

/// An id: 32 lower-case hexadecimal digits, the form of a W3C trace id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// Makes the id of the exchange with this number. `seed` is random; workers that share one count in ranges of their own.
    ///
    /// For one seed, different counters never give the same id: the low half is a bijection of the counter. Between
    /// seeds the halves behave as 128 random bits, so that two ids meet with a chance of 2⁻⁶⁴ after
    /// about 2³² of them. A client's own id is not taken over: it could forge or collide.
    #[must_use]
    pub const fn new(seed: u64, counter: u64) -> Self {
        // A Weyl step (odd constant of the golden ratio) and one xor-multiply-xor: each step is invertible.
        let step = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed);
        let mixed = (step ^ (step >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let low = mixed ^ (mixed >> 32);
        // The high half carries the seed, spread by the low one, so that it differs from id to id as well.
        let high = (low.rotate_left(23) ^ seed).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let (high, low) = (hex(high ^ (high >> 29)), hex(low));
        let mut text = [0; 32];
        let (left, right) = text.split_at_mut(16);
        left.copy_from_slice(&high);
        right.copy_from_slice(&low);
        Self(text)
    }

    /// Its digits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sixteen digits of a word, highest first, eight at a time and without a table or a branch.
const fn hex(word: u64) -> [u8; 16] {
    let high = hex_half((word >> 32) as u32).to_be_bytes();
    let low = hex_half((word & 0xffff_ffff) as u32).to_be_bytes();
    let mut text = [0; 16];
    let (left, right) = text.split_at_mut(8);
    left.copy_from_slice(&high);
    right.copy_from_slice(&low);
    text
}

/// The eight digits of half a word, one in each byte, the highest in the most significant one.
const fn hex_half(half: u32) -> u64 {
    // Spread the eight nibbles over eight bytes.
    let mut x = half as u64;
    x = (x | (x << 16)) & 0x0000_ffff_0000_ffff;
    x = (x | (x << 8)) & 0x00ff_00ff_00ff_00ff;
    x = (x | (x << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // A nibble above 9 carries into bit 4 when 6 is added: those bytes get the distance from ':' to 'a' on top.
    let letters = ((x + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    x + 0x3030_3030_3030_3030 + letters * 0x27
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn digits_are_those_of_the_word() {
        for word in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX, 0x9999_aaaa_0a9f_f00d] {
            assert_eq!(std::str::from_utf8(&hex(word)).unwrap(), format!("{word:016x}"));
        }
    }

    #[test]
    fn ids_differ_by_counter_and_by_seed() {
        let mut seen = HashSet::new();
        for seed in [0, 1, 2, u64::MAX, 0x5eed] {
            for counter in 0..20_000 {
                let id = RequestId::new(seed, counter);
                assert!(seen.insert(id), "seed {seed:x} counter {counter} gives {id} twice");
            }
        }
    }

    #[test]
    fn an_id_is_32_digits() {
        let id = RequestId::new(7, 9);
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
}
