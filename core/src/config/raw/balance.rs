//! How an upstream chooses among its endpoints: `balance:`, and what an endpoint says of its share.

use super::{Fields, Walk};
use crate::config::schema::{BALANCE_HASH, BOUNDS, SHARE_OBJECT, STICKY_OBJECT};
use crate::config::text::{Node, Value};
use crate::config::value::{amount, fault, is_token};
use crate::config::{Balance, Bounds, Endpoint, ErrorKind, HashKey, Share, ShareOf, Sticky, WarningKind};
use std::time::Duration;

/// The largest weight: heavier ones say no more than the same shares with less.
const HEAVIEST: u64 = 65_536;

/// How long a cookie of ours binds where nothing else is said.
const STICKY_TTL: Duration = Duration::from_hours(2);

/// Reads `balance:`: a word, or `{hash: …}`.
pub(super) fn balance(walk: &mut Walk<'_>, node: &Node) -> Option<Balance> {
    let Value::Map(_) = &node.value else {
        let words = [
            ("round_robin", Balance::RoundRobin),
            ("random", Balance::Random),
            ("weighted_random", Balance::WeightedRandom),
            ("least_requests", Balance::LeastRequests),
            ("peak_ewma", Balance::PeakEwma),
        ];
        let written = super::written(node);
        let mend = match written.as_str() {
            "hash" | "ip_hash" | "client_ip" | "source" => Some("say by what: {hash: client_ip}"),
            "least_conn" | "leastconn" | "least_connections" => Some("write least_requests; streams count"),
            "roundrobin" | "rr" => Some("write round_robin"),
            _ => None,
        };
        if let Some(mend) = mend {
            walk.wrong(node, "a way to balance", mend);
            return None;
        }
        return walk.word(node, "a way to balance", &words);
    };
    let fields = walk.fields(node, &BALANCE_HASH)?;
    let max_load = fields.value("max_load").and_then(|node| max_load(walk, node));
    let Some(node) = fields.value("hash") else {
        if !fields.refused {
            walk.report.error(node.at, ErrorKind::Missing("say by what: {hash: client_ip}"));
        }
        return None;
    };
    Some(Balance::Hash { by: hash_key(walk, node)?, max_load })
}

fn max_load(walk: &mut Walk<'_>, node: &Node) -> Option<Share> {
    const WHAT: &str = "a bound on the load";
    walk.value(node, WHAT, |text| match amount::share(text, 1000)? {
        share if share <= Share::WHOLE => fault(WHAT, "it lies above 100%, the average; write 125%"),
        share => Ok(share),
    })
}

/// Reads what of a request is hashed: `client_ip`, `path`, `{header: x}`, `{cookie: c}` or `{query: q}`.
pub(super) fn hash_key(walk: &mut Walk<'_>, node: &Node) -> Option<HashKey> {
    const WHAT: &str = "a thing to hash";
    let Value::Map(_) = &node.value else {
        return walk.value(node, WHAT, |text| match text {
            "client_ip" => Ok(HashKey::ClientIp),
            "path" => Ok(HashKey::Path),
            "header" | "cookie" | "query" => fault(WHAT, format!("say which: {{{text}: name}}")),
            _ => fault(WHAT, "write client_ip, path, {header: name}, {cookie: name} or {query: name}"),
        });
    };
    let fields = walk.fields(node, &crate::config::schema::HASH_KEY)?;
    match fields.entries.as_slice() {
        [("header", entry)] => token(walk, &entry.value).map(|name| HashKey::Header(name.to_ascii_lowercase())),
        [("cookie", entry)] => token(walk, &entry.value).map(HashKey::Cookie),
        [("query", entry)] => walk.text(&entry.value, "a parameter's name").map(HashKey::Query),
        _ if fields.refused => None,
        _ => {
            walk.report
                .error(node.at, ErrorKind::Missing("write one of {header: name}, {cookie: name} and {query: name}"));
            None
        }
    }
}

/// A name of a header or cookie.
pub(super) fn token(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "a name of a header or cookie";
    walk.value(node, WHAT, |text| {
        if is_token(text) { Ok(text.to_owned()) } else { fault(WHAT, "write letters, digits and `-`") }
    })
}

/// Reads what an endpoint says of its share of the requests, as an edit of one that says nothing.
pub(super) fn member(walk: &mut Walk<'_>, fields: &Fields<'_>) -> impl FnOnce(Endpoint) -> Endpoint + use<> {
    let weight = fields.value("weight").and_then(|node| {
        walk.value(node, "a weight", |text| match text {
            "0" => fault("a weight", "an endpoint that is to get nothing is left out, or is a `backup: true`"),
            _ => amount::count(text, 1, HEAVIEST).map(|weight| u32::try_from(weight).unwrap_or(u32::MAX)),
        })
    });
    let backup = fields.value("backup").and_then(|node| walk.switch(node));
    let most = fields.value("max_requests").and_then(|node| walk.count_or(node, "unlimited")).flatten();
    move |endpoint| Endpoint {
        weight: weight.unwrap_or(endpoint.weight),
        backup: backup.unwrap_or(endpoint.backup),
        max_requests: most.map(count_of),
        ..endpoint
    }
}

fn count_of(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Reads the `limits:` of an upstream.
pub(super) fn bounds(walk: &mut Walk<'_>, node: &Node) -> Bounds {
    let mut bounds = Bounds::default();
    let Some(fields) = walk.fields(node, &BOUNDS) else { return bounds };
    if let Some(most) = fields.value("connections").and_then(|node| walk.count_or(node, "unlimited")) {
        bounds.connections = most.map(count_of);
    }
    if let Some(most) = fields.value("queue").and_then(|node| walk.count_or(node, "off")) {
        bounds.queue = most.map_or(0, count_of);
    }
    if let Some(time) = fields.value("queue_timeout").and_then(|node| walk.span(node)) {
        bounds.queue_timeout = time;
    }
    bounds
}

/// Reads `sticky:`.
pub(super) fn sticky(walk: &mut Walk<'_>, node: &Node) -> Option<Sticky> {
    let fields = walk.fields(node, &STICKY_OBJECT)?;
    let cookie = fields.value("cookie").map(|node| token(walk, node));
    let ttl = fields.value("ttl").and_then(|node| {
        walk.value(node, "a duration", |text| match amount::duration(text)? {
            time if time.as_secs() > 0 => Ok(time),
            _ => fault("a duration", "a cookie lasts a second at least"),
        })
    });
    let when_set = fields.value("when_set").and_then(|node| token(walk, node));
    let group = fields.value("group").and_then(|node| walk.text(node, "a name"));
    match (cookie, fields.entry("app_cookie")) {
        (Some(cookie), None) => Some(Sticky::Ours { cookie: cookie?, ttl: ttl.unwrap_or(STICKY_TTL), when_set, group }),
        (None, Some(app)) if fields.entries.len() == 1 => token(walk, &app.value).map(|cookie| Sticky::App { cookie }),
        (_, Some(app)) => {
            let (key, with) = ("app_cookie".to_owned(), fields.entries.iter().find(|(name, _)| *name != "app_cookie"));
            let with = with.map_or("cookie", |(name, _)| *name).to_owned();
            let mend = "the hash of the application's cookie needs no other key; leave the others out";
            walk.report.error(app.key_at, ErrorKind::Conflict { key, with, mend });
            None
        }
        (None, None) if fields.refused => None,
        (None, None) => {
            walk.report
                .error(node.at, ErrorKind::Missing("write {cookie: name} for one of ours, or {app_cookie: name}"));
            None
        }
    }
}

/// Reads `share:` of a condition.
pub(super) fn share(walk: &mut Walk<'_>, node: &Node) -> Option<ShareOf> {
    let read = |text: &str| amount::share(text, 100);
    let Value::Map(_) = &node.value else {
        return walk.value(node, "a share", read).map(|of| ShareOf { of, by: None });
    };
    let fields = walk.fields(node, &SHARE_OBJECT)?;
    let by = fields.value("by").map(|node| hash_key(walk, node));
    let Some(of) = fields.value("of") else {
        walk.report.error(node.at, ErrorKind::Missing("say how many: {of: 5%, by: client_ip}"));
        return None;
    };
    let of = walk.value(of, "a share", read)?;
    Some(ShareOf {
        of,
        by: match by {
            Some(by) => Some(by?),
            None => None,
        },
    })
}

/// Reads `default_origin:`. A path is no part of an origin: it is trimmed, with a warning.
pub(super) fn default_origin(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "an origin";
    let origin = walk.value(node, WHAT, |text| {
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            return fault(WHAT, format!("begin with http:// or https://; write http://{text}"));
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if host.is_empty() || !host.bytes().all(plain) {
            return fault(WHAT, "write a scheme, a host and perhaps a port: http://127.0.0.1:8080");
        }
        Ok((format!("{scheme}://{host}"), rest.len() > host.len()))
    })?;
    if origin.1 {
        walk.report.warn(node.at, WarningKind::OriginPath(origin.0.clone()));
    }
    Some(origin.0)
}
