//! In which form a client wants to read the proxy's own answer: HTML, JSON or text, by its `accept`.
//!
//! Follows RFC 9110 §12.5.1: the most specific range that matches a form gives its quality. Where forms are equal, the
//! more specific range wins, then the earlier one, and for one range that allows all of them, text.

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people with a browser.
    Html,
    /// For programs.
    Json,
    /// For people with a terminal, and whoever says nothing.
    Text,
    /// For gRPC: a status in fields, no body. Never chosen by `accept`.
    Grpc,
}

/// How well a range suits a form.
#[derive(Clone, Copy, Default)]
struct Match {
    /// 0 for none, 1 for `*/*`, 2 for `type/*`, 3 for the type itself.
    specificity: u8,
    /// In thousandths.
    quality: u16,
    /// The place of the range in the list.
    position: usize,
}

impl Form {
    /// Chooses by the values of the request's `accept` lines. What can't be read counts as not there.
    pub fn choose<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut found = [Match::default(); 3];
        let ranges = lines.into_iter().flat_map(|line| line.split(|byte| *byte == b','));
        for (position, range) in ranges.enumerate() {
            let mut parts = range.split(|byte| *byte == b';');
            let media = parts.next().unwrap_or_default().trim_ascii();
            let quality = quality(parts);
            for (form, best) in Self::PREFERENCE.iter().zip(&mut found) {
                let specificity = form.specificity(media);
                if specificity > best.specificity {
                    *best = Match { specificity, quality, position };
                }
            }
        }
        let mut choice = (Self::Text, Match::default());
        for (form, candidate) in Self::PREFERENCE.into_iter().zip(found) {
            let (best, key) = (choice.1, |m: Match| (m.quality, m.specificity));
            let earlier = key(candidate) == key(best) && candidate.position < best.position;
            if candidate.quality > 0 && (key(candidate) > key(best) || earlier) {
                choice = (form, candidate);
            }
        }
        choice.0
    }

    /// The value of `content-type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Grpc => super::grpc::CONTENT_TYPE,
        }
    }

    /// The order among equals.
    const PREFERENCE: [Self; 3] = [Self::Text, Self::Html, Self::Json];

    fn specificity(self, media: &[u8]) -> u8 {
        let mut halves = media.splitn(2, |byte| *byte == b'/');
        let (kind, sub) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let is = |half: &[u8], text: &str| half.eq_ignore_ascii_case(text.as_bytes());
        let (own_kind, own_sub) = match self {
            Self::Html => ("text", is(sub, "html")),
            Self::Text => ("text", is(sub, "plain")),
            // `application/problem+json` and vendors' own types: who can read those can read plain JSON.
            Self::Json => ("application", is(sub, "json") || suffix_is(sub, b"+json")),
            Self::Grpc => return 0,
        };
        let own = is(kind, own_kind) && own_sub;
        if own || (self == Self::Html && is(kind, "application") && is(sub, "xhtml+xml")) {
            3
        } else if is(kind, own_kind) && sub == b"*" {
            2
        } else if kind == b"*" && sub == b"*" {
            1
        } else {
            0
        }
    }
}

fn suffix_is(text: &[u8], suffix: &[u8]) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// The weight of a range in thousandths (RFC 9110 §12.4.2): 1000 where none is given, 0 where it can't be read.
fn quality<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    for parameter in parameters {
        let parameter = parameter.trim_ascii();
        let (Some(name), Some(value)) = (parameter.get(..2), parameter.get(2..)) else { continue };
        if !name.eq_ignore_ascii_case(b"q=") {
            continue;
        }
        let (whole, fraction) = match value {
            [b'1'] => (1000, &[][..]),
            [b'0'] => (0, &[][..]),
            [b'1', b'.', fraction @ ..] if fraction.iter().all(|b| *b == b'0') => (1000, &[][..]),
            [b'0', b'.', fraction @ ..] => (0, fraction),
            _ => return 0,
        };
        if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
            return 0;
        }
        let scale = [100, 10, 1];
        return fraction.iter().zip(scale).fold(whole, |sum, (digit, unit)| sum + u16::from(digit - b'0') * unit);
    }
    1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice() {
        let check = |accept: &str, expect| assert_eq!(Form::choose([accept.as_bytes()]), expect, "accept: {accept}");
        check("", Form::Text);
        check("*/*", Form::Text);
        check("text/*", Form::Text);
        check("text/html", Form::Html);
        check("TEXT/HTML", Form::Html);
        check("application/xhtml+xml", Form::Html);
        check("application/json", Form::Json);
        check("application/*", Form::Json);
        check("application/problem+json", Form::Json);
        check("text/event-stream", Form::Text);
        // Firefox and Chromium, a page.
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html);
        // A library that names what it reads, first things first.
        check("application/json, text/plain, */*", Form::Json);
        check("text/plain, application/json", Form::Text);
        // An image of a page.
        check("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", Form::Text);
    }

    #[test]
    fn weights() {
        let check = |accept: &str, expect| assert_eq!(Form::choose([accept.as_bytes()]), expect, "accept: {accept}");
        check("text/html;q=0.5, application/json;q=0.9", Form::Json);
        check("text/html;q=0.9, application/json;q=0.5", Form::Html);
        check("text/html; q=0.899 , application/json ; Q=0.9", Form::Json);
        check("text/html;level=1;q=0.1, text/plain;q=0.2", Form::Text);
        check("text/plain;q=0, */*", Form::Html);
        check("text/plain;q=0, text/html;q=0, */*;q=0.1", Form::Json);
        check("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", Form::Html);
        check("text/html;q=0, application/json;q=0, text/plain;q=0", Form::Text);
        check("application/json;q=1.000, text/html;q=1.0", Form::Json);
        // Weights that are none count as "not this".
        check("text/html;q=2, application/json;q=0.1", Form::Json);
        check("text/html;q=0.1234, application/json;q=0.1", Form::Json);
        check("text/html;q=-1, application/json;q=0.1", Form::Json);
        check("text/html;q=, application/json;q=0.1", Form::Json);
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(Form::choose([&b"text/html;q=0.4"[..], b"application/json;q=0.5"]), Form::Json);
        assert_eq!(Form::choose([]), Form::Text);
        assert_eq!(Form::choose([&b",,;;,/,\xff\xfe;q=\xff"[..]]), Form::Text);
    }
}
