//! SECURITY.md §1 F: one canonical path, the same for every decision. Cases 121–129.

use crate::harness::{Message, Origin, Proxy, assert_own_answer, assert_refused, on_workers};

/// An area for everybody and one that is not, each with its origin.
struct Site {
    proxy: Proxy,
    public: Origin,
    admin: Origin,
}

impl Site {
    fn new(workers: usize) -> Self {
        Self::with(workers, "")
    }

    fn with(workers: usize, more: &str) -> Self {
        let (public, admin) = (Origin::named("public"), Origin::named("admin"));
        let yaml = format!("routes:\n  t.test: {}\n  t.test/admin: {}\n{more}", public.address(), admin.address());
        Self { proxy: Proxy::start(workers, &yaml), public, admin }
    }

    #[track_caller]
    fn get(&self, target: &str) -> Message {
        self.proxy.get("t.test", target)
    }

    /// The target is refused, and neither origin sees it.
    #[track_caller]
    fn refuses(&self, targets: &[&str]) {
        for target in targets {
            assert_refused(&self.proxy, format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
        }
        self.public.assert_untouched();
        self.admin.assert_untouched();
    }

    /// The target is answered by that origin.
    #[track_caller]
    fn answers(&self, target: &str, who: &str) {
        let answer = self.get(target);
        assert_eq!((answer.status(), answer.text().as_str()), (200, who), "{target}: {answer:#?}");
    }
}

#[test]
fn case_121_dot_segments() {
    on_workers(|workers| {
        let site = Site::new(workers);
        site.refuses(&["/..", "/../admin", "/a/../../admin", "/%2e%2e/x", "/%2E./x", "/a/%2e%2e/%2e%2e/x"]);
        for target in ["/a/../admin", "/a/./../admin", "/./admin", "/a/%2e%2e/admin", "/a/.%2E/admin", "/%2e/admin"] {
            site.answers(target, "admin");
        }
        for target in ["/admin/..", "/admin/../x", "/admin/%2e%2e/x", "/admin/./.%2e/x"] {
            site.answers(target, "public");
        }
        // What was resolved for the match is what the origin gets: the two never differ.
        for origin in [&site.admin, &site.public] {
            for request in origin.requests() {
                let target = request.target().to_ascii_lowercase().replace("%2e", ".");
                assert!(!target.split('/').any(|s| s == "." || s == ".."), "{target}");
            }
        }
    });
}

#[test]
fn case_122_encoded_slashes_and_backslashes() {
    on_workers(|workers| {
        let site = Site::new(workers);
        site.refuses(&[
            "/public/..%2fadmin",
            "/public/..%2Fadmin",
            "/public%2f..%2fadmin",
            "/public/%2e%2e%2fadmin",
            "/a%5cb",
            "/a%5Cb",
            "/..%5cadmin",
            "/admin%2f..",
            "/x%2f.%2fadmin",
            // Decoded it would be another route.
            "/admin%2fx",
            "/%2fadmin",
            "/admin%2F",
        ]);
        // An encoded slash that changes no verdict is forwarded as it came.
        site.answers("/a%2fb/c", "public");
        site.answers("/admin/a%2Fb", "admin");
        assert_eq!(site.public.wait_request(0).target(), "/a%2fb/c");
        assert_eq!(site.admin.wait_request(0).target(), "/admin/a%2Fb");
    });
    on_workers(|workers| {
        let site = Site::new(workers);
        site.refuses(&["/..\\admin", "/a\\b"]);
    });
}

#[test]
fn case_123_path_parameters() {
    on_workers(|workers| {
        let site = Site::new(workers);
        site.refuses(&["/a/..;x/admin", "/..;/admin", "/a/..;", "/a/%2e%2e;x/admin", "/a/..%3bx/admin"]);
    });
    on_workers(|workers| {
        let site = Site::new(workers);
        // Parameters don't hide a segment from the match, and are forwarded.
        for (n, target) in ["/admin;x", "/admin;x=1/y", "/admin;/y"].into_iter().enumerate() {
            site.answers(target, "admin");
            assert_eq!(site.admin.wait_request(n).target(), target);
        }
        site.answers("/;/admin", "admin");
        site.answers("/;/x", "public");
        site.answers("/a;b/c", "public");
    });
}

#[test]
fn case_124_doubled_slashes() {
    on_workers(|workers| {
        let site = Site::new(workers);
        site.answers("//admin", "admin");
        site.answers("///admin//x", "admin");
        site.answers("/a//b", "public");
        // Merged for the match; and the origin is never shown a form that means something else than what was matched.
        let targets: Vec<String> = site.admin.requests().iter().map(|r| r.target().to_owned()).collect();
        assert!(targets[0] == "//admin" || targets[0] == "/admin", "{targets:?}");
    });
}

#[test]
fn case_124_a_rule_that_merges_nothing() {
    on_workers(|workers| {
        let (kept, bare) = (Origin::named("kept"), Origin::named("bare"));
        let proxy = Proxy::start(
            workers,
            &format!(
                "defaults: {{ paths: {{ merge_slashes: false }} }}\nroutes:\n  t.test: {}\n  \
                 t.test/bare: {{ to: \"{}\", strip_prefix: true }}\n  \
                 t.test/closed: {{ to: \"{0}\", deny: [{{ path: /closed/in }}] }}\n  \
                 t.test/merged: {{ to: \"{0}\", paths: {{ merge_slashes: true }} }}\n  \
                 t.test/moved: {{ redirect: \"{{path}}/\" }}\n",
                kept.address(),
                bare.address()
            ),
        );
        for (n, (target, sent)) in [
            ("/fetch/https://x.test//y?u=a//b", "/fetch/https://x.test//y?u=a//b"),
            ("//", "//"),
            // Dot segments beside them: only what was matched can be sent.
            ("/a//../b", "/b"),
            ("/merged//x", "/merged/x"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(proxy.get("t.test", target).text(), "kept", "{target}");
            assert_eq!(kept.wait_request(n).target(), sent);
        }
        for (n, target) in ["/bare//x", "//bare//x", "/%62are//x"].into_iter().enumerate() {
            assert_eq!(proxy.get("t.test", target).text(), "bare", "{target}");
            assert_eq!(bare.wait_request(n).target(), "//x");
        }
        // What is forbidden or sent elsewhere is known by the merged path.
        assert_eq!(proxy.get("t.test", "/closed///in").status(), 403);
        assert_eq!(proxy.get("t.test", "//moved//evil.test").field("location"), Some("/moved/evil.test/"));
    });
}

#[test]
fn a_rule_that_takes_no_encoded_slash() {
    on_workers(|workers| {
        let origin = Origin::named("origin");
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  t.test: {{ to: \"{}\", paths: {{ encoded_slash: reject }} }}\n  t.test/open: \"{0}\"\n",
                origin.address()
            ),
        );
        let refused = proxy.get("t.test", "/a%2fb");
        assert_own_answer(&refused, 400, "bad_request");
        assert!(refused.text().contains("encoded_slash: reject"), "{refused:#?}");
        assert_eq!(proxy.get("t.test", "/open/a%2Fb").text(), "origin");
        assert_eq!(proxy.get("t.test", "/a?b=%2F").text(), "origin");
        assert_eq!(origin.requests().len(), 2);
    });
}

#[test]
fn case_125_encodings_that_are_none() {
    on_workers(|workers| {
        Site::new(workers).refuses(&[
            "/a%00",
            "/a%0d%0ab",
            "/a%0a",
            "/a%0D",
            "/%c0%af",
            "/a%c0%afb",
            "/%e0%80%af",
            "/%zz",
            "/%u002f",
            "/a%",
            "/a%2",
            "/%2",
            "/a%1gb",
        ]);
    });
}

#[test]
fn case_126_spellings_of_a_path() {
    on_workers(|workers| {
        for count in [0, 150] {
            let more: String = (0..count).map(|n| format!("  t.test/r{n}: {{ respond: wrong }}\n")).collect();
            let site = Site::with(workers, &more);
            site.answers("/%61dmin", "admin");
            site.answers("/%61%64%6d%69%6E/x", "admin");
            site.answers("/ADMIN", "public");
            site.answers("/Admin", "public");
            site.answers("/admin%20", "public");
            site.answers("/adminx", "public");
            site.answers("/admin/", "admin");
            site.answers("/admin?x", "admin");
        }
    });
}

#[test]
fn case_127_encoded_twice() {
    on_workers(|workers| {
        let site = Site::new(workers);
        for (n, target) in ["/%252e%252e%252fadmin", "/a/%252e%252e/admin", "/%2561dmin"].into_iter().enumerate() {
            site.answers(target, "public");
            assert_eq!(site.public.wait_request(n).target(), target);
        }
        site.admin.assert_untouched();
    });
}

#[test]
fn case_128_prefixes_that_leave_something_else() {
    on_workers(|workers| {
        let (api, admin) = (Origin::named("api"), Origin::named("admin"));
        let yaml = format!(
            "routes:\n  t.test/api: {{ to: {}, strip_prefix: true }}\n  t.test/admin: {}\n",
            api.address(),
            admin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for target in ["/api/../../x", "/api/..%2fadmin", "/api%2f../admin", "/api/..;/admin"] {
            assert_refused(&proxy, format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
        }
        api.assert_untouched();
        let seen = [("/api/x", "/x"), ("/api", "/"), ("/api/", "/"), ("/api?q", "/?q"), ("/api/x?q=/api", "/x?q=/api")];
        for (n, (target, upstream)) in seen.into_iter().enumerate() {
            assert_eq!(proxy.get("t.test", target).text(), "api", "{target}");
            assert_eq!(api.wait_request(n).target(), upstream, "{target}");
        }
        // What is left always begins with one slash, and holds no dot segment.
        for target in ["/api//x", "/api//evil.test/x", "/api/./x", "/api/y/../x"] {
            let answer = proxy.get("t.test", target);
            assert!(matches!(answer.status(), 200 | 400), "{target}: {answer:#?}");
        }
        for request in api.requests() {
            let target = request.target();
            assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
            assert!(!target.split(['/', '?']).any(|s| s == "." || s == ".."), "{target}");
        }
        admin.assert_untouched();
    });
}

#[test]
fn case_129_queries_never_route() {
    on_workers(|workers| {
        let site = Site::new(workers);
        let many: String = (0..2000).map(|n| format!("a{n}=b&")).collect();
        let targets = [
            "/x?/../admin".to_owned(),
            "/x?a=/admin/..;/".to_owned(),
            "/x?a=%2e%2e%2f%00%zz".to_owned(),
            "/?//admin;x".to_owned(),
            "/x??admin".to_owned(),
            format!("/x?{}", &many[..7900]),
        ];
        for (n, target) in targets.iter().enumerate() {
            site.answers(target, "public");
            assert_eq!(site.public.wait_request(n).target(), target);
        }
        site.admin.assert_untouched();
    });
}

#[test]
fn case_129_many_parameters_cost_little() {
    on_workers(|workers| {
        let origin = Origin::ok();
        // A condition on the query must look at all of them.
        let yaml = format!(
            "limits: {{ head: 256KiB, target: 128KiB }}\nroutes:\n  t.test:\n    \
             - {{ when: {{ query: {{ want: \"1\" }} }}, respond: found }}\n    - to: {}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let many = (0..10_000).map(|n| format!("a{n}=b")).collect::<Vec<_>>().join("&");
        let before = proxy.ticks();
        assert_eq!(proxy.get("t.test", &format!("/?{many}&want=1")).text(), "found");
        assert_eq!(proxy.get("t.test", &format!("/?{many}")).text(), "ok");
        assert!(proxy.ticks() - before < 100, "{} ticks for two requests", proxy.ticks() - before);
    });
}
