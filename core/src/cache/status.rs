//! `Cache-Status` (RFC 9211): what the cache did, in a line that debugging reads.

/// Why a request went on, in the field's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Caching is not for such requests.
    Bypass,
    /// The method is not one that is answered from a cache.
    Method,
    /// Nothing is stored under this URL.
    UriMiss,
    /// Something is, for other requests.
    VaryMiss,
    /// The request asked for it.
    Request,
    /// What is stored is stale.
    Stale,
}

impl Forwarded {
    /// The field's own word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// What the cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Answered from the store; so many seconds of freshness are left, negative where it is stale.
    Hit {
        /// Seconds of freshness left.
        ttl: i64,
        /// In words, why something stale was given.
        detail: &'static str,
    },
    /// Asked upstream.
    Forward {
        /// Why.
        why: Forwarded,
        /// The status of the answer, where it is not the one that the client gets.
        status: Option<u16>,
        /// The answer is being stored.
        stored: bool,
        /// It was waited for the answer to another request.
        collapsed: bool,
        /// In words, why it is not stored.
        detail: &'static str,
    },
}

/// Appends the line, with its CRLF.
pub fn write(out: &mut Vec<u8>, course: &Course) {
    out.extend_from_slice(b"cache-status: switchboard");
    match *course {
        Course::Hit { ttl, detail } => {
            out.extend_from_slice(b"; hit; ttl=");
            decimal(out, ttl);
            word(out, detail);
        }
        Course::Forward { why, status, stored, collapsed, detail } => {
            out.extend_from_slice(b"; fwd=");
            out.extend_from_slice(why.word().as_bytes());
            if let Some(status) = status {
                out.extend_from_slice(b"; fwd-status=");
                decimal(out, i64::from(status));
            }
            if stored {
                out.extend_from_slice(b"; stored");
            }
            if collapsed {
                out.extend_from_slice(b"; collapsed");
            }
            word(out, detail);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn word(out: &mut Vec<u8>, detail: &str) {
    if !detail.is_empty() {
        out.extend_from_slice(b"; detail=");
        out.extend_from_slice(detail.as_bytes());
    }
}

/// Appends the line that says how old an answer is, with its CRLF.
pub fn write_age(out: &mut Vec<u8>, seconds: u64) {
    out.extend_from_slice(b"age: ");
    decimal(out, i64::try_from(seconds).unwrap_or(i64::MAX).min(1 << 31));
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    let mut rest = number.unsigned_abs();
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        if let Some(slot) = digits.get_mut(start) {
            *slot = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}
