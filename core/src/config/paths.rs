//! What becomes of paths that two servers may read in two ways.

/// How the paths of a rule are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What `%2F` in a path is.
    pub encoded_slash: EncodedSlash,
    /// Whether an upstream gets `/a//b` as `/a/b` (default). Routes and policies see `/a/b` in any case.
    pub merge_slashes: bool,
}

/// What an encoded slash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    /// No slash: it is forwarded as it came, unless a slash in its place would lead to another answer.
    Opaque,
    /// An error of the client.
    Reject,
}

impl Default for Paths {
    fn default() -> Self {
        Self { encoded_slash: EncodedSlash::Opaque, merge_slashes: true }
    }
}
