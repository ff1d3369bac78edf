//! Listeners that decrypt: bodies both ways, WebSocket, redirects, swaps of certificates, slow handshakes.

use super::peer::{Authority, connect};
use crate::harness::{Ending, Node, Origin, Proxy, on_workers, poll, websocket_judge};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// curl at a host that is served here; its output.
fn curl(authority: &Authority, host: &str, at: SocketAddr, path: &str, more: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "20", "--cacert"])
        .arg(authority.path("ca.pem"))
        .args(["--resolve", &format!("{host}:{}:{}", at.port(), at.ip())])
        .args(more)
        .arg(format!("https://{host}:{}{path}", at.port()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn bodies_pass_whole_in_both_versions() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    on_workers(|workers| {
        let big = "x".repeat(3 << 20);
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{big}", big.len()));
        let listen = format!("listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\n", authority.pair("a"));
        let proxy = Proxy::start(workers, &format!("{listen}routes: {{ a.test: {} }}\n", origin.address()));
        let file = authority.dir.write("body", &big);
        let data = format!("@{}", file.display());
        let kinds =
            [("1.2", "--http1.1", "HTTP/1.1"), ("1.3", "--http1.1", "HTTP/1.1"), ("1.3", "--http2", "HTTP/2.0")];
        for (n, (version, option, protocol)) in kinds.into_iter().enumerate() {
            let more = ["--tls-max", version, option, "--data-binary", &data, "-H", "Expect:"];
            let answer = curl(&authority, "a.test", proxy.address(), "/x", &more);
            assert!(answer == big, "{} bytes of {}", answer.len(), big.len());
            let request = origin.wait_request(n);
            assert_eq!(request.field("content-length"), Some(big.len().to_string().as_str()));
            assert_eq!(request.field("x-forwarded-proto"), Some("https"));
            let line = proxy.wait_access(n);
            assert_eq!(line["tls"], format!("TLSv{version}"));
            assert_eq!(line["sni"], "a.test");
            assert_eq!(line["protocol"], protocol, "agreed on by ALPN");
        }
    });
}

#[test]
fn websocket_over_tls() {
    let Some(judge) = websocket_judge("websocket_over_tls") else { return };
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    on_workers(|workers| {
        let server = "const { WebSocketServer } = require('ws');
            const s = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => console.log(s.address().port));
            s.on('connection', c => c.on('message', (m, b) => c.send(m, { binary: b })));";
        let origin = Node::run(&judge, server, &[]);
        let port = origin.wait_line(0);
        let listen = format!("listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\n", authority.pair("a"));
        let proxy = Proxy::start(workers, &format!("{listen}routes: {{ a.test: 127.0.0.1:{port} }}\n"));
        let client = "const WebSocket = require('ws'); const fs = require('fs');
            const [port, ca] = process.argv.slice(2);
            const c = new WebSocket(`wss://a.test:${port}/`, { ca: fs.readFileSync(ca), lookup: (h, o, f) =>
                o.all ? f(null, [{ address: '127.0.0.1', family: 4 }]) : f(null, '127.0.0.1', 4) });
            const big = Buffer.alloc(1 << 20, 7); let n = 0;
            c.on('open', () => c.send('hello'));
            c.on('message', m => { n++ === 0 ? (console.log(m.toString()), c.send(big)) :
                (console.log(m.equals(big)), c.close(4000)); });
            c.on('close', code => console.log(code)); c.on('error', e => console.log(e.message));";
        let ca = authority.path("ca.pem").display().to_string();
        let client = Node::run(&judge, client, &[&proxy.port().to_string(), &ca]);
        assert_eq!([0, 1, 2].map(|n| client.wait_line(n)), ["hello", "true", "4000"]);
    });
}

#[test]
fn plain_http_is_redirected_where_a_host_has_tls() {
    let authority = Authority::new();
    authority.issue("a", &["a.test", "*.w.test"]);
    on_workers(|workers| {
        let text = format!(
            "listen:\n  - 127.0.0.1:0\n  - {{ bind: 127.0.0.1:0, name: secure, tls: {{ certificates: {} }} }}\n  \
             - {{ bind: 127.0.0.1:0, name: stays, https_redirect: false }}\n\
             routes: {{ a.test: {{ respond: a }}, x.w.test: {{ respond: w }}, b.test: {{ respond: b }} }}\n",
            authority.pair("a")
        );
        let proxy = Proxy::start(workers, &text.replacen("- 127.0.0.1:0", "- { bind: 127.0.0.1:0, name: plain }", 1));
        let port = proxy.address_of("secure").port();
        for host in ["a.test", "x.w.test"] {
            let answer = proxy.get(host, "/p?q=1");
            assert_eq!(answer.status(), 308);
            assert_eq!(answer.field("location"), Some(format!("https://{host}:{port}/p?q=1").as_str()));
        }
        assert_eq!(proxy.get("b.test", "/").text(), "b");
        let mut stays = crate::harness::Wire::connect(proxy.address_of("stays"));
        stays.offer("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(stays.response().text(), "a");
        // Who speaks plain HTTP to the other port is told so.
        let mut wrong = crate::harness::Wire::connect(proxy.address_of("secure"));
        wrong.offer("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = wrong.response();
        assert_eq!(answer.status(), 400);
        assert!(answer.text().contains("This port speaks HTTPS"), "{}", answer.text());
    });
}

#[test]
fn case_145_handshakes_that_dribble_or_say_nothing() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    on_workers(|workers| {
        let text = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\ntimeouts: {{ tls_handshake: 500ms }}\n\
             routes: {{ a.test: {{ respond: a }} }}\n",
            authority.pair("a")
        );
        let proxy = Proxy::start(workers, &text);
        let start = Instant::now();
        let mut silent = proxy.connect();
        assert_eq!(silent.gone(), Ending::Closed);
        // The record of a ClientHello that never ends.
        let mut slow = proxy.connect();
        slow.offer([22, 3, 1, 1, 0, 1, 0]);
        assert_eq!(slow.gone(), Ending::Closed);
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    });
}

#[test]
fn a_hundred_swaps_under_handshakes_fail_none() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    let text = format!(
        "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\nroutes: {{ a.test: {{ respond: a }} }}\n",
        authority.pair("a")
    );
    let proxy = Proxy::start(2, &text);
    let (at, done, shaken) = (proxy.address(), AtomicBool::new(false), AtomicUsize::new(0));
    let client = authority.client(None);
    // A connection from before lives through all of it.
    let mut old = connect(at, "a.test", &client).unwrap();
    assert_eq!(old.get("a.test").unwrap().0, 200);
    std::thread::scope(|scope| {
        let shaking = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let answer = connect(at, "a.test", &authority.client(None)).and_then(|mut one| one.get("a.test"));
                assert_eq!(answer.unwrap().0, 200);
                shaken.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..100 {
            authority.issue("next", &["a.test"]);
            // Key first: between the two the pair does not fit, and nothing may come of that.
            for end in ["key", "pem"] {
                std::fs::rename(authority.path(&format!("next.{end}")), authority.path(&format!("a.{end}"))).unwrap();
            }
            let reload = Command::new(env!("CARGO_BIN_EXE_switchboard"))
                .args(["reload", "-c"])
                .arg(proxy.config())
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(reload.success());
        }
        done.store(true, Ordering::Relaxed);
        shaking.join().unwrap();
    });
    assert!(shaken.load(Ordering::Relaxed) > 20, "{shaken:?} handshakes");
    let new = pem_to_der(&authority.path("a.pem"));
    poll("the last certificate", || (connect(at, "a.test", &client).ok()?.shown() == new).then_some(()));
    assert_eq!(old.get("a.test").unwrap().0, 200);
}

fn pem_to_der(path: &Path) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_file(path).unwrap().to_vec()
}

#[test]
fn case_171_old_versions_and_foreign_protocols() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    let text = format!(
        "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {}, min_version: \"1.3\" }} }}\n\
         routes: {{ a.test: {{ respond: a }} }}\n",
        authority.pair("a")
    );
    let proxy = Proxy::start(1, &text);
    let shake = |more: &[&str]| {
        let child = Command::new("openssl")
            .args(["s_client", "-connect", &proxy.address().to_string(), "-servername", "a.test"])
            .args(more)
            .stdin(Stdio::null())
            .output();
        let output = child.unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    for more in
        [&["-tls1_2"][..], &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &["-alpn", "smtp"], &["-alpn", "acme-tls/1"]]
    {
        let said = shake(more);
        assert!(said.contains("alert"), "{more:?}: {said}");
    }
    assert!(shake(&["-tls1_3", "-alpn", "http/1.1"]).contains("ALPN protocol: http/1.1"));
}
