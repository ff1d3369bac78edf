//! What the answer to a probe must look like: status, header fields, body.
//!
//! Made from the configuration when it comes into force; the probe asks it once per answer.

use std::fmt;
use std::ops::RangeInclusive;

use crate::config;
use crate::message::Fields;
use crate::route::Test;

/// How much of a body is looked at, in bytes. What matters stands at its beginning; a probe must not cost memory.
pub const MOST_BODY: usize = 64 * 1024;

/// A compiled `match`.
#[derive(Debug)]
pub struct Expect {
    status: Box<[RangeInclusive<u16>]>,
    headers: Box<[Test]>,
    body: Option<Test>,
}

/// What about an answer is not as it must be, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Expect {
    /// Compiles a `match`.
    ///
    /// # Errors
    /// A regular expression that does not compile, which a checked configuration has not.
    pub fn compile(written: &config::Expect) -> Result<Self, regex::Error> {
        let body = match written.body.as_slice() {
            [] => None,
            forms => Some(Test::compile("body", forms)?),
        };
        Ok(Self {
            status: written.status.iter().map(|(low, high)| *low..=*high).collect(),
            headers: written
                .headers
                .iter()
                .map(|(name, forms)| Test::compile(name, forms))
                .collect::<Result<_, _>>()?,
            body,
        })
    }

    /// Whether the body plays a part: otherwise none has to be read.
    #[must_use]
    pub const fn wants_body(&self) -> bool {
        self.body.is_some()
    }

    /// Judges status and fields.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check_head(&self, status: u16, fields: &Fields, bytes: &[u8]) -> Result<(), Mismatch> {
        if !self.status.iter().any(|range| range.contains(&status)) {
            return Err(Mismatch(format!("status {status}")));
        }
        for forms in &self.headers {
            let lines = fields.matching(bytes, forms.name().as_bytes()).map(|field| field.value.of(bytes));
            // A field may stand several times; one line that fits is enough, as in a condition.
            let values: Vec<&[u8]> = lines.collect();
            if !forms.holds(values.iter()) {
                return Err(Mismatch(format!(
                    "status {status}, and {}",
                    forms.words("header", values.iter().map(|value| text(value)).collect())
                )));
            }
        }
        Ok(())
    }

    /// Judges the body, or as much of it as was read.
    ///
    /// # Errors
    /// That it does not fit.
    pub fn check_body(&self, status: u16, body: &[u8]) -> Result<(), Mismatch> {
        match &self.body {
            Some(forms) if !forms.holds(std::iter::once(body)) => {
                Err(Mismatch(format!("status {status}, and {}", forms.words("answer's", vec![text(body)]))))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The beginning of what was sent, as text: a log line is no place for all of it.
fn text(bytes: &[u8]) -> String {
    const MOST: usize = 80;
    let text = String::from_utf8_lossy(bytes.get(..MOST).unwrap_or(bytes)).into_owned();
    if bytes.len() > MOST { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::Expect;
    use crate::config::{self, TextMatch};
    use crate::http1::{HeadLimits, Progress, ResponseHead};

    const LIMITS: HeadLimits = HeadLimits { head: 8192, field: 4096, fields: 50, target: 0 };

    fn judge(expect: &config::Expect, status: u16, lines: &str, body: &str) -> Option<String> {
        let expect = Expect::compile(expect).unwrap();
        let bytes = format!("HTTP/1.1 {status} x\r\n{lines}\r\n").into_bytes();
        let mut head = ResponseHead::default();
        assert_eq!(head.parse(&bytes, &LIMITS).unwrap(), Progress::Complete);
        let judged = expect.check_head(head.status, &head.fields, &bytes);
        judged.and_then(|()| expect.check_body(status, body.as_bytes())).err().map(|mismatch| mismatch.to_string())
    }

    fn expect(status: &[(u16, u16)], headers: &[(&str, TextMatch)], body: &[TextMatch]) -> config::Expect {
        config::Expect {
            status: status.to_vec(),
            headers: headers.iter().map(|(name, form)| ((*name).to_owned(), vec![form.clone()])).collect(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn statuses() {
        let default = expect(&[(200, 399)], &[], &[]);
        for (status, fits) in [(199, false), (200, true), (302, true), (399, true), (400, false), (503, false)] {
            assert_eq!(judge(&default, status, "", "").is_none(), fits, "{status}");
        }
        assert_eq!(judge(&default, 503, "", ""), Some("status 503".to_owned()));
        assert_eq!(judge(&expect(&[(200, 200), (418, 418)], &[], &[]), 418, "", ""), None);
    }

    #[test]
    fn headers_and_bodies() {
        let check = |form: TextMatch, lines: &str, wrong: Option<&str>| {
            let wrong = wrong.map(str::to_owned);
            assert_eq!(judge(&expect(&[(200, 299)], &[("x-status", form)], &[]), 200, lines, ""), wrong, "{lines}");
        };
        let exact = |text: &str| TextMatch::Exact(text.to_owned());
        check(exact("ok"), "X-Status: ok\r\n", None);
        check(exact("ok"), "X-Status: no\r\nx-status: ok\r\n", None);
        check(
            exact("ok"),
            "X-Status: okay\r\n",
            Some("status 200, and the header x-status is \"okay\", which is not \"ok\""),
        );
        check(exact("ok"), "", Some("status 200, and the header x-status is not there, but must be \"ok\""));
        check(exact(""), "X-Status:\r\n", None);
        check(exact(""), "X-Status: x\r\n", Some("status 200, and the header x-status is \"x\", which is not \"\""));
        check(TextMatch::Regex("^(ok|healthy)$".to_owned()), "X-Status: healthy\r\n", None);
        check(TextMatch::Present(false), "", None);

        let body = |form: TextMatch, body: &str| judge(&expect(&[(200, 200)], &[], &[form]), 200, "", body);
        assert_eq!(body(TextMatch::Contains("ok".to_owned()), "it is ok now"), None);
        assert_eq!(
            body(TextMatch::Contains("ok".to_owned()), "it is not"),
            Some("status 200, and the answer's body is \"it is not\", which does not contain \"ok\"".to_owned())
        );
        assert_eq!(body(exact(""), ""), None);
        assert!(body(exact(""), "x").is_some());
        assert_eq!(body(TextMatch::Regex("success|healthy".to_owned()), "all healthy"), None);
    }
}
