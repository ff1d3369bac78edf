//! The token of the admin plane: made at the first start, readable by the proxy's user alone, compared in constant time.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use axum::http::HeaderValue;

/// Bytes of chance in a token.
const BYTES: usize = 32;

/// A token. Never printed.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the token of a running proxy, for the command line.
    ///
    /// # Errors
    /// When there is none that this user may read.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        OpenOptions::new().read(true).open(path)?.take(4096).read_to_string(&mut text)?;
        match text.trim() {
            "" => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty; remove it, and the next start makes one"))
            }
            token => Ok(Self(token.to_owned())),
        }
    }

    /// Reads the token, or makes one where there is none.
    ///
    /// # Errors
    /// When it can't be read or made, or others may read it.
    pub(super) fn read_or_make(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                let words = "others may read it; run `chmod 600` on it, or remove it for a new one";
                Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
            }
            Ok(_) => Self::read(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // Whole or not at all: a start that breaks off must not leave half a token behind.
        let part = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        writeln!(file, "{token}")?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        Ok(Self(token))
    }

    /// The text, for a request of our own.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an `Authorization` bears this token. How long it takes tells nothing about how much of it is right.
    pub(super) fn is_borne_by(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, token)) = authorization.and_then(|value| value.to_str().ok()?.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && same(token.trim().as_bytes(), self.0.as_bytes())
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(one.len() ^ other.len(), |sum, (a, b)| sum | usize::from(a ^ b));
    std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bears_the_token_and_no_other() {
        let token = Token("abc".to_owned());
        let check = |text: &str, expect| {
            let value = HeaderValue::from_str(text).unwrap();
            assert_eq!(token.is_borne_by(Some(&value)), expect, "{text}");
        };
        check("Bearer abc", true);
        check("bearer abc", true);
        for wrong in ["Bearer abd", "Bearer ab", "Bearer abcd", "Bearer ", "Bearer", "abc", "Basic abc"] {
            check(wrong, false);
        }
        assert!(!token.is_borne_by(None));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
