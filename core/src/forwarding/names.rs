//! Sets of field names, and the one that every other begins with: what ends at a hop.
//!
//! The writers of heads ask them for each line; the cache and `forward_auth` for what they keep and pass on.

use crate::message::Name;

/// A set of field names as a bit mask, so that the writers test one bit per line.
#[derive(Clone, Copy)]
pub(crate) struct Names(u64);

/// What is for one connection (RFC 9110 §7.6.1, §11.7), and what frames a body: each hop says it anew. `Trailer` is not in
/// it: it goes on, as the trailers do.
pub(crate) const HOP_BY_HOP: Names = Names(0).and(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::ContentLength,
    Name::TransferEncoding,
    Name::Te,
    Name::Upgrade,
    Name::ProxyAuthorization,
    Name::ProxyAuthenticate,
    Name::ProxyAuthenticationInfo,
]);

impl Names {
    /// The set with these besides; a list with more names than bits would not compile, for it is evaluated in constants.
    pub(crate) const fn and(self, list: &[Name]) -> Self {
        let mut bits = self.0;
        let mut at = 0;
        while at < list.len() {
            bits |= 1_u64 << list[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// The set with a name more or less.
    pub(crate) const fn with(self, name: Name, present: bool) -> Self {
        let rest = self.0 & !(1 << name as u32);
        Self(rest | (present as u64) << name as u32)
    }

    /// Tells whether `name` is in it.
    pub(crate) const fn has(self, name: Name) -> bool {
        self.0 >> name as u32 & 1 == 1
    }
}
