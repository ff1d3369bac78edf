//! What can be seen: health, readiness, status, metrics; and that the data plane goes on without it.

use super::{ADMIN, ask, json};
use crate::harness::{Proxy, TempDir, Wire, on_workers, poll, run};

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const ROUTES: &str = "routes: { t.test: { respond: hello } }\n";

#[test]
fn tells_how_the_proxy_is() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &format!("{ADMIN}{ROUTES}"));
        assert_eq!(ask(&proxy, "GET /health", &[]).text(), "ok\n");
        assert_eq!(ask(&proxy, "GET /ready", &[]).text(), "ready\n");
        assert_eq!(proxy.get("t.test", "/").text(), "hello");
        assert_eq!(proxy.get("other.test", "/").status(), 404);
        let status = poll("the requests to be counted", || {
            let status = json(&ask(&proxy, "GET /v1/status", &[]));
            (status["totals"]["requests"] == 2).then_some(status)
        });
        assert_eq!(status["workers"], workers);
        assert_eq!(status["reasons"]["no_route"], 1);
        assert_eq!(status["listeners"][0]["address"], proxy.address().to_string());
        assert_eq!(status["ready"], true);
        let metrics = ask(&proxy, "GET /metrics", &[]).text().to_owned();
        for line in [
            "switchboard_requests_total 2",
            "switchboard_responses_total{class=\"2xx\"} 1",
            "switchboard_reasons_total{reason=\"no_route\"} 1",
            "switchboard_ready 1",
        ] {
            assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
        }
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_where_it_was_written() {
    let dir = TempDir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let state = dir.file("state");
    dir.write(
        "switchboard.yaml",
        &format!("admin: 127.0.0.1:{port}\nlisten: 127.0.0.1:0\nstate_dir: {}\n", state.display()),
    );
    let output = run(dir.path(), &["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
}

#[test]
fn case_183_and_185_what_strangers_send_is_shown_as_text_and_nothing_else() {
    let proxy = Proxy::start(1, &format!("{ADMIN}{ROUTES}"));
    let mut wire = proxy.connect();
    // As far as it passes the codec: markup, quotes, marks that turn the direction of writing, bytes that are no UTF-8.
    wire.send(b"GET /%1b[31m<script>alert(1)</script>\"\\ HTTP/1.1\r\nHost: t.test\r\n\r\n");
    wire.response();
    proxy.get("evil.test", "/<script>alert(1)</script>%22%E2%80%AE'");
    proxy.ask(b"GET /x HTTP/1.1\r\nHost: evil.test\r\nUser-Agent: \xff\xfe<img src=x>\r\n\r\n");
    for path in ["/v1/exchanges", "/v1/picture", "/v1/status"] {
        let answer = ask(&proxy, &format!("GET {path}"), &[]);
        assert_eq!(answer.field("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
        json(&answer);
        assert!(!answer.text().chars().any(|c| c.is_control() && c != '\n'), "{path}");
    }
    let page = ask(&proxy, "GET /", &[]);
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text().contains("evil.test"), "the page itself holds nothing that came from outside");
}

#[test]
fn the_data_plane_does_not_notice_a_flood() {
    let proxy = Proxy::start(1, &format!("{ADMIN}{ROUTES}"));
    // More than are accepted at once, and none says anything.
    let silent: Vec<Wire> = (0..200).map(|_| Wire::connect(proxy.admin())).collect();
    for _ in 0..20 {
        assert_eq!(proxy.get("t.test", "/").text(), "hello");
    }
    // Whoever may use the socket still gets in.
    let mut wire = Wire::connect_unix(&proxy.dir().file("state/control.sock"));
    wire.offer("GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.response().status(), 200);
    drop(silent);
}

#[test]
fn follows_a_reload() {
    let proxy = Proxy::start(1, ROUTES);
    assert!(!proxy.log().iter().any(|line| line.starts_with("admin on ")));
    let text = proxy.text(ROUTES).replace("admin: off", "admin: 127.0.0.1:0");
    std::fs::write(proxy.config(), &text).unwrap();
    let reload = run(proxy.dir().path(), &["reload", "-c", &proxy.config().display().to_string()]);
    assert!(reload.status.success(), "{reload:?}");
    assert_eq!(ask(&proxy, "GET /health", &[]).status(), 200);
    std::fs::write(proxy.config(), text.replace("admin: 127.0.0.1:0", "admin: off")).unwrap();
    poll("the address to be closed", || std::net::TcpStream::connect(proxy.admin()).is_err().then_some(()));
}

#[test]
fn a_reload_that_moves_it_is_whole_or_refused() {
    let proxy = Proxy::start(1, &format!("{ADMIN}{ROUTES}"));
    let socket = proxy.dir().file("state/control.sock");
    let reload = || {
        let output =
            run(proxy.dir().path(), &["reload", "--state-dir", &proxy.dir().file("state").display().to_string()]);
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let lives = || {
        assert_eq!(ask(&proxy, "GET /health", &[]).status(), 200);
        assert_eq!(mode(&socket), 0o600);
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("admin: {}\n", taken.local_addr().unwrap());
    std::fs::write(proxy.dir().file("open-token"), "t0ken\n").unwrap();
    let wide = format!("admin: {{ bind: 127.0.0.1:0, token_file: {} }}\n", proxy.dir().file("open-token").display());
    for (admin, word) in [(elsewhere, "has it"), (wide, "chmod 600")] {
        proxy.write_config(&format!("{admin}{}", ROUTES.replace("hello", "new")));
        let (done, said) = reload();
        assert!(!done && said.contains(word), "{said}");
        assert_eq!(proxy.get("t.test", "/").text(), "hello", "nothing of it is in force");
        lives();
    }
    let (moved, token) = (proxy.dir().file("moved.sock"), proxy.dir().file("token"));
    let admin =
        format!("admin: {{ bind: 127.0.0.1:0, socket: {}, token_file: {} }}\n", moved.display(), token.display());
    proxy.write_config(&format!("{admin}{ROUTES}"));
    let (done, said) = reload();
    assert!(done, "{said}");
    assert_eq!(ask(&proxy, "GET /health", &[]).status(), 200, "the address is the same, and stays open");
    assert!(!socket.exists() && moved.exists());
    let token = format!("Authorization: Bearer {}", std::fs::read_to_string(token).unwrap().trim());
    assert_eq!(ask(&proxy, "POST /v1/reload", &[&token]).status(), 200);
}

#[test]
fn open_pages_leave_room_for_who_asks_and_goes() {
    let proxy = Proxy::start(1, &format!("{ADMIN}{ROUTES}"));
    let mut pages: Vec<Wire> = (0..64).map(|_| Wire::connect(proxy.admin())).collect();
    for page in &mut pages {
        page.offer("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }
    let statuses: Vec<u16> = pages.iter_mut().map(|page| page.head().status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 32, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 32, "{statuses:?}");
    assert_eq!(ask(&proxy, "GET /health", &[]).status(), 200);
    drop(pages);
    poll("a place to be free again", || {
        let mut page = Wire::connect(proxy.admin());
        page.offer("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (page.head().status() == 200).then_some(())
    });
}
