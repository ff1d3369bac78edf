//! Several ways to prove who asks, and certificates of clients among them: `client_cert`, `auth: {any, all}`, over HTTP/1.1
//! and HTTP/2.

use std::process::Command;

use crate::harness::{Origin, Proxy, TempDir, on_workers};
use crate::tls::peer::Authority;

/// The status that curl gets for `/` of a host by `version`, as whoever the further arguments make it.
fn status(proxy: &Proxy, authority: &Authority, version: &str, host: &str, more: &[&str]) -> String {
    let at = proxy.address();
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", version])
        .args(["--cacert", &authority.path("ca.pem").display().to_string()])
        .args(["--resolve", &format!("{host}:{}:{}", at.port(), at.ip()), &format!("https://{host}:{}/", at.port())])
        .args(more)
        .output()
        .expect("curl runs: ./check installs it");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn certificates_and_other_ways_in_both_versions() {
    let authority = Authority::new();
    authority.issue("server", &["cert.test", "named.test", "any.test", "both.test"]);
    authority.issue("worker", &["worker.test"]);
    authority.issue("other", &["other.test"]);
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), TempDir::new());
        let users = place.write("users", "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").display().to_string();
        let keys = "robot: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";
        let keys = place.write("keys", keys).display().to_string();
        let a = origin.address();
        let yaml = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {}, client_auth: request, client_ca: {} }} }}\n\
             policies: {{ ways: {{ api_keys: {{ file: {keys} }}, basic_auth: {{ file: {users} }}, client_cert: {{ names: worker.test }} }} }}\n\
             routes:\n  cert.test: {{ to: \"{a}\", client_cert: true }}\n  named.test: {{ to: \"{a}\", client_cert: {{ names: worker.test }} }}\n  \
             any.test: {{ to: \"{a}\", use: ways, auth: {{ any: [client_cert, api_keys, basic_auth] }} }}\n  \
             both.test: {{ to: \"{a}\", use: ways, auth: {{ any: [api_keys, basic_auth] }} }}\n",
            authority.pair("server"),
            authority.path("ca.pem").display()
        );
        let proxy = Proxy::start(workers, &yaml);
        let files = ["worker", "other"]
            .map(|who| ["pem", "key"].map(|end| authority.path(&format!("{who}.{end}")).display().to_string()));
        let [worker, other] =
            [&files[0], &files[1]].map(|[cert, key]| ["--cert", cert.as_str(), "--key", key.as_str()]);
        let (key, password) = (["-H", "x-api-key: secret"], ["-u", "ann:password"]);
        for (version, number) in [("--http1.1", "1.1"), ("--http2", "2")] {
            let check = |host: &str, more: &[&[&str]], expect: u16| {
                let found = status(&proxy, &authority, version, host, &more.concat());
                assert_eq!(found, format!("{number} {expect}"), "{host} {more:?}");
            };
            check("cert.test", &[], 403);
            check("named.test", &[&other], 403);
            check("any.test", &[], 401);
            check("any.test", &[&other], 401);
            check("any.test", &[&["-H", "x-api-key: wrong"]], 401);
            // The certificate has to be there, and one of the others besides.
            check("both.test", &[&worker], 401);
            check("both.test", &[&key], 403);
            check("both.test", &[&other, &key], 403);
            check("both.test", &[&worker, &["-u", "ann:wrong"]], 401);
            let before = origin.requests().len();
            check("cert.test", &[&other], 200);
            check("named.test", &[&worker], 200);
            for one in [&worker[..], &key, &password] {
                check("any.test", &[one], 200);
            }
            check("both.test", &[&worker, &key], 200);
            check("both.test", &[&worker, &password], 200);
            assert_eq!(origin.requests().len(), before + 7);
        }
        assert_eq!(origin.requests().len(), 14, "what was refused reached no upstream");
    });
}
