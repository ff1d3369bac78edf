//! Texts with facts in braces: `https://example.com{uri}`.

use super::{Read, fault, is_token};
use crate::config::suggest::nearest;
use crate::config::{Fact, Template, TemplatePart};

const WHAT: &str = "a text with facts";

/// The facts that have no name after a dot.
const PLAIN: [(&str, Fact); 8] = [
    ("host", Fact::Host),
    ("path", Fact::Path),
    ("query", Fact::Query),
    ("uri", Fact::Uri),
    ("scheme", Fact::Scheme),
    ("port", Fact::Port),
    ("client_ip", Fact::ClientIp),
    ("request_id", Fact::RequestId),
];

/// Reads a text with facts; literal pieces next to each other become one.
pub(in crate::config) fn template(text: &str) -> Read<Template> {
    with_groups(text, 0)
}

/// Reads a text with facts and with up to `groups` groups of an expression: `{1}`.
pub(in crate::config) fn with_groups(text: &str, groups: usize) -> Read<Template> {
    if let Some(odd) = text.chars().find(|c| c.is_control()) {
        return fault(WHAT, format!("it has the control character {odd:?}; take it out"));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return fault(WHAT, "a `{` is not closed by `}`");
        };
        check_literal(before)?;
        if !before.is_empty() {
            parts.push(TemplatePart::Literal(before.to_owned()));
        }
        parts.push(TemplatePart::Fact(fact(name, groups)?));
        rest = after;
    }
    check_literal(rest)?;
    if !rest.is_empty() {
        parts.push(TemplatePart::Literal(rest.to_owned()));
    }
    Ok(Template { parts })
}

fn check_literal(text: &str) -> Read<()> {
    if text.contains('}') { fault(WHAT, "a `}` closes nothing") } else { Ok(()) }
}

fn fact(name: &str, groups: usize) -> Read<Fact> {
    if let Some((_, fact)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
        return Ok(fact.clone());
    }
    match name.split_once('.') {
        Some(("header", field)) if is_token(field) => return Ok(Fact::Header(field.to_ascii_lowercase())),
        Some(("cookie", cookie)) if is_token(cookie) => return Ok(Fact::Cookie(cookie.to_owned())),
        Some(("claim", claim)) if !claim.is_empty() => return Ok(Fact::Claim(claim.to_owned())),
        Some(("header" | "cookie" | "claim", _)) => {
            return fault(WHAT, format!("`{{{name}}}` has no valid name after the dot"));
        }
        Some(_) | None => {}
    }
    if super::amount::is_digits(name) {
        return match name.parse::<u8>() {
            Ok(group) if (1..=groups).contains(&usize::from(group)) => Ok(Fact::Group(group)),
            Ok(_) | Err(_) if groups == 0 => {
                fault(WHAT, format!("`{{{name}}}` is a group of an expression; it stands in the `to` of `rewrite`"))
            }
            Ok(_) | Err(_) => fault(WHAT, format!("the expression has the groups {{1}} to {{{groups}}}")),
        };
    }
    // Its name in another proxy may be near to that of another fact here.
    if let Some(meant) = super::foreign::fact(name) {
        return fault(WHAT, format!("there is no fact `{{{name}}}`; did you mean `{meant}`?"));
    }
    match nearest(name, PLAIN.iter().map(|(plain, _)| *plain)) {
        Some(meant) => fault(WHAT, format!("there is no fact `{{{name}}}`; did you mean `{{{meant}}}`?")),
        None => fault(
            WHAT,
            format!(
                "there is no fact `{{{name}}}`; there are {{host}} {{path}} {{query}} {{uri}} {{scheme}} {{port}} \
                     {{client_ip}} {{request_id}} {{header.NAME}} {{cookie.NAME}} {{claim.NAME}}"
            ),
        ),
    }
}
