//! Texts with facts of the request in them: `https://example.com{uri}`.
//!
//! The data path renders one for a redirect. What a template may name was checked when it was read; what the facts
//! hold is checked here, so that no value can end a field line and begin another.

use std::io::Write;

use crate::config::{Fact, Template, TemplatePart};
use crate::message::Name;
use crate::reason::Reason;
use crate::route::{Facts, values};

/// A fact that may not stand in a field value: it has a CR, an LF or a NUL (RFC 9110 §5.5).
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
        "A template's fact has a line end or a NUL in it, and was not sent."
    }
}

/// Writes the text behind what `out` holds. A fact that the request does not have is empty.
///
/// # Errors
///
/// A fact that would break the line. `out` is then as it was.
pub fn render(template: &Template, facts: &Facts<'_>, out: &mut Vec<u8>) -> Result<(), TemplateError> {
    let before = out.len();
    for part in &template.parts {
        let start = out.len();
        let fact = match part {
            TemplatePart::Literal(text) => {
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            TemplatePart::Fact(fact) => fact,
        };
        push(fact, facts, out);
        if out.iter().skip(start).any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            out.truncate(before);
            return Err(TemplateError { fact: fact.clone() });
        }
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
    }
}
