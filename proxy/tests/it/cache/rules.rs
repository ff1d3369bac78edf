//! RFC 9111 and 9110 by exchanges. What is stale already when it comes (`Age` above the lifetime) saves the waiting.

use super::Site;
use crate::harness::on_workers;

const FRESH: &str = "200\nCache-Control: max-age=600\nETag: \"a\"\nContent-Type: text/plain\n\n0123456789";
const STALE: &str = "200\nCache-Control: max-age=10\nAge: 20\nETag: \"a\"\nX-Old: 1\n\n0123456789";

#[test]
fn what_is_fresh_is_given_again_with_its_age() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        site.run(
            "fresh",
            &[
                ("GET", FRESH, "200 | =0123456789 | cache-status: switchboard; fwd=uri-miss; stored | -age"),
                ("GET", "", "200 | =0123456789 | cache-status: switchboard; hit; ttl=* | age: * | etag: \"a\""),
                ("GET\nCookie: a=b", "", "200 | =0123456789"),
            ],
        );
        site.run(
            "age",
            &[("GET", "200\nCache-Control: max-age=600\nAge: 30\n\nx", "200 | age: 30"), ("GET", "", "200 | age: 3*")],
        );
        site.run(
            "nothing said",
            &[
                ("GET", "200\n\nx", "200 | cache-status: switchboard; fwd=uri-miss; detail=freshness"),
                ("GET", "200\n\ny", "200 | =y"),
            ],
        );
        site.run(
            "statuses",
            &[
                ("GET", "404\nCache-Control: max-age=60\n\nno", "404 | =no"),
                ("GET", "", "404 | =no | cache-status: switchboard; hit; ttl=*"),
            ],
        );
        site.run("no body", &[("GET", "204\nCache-Control: max-age=60", "204"), ("GET", "", "204 | age: *")]);
    });
}

#[test]
fn case_130_keys() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let path = site.path();
        for (host, body) in [("t.test", "one"), ("t.test:80", "two"), ("t.test:8080", "three")] {
            site.will(&path, &format!("200\nCache-Control: max-age=60\n\n{body}"));
            let get = |host: &str| site.proxy.ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).text();
            assert_eq!(get(host), body);
            assert_eq!(get(&host.to_uppercase()), body);
        }
        let query = format!("{path}?a=1");
        site.will(&query, "200\nCache-Control: max-age=60\n\nquery");
        assert_eq!(site.ask(&query, "GET").text(), "query");
        assert_eq!(site.ask(&query, "GET").text(), "query");
        // Another spelling of the path is another answer: the origin may tell them apart.
        site.will("/p%30", "200\nCache-Control: max-age=60\n\nspelled");
        assert_eq!(site.ask("/p%30", "GET").text(), "spelled");
    });
}

#[test]
fn case_130_what_policies_add_tells_answers_apart() {
    on_workers(|workers| {
        let site = Site::start(workers, "true, request_headers: { set: { x-user: \"{cookie.user}\" } }");
        for user in ["ann", "bob"] {
            site.will("/u", &format!("200\nCache-Control: max-age=60\nVary: X-User\n\nfor {user}"));
            let request = format!("GET\nCookie: user={user}");
            assert_eq!(site.ask("/u", &request).text(), format!("for {user}"));
            assert_eq!(site.ask("/u", &request).text(), format!("for {user}"));
        }
        assert_eq!(site.asked("/u").len(), 2);
    });
}

#[test]
fn case_131_authorized() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let asks = "GET\nAuthorization: Basic eA==";
        site.run("theirs", &[(asks, "200\nCache-Control: max-age=60\n\nx", "200"), ("GET", "200\n\ny", "200 | =y")]);
        site.run("public", &[(asks, "200\nCache-Control: max-age=60, public\n\nx", "200"), ("GET", "", "200 | =x")]);
    });
}

#[test]
fn case_132_not_stored() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        for lines in [
            "Cache-Control: max-age=60\nSet-Cookie: a=b",
            "Cache-Control: max-age=60, private",
            "Cache-Control: max-age=60, no-store",
            "Cache-Control: max-age=60\nVary: *",
        ] {
            let answer = format!("200\n{lines}\n\nx");
            site.run(lines, &[("GET", &answer, "200 | =x"), ("GET", &answer, "200 | =x")]);
        }
        let lenient = Site::start(workers, "{ set_cookie: true }");
        lenient.run(
            "set_cookie",
            &[
                ("GET", "200\nCache-Control: max-age=60\nSet-Cookie: a=b\n\nx", "200"),
                ("GET", "", "200 | set-cookie: a=b"),
            ],
        );
    });
}

#[test]
fn case_133_variants() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let answer = |body: &str| format!("200\nCache-Control: max-age=60\nVary: Accept-Encoding, Origin\n\n{body}");
        site.run(
            "variants",
            &[
                ("GET\nAccept-Encoding: gzip, br", &answer("one"), "=one"),
                ("GET\nAccept-Encoding: br", &answer("two"), "=two | cache-status: switchboard; fwd=vary-miss; stored"),
                ("GET\nAccept-Encoding: br;q=0.5 , gzip", "", "=one"),
                ("GET\nAccept-Encoding: br", "", "=two"),
                ("GET\nAccept-Encoding: br\nOrigin: x", &answer("three"), "=three"),
            ],
        );
        let path = site.path();
        for round in 0..2 {
            for number in 0..70 {
                site.will(&path, &format!("200\nCache-Control: max-age=60\nVary: X\n\n{number}"));
                assert_eq!(site.ask(&path, &format!("GET\nX: {number}")).text(), number.to_string(), "{round}");
            }
        }
        // 64 are kept: each of the 70 had made room for the next when its turn came again.
        assert_eq!(site.asked(&path).len(), 140);
    });
}

#[test]
fn case_135_what_is_in_no_key_is_no_way_in() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let fresh = "200\nCache-Control: max-age=60\n\nx";
        for lines in
            ["Content-Length: 1", "X-HTTP-Method-Override: POST", "If-Match: \"a\"", "Accept: text/event-stream"]
        {
            let path = site.path();
            site.will(&path, fresh);
            let body = if lines.starts_with("Content") { "b" } else { "" };
            let got = site.proxy.ask(format!("GET {path} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n\r\n{body}"));
            assert_eq!(got.field("cache-status"), Some("switchboard; fwd=bypass"), "{lines}");
            site.will(&path, "200\n\ny");
            assert_eq!(site.ask(&path, "GET").text(), "y", "{lines}");
        }
        let poisoned = "GET\nX-Forwarded-Host: evil\nX-Original-URL: /admin";
        site.run(
            "stripped",
            &[(poisoned, fresh, "200 | ^x-original-url: (none) | ^x-forwarded-host: t.test"), ("GET", "", "=x")],
        );
    });
}

#[test]
fn case_136_ranges_of_what_is_stored() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        site.run(
            "ranges",
            &[
                ("GET", FRESH, "200"),
                ("GET\nRange: bytes=0-1", "", "206 | =01 | content-range: bytes 0-1/10 | content-length: 2"),
                ("GET\nRange: bytes=8-", "", "206 | =89"),
                ("GET\nRange: bytes=-3", "", "206 | =789"),
                ("GET\nRange: bytes=5-99999999999999999999999", "", "206 | =56789"),
                ("GET\nRange: bytes=10-", "", "416 | content-range: bytes */10"),
                ("GET\nRange: bytes=", "", "200 | =0123456789"),
                ("GET\nRange: bytes=0-5,3-9", "", "200 | =0123456789"),
                ("GET\nRange: bytes=0-0,2-2", "", "206 | content-type: multipart/byteranges; boundary=*"),
                ("GET\nRange: bytes=0-1\nIf-Range: \"a\"", "", "206 | =01"),
                ("GET\nRange: bytes=0-1\nIf-Range: \"b\"", "", "200 | =0123456789"),
                ("HEAD\nRange: bytes=0-1", "", "200 | content-length: 10"),
            ],
        );
        let part = "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60\n\n01";
        site.run("parts pass", &[("GET\nRange: bytes=0-1", part, "206 | ^range: bytes=0-1"), ("GET", FRESH, "200")]);
        site.run(
            "asked about whole",
            &[
                ("GET", STALE, "200"),
                (
                    "GET\nRange: bytes=2-3",
                    "304\nCache-Control: max-age=60",
                    "206 | =23 | ^range: (none) | ^if-none-match: \"a\"",
                ),
            ],
        );
    });
}

#[test]
fn case_137_what_was_cut_is_not_stored() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        for raw in [
            "raw HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 20\r\n\r\nshort",
            "raw HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
            "raw HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nuntil the end",
        ] {
            let path = site.path();
            site.will(&path, raw);
            let mut wire = site.proxy.send(format!("GET {path} HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n"));
            wire.rest();
            site.will(&path, "200\n\nwhole");
            assert_eq!(site.ask(&path, "GET").text(), "whole", "{raw}");
        }
    });
}

#[test]
fn case_139_unsafe_methods() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        for method in ["POST", "PUT", "DELETE", "M-SEARCH"] {
            let change = format!("{method}\nContent-Length: 0");
            site.run(
                method,
                &[
                    ("GET", FRESH, "200"),
                    (&change, "500\n\n", "500"),
                    ("GET", "", "200"),
                    (&change, "200\n\n", "200 | cache-status: switchboard; fwd=method; detail=method"),
                    ("GET", "200\n\nnew", "=new"),
                ],
            );
        }
        let (target, other) = (site.path(), site.path());
        site.will(&target, FRESH);
        site.ask(&target, "GET");
        site.will(&other, &format!("201\nLocation: http://t.test{target}\n\n"));
        site.ask(&other, "POST\nContent-Length: 0");
        site.will(&target, "200\n\nnew");
        assert_eq!(site.ask(&target, "GET").text(), "new");
        let path = site.path();
        site.will(&path, &format!("200\nCache-Control: max-age=60\nContent-Location: {path}\n\nposted"));
        site.ask(&path, "POST\nContent-Length: 0");
        assert_eq!(site.ask(&path, "GET").text(), "posted");
    });
}

#[test]
fn case_140_validation() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let good = "304\nCache-Control: max-age=60\nX-New: 2\nETag: \"b\"";
        site.run("renewed", &[
            ("GET", STALE, "200"),
            ("GET", good, "200 | =0123456789 | ^if-none-match: \"a\" | x-old: 1 | x-new: 2 | etag: \"a\" | cache-status: switchboard; fwd=stale; fwd-status=304; stored"),
            ("GET", "", "200 | =0123456789 | x-new: 2 | cache-control: max-age=60"),
        ]);
        site.run(
            "replaced",
            &[
                ("GET", STALE, "200"),
                ("GET", "200\nCache-Control: max-age=60\n\nnew", "200 | =new | -x-old"),
                ("GET", "", "=new"),
            ],
        );
        site.run(
            "by date",
            &[
                (
                    "GET",
                    "200\nCache-Control: max-age=1\nAge: 9\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n\nx",
                    "200",
                ),
                ("GET", "304", "200 | =x | ^if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT"),
            ],
        );
        site.run(
            "the client's own conditions",
            &[
                ("GET", FRESH, "200"),
                ("GET\nIf-None-Match: \"a\"", "", "304 | etag: \"a\" | -content-type | cache-control: max-age=600"),
                ("GET\nIf-None-Match: \"x\", W/\"a\"", "", "304"),
                ("GET\nIf-None-Match: *", "", "304"),
                ("GET\nIf-None-Match: \"x\"\nIf-Modified-Since: Sun, 06 Nov 2033 08:49:37 GMT", "", "200"),
            ],
        );
        site.run(
            "the client's own conditions, after asking",
            &[("GET", STALE, "200"), ("GET\nIf-None-Match: \"x\", \"a\"", "304", "304 | ^if-none-match: \"a\"")],
        );
        site.run("nothing stored", &[("GET\nIf-None-Match: \"a\"", "304\nETag: \"a\"", "304 | ^if-none-match: \"a\"")]);
    });
}

#[test]
fn case_141_stale_where_asking_fails() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let stale = "200\nCache-Control: max-age=10, stale-if-error=600\nAge: 20\n\nold";
        site.run(
            "allowed",
            &[
                ("GET", stale, "200"),
                ("GET", "503\n\nbad", "200 | =old | age: 2* | cache-status: switchboard; hit; ttl=-1* | -warning"),
                ("GET", "drop", "200 | =old"),
                ("GET", "404\n\ngone", "404"),
            ],
        );
        let strict = "200\nCache-Control: max-age=10, must-revalidate, stale-if-error=600\nAge: 20\nETag: \"a\"\n\nold";
        site.run("forbidden", &[("GET", strict, "200"), ("GET", "503\n\nbad", "503 | =bad"), ("GET", "drop", "502")]);
        let ruled = Site::start(workers, "{ stale_if_error: 1h }");
        ruled.run("by rule", &[("GET", STALE, "200"), ("GET", "500\n\nbad", "200 | =0123456789")]);
    });
}

#[test]
fn case_143_head_and_bodies() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        site.run(
            "head",
            &[
                ("HEAD", FRESH, "200 | content-length: 10"),
                ("GET", FRESH, "200"),
                ("HEAD", "", "200 | content-length: 10 | age: *"),
            ],
        );
        let head = "200\nCache-Control: max-age=600\nETag: \"a\"\nX-Old: 2\n\n0123456789";
        site.run("head renews", &[("GET", STALE, "200"), ("HEAD", head, "200"), ("GET", "", "200 | x-old: 2")]);
        // A body behind a GET is never taken for the next request.
        let path = site.path();
        site.will(&path, FRESH);
        site.will(&path, "200\n\nbody");
        site.ask(&path, "GET");
        let mut wire = site.proxy.send(format!(
            "GET {path} HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5\r\n\r\nGET /GET {path} HTTP/1.1\r\nHost: t.test\r\n\r\n"
        ));
        assert_eq!(wire.response().text(), "body");
        assert_eq!(wire.response().text(), "0123456789");
    });
}

#[test]
fn requests_say_what_they_take() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        site.run(
            "control",
            &[
                ("GET\nCache-Control: only-if-cached", "", "504 | x-switchboard-reason: not_cached"),
                ("GET", FRESH, "200"),
                ("GET\nCache-Control: only-if-cached", "", "200"),
                ("GET\nCache-Control: no-cache", "304", "200 | ^if-none-match: \"a\""),
                ("GET\nCache-Control: max-age=0", "304", "200"),
                ("GET\nPragma: no-cache", "", "200"),
            ],
        );
        site.run(
            "max-stale",
            &[
                ("GET", STALE, "200"),
                ("GET\nCache-Control: max-stale=60", "", "200 | cache-status: switchboard; hit; ttl=-1*"),
            ],
        );
        site.run("no-store", &[("GET\nCache-Control: no-store", FRESH, "200"), ("GET", "200\n\nx", "=x")]);
        let deaf = Site::start(workers, "{ client_control: false }");
        deaf.run("deaf", &[("GET", FRESH, "200"), ("GET\nCache-Control: no-cache", "", "200")]);
    });
}

#[test]
fn rules_may_know_better_than_origins() {
    on_workers(|workers| {
        let site = Site::start(workers, "{ override: 1h, max_object: 10B, key: { query: [a] } }");
        site.run("override", &[("GET", "200\nCache-Control: max-age=0\n\nx", "200"), ("GET", "", "=x")]);
        site.run("too large", &[("GET", "200\n\n01234567890", "200"), ("GET", "200\n\ny", "=y")]);
        let chunked = "raw HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
        site.run("too large, unannounced", &[("GET", chunked, "=01234567890"), ("GET", "200\n\ny", "=y")]);
        let path = site.path();
        site.will(&format!("{path}?b=1&a=2"), "200\n\nx");
        for query in ["b=1&a=2", "a=2", "a=2&c=3"] {
            assert_eq!(site.ask(&format!("{path}?{query}"), "GET").text(), "x");
        }
    });
}
