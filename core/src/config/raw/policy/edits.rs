//! Edits of heads and targets: `request_headers`, `response_headers`, `security_headers`, `rewrite`, `query`.

use crate::config::raw::{Walk, condition};
use crate::config::schema::{HEADER_EDITS, QUERY_EDITS, REWRITE_KEYS, SECURITY};
use crate::config::text::{Entry, Node, Value};
use crate::config::value::{fault, is_token, template};
use crate::config::{ErrorKind, HeaderEdit, QueryEdits, Rewrite, SecurityHeaders, Template, TemplatePart};
use crate::policy::edits::is_own;
use std::collections::BTreeMap;
use std::time::Duration;

type Edits = BTreeMap<String, HeaderEdit>;

/// Which message is edited.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Up,
    Down,
}

/// Reads `request_headers:`.
pub(super) fn request(walk: &mut Walk<'_>, node: &Node) -> Edits {
    headers(walk, node, Way::Up)
}

/// Reads `response_headers:`.
pub(super) fn response(walk: &mut Walk<'_>, node: &Node) -> Edits {
    headers(walk, node, Way::Down)
}

fn headers(walk: &mut Walk<'_>, node: &Node, way: Way) -> Edits {
    let mut edits = Edits::new();
    let Some(fields) = walk.fields(node, &HEADER_EDITS) else { return edits };
    for (key, kind) in [("set", HeaderEdit::Set as fn(Template) -> HeaderEdit), ("default", HeaderEdit::Default)] {
        let Some(map) = fields.value(key).and_then(|node| walk.map(node, "values by name")) else { continue };
        for entry in &map.entries {
            let Some(name) = checked(walk, entry, &entry.key, way) else { continue };
            if key == "default" && way == Way::Up && is_own(&name) {
                let mend = "is always there, for the proxy writes it; to replace it write `set`";
                walk.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
                continue;
            }
            if let Some(value) = walk.template(&entry.value, "a text with facts", 0, template::template) {
                insert(walk, &mut edits, name, kind(value), entry);
            }
        }
    }
    if let Some(map) = fields.value("add").and_then(|node| walk.map(node, "values by name")) {
        for entry in &map.entries {
            let Some(name) = checked(walk, entry, &entry.key, way) else { continue };
            let values = condition::many(walk, Some(&entry.value), |walk, node| {
                walk.template(node, "a text with facts", 0, template::template)
            });
            insert(walk, &mut edits, name, HeaderEdit::Add(values), entry);
        }
    }
    if let Some((_, entry)) = fields.first(&["remove"]) {
        for item in walk.one_or_list(&entry.value) {
            let Some(name) = walk.text(item, "the name of a field") else { continue };
            let at = Entry { key: name.clone(), key_at: item.at, value: item.clone() };
            if let Some(name) = checked(walk, &at, &name, way) {
                insert(walk, &mut edits, name, HeaderEdit::Remove, &at);
            }
        }
    }
    edits
}

fn insert(walk: &mut Walk<'_>, edits: &mut Edits, name: String, edit: HeaderEdit, entry: &Entry) {
    if edits.insert(name, edit).is_some() {
        let mend = "stands here twice, and only one thing can become of a field; `set` replaces what is there already";
        walk.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
    }
}

/// A field's name in lower case, if it may be edited.
fn checked(walk: &mut Walk<'_>, entry: &Entry, name: &str, way: Way) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if !is_token(&name) {
        let mend = "write letters, digits and `-`".to_owned();
        let kind = ErrorKind::Value { written: entry.key.clone(), expected: "the name of a field", mend };
        walk.report.error(entry.key_at, kind);
        return None;
    }
    let mend = match name.as_str() {
        "host" if way == Way::Up => "is set by `host:` of the rule, the upstream or the endpoint",
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "upgrade"
        | "http2-settings"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "proxy-authentication-info" => "belongs to one connection alone; the proxy writes it",
        "content-length" | "transfer-encoding" | "expect" | "max-forwards" => {
            "says how the message goes; the proxy writes it"
        }
        "sec-websocket-key" | "sec-websocket-accept" | "sec-websocket-version" | "sec-websocket-extensions" => {
            "belongs to the handshake of the two ends"
        }
        "x-request-id" | "x-switchboard-reason" => "is how an exchange is found again in the log; it stays",
        _ => return Some(name),
    };
    walk.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
    None
}

/// Reads `security_headers:`; the inner `None` is `false`.
pub(super) fn security(walk: &mut Walk<'_>, node: &Node) -> Option<Option<SecurityHeaders>> {
    let mut headers = SecurityHeaders {
        hsts: Some(Duration::from_hours(24 * 365)),
        csp: None,
        frame: Some("SAMEORIGIN"),
        referrer: Some("strict-origin-when-cross-origin".to_owned()),
        permissions: Some("camera=(), geolocation=(), microphone=(), payment=(), usb=()".to_owned()),
    };
    let Value::Map(_) = &node.value else {
        return walk.switch(node).map(|on| on.then_some(headers));
    };
    let fields = walk.fields(node, &SECURITY)?;
    walk.timeout_over(&fields, "hsts", &mut headers.hsts);
    if let Some(node) = fields.value("frame") {
        let words = [("deny", Some("DENY")), ("sameorigin", Some("SAMEORIGIN")), ("off", None), ("false", None)];
        headers.frame = walk.word(node, "who may frame pages", &words).flatten();
    }
    for (key, place) in
        [("csp", &mut headers.csp), ("referrer", &mut headers.referrer), ("permissions", &mut headers.permissions)]
    {
        if let Some(value) = fields.value(key).and_then(|node| field_value(walk, node)) {
            *place = value;
        }
    }
    Some(Some(headers))
}

/// A field's value as it is; the inner `None` is `off`.
fn field_value(walk: &mut Walk<'_>, node: &Node) -> Option<Option<String>> {
    const WHAT: &str = "the value of a field";
    walk.value(node, WHAT, |text| match text {
        "off" | "false" => Ok(None),
        _ if text.chars().any(char::is_control) => fault(WHAT, "it has a control character; take it out"),
        _ => Ok(Some(text.trim().to_owned())),
    })
}

/// Reads `rewrite:`.
pub(super) fn rewrite(walk: &mut Walk<'_>, node: &Node) -> Option<Rewrite> {
    let fields = walk.fields(node, &REWRITE_KEYS)?;
    let (Some(regex), Some(to)) = (fields.value("regex"), fields.value("to")) else {
        if !fields.refused {
            let words = "a rewrite has both: {regex: '^/old/(.*)', to: '/new/{1}'}";
            walk.report.error(node.at, ErrorKind::Missing(words));
        }
        return None;
    };
    let regex = condition::regex(walk, regex)?;
    let groups = crate::config::value::regex(&regex).map_or(0, |regex| regex.captures_len() - 1);
    let to = walk.template(to, "a new path", groups, |text| {
        let template = template::with_groups(text, groups)?;
        match template.parts.first() {
            Some(TemplatePart::Literal(start)) if !start.starts_with('/') => {
                fault("a new path", format!("it begins with a slash; write /{text}"))
            }
            None => fault("a new path", "write / for the root"),
            Some(TemplatePart::Literal(_) | TemplatePart::Fact(_)) => Ok(template),
        }
    })?;
    Some(Rewrite { regex, to })
}

/// Reads `query:`.
pub(super) fn query(walk: &mut Walk<'_>, node: &Node) -> QueryEdits {
    let mut edits = QueryEdits::default();
    let Some(fields) = walk.fields(node, &QUERY_EDITS) else { return edits };
    if let Some(map) = fields.value("set").and_then(|node| walk.map(node, "values by name")) {
        for entry in &map.entries {
            let value = walk.template(&entry.value, "a text with facts", 0, template::template);
            edits.set.extend(value.map(|value| (entry.key.clone(), value)));
        }
    }
    edits.remove = condition::many(walk, fields.value("remove"), |walk, node| walk.text(node, "a parameter's name"));
    edits
}
