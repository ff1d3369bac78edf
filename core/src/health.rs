//! Whether an endpoint should be asked, decided from what probes and requests saw of it.
//!
//! Pure state machines: the control thread sends the probes, the workers count what fails, and both tell these with the
//! moment. `active` is about probes, `passive` about traffic, `expect` about what a probe's answer must look like.
//! None of them knows a socket, a clock, or how endpoints are picked.

pub mod active;
pub mod expect;
pub mod passive;

/// SplitMix64: one seed, a row of numbers that look drawn. For jitter, not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 where the bound is 0.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Of the product's 128 bits the upper 64 are below the bound.
        (((z ^ (z >> 31)) as u128 * bound as u128) >> 64) as u64
    }
}
