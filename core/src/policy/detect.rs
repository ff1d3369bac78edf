//! `detect`: which texts of a request are looked at, decoded as those decode who are attacked: once, and once more.
//!
//! What a text looks like is told by the caller. A path is looked at as a whole and by segment, a query and a form by names
//! and values, JSON by its strings, anything else as it is. What of it was left out is told: a mode that refuses attacks must
//! not let pass what nobody has looked at.

use crate::target::path::percent_encoded;

/// Texts of a target that are looked at, and of a body, each form of them counted. Chosen: more parameters than that no page
/// has, and JSON of 64 KiB has fewer strings.
const MOST: usize = 2000;
const MOST_OF_BODY: usize = 12_000;

/// The longest text that is looked at at once; what is longer is looked at in its beginning.
const LONGEST: usize = 16 * 1024;

/// How a body says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`
    Form,
    /// JSON: its strings.
    Json,
    /// `multipart/…`: its parts.
    Parts,
    /// Text, XML, or a body that does not say.
    Text,
    /// What says nothing by which it could be read: where it is text, that.
    Unknown,
    /// Pictures, sound, fonts: nothing that is looked at.
    Other,
}

impl BodyKind {
    /// By `Content-Type`; none is text, for some take such a body as they like.
    #[must_use]
    pub fn of(content_type: Option<&[u8]>) -> Self {
        let Some(value) = content_type else { return Self::Text };
        let kind = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        match kind.as_slice() {
            b"application/x-www-form-urlencoded" => Self::Form,
            b"application/xml" | b"application/graphql" | b"" => Self::Text,
            kind if kind.starts_with(b"multipart/") => Self::Parts,
            kind if [&b"image/"[..], b"audio/", b"video/", b"font/"].iter().any(|one| kind.starts_with(one)) => {
                Self::Other
            }
            // Lines of JSON too, by whichever of their names.
            kind if memchr::memmem::find(kind, b"json").is_some() => Self::Json,
            kind if kind.starts_with(b"text/") || kind.ends_with(b"+xml") => Self::Text,
            _ => Self::Unknown,
        }
    }
}

impl BodyKind {
    /// By all that is said of it, and whether that is one type: of several, nobody knows which one is read.
    pub fn of_all<'a>(mut content_types: impl Iterator<Item = &'a [u8]>) -> (Self, bool) {
        let first = content_types.next();
        // A line may hold several; in quotes a comma is part of a parameter.
        let outside = first.into_iter().flat_map(|line| line.split(|&byte| byte == b'"').step_by(2));
        let several =
            outside.flat_map(|part| part.split(|&byte| byte == b',').skip(1)).any(|rest| rest.contains(&b'/'));
        (Self::of(first), !several && content_types.next().is_none())
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// All, or as much as it took to find something.
    Whole,
    /// The beginning of a longer text, or nothing of what is no text.
    Beginnings,
    /// Not all of more texts than [`MOST`], or [`MOST_OF_BODY`].
    Some,
}

/// Whether bytes are no text, by what stands among the first of them (<https://mimesniff.spec.whatwg.org/#binary-data-byte>).
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(1445).any(|byte| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f))
}

/// Shows each text of a path and a query to `look`, until it finds something.
pub fn target(path: &[u8], query: Option<&[u8]>, look: &mut impl FnMut(&[u8]) -> bool) -> Sight {
    let mut eye = Eye { look, left: MOST, sight: Sight::Whole };
    let found = path.split(|&byte| byte == b'/').any(|segment| eye.decoded(segment, false))
        || eye.decoded(path, false)
        || query.is_some_and(|query| eye.form(query));
    if found { Sight::Whole } else { eye.sight }
}

/// Shows each text of a body to `look`, until it finds something.
pub fn body(kind: BodyKind, bytes: &[u8], look: &mut impl FnMut(&[u8]) -> bool) -> Sight {
    let mut eye = Eye { look, left: MOST_OF_BODY, sight: Sight::Whole };
    let like_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    let found = match kind {
        BodyKind::Form => eye.form(bytes),
        BodyKind::Json => eye.json(bytes),
        BodyKind::Parts => split(bytes, b"\r\n\r\n").any(|part| {
            // What stands before the next boundary.
            split(part, b"\r\n--").next().is_some_and(|value| eye.decoded(value, false))
        }),
        // Browsers send JSON as text where a page asks them for a beacon.
        BodyKind::Text => eye.decoded(bytes, false) || (like_json && eye.json(bytes)),
        BodyKind::Unknown if is_binary(bytes) => return Sight::Beginnings,
        BodyKind::Unknown if like_json => eye.json(bytes),
        BodyKind::Unknown => eye.decoded(bytes, false),
        BodyKind::Other => false,
    };
    if found { Sight::Whole } else { eye.sight }
}

struct Eye<'l, L> {
    look: &'l mut L,
    left: usize,
    sight: Sight,
}

impl<L: FnMut(&[u8]) -> bool> Eye<'_, L> {
    /// Looks at a text as it is, and decoded for as long as that changes it, twice at most.
    fn decoded(&mut self, text: &[u8], form: bool) -> bool {
        if text.len() > LONGEST && self.sight == Sight::Whole {
            self.sight = Sight::Beginnings;
        }
        let text = text.get(..LONGEST).unwrap_or(text);
        let mut now = text.to_vec();
        for again in 0..3 {
            if self.show(&now) {
                return true;
            }
            let next = decode(&now, form && again == 0);
            if next == now {
                return false;
            }
            now = next;
        }
        false
    }

    fn show(&mut self, text: &[u8]) -> bool {
        // Shorter than any attack, or one word: that is none.
        if text.len() < 3 || text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return false;
        }
        if self.left == 0 {
            self.sight = Sight::Some;
            return false;
        }
        self.left -= 1;
        (self.look)(text)
    }

    fn form(&mut self, text: &[u8]) -> bool {
        text.split(|&byte| matches!(byte, b'&' | b';')).any(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            self.decoded(name, true) || self.decoded(value.get(1..).unwrap_or_default(), true)
        }) || (text.contains(&b';') && text.split(|&byte| byte == b'&').any(|pair| self.decoded(pair, true)))
    }

    /// The strings of a JSON text, found without a parser: what is no JSON is somebody's too.
    fn json(&mut self, text: &[u8]) -> bool {
        let mut rest = text;
        let mut found = 0;
        while let Some(start) = memchr::memchr(b'"', rest) {
            let (string, after) = json_string(rest.get(start + 1..).unwrap_or_default());
            found += 1;
            if self.decoded(&string, false) {
                return true;
            }
            rest = after;
        }
        found == 0 && self.decoded(text, false)
    }
}

/// A string up to its closing quote, its escapes undone, and what stands behind it.
fn json_string(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => return (out, text.get(at..).unwrap_or_default()),
            b'\\' => {
                let escaped = text.get(at).copied().unwrap_or_default();
                at += 1;
                match escaped {
                    b'n' | b'r' | b't' | b'b' | b'f' => out.push(b' '),
                    b'u' => {
                        let hex = text.get(at..at + 4).and_then(|hex| std::str::from_utf8(hex).ok());
                        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
                        at += if code.is_some() { 4 } else { 0 };
                        let char = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
                        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    other => out.push(other),
                }
            }
            byte => out.push(byte),
        }
    }
    (out, &[])
}

/// Undoes percent-encoding once, leniently: what is none stays.
fn decode(text: &[u8], form: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let value = percent_encoded(text, at);
        at += if value.is_some() { 3 } else { 1 };
        out.push(value.unwrap_or(if form && byte == b'+' { b' ' } else { byte }));
    }
    out
}

fn split<'a>(text: &'a [u8], by: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memmem::find(text, by) {
            Some(at) => {
                rest = text.get(at + by.len()..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that `look` is shown a text.
    #[track_caller]
    fn seen(show: impl FnOnce(&mut Vec<String>), wanted: &str) {
        let mut all = Vec::new();
        show(&mut all);
        assert!(all.iter().any(|text| text == wanted), "{wanted} is not in {all:?}");
    }

    fn keep(all: &mut Vec<String>) -> impl FnMut(&[u8]) -> bool {
        |text| {
            all.push(String::from_utf8_lossy(text).into_owned());
            false
        }
    }

    #[test]
    fn texts_are_seen_as_those_see_them_who_are_attacked() {
        let check = |path: &str, query: &str, wanted: &str| {
            seen(
                |all| assert_eq!(target(path.as_bytes(), Some(query.as_bytes()), &mut keep(all)), Sight::Whole),
                wanted,
            );
        };
        check("/a/%2527%20or/b", "", "' or");
        check("/a", "x=1+OR%201=1&y", "1 OR 1=1");
        check("/a", "x=%253Cscript%253E", "<script>");
        check("/a", "a;b'--=1", "b'--");
        check("/a", "a=1;drop table x", "a=1;drop table x");
        let check = |kind: BodyKind, text: &str, wanted: &str| {
            seen(|all| assert_eq!(body(kind, text.as_bytes(), &mut keep(all)), Sight::Whole), wanted);
        };
        check(BodyKind::Form, "a=b&c=%3Cb%3E", "<b>");
        check(BodyKind::Json, r#"{"a":["\u003cscript\u003e", "x\"y"]}"#, "<script>");
        check(BodyKind::Json, r#"{"a":["x\"y"]}"#, "x\"y");
        check(BodyKind::Parts, "--b\r\nContent-Disposition: form-data\r\n\r\n1' or '1\r\n--b--\r\n", "1' or '1");
        check(BodyKind::Text, "<a>", "<a>");
        check(BodyKind::Text, r#" {"a":"\u003ca>"}"#, "<a>");
        check(BodyKind::Unknown, "<a>", "<a>");
        check(BodyKind::Unknown, r#"[{"a":"\u003ca>"}]"#, "<a>");
        check(BodyKind::Json, "{\"a\":1}\n{\"a\":\"<b>\"}\n", "<b>");
    }

    #[test]
    fn what_is_left_out_is_told() {
        let check = |kind: BodyKind, text: &str, expect: Sight| {
            let (mut last, mut shown) = (Vec::new(), 0);
            let sight = body(kind, text.as_bytes(), &mut |text| {
                (last, shown) = (text.to_vec(), shown + 1);
                text == b"<x>"
            });
            assert_eq!(sight, expect, "{kind:?} {}", text.get(..20).unwrap_or(text));
            (String::from_utf8(last).unwrap(), shown)
        };
        assert_eq!(check(BodyKind::Form, &"a-b&".repeat(MOST_OF_BODY), Sight::Whole), ("a-b".to_owned(), MOST_OF_BODY));
        check(BodyKind::Form, &("a-b&".repeat(MOST_OF_BODY) + "<x>"), Sight::Some);
        assert_eq!(check(BodyKind::Form, &("<x>&".to_owned() + &"a-b&".repeat(MOST_OF_BODY)), Sight::Whole).1, 1);
        // Words are free: names, numbers.
        assert_eq!(check(BodyKind::Json, &(r#"{"name":"12","#.repeat(5000) + r#""<x>"}"#), Sight::Whole).0, "<x>");
        check(BodyKind::Text, &"a ".repeat(LONGEST), Sight::Beginnings);
        assert_eq!(check(BodyKind::Unknown, "\u{1}<x>", Sight::Beginnings).1, 0);
        let many = "a-b&".repeat(MOST + 1);
        assert_eq!(target(b"/", Some(many.as_bytes()), &mut |_| false), Sight::Some);
    }

    #[test]
    fn kinds_of_bodies() {
        for (value, kind) in [
            ("Application/JSON; charset=utf-8", BodyKind::Json),
            ("application/problem+json", BodyKind::Json),
            ("text/plain", BodyKind::Text),
            ("application/x-ndjson", BodyKind::Json),
            ("application/jsonl", BodyKind::Json),
            ("text/json", BodyKind::Json),
            ("text/event-stream", BodyKind::Text),
            ("text/x-anything", BodyKind::Text),
            ("application/atom+xml", BodyKind::Text),
            ("image/svg+xml", BodyKind::Other),
            ("application/octet-stream", BodyKind::Unknown),
            ("x", BodyKind::Unknown),
            ("multipart/related", BodyKind::Parts),
            ("multipart/form-data; boundary=x", BodyKind::Parts),
        ] {
            assert_eq!(BodyKind::of(Some(value.as_bytes())), kind, "{value}");
        }
        assert_eq!(BodyKind::of(None), BodyKind::Text);
        for (lines, alone) in [
            (&[][..], true),
            (&["text/plain"], true),
            (&["multipart/form-data; boundary=\"a,b/c\""], true),
            (&["text/plain;a=b,c"], true),
            (&["text/plain", "text/plain"], false),
            (&["text/plain, application/x-www-form-urlencoded"], false),
            (&["text/plain; charset=utf-8,application/json"], false),
        ] {
            assert_eq!(BodyKind::of_all(lines.iter().map(|line| line.as_bytes())).1, alone, "{lines:?}");
        }
    }
}
