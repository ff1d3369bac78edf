//! Requests and answers in HTTP/2 (SECURITY cases 79–98): what is refused never reaches an origin, what is right arrives
//! as it would have in HTTP/1.

use super::proxy;
use crate::harness::h2::{
    DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NONE, RST_STREAM, SETTINGS, field, fields, frame, get,
    request,
};
use crate::harness::{Origin, Proxy, on_workers, poll};

const PROTOCOL: u32 = 1;

/// Opens a stream with these fields, and asserts that it is reset and that nobody hears of it.
#[track_caller]
fn refused(proxy: &Proxy, origin: &Origin, block: Vec<u8>) {
    let text = String::from_utf8_lossy(&block).into_owned();
    let mut client = Frames::begin(proxy);
    client.offer(frame(HEADERS, END_HEADERS | END_STREAM, 1, block));
    let verdict = client.wait("a verdict", |frame| matches!(frame.kind, RST_STREAM | HEADERS | GOAWAY));
    assert!(verdict.kind != HEADERS, "{text:?} was answered");
    assert_eq!(verdict.code(), PROTOCOL, "{text:?}");
    // Where the block itself can't be read, the connection ends; else it goes on.
    if verdict.kind == RST_STREAM {
        client.offer(get(3));
        assert_eq!(client.status(3), 200);
    }
    assert!(origin.requests().iter().all(|request| request.target() == "/" && request.method() == "GET"), "{text:?}");
}

fn with_origin(test: impl Fn(&Proxy, &Origin)) {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        test(&proxy, &origin);
    });
}

/// A request whose pseudo-fields are given.
fn pseudo(list: &[(&str, &str)]) -> Vec<u8> {
    fields(list)
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "t.test");

#[test]
fn cases_079_to_081_fields() {
    with_origin(|proxy, origin| {
        let odd = |name, value| refused(proxy, origin, request("GET", &[(name, value)]));
        for value in ["a\rb", "a\nb", "a\0b", " a", "a ", "\ta", "a\t"] {
            odd("x", value);
        }
        for name in ["X-Upper", "x y", "", "x:y", "x\n", "x\0", "x\u{7f}"] {
            odd(name, "v");
        }
        for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
            odd(name, "chunked");
        }
        odd("te", "gzip");
    });
}

#[test]
fn case_082_pseudo_fields_that_are_missing_doubled_unknown_or_late() {
    with_origin(|proxy, origin| {
        let whole = [METHOD, SCHEME, PATH, AUTHORITY];
        for (index, one) in whole.iter().enumerate() {
            let without: Vec<_> = whole.iter().filter(|field| *field != one).copied().collect();
            refused(proxy, origin, pseudo(&without));
            refused(proxy, origin, pseudo(&[&whole[..], &[*one]].concat()));
            let mut late = without;
            late.insert(index.min(2), ("x", "y"));
            refused(proxy, origin, pseudo(&[&late[..], &[*one]].concat()));
        }
        for unknown in [":unknown", ":status", ":", ":Path"] {
            refused(proxy, origin, pseudo(&[&[(unknown, "200")], &whole[..]].concat()));
        }
        // In trailers none may be; what has gone up by then is broken off.
        for (name, value) in [(":path", "/"), (":status", "200"), (":unknown", "x")] {
            let mut client = Frames::begin(proxy);
            let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, field(name, value));
            client.offer([frame(HEADERS, END_HEADERS, 1, request("POST", &[])), late].concat());
            assert_eq!(client.reset_of(1), PROTOCOL, "{name} in trailers");
        }
        assert!(origin.requests().iter().all(|request| request.method() == "GET"));
    });
}

#[test]
fn cases_083_to_087_pseudo_fields() {
    with_origin(|proxy, origin| {
        for path in ["", "x", "/a b", "/a\tb", "/a\u{1}", "http://t.test/", "*"] {
            refused_or_400(proxy, pseudo(&[METHOD, SCHEME, (":path", path), AUTHORITY]));
        }
        for scheme in ["http://a/?", "https", "ftp", ""] {
            refused(proxy, origin, pseudo(&[METHOD, (":scheme", scheme), PATH, AUTHORITY]));
        }
        for method in ["GET /x HTTP/1.1", "G T", "", "G\nT"] {
            refused(proxy, origin, pseudo(&[(":method", method), SCHEME, PATH, AUTHORITY]));
        }
        refused(proxy, origin, [pseudo(&[METHOD, SCHEME, PATH, AUTHORITY]), field("host", "other.test")].concat());
        refused(
            proxy,
            origin,
            [pseudo(&[METHOD, SCHEME, PATH]), fields(&[("host", "t.test"), ("host", "t.test")])].concat(),
        );
        refused(proxy, origin, pseudo(&[METHOD, SCHEME, PATH]));
        for authority in ["user@t.test", "user:pass@t.test", "t.test:0", "a b", "t.test/x"] {
            refused_or_400(proxy, pseudo(&[METHOD, SCHEME, PATH, (":authority", authority)]));
        }
        // Equal ones are one, and a Host alone will do.
        let before = origin.requests().len();
        for block in [
            [pseudo(&[METHOD, SCHEME, PATH, AUTHORITY]), field("host", "T.test")].concat(),
            [pseudo(&[METHOD, SCHEME, PATH]), field("host", "t.test")].concat(),
        ] {
            let mut client = Frames::begin(proxy);
            client.offer(frame(HEADERS, END_HEADERS | END_STREAM, 1, block));
            assert_eq!(client.status(1), 200);
        }
        for request in &origin.requests()[before..] {
            assert_eq!(request.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count(), 1);
            assert_eq!(request.field("host"), Some("t.test"));
        }
    });
}

/// As `refused`, where an answer of ours may say what is wrong instead.
#[track_caller]
fn refused_or_400(proxy: &Proxy, block: Vec<u8>) {
    let text = String::from_utf8_lossy(&block).into_owned();
    let mut client = Frames::begin(proxy);
    client.offer(frame(HEADERS, END_HEADERS | END_STREAM, 1, block));
    let frame = client.wait("a verdict", |frame| matches!(frame.kind, RST_STREAM | HEADERS | GOAWAY));
    match frame.kind {
        HEADERS => assert_eq!(frame.status(), 400, "{text:?}"),
        _ => assert_eq!(frame.code(), PROTOCOL, "{text:?}"),
    }
}

/// Sends frames of a POST, and asserts that it is reset and that no origin hears of a whole one.
fn breaks_off(what: &str, frames: &[Vec<u8>]) {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        client.offer(frames.concat());
        assert_eq!(client.reset_of(1), PROTOCOL, "{what}");
        // What had gone up was broken off, and its connection serves nobody else.
        origin.wait_all_ended();
        assert!(origin.requests().is_empty(), "{what}: {:#?}", origin.requests());
    });
}

fn post(further: &[(&str, &str)], flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, request("POST", further))
}

fn body(text: &str, flags: u8) -> Vec<u8> {
    frame(DATA, flags, 1, text)
}

#[test]
fn case_088_a_length_and_no_body() {
    breaks_off("88", &[post(&[("content-length", "10")], END_STREAM)]);
}

#[test]
fn case_089_less_than_the_length() {
    let head = post(&[("content-length", "10")], NONE);
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x-late", "y"));
    breaks_off("89", &[head.clone(), body("five5", END_STREAM)]);
    breaks_off("89 with trailers", &[head, body("five5", NONE), trailers]);
}

#[test]
fn case_090_more_than_the_length() {
    let head = post(&[("content-length", "5")], NONE);
    breaks_off("90", &[head.clone(), body("tenbytes10", END_STREAM)]);
    breaks_off("90 in two", &[head, body("five5", NONE), body("more", END_STREAM)]);
}

#[test]
fn case_093_two_lengths_and_none() {
    breaks_off("93", &[post(&[("content-length", "5"), ("content-length", "6")], NONE), body("five5", END_STREAM)]);
    breaks_off("no number", &[post(&[("content-length", "+5")], NONE), body("five5", END_STREAM)]);
}

#[test]
fn case_094_cookie_crumbs_are_one_field_for_http1() {
    with_origin(|proxy, origin| {
        let before = origin.requests().len();
        let mut client = Frames::begin(proxy);
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        client.offer(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("GET", &crumbs)));
        assert_eq!(client.status(1), 200);
        assert_eq!(origin.requests()[before].field("cookie"), Some("a=1; b=2; c=3"));
    });
}

#[test]
fn case_097_no_upgrade_to_h2c_and_no_prior_knowledge_unless_asked_for() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let listening = proxy(workers, &origin, "");
        let answer = listening.ask(
            "GET / HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        );
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
        let plain = Proxy::start(workers, &format!("routes: {{ t.test: \"{}\" }}\n", origin.address()));
        let mut client = Frames::begin(&plain);
        client.offer(get(1));
        let text = String::from_utf8_lossy(&client.wire().rest()).into_owned();
        assert!(text.starts_with("HTTP/1.1 505 ") || text.starts_with("HTTP/1.1 400 "), "{text}");
    });
}

#[test]
fn case_098_interim_answers_and_trailers_pass_in_order() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while wire.request().is_some() {
                wire.offer("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
                wire.offer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-late: yes\r\n\r\n");
            }
        });
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        let head = request("POST", &[("te", "trailers")]);
        let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(&[("x-sum", "1"), ("content-type", "x")]));
        client.offer([frame(HEADERS, END_HEADERS, 1, head), frame(DATA, NONE, 1, "up"), late].concat());
        assert_eq!([client.status(1), client.status(1), client.status(1)], [103, 102, 200]);
        assert_eq!(client.wait("DATA", |frame| frame.kind == DATA).payload, b"ok");
        let trailers = client.wait("trailers", |frame| frame.kind == HEADERS);
        assert_eq!(trailers.flags & END_STREAM, END_STREAM);
        // The request's trailers came as the origin's; what may not come late did not.
        let came = String::from_utf8_lossy(&origin.received()).into_owned();
        assert!(came.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{came}");
    });
}

/// A body that is sent once more ends as it did the first time.
#[test]
fn trailers_go_up_with_every_attempt() {
    on_workers(|workers| {
        let refusing = Origin::answering("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
        let taking = Origin::ok();
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes: {{ t.test: {{ to: [\"{}\", \"{}\"], \
             retry: {{ causes: [503], retries: 1 }} }} }}\n",
            refusing.address(),
            taking.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for _ in 0..2 {
            let mut client = Frames::begin(&proxy);
            let head = request("PUT", &[("te", "trailers")]);
            let late = frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x-sum", "1"));
            client.offer([frame(HEADERS, END_HEADERS, 1, head), frame(DATA, NONE, 1, "up"), late].concat());
            assert_eq!(client.status(1), 200);
        }
        assert!(!refusing.requests().is_empty(), "nothing was sent again");
        for request in refusing.requests().iter().chain(&taking.requests()) {
            assert_eq!((request.text().as_str(), request.trailers.len()), ("up", 1));
        }
    });
}

#[test]
fn case_112_a_reset_reaches_the_origin() {
    on_workers(|workers| {
        let origin = Origin::silent();
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        client.offer([get(1), frame(HEADERS, END_HEADERS, 3, request("POST", &[]))].concat());
        origin.wait_head(1);
        client.offer(
            [frame(RST_STREAM, NONE, 1, 8_u32.to_be_bytes()), frame(RST_STREAM, NONE, 3, 8_u32.to_be_bytes())].concat(),
        );
        origin.wait_all_ended();
        for n in 0..2 {
            assert_eq!(proxy.wait_access(n)["reason"], "client_gone");
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_a_reset_and_no_end() {
    on_workers(|workers| {
        let origin = Origin::closing("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        client.offer(get(1));
        // The head may not have left when the rest failed.
        assert_eq!(client.reset_of(1), 2, "INTERNAL_ERROR");
        assert_eq!(proxy.wait_access(0)["reason"], "upstream_reset");
    });
}

#[test]
fn many_streams_of_one_connection_are_served_at_once() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        client.offer((0..50).flat_map(|n| get(1 + 2 * n)).collect::<Vec<u8>>());
        let mut answered = 0;
        while answered < 50 {
            let frame = client.wait("answers", |frame| frame.kind == HEADERS);
            assert_eq!(frame.status(), 200);
            answered += 1;
        }
        assert_eq!(proxy.wait_access(49)["protocol"], "HTTP/2.0");
    });
}

#[test]
fn a_drain_says_goodbye_in_two_steps_and_finishes_what_it_has() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while wire.request().is_some() {
                poll("a drain", || wire.stirred().then_some(()).or(Some(())));
                std::thread::park_timeout(std::time::Duration::from_millis(300));
                wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let mut proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        client.wait("SETTINGS", |frame| frame.kind == SETTINGS);
        client.offer(get(1));
        origin.wait_head(0);
        proxy.signal("TERM");
        let last = |frame: &crate::harness::h2::Frame| u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
        let first = client.wait("GOAWAY", |frame| frame.kind == GOAWAY);
        assert_eq!((last(&first), first.code()), ((1 << 31) - 1, 0), "nothing is refused yet");
        let ping = client.wait("PING", |frame| frame.kind == 6);
        client.offer(frame(6, 1, 0, ping.payload));
        let second = client.wait("the second GOAWAY", |frame| frame.kind == GOAWAY);
        assert_eq!((last(&second), second.code()), (1, 0));
        assert_eq!(client.status(1), 200);
        assert_eq!(proxy.wait_exit().code(), Some(0));
    });
}
