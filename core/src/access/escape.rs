//! Makes bytes from outside safe for one line of a log: as the inside of a JSON string, or for a terminal.
//!
//! Nothing that comes out ends a line, moves a cursor or turns the direction of writing (case 185). Plain ASCII, which
//! is nearly everything, is found eight or sixteen bytes at a time and copied in one piece; all else takes the slow way.

use wide::u8x16;

use crate::block::{BLOCK, is, within};

/// A word with one in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// A word with the highest bit of each byte.
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How what is not plain is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Json,
    Text,
}

/// Appends `bytes` as the inside of a JSON string (RFC 8259 §7). What is not UTF-8 becomes U+FFFD.
pub fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        slow(out, bytes, Style::Json);
    }
}

/// Appends `bytes` for a terminal: control and direction characters, quotes and backslashes in the manner of Rust's
/// literals (`\n`, `\x1b`, `\u{202e}`), what is not UTF-8 as `\xNN`.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        slow(out, bytes, Style::Text);
    }
}

/// Tells whether all bytes are printable ASCII other than `"` and `\`.
fn is_plain(bytes: &[u8]) -> bool {
    // As below, by blocks where there is room for one.
    if let Some(last) = bytes.last_chunk::<BLOCK>() {
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        let plain = |block: &[u8; BLOCK]| {
            let block = u8x16::new(*block);
            within(block, b' ', b'~') & !is(block, b'"') & !is(block, b'\\')
        };
        return blocks.iter().fold(plain(last), |all, block| all & plain(block)).all();
    }
    let (words, tail) = bytes.as_chunks::<8>();
    let mut odd = words.iter().fold(0, |odd, word| odd | odd_bits(u64::from_le_bytes(*word)));
    if let Some(last) = bytes.last_chunk::<8>() {
        // The last eight bytes, some of them for the second time: cheaper than the tail byte by byte.
        odd |= odd_bits(u64::from_le_bytes(*last));
    } else {
        odd |= odd_bits(tail.iter().fold(ONES * u64::from(b'a'), |word, byte| (word << 8) | u64::from(*byte)));
    }
    odd & HIGHS == 0
}

/// Has the high bit of a byte set where the word has one that is not plain.
///
/// The tests are exact for words of ASCII: then no byte borrows from the next or carries into it unless it is itself
/// found. For others the word's own high bits answer.
const fn odd_bits(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let delete = word.wrapping_add(ONES);
    word | control | quote | backslash | delete
}

#[cold]
fn slow(out: &mut Vec<u8>, bytes: &[u8], style: Style) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            one(out, character, style);
        }
        for byte in chunk.invalid() {
            match style {
                Style::Json => out.extend_from_slice("\u{fffd}".as_bytes()),
                Style::Text => hex(out, b"\\x", u32::from(*byte), 2),
            }
        }
    }
}

fn one(out: &mut Vec<u8>, character: char, style: Style) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        hidden if is_hidden(hidden) => return hide(out, hidden, style),
        visible => return out.extend_from_slice(visible.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Characters that are not seen themselves but change what is: controls, line separators, marks of direction.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

fn hide(out: &mut Vec<u8>, hidden: char, style: Style) {
    let code = u32::from(hidden);
    match style {
        // All hidden characters lie in the first plane: one unit of UTF-16 is enough.
        Style::Json => hex(out, b"\\u", code, 4),
        Style::Text if code < 0x80 => hex(out, b"\\x", code, 2),
        Style::Text => {
            hex(out, b"\\u{", code, 4);
            out.push(b'}');
        }
    }
}

fn hex(out: &mut Vec<u8>, before: &[u8], code: u32, digits: u32) {
    out.extend_from_slice(before);
    for place in (0..digits).rev() {
        let digit = ((code >> (4 * place)) & 0xf).to_le_bytes()[0];
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_185_one_line_whatever_comes() {
        let check = |bytes: &[u8], as_json: &str, as_text: &str| {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            json(&mut one, bytes);
            text(&mut two, bytes);
            assert_eq!(String::from_utf8(one).unwrap(), as_json);
            assert_eq!(String::from_utf8(two).unwrap(), as_text);
        };
        check(b"", "", "");
        check(b"/plain/path?and=query~", "/plain/path?and=query~", "/plain/path?and=query~");
        check(b"a\r\nb\tc", r"a\r\nb\tc", r"a\r\nb\tc");
        check(b"\x1b[31mred", r"\u001b[31mred", r"\x1b[31mred");
        check(b"\0\x7f", r"\u0000\u007f", r"\x00\x7f");
        check(br#"say "hi" \o/"#, r#"say \"hi\" \\o/"#, r#"say \"hi\" \\o/"#);
        check("żółć 🦀".as_bytes(), "żółć 🦀", "żółć 🦀");
        check(b"\xff\xc3(", "\u{fffd}\u{fffd}(", r"\xff\xc3(");
        // The start of a character whose rest was cut off.
        check(b"end\xf0\x9f\xa6", "end\u{fffd}\u{fffd}\u{fffd}", r"end\xf0\x9f\xa6");
        check("a\u{202e}b\u{2028}c\u{85}d".as_bytes(), r"a\u202eb\u2028c\u0085d", r"a\u{202e}b\u{2028}c\u{0085}d");
    }

    #[test]
    fn each_byte_at_each_place_is_told_plain_or_not() {
        for byte in 0..=u8::MAX {
            let plain = (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
            for place in 0..19 {
                let mut bytes = [b'a'; 19];
                bytes[place] = byte;
                assert_eq!(is_plain(&bytes), plain, "byte {byte:#x} at {place}");
                bytes = [b'~'; 19];
                bytes[place] = byte;
                assert_eq!(is_plain(&bytes), plain, "byte {byte:#x} at {place} among tildes");
            }
        }
    }
}
