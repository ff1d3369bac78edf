//! What an unsafe method makes invalid: its own target, and what `Location` and `Content-Location` name of the same
//! origin (RFC 9111 §4.4).

use super::lines;
use crate::http1::ResponseHead;

/// Whether a method may change something. One that is not known may (RFC 9111 §4.4).
#[must_use]
pub fn is_unsafe(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"CONNECT")
}

/// Calls `each` with the keys that the answer to an unsafe method makes invalid. `url` is the request's own key with its
/// whole query. An answer that says that nothing was done makes nothing invalid.
pub fn targets(url: &[u8], head: &ResponseHead, bytes: &[u8], mut each: impl FnMut(&[u8])) {
    if !matches!(head.status, 200..=399) {
        return;
    }
    each(url);
    for name in [&b"location"[..], b"content-location"] {
        for text in lines(&head.fields, bytes, name) {
            if let Some(key) = resolve(url, text).filter(|key| key != url) {
                each(&key);
            }
        }
    }
}

/// Whether a reference means this very URL.
pub(super) fn is_same(url: &[u8], reference: &[u8]) -> bool {
    resolve(url, reference).is_some_and(|resolved| resolved == url)
}

/// Reads a reference as seen from `url`; `None` where it leads to another origin, or can't be read.
fn resolve(url: &[u8], reference: &[u8]) -> Option<Vec<u8>> {
    let reference = reference.split(|byte| *byte == b'#').next()?.trim_ascii();
    let after = url.windows(3).position(|three| three == b"://")? + 3;
    let path = after + url.get(after..)?.iter().position(|byte| *byte == b'/').unwrap_or(url.len() - after);
    let (scheme, origin) = (url.get(..after - 3)?, url.get(..path)?);
    if reference.is_empty() || reference.iter().any(u8::is_ascii_control) {
        return None;
    }
    if let Some(rest) = reference.strip_prefix(b"//") {
        return of_origin(origin, scheme, rest);
    }
    if reference.first() == Some(&b'/') {
        return Some([origin, reference].concat());
    }
    if let Some(colon) = reference.iter().position(|byte| matches!(byte, b':' | b'/' | b'?'))
        && reference.get(colon) == Some(&b':')
    {
        let rest = reference.get(colon..)?.strip_prefix(b"://")?;
        let same = reference.get(..colon)?.eq_ignore_ascii_case(scheme);
        return same.then(|| of_origin(origin, scheme, rest)).flatten();
    }
    // Relative to the directory of the URL's path.
    let end = url.iter().position(|byte| *byte == b'?').unwrap_or(url.len());
    let here = url.get(path..end)?;
    if reference.first() == Some(&b'?') {
        return Some([origin, here, reference].concat());
    }
    let directory = here.iter().rposition(|byte| *byte == b'/').map_or(&b"/"[..], |at| &here[..=at]);
    Some([origin, &without_dots(directory, reference)].concat())
}

/// An authority with what follows it, where it is that of `origin`.
fn of_origin(origin: &[u8], scheme: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    let cut = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let bare = |authority: &[u8]| -> Vec<u8> {
        let default: &[u8] = if scheme == b"https" { b":443" } else { b":80" };
        authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase()
    };
    let ours = origin.get(scheme.len() + 3..)?;
    if bare(authority) != bare(ours) {
        return None;
    }
    let slash: &[u8] = if path.first() == Some(&b'/') { b"" } else { b"/" };
    Some([origin, slash, path].concat())
}

/// Joins a directory and a relative path and takes the dot segments out of it (RFC 3986 §5.2.4).
fn without_dots(directory: &[u8], relative: &[u8]) -> Vec<u8> {
    let cut = relative.iter().position(|byte| *byte == b'?').unwrap_or(relative.len());
    let (relative, query) = relative.split_at(cut);
    let mut kept: Vec<&[u8]> = directory.split(|byte| *byte == b'/').collect();
    kept.pop();
    let mut segments = relative.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." && kept.len() > 1 {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            segment => kept.push(segment),
        }
    }
    let mut path = kept.join(&b'/');
    if path.first() != Some(&b'/') {
        path.insert(0, b'/');
    }
    path.extend_from_slice(query);
    path
}
