//! `health:` and `outlier:` of an upstream: what is asked of its endpoints, and when failing traffic takes one out.

use super::condition::{Names, by_name, many, method, text_form};
use super::{Fields, Walk};
use crate::config::schema::{GRPC_CHECK, HEALTH, HTTP_CHECK, MATCH, OUTLIER, TCP_CHECK, WS_CHECK};
use crate::config::text::{Node, Value};
use crate::config::value::{Read, amount, fault, is_token};
use crate::config::{
    Check, CheckKind, ErrorKind, Expect, Health, HttpCheck, Login, Outlier, Secret, Share, WebSocketCheck,
};
use std::time::Duration;

/// Probes more often than this are an attack on the endpoint.
const SHORTEST: Duration = Duration::from_millis(100);

/// What a probe writes by itself; a second line of the same name would contradict it.
const OWN: [&str; 7] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "authorization",
];

/// Reads `health:`; a text is a path.
pub(super) fn health(walk: &mut Walk<'_>, node: &Node) -> Option<Health> {
    let Value::Map(_) = &node.value else {
        let mend = match super::written(node).as_str() {
            "true" | "on" | "yes" => "write the path that is asked for, `health: /healthz`",
            "false" | "off" | "no" => "leave `health` out: nobody is asked then",
            _ => return Some(Health { checks: vec![http(walk, node)?], ..Health::default() }),
        };
        walk.wrong(node, "a path", mend);
        return None;
    };
    let fields = walk.fields(node, &HEALTH)?;
    let mut health = Health::default();
    for (key, read) in [("http", http as fn(&mut Walk<'_>, &Node) -> Option<Check>), ("ws", websocket)] {
        if fields.value(key).is_some() {
            health.checks.extend(many(walk, fields.value(key), read));
        }
    }
    health.checks.extend(fields.value("tcp").and_then(|node| tcp(walk, node)));
    health.checks.extend(fields.value("grpc").and_then(|node| grpc(walk, node)));
    for (key, place) in [("interval", &mut health.interval), ("timeout", &mut health.timeout)] {
        if let Some(time) = fields.value(key).and_then(|node| walk.value(node, "a duration", pause)) {
            *place = time;
        }
    }
    for (key, place) in [("fails", &mut health.fails), ("passes", &mut health.passes)] {
        if let Some(count) = fields.value(key).and_then(|node| count(walk, node)) {
            *place = count;
        }
    }
    let asked = ["http", "ws", "tcp", "grpc"].iter().any(|key| fields.value(key).is_some());
    if !asked && !fields.refused {
        walk.report
            .error(node.at, ErrorKind::Missing("say how to ask: `http: {path: /healthz}`, `ws:`, `tcp:` or `grpc:`"));
    }
    (!health.checks.is_empty()).then_some(health)
}

fn pause(text: &str) -> Read<Duration> {
    match amount::duration(text)? {
        time if time < SHORTEST => fault("a duration", "it is 100ms at least"),
        time => Ok(time),
    }
}

fn count(walk: &mut Walk<'_>, node: &Node) -> Option<u32> {
    let count = walk.value(node, "a count", |text| amount::count(text, 1, 1000))?;
    u32::try_from(count).ok()
}

fn http(walk: &mut Walk<'_>, node: &Node) -> Option<Check> {
    let mut check = HttpCheck {
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        login: None,
        expect: Expect::status(200, 399),
    };
    let Value::Map(_) = &node.value else {
        check.path = walk.value(node, "a path", path)?;
        return Some(Check { port: None, kind: CheckKind::Http(check) });
    };
    let fields = walk.fields(node, &HTTP_CHECK)?;
    check.path = fields.value("path").and_then(|node| walk.value(node, "a path", path)).unwrap_or(check.path);
    check.method = fields.value("method").and_then(|node| method(walk, node)).unwrap_or(check.method);
    check.headers = headers(walk, &fields);
    check.body = fields.value("body").and_then(|node| walk.text(node, "a text"));
    check.login = login(walk, &fields);
    check.expect = expect(walk, &fields, check.expect);
    Some(Check { port: port(walk, &fields), kind: CheckKind::Http(check) })
}

fn websocket(walk: &mut Walk<'_>, node: &Node) -> Option<Check> {
    let mut check =
        WebSocketCheck { path: "/".to_owned(), headers: Vec::new(), login: None, expect: Expect::status(101, 101) };
    let Value::Map(_) = &node.value else {
        check.path = walk.value(node, "a path", path)?;
        return Some(Check { port: None, kind: CheckKind::WebSocket(check) });
    };
    let fields = walk.fields(node, &WS_CHECK)?;
    check.path = fields.value("path").and_then(|node| walk.value(node, "a path", path)).unwrap_or(check.path);
    check.headers = headers(walk, &fields);
    check.login = login(walk, &fields);
    check.expect = expect(walk, &fields, check.expect);
    if !check.expect.body.is_empty() && check.expect.status == [(101, 101)] {
        let words = "`match` has a `body`, which no handshake that succeeds has: leave it out";
        walk.report.error(fields.at, ErrorKind::Missing(words));
    }
    Some(Check { port: port(walk, &fields), kind: CheckKind::WebSocket(check) })
}

fn tcp(walk: &mut Walk<'_>, node: &Node) -> Option<Check> {
    let Value::Map(_) = &node.value else {
        return walk.switch(node)?.then_some(Check { port: None, kind: CheckKind::Tcp });
    };
    let fields = walk.fields(node, &TCP_CHECK)?;
    Some(Check { port: port(walk, &fields), kind: CheckKind::Tcp })
}

fn grpc(walk: &mut Walk<'_>, node: &Node) -> Option<Check> {
    let Value::Map(_) = &node.value else {
        let text = walk.text(node, "the name of a service, or true")?;
        return match text.as_str() {
            "true" | "on" => Some(Check { port: None, kind: CheckKind::Grpc(String::new()) }),
            "false" | "off" => None,
            _ => Some(Check { port: None, kind: CheckKind::Grpc(text) }),
        };
    };
    let fields = walk.fields(node, &GRPC_CHECK)?;
    let service = fields.value("service").and_then(|node| walk.text(node, "the name of a service")).unwrap_or_default();
    Some(Check { port: port(walk, &fields), kind: CheckKind::Grpc(service) })
}

fn port(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<u16> {
    let port =
        fields.value("port").and_then(|node| walk.value(node, "a port", |text| amount::count(text, 1, 65_535)))?;
    u16::try_from(port).ok()
}

/// Path and query as they go into a request line.
fn path(text: &str) -> Read<String> {
    const WHAT: &str = "a path";
    match text {
        _ if !text.starts_with('/') => fault(WHAT, format!("it begins with a slash: /{text}")),
        _ if text.contains('#') => fault(WHAT, "a fragment is never sent; leave `#` and what follows out"),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            fault(WHAT, "blanks and letters beyond ASCII are written with %")
        }
        _ => Ok(text.to_owned()),
    }
}

fn headers(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let Some(node) = fields.value("headers") else { return headers };
    let Some(map) = walk.map(node, "texts by the name of a header") else { return headers };
    for entry in &map.entries {
        let name = entry.key.to_ascii_lowercase();
        if !is_token(&name) || OWN.contains(&name.as_str()) {
            let mend = match name.as_str() {
                "authorization" => "is written by `username` and `password`",
                _ if OWN.contains(&name.as_str()) => "is written by the probe itself",
                _ => "is no name of a header: letters, digits and `-`",
            };
            walk.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
            continue;
        }
        let value = walk.value(&entry.value, "the value of a header", |text| {
            let fits = |c: char| c == '\t' || !c.is_control();
            if text.chars().all(fits) { Ok(text.to_owned()) } else { fault("the value of a header", "it is one line") }
        });
        headers.extend(value.map(|value| (entry.key.clone(), value)));
    }
    headers
}

fn login(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Login> {
    let text = |walk: &mut Walk<'_>, key| fields.value(key).and_then(|node| walk.text(node, "a text"));
    match (text(walk, "username"), text(walk, "password")) {
        (Some(username), Some(password)) => Some(Login { username, password: Secret(password) }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            walk.report.error(fields.at, ErrorKind::Missing("`username` and `password` go together"));
            None
        }
    }
}

fn expect(walk: &mut Walk<'_>, fields: &Fields<'_>, mut expect: Expect) -> Expect {
    let Some(fields) = fields.value("match").and_then(|node| walk.fields(node, &MATCH)) else { return expect };
    if fields.value("status").is_some() {
        expect.status = many(walk, fields.value("status"), |walk, node| walk.value(node, "a status", statuses));
    }
    expect.headers = by_name(walk, fields.value("headers"), Names::Header);
    expect.body = many(walk, fields.value("body"), text_form);
    expect
}

/// One status, or a range of them.
fn statuses(text: &str) -> Read<(u16, u16)> {
    const WHAT: &str = "a status";
    let number = |text: &str| match text.parse::<u16>() {
        Ok(status @ 100..=999) if text.len() == 3 => Some(status),
        Ok(_) | Err(_) => None,
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (number(low.trim()), number(high.trim())) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        _ => fault(WHAT, "write 200, or a range such as 200-399"),
    }
}

/// Reads `outlier:`; the inner `None` is `off`.
pub(super) fn outlier(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Outlier>> {
    let Value::Map(_) = &node.value else {
        walk.word(node, "`off`, or a mapping", &[("off", ()), ("false", ())])?;
        return Some(None);
    };
    let fields = walk.fields(node, &OUTLIER)?;
    let mut outlier = Outlier::default();
    if let Some(count) = fields.value("failures").and_then(|node| walk.count_or(node, "off")) {
        outlier.failures = count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    }
    walk.timeout_over(&fields, "latency", &mut outlier.latency);
    for (key, place) in [("hold", &mut outlier.hold), ("max_hold", &mut outlier.max_hold)] {
        if let Some(time) = fields.value(key).and_then(|node| walk.value(node, "a duration", pause)) {
            *place = time;
        }
    }
    let share = |text: &str| match text {
        "off" | "false" => Ok(Share(0)),
        _ => amount::share(text, 100),
    };
    if let Some(share) =
        fields.value("max_ejected").and_then(|node| walk.value(node, "a share", |text| amount::share(text, 100)))
    {
        outlier.max_ejected = share;
    }
    if let Some(share) = fields.value("panic").and_then(|node| walk.value(node, "a share", share)) {
        outlier.panic = share;
    }
    Some(Some(outlier))
}
