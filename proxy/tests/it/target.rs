//! SECURITY.md §1 B: request line, target, Host. Cases 41–61.

use crate::harness::{Origin, Pair, Proxy, assert_own_answer, assert_refused_as, on_workers, refused, refused_as};

#[test]
fn case_041_no_host() {
    refused(&["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX: y\r\n\r\n", "GET http://t.test/ HTTP/1.1\r\n\r\n"]);
}

#[test]
fn case_042_two_hosts() {
    refused(&[
        "GET / HTTP/1.1\r\nHost: t.test\r\nHost: t.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t.test\r\nX: y\r\nhost: u.test\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: t.test\r\nHost: u.test\r\n\r\n",
    ]);
}

#[test]
fn case_043_host_that_is_no_host() {
    let hosts = [
        "",
        " ",
        "a,b",
        "t.test,u.test",
        "u@t.test",
        "u:p@t.test",
        "t.test/p",
        "t.test#f",
        "t.test?q",
        "t.test\\x",
        "t test",
        "t.test:x",
        "t.test:-1",
        "t.test:65536",
        "t.test:99999999999",
        "t.test:80:80",
        "t.test:+80",
        ":80",
        "[::1",
        "::1]",
        "[::1]x",
        "[::g]",
        "[]",
        "t..test",
        "t%2etest",
        "t\u{e4}.test",
        "<t>",
        "\"t\"",
        "http://t.test",
        "t.test:80x",
        ".",
        "t.test\t:80",
    ];
    let mut inputs: Vec<Vec<u8>> =
        hosts.iter().map(|h| format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n").into()).collect();
    for byte in [0x01, 0x0b, 0x7f, 0x80, 0xff] {
        inputs.push([b"GET / HTTP/1.1\r\nHost: t.te".as_slice(), &[byte], b"st\r\n\r\n"].concat());
    }
    refused(&inputs);
}

#[test]
fn case_044_http_10_without_host() {
    on_workers(|workers| {
        // Without a route for any host it is 400, never the first route.
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        assert_refused_as(&proxy, "GET / HTTP/1.0\r\n\r\n", 400, "bad_request");
        origin.assert_untouched();
        drop(proxy);
        let any = Origin::named("any");
        let yaml = format!("routes:\n  t.test: {}\n  \"*\": {}\n", origin.address(), any.address());
        let proxy = Proxy::start(workers, &yaml);
        let answer = proxy.ask("GET / HTTP/1.0\r\n\r\n");
        assert!(answer.status() == 400 || (answer.status(), answer.text().as_str()) == (200, "any"), "{answer:#?}");
        origin.assert_untouched();
    });
}

#[test]
fn case_045_absolute_form_of_another_host() {
    refused(&[
        "GET http://u.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http://t.test/ HTTP/1.1\r\nHost: u.test\r\n\r\n",
        "GET http://t.test:81/ HTTP/1.1\r\nHost: t.test:82\r\n\r\n",
    ]);
}

#[test]
fn case_046_absolute_form_of_the_same_host() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let requests = [
            ("http://t.test/p?q=1", "t.test", "/p?q=1"),
            ("http://T.test/p", "t.TEST", "/p"),
            ("http://t.test:8080/p", "t.test:8080", "/p"),
            ("HTTP://t.test/p", "t.test", "/p"),
            ("http://t.test", "t.test", "/"),
        ];
        for (n, (target, host, path)) in requests.into_iter().enumerate() {
            let answer = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(answer.status(), 200, "{target}: {answer:#?}");
            let request = origin.wait_request(n);
            assert_eq!(request.target(), path);
            assert!(request.field("host").unwrap().eq_ignore_ascii_case(host), "{request:#?}");
        }
    });
}

#[test]
fn case_046_absolute_form_without_host() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        assert_eq!(proxy.ask("GET http://t.test:8080/p HTTP/1.0\r\n\r\n").status(), 200);
        let request = origin.wait_request(0);
        assert_eq!(
            (request.field("host"), request.field("x-forwarded-host")),
            (Some("t.test:8080"), Some("t.test:8080"))
        );
    });
}

#[test]
fn case_047_authority_that_is_easily_swallowed() {
    refused(&[
        "GET http://t.test#f HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http:/\\t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http:///p HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET ftp://t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http:t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http:/t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET ://t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http://t.test\\@u.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let answer = proxy.ask("GET http://t.test?x=1 HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(answer.status(), 200, "{answer:#?}");
        assert_eq!(origin.wait_request(0).target(), "/?x=1");
    });
}

#[test]
fn case_048_userinfo_in_the_target() {
    refused(&[
        "GET http://u:p@t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http://u@t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http://@t.test/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
}

#[test]
fn case_049_asterisk() {
    refused(&[
        "GET * HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "OPTIONS */x HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "OPTIONS *?q HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "OPTIONS ** HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        assert_eq!(proxy.ask("OPTIONS * HTTP/1.1\r\nHost: t.test\r\n\r\n").status(), 200);
        assert_eq!(origin.wait_request(0).start, "OPTIONS * HTTP/1.1");
    });
}

#[test]
fn case_050_connect() {
    let connect = "CONNECT t.test:443 HTTP/1.1\r\nHost: t.test:443\r\n\r\n";
    let early = format!("{connect}GET /early HTTP/1.1\r\nHost: t.test\r\n\r\n");
    refused_as(405, "method_not_allowed", &[connect, &early]);
    // Authority-form belongs to CONNECT alone.
    refused(&["GET t.test:443 HTTP/1.1\r\nHost: t.test\r\n\r\n", "GET t.test HTTP/1.1\r\nHost: t.test\r\n\r\n"]);
}

#[test]
fn case_051_fragment() {
    refused(&[
        "GET /#f HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET /a#/../b HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET /?q=1#f HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET http://t.test/#f HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
}

#[test]
fn case_052_raw_bytes_in_the_target() {
    let mut inputs = Vec::new();
    let bytes = (0x01..0x20).chain(*b"\\\"<>{}^`|").chain([0x7f, 0x80, 0xa0, 0xc3, 0xff]);
    for byte in bytes.filter(|b| !b"\r\n\t".contains(b)).chain([0]) {
        for place in [b"/a".as_slice(), b"/?q="] {
            let target = [place, &[byte], b"b"].concat();
            inputs.push([b"GET ", target.as_slice(), b" HTTP/1.1\r\nHost: t.test\r\n\r\n"].concat());
        }
    }
    refused(&inputs);
}

#[test]
fn case_053_white_space_in_the_request_line() {
    refused(&[
        "GET  / HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET /\tHTTP/1.1\r\nHost: t.test\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: t.test\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: t.test\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
}

#[test]
fn case_054_version_that_is_none() {
    let versions =
        ["HTTP/1", "HTTP/01.1", "http/1.1", "HTTP/1.1 x", "HTTP/1.", "HTTP/1.11", "HTTP/1.x", "HTTP 1.1", "HTP/1.1"];
    refused(&versions.map(|v| format!("GET / {v}\r\nHost: t.test\r\n\r\n")));
}

#[test]
fn case_055_version_1_2_is_read_as_1_1() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.send("GET /a HTTP/1.2\r\nHost: t.test\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status(), answer.start.starts_with("HTTP/1.1 ")), (200, true));
        assert_eq!(origin.wait_request(0).start, "GET /a HTTP/1.1");
        client.send("GET /b HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
    });
}

#[test]
fn case_056_versions_that_are_not_spoken() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for input in [
            "GET / HTTP/2.0\r\nHost: t.test\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/0.9\r\nHost: t.test\r\n\r\n",
            "GET / HTTP/3.0\r\nHost: t.test\r\n\r\n",
            "GET /\r\n\r\n",
            "GET /\r\nHost: t.test\r\n\r\n",
        ] {
            eprintln!("sent: {input:?}");
            let mut client = proxy.send(input);
            let answer = client.response();
            assert!(matches!(answer.status(), 505 | 400), "{answer:#?}");
            assert!(matches!(answer.reason(), "unsupported_version" | "bad_request"), "{answer:#?}");
            assert_eq!(answer.field("connection"), Some("close"));
            client.ends();
        }
        origin.assert_untouched();
    });
}

#[test]
fn case_057_method_that_is_none() {
    let long = "M".repeat(33);
    let methods = ["", "G T", "G(T", "GET/", "\"GET\"", "G\u{e4}T", "GET:", long.as_str()];
    refused(&methods.map(|m| format!("{m} / HTTP/1.1\r\nHost: t.test\r\n\r\n")));
}

#[test]
fn case_057_method_in_lower_case_is_another_method() {
    on_workers(|workers| {
        let (reads, rest) = (Origin::named("reads"), Origin::named("rest"));
        let yaml = format!(
            "routes:\n  t.test:\n    - {{ when: {{ methods: [GET] }}, to: {} }}\n    - to: {}\n",
            reads.address(),
            rest.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let ask = |m: &str| proxy.ask(format!("{m} / HTTP/1.1\r\nHost: t.test\r\n\r\n")).text();
        assert_eq!((ask("GET").as_str(), ask("get").as_str()), ("reads", "rest"));
        assert_eq!(rest.wait_request(0).method(), "get");
    });
}

#[test]
fn case_058_trace_and_track() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for method in ["TRACE", "TRACK"] {
            let answer = proxy.ask(format!("{method} / HTTP/1.1\r\nHost: t.test\r\n\r\n"));
            assert_own_answer(&answer, 405, "method_not_allowed");
            assert!(answer.has("allow"), "a 405 names what is allowed (RFC 9110 §15.5.6): {answer:#?}");
        }
        origin.assert_untouched();
    });
}

#[test]
fn case_059_sizes_of_a_head() {
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n");
    refused_as(414, "target_too_long", &[get(&format!("/{}", "a".repeat(8 * 1024)), "")]);
    // Without an end in sight, too.
    refused_as(414, "target_too_long", &[format!("GET /{}", "a".repeat(20_000))]);
    let field = format!("X-Large: {}\r\n", "x".repeat(16 * 1024));
    let many: String = (0..101).map(|n| format!("X-{n}: y\r\n")).collect();
    let large: String = (0..9).map(|n| format!("X-{n}: {}\r\n", "x".repeat(4000))).collect();
    refused_as(
        431,
        "head_too_large",
        &[
            get("/", &field),
            get("/", &many),
            get("/", &large),
            format!("GET / HTTP/1.1\r\nHost: t.test\r\nX: {}", "x".repeat(60_000)),
        ],
    );
}

#[test]
fn case_059_a_head_just_within_its_limits_passes() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let target = format!("/{}", "a".repeat(8 * 1024 - 1));
        let few: String = (0..20).map(|n| format!("X-{n}: {}\r\n", "x".repeat(1000))).collect();
        let answer = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n{few}\r\n"));
        assert_eq!(answer.status(), 200, "{answer:#?}");
        let request = origin.wait_request(0);
        assert_eq!(request.target(), target);
        assert_eq!(request.field("x-19").map(str::len), Some(1000));
        let many: String = (0..99).map(|n| format!("X-{n}: y\r\n")).collect();
        assert_eq!(proxy.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{many}\r\n")).status(), 200);
    });
}

#[test]
fn case_060_spellings_of_a_host() {
    on_workers(|workers| {
        for count in [1, 100, 1000] {
            let others: String = (1..count).map(|n| format!("  h{n}.test: {{ respond: wrong }}\n")).collect();
            let proxy = Proxy::start(workers, &format!("routes:\n  example.com: {{ respond: right }}\n{others}"));
            for host in
                ["example.com", "EXAMPLE.com", "example.com.", "example.com:80", "EXAMPLE.com.:443", "eXample.Com.:1"]
            {
                let answer = proxy.get(host, "/");
                assert_eq!((answer.status(), answer.text().as_str()), (200, "right"), "{host} among {count}");
            }
        }
    });
}

#[test]
fn case_061_unknown_host() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for host in ["u.test", "a.t.test", "t.test.evil", "tt.test", "127.0.0.1", "[::1]", "localhost"] {
            let answer = proxy.get(host, "/");
            assert_own_answer(&answer, 404, "no_route");
            // The known names are nobody's business (SECURITY.md case 189).
            assert!(!answer.text().replace(host, "").contains("t.test"), "{}", answer.text());
        }
        origin.assert_untouched();
    });
}
