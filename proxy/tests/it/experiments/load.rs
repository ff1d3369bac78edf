//! Endpoints that die, come back, flap and hang under load.

use super::{CLIENTS, Load};
use crate::balance::group;
use crate::harness::{Node, Origin, Proxy, Wire, on_workers, poll, poll_for, websocket_judge};
use crate::health::{Patient, wait_state};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const COUNTER: &str = include_str!("../node/counter.cjs");

fn ports(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| format!("127.0.0.1:{}", node.wait_line(0))).collect()
}

/// Not one GET fails, no POST reaches two, and the dead endpoint is left alone soon.
#[test]
fn experiment_01_kill_9_of_one_of_three_at_500_requests_a_second() {
    let Some(judge) = websocket_judge("experiments::kill") else { return };
    on_workers(|workers| {
        let mut nodes: Vec<Node> = ["a", "b", "c"].iter().map(|name| Node::run(&judge, COUNTER, &[name])).collect();
        let proxy = group(workers, &ports(&nodes), "", "");
        let begun = Instant::now();
        let load = Load::start(&proxy, 500, true);
        poll("some load", || (load.answered() > 700).then_some(()));
        // In a moment in which the machine keeps the pace: where all clients wait for it, more is lost at once than may be
        // sent again (a fifth of what is in flight, and three).
        poll_for(Duration::from_secs(20), || {
            let before = load.answered();
            std::thread::park_timeout(Duration::from_millis(200));
            (load.answered() > before + 90).then_some(())
        });
        nodes[1].kill();
        let (killed, at) = (load.answered(), Instant::now());
        proxy.wait_log("the endpoint is ejected");
        let ejected = at.elapsed();
        poll("more load", || (load.answered() > killed + 800).then_some(()));
        let samples = load.stop();
        let slowest = samples.iter().map(|one| one.took).max().unwrap_or_default();
        eprintln!(
            "{} requests in {:?}, the slowest in {slowest:?}; ejected after {ejected:?}",
            samples.len(),
            begun.elapsed()
        );
        // A second is the promise; what the slowest request took is this machine's doing.
        assert!(ejected < Duration::from_secs(1) + slowest, "{ejected:?}, {slowest:?}");
        let failed: Vec<_> =
            samples.iter().filter(|one| !one.post && one.status != 200).map(|one| one.status).collect();
        assert!(failed.is_empty(), "GETs failed: {failed:?}");
        // What was on its way to the endpoint when it died is told, and not repeated.
        let lost: Vec<_> = samples.iter().filter(|one| one.status != 200).map(|one| one.status).collect();
        assert!(lost.len() <= CLIENTS && lost.iter().all(|status| *status == 502), "{lost:?}");
        let posted: Vec<String> = nodes.iter().flat_map(Node::lines).filter(|line| line.starts_with("POST ")).collect();
        let once: HashSet<&String> = posted.iter().collect();
        assert_eq!(once.len(), posted.len(), "a POST reached two endpoints, or one twice");
        let answered = samples.iter().filter(|one| one.post && one.status == 200).count();
        assert!(posted.len() >= answered && posted.len() <= answered + lost.len());
    });
}

/// While all are down each request is refused at once; within an interval of their return all is well, and nobody was
/// kept to run at them.
#[test]
fn experiment_11_all_down_and_up_again_under_load() {
    let Some(judge) = websocket_judge("experiments::down") else { return };
    on_workers(|workers| {
        let names = ["a", "b", "c"];
        let nodes: Vec<Node> = names.iter().map(|name| Node::run(&judge, COUNTER, &[name])).collect();
        let list = ports(&nodes);
        let health = "health: { http: /, interval: 1s, timeout: 1s, fails: 1, passes: 1 }";
        let text = format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: g }}\nupstreams: {{ g: {{ endpoints: [{}], {health} }} }}\n",
            list.join(", ")
        );
        let proxy = Proxy::start(workers, &text);
        poll("a probe of each", || (proxy.get("t.test", "/").status() == 200).then_some(()));
        drop(nodes);
        list.iter().for_each(|address| drop(wait_state(&proxy, address, "failing")));
        let load = Load::start(&proxy, 200, false);
        poll("some load", || (load.answered() > 200).then_some(()));
        let again: Vec<Node> = names
            .iter()
            .zip(&list)
            .map(|(name, address)| Node::run_on(&judge, COUNTER, &[name], address.rsplit(':').next().unwrap()))
            .collect();
        ports(&again);
        let back = Instant::now();
        poll("the service", || (proxy.get("t.test", "/").status() == 200).then_some(()));
        let took = back.elapsed();
        list.iter().for_each(|address| drop(wait_state(&proxy, address, "up")));
        let before = load.answered();
        poll("more load", || (load.answered() > before + 200).then_some(()));
        let samples = load.stop();
        // An interval and a tenth; the rest is for a machine that does much else.
        assert!(took < Duration::from_millis(1100) + Duration::from_secs(3), "{took:?}");
        let refused: Vec<_> = samples.iter().filter(|one| one.status != 200).collect();
        assert!(refused.len() >= 200 && refused.iter().all(|one| one.status == 503 && one.later), "{}", refused.len());
        // At once, which half a minute of queueing would not be.
        assert!(refused.iter().all(|one| one.took < Duration::from_secs(3)));
        for address in &list {
            let mut wire = Wire::connect(address.parse().unwrap());
            wire.send("GET /connections HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let connections: usize = wire.response().text().parse().unwrap();
            // A connection for each client, one for each probe, and ours.
            assert!(connections <= CLIENTS + 20, "{connections} connections at {address}");
        }
        let answer = proxy.get("t.test", "/");
        assert_eq!(answer.status(), 200);
    });
}

/// An endpoint that flaps is left alone for longer each time, and costs less than the budget of retries.
#[test]
fn experiment_10_one_that_flaps_is_left_alone_longer_each_time() {
    on_workers(|workers| {
        let (flaps, steady) = (Patient::start("flaps"), Patient::start("steady"));
        let over = Arc::new(AtomicBool::new(false));
        let outlier = "outlier: { failures: 3, hold: 300ms, max_hold: 10s }";
        let list = [flaps.origin.address(), steady.origin.address()];
        let proxy = group(workers, &list, outlier, "");
        let (status, ends) = (Arc::clone(&flaps.status), Arc::clone(&over));
        let switch = std::thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                for now in [500, 200] {
                    status.store(now, Ordering::SeqCst);
                    // Scaled down from two seconds, as the hold is.
                    std::thread::park_timeout(Duration::from_millis(if now == 500 { 700 } else { 100 }));
                }
            }
        });
        let load = Load::start(&proxy, 200, false);
        let ejections = || proxy.log().iter().filter(|line| line.contains("the endpoint is ejected")).count();
        poll("three ejections", || (ejections() >= 3).then_some(()));
        let samples = load.stop();
        over.store(true, Ordering::SeqCst);
        switch.join().unwrap();
        let failed = samples.iter().filter(|one| one.status != 200).count();
        assert!(failed * 5 <= samples.len(), "{failed} of {} failed", samples.len());
        let holds: Vec<String> =
            proxy.log().into_iter().filter(|line| line.contains("the endpoint is ejected")).collect();
        for (line, hold) in holds.iter().zip(["300ms", "600ms", "1.2s"]) {
            assert!(line.contains(hold), "{line}: {hold}");
        }
    });
}

/// What hangs costs its own requests their time, and no other route anything.
#[test]
fn experiment_03_an_endpoint_that_never_answers_costs_its_own_route_alone() {
    on_workers(|workers| {
        let (silent, well) = (Origin::silent(), Origin::named("well"));
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  hangs.test: {{ to: \"{}\", timeouts: {{ first_byte: 5s }} }}\n  t.test: \"{}\"\n",
                silent.address(),
                well.address()
            ),
        );
        let asked = Instant::now();
        let get = "GET / HTTP/1.1\r\nHost: hangs.test\r\nConnection: close\r\n\r\n";
        let mut hanging: Vec<Wire> = (0..100).map(|_| proxy.send(get)).collect();
        let load = Load::start(&proxy, 200, false);
        poll("load while they hang", || (load.answered() > 150).then_some(()));
        let samples = load.stop();
        assert!(samples.iter().all(|one| one.status == 200 && one.text == "well"));
        let mut times: Vec<Duration> = samples.iter().map(|one| one.took).collect();
        times.sort_unstable();
        // Nothing of what the others wait; the rest is for a machine that does much else.
        assert!(times[times.len() * 99 / 100] < Duration::from_millis(2500), "p99 {:?}", times[times.len() * 99 / 100]);
        for wire in &mut hanging {
            let answer = wire.response();
            assert_eq!((answer.status(), answer.reason()), (504, "response_timeout"));
            wire.ends();
        }
        assert!(asked.elapsed() >= Duration::from_secs(5));
        proxy.stop();
    });
}
