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
        QueryKey::Only(names) => parameters(out, rest, true, |part| {
            let name = careless(&name(part));
            names.iter().any(|one| matches(&careless(one.as_bytes()), &name)).then_some(name)
        }),
        QueryKey::Without(names) => parameters(out, rest, false, |part| {
            let name = name(part);
            (!names.iter().any(|one| matches(one.as_bytes(), &name))).then_some(name)
        }),
    }
}

/// The keys that URLs have which mean the same as this one: with the port of its scheme and without, with the dot that
/// may end a host and without. Each has its own answers, as an origin may look at `Host`; what is thrown away of one is
/// thrown away of all (RFC 9111 §4.4).
#[must_use]
pub fn spellings(key: &[u8]) -> [Vec<u8>; 4] {
    let after = key.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let (scheme, rest) = key.split_at(after);
    let (authority, path) = rest.split_at(rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len()));
    let port: &[u8] = if scheme.starts_with(b"https") { b":443" } else { b":80" };
    let (bare, other) = match authority.strip_suffix(port) {
        Some(bare) => (bare, &b""[..]),
        // Another port belongs to the name, and the dot stands before it.
        None => authority.split_at(authority.iter().rposition(|byte| *byte == b':').unwrap_or(authority.len())),
    };
    let (bare, other) = if other.ends_with(b"]") { (authority, &b""[..]) } else { (bare, other) };
    let bare = bare.strip_suffix(b".").unwrap_or(bare);
    let port = if other.is_empty() { port } else { other };
    [(&b""[..], other), (b"", port), (b".", other), (b".", port)]
        .map(|(dot, port)| [scheme, bare, dot, port, path].concat())
}

/// Whether a parameter has this name; a name that ends in `*` stands for all that begin so.
fn matches(written: &[u8], name: &[u8]) -> bool {
    match written.strip_suffix(b"*") {
        Some(start) => name.starts_with(start),
        None => name == written,
    }
}

/// Writes the parameters that count, those of which `counts` gives the name; in the order of their names where only some
/// do, for then their order does not. `;` separates parameters for some origins and not for others: with one in it, the
/// whole query counts.
fn parameters(out: &mut Vec<u8>, query: &[u8], sorted: bool, counts: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    if query.contains(&b';') {
        return out.extend_from_slice(query);
    }
    let Some(query) = query.strip_prefix(b"?") else { return };
    let all = query.split(|byte| *byte == b'&');
    let mut parts: Vec<(Vec<u8>, &[u8])> = all.filter_map(|part| counts(part).map(|name| (name, part))).collect();
    if sorted {
        parts.sort_by(|one, other| one.0.cmp(&other.0));
    }
    for (at, (_, part)) in parts.iter().enumerate() {
        out.push(if at == 0 { b'?' } else { b'&' });
        out.extend_from_slice(part);
    }
}

/// A parameter's name as origins decode it.
fn name(part: &[u8]) -> Vec<u8> {
    let written = part.split(|byte| *byte == b'=').next().unwrap_or_default();
    let mut name = Vec::with_capacity(written.len());
    let mut rest = written;
    loop {
        rest = match rest {
            [] => return name,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                name.push(digit(*high) << 4 | digit(*low));
                rest
            }
            [b'+', rest @ ..] => {
                name.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                name.push(*byte);
                rest
            }
        }
    }
}

const fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        hex => (hex | 0x20) - b'a' + 10,
    }
}

/// A name as the most careless of origins takes it: without regard to case, up to a bracket or a NUL, spaces before it
/// left out, dots and spaces as `_`. What may be one that counts has to count.
fn careless(name: &[u8]) -> Vec<u8> {
    let name = name.trim_ascii_start();
    let end = name.iter().position(|byte| matches!(byte, b'[' | 0)).unwrap_or(name.len());
    let plain = name.get(..end).unwrap_or_default().iter();
    plain.map(|byte| if matches!(byte, b'.' | b' ') { b'_' } else { byte.to_ascii_lowercase() }).collect()
}
