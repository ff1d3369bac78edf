//! What Prometheus scrapes: the numbers are right, their form is what its own tools accept, and the docs list them all.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{ADMIN, ask, change};
use crate::harness::{Message, Origin, Proxy, TempDir, Wire, on_workers, poll, poll_for, route_to};

pub(super) fn page(proxy: &Proxy) -> String {
    ask(proxy, "GET /metrics", &[]).text().to_owned()
}

/// The value of the line that begins so.
pub(super) fn value(page: &str, series: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

pub(super) fn wait_for(proxy: &Proxy, series: &str, wanted: f64) {
    let mut last = None;
    poll_for(crate::harness::PATIENCE, || {
        last = value(&page(proxy), series);
        (last == Some(wanted)).then_some(())
    })
    .unwrap_or_else(|| panic!("{series} is {last:?}, not {wanted}\n{}", page(proxy)));
}

/// An origin that answers each request with the status that its path names.
fn echo_status() -> Origin {
    Origin::start(|wire: &mut Wire, _| {
        while let Some(request) = wire.request() {
            let status = request.target().trim_start_matches('/').to_owned();
            wire.send(format!("HTTP/1.1 {status} Some\r\nContent-Length: 2\r\n\r\nok"));
        }
    })
}

#[test]
fn counts_per_route_endpoint_upstream_and_listener() {
    on_workers(|workers| {
        let origin = echo_status();
        let address = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "{ADMIN}access_log: off\nroutes: {{ a.test: api, b.test: {{ respond: hello }} }}\n\
                 upstreams: {{ api: {{ endpoints: [{address}] }} }}\n"
            ),
        );
        // The first look says that somebody wants durations.
        page(&proxy);
        for status in ["200", "200", "404", "503"] {
            proxy.get("a.test", &format!("/{status}"));
        }
        proxy.get("b.test", "/");
        wait_for(&proxy, "switchboard_route_responses_total{route=\"a.test\",class=\"2xx\"}", 2.0);
        wait_for(&proxy, "switchboard_route_responses_total{route=\"a.test\",class=\"4xx\"}", 1.0);
        wait_for(&proxy, "switchboard_route_responses_total{route=\"b.test\",class=\"2xx\"}", 1.0);
        wait_for(&proxy, "switchboard_route_duration_seconds_count{route=\"a.test\"}", 4.0);
        wait_for(&proxy, "switchboard_duration_seconds_count", 5.0);
        let endpoint = format!("upstream=\"api\",endpoint=\"{address}\"");
        wait_for(&proxy, &format!("switchboard_endpoint_responses_total{{{endpoint},class=\"5xx\"}}"), 1.0);
        wait_for(&proxy, &format!("switchboard_endpoint_up{{{endpoint}}}"), 1.0);
        wait_for(&proxy, &format!("switchboard_endpoint_in_flight{{{endpoint}}}"), 0.0);
        wait_for(&proxy, "switchboard_upstream_first_byte_seconds_count{upstream=\"api\"}", 4.0);
        let page = page(&proxy);
        let accepted = page.lines().find(|line| line.starts_with("switchboard_listener_accepted_total")).unwrap();
        assert!(accepted.ends_with(" 5"), "{accepted}");
        let sum = value(&page, "switchboard_route_duration_seconds_sum{route=\"a.test\"}").unwrap();
        assert!(sum > 0.0, "{page}");
    });
}

#[test]
fn counts_go_on_where_a_route_is_changed_and_attempts_that_failed_are_told() {
    let origin = echo_status();
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = |to: &str| format!("{ADMIN}routes: {{ a.test: {{ to: {to} }} }}\n");
    let proxy = Proxy::start(1, &yaml(&format!("[\"{nobody}\", \"{}\"]", origin.address())));
    for _ in 0..4 {
        assert_eq!(proxy.get("a.test", "/200").status(), 200);
    }
    proxy.write_config(&yaml(&format!("\"{}\"", origin.address())));
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    proxy.get("a.test", "/200");
    wait_for(&proxy, "switchboard_route_responses_total{route=\"a.test\",class=\"2xx\"}", 5.0);
    proxy.write_config(&yaml(&format!("\"{nobody}\"")));
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    assert_eq!(proxy.get("a.test", "/").status(), 502);
    wait_for(&proxy, "switchboard_route_reasons_total{route=\"a.test\",reason=\"connect_refused\"}", 1.0);
    let failures = format!("switchboard_endpoint_failures_total{{upstream=\"{nobody}\",endpoint=\"{nobody}\"}}");
    wait_for(&proxy, &failures, 1.0);
}

#[test]
fn case_188_no_label_comes_from_a_request_and_their_number_is_bounded() {
    let routes: String = (0..1200).map(|n| format!("  r{n}.test: {{ respond: x }}\n")).collect();
    let proxy = Proxy::start(1, &format!("{ADMIN}routes:\n{routes}"));
    let mut wire = proxy.connect();
    for n in 0..1200 {
        // A connection has a thousand requests at most.
        if n == 600 {
            wire = proxy.connect();
        }
        wire.send(format!("GET / HTTP/1.1\r\nHost: r{n}.test\r\n\r\n"));
        assert_eq!(wire.response().status(), 200);
    }
    for n in 0..50 {
        wire.send(format!("M{n} /p{n} HTTP/1.1\r\nHost: evil{n}.test\r\nUser-Agent: agent{n}\r\n\r\n"));
        assert_eq!(wire.response().status(), 404);
    }
    let page = poll("all to be counted", || {
        let page = page(&proxy);
        (value(&page, "switchboard_requests_total") == Some(1250.0)).then_some(page)
    });
    for part in ["evil", "agent", "/p4", "M4"] {
        assert!(!page.contains(part), "{part} comes from a request");
    }
    let own = page.lines().filter(|line| line.starts_with("switchboard_route_duration_seconds_count"));
    assert_eq!(own.count(), 1001);
    assert_eq!(value(&page, "switchboard_route_responses_total{route=\"(others)\",class=\"2xx\"}"), Some(200.0));
}

/// A program of Debian's `prometheus`, or a loud line.
fn judge(test: &str, program: &str) -> Option<Command> {
    let found = std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|directory| directory.join(program).is_file()));
    if found {
        return Some(Command::new(program));
    }
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no {program}: ./check installs it");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no {program} (apt install prometheus)");
    None
}

#[test]
fn promtool_has_nothing_to_say() {
    let Some(mut promtool) = judge("promtool_has_nothing_to_say", "promtool") else { return };
    let origin = echo_status();
    let proxy = Proxy::start(2, &format!("{ADMIN}{}", route_to(&origin)));
    proxy.get("t.test", "/200");
    proxy.get("nobody.test", "/");
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    let mut running = promtool.args(["check", "metrics"]);
    running = running.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = running.spawn().unwrap();
    running.stdin.take().unwrap().write_all(page(&proxy).as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let Some(mut prometheus) = judge("a_real_prometheus_scrapes_it", "prometheus") else { return };
    let proxy = Proxy::start(1, &format!("{ADMIN}routes: {{ a.test: {{ respond: hello }} }}\n"));
    proxy.get("a.test", "/");
    let dir = TempDir::new();
    let targets = format!("[{{ targets: ['{}'] }}]", proxy.admin());
    let config = dir.write(
        "prometheus.yml",
        &format!(
            "scrape_configs:\n  - job_name: switchboard\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
             static_configs: {targets}\n"
        ),
    );
    // It has no way to be given port 0 and tell; one that was free a moment ago is, but for bad luck.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    prometheus.arg(format!("--config.file={}", config.display()));
    prometheus.arg(format!("--storage.tsdb.path={}", dir.file("data").display()));
    prometheus.arg(format!("--web.listen-address={port}"));
    let mut running = prometheus.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let query = "/api/v1/query?query=switchboard_route_responses_total";
    let found = poll_for(2 * crate::harness::PATIENCE, || {
        let stream = std::net::TcpStream::connect(port).ok()?;
        let mut wire = Wire::from_tcp(stream);
        wire.offer(format!("GET {query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        let answer: Message = wire.response();
        answer.text().contains("\"route\":\"a.test\"").then_some(())
    });
    let _ = running.kill();
    let _ = running.wait();
    assert!(found.is_some(), "Prometheus knows nothing of the route");
}

/// Families that this scrape has no sample of, so that the docs alone know their labels.
const NOT_ALWAYS: &[&str] = &[
    "switchboard_certificate_expiry_timestamp_seconds",
    "switchboard_certificate_trouble",
    "switchboard_listener_proxy_header_drops_total",
    "switchboard_listener_tls_failures_total",
    "switchboard_route_reasons_total",
];

#[test]
fn the_docs_list_every_metric() {
    let origin = echo_status();
    let proxy = Proxy::start(1, &format!("{ADMIN}{}", route_to(&origin)));
    proxy.get("t.test", "/200");
    assert_eq!(change(&proxy, "POST /v1/reload", "").status(), 200);
    wait_for(&proxy, "switchboard_route_duration_seconds_count{route=\"t.test\"}", 1.0);
    let page = page(&proxy);
    let mut rows = BTreeMap::new();
    let helps = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    for (name, help) in helps {
        let kind = page.lines().find_map(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
        let labels = page.lines().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.strip_prefix("_bucket").unwrap_or(rest).strip_prefix('{')?.split_once('}')
        });
        let labels = labels.map_or("", |(labels, _)| labels).split(',').filter_map(|label| label.split_once('='));
        let labels: Vec<&str> = labels.map(|(label, _)| label).filter(|label| *label != "le").collect();
        rows.insert(name, format!("| `{name}` | {} | {} | {help} |", kind.unwrap_or("?"), labels.join(", ")));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let (text, table): (Vec<&str>, Vec<&str>) = docs.lines().partition(|line| !line.starts_with("| `"));
    let name_of = |row: &str| row.split('`').nth(1).unwrap_or_default().to_owned();
    for kept in NOT_ALWAYS {
        let row = table.iter().find(|row| name_of(row) == *kept);
        rows.insert(kept, (*row.unwrap_or_else(|| panic!("the docs lack {kept}"))).to_owned());
    }
    let wanted: Vec<&str> = rows.values().map(String::as_str).collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, [text, wanted].concat().join("\n") + "\n").unwrap();
    }
    assert_eq!(table, wanted, "run this test with UPDATE_DOCS=1, and read what it writes");
}
