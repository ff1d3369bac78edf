//! Other people's clients of HTTP/2, over TLS and without: curl, nghttp and h2load.

use crate::harness::{Origin, Proxy, on_workers};
use crate::tls::peer::Authority;
use std::process::Command;

/// What a program printed; it must have ended well.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|_| panic!("{program} is missing"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// A proxy that speaks HTTP/2 on two ports, and the addresses of both.
fn both(workers: usize, authority: &Authority, origin: &Origin) -> (Proxy, [String; 2]) {
    let yaml = format!(
        "listen:\n  - {{ bind: \"127.0.0.1:0\", name: plain, h2c: true, https_redirect: false }}\n\
         \x20 - {{ bind: \"127.0.0.1:0\", name: secure, tls: {{ certificates: {} }} }}\n\
         routes: {{ localhost: \"{}\" }}\n",
        authority.pair("own"),
        origin.address()
    );
    let proxy = Proxy::start(workers, &yaml);
    let url = |scheme: &str, name: &str| format!("{scheme}://localhost:{}/", proxy.address_of(name).port());
    let urls = [url("http", "plain"), url("https", "secure")];
    (proxy, urls)
}

fn with_both(test: impl Fn(&str, &Authority)) {
    let authority = Authority::new();
    authority.issue("own", &["localhost"]);
    on_workers(|workers| {
        let body = "switchboard".repeat(20_000);
        let origin = Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let (_proxy, urls) = both(workers, &authority, &origin);
        for url in urls {
            test(&url, &authority);
        }
    });
}

#[test]
fn curl_downloads_and_uploads() {
    with_both(|url, authority| {
        let root = authority.path("ca.pem").display().to_string();
        let upload = authority.path("own.pem").display().to_string();
        let version = if url.starts_with("https") { "--http2" } else { "--http2-prior-knowledge" };
        for more in [&["-X", "GET"][..], &["-T", &upload, "-X", "POST"]] {
            let fixed = ["-sS", "--noproxy", "*", "--max-time", "20", "--cacert", &root, version, "-o", "/dev/null"];
            let told = ["-w", "%{http_code} %{http_version} %{size_download}", url];
            assert_eq!(run("curl", &[&fixed, more, &told].concat()), "200 2 220000");
        }
    });
}

#[test]
fn nghttp_sees_what_we_say() {
    with_both(|url, _| {
        let said = run("nghttp", &["-nv", "--no-verify-peer", "-m", "3", url]);
        assert!(said.contains(":status: 200") && !said.contains("RST_STREAM"), "{said}");
        assert!(said.contains("SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):1"), "{said}");
    });
}

#[test]
fn h2load_gets_every_answer() {
    with_both(|url, _| {
        let said = run("h2load", &["-n", "500", "-c", "5", "-m", "20", url]);
        let all = "500 total, 500 started, 500 done, 500 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(said.contains(all) && said.contains("500 2xx"), "{said}");
    });
}
