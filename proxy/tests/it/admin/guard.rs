//! Cases 176 to 182: who may ask, and how.

use super::{ADMIN, ask, change, json};
use crate::harness::{Proxy, TempDir, Wire, poll, run};
use serde_json::Value;

#[test]
fn case_176_only_this_machine_reaches_it() {
    let dir = TempDir::new();
    for (admin, word) in [
        ("0.0.0.0:9900", "this machine alone"),
        (":9900", "this machine alone"),
        ("192.0.2.1:9900", "without TLS and a token"),
    ] {
        dir.write("switchboard.yaml", &format!("admin: {admin}\n"));
        let output = run(dir.path(), &["check"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{admin}");
        assert!(said.contains("switchboard.yaml:1:8") && said.contains(word) && said.contains("ssh -L"), "{said}");
    }
    let proxy = Proxy::start(1, ADMIN);
    assert!(proxy.admin().ip().is_loopback());
    use std::os::unix::fs::PermissionsExt as _;
    for file in ["state/control.sock", "state/admin-token"] {
        let mode = std::fs::metadata(proxy.dir().file(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(proxy.token().len(), 64);
}

#[test]
fn case_177_another_host_is_refused_before_routing() {
    let proxy = Proxy::start(1, ADMIN);
    for host in ["evil.example", "evil.example:9900", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"] {
        for path in ["/health", "/nothing/here"] {
            let answer = ask(&proxy, &format!("GET {path}"), &[&format!("Host: {host}")]);
            assert_eq!(answer.status(), 403, "{host} {path}");
        }
    }
    assert_eq!(ask(&proxy, "GET http://evil.example/health", &["Host: localhost"]).status(), 403);
    assert_eq!(ask(&proxy, "GET /health", &["Host: localhost", "Host: evil.example"]).status(), 403);
    for host in ["localhost", "localhost:12345", "127.0.0.1", "[::1]:9900"] {
        assert_eq!(ask(&proxy, "GET /health", &[&format!("Host: {host}")]).status(), 200, "{host}");
    }
}

#[test]
fn case_178_pages_of_others_are_refused() {
    let proxy = Proxy::start(1, ADMIN);
    for line in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: https://localhost",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Mode: no-cors",
        "Upgrade: websocket",
    ] {
        assert_eq!(ask(&proxy, "GET /v1/status", &[line]).status(), 403, "{line}");
    }
    for line in
        ["Origin: http://localhost", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: cors"]
    {
        assert_eq!(ask(&proxy, "GET /v1/status", &[line]).status(), 200, "{line}");
    }
}

#[test]
fn case_179_changes_are_json_and_bear_the_token() {
    let proxy = Proxy::start(1, ADMIN);
    let bearer = format!("Authorization: Bearer {}", proxy.token());
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [bearer.as_str(), &format!("Content-Type: {kind}"), "Content-Length: 0"];
        assert_eq!(ask(&proxy, "POST /v1/reload", &headers).status(), 415, "{kind}");
    }
    let answer = ask(&proxy, "POST /v1/reload", &["Content-Length: 0", &format!("Cookie: token={}", proxy.token())]);
    assert_eq!(answer.status(), 401);
    assert!(json(&answer)["error"]["message"].as_str().unwrap().contains("admin-token"));
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    // The file's mode is the guard of the socket.
    let mut wire = Wire::connect_unix(&proxy.dir().file("state/control.sock"));
    wire.offer("POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.response().status(), 200);
}

#[test]
fn case_180_guesses_cost_time_and_are_written_down() {
    let proxy = Proxy::start(1, ADMIN);
    let start = std::time::Instant::now();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let address = proxy.admin();
            std::thread::spawn(move || {
                let guess = |n: usize| {
                    let mut wire = Wire::connect(address);
                    wire.offer(format!(
                        "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {n:064}\r\nConnection: \
                         close\r\n\r\n"
                    ));
                    wire.response().status()
                };
                (0..8).map(guess).collect::<Vec<_>>()
            })
        })
        .collect();
    let statuses: Vec<u16> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|s| **s == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == 429).count(), 12, "{statuses:?}");
    assert!(start.elapsed().as_millis() > 1500, "guessing is slowed down: {:?}", start.elapsed());
    // Who has the token is not locked out by those who have not.
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    poll("the audit log", || {
        let log = proxy.log();
        let lines: Vec<Value> = log.iter().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let audit = |status| lines.iter().filter(|l| l["message"] == "audit" && l["status"] == status).count();
        (audit(401) == 20 && audit(429) == 12 && audit(200) == 1).then_some(())
    });
    assert!(!proxy.log().join("\n").contains(&proxy.token()), "the token is never logged");
}

#[test]
fn case_181_paths_are_taken_as_they_are() {
    let proxy = Proxy::start(1, ADMIN);
    for path in ["/v1/statusx", "/v1/status/", "/v1/x/../status", "//v1/status", "/v1/%2e%2e/v1/status", "/V1/status"] {
        assert_eq!(ask(&proxy, &format!("GET {path}"), &[]).status(), 404, "{path}");
    }
    assert_eq!(ask(&proxy, "DELETE /v1/status", &[&format!("Authorization: Bearer {}", proxy.token())]).status(), 405);
}
