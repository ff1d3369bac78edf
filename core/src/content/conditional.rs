//! Conditional requests (RFC 9110 §13): whether content is given, not given because it is known, or refused.
//!
//! Dates are compared as seconds since 1970; who calls brings the reader for them, since their three forms are a
//! library's business.

use super::Asked;

/// What is known of the content that would be given.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The entity tag with its quotes, and `W/` in front where it is weak.
    pub etag: Option<&'a [u8]>,
    /// When the content changed, in seconds since 1970.
    pub modified: Option<u64>,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The content is given.
    Give,
    /// 304: the client has it.
    Known,
    /// 412: the client wants it only as it no longer is.
    Changed,
}

/// Asks the conditions in the order of RFC 9110 §13.2.2. For GET and HEAD, of content that exists.
#[must_use]
pub fn judge(asked: &Asked<'_>, known: &Validators<'_>, date: impl Fn(&[u8]) -> Option<u64> + Copy) -> Verdict {
    if asked.if_match {
        if !asked.lines(b"if-match").any(|line| has_tag(line, known.etag, true)) {
            return Verdict::Changed;
        }
    } else if let (Some(since), Some(modified)) = (asked.if_unmodified_since.and_then(date), known.modified)
        && modified > since
    {
        return Verdict::Changed;
    }
    if asked.if_none_match {
        let has = asked.lines(b"if-none-match").any(|line| has_tag(line, known.etag, false));
        return if has { Verdict::Known } else { Verdict::Give };
    }
    match (asked.if_modified_since.and_then(date), known.modified) {
        (Some(since), Some(modified)) if modified <= since => Verdict::Known,
        _ => Verdict::Give,
    }
}

/// Whether `Range` may be heeded as far as `If-Range` is concerned (RFC 9110 §13.1.5): a strong tag that is the
/// content's, or exactly its date, where `now` is far enough behind that date for it to be a strong one (§8.8.2.2).
#[must_use]
pub fn range_holds(
    asked: &Asked<'_>,
    known: &Validators<'_>,
    now: u64,
    date: impl Fn(&[u8]) -> Option<u64> + Copy,
) -> bool {
    let Some(value) = asked.if_range else { return true };
    match value {
        [b'"', ..] => known.etag == Some(value),
        [b'W', b'/', ..] => false,
        _ => match (date(value), known.modified) {
            (Some(asked), Some(modified)) => asked == modified && now > modified,
            _ => false,
        },
    }
}

/// Whether a list of entity tags has this one, or is `*`. Compared strongly (§8.8.3.2) a weak tag equals none.
#[must_use]
pub fn has_tag(list: &[u8], etag: Option<&[u8]>, strongly: bool) -> bool {
    let list = list.trim_ascii();
    if list == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let wanted = match etag.strip_prefix(b"W/") {
        Some(_) if strongly => return false,
        Some(opaque) => opaque,
        None => etag,
    };
    let mut rest = list;
    while let Some((tag, weak, behind)) = next_tag(rest) {
        if tag == wanted && !(weak && strongly) {
            return true;
        }
        rest = behind;
    }
    false
}

/// Takes the first tag off a list: its quoted part, whether it is weak, and what is behind it. What is no tag ends it.
fn next_tag(list: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let start = list.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = list.get(start..)?;
    let (weak, quoted) = match list.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, list),
    };
    let inside = quoted.strip_prefix(b"\"")?;
    let end = inside.iter().position(|byte| *byte == b'"')? + 2;
    Some((quoted.get(..end)?, weak, quoted.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{HeadLimits, RequestHead};

    /// Dates of the tests are plain numbers.
    fn date(text: &[u8]) -> Option<u64> {
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    fn with<T>(lines: &str, look: impl FnOnce(&Asked<'_>) -> T) -> T {
        let text = format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.parse(text.as_bytes(), &HeadLimits::from(&crate::config::Limits::default())).expect("a head");
        look(&Asked::read(&head.fields, text.as_bytes()))
    }

    #[test]
    fn conditions_are_asked_in_the_order_of_the_rfc() {
        let strong = Validators { etag: Some(b"\"a\""), modified: Some(100) };
        let weak = Validators { etag: Some(b"W/\"a\""), modified: Some(100) };
        let check = |lines: &str, known: &Validators<'_>, expect| {
            assert_eq!(with(lines, |asked| judge(asked, known, date)), expect, "{lines}");
        };
        use Verdict::{Changed, Give, Known};
        check("", &strong, Give);
        check("if-none-match: \"a\"\r\n", &strong, Known);
        check("if-none-match: W/\"a\"\r\n", &strong, Known);
        check("if-none-match: \"a\"\r\n", &weak, Known);
        check("if-none-match: \"b\", W/\"a\"\r\n", &strong, Known);
        check("if-none-match: \"b\"\r\nif-none-match: \"a\"\r\n", &strong, Known);
        check("if-none-match: *\r\n", &strong, Known);
        check("if-none-match: \"b\"\r\n", &strong, Give);
        check("if-none-match: a\r\n", &strong, Give);
        check("if-none-match: \"a\r\n", &strong, Give);
        // A tag that does not match wins over a date that would (§13.1.3).
        check("if-none-match: \"b\"\r\nif-modified-since: 100\r\n", &strong, Give);
        check("if-modified-since: 100\r\n", &strong, Known);
        check("if-modified-since: 99\r\n", &strong, Give);
        check("if-modified-since: yesterday\r\n", &strong, Give);
        check("if-match: \"a\"\r\n", &strong, Give);
        check("if-match: \"b\"\r\n", &strong, Changed);
        check("if-match: W/\"a\"\r\n", &strong, Changed);
        check("if-match: \"a\"\r\n", &weak, Changed);
        check("if-match: *\r\n", &weak, Give);
        // §13.1.4: not asked beside If-Match.
        check("if-match: \"a\"\r\nif-unmodified-since: 1\r\n", &strong, Give);
        check("if-unmodified-since: 99\r\n", &strong, Changed);
        check("if-unmodified-since: 100\r\n", &strong, Give);
        check("if-match: \"a\"\r\nif-none-match: \"a\"\r\n", &strong, Known);
    }

    #[test]
    fn a_range_is_heeded_only_for_what_the_client_has() {
        let known = Validators { etag: Some(b"\"a\""), modified: Some(100) };
        let weak = Validators { etag: Some(b"W/\"a\""), modified: Some(100) };
        let check = |lines: &str, known: &Validators<'_>, now, expect| {
            assert_eq!(with(lines, |asked| range_holds(asked, known, now, date)), expect, "{lines}");
        };
        check("", &known, 200, true);
        check("if-range: \"a\"\r\n", &known, 200, true);
        check("if-range: \"b\"\r\n", &known, 200, false);
        check("if-range: W/\"a\"\r\n", &weak, 200, false);
        check("if-range: \"a\"\r\n", &weak, 200, false);
        check("if-range: 100\r\n", &known, 200, true);
        check("if-range: 101\r\n", &known, 200, false);
        // Changed in this very second: it may change in it once more.
        check("if-range: 100\r\n", &known, 100, false);
    }
}
