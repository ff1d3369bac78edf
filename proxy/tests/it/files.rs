//! Files of a directory: what is served, what is refused, conditions, ranges, forms, and files beside an upstream.

mod compress;
mod everything;
mod forms;

use crate::harness::{Message, Origin, Proxy, TempDir, assert_own_answer, on_workers};
use std::fs;
use std::os::unix::fs::symlink;

/// A site with a page, a script, a large file, links and hidden files.
struct Site {
    proxy: Proxy,
    dir: TempDir,
}

const PAGE: &str = "<!doctype html><title>home</title>";

impl Site {
    fn new(workers: usize) -> Self {
        Self::with(workers, |dir| format!("routes:\n  t.test: {{ files: {dir}/site }}\n"))
    }

    fn with(workers: usize, yaml: impl FnOnce(&str) -> String) -> Self {
        let dir = TempDir::new();
        let site = dir.file("site");
        fs::create_dir_all(site.join("docs")).unwrap();
        fs::create_dir_all(site.join("empty")).unwrap();
        fs::create_dir_all(site.join(".well-known")).unwrap();
        for (name, text) in [
            ("index.html", PAGE),
            ("app.js", "let a = 1;"),
            ("app.8e0d62a1.js", "let b = 2;"),
            ("docs/index.html", "docs"),
            ("docs/a b.txt", "with a space"),
            (".env", "secret"),
            (".well-known/security.txt", "contact"),
            ("nothing.txt", ""),
            ("digits.txt", "0123456789"),
            ("unknown.zzz", "what"),
        ] {
            fs::write(site.join(name), text).unwrap();
        }
        fs::write(site.join("large.bin"), large()).unwrap();
        fs::write(dir.file("secret"), "secret").unwrap();
        symlink("../secret", site.join("out")).unwrap();
        symlink("..", site.join("up")).unwrap();
        symlink("docs/index.html", site.join("inside.html")).unwrap();
        let yaml = yaml(&dir.path().display().to_string());
        Self { proxy: Proxy::start(workers, &yaml), dir }
    }

    #[track_caller]
    fn get(&self, target: &str) -> Message {
        self.proxy.get("t.test", target)
    }

    #[track_caller]
    fn ask(&self, target: &str, lines: &str) -> Message {
        self.proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"))
    }
}

/// 1 MiB and a bit, in which every place can be told from every other near it.
fn large() -> Vec<u8> {
    (0..262_200_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn a_file_comes_with_all_that_is_known_of_it() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let answer = site.get("/app.js");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "let a = 1;"));
        assert_eq!(answer.field("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.field("content-length"), Some("10"));
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert_eq!(answer.field("cache-control"), Some("no-cache"));
        assert!(answer.field("etag").unwrap().starts_with('"'));
        assert!(answer.field("last-modified").unwrap().ends_with(" GMT"));
        assert!(answer.field("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.start, "HTTP/1.1 200 OK");
        let cached = site.get("/app.8e0d62a1.js");
        assert_eq!(cached.field("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(site.get("/unknown.zzz").field("content-type"), Some("application/octet-stream"));
        assert_eq!(site.get("/docs/a%20b.txt").text(), "with a space");
        assert_eq!(site.get("/inside.html").text(), "docs");
        assert_eq!(site.get("/.well-known/security.txt").text(), "contact");
        let nothing = site.get("/nothing.txt");
        assert_eq!((nothing.status(), nothing.field("content-length")), (200, Some("0")));
        let line = site.proxy.wait_access_of("/app.js");
        assert_eq!((line["status"].as_u64(), line["reason"].as_str()), (Some(200), Some("files")));
    });
}

#[test]
fn a_large_file_comes_whole_and_head_says_the_same_of_it() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let answer = site.get("/large.bin");
        assert!(answer.body == large(), "{} bytes", answer.body.len());
        let mut wire = site.proxy.send("HEAD /large.bin HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let head = wire.response_to("HEAD");
        let fields = |message: &Message| {
            let mut fields = message.fields.clone();
            fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date") && !name.eq_ignore_ascii_case("connection"));
            fields
        };
        assert_eq!(fields(&head), fields(&answer));
        // The connection goes on.
        wire.send("GET /app.js HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(wire.response().text(), "let a = 1;");
        // And so it does behind several that were sent at once.
        wire.send(
            "GET /large.bin HTTP/1.1\r\nHost: t.test\r\n\r\n".repeat(3)
                + "GET /app.js HTTP/1.0\r\nHost: t.test\r\n\r\n",
        );
        for _ in 0..3 {
            assert!(wire.response().body == large());
        }
        assert_eq!(wire.response().text(), "let a = 1;");
        wire.ends();
    });
}

#[test]
fn a_change_is_seen_within_moments() {
    let site = Site::new(1);
    assert_eq!(site.get("/app.js").text(), "let a = 1;");
    fs::write(site.dir.file("site/app.js"), "let a = 2;").unwrap();
    crate::harness::poll("the new content", || (site.get("/app.js").text() == "let a = 2;").then_some(()));
    // A directory that is put in the place of another one, as deployments do it.
    fs::rename(site.dir.file("site"), site.dir.file("old")).unwrap();
    fs::create_dir(site.dir.file("site")).unwrap();
    fs::write(site.dir.file("site/app.js"), "let a = 3;").unwrap();
    crate::harness::poll("the new directory", || (site.get("/app.js").text() == "let a = 3;").then_some(()));
    assert_eq!(site.get("/docs/").status(), 404);
}

#[test]
fn directories_have_an_index_and_a_slash() {
    on_workers(|workers| {
        let site = Site::new(workers);
        assert_eq!(site.get("/").text(), PAGE);
        assert_eq!(site.get("/docs/").text(), "docs");
        let redirect = site.get("/docs?a=%2f&b");
        assert_eq!((redirect.status(), redirect.field("location")), (308, Some("/docs/?a=%2f&b")));
        // What begins with two slashes would be another host.
        assert_eq!(site.get("//docs").field("location"), Some("/docs/"));
        assert_own_answer(&site.get("/empty/"), 404, "no_file");
        assert_own_answer(&site.get("/app.js/"), 404, "no_file");
    });
}

#[test]
fn what_is_not_there_or_not_served_says_so() {
    on_workers(|workers| {
        let site = Site::new(workers);
        assert_own_answer(&site.get("/missing.txt"), 404, "no_file");
        for target in ["/.env", "/%2eenv", "/docs/.x/y", "/a%2fb", "/large.bin%2f", "/C:%5cx"] {
            let answer = site.get(target);
            assert!(matches!(answer.status(), 400 | 404), "{target}: {answer:#?}");
            assert!(!answer.text().contains("secret"), "{target}");
        }
        for target in ["/out", "/up/secret", "/up/site/app.js"] {
            assert_own_answer(&site.get(target), 403, "denied");
        }
        for target in
            ["/../secret", "/docs/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/app.js%00", "/..;/secret"]
        {
            let answer = site.get(target);
            assert!(matches!(answer.status(), 400 | 404), "{target}: {answer:#?}");
        }
        let refused = site.proxy.ask("POST /app.js HTTP/1.1\r\nHost: t.test\r\nContent-Length: 1\r\n\r\nx");
        assert_own_answer(&refused, 405, "method_not_allowed");
        assert_eq!(refused.field("allow"), Some("GET, HEAD"));
    });
}

#[test]
fn a_fallback_answers_visits_and_not_the_parts_of_a_page() {
    on_workers(|workers| {
        let site =
            Site::with(workers, |dir| format!("routes:\n  t.test: {{ files: {dir}/site, fallback: /index.html }}\n"));
        for target in ["/login", "/users/17", "/users/17/", "/empty/"] {
            let answer = site.get(target);
            assert_eq!((answer.status(), answer.text().as_str()), (200, PAGE), "{target}");
            assert_eq!(answer.field("cache-control"), Some("no-cache"));
        }
        assert_eq!(site.get("/gone.js").status(), 404);
        assert_eq!(site.ask("/users/john.js", "Accept: text/html,*/*;q=0.8\r\n").text(), PAGE);
        assert_eq!(site.get("/.env").status(), 404);
        assert_eq!(site.get("/app.js").text(), "let a = 1;");
    });
}

#[test]
fn a_route_with_a_path_serves_what_is_below_it() {
    on_workers(|workers| {
        let origin = Origin::named("api");
        let site = Site::with(workers, |dir| {
            format!(
                "routes:\n  t.test/static: {{ files: {dir}/site }}\n  t.test/api: {}\n  t.test: {{ files: {dir}/site/docs }}\n",
                origin.address()
            )
        });
        assert_eq!(site.get("/static/app.js").text(), "let a = 1;");
        assert_eq!(site.get("/static/").text(), PAGE);
        assert_eq!(site.get("/static").field("location"), Some("/static/"));
        assert_eq!(site.get("/api/x").text(), "api");
        assert_eq!(site.get("/").text(), "docs");
        assert_eq!(site.get("/app.js").status(), 404);
    });
}

#[test]
fn files_are_tried_before_the_upstream() {
    on_workers(|workers| {
        let origin = Origin::named("upstream");
        let site = Site::with(workers, |dir| {
            format!("routes:\n  t.test: {{ files: {dir}/site, to: \"{}\", try: [files, to] }}\n", origin.address())
        });
        assert_eq!(site.get("/app.js").text(), "let a = 1;");
        assert_eq!(site.get("/login?x=1").text(), "upstream");
        assert_eq!(site.get("/.env").text(), "upstream");
        assert_eq!(site.get("/empty/").text(), "upstream");
        let posted = site.proxy.ask("POST /app.js HTTP/1.1\r\nHost: t.test\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(posted.text(), "upstream");
        assert_eq!(origin.wait_request(0).target(), "/login?x=1");
        assert_own_answer(&site.get("/out"), 403, "denied");
    });
}

#[test]
fn a_listing_is_given_where_it_is_asked_for() {
    on_workers(|workers| {
        let site = Site::with(workers, |dir| {
            format!("routes:\n  t.test:\n    files: {{ dir: {dir}/site, listing: true, index: [] }}\n")
        });
        let page = site.get("/");
        assert_eq!(page.status(), 200);
        assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
        let text = page.text();
        assert!(text.contains("href=\"./docs/\"") && text.contains("href=\"./app.js\""), "{text}");
        assert!(!text.contains(".env") && !text.contains("out<"), "{text}");
        assert!(site.get("/docs/").text().contains("href=\"./a%20b.txt\""));
        assert_eq!(site.get("/missing/").status(), 404);
    });
}

#[test]
fn conditions_spare_the_body() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let answer = site.get("/app.js");
        let (etag, modified) = (answer.field("etag").unwrap(), answer.field("last-modified").unwrap());
        let status = |lines: String| site.ask("/app.js", &lines).status();
        assert_eq!(status(format!("If-None-Match: {etag}\r\n")), 304);
        assert_eq!(status(format!("If-None-Match: W/{etag}\r\n")), 304);
        assert_eq!(status("If-None-Match: \"other\"\r\n".to_owned()), 200);
        assert_eq!(status(format!("If-Modified-Since: {modified}\r\n")), 304);
        assert_eq!(status("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned()), 200);
        assert_eq!(status(format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}\r\n")), 200);
        assert_eq!(status(format!("If-Match: {etag}\r\n")), 200);
        assert_own_answer(&site.ask("/app.js", "If-Match: \"other\"\r\n"), 412, "precondition_failed");
        assert_eq!(status("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned()), 412);
        let known = site.ask("/app.js", &format!("If-None-Match: {etag}\r\n"));
        assert_eq!((known.field("etag"), known.field("content-length")), (Some(etag), None));
        assert_eq!(known.field("cache-control"), Some("no-cache"));
        assert!(known.body.is_empty());
    });
}

#[test]
fn ranges_of_files() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let part = site.ask("/digits.txt", "Range: bytes=2-4\r\n");
        assert_eq!((part.status(), part.text().as_str()), (206, "234"));
        assert_eq!(part.field("content-range"), Some("bytes 2-4/10"));
        assert_eq!(site.ask("/digits.txt", "Range: bytes=-3\r\n").text(), "789");
        let outside = site.ask("/digits.txt", "Range: bytes=10-\r\n");
        assert_own_answer(&outside, 416, "range_not_satisfiable");
        assert_eq!(outside.field("content-range"), Some("bytes */10"));
        assert_eq!(site.ask("/digits.txt", "Range: bytes=4-2\r\n").status(), 200);
        let parts = site.ask("/digits.txt", "Range: bytes=0-1,8-\r\n");
        assert_eq!(parts.status(), 206);
        let kind = parts.field("content-type").unwrap().to_owned();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range: &str, text: &str| {
            format!(
                "--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/10\r\n\r\n{text}\r\n"
            )
        };
        assert_eq!(parts.text(), part("0-1", "01") + &part("8-9", "89") + &format!("--{boundary}--\r\n"));
        let all = large();
        for (range, expect) in
            [("0-9", &all[..10]), ("1000000-", &all[1_000_000..]), ("300000-900000", &all[300_000..=900_000])]
        {
            let part = site.ask("/large.bin", &format!("Range: bytes={range}\r\n"));
            assert!(part.status() == 206 && part.body == expect, "{range}");
        }
        let etag = site.get("/digits.txt").field("etag").unwrap().to_owned();
        assert_eq!(site.ask("/digits.txt", &format!("Range: bytes=0-1\r\nIf-Range: {etag}\r\n")).status(), 206);
        assert_eq!(site.ask("/digits.txt", "Range: bytes=0-1\r\nIf-Range: \"other\"\r\n").status(), 200);
    });
}
