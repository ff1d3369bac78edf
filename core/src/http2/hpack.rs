//! Header compression (RFC 7541): blocks decoded into flat lists, and heads encoded without a state.
//!
//! The decoder is strict and bounded: its table by what we announce, its output by the limit on heads. The encoder uses
//! the static table alone: it costs some bytes per head and spares a table per connection, with its hashing.

mod decode;
mod encode;
mod huffman;
mod table;

pub use decode::{Block, Decoder, Piece};
pub(super) use encode::{put_field, put_indexed_status};

/// Why a block can't be decoded: COMPRESSION_ERROR (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

#[cfg(test)]
mod tests;
