//! The policies of one level (`defaults`, a listener, a named policy, a rule), and how levels add up.
//!
//! What forbids adds up; edits of headers merge by name; of all else the nearest level wins, whole. `rule` and `settings`
//! read levels here and ask for the sum.

mod cors;
mod edits;
mod files;
mod flow;
mod identity;
mod limits;
mod sum;
mod token;

pub(super) use cors::origins;
pub(super) use identity::is_off;
pub(super) use sum::{check, of_rule};

use super::{Fields, Walk, condition};
use crate::config::schema::{COOKIE_FLAGS, POLICIES};
use crate::config::suggest::nearest;
use crate::config::text::{Node, Value};
use crate::config::value::{Fault, network};
use crate::config::{
    ApiKeys, BasicAuth, Cidr, ClientCert, Concurrency, Condition, CookieFlags, Cors, Detect, ErrorKind, ErrorPage,
    ForwardAuth, HeaderEdit, Jwt, LimitScope, Mirror, PageStatus, Policies, QueryEdits, RateLimit, Rewrite,
    SecurityHeaders,
};
use std::collections::BTreeMap;

pub(super) use files::lists;

/// What one level says. The inner `None` of an option is `off`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Level {
    deny: Vec<Condition>,
    allow: Vec<Vec<Condition>>,
    maintenance: Option<bool>,
    methods: Option<Vec<String>>,
    cors: Option<Option<Cors>>,
    rewrite: Option<Rewrite>,
    query: QueryEdits,
    request_headers: BTreeMap<String, HeaderEdit>,
    response_headers: BTreeMap<String, HeaderEdit>,
    security_headers: Option<Option<SecurityHeaders>>,
    cookies: Option<CookieFlags>,
    error_pages: Option<BTreeMap<PageStatus, ErrorPage>>,
    rates: Vec<RateLimit>,
    concurrency: Vec<Concurrency>,
    basic_auth: Option<Option<BasicAuth>>,
    api_keys: Option<Option<ApiKeys>>,
    forward_auth: Option<Option<ForwardAuth>>,
    bandwidth: Option<Option<u64>>,
    detect: Option<Option<Detect>>,
    mirror: Option<Mirror>,
    jwt: Option<Option<Jwt>>,
    client_cert: Option<Option<ClientCert>>,
    auth: Option<identity::Auth>,
}

impl Level {
    /// Puts a nearer level over this one.
    pub(super) fn over(mut self, nearer: Self) -> Self {
        self.deny.extend(nearer.deny);
        self.allow.extend(nearer.allow);
        self.rates.extend(nearer.rates);
        self.concurrency.extend(nearer.concurrency);
        self.request_headers.extend(nearer.request_headers);
        self.response_headers.extend(nearer.response_headers);
        Self {
            maintenance: nearer.maintenance.or(self.maintenance),
            methods: nearer.methods.or(self.methods),
            cors: nearer.cors.or(self.cors),
            rewrite: nearer.rewrite.or(self.rewrite),
            query: if nearer.query == QueryEdits::default() { self.query } else { nearer.query },
            security_headers: nearer.security_headers.or(self.security_headers),
            cookies: nearer.cookies.or(self.cookies),
            error_pages: nearer.error_pages.or(self.error_pages),
            basic_auth: nearer.basic_auth.or(self.basic_auth),
            api_keys: nearer.api_keys.or(self.api_keys),
            forward_auth: nearer.forward_auth.or(self.forward_auth),
            jwt: nearer.jwt.or(self.jwt),
            bandwidth: nearer.bandwidth.or(self.bandwidth),
            detect: nearer.detect.or(self.detect),
            mirror: nearer.mirror.or(self.mirror),
            client_cert: nearer.client_cert.or(self.client_cert),
            auth: nearer.auth.or(self.auth),
            ..self
        }
    }

    /// Leaves out what forbids: for a rule that says `inherit: false`.
    pub(super) fn without_bounds(mut self) -> Self {
        self.deny.clear();
        self.allow.clear();
        self.rates.clear();
        self.concurrency.clear();
        self
    }

    /// What holds for answers of the proxy's own that no route gives: how they look, and nothing else.
    pub(super) fn unrouted(&self) -> Option<Box<Policies>> {
        let level = Self {
            response_headers: self.response_headers.clone(),
            security_headers: self.security_headers.clone(),
            error_pages: self.error_pages.clone(),
            ..Self::default()
        };
        level.policies()
    }

    /// The sum as a rule has it; `None` where nothing is said.
    pub(super) fn policies(self) -> Option<Box<Policies>> {
        let policies = Policies {
            deny: self.deny,
            allow: self.allow,
            maintenance: self.maintenance.unwrap_or(false),
            methods: self.methods.unwrap_or_default(),
            cors: self.cors.flatten(),
            rewrite: self.rewrite,
            query: self.query,
            request_headers: self.request_headers,
            response_headers: self.response_headers,
            security_headers: self.security_headers.flatten(),
            cookies: self.cookies.unwrap_or_default(),
            error_pages: self.error_pages.unwrap_or_default(),
            rates: self.rates,
            concurrency: self.concurrency,
            basic_auth: self.basic_auth.flatten(),
            api_keys: self.api_keys.flatten(),
            forward_auth: self.forward_auth.flatten(),
            jwt: self.jwt.flatten(),
            bandwidth: self.bandwidth.flatten(),
            detect: self.detect.flatten(),
            mirror: self.mirror,
            client_cert: self.client_cert.flatten(),
            auth_any: self.auth.map(|auth| auth.any).unwrap_or_default(),
        };
        (policies != Policies::default()).then(|| Box::new(policies))
    }
}

/// Reads `policies:`. Names count as known even where what stands under them is wrong.
pub(super) fn named(walk: &mut Walk<'_>, node: &Node) {
    let Some(map) = walk.map(node, "policies by name") else { return };
    for entry in &map.entries {
        let level = walk.fields(&entry.value, &POLICIES).map(|fields| {
            let scope = LimitScope::Named(entry.key.clone());
            level(walk, &fields, &scope)
        });
        walk.policies.insert(entry.key.clone(), level.unwrap_or_default());
    }
}

/// Reads the policies among the keys of an object, those that it takes in by `use` below its own.
pub(super) fn level(walk: &mut Walk<'_>, fields: &Fields<'_>, scope: &LimitScope) -> Level {
    // A listener has fewer keys than a rule.
    let at = |key| fields.object.key(key).and_then(|_| fields.value(key));
    // That of a listener counts its sockets, whatever they carry.
    let most = at("max_connections").filter(|_| !matches!(scope, LimitScope::Listener(_)));
    let used = at("use").map(|node| used(walk, node)).unwrap_or_default();
    let own = Level {
        deny: at("deny").map(|node| who(walk, node)).unwrap_or_default(),
        allow: at("allow").map(|node| who(walk, node)).into_iter().filter(|list| !list.is_empty()).collect(),
        maintenance: at("maintenance").and_then(|node| walk.switch(node)),
        methods: at("methods").map(|node| condition::many(walk, Some(node), condition::method)),
        cors: at("cors").and_then(|node| cors::cors(walk, node)),
        rewrite: at("rewrite").and_then(|node| edits::rewrite(walk, node)),
        query: at("query").map(|node| edits::query(walk, node)).unwrap_or_default(),
        request_headers: at("request_headers").map(|node| edits::request(walk, node)).unwrap_or_default(),
        response_headers: at("response_headers").map(|node| edits::response(walk, node)).unwrap_or_default(),
        security_headers: at("security_headers").and_then(|node| edits::security(walk, node)),
        cookies: at("cookies").map(|node| cookies(walk, node)),
        error_pages: at("error_pages").map(|node| files::error_pages(walk, node)),
        rates: at("rate_limit").map(|node| limits::rates(walk, node, scope)).unwrap_or_default(),
        concurrency: limits::concurrency(walk, at("concurrency"), most, scope),
        basic_auth: at("basic_auth").and_then(|node| identity::basic(walk, node)),
        api_keys: at("api_keys").and_then(|node| identity::keys(walk, node)),
        forward_auth: at("forward_auth").and_then(|node| identity::forward(walk, node)),
        bandwidth: at("bandwidth").and_then(|node| flow::bandwidth(walk, node)),
        detect: at("detect").and_then(|node| flow::detect(walk, node)),
        mirror: at("mirror").and_then(|node| flow::mirror(walk, node)),
        jwt: at("jwt").and_then(|node| token::jwt(walk, node)),
        client_cert: at("client_cert").and_then(|node| identity::client_cert(walk, node)),
        auth: at("auth").and_then(|node| identity::auth(walk, node)),
    };
    used.over(own)
}

fn used(walk: &mut Walk<'_>, node: &Node) -> Level {
    let mut sum = Level::default();
    for item in walk.one_or_list(node) {
        let Some(name) = walk.text(item, "the name of a policy") else { continue };
        if let Some(level) = walk.policies.get(&name) {
            sum = sum.over(level.clone());
            continue;
        }
        let mend = match nearest(&name, walk.policies.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it under `policies:`".to_owned(),
        };
        walk.report.error(item.at, ErrorKind::UnknownName { what: "policy", name: super::written(item), mend });
    }
    sum
}

/// Reads `allow` or `deny`: networks and names of lists make one condition, each mapping another.
fn who(walk: &mut Walk<'_>, node: &Node) -> Vec<Condition> {
    let mut list = Vec::new();
    let mut client_ip = Vec::new();
    let items = walk.one_or_list(node);
    if items.is_empty() {
        let words = "the list is empty; write networks or conditions, or leave the key out";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    for item in items {
        match &item.value {
            Value::Map(_) => list.extend(condition::condition(walk, item)),
            Value::Scalar(_) | Value::List(_) => client_ip.extend(networks(walk, item).unwrap_or_default()),
        }
    }
    if !client_ip.is_empty() {
        list.insert(0, Condition { client_ip, ..Condition::default() });
    }
    list
}

/// Reads a network, or the name of a list of them.
pub(super) fn networks(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<Cidr>> {
    let lists = walk.lists.clone();
    let known = lists.keys().map(String::as_str);
    walk.value(node, "a network", |text| {
        if let Some(list) = lists.get(text) {
            return Ok(list.to_vec());
        }
        let name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':');
        match nearest(text, known) {
            _ if !name => network::cidr(text).map(|one| vec![one]),
            Some(meant) => Err(Fault::Value { expected: "a list", mend: format!("did you mean `{meant}`?") }),
            None => {
                let mend = "add it under `lists:`, or write a network such as 10.0.0.0/8".to_owned();
                Err(Fault::Value { expected: "a list", mend })
            }
        }
    })
}

fn cookies(walk: &mut Walk<'_>, node: &Node) -> CookieFlags {
    let mut flags = CookieFlags::default();
    let Some(fields) = walk.fields(node, &COOKIE_FLAGS) else { return flags };
    flags.secure = fields.value("secure").and_then(|node| walk.switch(node)).unwrap_or(false);
    flags.http_only = fields.value("http_only").and_then(|node| walk.switch(node)).unwrap_or(false);
    let words = [("lax", "Lax"), ("strict", "Strict"), ("none", "None")];
    flags.same_site = fields.value("same_site").and_then(|node| walk.word(node, "a kind of SameSite", &words));
    if flags.same_site == Some("None") && !flags.secure {
        let words = "browsers refuse `SameSite=None` without `Secure`; add `secure: true`";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    flags
}
