//! Limits that machines count together, by a real Redis: two proxies as one, and what holds while it is gone.

use crate::harness::{Message, Origin, Proxy, Redis, assert_own_answer, on_workers, poll};
use std::time::{Duration, Instant};

fn get(proxy: &Proxy, host: &str, lines: &str) -> Message {
    proxy.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
}

fn passed(proxies: &[&Proxy], count: usize, host: &str, lines: &str) -> usize {
    (0..count).filter(|at| get(proxies[at % proxies.len()], host, lines).status() == 200).count()
}

#[test]
fn two_proxies_count_together() {
    on_workers(|workers| {
        let Some(redis) = Redis::start("two_proxies_count_together") else { return };
        let origin = Origin::ok();
        let yaml = format!(
            "redis: {{ url: \"{}\", timeout: 5s }}\nroutes:\n  t.test: {{ to: \"{a}\", rate_limit: {{ rate: 6/h, burst: 5, store: redis }} }}\n  \
             k.test: {{ to: \"{a}\", rate_limit: [{{ key: {{ header: x }}, rate: 6/h, burst: 2, store: redis }}, \
             {{ key: route, rate: 6/h, burst: 3 }}, {{ rate: 1/h, burst: 1, store: redis, dry_run: true }}] }}\n",
            redis.url(),
            a = origin.address()
        );
        let (one, two) = (Proxy::start(workers, &yaml), Proxy::start(workers, &yaml));
        assert_eq!(passed(&[&one, &two], 14, "t.test", ""), 5);
        let answer = get(&two, "t.test", "");
        assert_own_answer(&answer, 429, "rate_limited");
        let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((500..=600).contains(&wait), "{wait} s until the next");
        // What the store refuses costs nothing here: of three of the route, one is left.
        assert_eq!(passed(&[&one], 6, "k.test", "X: a\r\n"), 2);
        assert_eq!(passed(&[&one], 3, "k.test", "X: b\r\n"), 1);
        // And what is refused here costs nothing there.
        assert_eq!(passed(&[&one], 3, "k.test", "X: c\r\n"), 0);
        assert_eq!(passed(&[&two], 3, "k.test", "X: c\r\n"), 2);
        assert_eq!(origin.requests().len(), 10);
    });
}

/// The longest that a request of these took.
fn slowest(proxy: &Proxy, host: &str, count: usize, status: u16) -> Duration {
    let mut wire = proxy.connect();
    let mut took = Duration::ZERO;
    for _ in 0..count {
        let began = Instant::now();
        wire.offer(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(wire.response().status(), status, "{host}");
        took = took.max(began.elapsed());
    }
    took
}

#[test]
fn a_store_that_is_gone_or_stands_still() {
    on_workers(|workers| {
        let Some(mut redis) = Redis::start("a_store_that_is_gone_or_stands_still") else { return };
        let url = redis.url();
        let yaml = format!(
            "redis: {{ url: \"{url}\", timeout: 500ms }}\nroutes:\n  open.test: {{ respond: ok, rate_limit: {{ rate: 1/h, burst: 3, store: redis }} }}\n  \
             shut.test: {{ respond: ok, rate_limit: {{ rate: 1/h, burst: 3, store: {{ redis: \"{url}\", timeout: 500ms, on_error: deny }} }} }}\n  \
             free.test: {{ respond: ok }}\n"
        );
        let proxy = Proxy::start(workers, &yaml);
        let both =
            |proxy: &Proxy, count| (passed(&[proxy], count, "open.test", ""), passed(&[proxy], count, "shut.test", ""));
        assert_eq!(both(&proxy, 5), (3, 3));
        redis.freeze(true);
        // It stands still: each waits for the time-out and not longer. A busy machine may make us see more.
        let reference = slowest(&proxy, "free.test", 5, 200);
        let most = Duration::from_millis(500) + reference * 4 + Duration::from_secs(1);
        assert!(slowest(&proxy, "open.test", 3, 200) < most);
        assert!(slowest(&proxy, "shut.test", 3, 503) < most);
        assert_own_answer(&get(&proxy, "shut.test", ""), 503, "overloaded");
        redis.freeze(false);
        redis.kill();
        poll("a proxy that knows that its store is gone", || {
            (get(&proxy, "open.test", "").status() == 200).then_some(())
        });
        assert_eq!(both(&proxy, 6), (6, 0));
        // It comes back empty: counted anew.
        redis.restart();
        poll("limits that count again", || (get(&proxy, "open.test", "").status() == 429).then_some(()));
        poll("limits that count again", || (get(&proxy, "shut.test", "").status() == 429).then_some(()));
        assert!(proxy.log().iter().any(|line| line.contains("redis: connected")));
    });
}

#[test]
fn a_store_that_was_never_there_stops_nothing() {
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let yaml = format!(
        "redis: redis://secret-password@{nobody}\nroutes: {{ t.test: {{ respond: ok, rate_limit: {{ rate: 1/h, store: redis }} }} }}\n"
    );
    let proxy = Proxy::start(1, &yaml);
    assert_eq!(passed(&[&proxy], 5, "t.test", ""), 5);
    assert!(!proxy.log().join("\n").contains("secret-password"));
}
