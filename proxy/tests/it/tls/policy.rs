//! Which policy holds for whom: sessions, authorities, names in odd forms, files that are wrong.

use super::peer::{Authority, connect};
use crate::harness::{Origin, Proxy, on_workers, poll, run};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A listener where `open.test` asks for nothing and everybody else has to show a certificate.
fn guarded(authority: &Authority, more: &str) -> String {
    format!(
        "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {}, client_auth: require, client_ca: {}, \
         hosts: {{ open.test: {{ client_auth: off }} }} }} }}\n\
         routes: {{ open.test: {{ respond: open }}, guarded.test: {{ respond: guarded }} }}\n{more}",
        authority.pair("all"),
        authority.path("ca.pem").display()
    )
}

fn authority() -> Authority {
    let authority = Authority::new();
    authority.issue("all", &["open.test", "guarded.test", "127.0.0.1"]);
    authority.issue("somebody", &["somebody.test"]);
    authority
}

#[test]
fn case_163_sessions_stay_with_their_policy() {
    let authority = authority();
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &guarded(&authority, ""));
        let (nobody, somebody) = (authority.client(None), authority.client(Some("somebody")));
        let mut first = connect(proxy.address(), "open.test", &nobody).unwrap();
        assert_eq!(first.get("open.test").unwrap().0, 200);
        let mut again = connect(proxy.address(), "open.test", &nobody).unwrap();
        assert!(again.resumed(), "a session of the same policy is taken up");
        assert_eq!(again.get("open.test").unwrap().0, 200);
        // rustls keeps sessions by name, so the ticket of one name is shown under the other by hand: see openssl below.
        let refused = connect(proxy.address(), "guarded.test", &nobody).and_then(|mut it| it.get("guarded.test"));
        assert!(refused.is_err(), "{refused:?}");
        let mut shown = connect(proxy.address(), "guarded.test", &somebody).unwrap();
        assert_eq!(shown.get("guarded.test").unwrap().0, 200);
        let at = proxy.address().to_string();
        let ticket = authority.path("ticket").display().to_string();
        let shake = |name: &str, more: &[&str]| {
            let mut child = std::process::Command::new("openssl")
                .args(["s_client", "-connect", &at, "-servername", name, "-tls1_2", "-ign_eof"])
                .args(more)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
            let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
            let output = child.wait_with_output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(shake("open.test", &["-sess_out", &ticket]).contains("200 OK"));
        assert!(shake("open.test", &["-sess_in", &ticket]).contains("Reused, TLSv1.2"), "the ticket itself is good");
        let stolen = shake("guarded.test", &["-sess_in", &ticket]);
        assert!(!stolen.contains("Reused") && !stolen.contains("200 OK"), "{stolen}");
    });
}

#[test]
fn case_164_a_reload_that_tightens_ends_sessions_and_kept_connections() {
    let authority = authority();
    on_workers(|workers| {
        let open = guarded(&authority, "")
            .replace("client_auth: require", "client_auth: off")
            .replace(&format!("client_ca: {}, ", authority.path("ca.pem").display()), "");
        let proxy = Proxy::start(workers, &open);
        let nobody = authority.client(None);
        let mut kept = connect(proxy.address(), "guarded.test", &nobody).unwrap();
        assert_eq!(kept.get("guarded.test").unwrap().0, 200);
        proxy.write_config(&guarded(&authority, ""));
        // The connection of before does not go on under the old policy.
        poll("421 on the kept connection", || {
            let (status, _) = kept.get("guarded.test").ok()?;
            (status == 421).then_some(()).or_else(|| (status != 200).then(|| panic!("{status}")))
        });
        let again = connect(proxy.address(), "guarded.test", &nobody).and_then(|mut it| it.get("guarded.test"));
        assert!(again.is_err(), "{again:?}");
    });
}

#[test]
fn case_165_another_authority_is_misdirected() {
    let authority = authority();
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &guarded(&authority, ""));
        let mut client = connect(proxy.address(), "open.test", &authority.client(None)).unwrap();
        let (status, text) = client.get("guarded.test").unwrap();
        assert_eq!(status, 421);
        assert!(text.contains("x-switchboard-reason: misdirected"), "{text}");
        let mut client = connect(proxy.address(), "guarded.test", &authority.client(Some("somebody"))).unwrap();
        assert_eq!(client.get("open.test").unwrap().0, 421);
    });
}

#[test]
fn case_166_names_in_odd_forms() {
    let authority = authority();
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &guarded(&authority, ""));
        let nobody = authority.client(None);
        // Letters of any case are the same name.
        assert_eq!(connect(proxy.address(), "OPEN.test", &nobody).unwrap().get("open.test").unwrap().0, 200);
        // No name at all: the strictest policy.
        let nameless = connect(proxy.address(), "127.0.0.1", &nobody).and_then(|mut it| it.get("guarded.test"));
        assert!(nameless.is_err(), "{nameless:?}");
        let mut known = connect(proxy.address(), "127.0.0.1", &authority.client(Some("somebody"))).unwrap();
        assert_eq!(known.get("guarded.test").unwrap().0, 200);
        assert_eq!(known.get("open.test").unwrap().0, 421);
        // The hello in records of one byte, each in a segment of its own, is the same hello.
        for (name, asked) in [("open.test", false), ("guarded.test", true)] {
            assert_eq!(asks_for_certificate(proxy.address(), name), asked, "{name}");
        }
    });
}

/// Sends a ClientHello of TLS 1.2 in records of one byte; tells whether the answer asks for a certificate.
fn asks_for_certificate(at: std::net::SocketAddr, name: &str) -> bool {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut session = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut socket = TcpStream::connect(at).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    for byte in &hello[5..] {
        socket.write_all(&[22, 3, 1, 0, 1, *byte]).unwrap();
    }
    // Handshake messages in clear: CertificateRequest (13) stands before ServerHelloDone (14), the last of the flight.
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut part).unwrap();
        assert!(read > 0, "no flight came: {bytes:?}");
        bytes.extend_from_slice(&part[..read]);
        let mut messages = Vec::new();
        let mut rest = &bytes[..];
        while let [22, _, _, high, low, tail @ ..] = rest {
            let length = usize::from(*high) * 256 + usize::from(*low);
            messages.extend_from_slice(&tail[..length.min(tail.len())]);
            rest = &tail[length.min(tail.len())..];
        }
        let mut kinds = Vec::new();
        let mut rest = &messages[..];
        while let [kind, a, b, c, tail @ ..] = rest {
            kinds.push(*kind);
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            rest = tail.get(length..).unwrap_or_default();
        }
        if kinds.contains(&14) {
            return kinds.contains(&13);
        }
    }
}

#[test]
fn case_167_wrong_files_are_refused_with_their_place_and_the_old_stay() {
    let authority = authority();
    let text = guarded(&authority, "");
    let proxy = Proxy::start(2, &text);
    authority.issue_until("old", &["open.test"], 2021);
    authority.issue("other", &["open.test"]);
    authority.dir.write("empty.pem", "");
    let path = |name: &str| authority.path(name).display().to_string();
    for (from, to, says) in [
        (path("all.key"), path("other.key"), "is not the one of the certificate"),
        (path("ca.pem"), path("empty.pem"), "holds no certificate"),
        (path("ca.pem"), path("missing.pem"), "can't be read"),
        (authority.pair("all"), authority.pair("old"), "has expired"),
    ] {
        let wrong = text.replace(&from, &to);
        let file = proxy.dir().write("wrong.yaml", &proxy.text(&wrong));
        let checked = run(proxy.dir().path(), &["check", "-c", &file.display().to_string()]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && said.contains(says) && said.contains("wrong.yaml:"), "{says}: {said}");
        proxy.write_config(&wrong);
        proxy.wait_log(says);
        let mut open = connect(proxy.address(), "open.test", &authority.client(None)).unwrap();
        assert_eq!(open.get("open.test").unwrap().0, 200);
        let guarded = connect(proxy.address(), "guarded.test", &authority.client(None));
        assert!(guarded.and_then(|mut it| it.get("guarded.test")).is_err(), "client certificates are still asked for");
        proxy.write_config(&text);
    }
}

#[test]
fn case_168_who_the_client_is_goes_up_and_can_not_be_made_up() {
    let authority = authority();
    on_workers(|workers| {
        let origin = Origin::ok();
        let text = guarded(&authority, "").replace("{ respond: guarded }", &origin.address());
        let proxy = Proxy::start(workers, &text.replace("{ respond: open }", &origin.address()));
        for (name, identity) in [("guarded.test", Some("somebody")), ("open.test", None)] {
            let mut client = connect(proxy.address(), name, &authority.client(identity)).unwrap();
            // As if it were a header of the next request: the name is cut off by the line's end.
            let forged =
                format!("{name}\r\nX-Client-Cert-Subject: CN=root\r\nX-Client-Cert-Fingerprint: 00\r\nClient-Cert: x");
            assert_eq!(client.get(&forged).unwrap().0, 200);
        }
        let shown = origin.wait_request(0);
        assert_eq!(shown.all("x-client-cert-subject"), ["CN=somebody"]);
        assert_eq!(shown.all("x-client-cert-fingerprint").first().map(|text| text.len()), Some(64));
        let hidden = origin.wait_request(1);
        for name in ["x-client-cert-subject", "x-client-cert-fingerprint", "client-cert"] {
            assert!(!hidden.has(name) && shown.all(name).len() < 2, "{name}");
        }
        assert!(!shown.has("client-cert"));
    });
}

#[test]
fn case_175_no_key_is_ever_said() {
    let authority = authority();
    let proxy = Proxy::start(1, &guarded(&authority, "log: { level: debug }\n"));
    let key = std::fs::read_to_string(authority.path("all.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let _ = connect(proxy.address(), "guarded.test", &authority.client(None));
    std::fs::write(authority.path("all.key"), key.replace("PRIVATE", "PUBLIC")).unwrap();
    proxy.wait_log("holds no private key");
    let said = proxy.log().join("\n") + &proxy.stdout().join("\n");
    assert!(!said.contains(secret) && !said.contains("BEGIN"), "{said}");
}
