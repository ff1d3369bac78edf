//! Memory that runs out, by a limit that comes down.

use crate::harness::{Origin, Proxy, assert_own_answer, on_workers, poll_for};
use std::time::{Duration, Instant};

/// Step by step: what is given up as memory runs out, and taken up again.
#[test]
fn experiment_19_memory_that_runs_out_is_given_up_step_by_step() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let text = |limit: &str| {
            format!(
                "limits: {{ memory: {limit} }}\nroutes: {{ t.test: \"{}\", \"ready.test\": {{ builtin: ready }} }}\n",
                origin.address()
            )
        };
        let proxy = Proxy::start(workers, &text("unlimited"));
        let get = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
        let mut kept = proxy.send(get);
        assert_eq!(kept.response().status(), 200);
        // The limit is moved, not the memory: what is taken is so many thousandths of it then. It takes more by and by.
        let reach = |share: u64, words: &str| {
            let (mut moved, mut wide): (Option<Instant>, bool) = (None, true);
            let reached = poll_for(Duration::from_secs(60), || {
                let log = proxy.log();
                let last =
                    log.iter().rev().find(|line| line.contains("memory is short") || line.contains("enough memory"));
                if last.is_some_and(|line| line.contains(words)) {
                    return Some(());
                }
                if moved.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
                    // A step is left some hundredths below where it begins: from one too far, the way goes by none.
                    wide = !wide && moved.is_some();
                    let limit = format!("{}KiB", proxy.resident() * 1000 / share);
                    proxy.write_config(&text(if wide { "unlimited" } else { &limit }));
                    moved = Some(Instant::now());
                }
                None
            });
            reached.expect(words);
        };
        reach(935, "connections end with their next answer");
        let answer = proxy.send(get).response();
        assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")));
        reach(965, "requests are answered 503");
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        assert_own_answer(&answer, 503, "overloaded");
        assert_eq!(answer.field("retry-after"), Some("1"));
        assert_eq!(proxy.get("ready.test", "/").status(), 200, "what asks about the proxy is answered");
        reach(1100, "no connection is accepted");
        let mut waiting = proxy.send(get);
        assert!(poll_for(Duration::from_millis(400), || waiting.stirred().then_some(())).is_none());
        proxy.write_config(&text("unlimited"));
        assert_eq!(waiting.response().status(), 200);
        proxy.wait_log("there is enough memory again");
        // Who has had a connection since before is served.
        kept.send(get);
        assert_eq!(kept.response().status(), 200);
        proxy.stop();
    });
}
