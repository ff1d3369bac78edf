//! What is kept is nobody's own, and nobody can put something there for others: SECURITY.md §1 G against what stands around
//! the cache (sessions, certificates, trusted peers, copies).

use super::Site;
use crate::harness::{Origin, on_workers};

const FRESH: &str = "200\nCache-Control: max-age=60";
const STALE: &str = "200\nCache-Control: max-age=10\nAge: 20\nETag: \"a\"\nX-Old: 1\n\n0123456789";

/// What asks the origin about a stored answer gets one more answer, and that may be for one client alone too.
#[test]
fn case_132_what_renews_is_not_stored_either() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let cookie = "304\nCache-Control: max-age=60\nSet-Cookie: session=one";
        site.run(
            "a cookie in a 304",
            &[
                ("GET", STALE, "200"),
                (
                    "GET",
                    cookie,
                    "200 | =0123456789 | set-cookie: session=one | cache-status: switchboard; fwd=stale; fwd-status=304; detail=set-cookie",
                ),
                ("GET", "304\nCache-Control: max-age=60", "200 | -set-cookie | =0123456789 | x-old: 1"),
                ("GET", "", "200 | -set-cookie"),
            ],
        );
        let head = "200\nCache-Control: max-age=60\nETag: \"a\"\nSet-Cookie: session=one\n\n0123456789";
        site.run(
            "a cookie in an answer to HEAD",
            &[("GET", STALE, "200"), ("HEAD", head, "200 | set-cookie: *"), ("GET", "304", "200 | -set-cookie")],
        );
        let user = "304\nCache-Control: max-age=60\nX-User: one";
        for asks in ["GET\nAuthorization: Bearer one", "GET\nCache-Control: no-store"] {
            site.run(
                asks,
                &[("GET", STALE, "200"), (asks, user, "200 | x-user: one"), ("GET", "304", "200 | -x-user")],
            );
        }
    });
}

#[test]
fn case_133_a_304_may_name_what_the_answer_was_chosen_by() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let theirs = "304\nETag: \"a\"\nCache-Control: max-age=60\nVary: Cookie";
        let other = "200\nCache-Control: max-age=60\nVary: Cookie\n\nother";
        site.run(
            "vary",
            &[
                ("GET\nCookie: alice", STALE, "200"),
                ("GET\nCookie: alice", theirs, "200 | =0123456789"),
                ("GET\nCookie: alice", "", "200 | =0123456789"),
                ("GET\nCookie: bob", other, "=other | ^if-none-match: (none)"),
                ("GET", other, "=other"),
                ("GET\nCookie: alice", "", "200 | =0123456789"),
            ],
        );
    });
}

#[test]
fn case_133_pages_of_sticky_sessions_are_told_apart() {
    on_workers(|workers| {
        let shadow = Origin::named("shadow");
        let site = Site::with(workers, |origin| {
            format!(
                "upstreams: {{ g: {{ endpoints: [\"{origin}\"], sticky: {{ cookie: sb }} }} }}\nroutes:\n  \
                 t.test: {{ to: g, cache: true, mirror: \"{}\" }}\n",
                shadow.address()
            )
        });
        site.will("/bind", "200\n\nx");
        let bound = site.ask("/bind", "GET");
        let ours = bound.field("set-cookie").and_then(|line| line.split(';').next()).unwrap().to_owned();
        let asks = format!("GET\nCookie: {ours}; session=alice");
        let answer = |who: &str| format!("{FRESH}\nVary: Cookie\n\nfor {who}");
        site.will("/who", &answer("alice"));
        assert_eq!(site.ask("/who", &asks).text(), "for alice");
        site.will("/who", &answer("nobody"));
        assert_eq!(site.ask("/who", "GET").text(), "for nobody");
        assert_eq!(site.ask("/who", &asks).text(), "for alice");
        let asked = site.asked("/who");
        assert_eq!(asked.iter().map(|one| one.field("cookie")).collect::<Vec<_>>(), [Some("session=alice"), None]);
        // A copy is of what the origin was sent, and of nothing that was answered from here.
        let copies = [0, 1, 2].map(|number| shadow.wait_request(number));
        let mut cookies: Vec<_> = copies.iter().map(|one| (one.target(), one.field("cookie"))).collect();
        cookies.sort_unstable();
        assert_eq!(cookies, [("/bind", None), ("/who", None), ("/who", Some("session=alice"))]);
        site.will("/who", "200\n\nposted");
        assert_eq!(site.ask("/who", "POST\nContent-Length: 0").text(), "posted");
        assert_eq!(shadow.wait_request(3).method(), "POST");
    });
}

#[test]
fn case_135_what_a_trusted_peer_says_tells_answers_apart() {
    on_workers(|workers| {
        let site = Site::with(workers, |origin| {
            format!("trusted_proxies: 127.0.0.1\nroutes:\n  t.test: {{ to: \"{origin}\", cache: true }}\n")
        });
        for line in [
            "X-Original-URL: /admin",
            "X-Rewrite-URL: /admin",
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Port: 1234",
            "X-Forwarded-Prefix: //evil",
            "X-Forwarded-User: admin",
            "X-Client-Cert-Subject: CN=admin",
            "Client-Cert: :admin:",
            "Forwarded: for=1.2.3.4;host=evil.example",
        ] {
            let path = site.path();
            site.will(&path, &format!("{FRESH}\n\nevil"));
            assert_eq!(site.ask(&path, &format!("GET\n{line}")).text(), "evil", "{line}");
            assert_eq!(site.ask(&path, &format!("GET\n{line}")).text(), "evil", "kept: {line}");
            site.will(&path, &format!("{FRESH}\n\ngood"));
            assert_eq!(site.ask(&path, "GET").text(), "good", "{line}");
            // Who the client is changes nothing.
            assert_eq!(site.ask(&path, "GET\nX-Forwarded-For: 9.9.9.9\nX-Request-Id: a").text(), "good");
        }
    });
}

#[test]
fn case_135_what_one_request_wants_of_the_origin_is_no_answer_to_others() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let (page, plain) = (format!("{FRESH}\n\npage"), ("GET", "200 | =page"));
        for (lines, status) in
            [("Range: bytes=99-", "416"), ("Expect: nonsense", "417"), ("If-None-Match: \"x\"", "412")]
        {
            let refusal = format!("{status}\nCache-Control: max-age=60\n\n");
            let asks = format!("GET\n{lines}");
            site.run(lines, &[(&asks, &refusal, status), (plain.0, &page, plain.1), (plain.0, "", plain.1)]);
        }
        let expects = "GET\nExpect: 100-continue";
        let bypass = "200 | cache-status: switchboard; fwd=bypass";
        site.run("expected", &[("GET", &page, "200"), (expects, "200\n\nx", bypass), ("GET", "", "=page")]);
    });
}

#[test]
fn case_135_names_of_parameters_are_read_as_origins_read_them() {
    on_workers(|workers| {
        let check = |rule: &str, evil: &str, good: &str| {
            let site = Site::start(workers, rule);
            for (target, text) in [(evil, "evil"), (good, "good")] {
                site.will(target, &format!("{FRESH}\n\n{text}"));
                assert_eq!(site.ask(target, "GET").text(), text, "{rule}: {evil}");
            }
        };
        let only = "{ key: { query: [id] } }";
        for evil in
            ["/q?i%64=EVIL", "/q?%69%64=EVIL", "/q?ID=EVIL", "/q?id[]=EVIL", "/q?id%5B%5D=EVIL", "/q?x=1;id=EVIL"]
        {
            check(only, evil, "/q");
        }
        check(only, "/q?id=1&i%64=EVIL", "/q?id=1");
        check("{ key: { without: [utm_*] } }", "/q?utm_x=1;id=EVIL", "/q");
    });
}

#[test]
fn case_139_a_change_is_one_however_the_host_is_written() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let path = site.path();
        let ask = |method: &str, host: &str| {
            let lines = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            site.proxy.ask(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).text()
        };
        for (kept, changed) in [("t.test", "t.test:80"), ("t.test:80", "t.test"), ("t.test", "T.TEST")] {
            site.will(&path, &format!("{FRESH}\n\nold"));
            assert_eq!(ask("GET", kept), "old");
            site.will(&path, "200\n\ndone");
            assert_eq!(ask("POST", changed), "done");
            site.will(&path, "200\n\nnew");
            assert_eq!(ask("GET", kept), "new", "{kept} after {changed}");
        }
    });
}

#[test]
fn a_304_from_here_has_no_length_and_says_what_chose_the_form() {
    on_workers(|workers| {
        let site = Site::start(workers, "true, compress: true");
        let page = format!("{FRESH}\nETag: \"a\"\nContent-Type: text/html\n\n{}", "0123456789".repeat(200));
        let picture = format!("{FRESH}\nETag: \"a\"\nContent-Type: image/png\n\nx");
        site.run(
            "a page",
            &[
                ("GET", &page, "200 | vary: accept-encoding"),
                ("GET", "", "200 | vary: accept-encoding | date: *"),
                ("GET\nIf-None-Match: \"a\"", "", "304 | vary: accept-encoding | -content-length | -content-type"),
            ],
        );
        site.run(
            "a picture",
            &[("GET", &picture, "200 | -vary"), ("GET\nIf-None-Match: \"a\"", "", "304 | -vary | -content-length")],
        );
    });
}
