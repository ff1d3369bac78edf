//! Access lines: their fields, what is masked and escaped, where they go, and that they never hold up a request.

use crate::harness::{Origin, Pair, Proxy, on_workers, poll};
use std::time::{Duration, Instant};

#[test]
fn fields_of_a_line() {
    on_workers(|workers| {
        let origin = Origin::answering("HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\nseven..");
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.send(
            "POST /a/b?c=d HTTP/1.1\r\nHost: T.test:81\r\nUser-Agent: curl/8\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        );
        let sent = client.rest();
        assert!(sent.starts_with(b"HTTP/1.1 201 "), "{:?}", String::from_utf8_lossy(&sent));
        let line = proxy.wait_access(0);
        let expect = [
            ("client", "127.0.0.1"),
            ("method", "POST"),
            ("host", "T.test:81"),
            ("path", "/a/b"),
            ("query", "c=d"),
            ("protocol", "HTTP/1.1"),
            ("route", "t.test"),
            ("user_agent", "curl/8"),
        ];
        for (key, value) in expect {
            assert_eq!(line[key], value, "{key} of {line}");
        }
        assert_eq!(line["endpoint"], origin.address());
        assert!(line["upstream"].is_string(), "{line}");
        for (key, value) in
            [("status", 201), ("upstream_status", 201), ("bytes_in", 5), ("bytes_out", sent.len()), ("attempt", 1)]
        {
            assert_eq!(line[key], value, "{key} of {line}");
        }
        for key in ["total_ms", "connect_ms", "first_byte_ms", "upstream_ms"] {
            assert!(line[key].as_f64().is_some_and(|ms| (0.0..15_000.0).contains(&ms)), "{key} of {line}");
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z') && line["request_id"].is_string(), "{line}");
        assert!(line.get("reason").is_none() && line.get("tunnel").is_none(), "{line}");
    });
}

#[test]
fn every_end_has_its_line() {
    on_workers(|workers| {
        let Pair { proxy, origin: _origin } = Pair::with(workers, Origin::ok(), "  r.test: { respond: hi }\n");
        proxy.get("u.test", "/1");
        proxy.get("r.test", "/2");
        proxy.ask("GET /3 HTTP/1.1\r\nHost: t.test\r\nHost: t.test\r\n\r\n");
        proxy.ask("nonsense\r\n\r\n");
        // Workers write their lines in batches: the order between them is not that of the requests.
        for (path, reason) in [("/1", "no_route"), ("/2", "respond"), ("/3", "bad_request"), ("", "bad_request")] {
            assert_eq!(proxy.wait_access_of(path)["reason"], reason, "{path:?}");
        }
    });
}

#[test]
fn case_185_and_186_escaped_and_masked() {
    on_workers(|workers| {
        let Pair { proxy, origin: _origin } =
            Pair::with(workers, Origin::ok(), "access_log: { to: stdout, format: json, redact: [ticket_no] }\n");
        proxy.ask(
            b"GET /p?token=s3cret&a=b&ticket-no=s3cret&api_key=s3cret HTTP/1.1\r\nHost: t.test\r\n\
              Authorization: Bearer s3cret\r\nCookie: sid=s3cret\r\n\
              User-Agent: \"quoted\"\\ \xff\xe2\x80\xae <script>\r\n\r\n",
        );
        let line = proxy.wait_access(0);
        assert!(!line.to_string().contains("s3cret"), "{line}");
        assert_eq!(line["query"], "token=***&a=b&ticket-no=***&api_key=***");
        let agent = line["user_agent"].as_str().unwrap();
        assert!(agent.starts_with("\"quoted\"\\ \u{fffd}"), "{agent:?}");
        let raw = proxy.stdout().remove(0);
        assert!(!raw.contains('\u{202e}') && !raw.contains('\x1b'), "{raw:?}");
        assert!(proxy.log().iter().all(|l| !l.contains("s3cret")));
    });
}

#[test]
fn text_for_people() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, "routes: {}\naccess_log: { to: stdout, format: text }\n");
        proxy.get("u.test", "/p");
        let line = poll("a line", || proxy.stdout().first().cloned());
        assert!(line.contains("404") && line.contains("no_route") && line.contains("/p"), "{line}");
        assert!(!line.starts_with('{') && !line.contains('\x1b'), "no colours outside of a terminal: {line:?}");
    });
}

#[test]
fn off_is_off() {
    on_workers(|workers| {
        let yaml = "routes:\n  a.test: { respond: hi, access_log: off }\n  b.test: { respond: hi }\n";
        let proxy = Proxy::start(workers, yaml);
        proxy.get("a.test", "/quiet");
        proxy.get("b.test", "/loud");
        assert_eq!(proxy.wait_access_of("/loud")["status"], 200);
        assert!(!proxy.access().iter().any(|l| l["path"] == "/quiet"));
        let mut proxy = Proxy::start(workers, &format!("{yaml}access_log: off\n"));
        proxy.get("b.test", "/");
        proxy.signal("TERM");
        proxy.wait_exit();
        assert!(proxy.stdout().is_empty(), "{:?}", proxy.stdout());
    });
}

#[test]
fn lines_are_not_lost_at_the_end() {
    on_workers(|workers| {
        let mut proxy = Proxy::start(workers, "routes: { t.test: { respond: hi } }\n");
        for _ in 0..50 {
            assert_eq!(proxy.get("t.test", "/").status(), 200);
        }
        proxy.signal("TERM");
        assert_eq!(proxy.wait_exit().code(), Some(0));
        poll("all lines", || (proxy.access().len() == 50).then_some(()));
    });
}

#[test]
fn file_is_reopened_on_a_signal() {
    on_workers(|workers| {
        let logs = crate::harness::TempDir::new();
        let file = logs.file("access.log");
        let yaml = format!("routes: {{ t.test: {{ respond: hi }} }}\naccess_log: {}\n", file.display());
        let proxy = Proxy::start(workers, &yaml);
        let lines = |name: &str| {
            let text = std::fs::read_to_string(logs.file(name)).unwrap_or_default();
            text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()).collect::<Vec<_>>()
        };
        proxy.get("t.test", "/before");
        poll("a line in the file", || (lines("access.log").len() == 1).then_some(()));
        std::fs::rename(&file, logs.file("access.log.1")).unwrap();
        proxy.signal("USR1");
        poll("the file made anew", || file.exists().then_some(()));
        proxy.get("t.test", "/after");
        poll("a line in the new file", || (lines("access.log").len() == 1).then_some(()));
        assert_eq!(lines("access.log")[0]["path"], "/after");
        assert_eq!(lines("access.log.1").len(), 1);
        // Queries and addresses are nothing for everybody on the machine.
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o027, 0, "{mode:o}");
        assert!(proxy.stdout().is_empty());
    });
}

#[test]
fn case_187_blocked_sink_holds_up_no_request() {
    on_workers(|workers| {
        // A pipe that nobody reads: its 64 KiB are full after some hundred lines.
        let (reader, writer) = std::io::pipe().unwrap();
        let proxy = Proxy::start_with(workers, "routes: { t.test: { respond: hi } }\n", |command| {
            command.stdout(writer);
        });
        let mut client = proxy.connect();
        let start = Instant::now();
        let agent = "x".repeat(800);
        let mut served = 0;
        for _ in 0..900 {
            client.send(format!("GET / HTTP/1.1\r\nHost: t.test\r\nUser-Agent: {agent}\r\n\r\n"));
            assert_eq!(client.response().status(), 200);
            served += 1;
        }
        assert_eq!(served, 900);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        drop(reader);
        // Nobody will ever read: still no reason to fail.
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
    });
}

#[test]
fn file_that_cannot_be_written() {
    on_workers(|workers| {
        let yaml = "routes: { t.test: { respond: hi } }\naccess_log: /dev/full\n";
        let proxy = Proxy::start(workers, yaml);
        for _ in 0..20 {
            assert_eq!(proxy.get("t.test", "/").status(), 200);
        }
        proxy.stop();
    });
}
