//! One rule: its condition, its one action, and what is done to an exchange on the way.

use super::{Fields, Walk, cache, condition, paths, patience, policy, site, sse, upstream, websocket};
use crate::config::schema::{ON_REMOVE, RULE, RULE_TIMEOUTS};
use crate::config::text::{Entry, Node, Value};
use crate::config::value::{amount, fault, host, is_token, template};
use crate::config::{
    Action, Builtin, Cache, Compress, Compression, ErrorKind, HostHeader, HostPattern, MAX_BODY, ON_REMOVE_DRAIN,
    OnRemove, PathEdit, Paths, Retry, RouteKey, Rule, Sse, Template, TemplatePart, Timeouts, Wait, WarningKind,
    WebSocket,
};

/// What holds for a rule that doesn't say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Defaults {
    pub(super) host: HostHeader,
    pub(super) paths: Paths,
    pub(super) upgrade: Vec<String>,
    /// `None` where `defaults:` says nothing: then the built-in bound is no level, and a rule may go above it.
    pub(super) max_body: Option<Option<u64>>,
    pub(super) timeouts: Timeouts,
    pub(super) access_log: bool,
    pub(super) on_remove: OnRemove,
    pub(super) websocket: Option<WebSocket>,
    pub(super) sse: Option<Sse>,
    pub(super) policies: policy::Level,
    pub(super) retry: Retry,
    pub(super) wait: Option<Wait>,
    /// `None` where nothing is said: files are compressed then, and answers are not.
    pub(super) compress: Option<Option<Compress>>,
    pub(super) cache: Option<Box<Cache>>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            host: HostHeader::Preserve,
            paths: Paths::default(),
            upgrade: vec!["websocket".to_owned()],
            max_body: None,
            timeouts: Timeouts::default(),
            access_log: true,
            on_remove: OnRemove::Drain(ON_REMOVE_DRAIN),
            websocket: None,
            sse: None,
            policies: policy::Level::default(),
            retry: Retry::default(),
            wait: None,
            compress: None,
            cache: None,
        }
    }
}

impl Defaults {
    fn rule(&self, action: Action) -> Rule {
        Rule {
            when: None,
            action,
            host: self.host.clone(),
            path_edit: PathEdit::Keep,
            paths: self.paths,
            upgrade: self.upgrade.clone(),
            max_body: self.max_body.unwrap_or(Some(MAX_BODY)),
            timeouts: self.timeouts,
            access_log: self.access_log,
            on_remove: self.on_remove,
            websocket: self.websocket.clone(),
            sse: self.sse.clone(),
            policies: self.policies.clone().policies(),
            inherit: true,
            retry: self.retry.clone(),
            wait: self.wait,
            cache: self.cache.clone(),
            compress: self.compression(None),
        }
    }

    /// What is compressed where a rule says `own`, or nothing.
    fn compression(&self, own: Option<Option<Compress>>) -> Compression {
        match own.or_else(|| self.compress.clone()) {
            Some(said) => Compression { answers: said.clone(), files: said },
            None => Compression { answers: None, files: Some(Compress::default()) },
        }
    }
}

/// Reads a short rule: a name, an address, or a list of addresses.
pub(super) fn short(walk: &mut Walk<'_>, node: &Node, defaults: &Defaults) -> Option<Rule> {
    policy::check(walk, node.at, None, &defaults.policies);
    upstream::target(walk, node).map(|name| defaults.rule(Action::Proxy(name)))
}

/// Reads a rule in its long form, and the further hosts that it names for its route.
pub(super) fn long(
    walk: &mut Walk<'_>,
    node: &Node,
    key: &RouteKey,
    defaults: &Defaults,
    also: &mut Vec<(HostPattern, Node)>,
) -> Option<Rule> {
    let fields = walk.fields(node, &RULE)?;
    let when = fields.value("when").map(|node| condition::condition(walk, node));
    let action = action(walk, &fields);
    let path_edit = paths::edit(walk, &fields, key);
    let paths = paths::paths(walk, &fields, defaults.paths);
    let host = fields.value("host").and_then(|node| upstream::host_header(walk, node));
    let upgrade = fields.value("upgrade").and_then(|node| self::upgrade(walk, node));
    let inherit = inherit(walk, &fields);
    let max_body = max_body(walk, &fields, defaults, inherit);
    let policies = policy::of_rule(walk, &fields, defaults.policies.clone(), inherit);
    let timeouts = fields.value("timeouts").map(|node| timeouts(walk, node, defaults.timeouts));
    let access_log = fields.value("access_log").and_then(|node| walk.switch(node));
    let on_remove = fields.value("on_remove").and_then(|node| self::on_remove(walk, node));
    let retry = fields.value("retry").and_then(|node| patience::retry(walk, node));
    let wait = fields.value("wait").and_then(|node| patience::wait(walk, node));
    let websocket = fields.value("websocket").and_then(|node| websocket::websocket(walk, node));
    let sse = fields.value("sse").and_then(|node| sse::sse(walk, node));
    let compress = fields.value("compress").and_then(|node| site::compress(walk, node));
    site::check_fallback(walk, &fields);
    if let Some(node) = fields.value("also") {
        for item in walk.one_or_list(node) {
            also.extend(walk.value(item, "a host", host::pattern).map(|host| (host, item.clone())));
        }
    }
    let base = defaults.rule(action?);
    Some(Rule {
        when: when.flatten(),
        host: host.unwrap_or(base.host),
        path_edit: path_edit.unwrap_or(PathEdit::Keep),
        paths,
        upgrade: upgrade.unwrap_or(base.upgrade),
        max_body: max_body.unwrap_or(base.max_body),
        timeouts: timeouts.unwrap_or(base.timeouts),
        access_log: access_log.unwrap_or(base.access_log),
        on_remove: on_remove.unwrap_or(base.on_remove),
        retry: retry.unwrap_or(base.retry),
        wait: wait.unwrap_or(base.wait),
        cache: cache::of_rule(walk, &fields).map_or(base.cache, |cache| cache.map(Box::new)),
        websocket: websocket.or(base.websocket),
        sse: sse.or(base.sse),
        compress: defaults.compression(compress),
        action: base.action,
        policies,
        inherit,
    })
}

fn action(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Action> {
    let actions = ["to", "files", "redirect", "respond", "builtin"];
    let tries = site::tries(walk, fields);
    let mut written = fields.entries.iter().filter(|(name, _)| actions.contains(name));
    let (first, second) = (written.next(), written.next());
    if let (Some((with, _)), Some((key, entry)), false) = (first, second, tries) {
        let both = ["files", "to"].iter().all(|action| fields.entry(action).is_some());
        let mend = match both {
            true => "write `try: [files, to]` for a file where there is one, and the upstream otherwise",
            false => "a rule does one thing; make two rules with a `when`, or leave one out",
        };
        let kind = ErrorKind::Conflict { key: (*key).to_owned(), with: (*with).to_owned(), mend };
        walk.report.error(entry.key_at, kind);
    }
    let status = fields.entry("status");
    let Some((name, entry)) = first else {
        // An action that isn't built yet, or is mistyped, is reported already.
        if !fields.refused {
            let words = "a rule needs one action: `to`, `files`, `redirect`, `respond` or `builtin`";
            walk.report.error(fields.at, ErrorKind::Missing(words));
        }
        return None;
    };
    match *name {
        "redirect" => redirect(walk, &entry.value, status),
        "respond" => respond(walk, &entry.value, status),
        "builtin" => builtin(walk, &entry.value, status),
        _ if fields.entry("files").is_some() => site::action(walk, fields, tries),
        _ => {
            if let Some(status) = status {
                let mend = "goes with `redirect` or `respond`; the status of `to` is the upstream's";
                walk.report.error(status.key_at, ErrorKind::Misplaced { key: "status".to_owned(), mend });
            }
            upstream::target(walk, &entry.value).map(Action::Proxy)
        }
    }
}

fn redirect(walk: &mut Walk<'_>, node: &Node, status: Option<&Entry>) -> Option<Action> {
    const WHAT: &str = "the status of a redirect";
    let status = match status {
        None => Some(308),
        Some(entry) => walk.value(&entry.value, WHAT, |text| match text {
            "301" => Ok(301),
            "302" => Ok(302),
            "303" => Ok(303),
            "307" => Ok(307),
            "308" => Ok(308),
            _ => fault(WHAT, "write 301, 302, 303, 307 or 308"),
        }),
    };
    let to = walk.template(node, "a text with facts", 0, location);
    Some(Action::Redirect { to: to?, status: status? })
}

/// A `Location`: a URL or a path; anything else would be relative to wherever the client happens to be.
fn location(text: &str) -> crate::config::value::Read<Template> {
    const WHAT: &str = "where a client can be sent";
    let template = template::template(text)?;
    let rooted = match template.parts.first() {
        Some(TemplatePart::Fact(_)) => true,
        Some(TemplatePart::Literal(start)) => start.starts_with('/') || start.contains("://"),
        None => false,
    };
    if text.contains([' ', '"', '<', '>', '\\']) {
        return fault(WHAT, "a URL has no spaces, quotes or backslashes; write them as %XX");
    }
    if rooted { Ok(template) } else { fault(WHAT, format!("begin with https:// or /; write https://{text}")) }
}

fn respond(walk: &mut Walk<'_>, node: &Node, status: Option<&Entry>) -> Option<Action> {
    const WHAT: &str = "the status of an answer";
    let read = |text: &str| match amount::count(text, 200, 599).map(u16::try_from) {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(_)) | Err(_) => fault(WHAT, "write a number from 200 to 599"),
    };
    let code = status.map_or(Some(200), |entry| walk.value(&entry.value, WHAT, read));
    let body = walk.text(node, "a text");
    let (body, code) = (body?, code?);
    if let (Some(entry), 204 | 205 | 304, false) = (status, code, body.is_empty()) {
        walk.wrong(&entry.value, "a status with a body", "write `respond: \"\"`, or another status");
        return None;
    }
    Some(Action::Respond { body, status: code })
}

fn builtin(walk: &mut Walk<'_>, node: &Node, status: Option<&Entry>) -> Option<Action> {
    if let Some(status) = status {
        let mend = "goes with `redirect` or `respond`; what is built in chooses its own";
        walk.report.error(status.key_at, ErrorKind::Misplaced { key: "status".to_owned(), mend });
    }
    walk.word(node, "an answer that is built in", &Builtin::ALL).map(Action::Builtin)
}

/// Reads `upgrade:`; the tokens in lower case.
pub(super) fn upgrade(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<String>> {
    const WHAT: &str = "an upgrade";
    if let Value::Scalar(scalar) = &node.value
        && matches!(scalar.text.as_str(), "off" | "false")
    {
        return Some(Vec::new());
    }
    let mut tokens: Vec<String> = Vec::new();
    for item in walk.one_or_list(node) {
        let token = walk.value(item, WHAT, |text| match text.to_ascii_lowercase().as_str() {
            "h2c" | "h2" | "http/2.0" | "tls/1.0" | "tls/1.2" => {
                fault(WHAT, "an upgrade to HTTP/2 or TLS is never forwarded: it would hide requests from the rules")
            }
            token if token.split('/').all(is_token) => Ok(token.to_owned()),
            _ => fault(WHAT, "write a token such as websocket"),
        });
        tokens.extend(token.filter(|token| !tokens.contains(token)).into_iter().collect::<Vec<_>>());
    }
    Some(tokens)
}

/// Whether what the levels around a rule forbid binds it; `false` is pointed out.
fn inherit(walk: &mut Walk<'_>, fields: &Fields<'_>) -> bool {
    let Some(entry) = fields.entry("inherit") else { return true };
    let inherit = walk.switch(&entry.value).unwrap_or(true);
    if !inherit {
        walk.report.warn(entry.key_at, WarningKind::NotInherited);
    }
    inherit
}

/// Reads `max_body:`: every level must let a request pass, so the smaller bound holds, unless a rule opts out.
fn max_body(walk: &mut Walk<'_>, fields: &Fields<'_>, defaults: &Defaults, inherit: bool) -> Option<Option<u64>> {
    let node = fields.value("max_body");
    let own = node.and_then(|node| walk.size_or_unlimited(node));
    let Some(outer) = defaults.max_body else { return own };
    if !inherit {
        return Some(own.unwrap_or(Some(MAX_BODY)));
    }
    match (own?, outer) {
        (own, None) => Some(own),
        (Some(own), Some(outer)) if own <= outer => Some(Some(own)),
        (Some(_) | None, Some(outer)) => {
            walk.report.warn(node.map_or(fields.at, |node| node.at), WarningKind::NoEffect);
            Some(Some(outer))
        }
    }
}

/// Reads the `timeouts:` of a rule or of `defaults:` over those around it.
pub(super) fn timeouts(walk: &mut Walk<'_>, node: &Node, outer: Timeouts) -> Timeouts {
    let mut timeouts = outer;
    let Some(fields) = walk.fields(node, &RULE_TIMEOUTS) else { return timeouts };
    for (key, place) in [
        ("body", &mut timeouts.body),
        ("connect", &mut timeouts.connect),
        ("first_byte", &mut timeouts.first_byte),
        ("idle", &mut timeouts.idle),
        ("tunnel_fin", &mut timeouts.tunnel_fin),
        ("write", &mut timeouts.write),
        ("total", &mut timeouts.total),
    ] {
        walk.timeout_over(&fields, key, place);
    }
    timeouts
}

/// Reads `on_remove:`.
pub(super) fn on_remove(walk: &mut Walk<'_>, node: &Node) -> Option<OnRemove> {
    let Value::Map(_) = &node.value else {
        return walk.word(
            node,
            "what becomes of streams",
            &[("keep", OnRemove::Keep), ("drain", OnRemove::Drain(ON_REMOVE_DRAIN))],
        );
    };
    let fields = walk.fields(node, &ON_REMOVE)?;
    match fields.first(&["drain", "close"]) {
        Some(("drain", time)) => walk.span(&time.value).map(OnRemove::Drain),
        Some((_, code)) => websocket::close_code(walk, &code.value).map(OnRemove::Close),
        None if fields.refused => None,
        None => {
            walk.report.error(node.at, ErrorKind::Missing("write keep, {drain: 5m} or {close: 1012}"));
            None
        }
    }
}
