//! Eight bytes at a time: tells whether a host or a path is canonical as it stands, at some two instructions a byte.
//!
//! Only ever says "surely" or "not surely": what it does not know is left to the readers that go byte by byte.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);

/// Tells whether a host has only lower-case letters, digits, `-` and single dots, none of them at an end.
pub(super) fn is_plain_host(host: &[u8]) -> bool {
    let wrong = |word, before: &mut u64| {
        let dots = within(word, b'.', b'.');
        let others = within(word, b'a', b'z') | within(word, b'0', b'9') | within(word, b'-', b'-');
        !(dots | others) | behind(dots, dots, before)
    };
    !matches!((host.first(), host.last()), (None | Some(b'.'), _) | (_, Some(b'.'))) && no_word(host, wrong)
}

/// Tells whether a path has only letters, digits, `-`, `_`, dots and slashes, and no dot or slash behind a slash.
pub(super) fn is_plain_path(path: &[u8]) -> bool {
    no_word(path, |word, before| {
        let slashes = within(word, b'/', b'/');
        let dots = within(word, b'.', b'.');
        // Setting this bit folds upper case onto lower case, and nothing else onto a letter.
        let letters = within(word | (ONES * 0x20), b'a', b'z');
        let others = within(word, b'0', b'9') | within(word, b'-', b'-') | within(word, b'_', b'_');
        !(slashes | dots | letters | others) | behind(slashes, slashes | dots, before)
    })
}

/// Asks `wrong` for every word; it sets the high bit of each wrong byte. Its second argument is its own: zero at first.
fn no_word(bytes: &[u8], wrong: impl Fn(u64, &mut u64) -> u64) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut before = 0;
    let mut found = 0;
    let mut look = |word: u64, before: &mut u64| found |= word | wrong(word & !HIGHS, before);
    for word in words {
        look(u64::from_le_bytes(*word), &mut before);
    }
    if let (false, Some(last)) = (tail.is_empty(), bytes.last_chunk::<8>()) {
        // The last eight bytes, some for the second time: cheaper than byte by byte. Their first one's
        // neighbour was looked at before.
        look(u64::from_le_bytes(*last), &mut 0);
    } else if !tail.is_empty() {
        let filled = tail.iter().rev().fold(ONES * u64::from(b'a'), |word, byte| (word << 8) | u64::from(*byte));
        look(filled, &mut before);
    }
    found & HIGHS == 0
}

/// Sets the high bit of each byte from `first` to `last`. Bytes are ASCII, so that no sum carries into the next.
const fn within(word: u64, first: u8, last: u8) -> u64 {
    let reached = word + ONES * (0x80 - first) as u64;
    let passed = word + ONES * (0x7f - last) as u64;
    reached & !passed & HIGHS
}

/// Those of `followers` that stand right behind one of `marks`, across words too.
const fn behind(marks: u64, followers: u64, before: &mut u64) -> u64 {
    let found = ((marks << 8) | *before) & followers;
    *before = marks >> 56;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_host(host: &[u8]) -> bool {
        let bytes = host.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
        bytes && host.split(|&byte| byte == b'.').all(|label| !label.is_empty())
    }

    fn plain_path(path: &[u8]) -> bool {
        let bytes = path.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        bytes && !path.windows(2).any(|two| two == b"//" || two == b"/.")
    }

    /// Every pair of bytes that could meet, at every place of texts that end in, on and behind a word.
    #[test]
    fn words_agree_with_bytes() {
        let pairs: Vec<[u8; 2]> =
            (0..=255).flat_map(|byte| [[b'x', byte], [byte, b'x'], [b'.', byte], [b'/', byte]]).collect();
        for length in 1..=26 {
            for (at, pair) in (0..length).flat_map(|at| pairs.iter().map(move |pair| (at, pair))) {
                let mut text = vec![b'a'; length];
                text.iter_mut().skip(at).zip(pair).for_each(|(byte, new)| *byte = *new);
                assert_eq!(is_plain_host(&text), plain_host(&text), "host {:?}", text.escape_ascii().to_string());
                assert_eq!(is_plain_path(&text), plain_path(&text), "path {:?}", text.escape_ascii().to_string());
            }
        }
        assert!(!is_plain_host(b"") && is_plain_path(b""));
    }
}
