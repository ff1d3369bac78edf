//! Very many WebSockets and event streams at once: they live through every change of other routes, end at an even pace, and
//! those that stop reading are nobody else's trouble.

use crate::harness::crowd::{events::Events, tunnels::Talkers};
use crate::harness::{Node, PATIENCE, Proxy, poll, poll_for, run, websocket_judge};
use serde_json::Value;
use std::time::Duration;

const CROWD: &str = include_str!("../node/crowd.cjs");

fn said(node: &Node, n: usize, patience: Duration) -> Value {
    let line = poll_for(patience, || node.line(n)).unwrap_or_else(|| panic!("no line {n} of the crowd"));
    serde_json::from_str(&line).unwrap_or(Value::String(line))
}

/// Opens tunnels on which both ends speak, ends them by `switchboard drain`, and checks what both ends saw: all closed with
/// 1012, none in the middle of a message, and as many in each second as in any other, give or take `tolerance` of that.
#[track_caller]
fn check_drain(count: usize, seconds: usize, tolerance: f64) {
    let server = Talkers::start(Duration::from_secs(2));
    let proxy = Proxy::start(2, &format!("routes:\n  \"*/ws\": {}\n", server.address()));
    let clients = server.open(proxy.address(), count);
    let spread = format!("{seconds}s");
    let drain = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(["drain", "*/ws", "--spread", &spread, "-c"])
        .arg(proxy.config())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&drain.stdout).into_owned();
    assert!(drain.status.success() && told.contains(&format!("{count} of {count} streams have ended")), "{drain:?}");
    let seen = clients.wait();
    let far = poll("all ends at the server", || Some(server.seen()).filter(|seen| seen.len() == count));
    for end in seen.iter().chain(&far) {
        assert!(end.code == 1012 && !end.torn, "{end:?}");
    }
    let messages: u64 = seen.iter().map(|end| end.messages).sum();
    let first = seen.iter().map(|end| end.at).min().unwrap();
    let mut by_second = vec![0.0; seconds];
    for end in &seen {
        // What is over after the last second belongs to it: it is the rest of one.
        let second = usize::try_from((end.at - first).as_secs()).unwrap().min(seconds - 1);
        by_second[second] += 1.0;
    }
    eprintln!("{count} tunnels, {messages} messages came to clients; ended by second: {by_second:?}");
    let even = f64::from(u32::try_from(count / seconds).unwrap());
    for (second, ended) in by_second.iter().enumerate() {
        assert!((ended - even).abs() <= even * tolerance, "second {second}: {ended}; {by_second:?}");
    }
}

#[test]
fn a_drain_is_paced_and_tears_no_message() {
    // What else this machine does shows in so short a time.
    check_drain(400, 4, 0.4);
}

#[test]
#[ignore = "long: five thousand tunnels, half a minute"]
fn a_drain_of_five_thousand_is_even_within_a_tenth() {
    check_drain(5000, 20, 0.1);
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
#[ignore = "long: five thousand event streams, a minute"]
fn readers_that_stop_trouble_nobody_else() {
    let (count, stalled, time) = (5000, 500, Duration::from_secs(15));
    let server = Events::start();
    let proxy = Proxy::start(2, &format!("routes:\n  \"*\": {}\n", server.address()));
    let mut memory = Vec::new();
    let [direct, through] = [server.address(), proxy.address()].map(|to| {
        let readers = server.open(to, count);
        // Nothing is taken any more, back to the server, of those streams that nobody reads.
        poll_for(4 * PATIENCE, || (server.stuck() >= stalled).then_some(())).expect("all unread streams to be stuck");
        memory.clear();
        let delays = readers.measure(time, || memory.push(proxy.resident()));
        assert!(server.stuck() >= stalled, "{} are stuck", server.stuck());
        drop(readers);
        poll("the server to notice", || (server.stuck() == 0).then_some(()));
        delays
    });
    for (way, delays) in [("without the proxy", &direct), ("through it", &through)] {
        let [p50, p99, most] = [50, 99, 100].map(|percent| delays.at(percent));
        eprintln!("{way}: {} events, p50 {p50:.2} ms, p99 {p99:.2} ms, longest {most:.1} ms", delays.count());
        assert!(delays.count() > (count - stalled) * 10, "{}", delays.count());
    }
    eprintln!("{stalled} streams are stuck; KiB by second: {memory:?}");
    let (least, most) = (memory.iter().min().unwrap(), memory.iter().max().unwrap());
    assert!(most - least < 4 * 1024, "memory grows: {memory:?}");
    assert!(through.at(99) < 50.0, "p99 {} ms, {} ms without the proxy", through.at(99), direct.at(99));
}
