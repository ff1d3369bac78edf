//! Registered routes: put, read, renewed, ended, kept; layered over the file; and never lost once acknowledged.

use super::{ADMIN, ask, change, json};
use crate::harness::{Message, Proxy, TempDir, Wire, on_workers, poll, run};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const RESPOND: &str = r#"{"respond": "hello", "owner": "ann"}"#;

/// A change on a connection that stays open.
fn keep_changing(wire: &mut Wire, token: &str, line: &str, body: &str) -> Message {
    wire.offer(format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    wire.response()
}

#[test]
fn a_route_is_in_force_when_the_answer_comes() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, ADMIN);
        let (mut admin, token) = (Wire::connect(proxy.admin()), proxy.token());
        let mut clients: Vec<Wire> = (0..4).map(|_| proxy.connect()).collect();
        for round in 0..50 {
            let body = format!("{{\"respond\": \"{round}\"}}");
            let put = keep_changing(&mut admin, &token, "PUT /v1/routes/t.test%2Fdeep", &body);
            assert_eq!(put.status(), if round == 0 { 201 } else { 200 });
            for client in &mut clients {
                client.offer("GET /deep/x HTTP/1.1\r\nHost: t.test\r\n\r\n");
                assert_eq!(client.response().text(), round.to_string());
            }
        }
        assert_eq!(keep_changing(&mut admin, &token, "DELETE /v1/routes/t.test%2Fdeep", "").status(), 200);
        for client in &mut clients {
            client.offer("GET /deep/x HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.response().status(), 404);
        }
    });
}

#[test]
fn shows_lists_and_filters() {
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{ file.test: {{ respond: file }} }}\n"));
    assert_eq!(change(&proxy, "PUT /v1/routes/a.test", RESPOND).status(), 201);
    assert_eq!(change(&proxy, "PUT /v1/routes/B.test", r#"{"respond": "b", "ttl": "1h"}"#).status(), 201);
    let keys = |query: &str| {
        let list = json(&ask(&proxy, &format!("GET /v1/routes{query}"), &[]));
        let keys = list["routes"].as_array().unwrap().iter().map(|r| r["key"].as_str().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(""), ["file.test", "a.test", "b.test"]);
    assert_eq!(keys("?source=file"), ["file.test"]);
    assert_eq!(keys("?source=registry&prefix=b"), ["b.test"]);
    assert_eq!(keys("?owner=ann"), ["a.test"]);
    assert_eq!(ask(&proxy, "GET /v1/routes?wonder=1", &[]).status(), 400);
    let b = json(&ask(&proxy, "GET /v1/routes/b.test", &[]));
    assert_eq!((&b["ttl_seconds"], &b["state"]), (&3600.0.into(), &"in_force".into()));
    assert_eq!(ask(&proxy, "GET /v1/routes/nobody.test", &[]).status(), 404);
    let bad = change(&proxy, "PUT /v1/routes/a.test", "{\n \"respnd\": \"x\"}");
    assert_eq!(bad.status(), 422);
    assert_eq!(json(&bad)["error"]["errors"][0]["line"], 2);
    assert!(json(&bad)["error"]["errors"][0]["message"].as_str().unwrap().contains("did you mean `respond`?"));
    assert_eq!(proxy.get("a.test", "/").text(), "hello", "what is refused changes nothing");
    let dry = change(&proxy, "PUT /v1/routes/dry.test?dry_run=true", RESPOND);
    assert_eq!((dry.status(), &json(&dry)["dry_run"]), (200, &true.into()));
    assert_eq!(proxy.get("dry.test", "/").status(), 404);
    assert_eq!(change(&proxy, "PUT /v1/routes/sync.test?durability=sync", RESPOND).status(), 201);
}

#[test]
fn case_182_bodies_are_bounded() {
    let proxy = Proxy::start(1, ADMIN);
    let long = format!("{{\"respond\": \"{}\"}}", "x".repeat(8 << 20));
    assert_eq!(change(&proxy, "PUT /v1/routes/a.test", &long).status(), 413);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(change(&proxy, "PUT /v1/routes/a.test", &deep).status(), 422);
    for body in [r#"{"respond": "x", "status": 1e999999}"#, "{\"respond\": ", "\u{1}", r#"{"respond": "${HOME}"}"#] {
        assert_eq!(change(&proxy, "PUT /v1/routes/a.test", body).status(), 422, "{body}");
    }
    assert_eq!(ask(&proxy, "GET /health", &[]).status(), 200);
}

#[test]
fn case_184_secrets_are_masked_and_edits_meet_their_version() {
    let proxy = Proxy::start(1, ADMIN);
    let secret = r#"{"to": ":9", "request_headers": {"set": {"Authorization": "Bearer s3cret", "x-plain": "hidden"}}}"#;
    let put = change(&proxy, "PUT /v1/routes/a.test", secret);
    assert_eq!(put.status(), 201, "{}", put.text());
    for text in [put.text().to_owned(), ask(&proxy, "GET /v1/routes", &[]).text().to_owned()] {
        assert!(!text.contains("s3cret") && !text.contains("hidden") && text.contains("x-plain"), "{text}");
    }
    // Who may use the socket may read the journal, and an export without them would be another route.
    let config = proxy.config().display().to_string();
    for (command, whole) in [("export", true), ("list", false)] {
        let text = String::from_utf8(run(proxy.dir().path(), &["route", command, "-c", &config]).stdout).unwrap();
        assert!(text.contains("s3cret") == whole && text.contains("x-plain"), "{text}");
    }
    let etag = put.field("etag").unwrap().to_owned();
    let edit = |headers: &str| {
        let mut wire = Wire::connect(proxy.admin());
        wire.offer(format!(
            "PUT /v1/routes/a.test HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{RESPOND}",
            proxy.token(),
            RESPOND.len()
        ));
        wire.response().status()
    };
    assert_eq!(edit(&format!("If-Match: {etag}\r\n")), 200);
    assert_eq!(edit(&format!("If-Match: {etag}\r\n")), 412, "another came in between");
    assert_eq!(edit("If-None-Match: *\r\n"), 412);
    assert_eq!(edit("If-Match: *\r\n"), 200);
}

#[test]
fn case_184_an_etag_means_one_state_of_one_route_for_ever() {
    let mut proxy = Proxy::start(1, ADMIN);
    let text = std::fs::read_to_string(proxy.config()).unwrap();
    let before = change(&proxy, "PUT /v1/routes/a.test", RESPOND).field("etag").unwrap().to_owned();
    proxy.signal("KILL");
    proxy.wait_exit();
    // What a compaction or a damaged file may leave: nothing that tells which versions there were.
    std::fs::remove_file(proxy.dir().file("state/registry.journal")).unwrap();
    let again = Proxy::start_with(1, ADMIN, |command| {
        std::fs::write(command.get_args().last().unwrap(), &text).unwrap();
    });
    for _ in 0..3 {
        let put = keep_changing(&mut Wire::connect(again.admin()), &proxy.token(), "PUT /v1/routes/b.test", RESPOND);
        assert_eq!(put.status(), 201);
        assert_ne!(put.field("etag"), Some(&*before));
        keep_changing(&mut Wire::connect(again.admin()), &proxy.token(), "DELETE /v1/routes/b.test", "");
    }
}

#[test]
fn leases_end_unless_they_are_renewed() {
    let proxy = Proxy::start(1, ADMIN);
    let start = Instant::now();
    change(&proxy, "PUT /v1/routes/short.test", r#"{"respond": "short", "ttl": "4s"}"#);
    change(&proxy, "PUT /v1/routes/kept.test", r#"{"respond": "kept", "ttl": "4s"}"#);
    poll("the lease to end", || {
        assert_eq!(change(&proxy, "POST /v1/routes/kept.test/renew", "").status(), 200);
        (proxy.get("short.test", "/").status() == 404).then_some(())
    });
    assert!(start.elapsed() >= Duration::from_millis(3900), "it ended too early: {:?}", start.elapsed());
    assert_eq!(proxy.get("kept.test", "/").text(), "kept");
    assert_eq!(change(&proxy, "POST /v1/routes/short.test/renew", "").status(), 404);
}

#[test]
fn the_file_and_the_registry_are_layers() {
    for (clash, refused, text) in [("refuse", true, "file"), ("overlay", false, "hello")] {
        let yaml = format!("{ADMIN}registry: {{ clash: {clash} }}\nroutes: {{ file.test: {{ respond: file }} }}\n");
        let proxy = Proxy::start(1, &yaml);
        let put = change(&proxy, "PUT /v1/routes/file.test", RESPOND);
        assert_eq!(put.status(), if refused { 409 } else { 201 }, "{}", put.text());
        assert_eq!(proxy.get("file.test", "/").text(), text);
        change(&proxy, "PUT /v1/routes/mine.test", RESPOND);
        // A reload keeps what is registered; a key that the file takes now is settled as `clash` says.
        let more = yaml.replace("{ respond: file }", "{ respond: file }, mine.test: { respond: file }");
        proxy.write_config(&more);
        let reload = run(proxy.dir().path(), &["reload", "-c", &proxy.config().display().to_string()]);
        assert!(reload.status.success(), "{reload:?}");
        assert_eq!(proxy.get("mine.test", "/").text(), text);
        let state = json(&ask(&proxy, "GET /v1/routes/mine.test", &[]))["state"].clone();
        assert_eq!(state, if refused { "hidden" } else { "in_force" });
        proxy.write_config(&yaml);
        let reload = run(proxy.dir().path(), &["reload", "-c", &proxy.config().display().to_string()]);
        assert!(reload.status.success(), "{reload:?}");
        assert_eq!(proxy.get("mine.test", "/").text(), "hello", "it is in force again");
        if !refused {
            assert_eq!(change(&proxy, "DELETE /v1/routes/file.test", "").status(), 200);
            assert_eq!(proxy.get("file.test", "/").text(), "file", "what was overlaid is back");
        }
    }
}

#[test]
fn the_command_line_speaks_to_it() {
    let proxy = Proxy::start(1, "routes: { file.test: { respond: file } }\n");
    let config = proxy.config().display().to_string();
    let route = |arguments: &[&str]| {
        let output = run(proxy.dir().path(), &[&["route"], arguments, &["-c", &config]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, text) = route(&["add", "t.test/x", r#"{"respond": "hi"}"#, "--owner", "ann", "--ttl", "1h"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(proxy.get("t.test", "/x").text(), "hi");
    for (arguments, expect) in [
        (&["list"][..], "KEY        SOURCE    STATE     OWNER  LEASE  TARGET\n"),
        (&["ls"], "\nt.test/x   registry  in_force  ann    "),
        (&["list", "--json", "--owner", "ann"], "\"key\": \"t.test/x\""),
        (&["diff"], "+ t.test/x"),
        (&["show", "t.test/x"], "\"respond\": \"hi\""),
        (&["renew", "t.test/x"], "1h left"),
        (&["export"], "\"t.test/x\": {\"respond\":\"hi\"}"),
        (&["remove", "t.test/x"], "removed t.test/x"),
    ] {
        let (code, text) = route(arguments);
        assert!(code == Some(0) && text.contains(expect), "{arguments:?}: {text}");
    }
    assert_eq!(proxy.get("t.test", "/x").status(), 404);
    let (code, text) = route(&["add", "t.test", "nobody"]);
    assert!(code == Some(1) && text.contains("there is no upstream `nobody`"), "{text}");
    assert_eq!(route(&["remove", "t.test"]).0, Some(1));
    for (arguments, expect) in [
        (&["remove", "file.test"][..], "stands in the configuration file"),
        (&["add", "x.test", ":1", "--ttl", "10"], "--ttl 10: write a number and a unit"),
        (&["add", "x.test", ":1", "--dry-run"], "(dry run: nothing has changed)"),
    ] {
        let (_, text) = route(arguments);
        assert!(text.contains(expect), "{arguments:?}: {text}");
    }
}

/// Sends a request and reads the answer; nothing where the other side ended before.
fn status_of(stream: &mut TcpStream, request: &str) -> Option<u16> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
            if body.len() >= length {
                return head.split(' ').nth(1)?.parse().ok();
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more) {
            Ok(0) | Err(_) => return None,
            Ok(read) => answer.extend_from_slice(&more[..read]),
        }
    }
}

/// Kills the proxy in the midst of writes, starts it again, and looks for what was acknowledged.
fn kill_and_look(rounds: usize) {
    let mut proxy = Proxy::start(1, ADMIN);
    let text = std::fs::read_to_string(proxy.config()).unwrap();
    let token = proxy.token();
    let mut acknowledged = std::collections::BTreeMap::new();
    // The state directory is the first one's: it stays as long as they all.
    let mut ended = Vec::new();
    for round in 0..rounds {
        let (address, token) = (proxy.admin(), token.clone());
        let writer = std::thread::spawn(move || {
            // On a busy machine the kill may come before the first write.
            let Ok(mut stream) = TcpStream::connect(address) else { return (Vec::new(), None) };
            let mut done: Vec<(String, Option<String>)> = Vec::new();
            for number in 0.. {
                let key = format!("k{}.test", (round * 7 + number) % 40);
                let value = format!("{round}-{number}");
                let (line, body, value) = match number % 5 {
                    4 => (format!("DELETE /v1/routes/{key}"), String::new(), None),
                    _ => (format!("PUT /v1/routes/{key}"), format!("{{\"respond\": \"{value}\"}}"), Some(value)),
                };
                let request = format!(
                    "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: \
                     application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                match status_of(&mut stream, &request) {
                    Some(200 | 201 | 404) => done.push((key, value)),
                    _ => return (done, Some((key, value))),
                }
            }
            (done, None)
        });
        std::thread::park_timeout(Duration::from_millis(20 + (round as u64 * 13) % 60));
        proxy.signal("KILL");
        proxy.wait_exit();
        let (done, unsure) = writer.join().unwrap();
        acknowledged.extend(done);
        let again = Proxy::start_with(1, ADMIN, |command| {
            std::fs::write(command.get_args().last().unwrap(), &text).unwrap();
        });
        assert!(!again.log().iter().any(|line| line.contains("damaged")), "{}", again.log().join("\n"));
        for (key, value) in &mut acknowledged {
            let answer = again.get(key, "/");
            let found = (answer.status() == 200).then(|| answer.text().to_owned());
            // The one that was under way when it ended may be there or not.
            if let Some((_, wanted)) = unsure.as_ref().filter(|(unsure, _)| unsure == key)
                && found == *wanted
            {
                value.clone_from(&found);
            }
            assert_eq!(found, *value, "round {round}: {key}");
        }
        ended.push(std::mem::replace(&mut proxy, again));
    }
}

#[test]
fn a_kill_in_the_midst_of_writes_loses_nothing() {
    kill_and_look(20);
}

#[test]
#[ignore = "long: two hundred starts"]
fn two_hundred_kills_lose_nothing() {
    kill_and_look(200);
}

#[test]
fn the_command_line_names_the_mend_where_it_lacks_something() {
    let proxy = Proxy::start(1, ADMIN);
    let (elsewhere, state) = (TempDir::new(), proxy.dir().file("state").display().to_string());
    let (admin, file) =
        (proxy.admin().to_string(), elsewhere.write("broken.yaml", "routes: [\n").display().to_string());
    let none = elsewhere.write("other.yaml", &format!("state_dir: {}\n", elsewhere.file("none").display()));
    let none = none.display().to_string();
    let said = |arguments: &[&str]| {
        let output = run(elsewhere.path(), arguments);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let url = format!("http://{admin}");
    let socket = format!("{state}/control.sock");
    for (arguments, code, expect) in [
        (&["route", "add", "a.test", ":1", "--admin", &admin, "-c", &none][..], 1, "add --state-dir DIR"),
        (&["route", "add", "a.test", ":1", "--admin", &admin, "-c", &none], 1, "none/admin-token: No such file"),
        (&["drain", "a.test", "--admin", &admin, "-c", &file], 1, "give DIR/control.sock as --admin"),
        (&["reload", "--admin", &url, "--state-dir", &state, "-c", &file], 0, "nothing has changed"),
        (&["route", "add", "a.test", ":1", "--admin", &socket], 0, "a.test  registry"),
        (&["route", "list", "--admin", &url, "-c", &file], 0, "a.test  registry"),
        (&["route", "list", "--state-dir", &state, "-c", &file], 0, "a.test  registry"),
        (&["route", "list", "-c", &file], 1, "name it with --state-dir DIR or --admin ADDRESS"),
        (&["top", "--once", "-c", &file], 1, "name it with --state-dir DIR or --admin ADDRESS"),
        (&["route", "list", "-c", &none], 1, "with --state-dir DIR or --admin ADDRESS"),
    ] {
        let (ended, text) = said(arguments);
        assert!(ended == Some(code) && text.contains(expect), "{arguments:?}: {text}");
    }
}
