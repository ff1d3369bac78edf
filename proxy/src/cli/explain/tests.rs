//! What `explain` says, word for word, for each end that a request can take.

use clap::Parser as _;

use super::*;

const CONFIG: &str = r#"
listen:
  - :8080
  - { bind: "127.0.0.1:9000", name: inner }
trusted_proxies: [10.0.0.0/8]
routes:
  t.test: ":3001"
  t.test/api:
    - { when: { headers: { x-canary: "yes" } }, to: next, strip_prefix: true }
    - { when: { methods: [PUT] }, to: ":3003" }
    - { when: { listener: inner }, respond: inside }
  old.test: { redirect: "https://t.test{uri}", status: 301 }
  text.test: { respond: "one\ntwo \u001b[31m", status: 418 }
  only.test/a: :3001
  small.test: { to: ":3001", max_body: 10B }
  pages.test: { to: bots, websocket: { allowed_origins: [https://pages.test] } }
upstreams:
  bots: { endpoints: ["10.0.0.3:3000"], default_origin: https://bots.test }
  next:
    - 10.0.0.1:3000
    - { address: "app.internal:3000", host: upstream }
"#;

#[derive(Debug, clap::Parser)]
struct Whole {
    #[command(flatten)]
    options: Options,
}

fn ask(arguments: &str) -> (u8, String) {
    let words = std::iter::once("explain").chain(arguments.split('|').map(str::trim));
    let whole = Whole::try_parse_from(words).expect(arguments);
    let config = Config::from_text(CONFIG).expect("a sound configuration");
    {
        let snapshot = Snapshot::compile(&config).expect("it compiles");
        let told = tell(
            &config,
            &snapshot,
            &Tls::of(&config).expect("sound"),
            &whole.options.question().expect("it has a URL"),
            Paint::NEVER,
        );
        (told.code, told.text)
    }
}

/// Both the exit code and the whole text.
#[track_caller]
fn check(arguments: &str, code: u8, expect: &str) {
    let (found, text) = ask(arguments);
    assert_eq!(text.trim_end(), expect.trim(), "{arguments}\n{text}");
    assert_eq!(found, code, "{arguments}");
}

/// The exit code, and parts of the text.
#[track_caller]
fn has(arguments: &str, code: u8, parts: &[&str]) {
    let (found, text) = ask(arguments);
    for part in parts {
        assert!(text.contains(part), "no {part:?} for {arguments} in\n{text}");
    }
    assert_eq!(found, code, "{arguments}\n{text}");
}

#[test]
fn a_rule_with_a_condition() {
    let expect = r#"
GET http://T.test:8080/api/users?q=1
by listener :8080, from 127.0.0.1

t.test/api rule 1 answers: asks next

Rules of t.test
  ✓ t.test/api rule 1  answers: to next
  · t.test/api rule 2  not asked: another one answers
  · t.test/api rule 3  not asked: another one answers
  · t.test             not asked: another one answers

Sent upstream
  GET /users?q=1 HTTP/1.1
  host: T.test:8080
  X-Canary: yes
  x-forwarded-for: 127.0.0.1
  x-real-ip: 127.0.0.1
  x-forwarded-proto: http
  x-forwarded-port: 8080
  x-forwarded-host: T.test:8080
  x-request-id: <its-id>
  (the path was /api/users?q=1)

To, in turn
  10.0.0.1:3000
  app.internal:3000, which is app.internal port 3000, resolved again and again (with host: app.internal:3000)
  outlier: 5 failures in a row eject for 10s to 5m, 50% at most
"#;
    check("http://T.test:8080/api/users?q=1#top | -H | X-Canary: yes", 0, expect);
}

#[test]
fn how_an_upstream_chooses_and_keeps_fit() {
    let check = |upstream: &str, parts: &[&str]| {
        let text = format!("routes: {{ t.test: u }}\nupstreams: {{ u: {{ {upstream} }} }}\n");
        let whole = Whole::try_parse_from(["explain", "t.test"]).unwrap();
        let config = Config::from_text(&text).expect(upstream);
        let snapshot = Snapshot::compile(&config).expect(upstream);
        let question = whole.options.question().expect("it has a URL");
        let Told { text, .. } = tell(&config, &snapshot, &Tls::of(&config).expect("sound"), &question, Paint::NEVER);
        for part in parts {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    };
    check(
        "endpoints: [{ address: \":1\", weight: 3, tags: [blue, new] }, { address: \":2\", backup: true, max_requests: 9 }], \
         balance: least_requests, sticky: { cookie: sb }, limits: { connections: 50 }, slow_start: 30s",
        &[
            "\nTo the one with the fewest requests, by weight\n",
            "[::1], weight 3, tags blue, new\n",
            "[::1], backup: while no other can, at most 9 requests at once\n",
            "  sticky: by the cookie sb\n",
            "  limits: 50 requests at once; 1024 wait for up to 5s\n",
            "  slow_start: 30s until",
        ],
    );
    check(
        "endpoints: [\":1\", \":2\"], balance: { hash: { header: x } }, outlier: off",
        &["To, by the hash of the header x\n"],
    );
    check(
        "endpoints: [\":1\", \":2\"], balance: random, health: { http: /ok, ws: { path: /ws, port: 9 }, interval: 7s }",
        &[
            "To any\n",
            "health: http GET /ok and ws /ws at port 9 every 7s, within 2s; 3 failures take out, 2 bring back\n",
        ],
    );
    check("endpoints: \":1\"", &["\nTo\n"]);
}

#[test]
fn why_the_others_do_not() {
    has(
        "t.test/api/x | -H | x-canary: no",
        0,
        &[
            "t.test answers: asks :3001",
            "✗ t.test/api rule 1  the header x-canary is \"no\", which is not \"yes\"\n",
            "✗ t.test/api rule 2  the method is GET, not PUT\n",
            "✗ t.test/api rule 3  the request came in by another listener than inner\n",
            "✓ t.test             answers: to :3001\n",
            ":3001, which is this machine: 127.0.0.1, then [::1]\n",
        ],
    );
    has("t.test/other", 0, &["· t.test/api rule 1  another path"]);
}

#[test]
fn listeners() {
    has("t.test/api", 0, &["by listener :8080,"]);
    has("t.test:9000/api", 0, &["by listener inner,", "rule 3 answers: 200 OK, with\n  inside\n"]);
    has("t.test/api | --listener | inner", 0, &["by listener inner,"]);
    has("t.test:1234/", 0, &["by listener :8080,", "note: No listener has port 1234."]);
    has("t.test/ | --listener | outer", 2, &["no listener is named outer; there are :8080, inner"]);
}

#[test]
fn answers_of_rules() {
    has("http://old.test/a?b", 0, &["old.test answers: 301 Moved Permanently, to\n  https://t.test/a?b\n"]);
    has("http://text.test", 0, &["answers: 418 ", "\n  one\n  two ·[31m\n"]);
    let (_, text) = ask("http://text.test");
    assert!(!text.contains('\x1b') && !text.contains("Sent upstream"), "{text}");
}

#[test]
fn no_rule() {
    has("http://smal.test/", 1, &["404 no_route: no route is for this host\n\n", "Did you mean small.test?"]);
    has(
        "http://only.test/b",
        1,
        &["404 no_route: the host has routes, but no rule that fits\n", "only.test/a  another path"],
    );
    has(
        "http://nothing.like.it/",
        1,
        &["404 no_route: ", "Hosts of this configuration\n  old.test\n  only.test\n  pages.test\n  small.test\n"],
    );
}

#[test]
fn refused() {
    let refused = |arguments: &str, code: &str, detail: &str| has(arguments, 1, &[code, "In detail: ", detail]);
    refused("t.test/a%2f../b/..%5c", "400 bad_request", "");
    refused("t.test/ | -X | TRACE", "405 method_not_allowed", "");
    refused("t.test/ | -H | Host: a | -H | host: b", "400 bad_request", "");
    refused("t.test/ | -H | a b: c", "400 bad_request", "of a field name");
    refused("t.test/ | -H | host:", "400 bad_request", "");
    refused("small.test/ | -H | content-length: 11", "413 body_too_large", "max_body");
    refused("ws://t.test/ | -X | POST", "400 bad_request", "the method GET");
    has("small.test/ | -H | content-length: 10", 0, &["content-length: 10"]);
}

#[test]
fn websockets() {
    has(
        "ws://t.test/chat",
        0,
        &["GET ws://t.test/chat", "connection: upgrade", "upgrade: websocket", "makes it a websocket tunnel"],
    );
    has("ws://pages.test/chat", 0, &["origin: https://bots.test"]);
    has("ws://pages.test/chat | -H | Origin: https://pages.test", 0, &["Origin: https://pages.test"]);
    has("ws://pages.test/chat | -H | Origin: https://evil.test", 1, &["denied", "allowed_origins"]);
    has("wss://t.test/chat", 0, &["note: no listener decrypts; a client gets no handshake here"]);
    let (_, text) = ask("t.test/chat");
    assert!(!text.contains("tunnel"), "{text}");
}

#[test]
fn trust() {
    let forwarded = "x-forwarded-for: 203.0.113.9";
    has(&format!("t.test/ | -H | {forwarded}"), 0, &["from 127.0.0.1\n\n", "x-forwarded-for: 127.0.0.1\n"]);
    has(
        &format!("t.test/ | -H | {forwarded} | --client-ip | 10.1.2.3"),
        0,
        &["from 10.1.2.3\nfor 203.0.113.9, as the trusted peer says", "x-forwarded-for: 203.0.113.9, 10.1.2.3\n"],
    );
}

#[test]
fn command_lines_that_make_no_sense() {
    let check = |arguments: &str, expect: &str| {
        let words = std::iter::once("explain").chain(arguments.split('|').map(str::trim));
        let error = Whole::try_parse_from(words).map(|whole| whole.options.url).expect_err(arguments);
        let text = error.to_string();
        assert!(text.contains(expect), "{arguments}: {text}");
        assert_eq!(error.exit_code(), 2);
    };
    check("http://", "names a host");
    check("ftp://t.test/", "`ftp` is none of http");
    check("http://me:secret@t.test/", "leave out user:password@");
    check("t.test/a b", "%20");
    check("t.test/ | -H | nothing", "'name: value'");
    check("t.test/ | -H | a: b\r\nc: d", "control characters");
    check("t.test/ | -X | GET it", "one word");
    check("t.test/ | --client-ip | me", "--client-ip");
}

#[test]
fn urls() {
    let check = |text: &str, authority: &str, target: &str, port: Option<u16>| {
        let url: Url = text.parse().expect(text);
        assert_eq!((&*url.authority, &*url.target, url.port()), (authority, target, port), "{text}");
    };
    check("http://h", "h", "/", None);
    check("HTTPS://h:443/a?b#c", "h:443", "/a?b", Some(443));
    check("h?x=http://y/", "h", "/?x=http://y/", None);
    check("[::1]/a", "[::1]", "/a", None);
    check("[::1]:80", "[::1]:80", "/", Some(80));
    check("h:99999/", "h:99999", "/", None);
}

#[test]
fn a_host_with_a_certificate_is_reached_by_tls() {
    let text = "listen: [\":80\", { bind: \":443\", tls: { certificates: auto, hosts: { db.test: passthrough } } }]\nroutes: { app.test: \":3001\", db.test: \"10.0.0.9:5432\" }\n";
    let config = Config::from_text(text).expect("a sound configuration");
    let (snapshot, tls) = (Snapshot::compile(&config).expect("it compiles"), Tls::of(&config).expect("sound"));
    let check = |url: &str, parts: &[&str]| {
        let whole = Whole::try_parse_from(["explain", url]).expect(url);
        let question = whole.options.question().expect("it has a URL");
        let Told { code, text, .. } = tell(&config, &snapshot, &tls, &question, Paint::NEVER);
        for part in parts {
            assert!(code == 0 && text.contains(part), "{url}: no {part:?} in\n{text}");
        }
    };
    check("http://app.test/x?y", &["by listener :80,", "308 Permanent Redirect to HTTPS", "  https://app.test/x?y\n"]);
    let behind =
        ["GET https://app.test", "by listener :443,", "app.test answers: asks :3001", "x-forwarded-proto: https"];
    check("https://app.test/", &behind);
    check("App.test/", &["by listener :443,", "x-forwarded-proto: https", "x-forwarded-port: 443"]);
    check("http://app.test:443/", &["this listener speaks TLS: a plain request gets 400 there"]);
    check("https://app.test:80/", &["this listener speaks no TLS"]);
    check("https://db.test/", &["TLS is passed through here"]);
}

#[test]
fn who_has_to_show_who_it_is_is_not_promised_an_answer() {
    let text = "routes: { a.test: { to: \":1\", forward_auth: { url: \"http://127.0.0.1:9/x\" } } }";
    let config = Config::from_text(text).expect("a sound configuration");
    let snapshot = Snapshot::compile(&config).expect("it compiles");
    let whole = Whole::try_parse_from(["explain", "a.test"]).expect("a sound line");
    let question = whole.options.question().expect("it has a URL");
    let text = tell(&config, &snapshot, &Tls::of(&config).expect("sound"), &question, Paint::NEVER).text;
    assert!(text.contains("answers: asks :1\nprovided that it is let in by forward_auth, else 401\n"), "{text}");
}

#[test]
fn a_cache_stands_between_what_is_done_to_requests_and_to_answers() {
    let text = "routes: { a.test: { to: \":1\", cache: { key: { query: [page] } }, query: { remove: [x] }, response_headers: { set: { a: b } } } }";
    let config = Config::from_text(text).expect("a sound configuration");
    let snapshot = Snapshot::compile(&config).expect("it compiles");
    let whole = Whole::try_parse_from(["explain", "http://a.test/"]).expect("a sound line");
    let question = whole.options.question().expect("it has a URL");
    let text = tell(&config, &snapshot, &Tls::of(&config).expect("sound"), &question, Paint::NEVER).text;
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is missing in\n{text}"));
    let cache = place("answers are kept as their origin says, bodies up to 10MiB; of the query page count");
    assert!(place("parameters are edited") < cache && cache < place("response_headers"), "{text}");
}
