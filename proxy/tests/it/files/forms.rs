//! The forms of a file: encoded siblings, over HTTP/1.0, HTTP/2 and TLS, to slow clients; and what policies add.

use super::{Site, large};
use crate::harness::{Proxy, Wire};
use crate::tls::peer::Authority;
use std::fs;
use std::process::Command;

#[test]
fn an_encoded_sibling_answers_those_who_take_it() {
    let site = Site::new(1);
    let file = |name: &str, text: &str| fs::write(site.dir.file("site").join(name), text).unwrap();
    file("page.css", "body { color: black }");
    file("page.css.gz", "not really gzip");
    file("page.css.br", "not really brotli");
    let ask = |lines: &str| site.ask("/page.css", lines);
    let br = ask("Accept-Encoding: gzip, br\r\n");
    assert_eq!((br.text().as_str(), br.field("content-encoding")), ("not really brotli", Some("br")));
    assert_eq!(br.field("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(br.field("vary"), Some("accept-encoding"));
    assert_eq!(ask("Accept-Encoding: gzip\r\n").text(), "not really gzip");
    assert_eq!(ask("Accept-Encoding: gzip, br;q=0\r\n").text(), "not really gzip");
    let plain = ask("");
    assert_eq!((plain.text().as_str(), plain.field("vary")), ("body { color: black }", Some("accept-encoding")));
    assert_eq!(plain.field("content-encoding"), None);
    assert_ne!(plain.field("etag"), br.field("etag"));
    let known = ask(&format!("Accept-Encoding: br\r\nIf-None-Match: {}\r\n", br.field("etag").unwrap()));
    assert_eq!((known.status(), known.field("etag")), (304, br.field("etag")));
    // A part is always one of the file itself.
    let part = ask("Accept-Encoding: br\r\nRange: bytes=0-3\r\n");
    assert_eq!((part.text().as_str(), part.field("content-encoding")), ("body", None));
    // One that is older than what it was made of is not its form any more.
    let old = fs::File::options().write(true).open(site.dir.file("site/page.css.br")).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    crate::harness::poll("the old sibling to be left out", || {
        (ask("Accept-Encoding: gzip, br\r\n").field("content-encoding") == Some("gzip")).then_some(())
    });
}

#[test]
fn patterns_say_how_long_a_file_is_kept() {
    let site = Site::with(1, |dir| {
        format!(
            "routes:\n  t.test:\n    files:\n      dir: {dir}/site\n      cache_control: {{ \"*.txt\": max-age=60, /docs/*: private }}\n    \
             response_headers: {{ set: {{ x-site: \"1\" }} }}\n    security_headers: true\n"
        )
    });
    let kept = |target: &str| site.get(target).field("cache-control").map(str::to_owned);
    assert_eq!(kept("/digits.txt").as_deref(), Some("max-age=60"));
    assert_eq!(kept("/docs/").as_deref(), Some("private"));
    assert_eq!(kept("/app.js").as_deref(), Some("no-cache"));
    let answer = site.get("/app.js");
    assert_eq!(answer.field("x-site"), Some("1"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_slow_client_gets_all_of_it() {
    let site = Site::new(1);
    let mut wire = Wire::connect_narrow(site.proxy.address());
    wire.send("GET /large.bin HTTP/1.1\r\nHost: t.test\r\n\r\n");
    let head = wire.head();
    assert_eq!(head.status(), 200);
    let all = large();
    for piece in all.chunks(10_000) {
        assert!(wire.exactly(piece.len()) == piece);
    }
}

#[test]
fn a_file_that_shrinks_is_cut_off_and_never_passed_off_as_whole() {
    let site = Site::new(1);
    fs::write(site.dir.file("site/huge.bin"), vec![7; 64 << 20]).unwrap();
    let mut wire = Wire::connect_narrow(site.proxy.address());
    wire.send("GET /huge.bin HTTP/1.1\r\nHost: t.test\r\n\r\n");
    assert_eq!(wire.head().field("content-length"), Some("67108864"));
    fs::File::options().write(true).open(site.dir.file("site/huge.bin")).unwrap().set_len(1000).unwrap();
    assert!(wire.exactly_or_end(64 << 20).is_none());
    let line = site.proxy.wait_access(0);
    assert_eq!((&line["reason"], &line["ended_by"]), (&"file_changed".into(), &"proxy".into()), "{line}");
}

/// What curl, where it is there, makes of a URL: its standard output.
fn curl(proxy: &Proxy, further: &[&str], url: &str) -> Option<Vec<u8>> {
    let to = format!("t.test:{}:127.0.0.1", proxy.port());
    let output = Command::new("curl").args(["-sk", "--resolve", &to]).args(further).arg(url).output();
    match output {
        Ok(output) => Some(output.stdout),
        Err(_) => {
            eprintln!("skipped: there is no curl");
            None
        }
    }
}

#[test]
fn the_same_over_tls_and_http2() {
    let authority = Authority::new();
    authority.issue("t", &["t.test"]);
    let site = Site::with(2, |dir| {
        format!(
            "listen: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {} }} }}\nroutes:\n  t.test: {{ files: {dir}/site }}\n",
            authority.pair("t")
        )
    });
    let url = |path: &str| format!("https://t.test:{}{path}", site.proxy.port());
    for version in ["--http1.1", "--http2"] {
        let Some(body) = curl(&site.proxy, &[version], &url("/large.bin")) else { return };
        assert!(body == large(), "{version}: {} bytes", body.len());
        assert_eq!(curl(&site.proxy, &[version], &url("/app.js")).unwrap(), b"let a = 1;");
        assert_eq!(curl(&site.proxy, &[version, "-r", "2-4"], &url("/digits.txt")).unwrap(), b"234");
        let head = String::from_utf8(curl(&site.proxy, &[version, "-I"], &url("/large.bin")).unwrap()).unwrap();
        assert!(head.to_ascii_lowercase().contains("content-length: 1048800"), "{head}");
        assert_eq!(curl(&site.proxy, &[version], &url("/nothing.txt")).unwrap(), b"");
        let parts = curl(&site.proxy, &[version, "-r", "0-1,500000-800000"], &url("/large.bin")).unwrap();
        assert!(parts.windows(300_001).any(|part| part == &large()[500_000..=800_000]), "{version}");
    }
}
