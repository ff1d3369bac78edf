//! What is shown of certificates: what is stapled to clients, and to operators when they end.

use super::peer::{Authority, connect};
use crate::harness::{Origin, Proxy, on_workers};
use std::process::{Command, Stdio};

/// An OCSP response that says `unauthorized` (RFC 6960 §4.2.1), the shortest that is one.
const RESPONSE: [u8; 5] = [0x30, 0x03, 0x0a, 0x01, 0x06];

#[test]
fn a_response_is_stapled_and_the_end_of_a_certificate_is_counted() {
    let authority = Authority::new();
    authority.issue_until("a", &["a.test"], 2090);
    std::fs::write(authority.path("a.ocsp"), RESPONSE).unwrap();
    let pair = authority.pair("a").replace(" }", &format!(", ocsp: {} }}", authority.path("a.ocsp").display()));
    on_workers(|workers| {
        let text = format!(
            "listen:\n  - {{ bind: \"127.0.0.1:0\" }}\n  - {{ bind: \"127.0.0.1:0\", name: secure, tls: {{ certificates: {pair} }} }}\n\
             routes: {{ a.test: {{ respond: a }}, m.test: {{ builtin: metrics, allow: [127.0.0.1] }} }}\n"
        );
        let proxy = Proxy::start(workers, &text);
        let page = proxy.get("m.test", "/");
        // 2090-01-01.
        let line = "switchboard_certificate_expiry_timestamp_seconds{name=\"a.test\"} 3786912000";
        assert!(page.text().contains(line), "{}", page.text());
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &proxy.address_of("secure").to_string(), "-servername", "a.test", "-status"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("OCSP Response Status: unauthorized (0x6)"), "{shown}");
    });
}

/// What an upstream is told of a certificate may be what it answers by (SECURITY.md case 133).
#[test]
fn case_133_what_is_kept_for_one_certificate_is_not_for_another() {
    let authority = Authority::new();
    authority.issue("all", &["a.test", "127.0.0.1"]);
    ["alice", "bob"].into_iter().for_each(|who| authority.issue(who, &["client.test"]));
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while let Some(request) = wire.request() {
                let who = request.field("x-client-cert-subject").unwrap_or("nobody").to_owned();
                let vary = if request.target() == "/vary" { "Vary: X-Client-Cert-Subject\r\n" } else { "" };
                let length = who.len();
                wire.send(format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{vary}Content-Length: {length}\r\n\r\n{who}"
                ));
            }
        });
        let text = format!(
            "listen: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {}, client_auth: require, client_ca: {} }} }}\n\
             routes: {{ a.test: {{ to: \"{}\", cache: true }} }}\n",
            authority.pair("all"),
            authority.path("ca.pem").display(),
            origin.address()
        );
        let proxy = Proxy::start(workers, &text);
        for target in ["/", "/vary"] {
            for who in ["alice", "bob", "alice", "bob"] {
                let mut client = connect(proxy.address(), "a.test", &authority.client(Some(who))).unwrap();
                let (_, text) = client.get_of("a.test", target).unwrap();
                assert!(text.ends_with(who), "{who} at {target}: {text}");
            }
        }
        assert_eq!(origin.requests().len(), 4, "each is kept for its own");
    });
}
