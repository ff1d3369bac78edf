//! Tests of the chain: from the text of a rule to the verdict, the target and the lines.

mod spellings;

use super::edits::lines;
use super::{Chain, Notes, Refusal};
use crate::config::Config;
use crate::reason::Reason;
use crate::snapshot::Snapshot;
use crate::snapshot::fixture::Request;

/// A rule with these policies, in braces, at every path of every host.
fn snapshot(policies: &str) -> Snapshot {
    let text = format!("routes:\n  \"*\": {{ to: \":1\", {policies} }}\n");
    let config = Config::from_text(&text).unwrap_or_else(|errors| panic!("{policies}: {}", errors[0]));
    Snapshot::compile(&config).expect("it compiles")
}

fn chain(snapshot: &Snapshot) -> &Chain {
    snapshot.rules()[0].policy.as_deref().expect("the rule has policies")
}

/// What the chain says to a request, as the exchange asks it: the target and the added lines, or the refusal.
fn ask(policies: &str, request: &Request) -> Result<(String, String), Refusal> {
    let snapshot = snapshot(policies);
    let chain = chain(&snapshot);
    let mut notes = Notes::default();
    let mut target = Vec::new();
    request.facts(|facts| {
        chain.note(facts, &mut notes)?;
        chain.screen(facts)?;
        if chain.preflight(facts, &notes)?.is_some() {
            return Ok(());
        }
        chain.method(facts)?;
        chain.fill(facts, &mut notes)?;
        chain.target(facts, facts.destination.forward(), &mut target)
    })?;
    let mut fields = request.fields.clone();
    chain.edit_request(&mut fields, &request.head, &mut notes);
    let kept = fields.all().iter().filter(|field| !field.dropped).map(|field| field.line.of(&request.head));
    let up = [kept.collect::<Vec<_>>().concat(), notes.up_lines.clone()].concat();
    Ok((String::from_utf8(target).unwrap(), String::from_utf8_lossy(&up).replace("\r\n", "|")))
}

#[track_caller]
fn passes(policies: &str, request: &Request) {
    assert!(ask(policies, request).is_ok(), "{policies} {}: {:?}", request.target, ask(policies, request));
}

#[track_caller]
fn refuses(policies: &str, request: &Request, reason: Reason) {
    let found = ask(policies, request).map_err(|refusal| refusal.reason);
    assert_eq!(found, Err(reason), "{policies} {}", request.target);
}

#[test]
fn deny_is_asked_before_allow() {
    let from = |client| Request { client: Some(client), ..Request::get("h/x") };
    let policies = "allow: 10.0.0.0/8, deny: [10.9.0.0/16, {path: /admin}]";
    passes(policies, &from("10.1.2.3"));
    refuses(policies, &from("10.9.2.3"), Reason::Denied);
    refuses(policies, &from("192.0.2.1"), Reason::Denied);
    refuses(policies, &Request { client: Some("10.1.2.3"), ..Request::get("h/admin/x") }, Reason::Denied);
    // Nobody knows who is behind a unix socket: no network holds them.
    refuses("allow: [\"0.0.0.0/0\", \"::/0\"]", &Request { client: None, ..Request::get("h") }, Reason::Denied);
    passes("deny: 10.0.0.0/8", &Request { client: None, ..Request::get("h") });
    passes("allow: [10.0.0.0/8, {methods: GET}]", &from("192.0.2.1"));
}

#[test]
fn case_075_every_value_of_a_field_is_judged() {
    let with = |values: &[&str]| values.iter().fold(Request::get("h"), |request, value| request.with("X-Team", value));
    let deny = "deny: {headers: {x-team: red}}";
    for values in [&["red"][..], &["blue", "red"], &["red", "blue"], &["blue, red"], &["red,blue"], &["blue", "x, red"]]
    {
        refuses(deny, &with(values), Reason::Denied);
    }
    passes(deny, &with(&["blue"]));
    passes(deny, &with(&[]));
    let allow = "allow: {headers: {x-team: [blue, green]}}";
    passes(allow, &with(&["blue"]));
    passes(allow, &with(&["blue", "green"]));
    passes(allow, &with(&["blue, green"]));
    for values in [&[][..], &["red"], &["blue", "red"], &["blue, red"], &["red, blue"]] {
        refuses(allow, &with(values), Reason::Denied);
    }
    // Excluded by `not`, the same holds the other way round.
    let deny_others = "deny: {not: {headers: {x-team: blue}}}";
    passes(deny_others, &with(&["blue"]));
    refuses(deny_others, &with(&["blue", "red"]), Reason::Denied);
    let allow_others = "allow: {not: {headers: {x-team: red}}}";
    passes(allow_others, &with(&["blue"]));
    refuses(allow_others, &with(&["blue", "red"]), Reason::Denied);
}

#[test]
fn case_075_what_some_servers_read_is_judged() {
    let cookie = |line| Request::get("h").with("Cookie", line);
    for line in ["role=admin", "a=b; role =admin", "role=\"admin\"", "role= \"admin\""] {
        refuses("deny: {cookies: {role: admin}}", &cookie(line), Reason::Denied);
    }
    passes("deny: {cookies: {role: admin}}", &cookie("role=user; other=\"admin\""));
    passes("allow: {cookies: {role: user}}", &cookie("role=user"));
    refuses("allow: {cookies: {role: user}}", &cookie("role=user; role =admin"), Reason::Denied);
    let deny = "deny: {query: {role: admin}}";
    for target in ["h/?role=admin", "h/?a=1;role=admin", "h/?a=1&b;role=%61dmin;c"] {
        refuses(deny, &Request::get(target), Reason::Denied);
    }
    passes(deny, &Request::get("h/?a=role;b=admin"));
    refuses("allow: {query: {role: user}}", &Request::get("h/?role=user&a;role=admin"), Reason::Denied);
    let method = |method: &str| Request { method: method.to_owned(), ..Request::get("h") };
    refuses("deny: {methods: DELETE}", &method("delete"), Reason::Denied);
    refuses("allow: {methods: GET}", &method("get"), Reason::Denied);
    refuses("deny: {not: {methods: GET}}", &method("get"), Reason::Denied);
    passes("deny: {methods: DELETE}", &method("GET"));
}

#[test]
fn case_122_an_encoded_slash_that_would_change_a_verdict() {
    let policies = "deny: {path: /a/admin}";
    refuses(policies, &Request::get("h/a/admin"), Reason::Denied);
    refuses(policies, &Request::get("h/a%2fadmin"), Reason::BadRequest);
    passes(policies, &Request::get("h/a%2fb"));
    refuses("allow: {path: /a/open}", &Request::get("h/a%2fopen"), Reason::BadRequest);
    refuses("rewrite: {regex: '^/a/(.*)', to: '/{1}'}", &Request::get("h/a%2fb"), Reason::BadRequest);
}

/// No spelling of a path gets past a policy that forbids its canonical form: 20,000 random ones of each.
#[test]
fn no_spelling_of_a_forbidden_path_passes() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for policies in [
        "deny: {path: /private/admin}",
        "allow: {not: {path: /private/admin}}",
        "deny: {path: {regex: '^/private/admin'}}",
    ] {
        let snapshot = snapshot(policies);
        let chain = chain(&snapshot);
        for _ in 0..20_000 {
            let mut spelled = String::new();
            for segment in ["private", "admin"] {
                spelled.push_str(["/", "//", "/./", "/x/../", "/%2e/", "/;v/", "/x/%2E%2e/"][random(7)]);
                for letter in segment.chars() {
                    match random(4) {
                        0 => spelled.push_str(&format!("%{:02x}", letter as u32)),
                        1 => spelled.push_str(&format!("%{:02X}", letter as u32)),
                        _ => spelled.push(letter),
                    }
                }
                spelled.push_str(["", "", ";a=b", ";"][random(4)]);
            }
            spelled.push_str(["", "/", "/x", "?q=/../x", "//"][random(5)]);
            let request = Request::get(&format!("h{spelled}"));
            let verdict = request.facts(|facts| chain.screen(facts));
            assert!(verdict.is_err(), "{spelled} passed {policies}");
        }
    }
}

#[test]
fn methods_and_their_list() {
    passes("methods: [GET, POST]", &Request::get("h").method("HEAD"));
    passes("methods: [GET, POST]", &Request::get("h").method("POST"));
    let refusal = ask("methods: [GET, POST]", &Request::get("h").method("PUT")).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.fields),
        (Reason::MethodNotAllowed, vec![("allow", "GET, POST, HEAD".to_owned())])
    );
    refuses("methods: POST", &Request::get("h").method("post"), Reason::MethodNotAllowed);
    refuses("maintenance: true", &Request::get("h"), Reason::Maintenance);
}

#[track_caller]
fn goes_up(policies: &str, request: &Request, target: &str, lines: &str) {
    let (found, up) = ask(policies, request).unwrap_or_else(|refusal| panic!("{policies}: {refusal:?}"));
    assert_eq!((found.as_str(), up.as_str()), (target, lines), "{policies}");
}

#[test]
fn request_headers() {
    let request = || Request::get("h/").with("X-A", "1").with("x-b", "2").with("X-A", "3");
    goes_up("request_headers: {set: {X-A: n}}", &request(), "/", "x-b: 2|x-a: n|");
    goes_up("request_headers: {add: {x-a: [n, m]}}", &request(), "/", "X-A: 1|x-b: 2|X-A: 3|x-a: n|x-a: m|");
    goes_up("request_headers: {remove: [x-a, x-none]}", &request(), "/", "x-b: 2|");
    goes_up("request_headers: {default: {x-b: n, x-c: n}}", &request(), "/", "X-A: 1|x-b: 2|X-A: 3|x-c: n|");
    let templates = "request_headers: {set: {x-a: \"{client_ip}\", x-b: \"{header.x-a}-{host}\"}}";
    goes_up(templates, &request(), "/", "x-a: 192.0.2.1|x-b: 1-h|");
}

#[test]
fn case_076_a_value_that_would_end_its_line() {
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b"] {
        let request = Request::get("h").with("x-a", value);
        refuses("request_headers: {set: {x-b: \"{header.x-a}\"}}", &request, Reason::Internal);
        refuses("response_headers: {set: {x-b: \"{header.x-a}\"}}", &request, Reason::Internal);
        refuses("query: {set: {b: \"{header.x-a}\"}}", &request, Reason::Internal);
    }
}

#[test]
fn targets() {
    let rewrite = "rewrite: {regex: '^/old/(.*?)/(.+)$', to: '/new/{2}/{1}'}";
    goes_up(rewrite, &Request::get("h/old/a/b?q=1"), "/new/b/a?q=1", "");
    goes_up(rewrite, &Request::get("h/other?q"), "/other?q", "");
    goes_up("rewrite: {regex: '^/u/([0-9]+)', to: '/user?id={1}'}", &Request::get("h/u/7?q"), "/user?id=7", "");
    refuses("rewrite: {regex: '^/x(.*)', to: '{1}'}", &Request::get("h/xevil"), Reason::BadRequest);
    refuses(
        "rewrite: {regex: '^/x/(.*)', to: '/a/{header.p}'}",
        &Request::get("h/x/").with("p", ".."),
        Reason::BadRequest,
    );
    // Behind the `?` a value stays one value, whatever it is made of; what was encoded is not encoded again.
    let values = "rewrite: {regex: '^/f/(.*)', to: '/s?f={1}&t={header.p}&{query}'}";
    goes_up(
        values,
        &Request::get("h/f/a&b=c+d/%20e?x=1&y").with("p", "1&admin=1#%41"),
        "/s?f=a%26b%3Dc%2Bd/%20e&t=1%26admin%3D1%23%2541&x=1&y",
        "p: 1&admin=1#%41|",
    );
    let back = "rewrite: {regex: '^/f', to: '/login?back={uri}'}";
    goes_up(back, &Request::get("h/f?x=1&y=%20"), "/login?back=%2Ff%3Fx%3D1%26y%3D%2520", "");
    let before = "rewrite: {regex: '^/f', to: '/a/{header.p}/b'}";
    goes_up(before, &Request::get("h/f?x=1").with("p", "c?admin=1"), "/a/c%3Fadmin=1/b?x=1", "p: c?admin=1|");
    goes_up("rewrite: {regex: '^/f', to: '/v1{uri}'}", &Request::get("h/f?x=1&y"), "/v1/f?x=1&y", "");
    let query = "query: {remove: [utm, b], set: {from: \"{host} &x\"}}";
    goes_up(query, &Request::get("h/p?a=1&utm=2&%62=3&c&&utm"), "/p?a=1&c&from=h%20%26x", "");
    goes_up("query: {remove: [a]}", &Request::get("h/p?a=1"), "/p", "");
    goes_up("query: {remove: [a]}", &Request::get("h/p"), "/p", "");
}

/// What an answer's lines become: those that stay, then those that come.
fn down(policies: &str, request: &Request, answer: &[(&str, &str)], secure: bool) -> String {
    let snapshot = snapshot(policies);
    let chain = chain(&snapshot);
    let mut notes = Notes::default();
    request.facts(|facts| chain.note(facts, &mut notes)).unwrap();
    notes.secure = secure;
    let answer = answer.iter().fold(Request::get("h"), |message, (name, value)| message.with(name, value));
    let mut fields = answer.fields.clone();
    let mut out = Vec::new();
    chain.edit_answer(&mut fields, &answer.head, &notes, &mut out);
    let kept = fields.all().iter().filter(|field| !field.dropped).map(|field| field.line.of(&answer.head));
    String::from_utf8([kept.collect::<Vec<_>>().concat(), out].concat()).unwrap().replace("\r\n", "|")
}

#[test]
fn response_headers_and_cookies() {
    let get = Request::get("h");
    let answer = [("Server", "x/1"), ("Set-Cookie", "a=1; path=/; SECURE"), ("set-cookie", "b=2; SameSite=None")];
    let check = |policies: &str, expect: &str| assert_eq!(down(policies, &get, &answer[..1], false), expect);
    check("response_headers: {remove: server}", "");
    check("response_headers: {set: {Server: ours}}", "server: ours|");
    check("response_headers: {default: {server: ours}, add: {x: \"{host}\"}}", "Server: x/1|x: h|");
    assert_eq!(
        down("cookies: {secure: true, same_site: lax}", &get, &answer[1..], false),
        "set-cookie: a=1; path=/; SECURE; SameSite=Lax|set-cookie: b=2; SameSite=None; Secure|"
    );
}

#[test]
fn security_headers_come_where_they_are_missing() {
    let all = down("security_headers: true", &Request::get("h"), &[("x-frame-options", "DENY")], true);
    for part in
        ["x-frame-options: DENY|", "x-content-type-options: nosniff|", "strict-transport-security: max-age=31536000|"]
    {
        assert_eq!(all.matches(part).count(), 1, "{part} in {all}");
    }
    assert_eq!(all.matches("x-frame-options").count(), 1);
    assert!(!down("security_headers: true", &Request::get("h"), &[], false).contains("strict-transport"));
    let some =
        "security_headers: {hsts: off, frame: off, referrer: off, permissions: off, csp: \"default-src 'self'\"}";
    let expect = "x-content-type-options: nosniff|content-security-policy: default-src 'self'|";
    assert_eq!(down(some, &Request::get("h"), &[], true), expect);
    let own =
        "security_headers: true, response_headers: {set: {x-frame-options: A}, remove: strict-transport-security}";
    let own = down(own, &Request::get("h"), &[], true);
    assert!(
        own.contains("x-frame-options: A|") && !own.contains("SAMEORIGIN") && !own.contains("strict-transport"),
        "{own}"
    );
}

const CORS: &str =
    "cors: {origins: [\"https://a.test\", \"https://*.b.test\"], credentials: true, methods: [PUT], headers: [x-a]}";

#[test]
fn cors_names_the_origin_that_may_read() {
    let check = |origin: &str, expect: &str| {
        let foreign = [("Access-Control-Allow-Origin", "*")];
        assert_eq!(down(CORS, &Request::get("h").with("Origin", origin), &foreign, false), expect, "{origin}");
    };
    let may = |origin: &str| {
        format!("vary: Origin|access-control-allow-origin: {origin}|access-control-allow-credentials: true|")
    };
    check("https://a.test", &may("https://a.test"));
    check("https://x.y.b.test", &may("https://x.y.b.test"));
    for origin in
        ["http://a.test", "https://a.test:444", "https://b.test", "https://evilb.test", "null", "https://a.test.evil"]
    {
        check(origin, "vary: Origin|");
    }
    // Neither a second line nor a URL in front of the suffix is an origin.
    check("https://evil.test/.b.test", "vary: Origin|");
    let two = Request::get("h").with("Origin", "https://a.test").with("Origin", "https://a.test");
    assert_eq!(down(CORS, &two, &[], false), "vary: Origin|");
    assert_eq!(
        down("cors: {origins: \"*\"}", &Request::get("h").with("Origin", "x"), &[], false),
        "access-control-allow-origin: *|"
    );
}

#[test]
fn preflights() {
    let ask = |origin: &str, method: &str, headers: &str| {
        let request = Request::get("h").method("OPTIONS").with("Origin", origin);
        let request = request.with("Access-Control-Request-Method", method);
        let request =
            if headers.is_empty() { request } else { request.with("access-control-request-headers", headers) };
        let snapshot = snapshot(&format!("{CORS}, methods: [GET]"));
        let mut notes = Notes::default();
        request.facts(|facts| {
            chain(&snapshot).note(facts, &mut notes)?;
            chain(&snapshot).preflight(facts, &notes)
        })
    };
    let answer = ask("https://a.test", "PUT", "X-A").unwrap().expect("a preflight");
    let answer: Vec<_> = lines(&answer.lines).collect();
    assert!(answer.contains(&(b"access-control-allow-methods", b"PUT")), "{answer:?}");
    assert!(answer.contains(&(b"access-control-allow-headers", b"X-A")), "{answer:?}");
    for (origin, method, headers) in
        [("https://c.test", "PUT", ""), ("https://a.test", "DELETE", ""), ("https://a.test", "PUT", "x-a, x-b")]
    {
        assert_eq!(
            ask(origin, method, headers).map_err(|refusal| refusal.reason),
            Err(Reason::Denied),
            "{origin} {method}"
        );
    }
    assert!(ask("https://a.test", "GET", "").unwrap().is_some());
    // An OPTIONS that asks for nothing is the upstream's, if `methods` lets it.
    refuses(
        &format!("{CORS}, methods: [GET]"),
        &Request::get("h").method("OPTIONS").with("origin", "https://a.test"),
        Reason::MethodNotAllowed,
    );
}

#[test]
fn levels_add_up() {
    let check = |file: &str, client: &'static str, expect: bool| {
        let snapshot = Snapshot::compile(&Config::from_text(file).unwrap()).unwrap();
        let request = Request { client: Some(client), ..Request::get("h") };
        let passes = request.facts(|facts| {
            let rule = &snapshot.rules()[0];
            let listener = snapshot.listener_policy(facts.listener).filter(|_| rule.inherit);
            let chains = listener.into_iter().chain(rule.policy.as_deref());
            chains.map(|chain| chain.screen(facts)).all(|verdict| verdict.is_ok())
        });
        assert_eq!(passes, expect, "{client} {file}");
    };
    let levels = |rule: &str| {
        format!(
            "listen: [{{bind: ':80', deny: 10.0.0.4}}]\ndefaults: {{allow: 10.0.0.0/8}}\n\
             policies: {{inner: {{allow: 10.0.0.0/24, deny: 10.0.0.3}}}}\nroutes: {{h: {{to: ':1', {rule}}}}}"
        )
    };
    for (client, expect) in
        [("10.0.0.1", true), ("10.1.0.1", false), ("192.0.2.1", false), ("10.0.0.3", false), ("10.0.0.4", false)]
    {
        check(&levels("use: inner"), client, expect);
    }
    // A rule that inherits nothing keeps what it takes in itself.
    for (client, expect) in [("10.0.0.1", true), ("10.1.0.1", false), ("10.0.0.3", false), ("10.0.0.4", true)] {
        check(&levels("use: inner, inherit: false"), client, expect);
    }
    check(&levels("inherit: false"), "192.0.2.1", true);
}

#[test]
fn a_rule_without_policies_has_no_chain() {
    let config = Config::from_text("routes: {a: :1, b: {to: :1, maintenance: false, cors: off}}").unwrap();
    let snapshot = Snapshot::compile(&config).unwrap();
    assert!(snapshot.rules().iter().all(|rule| rule.policy.is_none()));
}
