//! `CDN-Cache-Control` (RFC 9213): directives for caches like this one, which take the place of `Cache-Control` and `Expires`.
//!
//! It is a dictionary of structured fields (RFC 8941 §3.2), and one that does not parse is ignored whole.

use super::control::{MOST_SECONDS, ResponseControl, Seconds};

/// A value in the dictionary, as far as directives care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Integer(i64),
    True,
    False,
    Other,
}

/// Reads the lines of the field. `None` where there is none that is valid: then the ordinary fields count.
#[must_use]
pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<ResponseControl> {
    let mut text = Vec::new();
    for line in lines {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(line);
    }
    let members = Parser(&text).dictionary().filter(|members| !members.is_empty())?;
    let mut control = ResponseControl::default();
    // Of two members with one key the last counts (RFC 8941 §3.2); set in order, it wins by itself.
    for (key, item) in members {
        let said = item != Item::False;
        let seconds = match item {
            Item::Integer(number) => {
                u64::try_from(number).map_or(Seconds::Invalid, |n| Seconds::Of(n.min(MOST_SECONDS)))
            }
            Item::True | Item::False | Item::Other => Seconds::Invalid,
        };
        match key {
            b"no-store" => control.no_store = said,
            b"no-cache" => control.no_cache = said,
            b"private" => control.private = said,
            b"public" => control.public = said,
            b"must-revalidate" => (control.must_revalidate, control.revalidate_for_all) = (said, said),
            b"must-understand" => control.must_understand = said,
            b"max-age" => control.max_age = seconds,
            b"s-maxage" => control.s_maxage = seconds,
            b"stale-while-revalidate" => control.stale_while_revalidate = seconds,
            b"stale-if-error" => control.stale_if_error = seconds,
            _ => {}
        }
    }
    Some(control)
}

struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn take(&mut self, what: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !what(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.0.first() == Some(&byte);
        if is {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        is
    }

    fn dictionary(mut self) -> Option<Vec<(&'a [u8], Item)>> {
        let mut members = Vec::new();
        self.take(|byte| byte == b' ');
        while !self.0.is_empty() {
            let key = self.key()?;
            let item = if self.eat(b'=') { self.member()? } else { Item::True };
            self.parameters()?;
            members.push((key, item));
            self.take(is_space);
            if self.0.is_empty() {
                break;
            }
            if !self.eat(b',') {
                return None;
            }
            self.take(is_space);
            // A comma has to be followed by something.
            if self.0.is_empty() {
                return None;
            }
        }
        Some(members)
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.take(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte));
        key.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'*').then_some(key)
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.take(|byte| byte == b' ');
            self.key()?;
            if self.eat(b'=') {
                self.bare()?;
            }
        }
        Some(())
    }

    fn member(&mut self) -> Option<Item> {
        if !self.eat(b'(') {
            return self.bare();
        }
        loop {
            self.take(|byte| byte == b' ');
            if self.eat(b')') {
                return Some(Item::Other);
            }
            self.bare()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn bare(&mut self) -> Option<Item> {
        match self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'?' => {
                self.eat(b'?');
                match (self.eat(b'1'), self.eat(b'0')) {
                    (true, _) => Some(Item::True),
                    (false, true) => Some(Item::False),
                    (false, false) => None,
                }
            }
            b':' => {
                self.eat(b':');
                self.take(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.eat(b':').then_some(Item::Other)
            }
            byte if byte.is_ascii_alphabetic() || *byte == b'*' => {
                self.take(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
                Some(Item::Other)
            }
            _ => None,
        }
    }

    /// At most 15 digits, or 12 before a point and 3 behind it (RFC 8941 §3.3).
    fn number(&mut self) -> Option<Item> {
        let minus = self.eat(b'-');
        let digits = self.take(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return None;
        }
        if self.eat(b'.') {
            let fraction = self.take(|byte| byte.is_ascii_digit());
            return (digits.len() <= 12 && (1..=3).contains(&fraction.len())).then_some(Item::Other);
        }
        let number = digits.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Item::Integer(if minus { -number } else { number }))
    }

    fn string(&mut self) -> Option<Item> {
        self.eat(b'"');
        loop {
            self.take(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
            if self.eat(b'"') {
                return Some(Item::Other);
            }
            let escaped = self.eat(b'\\') && (self.eat(b'"') || self.eat(b'\\'));
            if !escaped {
                return None;
            }
        }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_dictionary_counts_and_any_other_does_not() {
        let read = |line: &str| super::read(std::iter::once(line.as_bytes()));
        let max_age = |line: &str| read(line).map(|control| control.max_age);
        for (line, expect) in [
            ("max-age=3600", Some(Seconds::Of(3600))),
            ("foobar, max-age=3600", Some(Seconds::Of(3600))),
            ("max-age=99999999999", Some(Seconds::Of(MOST_SECONDS))),
            ("max-age=1, max-age=2", Some(Seconds::Of(2))),
            ("max-age=3600;a=1;b, x=(1 \"a\\\"b\" ?0);c, y=:YQ==:, z=*t/1", Some(Seconds::Of(3600))),
            ("max-age=\"10000\"", Some(Seconds::Invalid)),
            ("max-age=1.5", Some(Seconds::Invalid)),
            ("max-age=-1", Some(Seconds::Invalid)),
            ("foo", Some(Seconds::Absent)),
            ("max-age=10000, &&&&&", None),
            ("max-age =100", None),
            ("max-age= 100", None),
            ("MaX-aGe=3600", None),
            ("max-age=3600,", None),
            ("max-age=1234567890123456", None),
            ("a=(1", None),
            ("a=(1\"x\")", None),
            ("a=\"", None),
            ("a=?2", None),
            ("", None),
        ] {
            assert_eq!(max_age(line), expect, "{line}");
        }
        assert!(read("no-store, max-age=5").is_some_and(|control| control.no_store));
        assert!(read("no-store=?0").is_some_and(|control| !control.no_store));
        assert!(read("private").is_some_and(|control| control.private));
    }
}
