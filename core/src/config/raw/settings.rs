//! The file as a whole, and the settings of the whole proxy.

use super::rule::{self, Defaults};
use super::{
    Context, Fields, Walk, acme, admin, cache, http2, listen, paths, patience, policy, route, store, upstream,
};
use crate::config::defaults::STATE_DIR;
use crate::config::schema::{ACCESS_LOG, DEFAULTS, DRAIN, FILE, FORWARDED, LIMITS, LOG, TIMEOUTS};
use crate::config::suggest::nearest;
use crate::config::text::{Map, Node, Value};
use crate::config::value::{amount, fault, network};
use crate::config::{
    AccessLog, Cidr, Config, Drain, ErrorKind, Forwarded, LimitScope, Limits, Log, LogFormat, LogLevel, LogSink,
    Memory, Timeouts, WarningKind,
};
use std::path::PathBuf;

/// Reads the whole file. The order matters: rules name listeners and upstreams.
pub(super) fn config(walk: &mut Walk<'_>, root: &Node) -> (Config, Context) {
    let fields = file(walk, root);
    let at = |key| fields.as_ref().and_then(|fields: &Fields<'_>| fields.value(key));
    let timeouts = at("timeouts").map_or_else(Timeouts::default, |node| timeouts(walk, node));
    walk.redis = at("redis").and_then(|node| store::redis(walk, node));
    if let Some(node) = at("lists") {
        policy::lists(walk, node);
    }
    let listeners = listen::listeners(walk, at("listen"), timeouts);
    walk.listeners = listeners.iter().map(|(_, listener)| listener.name.clone()).collect();
    walk.binds = listeners.iter().map(|(_, listener)| listener.bind.clone()).collect();
    walk.asks_for_certificates = listeners.iter().any(|(_, listener)| listener.asks_for_certificates());
    if let Some(node) = at("upstreams") {
        upstream::upstreams(walk, node);
    }
    if let Some(node) = at("policies") {
        policy::named(walk, node);
    }
    let defaults = Defaults { timeouts, ..Defaults::default() };
    let defaults = match at("defaults") {
        Some(node) => self::defaults(walk, node, defaults),
        None => defaults,
    };
    let acme = at("acme").map(|node| acme::acme(walk, node)).unwrap_or_default();
    walk.orders_freely = acme.ask.is_none() && listeners.iter().any(|(_, listener)| listener.orders_certificates());
    let routes = at("routes").map(|node| route::routes(walk, node, &defaults)).unwrap_or_default();
    route::warn_unreached(walk, &listeners, &routes);
    // `routes: {}` says it itself, and who writes `registry` has them from elsewhere. Where something is wrong, they may only
    // have been misspelt.
    if at("routes").is_none() && at("registry").is_none() && walk.report.is_sound() {
        walk.report.warn(root.at, WarningKind::NoRoutes);
    }
    let unrouted = defaults.policies.unrouted();
    let context = walk.context(defaults);
    let config = Config {
        listeners: listeners.into_iter().map(|(_, listener)| listener).collect(),
        routes,
        trusted_proxies: at("trusted_proxies").map(|node| networks(walk, node)).unwrap_or_default(),
        forwarded: at("forwarded").map(|node| forwarded(walk, node)).unwrap_or_default(),
        timeouts,
        limits: at("limits").map(|node| limits(walk, node)).unwrap_or_default(),
        drain: at("drain").map(|node| drain(walk, node)).unwrap_or_default(),
        lists: walk.lists.iter().map(|(name, list)| (name.clone(), list.to_vec())).collect(),
        access_log: at("access_log").map(|node| access_log(walk, node)).unwrap_or_default(),
        dns: at("dns").map(|node| super::dns::dns(walk, node)).unwrap_or_default(),
        cache: at("cache").map(|node| cache::store(walk, node)).unwrap_or_default(),
        http2: at("http2").map(|node| http2::http2(walk, node)).unwrap_or_default(),
        log: at("log").map(|node| log(walk, node)).unwrap_or_default(),
        admin: at("admin").map(|node| admin::admin(walk, node)).unwrap_or_default(),
        registry: at("registry").map(|node| admin::registry(walk, node)).unwrap_or_default(),
        tracing: at("tracing").map(|node| super::tracing::tracing(walk, node)).unwrap_or_default(),
        state_dir: state_dir(walk, at("state_dir")),
        acme,
        redis: walk.redis.clone(),
        unrouted,
        workers: at("workers").and_then(|node| workers(walk, node)),
        upstreams: std::mem::take(&mut walk.upstreams),
        files: Vec::new(),
    };
    (config, context)
}

/// The keys of the file. Here, and only here, a key may stand with nothing under it: `routes:` with all its lines
/// commented out is an empty registry.
fn file<'n>(walk: &mut Walk<'_>, root: &'n Node) -> Option<Fields<'n>> {
    static NOTHING: Map = Map { entries: Vec::new(), flow: false };
    let map = match &root.value {
        _ if root.is_empty() => &NOTHING,
        Value::Map(map) => map,
        Value::Scalar(_) | Value::List(_) => {
            walk.shape(root, "a mapping with keys such as `listen` and `routes`");
            return None;
        }
    };
    Some(walk.known(root.at, map, &FILE))
}

fn defaults(walk: &mut Walk<'_>, node: &Node, mut defaults: Defaults) -> Defaults {
    let Some(fields) = walk.fields(node, &DEFAULTS) else { return defaults };
    defaults.max_body = fields.value("max_body").and_then(|node| walk.size_or_unlimited(node));
    if let Some(node) = fields.value("timeouts") {
        defaults.timeouts = rule::timeouts(walk, node, defaults.timeouts);
    }
    if let Some(host) = fields.value("host").and_then(|node| upstream::host_header(walk, node)) {
        defaults.host = host;
    }
    defaults.paths = paths::paths(walk, &fields, defaults.paths);
    if let Some(upgrade) = fields.value("upgrade").and_then(|node| rule::upgrade(walk, node)) {
        defaults.upgrade = upgrade;
    }
    if let Some(logged) = fields.value("access_log").and_then(|node| walk.switch(node)) {
        defaults.access_log = logged;
    }
    if let Some(websocket) = fields.value("websocket").and_then(|node| super::websocket::websocket(walk, node)) {
        defaults.websocket = Some(websocket);
    }
    if let Some(sse) = fields.value("sse").and_then(|node| super::sse::sse(walk, node)) {
        defaults.sse = Some(sse);
    }
    if let Some(on_remove) = fields.value("on_remove").and_then(|node| rule::on_remove(walk, node)) {
        defaults.on_remove = on_remove;
    }
    if let Some(retry) = fields.value("retry").and_then(|node| patience::retry(walk, node)) {
        defaults.retry = retry;
    }
    if let Some(cache) = fields.value("cache").and_then(|node| cache::cache(walk, node)) {
        defaults.cache = cache.map(Box::new);
    }
    if let Some(wait) = fields.value("wait").and_then(|node| patience::wait(walk, node)) {
        defaults.wait = wait;
    }
    defaults.compress = fields.value("compress").and_then(|node| super::site::compress(walk, node));
    defaults.policies = policy::level(walk, &fields, &LimitScope::Defaults);
    defaults
}

fn timeouts(walk: &mut Walk<'_>, node: &Node) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(fields) = walk.fields(node, &TIMEOUTS) else { return timeouts };
    for (key, place) in [
        ("tls_handshake", &mut timeouts.tls_handshake),
        ("head", &mut timeouts.head),
        ("body", &mut timeouts.body),
        ("keep_alive", &mut timeouts.keep_alive),
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

fn networks(walk: &mut Walk<'_>, node: &Node) -> Vec<Cidr> {
    let items = walk.one_or_list(node);
    items.iter().filter_map(|item| walk.value(item, "a network", network::cidr)).collect()
}

fn forwarded(walk: &mut Walk<'_>, node: &Node) -> Forwarded {
    let mut forwarded = Forwarded::default();
    let Some(fields) = walk.fields(node, &FORWARDED) else { return forwarded };
    for (key, place) in
        [("x_forwarded", &mut forwarded.x_forwarded), ("rfc7239", &mut forwarded.rfc7239), ("via", &mut forwarded.via)]
    {
        if let Some(on) = fields.value(key).and_then(|node| walk.switch(node)) {
            *place = on;
        }
    }
    forwarded
}

fn limits(walk: &mut Walk<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = walk.fields(node, &LIMITS) else { return limits };
    // Below these no ordinary request fits; above them one connection holds too much memory.
    for (key, place, least, most) in [
        ("head", &mut limits.head, 1 << 10, 1 << 20),
        ("field", &mut limits.field, 256, 1 << 20),
        ("target", &mut limits.target, 256, 1 << 20),
        ("trailers", &mut limits.trailers, 256, 1 << 20),
        ("tunnel_buffer", &mut limits.tunnel_buffer, 4 << 10, 16 << 20),
    ] {
        if let Some(size) = fields.value(key).and_then(|node| bounded(walk, node, least, most)) {
            *place = size;
        }
    }
    if let Some(size) = fields.value("tunnel_memory").and_then(|node| walk.value(node, "a size", tunnel_memory)) {
        limits.tunnel_memory = size;
    }
    if let Some(memory) = fields.value("memory").and_then(|node| walk.value(node, "a size", memory)) {
        limits.memory = memory;
    }
    if let Some(count) = fields.value("fields").and_then(|node| walk.value(node, "a count", fields_count)) {
        limits.fields = count;
    }
    if let Some(rate) = fields.value("body_min_rate").and_then(|node| body_min_rate(walk, node)) {
        limits.body_min_rate = rate;
    }
    let narrow = |count: Option<u64>| count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    if let Some(count) = fields.value("connections_per_client").and_then(|node| walk.count_or(node, "off")) {
        limits.connections_per_client = narrow(count);
    }
    if let Some(count) = fields.value("requests_per_connection").and_then(|node| walk.count_or(node, "unlimited")) {
        limits.requests_per_connection = narrow(count);
    }
    walk.timeout_over(&fields, "connection_age", &mut limits.connection_age);
    limits
}

fn tunnel_memory(text: &str) -> crate::config::value::Read<u64> {
    match amount::size(text)? {
        size if (1 << 20..=1 << 40).contains(&size) => Ok(size),
        _ => fault("a size", "it lies between 1MiB and 1TiB"),
    }
}

fn memory(text: &str) -> crate::config::value::Read<Memory> {
    const MEND: &str = "write auto for what the control group allows, unlimited, or 16MiB and more";
    match text {
        "auto" => Ok(Memory::Auto),
        "unlimited" => Ok(Memory::Unlimited),
        _ => match amount::size(text) {
            Ok(size) if size >= 16 << 20 => Ok(Memory::Bytes(size)),
            Ok(_) | Err(_) => fault("a size", MEND),
        },
    }
}

fn fields_count(text: &str) -> crate::config::value::Read<u32> {
    amount::count(text, 1, 10_000).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A size that always has a bound.
pub(super) fn bounded(walk: &mut Walk<'_>, node: &Node, least: u32, most: u32) -> Option<u32> {
    walk.value(node, "a size", |text| match text {
        "unlimited" | "off" | "false" => fault("a size", format!("this is always limited, to {most}B at most")),
        _ => match amount::size(text).map(u32::try_from) {
            Ok(Ok(size)) if (least..=most).contains(&size) => Ok(size),
            Ok(_) => fault("a size", format!("it lies between {least}B and {most}B")),
            Err(fault) => Err(fault),
        },
    })
}

fn body_min_rate(walk: &mut Walk<'_>, node: &Node) -> Option<Option<u64>> {
    walk.value(node, "a rate", |text| match text {
        "off" | "false" => Ok(None),
        _ if amount::means_none(text) || text == "unlimited" => fault("a rate", "no least rate is written `off`"),
        _ => amount::byte_rate(text).map(Some),
    })
}

fn drain(walk: &mut Walk<'_>, node: &Node) -> Drain {
    let mut drain = Drain::default();
    let Some(fields) = walk.fields(node, &DRAIN) else { return drain };
    for (key, place) in [
        ("http", &mut drain.http),
        ("tunnels", &mut drain.tunnels),
        ("announce", &mut drain.announce),
        ("spread", &mut drain.spread),
    ] {
        if let Some(time) = fields.value(key).and_then(|node| walk.span(node)) {
            *place = time;
        }
    }
    if let Some(code) = fields.value("code").and_then(|node| super::websocket::close_code(walk, node)) {
        drain.code = code;
    }
    drain
}

fn access_log(walk: &mut Walk<'_>, node: &Node) -> AccessLog {
    let mut log = AccessLog::default();
    let Value::Map(_) = &node.value else {
        log.to = sink(walk, node).unwrap_or(log.to);
        return log;
    };
    let Some(fields) = walk.fields(node, &ACCESS_LOG) else { return log };
    if let Some(to) = fields.value("to").and_then(|node| sink(walk, node)) {
        log.to = to;
    }
    if let Some(format) = fields.value("format").and_then(|node| format(walk, node)) {
        log.format = format;
    }
    if let Some(node) = fields.value("redact") {
        let items = walk.one_or_list(node);
        let names = items.iter().filter_map(|item| walk.text(item, "the name of a query parameter"));
        log.redact = names.map(|name| name.to_lowercase()).collect();
    }
    log
}

fn log(walk: &mut Walk<'_>, node: &Node) -> Log {
    let mut log = Log::default();
    let Some(fields) = walk.fields(node, &LOG) else { return log };
    let levels =
        [("error", LogLevel::Error), ("warn", LogLevel::Warn), ("info", LogLevel::Info), ("debug", LogLevel::Debug)];
    if let Some(level) = fields.value("level").and_then(|node| walk.word(node, "a level of the log", &levels)) {
        log.level = level;
    }
    if let Some(format) = fields.value("format").and_then(|node| format(walk, node)) {
        log.format = format;
    }
    if let Some(to) = fields.value("to").and_then(|node| sink(walk, node)) {
        log.to = to;
    }
    log
}

fn format(walk: &mut Walk<'_>, node: &Node) -> Option<LogFormat> {
    let words = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    walk.word(node, "a format of log lines", &words)
}

/// Where lines go. A path has a slash or a dot, so that a mistyped `stdout` doesn't become a file.
fn sink(walk: &mut Walk<'_>, node: &Node) -> Option<LogSink> {
    const WHAT: &str = "a place for log lines";
    walk.value(node, WHAT, |text| match text {
        "off" | "false" => Ok(LogSink::Off),
        "stdout" => Ok(LogSink::Stdout),
        "stderr" => Ok(LogSink::Stderr),
        _ if text.contains('\0') => fault(WHAT, "a path has no NUL"),
        path if path.contains(['/', '.']) => Ok(LogSink::File(PathBuf::from(path))),
        _ => match nearest(text, ["stdout", "stderr", "off"]) {
            Some(meant) => fault(WHAT, format!("did you mean `{meant}`?")),
            None => fault(WHAT, format!("write stdout, stderr, off, or a path with a slash: ./{text}")),
        },
    })
}

fn workers(walk: &mut Walk<'_>, node: &Node) -> Option<usize> {
    const WHAT: &str = "a number of workers";
    walk.value(node, WHAT, |text| match text {
        "auto" => Ok(None),
        _ => match amount::count(text, 1, 1024).map(usize::try_from) {
            Ok(Ok(count)) => Ok(Some(count)),
            Ok(Err(_)) | Err(_) => fault(WHAT, "write auto for one per core, or 1 to 1024"),
        },
    })
    .flatten()
}

/// The directory for state, `~` resolved; the default follows the XDG base directories.
fn state_dir(walk: &mut Walk<'_>, node: Option<&Node>) -> PathBuf {
    let home = walk.source.env("HOME").filter(|home| home.starts_with('/'));
    let Some(node) = node else {
        let state = walk.source.env("XDG_STATE_HOME").filter(|state| state.starts_with('/'));
        return match (state, home) {
            (Some(state), _) => PathBuf::from(state).join("switchboard"),
            (None, Some(home)) => PathBuf::from(home).join(".local/state/switchboard"),
            (None, None) => PathBuf::from(STATE_DIR),
        };
    };
    let Some(text) = walk.text(node, "a directory") else { return PathBuf::new() };
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        (Some(_), None) => {
            let words = "`~` stands for HOME, and the environment has none; write the whole path";
            walk.report.error(node.at, ErrorKind::Reference(words.to_owned()));
            PathBuf::new()
        }
        (None, _) if text.contains('\0') => {
            walk.wrong(node, "a directory", "a path has no NUL");
            PathBuf::new()
        }
        (None, _) => PathBuf::from(text),
    }
}
