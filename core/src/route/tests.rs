//! Tests of the table and of conditions.

use std::collections::BTreeMap;

use super::FindError as E;
use crate::config::{Cidr, Condition, PathMatch, Protocol, Rule, TextMatch};
use crate::snapshot::fixture::{Request, config, keys, respond};
use crate::snapshot::{Fate, Snapshot};

#[track_caller]
fn check(snapshot: &Snapshot, url: &str, expect: Result<&str, E>) {
    assert_eq!(Request::get(url).answer(snapshot), expect.map(str::to_owned), "{url}");
}

#[test]
fn case_060_every_spelling_finds_the_same_route_among_many() {
    for count in [1, 100, 1_000] {
        let mut names: Vec<String> = (0..count - 1).map(|n| format!("host-{n}.example.com")).collect();
        names.push("example.com".to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let snapshot = keys(&names);
        for host in ["example.com", "EXAMPLE.com", "example.com.", "example.com:443", "EXAMPLE.com.:443"] {
            check(&snapshot, host, Ok("example.com"));
        }
    }
}

#[test]
fn case_061_an_unknown_host_gets_no_other_hosts_route() {
    let snapshot = keys(&["a.example.com", "b.example.com/api"]);
    for url in ["c.example.com", "example.com", "x.a.example.com", "a.example.com.evil", "b.example.com/"] {
        check(&snapshot, url, Err(E::NoRoute));
    }
    check(&keys(&[]), "a", Err(E::NoRoute));
}

#[test]
fn case_044_no_host_finds_the_route_for_every_host_or_none() {
    check(&keys(&["*", "a"]), "/x", Ok("*"));
    check(&keys(&["*.a", "a"]), "/x", Err(E::NoHost));
}

#[test]
fn the_most_specific_host_is_chosen_once() {
    let snapshot = keys(&["example.com", "*.example.com", "*.deep.example.com", "*", "x.example.com/only", "*/any"]);
    check(&snapshot, "example.com/a", Ok("example.com"));
    check(&snapshot, "a.example.com", Ok("*.example.com"));
    check(&snapshot, "a.b.example.com", Ok("*.example.com"));
    check(&snapshot, "deep.example.com", Ok("*.example.com"));
    check(&snapshot, "a.deep.example.com", Ok("*.deep.example.com"));
    check(&snapshot, "a.b.c.deep.example.com", Ok("*.deep.example.com"));
    check(&snapshot, "notexample.com", Ok("*"));
    check(&snapshot, "other/any/x", Ok("*/any"));
    check(&snapshot, "[::1]/", Ok("*"));
    // The host is chosen before the path is looked at, and stays.
    check(&snapshot, "x.example.com/only/1", Ok("x.example.com/only"));
    check(&snapshot, "x.example.com/else", Err(E::NoRoute));
}

#[test]
fn the_longest_path_on_segment_boundaries() {
    let snapshot = keys(&["h", "h/api", "h/api/v2/users", "h/a", "i/deep/down", "h/caf%C3%A9"]);
    check(&snapshot, "h/", Ok("h"));
    check(&snapshot, "h/api", Ok("h/api"));
    check(&snapshot, "h/api/", Ok("h/api"));
    check(&snapshot, "h/api/x", Ok("h/api"));
    check(&snapshot, "h/apix", Ok("h"));
    check(&snapshot, "h/api/v2", Ok("h/api"));
    check(&snapshot, "h/api/v2/users/7?x", Ok("h/api/v2/users"));
    check(&snapshot, "h/api/v2/usersx", Ok("h/api"));
    check(&snapshot, "h/a/pi", Ok("h/a"));
    check(&snapshot, "h/caf%c3%a9/x", Ok("h/caf%C3%A9"));
    check(&snapshot, "i/deep/down/x", Ok("i/deep/down"));
    check(&snapshot, "i/deep", Err(E::NoRoute));
}

#[test]
fn a_long_path_is_walked_only_as_far_as_keys_go() {
    check(&keys(&["h", "h/a"]), &format!("h/{}", "a/".repeat(4_000)), Ok("h/a"));
}

#[test]
fn the_asterisk_belongs_to_the_whole_host() {
    let mut request = Request::get("h").method("OPTIONS");
    request.target = "*".to_owned();
    assert_eq!(request.answer(&keys(&["h", "h/a"])).as_deref(), Ok("h"));
    assert_eq!(request.answer(&keys(&["h/a"])), Err(E::NoRoute));
}

#[test]
fn case_121_dot_segments_reach_the_route_they_resolve_to() {
    let snapshot = keys(&["h", "h/admin", "h/a"]);
    for path in ["/a/../admin", "/a/%2e%2e/admin/x", "//admin", "/%61dmin", "/admin;x", "/;/admin", "/./admin"] {
        check(&snapshot, &format!("h{path}"), Ok("h/admin"));
    }
    check(&snapshot, "h/ADMIN", Ok("h"));
}

#[test]
fn case_122_an_encoded_slash_may_not_change_the_verdict() {
    let snapshot = keys(&["h", "h/admin", "h/a", "*.i/x"]);
    check(&snapshot, "h/a/b%2fc", Ok("h/a"));
    check(&snapshot, "h/admin%2fx", Err(E::EncodedSlash));
    check(&snapshot, "h/%2fadmin", Err(E::EncodedSlash));
    check(&snapshot, "h/other%2fadmin", Ok("h"));
    check(&snapshot, "z.i/x%2fy", Err(E::EncodedSlash));
    check(&snapshot, "z.i/y%2fx", Err(E::NoRoute));
}

#[test]
fn case_122_conditions_see_the_second_reading_too() {
    let admin = Condition { path: vec![PathMatch::Regex("^/a/admin".to_owned())], ..Condition::default() };
    let rules = vec![when(admin, "admin"), respond("rest")];
    let snapshot = Snapshot::compile(&config([("h".to_owned(), rules)])).expect("compiles");
    check(&snapshot, "h/a/admin", Ok("admin"));
    check(&snapshot, "h/a%2fadmin", Err(E::EncodedSlash));
    check(&snapshot, "h/a%2fb", Ok("rest"));
}

#[test]
fn case_126_the_same_result_among_many_paths() {
    let many: Vec<String> = (0..500).map(|n| format!("h/path-{n}/x")).chain(["h/admin".to_owned()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for snapshot in [keys(&["h/admin"]), keys(&many)] {
        check(&snapshot, "h/%61dmin", Ok("h/admin"));
        check(&snapshot, "h/admin/x", Ok("h/admin"));
        check(&snapshot, "h/ADMIN", Err(E::NoRoute));
        check(&snapshot, "h/admin%20", Err(E::NoRoute));
    }
    check(&keys(&many), "h/path-250/x/y", Ok("h/path-250/x"));
}

fn when(condition: Condition, answer: &str) -> Rule {
    Rule { when: Some(condition), ..respond(answer) }
}

fn on_methods(methods: &[&str]) -> Condition {
    Condition { methods: methods.iter().map(|&method| method.to_owned()).collect(), ..Condition::default() }
}

#[test]
fn rules_in_order_then_the_next_shorter_path() {
    let snapshot = Snapshot::compile(&config([
        ("h".to_owned(), vec![when(on_methods(&["GET", "PUT", "POST"]), "whole")]),
        ("h/a".to_owned(), vec![when(on_methods(&["POST"]), "a-post"), when(on_methods(&["PUT"]), "a-put")]),
        ("h/a/b/c".to_owned(), vec![when(on_methods(&["POST"]), "first"), when(on_methods(&["POST"]), "second")]),
    ]))
    .expect("compiles");
    let check = |method: &str, expect: Result<&str, E>| {
        let found = Request::get("h/a/b/c/d").method(method).answer(&snapshot);
        assert_eq!(found.as_deref().map_err(|error| *error), expect, "{method}");
    };
    check("POST", Ok("first"));
    check("PUT", Ok("a-put"));
    check("GET", Ok("whole"));
    check("get", Err(E::NoRoute));
}

/// Tells whether the condition holds, and why not.
fn holds(condition: Condition, request: &Request) -> Result<(), String> {
    let snapshot = Snapshot::compile(&config([("h".to_owned(), vec![when(condition, "yes")])])).expect("compiles");
    let answer = request.answer(&snapshot);
    let fate = request.facts(|facts| snapshot.explain(facts).candidates.remove(0).fate);
    match (answer, fate) {
        (Ok(_), Fate::Answers) => Ok(()),
        (Err(E::NoRoute), Fate::Differs(because)) => Err(because),
        other => panic!("the explanation tells another story: {other:?}"),
    }
}

fn forms(name: &str, forms: &[TextMatch]) -> BTreeMap<String, Vec<TextMatch>> {
    BTreeMap::from([(name.to_owned(), forms.to_vec())])
}

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.to_owned())
}

#[test]
fn headers() {
    let check = |form: TextMatch, request: Request, expect: Result<(), &str>| {
        let condition = Condition { headers: forms("x-canary", &[form]), ..Condition::default() };
        assert_eq!(holds(condition, &request), expect.map_err(str::to_owned));
    };
    let canary = |value: &str| Request::get("h").with("X-Canary", value);
    check(exact("yes"), canary("yes"), Ok(()));
    check(exact("yes"), canary("Yes"), Err("the header x-canary is \"Yes\", which is not \"yes\""));
    check(exact("yes"), Request::get("h"), Err("the header x-canary is not there, but must be \"yes\""));
    check(TextMatch::Prefix("v1.".into()), canary("v1.2"), Ok(()));
    check(
        TextMatch::Prefix("v1.".into()),
        canary("v2"),
        Err("the header x-canary is \"v2\", which does not begin with \"v1.\""),
    );
    check(TextMatch::Regex("^v[0-9]+$".into()), canary("v12"), Ok(()));
    check(
        TextMatch::Regex("^v[0-9]+$".into()),
        canary("v"),
        Err("the header x-canary is \"v\", which does not match '^v[0-9]+$'"),
    );
    check(TextMatch::Present(true), canary(""), Ok(()));
    check(TextMatch::Present(true), Request::get("h"), Err("the header x-canary is not there, but must be there"));
    check(TextMatch::Present(false), Request::get("h"), Ok(()));
    check(TextMatch::Present(false), canary("a"), Err("the header x-canary is \"a\", which must not be there"));
    check(
        TextMatch::Regex("^.$".into()),
        Request::get("h").with("x-canary", b"\xff"),
        Err("the header x-canary is \"\u{fffd}\", which does not match '^.$'"),
    );
}

#[test]
fn a_header_that_the_proxy_knows_by_name() {
    let condition = || Condition { headers: forms("user-agent", &[exact("curl")]), ..Condition::default() };
    assert_eq!(holds(condition(), &Request::get("h").with("USER-agent", "curl")), Ok(()));
    assert!(holds(condition(), &Request::get("h").with("x-user-agent", "curl")).is_err());
}

#[test]
fn case_075_every_value_is_evaluated() {
    let wanted = || Condition { headers: forms("x-role", &[exact("admin")]), ..Condition::default() };
    assert_eq!(holds(wanted(), &Request::get("h").with("x-role", "user").with("X-Role", "admin")), Ok(()));
    assert_eq!(holds(wanted(), &Request::get("h").with("x-role", "user , admin")), Ok(()));
    let joined = Request::get("h").with("x-role", "a,b").with("x-role", "c");
    assert_eq!(
        holds(wanted(), &joined),
        Err("the header x-role is \"a,b\" and \"c\", which is not \"admin\"".to_owned())
    );
    // What is excluded is found wherever it stands.
    let refused = Condition { not: Some(Box::new(wanted())), ..Condition::default() };
    let words = Err("what its `not` excludes holds".to_owned());
    assert_eq!(holds(refused, &Request::get("h").with("x-role", "user").with("x-role", "x, admin")), words);
}

#[test]
fn queries() {
    let check = |form: TextMatch, url: &str, expect: bool| {
        let condition = Condition { query: forms("v 1", &[form]), ..Condition::default() };
        assert_eq!(holds(condition, &Request::get(url)).is_ok(), expect, "{url}");
    };
    check(exact("a b"), "h/?x=1&v+1=a%20b", true);
    check(exact("a b"), "h/?v%201=a+b", true);
    check(exact("a b"), "h/?v%201=c&v%201=a+b", true);
    check(exact("a b"), "h/?v=a+b", false);
    check(exact("a b"), "h/?V+1=a+b", false);
    check(exact("100%"), "h/?v+1=100%", true);
    check(exact("="), "h/?v+1==", true);
    check(exact(""), "h/?v+1", true);
    check(TextMatch::Present(true), "h/?&&v+1&", true);
    check(TextMatch::Present(true), "h/", false);
    check(TextMatch::Present(false), "h/?v", true);
}

#[test]
fn cookies() {
    let check = |line: &str, expect: bool| {
        let condition = Condition { cookies: forms("tier", &[exact("gold")]), ..Condition::default() };
        assert_eq!(holds(condition, &Request::get("h").with("cookie", line)).is_ok(), expect, "{line}");
    };
    check("tier=gold", true);
    check("a=b; tier=gold; c=d", true);
    check("a=b;tier=gold", true);
    check("tier=silver; tier=gold", true);
    check("tier=goldx", false);
    check("Tier=gold", false);
    check("xtier=gold", false);
    check("tier", false);
    let crumbs = Request::get("h").with("Cookie", "a=b").with("Cookie", "tier=gold");
    let condition = Condition { cookies: forms("tier", &[exact("gold")]), ..Condition::default() };
    assert_eq!(holds(condition, &crumbs), Ok(()));
}

#[test]
fn clients_and_listeners() {
    let network = Cidr { address: "192.0.2.0".parse().expect("an address"), bits: 24 };
    let from = || Condition { client_ip: vec![network], ..Condition::default() };
    assert_eq!(holds(from(), &Request::get("h")), Ok(()));
    let other = Request { client: Some("192.0.3.1"), ..Request::get("h") };
    assert_eq!(holds(from(), &other), Err("the client is 192.0.3.1, not in 192.0.2.0/24".to_owned()));
    let unix = Request { client: None, ..Request::get("h") };
    assert_eq!(holds(from(), &unix), Err("the client is unknown, not in 192.0.2.0/24".to_owned()));
    let by = || Condition { listener: vec!["inner".to_owned()], ..Condition::default() };
    assert_eq!(holds(by(), &Request { listener: 1, ..Request::get("h") }), Ok(()));
    let words = "the request came in by another listener than inner".to_owned();
    assert_eq!(holds(by(), &Request::get("h")), Err(words));
}

#[test]
fn protocols() {
    let check = |request: Request, expect: Protocol| {
        assert_eq!(request.facts(|facts| facts.protocol()), expect);
        let condition = Condition { protocol: vec![expect], ..Condition::default() };
        assert_eq!(holds(condition, &request), Ok(()));
    };
    check(Request::get("h"), Protocol::Http);
    check(Request::get("h").with("Upgrade", "WebSocket").with("Accept", "text/event-stream"), Protocol::Websocket);
    check(Request::get("h").with("upgrade", "h2c, websocket"), Protocol::Websocket);
    check(Request::get("h").with("upgrade", "h2c"), Protocol::Http);
    check(Request::get("h").with("Accept", "text/html, Text/Event-Stream;q=0.9"), Protocol::Sse);
    check(Request::get("h").with("content-type", "application/grpc+proto"), Protocol::Grpc);
    check(Request::get("h").with("content-type", "application/json"), Protocol::Http);
}

#[test]
fn paths() {
    let check = |form: PathMatch, url: &str, expect: bool| {
        let condition = Condition { path: vec![form], ..Condition::default() };
        assert_eq!(holds(condition, &Request::get(url)).is_ok(), expect, "{url}");
    };
    let prefix = || PathMatch::Prefix("/a b/".to_owned());
    check(prefix(), "h/a%20b", true);
    check(prefix(), "h/a%20b/c", true);
    check(prefix(), "h/a%20bc", false);
    check(PathMatch::Prefix("/".to_owned()), "h/x", true);
    check(PathMatch::Exact("/a".to_owned()), "h/%61?x", true);
    check(PathMatch::Exact("/a".to_owned()), "h/a/", false);
    check(PathMatch::Regex("^/v[0-9]+/".to_owned()), "h/x/../v1/y", true);
    check(PathMatch::Regex("^/v[0-9]+/".to_owned()), "h/v1", false);
}

#[test]
fn any_of_several_and_all_of_different_kinds() {
    let canary = || Condition { headers: forms("x", &[exact("1"), exact("2")]), ..Condition::default() };
    let both = || Condition { any: vec![canary(), on_methods(&["PUT"])], ..on_methods(&["GET", "PUT"]) };
    assert_eq!(holds(both(), &Request::get("h").with("x", "2")), Ok(()));
    assert_eq!(holds(both(), &Request::get("h").method("PUT")), Ok(()));
    let words = "nothing of its `any` holds: the header x is \"3\", which is not \"1\" and is not \"2\"; the method is GET, not PUT";
    assert_eq!(holds(both(), &Request::get("h").with("x", "3")), Err(words.to_owned()));
    let words = "the method is POST, not GET or PUT".to_owned();
    assert_eq!(holds(both(), &Request::get("h").method("POST").with("x", "1")), Err(words));
}

#[test]
fn a_broken_regular_expression_is_an_error() {
    let condition = Condition { path: vec![PathMatch::Regex("(".to_owned())], ..Condition::default() };
    let error = Snapshot::compile(&config([("h/x".to_owned(), vec![when(condition, "")])])).expect_err("no regex");
    assert_eq!(error.to_string(), "route h/x: a regular expression does not compile");
}
