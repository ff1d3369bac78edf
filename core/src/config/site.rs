//! `files:` and `compress:`: what a rule serves by itself, and what it encodes on the way.

use std::path::PathBuf;

pub use crate::content::compress::Compress;

/// A directory that a rule serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The directory, as seen from the file that names it. A link here is followed; those below it must stay below it.
    pub dir: PathBuf,
    /// Names of the files that stand for their directory, the first that is there ([index.html]).
    pub index: Vec<String>,
    /// The file that answers where there is none, without a slash in front; `None` answers 404.
    pub fallback: Option<String>,
    /// Whether a directory without an index is listed (false).
    pub listing: bool,
    /// Whether `name.br`, `name.zst` and `name.gz` answer for `name` to those who take them (true).
    pub precompressed: bool,
    /// `Cache-Control` by pattern, before what fingerprints tell; `None` says nothing at all.
    pub cache_control: Option<Vec<(String, String)>>,
}

/// What a rule compresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// Of what its upstream answers; `None` is nothing, the default.
    pub answers: Option<Compress>,
    /// Of its files; the default unless it says otherwise.
    pub files: Option<Compress>,
}

impl Site {
    /// A directory of which nothing else is said.
    #[must_use]
    pub fn of(dir: PathBuf) -> Self {
        Self {
            dir,
            index: vec!["index.html".to_owned()],
            fallback: None,
            listing: false,
            precompressed: true,
            cache_control: Some(Vec::new()),
        }
    }
}
