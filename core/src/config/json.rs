//! JSON as a tree in which each key and value knows its place: the body of a registered route.
//!
//! Strict (RFC 8259), bounded in depth, without recursion beyond that, and it never panics. Numbers stay as they are
//! written: nothing here computes with `1e999999`. Keys that stand twice are reported where the tree is read.

use super::ErrorKind;
use super::text::{Entry, Map, Mark, Node, Scalar, Value};

/// How deep objects and arrays may be nested.
const MOST_DEPTH: usize = 64;

type Fault = (Mark, ErrorKind);

/// Reads a text as one JSON value.
///
/// # Errors
/// At the first place that is not JSON.
pub(super) fn parse(text: &str, file: usize) -> Result<Node, Fault> {
    let mut reader = Reader { rest: text.chars().peekable(), file, line: 1, column: 1 };
    let node = reader.value(0)?;
    reader.space();
    match reader.rest.peek() {
        None => Ok(node),
        Some(_) => Err(reader.fault("something follows the value; a body is one JSON value")),
    }
}

struct Reader<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    file: usize,
    line: u32,
    column: u32,
}

impl Reader<'_> {
    fn mark(&self) -> Mark {
        Mark { file: self.file, line: self.line, column: self.column, width: 1 }
    }

    fn fault(&self, words: &str) -> Fault {
        (self.mark(), ErrorKind::Syntax(words.to_owned()))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(next)
    }

    fn space(&mut self) {
        while matches!(self.rest.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    /// Takes this character if it comes next, behind white space.
    fn takes(&mut self, wanted: char) -> bool {
        self.space();
        let there = self.rest.peek() == Some(&wanted);
        if there {
            self.next();
        }
        there
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        self.space();
        let at = self.mark();
        if depth > MOST_DEPTH {
            return Err((at, ErrorKind::TooDeep(MOST_DEPTH)));
        }
        let value = match self.rest.peek() {
            Some('{') => Value::Map(self.object(depth)?),
            Some('[') => Value::List(self.array(depth)?),
            Some('"') => Value::Scalar(Scalar { text: self.string()?, plain: false }),
            Some(_) => Value::Scalar(Scalar { text: self.word()?, plain: true }),
            None => return Err(self.fault("the text ends where a value should stand")),
        };
        let width = if at.line == self.line { self.column.saturating_sub(at.column).max(1) } else { 1 };
        Ok(Node { at: Mark { width, ..at }, value })
    }

    fn object(&mut self, depth: usize) -> Result<Map, Fault> {
        self.next();
        let mut map = Map { entries: Vec::new(), flow: false };
        if self.takes('}') {
            return Ok(map);
        }
        loop {
            self.space();
            let key_at = self.mark();
            if self.rest.peek() != Some(&'"') {
                return Err(self.fault("a key in quotes belongs here"));
            }
            let key = self.string()?;
            if !self.takes(':') {
                return Err(self.fault("a colon belongs here"));
            }
            let value = self.value(depth + 1)?;
            map.entries.push(Entry { key, key_at, value });
            if self.takes('}') {
                return Ok(map);
            }
            if !self.takes(',') {
                return Err(self.fault("a comma or } belongs here"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        self.next();
        let mut items = Vec::new();
        if self.takes(']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Ok(items);
            }
            if !self.takes(',') {
                return Err(self.fault("a comma or ] belongs here"));
            }
        }
    }

    /// `true`, `false`, `null` or a number. Null is a value that isn't there.
    fn word(&mut self) -> Result<String, Fault> {
        let at = self.mark();
        let mut word = String::new();
        while let Some(&c) = self.rest.peek()
            && (c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            word.push(c);
            self.next();
        }
        match word.as_str() {
            "true" | "false" => Ok(word),
            "null" => Ok(String::new()),
            _ if is_number(&word) => Ok(word),
            _ => Err((at, ErrorKind::Syntax("a value belongs here: a text stands in quotes".to_owned()))),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) if c < ' ' => return Err(self.fault("a control character stands in a text as \\u00XX")),
                Some(c) => text.push(c),
                None => return Err(self.fault("the text in quotes does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        Ok(match self.next() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let unit = self.hex()?;
                let code = match unit {
                    // A character beyond the first plane is written as a pair.
                    0xd800..0xdc00 => {
                        if (self.next(), self.next()) != (Some('\\'), Some('u')) {
                            return Err(self.fault("half of a surrogate pair"));
                        }
                        match self.hex()? {
                            low @ 0xdc00..0xe000 => 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                            _ => return Err(self.fault("half of a surrogate pair")),
                        }
                    }
                    unit => unit,
                };
                char::from_u32(code).ok_or_else(|| self.fault("half of a surrogate pair"))?
            }
            Some(_) | None => return Err(self.fault("this is no escape of JSON")),
        })
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|c| c.to_digit(16));
            value = value * 16 + digit.ok_or_else(|| self.fault("four hexadecimal digits belong here"))?;
        }
        Ok(value)
    }
}

/// Checks the form of a number (RFC 8259 §6).
fn is_number(word: &str) -> bool {
    let rest = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar(scalar) => format!("{:?}{}", scalar.text, if scalar.plain { "p" } else { "" }),
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            Value::Map(map) => {
                let entry = |entry: &Entry| format!("{}:{}", entry.key, shown(&entry.value));
                format!("{{{}}}", map.entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    #[test]
    fn reads_what_is_json() {
        for (text, expect) in [
            ("{}", "{}"),
            (" [1, -2.5e+3, true ,null]\r\n", r#"["1"p,"-2.5e+3"p,"true"p,""p]"#),
            (r#"{"a":{"b":["c"]},"d":"\u00e9\n\/\ud83d\ude00"}"#, "{a:{b:[\"c\"]},d:\"é\\n/😀\"}"),
            ("1e999999", "\"1e999999\"p"),
        ] {
            assert_eq!(shown(&parse(text, 0).unwrap()), expect, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none_with_its_place() {
        for (text, line, column) in [
            ("", 1, 1),
            ("{", 1, 2),
            ("{a: 1}", 1, 2),
            ("{\"a\" 1}", 1, 6),
            ("[1,]", 1, 4),
            ("[1\n 2]", 2, 2),
            ("01", 1, 1),
            ("+1", 1, 1),
            ("1.", 1, 1),
            ("nul", 1, 1),
            ("'a'", 1, 1),
            ("\"a", 1, 3),
            ("\"\u{1}\"", 1, 3),
            ("\"\\x\"", 1, 4),
            ("\"\\ud83d\"", 1, 9),
            ("{} x", 1, 4),
        ] {
            let (mark, kind) = parse(text, 0).expect_err(text);
            assert_eq!((mark.line, mark.column), (line, column), "{text}: {kind}");
        }
    }

    #[test]
    fn case_182_depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(64), 0).is_ok());
        assert!(matches!(parse(&nested(66), 0), Err((_, ErrorKind::TooDeep(64)))));
        assert!(matches!(parse(&"[".repeat(8 << 20), 0), Err((_, ErrorKind::TooDeep(64)))));
    }
}
