//! What SECURITY §3.5 wants to be counted besides rates: ejections, retries that were not made, idle connections, handshakes
//! that failed and why, HTTP/2, and how far behind the workers are.

use super::ADMIN;
use super::metrics::{page, value, wait_for};
use crate::harness::h2::{Frames, RST_STREAM, frame, get};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll};
use crate::tls::peer::Authority;
use std::process::Command;

fn failing() -> Origin {
    Origin::answering("HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nfrom")
}

/// Waits until a series is there with anything above nothing.
fn wait_above_zero(proxy: &Proxy, series: &str) {
    poll(series, || value(&page(proxy), series).filter(|value| *value > 0.0).map(drop));
}

#[test]
fn retries_that_the_budget_forbids_and_ejections() {
    on_workers(|workers| {
        let origins = [failing(), failing()];
        let (one, two) = (origins[0].address(), origins[1].address());
        let proxy = Proxy::start(
            workers,
            &format!(
                "{ADMIN}routes: {{ t.test: {{ to: api, retry: {{ causes: [503], retries: 2 }} }} }}\nupstreams: {{ api: {{ \
                 endpoints: [\"{one}\", \"{two}\"], outlier: {{ failures: 3, hold: 60s }} }} }}\n"
            ),
        );
        for _ in 0..30 {
            assert_eq!(proxy.get("t.test", "/").status(), 503);
        }
        wait_above_zero(&proxy, "switchboard_upstream_retry_budget_exhausted_total{upstream=\"api\"}");
        let ejections =
            |origin: &str| format!("switchboard_endpoint_ejections_total{{upstream=\"api\",endpoint=\"{origin}\"}}");
        poll("one to be ejected, and never the last", || {
            let page = page(&proxy);
            let sum = value(&page, &ejections(&one))? + value(&page, &ejections(&two))?;
            (sum == 1.0).then_some(())
        });
    });
}

#[test]
fn idle_connections_to_endpoints_and_how_far_behind_workers_are() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let address = origin.address();
        let config = |timeout: &str| {
            format!(
                "{ADMIN}routes: {{ t.test: api }}\nupstreams: {{ api: {{ endpoints: [\"{address}\"], pool: {{ idle_timeout: \
                 {timeout} }} }} }}\n"
            )
        };
        let proxy = Proxy::start(workers, &config("60s"));
        let idle = format!("switchboard_endpoint_idle_connections{{upstream=\"api\",endpoint=\"{address}\"}}");
        assert_eq!(proxy.get("t.test", "/").status(), 200);
        wait_for(&proxy, &idle, 1.0);
        // Other bounds make another pool; what was kept in the old one is told of no more once it is closed.
        proxy.write_config(&config("1s"));
        assert_eq!(super::change(&proxy, "POST /v1/reload", "").status(), 200);
        assert_eq!(proxy.get("t.test", "/").status(), 200);
        wait_above_zero(&proxy, "switchboard_tasks");
        wait_above_zero(&proxy, "switchboard_loop_lag_seconds_count");
        let page = page(&proxy);
        for worker in 0..workers {
            let silent = value(&page, &format!("switchboard_worker_silent_seconds{{worker=\"{worker}\"}}"));
            assert!(silent.is_some_and(|seconds| seconds < 10.0), "{silent:?}");
        }
        assert!(value(&page, "process_max_fds") > Some(100.0) && value(&page, "process_cpu_seconds_total") > Some(0.0));
        assert_eq!(value(&page, "switchboard_draining"), Some(0.0));
    });
}

#[test]
fn handshakes_that_failed_by_cause() {
    let authority = Authority::new();
    authority.issue("a", &["a.test"]);
    let listen = format!("listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\n", authority.pair("a"));
    let proxy = Proxy::start(
        1,
        &format!("{ADMIN}log: {{ level: debug }}\n{listen}routes: {{ a.test: {{ respond: hello }} }}\n"),
    );
    let mut wire = Wire::connect(proxy.address());
    let picture = super::json(&super::ask(&proxy, "GET /v1/picture", &[]));
    let shown = &picture["certificates"][0];
    assert_eq!((&shown["name"], &shown["issuer"]), (&"a.test".into(), &"from a file".into()), "{picture}");
    // A ClientHello of no length.
    wire.offer([22, 3, 1, 0, 4, 1, 0, 0, 0]);
    wire.rest();
    drop(Wire::connect(proxy.address()));
    // A client that doesn't know the authority says so.
    let stranger = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "20", "--resolve"])
        .args([
            format!("a.test:{}:127.0.0.1", proxy.address().port()),
            format!("https://a.test:{}/", proxy.address().port()),
        ])
        .output()
        .unwrap();
    assert!(!stranger.status.success());
    poll("all three to be counted", || {
        let page = page(&proxy);
        let count = |cause: &str| {
            let line = page.lines().find(|line| {
                line.starts_with("switchboard_listener_tls_failures_total")
                    && line.contains(&format!("cause=\"{cause}\""))
            });
            line.is_some_and(|line| line.ends_with(" 1"))
        };
        ["malformed", "closed", "client_unknown_ca"].into_iter().all(count).then_some(())
    });
    let lines: Vec<String> = proxy.log().into_iter().filter(|line| line.contains("a TLS handshake failed")).collect();
    assert!(lines.iter().all(|line| line.contains(r#""client":"127.0.0.1","listener":"127.0.0.1:0""#)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains(r#""sni":"a.test""#)), "{lines:#?}");
}

#[test]
fn http2_is_counted_apart() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(
            workers,
            &format!(
                "{ADMIN}listen: {{ bind: 127.0.0.1:0, h2c: true }}\nroutes: {{ t.test: \"{}\" }}\n",
                origin.address()
            ),
        );
        assert_eq!(proxy.get("t.test", "/").status(), 200);
        let mut client = Frames::begin(&proxy);
        client.offer(get(1));
        assert_eq!(client.status(1), 200);
        client.offer(frame(RST_STREAM, 0, 3, 8_u32.to_be_bytes()));
        wait_for(&proxy, "switchboard_http2_requests_total", 1.0);
        wait_for(&proxy, "switchboard_requests_total", 2.0);
        // A reset of a stream that was never opened breaks the protocol.
        wait_for(&proxy, "switchboard_http2_faults_total", 1.0);
        wait_for(&proxy, "switchboard_http2_resets_received_total", 1.0);
        drop(client);
        wait_for(&proxy, "switchboard_http2_connections", 0.0);
    });
}
