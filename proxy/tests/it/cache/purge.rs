//! Purging by URL, prefix and tag, by the admin plane and by command.

use super::Site;
use crate::harness::{Wire, on_workers, run};

impl Site {
    /// Lets the origin answer a path once, and has it stored.
    fn store(&self, path: &str, tags: &str) {
        self.will(path, &format!("200\nCache-Control: max-age=600\nSurrogate-Key: {tags}\n\nstored"));
        self.ask(path, "GET");
    }

    /// Whether a path is answered from the store.
    fn has(&self, path: &str) -> bool {
        self.ask(path, "GET\nCache-Control: only-if-cached").status() == 200
    }
}

#[test]
fn by_url_prefix_and_tag() {
    on_workers(|workers| {
        let site = Site::start(workers, "true");
        let config = site.proxy.config();
        let purge = |what: &[&str]| {
            let arguments = [&["purge"], what, &["-c", config.to_str().unwrap()]].concat();
            let output = run(site.proxy.dir().path(), &arguments);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        for path in ["/a/1", "/a/2", "/b/1", "/b/2?x=1", "/c"] {
            site.store(path, if path.ends_with('1') { "one all" } else { "two all" });
            assert!(site.has(path), "{path}");
        }
        assert_eq!(purge(&["HTTP://T.test:80/c"]), "1 URL is no longer kept\n");
        assert!(!site.has("/c"));
        assert_eq!(purge(&["--prefix", "http://t.test/a/"]), "2 URLs are no longer kept\n");
        assert!(!site.has("/a/1") && !site.has("/a/2") && site.has("/b/1"));
        assert_eq!(purge(&["--tag", "one"]), "2 URLs are no longer kept\n");
        assert!(!site.has("/b/1") && !site.has("/b/2?x=1"));
        site.store("/c", "x");
        assert_eq!(purge(&["--all"]), "1 URL is no longer kept\n");
        assert!(!site.has("/c"));
    });
}

/// Each spelling of a host has its own answers, and a purge means all of them.
#[test]
fn however_the_host_is_written() {
    let site = Site::start(1, "true");
    let config = site.proxy.config();
    for what in [&["http://t.test/a/1"][..], &["http://T.test.:80/a/1"], &["--prefix", "http://t.test.:80/a/"]] {
        for host in ["t.test", "t.test:80", "t.test.", "t.test.:80"] {
            site.will("/a/1", "200\nCache-Control: max-age=600\n\nstored");
            let head = format!("GET /a/1 HTTP/1.1\r\nHost: {host}\r\n");
            assert_eq!(site.proxy.ask(format!("{head}\r\n")).status(), 200);
            let output = run(site.proxy.dir().path(), &[&["purge"], what, &["-c", config.to_str().unwrap()]].concat());
            assert!(output.status.success(), "{output:?}");
            let got = site.proxy.ask(format!("{head}Cache-Control: only-if-cached\r\n\r\n"));
            assert_eq!(got.status(), 504, "{host} is kept after {what:?}");
        }
    }
}

#[test]
fn only_with_the_token() {
    let site = Site::start(1, "true");
    site.store("/a", "one");
    let ask = |token: &str, body: &str| {
        let mut wire = Wire::connect(site.proxy.admin());
        wire.send(format!(
            "POST /v1/cache/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{token}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        wire.response().status()
    };
    let token = format!("Authorization: Bearer {}\r\n", site.proxy.token());
    assert_eq!(ask("", "{\"all\": true}"), 401);
    assert!(site.has("/a"));
    for wrong in ["{}", "{\"url\": \"/a\"}", "{\"url\": \"http://t.test/a\", \"tag\": \"x\"}", "{\"tag\": \"\"}"] {
        assert_eq!(ask(&token, wrong), 422, "{wrong}");
    }
    assert_eq!(ask(&token, "{\"all\": true}"), 200);
    assert!(!site.has("/a"));
}
