//! Paths: one pass that finds a canonical one, and the slow roads for all others.
//!
//! Called for request targets, for the paths of route keys and conditions, and for paths that a rule has edited.
//! Decodes once, never twice, and never guesses: what has two readings is an error.

use std::borrow::Cow;

use super::TargetError;
use super::words::is_plain_path;

/// What the one pass over a target finds.
pub(crate) struct Split {
    /// Length of the path; the `?` follows, or nothing.
    pub(crate) path_len: usize,
    /// The path is canonical as it stands.
    pub(crate) tidy: bool,
}

/// What a byte means in a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands for itself.
    Plain,
    /// Untidy where it follows a slash: `.` and `/`.
    AfterSlash,
    /// Needs a second look in a path: `%` and `;`.
    Mark,
    /// Ends the path: `?`.
    Query,
    /// Never stands in a target as it is.
    Bad,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Bad; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'.' | b'/' => Class::AfterSlash,
            b'%' | b';' => Class::Mark,
            b'?' => Class::Query,
            // RFC 3986 gives brackets to IP literals alone; browsers send them bare in paths and queries.
            b'[' | b']' => Class::Plain,
            _ if is_segment_byte(byte) => Class::Plain,
            _ => Class::Bad,
        };
        byte += 1;
    }
    table
};

/// Tells whether a byte may stand bare in a segment and is no delimiter of parameters: `pchar` of RFC 3986 §3.3 less `;`.
const fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}

/// Splits a target in origin form into path and query, and tells whether the path is canonical.
pub(crate) fn scan(target: &[u8]) -> Result<Split, TargetError> {
    let path_len = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(path_len);
    // Most paths are letters and slashes alone.
    let tidy = is_plain_path(path) || is_tidy(path)?;
    if query.iter().any(|&byte| is_bad(byte)) {
        return Err(bad_byte(query));
    }
    Ok(Split { path_len, tidy })
}

/// Tells whether a path is canonical, byte by byte.
fn is_tidy(path: &[u8]) -> Result<bool, TargetError> {
    let mut tidy = true;
    let mut previous = 0;
    for &byte in path {
        match CLASSES[usize::from(byte)] {
            Class::Plain => {}
            Class::AfterSlash => tidy &= previous != b'/',
            Class::Mark => tidy = false,
            // The path ends before its query, so that no question mark is left in it.
            Class::Query | Class::Bad => return Err(bad_byte(path)),
        }
        previous = byte;
    }
    Ok(tidy)
}

fn is_bad(byte: u8) -> bool {
    CLASSES[usize::from(byte)] == Class::Bad
}

/// Says what is wrong with the first bad byte.
fn bad_byte(text: &[u8]) -> TargetError {
    match text.iter().find(|&&byte| is_bad(byte)) {
        Some(b'#') => TargetError::Fragment,
        _ => TargetError::Byte,
    }
}

/// Checks every percent-encoding of a path, as it would read once decoded.
pub(crate) fn check_encoding(path: &[u8]) -> Result<(), TargetError> {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        if byte != b'%' {
            at += 1;
            continue;
        }
        let value = percent_encoded(path, at).ok_or(TargetError::Encoding)?;
        match (value, percent_encoded(path, at + 3)) {
            (0..=0x1f | 0x7f, _) => return Err(TargetError::Control),
            (b'\\', _) => return Err(TargetError::Backslash),
            // The first two bytes tell an overlong sequence (RFC 3629 §4). Other bytes that are no UTF-8 stay:
            // names in older character sets have no second reading.
            (0xc0 | 0xc1, Some(0x80..=0xbf)) | (0xe0, Some(0x80..=0x9f)) | (0xf0, Some(0x80..=0x8f)) => {
                return Err(TargetError::Overlong);
            }
            _ => at += 3,
        }
    }
    Ok(())
}

/// The value of the percent-encoding that begins at `at`, if there is one.
pub(crate) fn percent_encoded(path: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = path.get(at..at.checked_add(3)?)? else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// The segments behind the first slash.
pub(crate) fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.strip_prefix(b"/").unwrap_or(path).split(|&byte| byte == b'/')
}

/// What a segment does to the path.
#[derive(PartialEq)]
enum Segment {
    Empty,
    Here,
    Up,
    Name,
}

impl Segment {
    fn of(segment: &[u8]) -> Result<Self, TargetError> {
        let (mut dots, mut at) = (0, 0);
        while segment.get(at) == Some(&b'.') || percent_encoded(segment, at) == Some(b'.') {
            at += if segment.get(at) == Some(&b'.') { 1 } else { 3 };
            dots += 1;
        }
        let parameters = segment.get(at) == Some(&b';') || percent_encoded(segment, at) == Some(b';');
        match (dots, at == segment.len()) {
            (0, true) => Ok(Self::Empty),
            (1, true) => Ok(Self::Here),
            (2, true) => Ok(Self::Up),
            // Servers that drop parameters before they resolve dots would climb here.
            (1 | 2, false) if parameters => Err(TargetError::DotParameters),
            _ => Ok(Self::Name),
        }
    }
}

/// Tells whether a path has a segment `.` or `..`, encoded or not.
pub(crate) fn has_dot_segment(path: &[u8]) -> Result<bool, TargetError> {
    for segment in segments(path) {
        if matches!(Segment::of(segment)?, Segment::Here | Segment::Up) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Resolves dot segments (RFC 3986 §5.2.4, but an error above the root) and merges empty segments. Borrows where there
/// is neither. The last segment may be empty: a trailing slash stays.
pub(crate) fn resolve(path: &[u8]) -> Result<Cow<'_, [u8]>, TargetError> {
    let mut untidy = false;
    let mut rest = segments(path).peekable();
    while let Some(segment) = rest.next() {
        untidy |= match Segment::of(segment)? {
            Segment::Empty => rest.peek().is_some(),
            Segment::Here | Segment::Up => true,
            Segment::Name => false,
        };
    }
    if !untidy {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut directory = false;
    for segment in segments(path) {
        let kind = Segment::of(segment)?;
        directory = kind != Segment::Name;
        match kind {
            Segment::Empty | Segment::Here => {}
            Segment::Up => {
                let parent = out.iter().rposition(|&byte| byte == b'/').ok_or(TargetError::AboveRoot)?;
                out.truncate(parent);
            }
            Segment::Name => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    if directory {
        out.push(b'/');
    }
    Ok(Cow::Owned(out))
}

/// Brings a resolved path into the form that routes see. Borrows where it has that form. Does the same nothing twice.
pub(crate) fn canonical(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.iter().any(|byte| matches!(byte, b'%' | b';')) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut in_parameters = false;
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        at += 1;
        match (byte, percent_encoded(path, at - 1)) {
            (b'/', _) => {
                in_parameters = false;
                // `/;x/y`: a segment of parameters alone is an empty one.
                if out.last() != Some(&b'/') {
                    out.push(b'/');
                }
            }
            (b';', _) => in_parameters = true,
            _ if in_parameters => {}
            (_, Some(value)) => {
                at += 2;
                push_decoded(&mut out, value);
            }
            (byte, None) => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// Adds a byte that was encoded: bare where it may stand so, else encoded in upper case.
fn push_decoded(out: &mut Vec<u8>, value: u8) {
    if is_segment_byte(value) {
        out.push(value);
    } else {
        let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 15)];
        out.extend_from_slice(&[b'%', digit(value >> 4), digit(value)]);
    }
}

/// The canonical path that a server sees that decodes slashes; `None` where none is encoded.
///
/// An error where a dot segment appears: such a server would climb, and ours would not have seen it.
pub(crate) fn with_slashes_decoded(path: &[u8]) -> Result<Option<Vec<u8>>, TargetError> {
    if !path.windows(3).any(|three| matches!(three, [b'%', b'2', b'f' | b'F'])) {
        return Ok(None);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let slash = percent_encoded(path, at) == Some(b'/');
        decoded.push(if slash { b'/' } else { byte });
        at += if slash { 3 } else { 1 };
    }
    if has_dot_segment(&decoded).unwrap_or(true) {
        return Err(TargetError::HiddenDots);
    }
    Ok(Some(canonical(&resolve(&decoded)?).into_owned()))
}

/// Brings a path of the configuration (of a key or a condition) into the form that requests' paths are compared in.
///
/// What can't stand bare in a target is encoded first, so that `/café` finds its requests. A trailing slash stays.
#[must_use]
pub fn canonical_key_path(path: &str) -> String {
    let mut encoded_path = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        match CLASSES[usize::from(byte)] {
            Class::Bad | Class::Query => push_decoded(&mut encoded_path, byte),
            Class::Plain | Class::AfterSlash | Class::Mark => encoded_path.push(byte),
        }
    }
    let resolved = resolve(&encoded_path).unwrap_or(Cow::Borrowed(&encoded_path));
    String::from_utf8_lossy(&canonical(&resolved)).into_owned()
}
