//! Targets that change on their way, and what must not come of it (case 128).

use crate::harness::{Origin, Proxy, assert_refused, on_workers, run};

#[test]
fn rewrites_and_queries() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "routes:\n  t.test: {{ to: \"{a}\", rewrite: {{ regex: '^/old/(.*)$', to: '/new/{{1}}' }} }}\n  \
             q.test: {{ to: \"{a}\", strip_prefix: /api, query: {{ remove: [token], set: {{ by: \"{{host}}\" }} }} }}\n",
            a = origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let check = |n: usize, host: &str, target: &str, expect: &str| {
            assert_eq!(proxy.get(host, target).status(), 200, "{target}");
            assert_eq!(origin.wait_request(n).target(), expect, "{target}");
        };
        check(0, "t.test", "/old/a%20b?q=%2F", "/new/a%20b?q=%2F");
        check(1, "t.test", "/other", "/other");
        check(2, "t.test", "/x/../%6fld//a", "/new/a");
        check(3, "q.test", "/api/x?a=1&%74oken=2&token=3", "/x?a=1&by=q.test");
        let n = origin.requests().len();
        for target in ["/old/..%2fx", "/old/%2e%2e%2fx", "/%2fold/x", "/old%2fx"] {
            assert_refused(&proxy, format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
        }
        assert_eq!(origin.requests().len(), n);
    });
}

#[test]
fn explain_prints_the_chain_in_its_order() {
    let dir = crate::harness::TempDir::new();
    dir.write(
        "switchboard.yaml",
        "listen: { bind: ':80', deny: 192.0.2.0/24 }\nroutes: { t.test: { compress: true, cache: true, response_headers: { set: { a: b } }, \
         detect: block, methods: GET, to: ':1', deny: { path: /no }, cors: { origins: '*' }, query: { remove: [x] }, \
         rate_limit: [{ key: { claim: sub }, rate: 1/s }, { rate: 9/s }], jwt: { jwks: 'http://keys.test/' }, client_cert: true } }\n",
    );
    let explain = |url: &str| String::from_utf8(run(dir.path(), &["explain", url]).stdout).unwrap();
    let text = explain("t.test/");
    let chain = text.split("Policies, in this order\n").nth(1).unwrap_or_else(|| panic!("{text}"));
    let order: Vec<&str> = chain.lines().map_while(|line| line.split_whitespace().next()).collect();
    let expect = [
        "max_body",
        "deny",
        "deny",
        "rate_limit",
        "cors",
        "identity",
        "rate_limit",
        "methods",
        "detect",
        "query",
        "cache",
        "response_headers",
        "compress",
    ];
    assert_eq!(order, expect, "{text}");
    assert!(chain.contains("client_cert and jwt, else 401"), "{text}");
    assert!(explain("t.test/no").contains("403 denied"), "{}", explain("t.test/no"));
}
