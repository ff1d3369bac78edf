//! What stored answers are found by: scheme, authority, path and query of a request (case 130).
//!
//! The path is the one that the upstream gets, so that no two requests that it could tell apart share a key. A rule may
//! say which parameters of the query count.

use crate::config::QueryKey;

/// Writes the key. `forward` is the path with the query, canonical; `authority` is `Host` as it came.
pub fn write(out: &mut Vec<u8>, scheme: &str, authority: &[u8], forward: &[u8], query: &QueryKey) {
    out.clear();
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    let start = out.len();
    out.extend_from_slice(authority);
    out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    let cut = forward.iter().position(|byte| *byte == b'?').unwrap_or(forward.len());
    let (path, rest) = forward.split_at(cut);
    out.extend_from_slice(path);
    match query {
        QueryKey::All => out.extend_from_slice(rest),
        QueryKey::Only(names) => parameters(out, rest, true, |name| names.iter().any(|one| matches(one, name))),
        QueryKey::Without(names) => parameters(out, rest, false, |name| !names.iter().any(|one| matches(one, name))),
    }
}

/// Whether a parameter has this name; a name that ends in `*` stands for all that begin so.
fn matches(written: &str, name: &[u8]) -> bool {
    match written.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == written.as_bytes(),
    }
}

/// Writes the parameters that count; in the order of their names where only some do, for then their order does not.
fn parameters(out: &mut Vec<u8>, query: &[u8], sorted: bool, counts: impl Fn(&[u8]) -> bool) {
    let Some(query) = query.strip_prefix(b"?") else { return };
    let name = |part: &&[u8]| part.split(|byte| *byte == b'=').next().map_or(0, <[u8]>::len);
    let mut parts: Vec<&[u8]> = query.split(|byte| *byte == b'&').collect();
    parts.retain(|part| counts(part.get(..name(part)).unwrap_or_default()));
    if sorted {
        parts.sort_by_key(|part| part.get(..name(part)).unwrap_or_default());
    }
    for (at, part) in parts.iter().enumerate() {
        out.push(if at == 0 { b'?' } else { b'&' });
        out.extend_from_slice(part);
    }
}
