//! Compression on the way to the client: what is compressed, what is left alone, and that streams flow all the same.

use super::Site;
use crate::harness::{Message, Origin, Pair, Proxy, TempDir, Wire, on_workers, poll};
use std::fs;
use std::io::{Read, Write};
use std::process::Command;

/// A JSON text of 100 KiB and more.
fn json() -> String {
    let items: Vec<String> = (0..2000).map(|n| format!("{{\"id\":{n},\"name\":\"item {n}\",\"on\":true}}")).collect();
    format!("[{}]", items.join(",\n"))
}

fn decoded(answer: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    let body = answer.body.as_slice();
    match answer.field("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut out),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut out),
        Some("zstd") => zstd::stream::read::Decoder::new(body).and_then(|mut decoder| decoder.read_to_end(&mut out)),
        _ => Ok(out.write(body).unwrap()),
    }
    .unwrap();
    out
}

/// A proxy that compresses, before an origin that gives this answer.
fn pair(workers: usize, answer: &str) -> Pair {
    let origin = Origin::answering(answer);
    let yaml = format!("routes:\n  t.test: {{ to: \"{}\", compress: true }}\n", origin.address());
    Pair { proxy: Proxy::start(workers, &yaml), origin }
}

fn answer(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{lines}\r\n{body}", body.len())
}

#[track_caller]
fn ask(pair: &Pair, lines: &str) -> Message {
    pair.proxy.ask(format!("GET /x HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"))
}

#[test]
fn an_answer_is_compressed_as_the_client_likes_it() {
    on_workers(|workers| {
        let text = json();
        let pair =
            pair(workers, &answer("Content-Type: application/json\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\n", &text));
        for (accepts, coding) in
            [("gzip, deflate, br, zstd", "zstd"), ("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0.1, gzip", "gzip")]
        {
            let answer = ask(&pair, &format!("Accept-Encoding: {accepts}\r\n"));
            assert_eq!(answer.field("content-encoding"), Some(coding));
            assert_eq!((answer.field("vary"), answer.field("etag")), (Some("accept-encoding"), Some("W/\"a\"")));
            assert_eq!((answer.field("content-length"), answer.field("accept-ranges")), (None, None));
            assert!(answer.body.len() * 5 < text.len(), "{coding}: {} bytes", answer.body.len());
            assert!(decoded(&answer) == text.as_bytes(), "{coding}");
        }
        let plain = ask(&pair, "");
        assert_eq!((plain.field("content-encoding"), plain.field("vary")), (None, Some("accept-encoding")));
        assert_eq!((plain.field("etag"), plain.text()), (Some("\"a\""), text.clone()));
        let refused = ask(&pair, "Accept-Encoding: *;q=0\r\n");
        assert_eq!((refused.field("content-encoding"), refused.text()), (None, text.clone()));
        let untouched = ask(&pair, "Accept-Encoding: gzip\r\nCache-Control: no-transform\r\n");
        assert_eq!((untouched.field("content-encoding"), untouched.field("vary")), (None, None));
        // HTTP/1.0 knows no chunks.
        let old = pair.proxy.ask("GET /x HTTP/1.0\r\nHost: t.test\r\nAccept-Encoding: gzip\r\n\r\n");
        assert_eq!((old.field("content-encoding"), old.text()), (None, text));
    });
}

#[test]
fn what_gains_nothing_or_may_not_change_is_left_alone() {
    let text = json();
    for lines in [
        "Content-Type: image/png\r\n",
        "Content-Type: video/mp4\r\n",
        "Content-Type: application/json\r\nContent-Encoding: br\r\n",
        "Content-Type: application/json\r\nCache-Control: no-transform\r\n",
        // Case 159.
        "Content-Type: text/html\r\nSet-Cookie: session=1\r\n",
        "",
    ] {
        let pair = pair(1, &answer(lines, &text));
        let answer = ask(&pair, "Accept-Encoding: gzip, br\r\n");
        assert_eq!(answer.text(), text, "{lines}");
        assert_eq!(answer.field("content-length"), Some(text.len().to_string().as_str()), "{lines}");
    }
    let small = pair(1, &answer("Content-Type: text/plain\r\n", "few bytes"));
    assert_eq!(ask(&small, "Accept-Encoding: gzip\r\n").text(), "few bytes");
    let html = pair(1, &answer("Content-Type: text/html\r\n", &text));
    let secret = ask(&html, "Accept-Encoding: gzip\r\nAuthorization: Bearer x\r\n");
    assert_eq!(secret.field("content-encoding"), None);
    let part = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1999/5000\r\nContent-Length: 2000\r\n\r\n{}",
        "x".repeat(2000)
    );
    let part = pair(1, &part);
    let answer = ask(&part, "Accept-Encoding: gzip\r\nRange: bytes=0-1999\r\n");
    assert_eq!((answer.status(), answer.field("content-encoding"), answer.body.len()), (206, None, 2000));
}

#[test]
fn head_and_304_speak_of_the_form_that_a_get_would_give() {
    let text = json();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nETag: \"a\"\r\n\r\n",
        text.len()
    );
    let pair_head = pair(1, &head);
    let mut wire = pair_head.proxy.send("HEAD /x HTTP/1.1\r\nHost: t.test\r\nAccept-Encoding: br\r\n\r\n");
    let answer = wire.response_to("HEAD");
    assert_eq!((answer.field("content-encoding"), answer.field("content-length")), (Some("br"), None));
    assert_eq!((answer.field("etag"), answer.field("vary")), (Some("W/\"a\""), Some("accept-encoding")));
    let known = pair(1, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
    let answer = ask(&known, "Accept-Encoding: br\r\nIf-None-Match: W/\"a\"\r\n");
    assert_eq!((answer.status(), answer.field("etag")), (304, Some("W/\"a\"")));
    let answer = ask(&known, "If-None-Match: \"a\"\r\n");
    assert_eq!((answer.status(), answer.field("etag")), (304, Some("\"a\"")));
}

#[test]
fn what_streams_is_flushed_with_each_piece_and_events_are_not_touched() {
    on_workers(|workers| {
        let (give, take) = std::sync::mpsc::channel::<Wire>();
        let give = std::sync::Mutex::new(give);
        let origin = Origin::start(move |wire, _| {
            if let Some(request) = wire.request() {
                let kind = request.target().trim_start_matches('/').replace('.', "/");
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"));
                give.lock().unwrap().send(wire.take()).unwrap();
            }
        });
        let yaml = format!("routes:\n  t.test: {{ to: \"{}\", compress: true }}\n", origin.address());
        let proxy = Proxy::start(workers, &yaml);
        let mut client =
            proxy.send("GET /application.x-ndjson HTTP/1.1\r\nHost: t.test\r\nAccept-Encoding: gzip\r\n\r\n");
        assert_eq!(client.head().field("content-encoding"), Some("gzip"));
        let mut server = take.recv().unwrap();
        let mut decoder = flate2::write::GzDecoder::new(Vec::new());
        for n in 0..20 {
            let line = format!("{{\"n\":{n}}}\n");
            server.send(format!("{:x}\r\n{line}\r\n", line.len()));
            // Each comes before the next is sent.
            while !decoder.get_ref().ends_with(line.as_bytes()) {
                decoder.write_all(&client.chunk()).unwrap();
                decoder.flush().unwrap();
            }
        }
        server.send("0\r\n\r\n");
        drop(server);
        let mut client = proxy.send("GET /text.event-stream HTTP/1.1\r\nHost: t.test\r\nAccept-Encoding: gzip\r\n\r\n");
        let head = client.head();
        assert_eq!((head.field("content-encoding"), head.field("vary")), (None, None));
        let mut server = take.recv().unwrap();
        for n in 0..5 {
            let event = format!("data: {n}\n\n");
            server.send(format!("{:x}\r\n{event}\r\n", event.len()));
            assert_eq!(client.chunk(), event.as_bytes());
        }
    });
}

#[test]
fn an_answer_that_breaks_off_is_seen_to_be_broken() {
    let origin = Origin::closing(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(50_000)
    ));
    let yaml = format!("routes:\n  t.test: {{ to: \"{}\", compress: true }}\n", origin.address());
    let proxy = Proxy::start(1, &yaml);
    let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    let rest = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the end of the body was made up");
}

#[test]
fn files_are_compressed_by_default() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let text = json();
        fs::write(site.dir.file("site/data.json"), &text).unwrap();
        fs::write(site.dir.file("site/big.txt"), text.repeat(20)).unwrap();
        for (target, expect) in [("/data.json", text.clone()), ("/big.txt", text.repeat(20))] {
            for coding in ["gzip", "br", "zstd"] {
                let answer = site.ask(target, &format!("Accept-Encoding: {coding}\r\n"));
                assert_eq!(answer.field("content-encoding"), Some(coding), "{target}");
                assert!(answer.field("etag").unwrap().starts_with("W/\""));
                assert!(decoded(&answer) == expect.as_bytes(), "{target} {coding}");
            }
        }
        let tag = site.ask("/data.json", "Accept-Encoding: gzip\r\n").field("etag").unwrap().to_owned();
        let known = site.ask("/data.json", &format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
        assert_eq!((known.status(), known.field("etag")), (304, Some(tag.as_str())));
        let part = site.ask("/data.json", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n");
        assert_eq!((part.status(), part.field("content-encoding"), part.body.len()), (206, None, 10));
        let off = Site::with(workers, |dir| format!("routes:\n  t.test: {{ files: {dir}/site, compress: false }}\n"));
        fs::write(off.dir.file("site/data.json"), &text).unwrap();
        let answer = off.ask("/data.json", "Accept-Encoding: gzip\r\n");
        assert_eq!((answer.field("content-encoding"), answer.field("vary")), (None, None));
    });
}

#[test]
fn compressed_over_tls_and_http2() {
    let authority = crate::tls::peer::Authority::new();
    authority.issue("t", &["t.test"]);
    let text = json();
    let origin = Origin::answering(answer("Content-Type: application/json\r\n", &text));
    let dir = TempDir::new();
    fs::write(dir.file("big.txt"), text.repeat(10)).unwrap();
    let yaml = format!(
        "listen: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {} }} }}\nroutes:\n  t.test: {{ to: \"{}\", compress: true }}\n  \
         t.test/files: {{ files: {} }}\n",
        authority.pair("t"),
        origin.address(),
        dir.path().display()
    );
    let proxy = Proxy::start(2, &yaml);
    let to = format!("t.test:{}:127.0.0.1", proxy.port());
    for version in ["--http1.1", "--http2"] {
        for (path, expect) in [("/x", text.clone()), ("/files/big.txt", text.repeat(10))] {
            let url = format!("https://t.test:{}{path}", proxy.port());
            let run = |further: &[&str]| {
                Command::new("curl").args(["-sk", version, "--resolve", &to]).args(further).arg(&url).output()
            };
            let Ok(output) = run(&["--compressed"]) else { return eprintln!("skipped: there is no curl") };
            assert!(output.stdout == expect.as_bytes(), "{version} {path}: {} bytes", output.stdout.len());
            let raw = run(&["-H", "Accept-Encoding: gzip"]).unwrap().stdout;
            assert!(raw.len() * 5 < expect.len() && raw.starts_with(&[0x1f, 0x8b]), "{version} {path}");
        }
    }
}

/// Asks until what is kept has an encoded form of its own, which is told by the length that such an answer has.
fn encoded_once(proxy: &Proxy, host: &str, target: &str, accepts: &str) -> Message {
    poll("an encoded form", || {
        let answer = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: {accepts}\r\n\r\n"));
        assert_eq!(answer.field("content-encoding"), Some(accepts));
        answer.has("content-length").then_some(answer)
    })
}

#[test]
fn what_is_kept_is_encoded_once_for_all() {
    on_workers(|workers| {
        let text = json();
        let origin = Origin::answering(answer(
            "Content-Type: application/json\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\n",
            &text,
        ));
        let dir = TempDir::new();
        fs::write(dir.file("large.json"), &text).unwrap();
        fs::write(dir.file("small.json"), &text[..20_000]).unwrap();
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  kept.test: {{ to: \"{}\", compress: true, cache: true }}\n  files.test: {{ files: {} }}\n",
                origin.address(),
                dir.path().display()
            ),
        );
        for coding in ["gzip", "br", "zstd"] {
            for (host, target, expect) in [
                ("kept.test", "/x", text.as_str()),
                ("files.test", "/large.json", &text),
                ("files.test", "/small.json", &text[..20_000]),
            ] {
                let answer = encoded_once(&proxy, host, target, coding);
                assert!(decoded(&answer) == expect.as_bytes(), "{coding} {host}{target}");
                assert_eq!(answer.field("content-length"), Some(answer.body.len().to_string().as_str()));
                assert!(
                    answer.all("vary").contains(&"accept-encoding") && answer.field("etag").unwrap().starts_with("W/")
                );
                // Others get what they take, and parts are parts of the whole.
                let plain = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                assert!(plain.body == expect.as_bytes());
                let part = format!(
                    "GET {target} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=5-9\r\nAccept-Encoding: {coding}\r\n\r\n"
                );
                assert_eq!(proxy.ask(part).text(), expect[5..10]);
            }
        }
        // A new version has forms of its own.
        fs::write(dir.file("next.json"), "[\"new\"]".repeat(1000)).unwrap();
        fs::rename(dir.file("next.json"), dir.file("large.json")).unwrap();
        poll("the new version", || {
            let lines = "Host: files.test\r\nAccept-Encoding: gzip\r\n";
            let answer = proxy.ask(format!("GET /large.json HTTP/1.1\r\n{lines}\r\n"));
            (decoded(&answer) == "[\"new\"]".repeat(1000).as_bytes()).then_some(())
        });
    });
}
