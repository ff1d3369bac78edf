//! `builtin:` answers about the proxy itself on a data listener, where a route says so and nowhere else.

use std::net::TcpStream;

use crate::harness::{Proxy, Wire, on_workers, poll};

#[test]
fn case_190_health_ready_and_metrics_answer_only_where_they_are_routed() {
    on_workers(|workers| {
        let proxy = Proxy::start(
            workers,
            "routes:\n  \"*/-/health\": { builtin: health }\n  \"*/-/ready\": { builtin: ready }\n  \
             a.test/metrics: { builtin: metrics, allow: [127.0.0.1] }\n  \
             b.test/metrics: { builtin: metrics, allow: [10.0.0.0/8] }\n",
        );
        let check = |host: &str, path: &str, status: u16, part: &str| {
            let answer = proxy.get(host, path);
            assert_eq!(answer.status(), status, "{host}{path}");
            assert!(answer.text().contains(part), "{host}{path}: {}", answer.text());
            answer
        };
        let health = check("any.test", "/-/health", 200, "ok");
        assert_eq!(health.field("cache-control"), Some("no-store"));
        assert_eq!(health.field("x-switchboard-reason"), Some("builtin"));
        check("any.test", "/-/ready", 200, "ready");
        for path in ["/health", "/ready", "/metrics", "/v1/status", "/"] {
            check("any.test", path, 404, "");
        }
        check("b.test", "/metrics", 403, "");
        let page = check("a.test", "/metrics", 200, "switchboard_build_info");
        assert_eq!(page.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        poll("the requests to be counted", || {
            let counted = "switchboard_route_responses_total{route=\"a.test/metrics\",class=\"2xx\"}";
            proxy.get("a.test", "/metrics").text().contains(counted).then_some(())
        });
        let head = proxy.send("HEAD /metrics HTTP/1.1\r\nHost: a.test\r\n\r\n").response_to("HEAD");
        assert_eq!(head.status(), 200);
    });
}

#[test]
fn ready_fails_while_a_shutdown_is_announced_and_everything_else_goes_on() {
    let mut proxy = Proxy::start(
        1,
        "drain: { announce: 3s }\nroutes: { \"*/-/ready\": { builtin: ready }, t.test: { respond: hello } }\n",
    );
    assert_eq!(proxy.get("any.test", "/-/ready").status(), 200);
    proxy.signal("TERM");
    poll("it to be told", || (proxy.get("any.test", "/-/ready").status() == 503).then_some(()));
    assert_eq!(proxy.get("any.test", "/-/ready").text(), "draining\n");
    assert_eq!(proxy.get("t.test", "/").text(), "hello");
    assert!(TcpStream::connect(proxy.address()).map(Wire::from_tcp).is_ok());
    assert!(proxy.wait_exit().success());
}
