//! Very many WebSockets and event streams at once: they live through every change of other routes, end at an even pace, and
//! those that stop reading are nobody else's trouble.

use crate::harness::{Node, PATIENCE, Proxy, poll, poll_for, run, websocket_judge};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const CROWD: &str = include_str!("../node/crowd.cjs");

fn said(node: &Node, n: usize, patience: Duration) -> Value {
    let line = poll_for(patience, || node.line(n)).unwrap_or_else(|| panic!("no line {n} of the crowd"));
    serde_json::from_str(&line).unwrap_or(Value::String(line))
}

/// Opens tunnels and ends them by `switchboard drain`; returns what their clients saw.
fn drained(judge: &Path, count: usize, seconds: usize) -> Value {
    let server = Node::run(judge, CROWD, &["serve", "1000"]);
    let rule = format!("routes:\n  \"*/ws\": 127.0.0.1:{}\n", server.wait_line(0));
    let proxy = Proxy::start(2, &rule);
    let authority = format!("127.0.0.1:{}", proxy.port());
    let mut clients = Node::run_with_input(judge, CROWD, &["tunnels", &authority, &count.to_string()]);
    assert_eq!(said(&clients, 0, 8 * PATIENCE), "open");
    clients.say("greet");
    assert_eq!(said(&clients, 1, 4 * PATIENCE)["closed"], 0);
    let (config, spread) = (proxy.config(), format!("{seconds}s"));
    let drain = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["drain", "*/ws", "--spread", &spread, "-c"])
        .arg(config)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&drain.stdout).into_owned();
    assert!(drain.status.success() && told.contains(&format!("{count} of {count} streams have ended")), "{drain:?}");
    clients.say("tell");
    said(&clients, 2, PATIENCE)
}

#[track_caller]
fn check_drained(seen: &Value, count: usize, seconds: usize, tolerance: f64) {
    assert_eq!(seen["codes"], serde_json::json!({ "1012": count }), "{seen}");
    assert_eq!(seen["torn"], 0, "{seen}");
    let even = f64::from(u32::try_from(count / seconds).unwrap());
    let by_second: Vec<f64> = seen["seconds"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap_or(0.0)).collect();
    assert!(by_second.len() >= seconds && by_second.len() <= seconds + 2, "{seen}");
    // The last is the rest of one.
    for (second, ended) in by_second.iter().enumerate().take(seconds - 1) {
        assert!((ended - even).abs() <= even * tolerance, "second {second}: {ended}; {seen}");
    }
}

#[test]
fn a_drain_is_paced_and_tears_no_message() {
    let Some(judge) = websocket_judge("a paced drain") else { return };
    // What else this machine does shows in so short a time.
    check_drained(&drained(&judge, 400, 4), 400, 4, 0.4);
}

#[test]
#[ignore = "long: five thousand tunnels, half a minute"]
fn a_drain_of_five_thousand_is_even_within_a_tenth() {
    let Some(judge) = websocket_judge("a paced drain of 5,000") else { return };
    let seen = drained(&judge, 5000, 20);
    eprintln!("{seen}");
    check_drained(&seen, 5000, 20, 0.1);
}

#[test]
#[ignore = "long: as many tunnels as descriptors allow"]
fn all_tunnels_live_through_a_thousand_changes() {
    let Some(judge) = websocket_judge("tunnels through route changes") else { return };
    let server = Node::run(&judge, CROWD, &["serve"]);
    let port = server.wait_line(0);
    let proxy = Proxy::start(2, &format!("admin: 127.0.0.1:0\nroutes:\n  \"*/ws\": 127.0.0.1:{port}\n"));
    let limit = std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = limit.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let hard: usize = limit.split_whitespace().nth(1).unwrap().parse().unwrap_or(20_000);
    // Two each at the proxy, and some for the rest.
    let count = hard.min(20_000) / 2 - 500;
    let authority = format!("127.0.0.1:{}", proxy.port());
    let mut clients = Node::run_with_input(&judge, CROWD, &["tunnels", &authority, &count.to_string()]);
    assert_eq!(said(&clients, 0, 20 * PATIENCE), "open");
    let before = proxy.resident();
    for change in 0..1000 {
        let (key, to) = (format!("r{}.test", change % 50), format!("127.0.0.1:{}", 2000 + change));
        let mut command = vec!["route", "add", &key, &to];
        if change % 5 == 4 {
            command = vec!["route", "remove", &key];
        }
        let config = proxy.config();
        command.extend(["-c", config.to_str().unwrap()]);
        let output = run(proxy.dir().path(), &command);
        assert!(output.status.success() || change % 5 == 4, "{output:?}");
    }
    clients.say("greet");
    let seen = said(&clients, 1, 4 * PATIENCE);
    eprintln!("{count} tunnels: {seen}; {before} KiB before the changes, {} after", proxy.resident());
    assert_eq!((seen["echoed"].as_u64(), seen["closed"].as_u64()), (Some(count as u64), Some(0)), "{seen}");
}

#[test]
#[ignore = "long: five thousand event streams for half a minute"]
fn readers_that_stop_trouble_nobody_else() {
    let Some(judge) = websocket_judge("stalled readers of event streams") else { return };
    let server = Node::run(&judge, CROWD, &["serve"]);
    let port = server.wait_line(0);
    let proxy = Proxy::start(2, &format!("routes:\n  \"*\": 127.0.0.1:{port}\n"));
    let mut seen = Vec::new();
    for at in [format!("http://127.0.0.1:{port}/"), format!("http://127.0.0.1:{}/", proxy.port())] {
        let clients = Node::run(&judge, CROWD, &["events", &at, "5000", "10", "30"]);
        assert_eq!(said(&clients, 0, 8 * PATIENCE), "open");
        let before = proxy.resident();
        let told = said(&clients, 1, 4 * PATIENCE);
        eprintln!("{at}: {told}; {before} KiB, then {} KiB", proxy.resident());
        assert!(proxy.resident() < before + 16 * 1024, "memory grows");
        seen.push(told);
        drop(clients);
    }
    let [direct, through] = [&seen[0], &seen[1]].map(|seen| seen["p99"].as_f64().unwrap());
    assert!(through < 50.0_f64.max(direct + 50.0), "p99 {through} ms, {direct} ms without the proxy");
    poll("all to be gone", || (proxy.access().len() >= 5000).then_some(()));
}
