//! Header blocks, decoded into a flat list (RFC 7541 §3, §5, §6).

use super::table::{OVERHEAD, STATIC, Table};
use super::{Undecodable, huffman};
use crate::message::{Name, Span};

/// The largest dynamic table that we offer: what holds where SETTINGS say nothing.
const TABLE: usize = 4096;

/// A field of a block, or a pseudo-field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which of the names that the proxy cares about it is.
    pub known: Name,
    /// Its name, in [`Block::bytes`].
    pub name: Span,
    /// Its value, in [`Block::bytes`].
    pub value: Span,
}

/// A decoded block. Reused from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// What the pieces are parts of.
    pub bytes: Vec<u8>,
    /// Its fields, in order.
    pub pieces: Vec<Piece>,
    /// It was larger than the limit, and what is here is not all of it.
    pub is_cut: bool,
    size: usize,
}

impl Block {
    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.is_cut = false;
        self.size = 0;
    }

    /// The size that the limit on heads counts (RFC 9113 §6.5.2), also of what was left out.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Adds a field from a table; beyond `limit` it is counted only.
    fn add(&mut self, known: Name, name: &[u8], value: &[u8], limit: usize) {
        if !self.count(name.len() + value.len(), limit) {
            return;
        }
        let name_at = self.push(name);
        let value_at = self.push(value);
        self.pieces.push(Piece { known, name: name_at, value: value_at });
    }

    fn count(&mut self, bytes: usize, limit: usize) -> bool {
        self.size = self.size.saturating_add(bytes + OVERHEAD);
        self.is_cut |= self.size > limit;
        !self.is_cut
    }

    fn push(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        span(start, self.bytes.len())
    }
}

/// A span of a block: blocks are far below 4 GiB.
fn span(start: usize, end: usize) -> Span {
    let at = |place| u32::try_from(place).unwrap_or(u32::MAX);
    Span { start: at(start), end: at(end) }
}

/// Decodes the blocks of one direction, one after the other.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// The most that a block may hold.
    limit: usize,
    /// A name or a value on its way into the table.
    literal: Vec<u8>,
}

impl Decoder {
    /// Makes a decoder whose blocks hold at most `limit` bytes, counted as RFC 9113 §6.5.2 does.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { table: Table::new(TABLE), limit, literal: Vec::new() }
    }

    /// Decodes a whole block. One beyond the limit is decoded to its end, for the table's sake, and is cut.
    ///
    /// # Errors
    /// When it can't be: the connection can't go on either.
    pub fn decode(&mut self, bytes: &[u8], block: &mut Block) -> Result<(), Undecodable> {
        block.clear();
        let mut rest = bytes;
        let mut begins = true;
        while let Some(first) = rest.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    let (known, name, value) = self.find(index)?;
                    block.add(known, name, value, self.limit);
                }
                0x40..=0x7f => self.literal(&mut rest, 6, true, block)?,
                0x20..=0x3f => {
                    let size = integer(&mut rest, 5)?;
                    // Only in front of the first field, and never more than was offered (§4.2, §6.3).
                    if !begins || size > TABLE {
                        return Err(Undecodable);
                    }
                    self.table.set_limit(size);
                    continue;
                }
                0x00..=0x1f => self.literal(&mut rest, 4, false, block)?,
            }
            begins = false;
        }
        Ok(())
    }

    /// Decodes a literal field, whose index of the name has a prefix of `bits` bits (§6.2).
    fn literal(&mut self, rest: &mut &[u8], bits: u32, keep: bool, block: &mut Block) -> Result<(), Undecodable> {
        let index = integer(rest, bits)?;
        let mut literal = std::mem::take(&mut self.literal);
        literal.clear();
        let known = if index == 0 {
            text(rest, &mut literal)?;
            Name::find(&literal)
        } else {
            let (known, name, _) = self.find(index)?;
            literal.extend_from_slice(name);
            known
        };
        let split = literal.len();
        text(rest, &mut literal)?;
        let (name, value) = literal.split_at(split);
        block.add(known, name, value, self.limit);
        if keep {
            self.table.insert(known, name, value);
        }
        self.literal = literal;
        Ok(())
    }

    fn find(&self, index: usize) -> Result<(Name, &[u8], &[u8]), Undecodable> {
        let index = index.checked_sub(1).ok_or(Undecodable)?;
        match STATIC.get(index) {
            Some((name, value)) => Ok((NAMES[index], name, value)),
            None => self.table.find(index - STATIC.len()).ok_or(Undecodable),
        }
    }
}

/// The known names of the static table.
static NAMES: std::sync::LazyLock<[Name; 61]> = std::sync::LazyLock::new(|| STATIC.map(|(name, _)| Name::find(name)));

/// Reads an integer with a prefix of `bits` bits (§5.1). Nothing here needs more than 2²¹.
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Undecodable> {
    let (first, mut behind) = rest.split_first().ok_or(Undecodable)?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (next, further) = behind.split_first().ok_or(Undecodable)?;
            behind = further;
            value += usize::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 14 {
                return Err(Undecodable);
            }
        }
    }
    *rest = behind;
    Ok(value)
}

/// Reads a string, plain or in Huffman's code, and appends it (§5.2).
fn text(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Undecodable> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (bytes, behind) = rest.split_at_checked(length).ok_or(Undecodable)?;
    *rest = behind;
    if coded {
        return huffman::decode(bytes, out);
    }
    out.extend_from_slice(bytes);
    Ok(())
}
