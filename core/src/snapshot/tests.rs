//! Tests of compiling, identities, path edits and explanations.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::fixture::{Request, config, keys, pattern, proxy, respond, template, upstream};
use super::*;
use crate::config::{Condition, HostHeader, OnRemove};
use crate::route::NoTrace;
use crate::target::TargetError;

fn routes<const N: usize>(routes: [(&str, Vec<config::Rule>); N]) -> Config {
    config(routes.map(|(key, rules)| (key.to_owned(), rules)))
}

fn compile(config: &Config) -> Snapshot {
    Snapshot::compile(config).expect("a test's configuration compiles")
}

fn on_method(method: &str, rule: config::Rule) -> config::Rule {
    config::Rule { when: Some(Condition { methods: vec![method.to_owned()], ..Condition::default() }), ..rule }
}

/// A configuration with two upstreams, three endpoints and a route of each action.
fn sample() -> Config {
    let redirect = config::Action::Redirect { to: template("https://x{uri}"), status: 308 };
    let mut config = routes([
        ("a.localhost", vec![on_method("POST", proxy("api")), proxy(":3001")]),
        ("a.localhost/old", vec![config::Rule { action: redirect, ..respond("") }]),
        ("*", vec![respond("none")]),
    ]);
    let address = |port| Address::Ip([10, 0, 0, 1].into(), port);
    config.upstreams.insert("api".to_owned(), upstream(&[("10.0.0.1:3000", address(3000)), ("10.0.0.1", address(80))]));
    config.upstreams.insert(":3001".to_owned(), upstream(&[(":3001", Address::Loopback(3001))]));
    config
}

#[test]
fn where_rules_look_for_tokens_logs_show_none() {
    let route = |name: &str| {
        format!("{name}: {{ to: \":1\", jwt: {{ jwks: http://k.test/, from: [header, {{ query: {name} }}] }} }}")
    };
    let text = format!("access_log: {{ redact: [invite] }}\nroutes: {{ {}, {} }}\n", route("t"), route("u"));
    let mut out = Vec::new();
    let snapshot = compile(&Config::from_text(&text).expect("it holds"));
    crate::access::Redact::new(&snapshot.access_log.redact).json(&mut out, b"invite=1&t=2&U=3&v=4");
    assert_eq!(String::from_utf8(out).unwrap(), "invite=***&t=***&U=***&v=4");
}

#[test]
fn ids_lead_to_what_the_configuration_says() {
    let snapshot = compile(&sample());
    let rule = |request: Request| {
        let id = request.facts(|facts| snapshot.find(facts, &mut NoTrace)).expect("a rule answers");
        Arc::clone(snapshot.rule(id))
    };
    let endpoints = |rule: &Rule| -> Vec<String> {
        let Action::Proxy(id) = rule.action else { return Vec::new() };
        let endpoints = snapshot.upstream(id).endpoints.iter().map(|&id| snapshot.endpoint(id));
        endpoints.map(|endpoint| endpoint.identity.address.to_string()).collect()
    };
    let first = rule(Request::get("a.localhost").method("POST"));
    assert_eq!((&*first.key, first.index), ("a.localhost", 0));
    assert_eq!(endpoints(&first), ["10.0.0.1:3000", "10.0.0.1"]);
    let second = rule(Request::get("a.localhost"));
    assert_eq!((&*second.key, second.index), ("a.localhost", 1));
    assert_eq!(endpoints(&second), [":3001"]);
    assert!(matches!(rule(Request::get("a.localhost/old/x")).action, Action::Redirect { status: 308, .. }));
    assert!(matches!(&rule(Request::get("b")).action, Action::Respond { body, status: 200 } if &**body == "none"));
    for (id, endpoint) in (0..).map(EndpointId).zip(snapshot.endpoints()) {
        assert!(snapshot.upstream(endpoint.upstream).endpoints.contains(&id));
    }
}

#[test]
fn what_was_never_checked_is_an_error() {
    let unknown = CompileError::UnknownUpstream { route: "h/x".to_owned(), upstream: "gone".to_owned() };
    assert_eq!(Snapshot::compile(&routes([("h/x", vec![proxy("gone")])])).err(), Some(unknown));
    let host = CompileError::Host { route: "a b".to_owned() };
    assert_eq!(Snapshot::compile(&routes([("a b", vec![respond("")])])).err(), Some(host));
}

#[test]
fn also_hosts_have_the_same_rules_unless_they_have_their_own() {
    let mut config =
        routes([("b.x", vec![respond("own")]), ("a.x/p", vec![respond("a")]), ("z.x/p", vec![respond("z")])]);
    for route in config.routes.values_mut().filter(|route| route.rules == [respond("a")]) {
        route.also = ["b.x", "*.y", "z.x", "c.x"].map(pattern).to_vec();
    }
    let snapshot = compile(&config);
    let check = |url: &str, expect: Option<&str>| {
        assert_eq!(Request::get(url).answer(&snapshot).ok().as_deref(), expect, "{url}");
    };
    check("a.x/p", Some("a"));
    check("b.x/p", Some("a"));
    check("b.x/", Some("own"));
    check("c.x/p/q", Some("a"));
    check("d.y/p", Some("a"));
    check("d.y/", None);
    check("z.x/p", Some("z"));
    assert_eq!(snapshot.rules().count(), 3);
}

#[test]
fn keys_are_found_however_they_are_spelled() {
    let snapshot = keys(&["EXAMPLE.com", "[0:0::1]", "h/a/", "h/café"]);
    for (url, key) in
        [("example.com", "EXAMPLE.com"), ("[::1]:80", "[0:0::1]"), ("h/a", "h/a/"), ("h/caf%C3%A9", "h/café")]
    {
        assert_eq!(Request::get(url).answer(&snapshot).as_deref(), Ok(key));
    }
}

#[test]
fn the_host_nearest_the_endpoint_wins() {
    let name = |text: &str| Some(HostHeader::Name(text.to_owned()));
    let check = |rule: HostHeader, upstream: Option<HostHeader>, endpoint: Option<HostHeader>, expect: Option<&str>| {
        let mut config = sample();
        config.routes.insert(
            fixture::key("h"),
            config::Route { rules: vec![config::Rule { host: rule.clone(), ..proxy("api") }], also: Vec::new() },
        );
        let api = config.upstreams.get_mut("api").expect("in the sample");
        (api.host, api.endpoints[0].host) = (upstream.clone(), endpoint.clone());
        let snapshot = compile(&config);
        let id = Request::get("h").facts(|facts| snapshot.find(facts, &mut NoTrace)).expect("a rule");
        let Action::Proxy(api) = snapshot.rule(id).action else { panic!("it proxies") };
        let first = snapshot.endpoint(snapshot.upstream(api).endpoints[0]);
        assert_eq!(first.host_for(snapshot.rule(id)), expect, "{rule:?} {upstream:?} {endpoint:?}");
    };
    use HostHeader::{Preserve, Upstream};
    check(Preserve, None, None, None);
    check(Upstream, None, None, Some("10.0.0.1:3000"));
    check(HostHeader::Name("r".to_owned()), None, None, Some("r"));
    check(Preserve, name("u"), None, Some("u"));
    check(HostHeader::Name("r".to_owned()), Some(Preserve), None, None);
    check(Preserve, name("u"), Some(Upstream), Some("10.0.0.1:3000"));
    check(Upstream, Some(Upstream), name("e"), Some("e"));
}

#[test]
fn authorities_of_endpoints() {
    let check = |address: Address, expect: &str| {
        let mut config = routes([]);
        config.upstreams.insert("u".to_owned(), upstream(&[("as written", address)]));
        assert_eq!(&*compile(&config).endpoints()[0].authority, expect);
    };
    check(Address::Loopback(3000), "localhost:3000");
    check(Address::Ip([10, 0, 0, 1].into(), 80), "10.0.0.1");
    check(Address::Ip("::1".parse().expect("an address"), 81), "[::1]:81");
    check(Address::Name("api.internal".to_owned(), 8080), "api.internal:8080");
    check(Address::Unix("/run/x.sock".into()), "localhost");
}

#[test]
fn identity_follows_route_condition_and_target_alone() {
    let base = compile(&sample());
    let identities = |config: &Config| -> BTreeSet<RuleIdentity> {
        compile(config).rules().iter().map(|rule| rule.identity.clone()).collect()
    };
    let of_base: BTreeSet<RuleIdentity> = base.rules().iter().map(|rule| rule.identity.clone()).collect();
    assert_eq!(of_base.len(), 4, "four rules, four identities");
    let changed = |change: &dyn Fn(&mut config::Rule)| {
        let mut config = sample();
        change(&mut config.routes.get_mut(&fixture::key("a.localhost")).expect("in the sample").rules[1]);
        identities(&config).symmetric_difference(&of_base).count()
    };
    assert_eq!(changed(&|rule| rule.timeouts.total = Some(Duration::from_secs(1))), 0);
    assert_eq!(changed(&|rule| rule.on_remove = OnRemove::Drain(Duration::ZERO)), 0);
    assert_eq!(changed(&|rule| rule.path_edit = PathEdit::Strip("/x".to_owned())), 0);
    assert_eq!(changed(&|rule| rule.action = config::Action::Proxy("api".to_owned())), 2);
    assert_eq!(changed(&|rule| rule.when = Some(Condition::default())), 2);
    // What limits go by is not changed with the target.
    let whens = |identities: &BTreeSet<RuleIdentity>| identities.iter().map(|one| one.when).collect::<BTreeSet<u64>>();
    let mut config = sample();
    let second = |config: &mut Config, change: &dyn Fn(&mut config::Rule)| {
        change(&mut config.routes.get_mut(&fixture::key("a.localhost")).expect("in the sample").rules[1]);
    };
    second(&mut config, &|rule| rule.action = config::Action::Proxy("api".to_owned()));
    assert_eq!(whens(&identities(&config)), whens(&of_base));
    second(&mut config, &|rule| rule.when = Some(Condition::default()));
    assert_ne!(whens(&identities(&config)), whens(&of_base));
}

#[test]
fn identities_lead_back_to_ids() {
    let snapshot = compile(&sample());
    let identities = snapshot.identities();
    assert_eq!(identities.rules.len(), 4);
    for (id, rule) in (0..).map(RuleId).zip(snapshot.rules()) {
        assert_eq!(identities.rules.get(&rule.identity), Some(&id));
    }
    for (id, upstream) in (0..).map(UpstreamId).zip(snapshot.upstreams()) {
        assert_eq!(identities.upstreams.get(&upstream.identity), Some(&id));
    }
    for (id, endpoint) in (0..).map(EndpointId).zip(snapshot.endpoints()) {
        assert_eq!(identities.endpoints.get(&endpoint.identity), Some(&id));
    }
}

#[track_caller]
fn edited(edit: &PathEdit, forward: &str, expect: Result<&str, TargetError>) {
    let mut out = b"GET ".to_vec();
    let result = edit_path(edit, forward.as_bytes(), &mut out);
    let left = String::from_utf8_lossy(&out).into_owned();
    assert_eq!(result.map(|()| left.clone()), expect.map(|path| format!("GET {path}")), "{forward}");
    assert!(expect.is_ok() || left == "GET ", "a refused edit left {left}");
}

#[test]
fn path_edits() {
    let strip = PathEdit::Strip("/api".to_owned());
    edited(&PathEdit::Keep, "/a%2fb;x?q", Ok("/a%2fb;x?q"));
    edited(&strip, "/api/x?q=/api", Ok("/x?q=/api"));
    edited(&strip, "/api", Ok("/"));
    edited(&strip, "/api?q", Ok("/?q"));
    edited(&strip, "/api/", Ok("/"));
    edited(&strip, "/apix", Ok("/apix"));
    edited(&strip, "/%61pi;v=1/x;y", Ok("/x;y"));
    edited(&strip, "/;/api/x", Ok("/x"));
    edited(&strip, "/api//x//y?q", Ok("//x//y?q"));
    edited(&strip, "//api//x", Ok("//x"));
    edited(&strip, "//%61pi//x", Ok("//x"));
    edited(&strip, "*", Ok("*"));
    edited(&PathEdit::Strip("/a/b".to_owned()), "/a;1/b;2/c/a/b", Ok("/c/a/b"));
    let add = PathEdit::Add("/v1".to_owned());
    edited(&add, "/x?q", Ok("/v1/x?q"));
    edited(&add, "/", Ok("/v1/"));
    let replace = |from: &str, to: &str| PathEdit::Replace { from: from.to_owned(), to: to.to_owned() };
    edited(&replace("/api", "/v2/new"), "/api/x?q", Ok("/v2/new/x?q"));
    edited(&replace("/api", "/v2"), "/api", Ok("/v2"));
    edited(&replace("/api", ""), "/api", Ok("/"));
    edited(&replace("", "/all"), "/x", Ok("/all/x"));
    edited(&replace("/api", "/v2"), "/other", Ok("/other"));
}

#[test]
fn case_128_an_edited_path_is_read_again() {
    edited(&PathEdit::Add("v1".to_owned()), "/x", Err(TargetError::Form));
    edited(&PathEdit::Add("/a/..".to_owned()), "/x", Err(TargetError::AboveRoot));
    edited(&PathEdit::Add("/a/%2e%2e".to_owned()), "/x", Err(TargetError::AboveRoot));
    edited(&PathEdit::Add("/a%2f..".to_owned()), "/x", Err(TargetError::HiddenDots));
    edited(&PathEdit::Add("/a?b".to_owned()), "/x", Err(TargetError::Form));
    edited(&PathEdit::Add("/a b".to_owned()), "/x", Err(TargetError::Byte));
    edited(&PathEdit::Add("/a".to_owned()), "//x", Ok("/a//x"));
}

#[test]
fn the_edits_of_a_compiled_rule_are_canonical() {
    let edit = |edit: PathEdit| {
        compile(&routes([("h", vec![config::Rule { path_edit: edit, ..respond("") }])])).rules()[0].path_edit.clone()
    };
    assert_eq!(edit(PathEdit::Strip("/%61 b/".to_owned())), PathEdit::Strip("/a%20b".to_owned()));
    assert_eq!(edit(PathEdit::Add("/é".to_owned())), PathEdit::Add("/%C3%A9".to_owned()));
}

#[test]
fn an_explanation_tells_every_candidate() {
    let snapshot = compile(&sample());
    let explain = |request: Request| request.facts(|facts| snapshot.explain(facts));
    let fates = |explanation: &Explanation| -> Vec<(String, u32, Fate)> {
        let told = explanation.candidates.iter().map(|candidate| (snapshot.rule(candidate.rule), &candidate.fate));
        told.map(|(rule, fate)| (rule.key.to_string(), rule.index, fate.clone())).collect()
    };
    let found = explain(Request::get("a.localhost/x"));
    assert_eq!(found.host.as_deref(), Some("a.localhost"));
    assert_eq!(
        fates(&found),
        [
            ("a.localhost".to_owned(), 0, Fate::Differs("the method is GET, not POST".to_owned())),
            ("a.localhost".to_owned(), 1, Fate::Answers),
            ("a.localhost/old".to_owned(), 0, Fate::OtherPath),
        ]
    );
    let found = explain(Request::get("a.localhost/old").method("POST"));
    assert_eq!(
        fates(&found),
        [
            ("a.localhost/old".to_owned(), 0, Fate::Answers),
            ("a.localhost".to_owned(), 0, Fate::NotReached),
            ("a.localhost".to_owned(), 1, Fate::NotReached),
        ]
    );
    assert_eq!(explain(Request::get("elsewhere")).host.as_deref(), Some("*"));
}

#[test]
fn an_unknown_host_brings_similar_ones_to_mind() {
    let snapshot = keys(&["main.localhost", "feat-auth.localhost", "*.preview.example.com"]);
    let found = Request::get("mian.localhost").facts(|facts| snapshot.explain(facts));
    assert_eq!((found.host, found.similar_hosts), (None, vec!["main.localhost".to_owned()]));
    assert!(found.candidates.is_empty());
    let found = Request::get("x.preview.example.com").facts(|facts| snapshot.explain(facts));
    assert_eq!((found.host.as_deref(), found.similar_hosts), (Some("*.preview.example.com"), Vec::new()));
}

#[test]
fn ten_thousand_routes() {
    let names = (0..10_000).map(|n| (format!("w{n}.preview.example.com/api"), vec![proxy("u")]));
    let mut config = config(names);
    config.upstreams.insert("u".to_owned(), upstream(&[(":1", Address::Loopback(1))]));
    let start = Instant::now();
    let snapshot = compile(&config);
    // A debug build on a busy machine; an optimised one takes a hundredth.
    assert!(start.elapsed() < Duration::from_secs(5), "compiling took {:?}", start.elapsed());
    println!("compiled in {:?}", start.elapsed());
    for n in (0..10_000).step_by(997) {
        let request = Request::get(&format!("W{n}.preview.example.com:80/api/x"));
        let id = request.facts(|facts| snapshot.find(facts, &mut NoTrace)).expect("a rule");
        assert_eq!(&*snapshot.rule(id).key, format!("w{n}.preview.example.com/api"));
    }
}
