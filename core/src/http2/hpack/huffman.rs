//! The Huffman code of RFC 7541 Appendix B.
//!
//! The code is canonical: among codes of one length those of smaller symbols come first, so that the lengths are all
//! that has to be written down. Codes of up to nine bits, which are nearly all there are, take one look in a table.

use super::Undecodable;

/// How many bits each byte takes; the last is the end, which may not occur (§5.2).
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const LONGEST: usize = 30;

/// Bits that one look decodes.
const LOOK: u32 = 9;

/// The code, ordered by its length.
struct Canon {
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// For each length: the code behind its last, left-aligned in 32 bits.
    ends: [u64; LONGEST + 1],
    /// For each length: its first code, and the place of that in `symbols`.
    firsts: [(u32, u16); LONGEST + 1],
}

static CANON: Canon = canon();

/// For the next nine bits: the symbol and its length, or 0 where it is longer.
static SHORT: [(u8, u8); 1 << LOOK] = short();

const fn canon() -> Canon {
    let mut canon = Canon { symbols: [0; 257], ends: [0; LONGEST + 1], firsts: [(0, 0); LONGEST + 1] };
    let (mut length, mut code, mut place) = (1, 0_u32, 0_u16);
    while length <= LONGEST {
        code <<= 1;
        canon.firsts[length] = (code, place);
        let mut symbol = 0_u16;
        while symbol < 257 {
            if LENGTHS[symbol as usize] as usize == length {
                canon.symbols[place as usize] = symbol;
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        canon.ends[length] = (code as u64) << (32 - length);
        length += 1;
    }
    canon
}

const fn short() -> [(u8, u8); 1 << LOOK] {
    let canon = canon();
    let mut table = [(0, 0); 1 << LOOK];
    let mut length = 1_u32;
    while length <= LOOK {
        let (first, place) = canon.firsts[length as usize];
        let next = canon.firsts[length as usize + 1].1;
        let mut index = place;
        while index < next {
            let code = first + (index - place) as u32;
            let mut tail = 0_u32;
            while tail < 1 << (LOOK - length) {
                #[expect(clippy::cast_possible_truncation, reason = "the end has 30 bits: what is short is a byte")]
                let symbol = canon.symbols[index as usize] as u8;
                #[expect(clippy::cast_possible_truncation, reason = "at most nine")]
                let bits = length as u8;
                table[((code << (LOOK - length)) | tail) as usize] = (symbol, bits);
                tail += 1;
            }
            index += 1;
        }
        length += 1;
    }
    table
}

/// Appends what `bytes` stand for.
///
/// # Errors
/// An end within, a padding of more than seven bits, or one that isn't of ones (§5.2).
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Undecodable> {
    // The next bits, left-aligned; `have` of them are real.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut rest = bytes.iter();
    loop {
        while have <= 56 {
            let Some(byte) = rest.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = SHORT[(bits >> (64 - LOOK)) as usize];
        let (symbol, length) = match u32::from(length) {
            0 => long(bits)?,
            length => (symbol, length),
        };
        if length > have || have == 0 {
            break;
        }
        out.push(symbol);
        bits <<= length;
        have -= length;
    }
    // What is left is the beginning of the end's code, which is all ones.
    let padding = !(u64::MAX.checked_shr(have).unwrap_or(0));
    if have < 8 && bits & padding == padding { Ok(()) } else { Err(Undecodable) }
}

/// Decodes a code that is longer than one look, from its bits and those of zero behind the last.
fn long(bits: u64) -> Result<(u8, u32), Undecodable> {
    let ahead = bits >> 32;
    for length in LOOK as usize + 1..=LONGEST {
        if ahead < CANON.ends[length] {
            let (first, place) = CANON.firsts[length];
            let code = ahead >> (32 - length);
            let index = usize::from(place) + usize::try_from(code - u64::from(first)).unwrap_or(usize::MAX);
            let symbol = CANON.symbols.get(index).copied().ok_or(Undecodable)?;
            let symbol = u8::try_from(symbol).map_err(|_| Undecodable)?;
            return Ok((symbol, u32::try_from(length).unwrap_or(u32::MAX)));
        }
    }
    Err(Undecodable)
}
