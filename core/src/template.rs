//! Texts with facts of the request in them: `https://example.com{uri}`.
//!
//! The data path renders one for a redirect. What a template may name was checked when it was read; what the facts
//! hold is checked here, so that no value can end a field line and begin another.

use std::io::Write;

use crate::config::{Fact, Template, TemplatePart};
use crate::message::Name;
use crate::reason::Reason;
use crate::route::{Facts, values};

/// A fact that may not stand in a field value: it has a control character (RFC 9110 §5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Which fact.
    pub fact: Fact,
}

impl TemplateError {
    /// The code of the answer.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::Internal
    }

    /// One sentence for the log.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        "A template's fact has a control character in it, and was not sent."
    }
}

/// Writes the text behind what `out` holds. A fact that the request does not have is empty.
///
/// # Errors
///
/// A fact that would break the line. `out` is then as it was.
pub fn render(template: &Template, facts: &Facts<'_>, out: &mut Vec<u8>) -> Result<(), TemplateError> {
    render_groups(template, facts, &[], out)
}

/// As [`render`], with the groups of an expression: `{1}` is the first of them.
///
/// # Errors
///
/// A fact that would break the line. `out` is then as it was.
pub fn render_groups(
    template: &Template,
    facts: &Facts<'_>,
    groups: &[&[u8]],
    out: &mut Vec<u8>,
) -> Result<(), TemplateError> {
    let before = out.len();
    for part in &template.parts {
        match part {
            TemplatePart::Literal(text) => out.extend_from_slice(text.as_bytes()),
            TemplatePart::Fact(fact) => {
                render_fact(fact, facts, groups, out).inspect_err(|_| out.truncate(before))?;
            }
        }
    }
    Ok(())
}

/// Writes one fact behind what `out` holds.
///
/// # Errors
///
/// One that would break the line. `out` is then as it was.
pub fn render_fact(fact: &Fact, facts: &Facts<'_>, groups: &[&[u8]], out: &mut Vec<u8>) -> Result<(), TemplateError> {
    let start = out.len();
    match fact {
        Fact::Group(number) => {
            out.extend_from_slice(groups.get(usize::from(*number).wrapping_sub(1)).copied().unwrap_or_default());
        }
        _ => push(fact, facts, out),
    }
    if out.iter().skip(start).any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        out.truncate(start);
        return Err(TemplateError { fact: fact.clone() });
    }
    Ok(())
}

fn push(fact: &Fact, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let destination = facts.destination;
    let number = |out: &mut Vec<u8>, value: std::fmt::Arguments<'_>| {
        out.write_fmt(value).expect("writing to a vector does not fail");
    };
    match fact {
        Fact::Host => out.extend_from_slice(destination.host()),
        Fact::Path => out.extend_from_slice(destination.raw_path()),
        Fact::Query => out.extend_from_slice(destination.query().unwrap_or_default()),
        Fact::Uri => out.extend_from_slice(destination.forward()),
        Fact::Scheme => out.extend_from_slice(facts.scheme.as_bytes()),
        Fact::Port => number(out, format_args!("{}", destination.port().unwrap_or(facts.listener_port))),
        Fact::ClientIp => {
            if let Some(ip) = facts.client_ip {
                number(out, format_args!("{ip}"));
            }
        }
        Fact::RequestId => out.extend_from_slice(facts.request_id),
        Fact::Header(name) => {
            let id = Name::find(name.as_bytes());
            out.extend_from_slice(values::header(facts, id, name.as_bytes()).next().unwrap_or_default());
        }
        Fact::Cookie(name) => {
            out.extend_from_slice(values::cookie(facts, name.as_bytes()).next().unwrap_or_default());
        }
        Fact::Claim(name) => out.extend_from_slice(facts.claims.text(name).unwrap_or_default().as_bytes()),
        // The caller has them.
        Fact::Group(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::{Request, template};

    #[track_caller]
    fn check(text: &str, request: &Request, expect: Result<&str, Fact>) {
        let mut out = b"before ".to_vec();
        let result = request.facts(|facts| render(&template(text), facts, &mut out));
        let expect = expect.map(|text| format!("before {text}")).map_err(|fact| TemplateError { fact });
        let left = String::from_utf8_lossy(&out).into_owned();
        assert_eq!(result.map(|()| left.clone()), expect);
        assert!(expect.is_ok() || left == "before ", "a refused template left {left:?}");
    }

    #[test]
    fn facts() {
        let request = Request::get("Example.com:81/a/../%62?c=%0a").with("Cookie", "x=1; y=2").with("X-Tag", "t");
        check("https://example.com{uri}", &request, Ok("https://example.com/%62?c=%0a"));
        check("{scheme}://{host}:{port}{path}?{query}", &request, Ok("http://example.com:81/%62?c=%0a"));
        check("{client_ip} {request_id} {header.x-tag} {cookie.y}", &request, Ok("192.0.2.1 id-1 t 2"));
        check("", &request, Ok(""));
    }

    #[test]
    fn what_a_request_lacks_is_empty() {
        let request = Request { client: None, ..Request::get("h") };
        check("[{query}{client_ip}{header.x}{cookie.y}]{port}", &request, Ok("[]8080"));
    }

    #[test]
    fn case_076_a_value_that_would_end_the_line() {
        for value in ["a\r\nSet-Cookie: x=1", "\n", "a\rb", "a\0", "a\u{1}b", "\x1b[1m", "\x7f"] {
            let fact = || Fact::Header("x-tag".to_owned());
            check("/{header.x-tag}/{uri}", &Request::get("h").with("x-tag", value), Err(fact()));
        }
        let cookie = Request::get("h").with("cookie", "a=1\n2");
        check("{host}{cookie.a}", &cookie, Err(Fact::Cookie("a".to_owned())));
        check("{header.x-tag}", &Request::get("h").with("x-tag", "\t\u{e9} x"), Ok("\t\u{e9} x"));
    }
}
