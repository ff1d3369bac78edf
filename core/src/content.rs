//! Content that the proxy itself has at hand, and what may be done to it: conditions, ranges, codings, names of files.
//!
//! What serves files, stored answers and compressed ones asks here. Nothing here opens a file or encodes a byte: it
//! decides by what a request says and what is known of the content.

pub mod asked;
pub mod coding;
pub mod compress;
pub mod conditional;
pub mod listing;
pub mod names;
pub mod path;
pub mod range;

pub use asked::Asked;
pub use coding::{Accepted, Coding};
