//! From a request's path to the name of a file below a directory: decoded once, segment by segment, or refused.
//!
//! What comes out has no `..`, no NUL, no empty segment and does not begin with a slash. Links are not seen from here:
//! whoever opens the file keeps them beneath the directory.

/// The longest name that a file system takes.
const MOST_NAME: usize = 255;

/// The longest path that a system call takes, its end included.
const MOST_PATH: usize = 4095;

/// A file that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The path below the directory, without slashes at its ends; empty for the directory itself.
    pub path: Vec<u8>,
    /// Whether the request's path ends in a slash: a directory is meant.
    pub directory: bool,
}

/// Why no file can have the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// A segment begins with a dot.
    Hidden,
    /// A segment has a slash or a NUL in it once it is decoded, or is too long.
    Impossible,
}

/// Reads a canonical path (see [`Destination::path`](crate::target::Destination::path)), whose first `skip` bytes are
/// the key of the route.
///
/// # Errors
/// Why there is no such file. A segment that begins with a dot is hidden, except `.well-known` at the top (RFC 8615).
pub fn wanted(path: &[u8], skip: usize) -> Result<Wanted, Unnamed> {
    let below = path.get(skip..).unwrap_or_default();
    let mut name = Vec::with_capacity(below.len());
    for (at, segment) in below.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).enumerate() {
        if at > 0 {
            name.push(b'/');
        }
        let start = name.len();
        decode(segment, &mut name);
        let decoded = name.get(start..).unwrap_or_default();
        if decoded.first() == Some(&b'.') && !(at == 0 && decoded == b".well-known") {
            return Err(Unnamed::Hidden);
        }
        let impossible = |byte: &u8| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f);
        if decoded.len() > MOST_NAME || decoded.iter().any(impossible) {
            return Err(Unnamed::Impossible);
        }
    }
    if name.len() > MOST_PATH {
        return Err(Unnamed::Impossible);
    }
    Ok(Wanted { path: name, directory: below.ends_with(b"/") })
}

fn decode(segment: &[u8], out: &mut Vec<u8>) {
    let mut rest = segment;
    loop {
        match rest {
            [] => return,
            [b'%', high, low, behind @ ..] => {
                let (high, low) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16));
                match (high, low) {
                    (Some(high), Some(low)) => {
                        out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                        rest = behind;
                    }
                    _ => {
                        out.push(b'%');
                        rest = rest.get(1..).unwrap_or_default();
                    }
                }
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_name() {
        let check = |path: &str, skip, expect: &str, directory| {
            let expect = Wanted { path: expect.as_bytes().to_vec(), directory };
            assert_eq!(wanted(path.as_bytes(), skip), Ok(expect), "{path}");
        };
        check("/", 0, "", true);
        check("/a.txt", 0, "a.txt", false);
        check("/a/b/", 0, "a/b", true);
        check("/docs", 5, "", false);
        check("/docs/", 5, "", true);
        check("/docs/a", 5, "a", false);
        check("/a%20b%C3%A9", 0, "a bé", false);
        check("/100%25", 0, "100%", false);
        check("/%2541", 0, "%41", false);
        check("/.well-known/acme", 0, ".well-known/acme", false);
        check("/C:/x", 0, "C:/x", false);
    }

    #[test]
    fn what_names_no_file_is_refused() {
        let check = |path: &str, expect| assert_eq!(wanted(path.as_bytes(), 0), Err(expect), "{path}");
        check("/.git/config", Unnamed::Hidden);
        check("/a/...", Unnamed::Hidden);
        check("/a/.env", Unnamed::Hidden);
        check("/%2Eenv", Unnamed::Hidden);
        check("/a/.well-known/x", Unnamed::Hidden);
        check("/..", Unnamed::Hidden);
        check("/%2E%2E/x", Unnamed::Hidden);
        check("/a/..%2Fb", Unnamed::Hidden);
        check("/a%2Fb", Unnamed::Impossible);
        check("/a%00", Unnamed::Impossible);
        check("/a%5Cb", Unnamed::Impossible);
        check("/a%0A", Unnamed::Impossible);
        check(&format!("/{}", "a".repeat(256)), Unnamed::Impossible);
        check(&"/a".repeat(2100), Unnamed::Impossible);
    }
}
