//! Content codings (RFC 9110 §8.4.1, §12.5.3): which one a client takes best of those that there are.

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with windows of at most 8 MiB (RFC 9659).
    Zstd,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// What the name of a file ends in that holds another one in this coding.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
        }
    }

    /// The coding of a name.
    #[must_use]
    pub fn named(token: &[u8]) -> Option<Self> {
        match token.len() {
            2 if token.eq_ignore_ascii_case(b"br") => Some(Self::Brotli),
            4 if token.eq_ignore_ascii_case(b"gzip") => Some(Self::Gzip),
            4 if token.eq_ignore_ascii_case(b"zstd") => Some(Self::Zstd),
            // RFC 9110 §8.4.1.3: the same.
            6 if token.eq_ignore_ascii_case(b"x-gzip") => Some(Self::Gzip),
            8 if token.eq_ignore_ascii_case(b"identity") => Some(Self::Identity),
            _ => None,
        }
    }
}

/// What a client takes, in thousandths by [`Coding`]; `None` where it says nothing of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    said: [Option<u16>; 4],
    any: Option<u16>,
}

impl Accepted {
    /// Reads the lines of `Accept-Encoding`. Without any, nothing but identity is taken: clients that can more say so.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut accepted = Self::default();
        for item in lines.into_iter().flat_map(|line| line.split(|byte| *byte == b',')) {
            let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let Some(name) = parts.next().filter(|name| !name.is_empty()) else { continue };
            let quality = parts.find_map(quality).unwrap_or(1000);
            if name == b"*" {
                accepted.any = Some(quality);
            } else if let Some(coding) = Coding::named(name) {
                accepted.said[coding as usize] = Some(quality);
            }
        }
        accepted
    }

    /// How well a coding is taken, in thousandths; 0 is not at all.
    #[must_use]
    pub fn quality(&self, coding: Coding) -> u16 {
        self.said[coding as usize].or(self.any).unwrap_or(0)
    }

    /// The best of `offered` for the client; of equals the first. Identity where it prefers that, or takes none of them:
    /// content that nobody can read in another way is given as it is rather than refused (§12.5.3).
    pub fn choose(&self, offered: impl IntoIterator<Item = Coding>) -> Coding {
        let mut best = (Coding::Identity, self.said[Coding::Identity as usize].unwrap_or(0));
        for coding in offered {
            let quality = self.quality(coding);
            let more = quality > best.1 || (quality == best.1 && best.0 == Coding::Identity);
            if quality > 0 && more {
                best = (coding, quality);
            }
        }
        best.0
    }
}

/// The value of a `q` parameter, in thousandths; what is no number counts as 0: better as it is than unreadable.
fn quality(parameter: &[u8]) -> Option<u16> {
    let value = match parameter {
        [b'q' | b'Q', rest @ ..] => rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii(),
        _ => return None,
    };
    let thousandths = match value {
        [b'1'] => 1000,
        [b'1', b'.', zeros @ ..] if zeros.len() <= 3 && zeros.iter().all(|byte| *byte == b'0') => 1000,
        [b'0', b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().zip([100, 10, 1]).map(|(digit, weight)| u16::from(digit - b'0') * weight).sum()
        }
        _ => 0,
    };
    Some(thousandths)
}

/// Whether lines of `Vary` already name `Accept-Encoding`, or everything.
pub fn varies<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> bool {
    lines
        .into_iter()
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Identity, Zstd};

    const ALL: [Coding; 3] = [Zstd, Brotli, Gzip];

    #[test]
    fn the_clients_preference_decides_and_then_ours() {
        let check = |value: &str, expect| {
            assert_eq!(Accepted::read([value.as_bytes()]).choose(ALL), expect, "{value}");
        };
        check("", Identity);
        check("gzip", Gzip);
        check("x-gzip", Gzip);
        check("GZIP", Gzip);
        check("gzip, deflate, br, zstd", Zstd);
        check("gzip, deflate, br", Brotli);
        check("gzip;q=1.0, br;q=0.9, zstd;q=0.8", Gzip);
        check("gzip;q=0.5, br;q=0.5", Brotli);
        check("*", Zstd);
        check("*;q=0.5, gzip", Gzip);
        check("zstd;q=0, *", Brotli);
        check("*;q=0", Identity);
        check("*;q=0, gzip", Gzip);
        check("identity", Identity);
        check("identity, gzip;q=0.5", Identity);
        check("identity;q=0.5, gzip;q=0.5", Gzip);
        check("identity;q=0", Identity);
        check("identity;q=0, gzip", Gzip);
        check("identity;q=0, *", Zstd);
        check("deflate, compress", Identity);
        check("gzip;q=0", Identity);
        check("gzip;q=0.000", Identity);
        check("gzip;q=0.001", Gzip);
        check("gzip;q=nonsense", Identity);
        check("gzip ; Q = 0.3 , br ; q=0.2", Gzip);
        check(",, gzip ,", Gzip);
    }

    #[test]
    fn lines_add_up() {
        assert_eq!(Accepted::read([b"br;q=0.2".as_slice(), b"gzip"]).choose(ALL), Gzip);
        assert_eq!(Accepted::read(std::iter::empty()).choose(ALL), Identity);
    }

    #[test]
    fn vary_is_named_once() {
        assert!(varies([b"cookie, Accept-Encoding".as_slice()]));
        assert!(varies([b"origin".as_slice(), b" * "]));
        assert!(!varies([b"accept-encoding-x, origin".as_slice()]));
    }
}
