//! Many at the same time: one goes to the origin, and nobody waits for what is not for him. Cases 138, 142.

use super::Site;
use crate::harness::{Origin, Proxy, Wire, on_workers, poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An origin that holds its answers until it is told to let go.
struct Dam {
    origin: Origin,
    open: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Dam {
    fn start(answer: &'static str) -> Self {
        let (open, asked): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (ours, counter) = (Arc::clone(&open), Arc::clone(&asked));
        let origin = Origin::start(move |wire, _| {
            while wire.request().is_some() {
                counter.fetch_add(1, Ordering::SeqCst);
                poll("the dam to open", || ours.load(Ordering::SeqCst).then_some(()));
                wire.offer(answer);
            }
        });
        Self { origin, open, asked }
    }

    fn proxy(&self, workers: usize, cache: &str) -> Proxy {
        let address = self.origin.address();
        Proxy::start(
            workers,
            &format!(
                "listen: \"127.0.0.1:0\"\nadmin: 127.0.0.1:0\nroutes: {{ t.test: {{ to: \"{address}\", cache: {cache} }} }}\n"
            ),
        )
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const GET: &str = "GET /one HTTP/1.1\r\nHost: t.test\r\n\r\n";
const FRESH: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\n\r\nonce";
const PRIVATE: &str = "HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 4\r\n\r\nmine";

fn metric(proxy: &Proxy, name: &str) -> u64 {
    let mut wire = Wire::connect(proxy.admin());
    wire.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let page = wire.response().text();
    let line =
        page.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name}: {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn case_138_a_thousand_misses_are_one_request() {
    on_workers(|workers| {
        let dam = Dam::start(FRESH);
        let proxy = dam.proxy(workers, "{ lock: 60s }");
        let mut clients: Vec<Wire> = (0..1000).map(|_| proxy.send(GET)).collect();
        poll("all to wait", || (metric(&proxy, "switchboard_cache_collapsed_total") == 999).then_some(()));
        assert_eq!(dam.asked(), 1);
        dam.open();
        for client in &mut clients {
            assert_eq!(client.response().text(), "once");
        }
        assert_eq!(dam.asked(), 1);
        assert_eq!(metric(&proxy, "switchboard_cache_hits_total"), 999);
    });
}

#[test]
fn case_138_what_is_private_frees_all_who_wait_at_once() {
    on_workers(|workers| {
        let dam = Dam::start(PRIVATE);
        let proxy = dam.proxy(workers, "{ lock: 60s }");
        let mut clients: Vec<Wire> = (0..50).map(|_| proxy.send(GET)).collect();
        poll("all to wait", || (metric(&proxy, "switchboard_cache_collapsed_total") == 49).then_some(()));
        let start = Instant::now();
        dam.open();
        clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "mine"));
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(dam.asked(), 50);
        // And nobody waits there again for a while.
        dam.open.store(false, Ordering::SeqCst);
        let mut later: Vec<Wire> = (0..5).map(|_| proxy.send(GET)).collect();
        poll("all to be asked for", || (dam.asked() == 55).then_some(()));
        dam.open();
        later.iter_mut().for_each(|client| assert_eq!(client.response().text(), "mine"));
    });
}

#[test]
fn case_138_nobody_waits_longer_than_lock_says() {
    on_workers(|workers| {
        let dam = Dam::start(FRESH);
        let proxy = dam.proxy(workers, "{ lock: 200ms }");
        let mut clients: Vec<Wire> = (0..3).map(|_| proxy.send(GET)).collect();
        poll("all to be asked for", || (dam.asked() == 3).then_some(()));
        dam.open();
        clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "once"));
    });
}

#[test]
fn case_138_who_began_it_may_leave() {
    on_workers(|workers| {
        let dam = Dam::start(FRESH);
        let proxy = dam.proxy(workers, "{ lock: 60s }");
        let first = proxy.send(GET);
        poll("the first to be asked for", || (dam.asked() == 1).then_some(()));
        let mut others: Vec<Wire> = (0..5).map(|_| proxy.send(GET)).collect();
        poll("the others to wait", || (metric(&proxy, "switchboard_cache_collapsed_total") == 5).then_some(()));
        first.reset();
        dam.open();
        others.iter_mut().for_each(|client| assert_eq!(client.response().text(), "once"));
        assert_eq!(dam.asked(), 1);
    });
}

#[test]
fn case_138_who_began_it_may_leave_in_the_middle_of_the_answer() {
    on_workers(|workers| {
        let open: Arc<AtomicBool> = Arc::default();
        let (ours, size) = (Arc::clone(&open), 4 << 20);
        let origin = Origin::start(move |wire, _| {
            while wire.request().is_some() {
                wire.offer(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: {size}\r\n\r\n"));
                wire.offer("x".repeat(1000));
                poll("the first to leave", || ours.load(Ordering::SeqCst).then_some(()));
                wire.offer("x".repeat(size - 1000));
            }
        });
        let address = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: \"127.0.0.1:0\"\nadmin: 127.0.0.1:0\nroutes: {{ t.test: {{ to: \"{address}\", cache: {{ lock: 60s }} }} }}\n"
            ),
        );
        let mut first = proxy.send(GET);
        first.until("xxxx");
        let mut other = proxy.send(GET);
        poll("the other to wait", || (metric(&proxy, "switchboard_cache_collapsed_total") == 1).then_some(()));
        first.reset();
        open.store(true, Ordering::SeqCst);
        assert_eq!(other.response().body.len(), size);
        assert_eq!(origin.requests().len(), 1);
    });
}

#[test]
fn who_waited_long_enough_brings_it_for_those_who_came_later() {
    on_workers(|workers| {
        let (second, over, asked): (Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (open, end, counter) = (Arc::clone(&second), Arc::clone(&over), Arc::clone(&asked));
        let origin = Origin::start(move |wire, _| {
            while wire.request().is_some() {
                let waits_for = if counter.fetch_add(1, Ordering::SeqCst) == 0 { &end } else { &open };
                poll("leave to answer", || waits_for.load(Ordering::SeqCst).then_some(()));
                wire.offer(FRESH);
            }
        });
        let address = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: \"127.0.0.1:0\"\nadmin: 127.0.0.1:0\nroutes: {{ t.test: {{ to: \"{address}\", cache: {{ lock: 3s }} }} }}\n"
            ),
        );
        let mut first = proxy.send(GET);
        poll("the first to be asked for", || (asked.load(Ordering::SeqCst) == 1).then_some(()));
        let mut other = proxy.send(GET);
        poll("the other to have waited", || (asked.load(Ordering::SeqCst) == 2).then_some(()));
        let mut late = proxy.send(GET);
        poll("the late one to wait", || (metric(&proxy, "switchboard_cache_collapsed_total") == 2).then_some(()));
        second.store(true, Ordering::SeqCst);
        assert_eq!((other.response().text(), late.response().text()), ("once".into(), "once".into()));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        over.store(true, Ordering::SeqCst);
        assert_eq!(first.response().text(), "once");
    });
}

/// More than the kernel keeps on its way.
const SIZE: usize = 9 << 20;

/// An origin of so much, and its proxy with a cache of so much memory.
fn large(workers: usize, memory: &str, lock: &str) -> (Origin, Proxy) {
    let origin = Origin::start(move |wire, _| {
        while wire.request().is_some() {
            wire.offer(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: {SIZE}\r\n\r\n"));
            wire.offer("x".repeat(SIZE));
        }
    });
    let rule = format!("{{ to: \"{}\", cache: {{ lock: {lock} }} }}", origin.address());
    let yaml = format!("listen: \"127.0.0.1:0\"\ncache: {{ memory: {memory} }}\nroutes: {{ t.test: {rule} }}\n");
    let proxy = Proxy::start(workers, &yaml);
    (origin, proxy)
}

#[test]
fn a_client_that_does_not_read_holds_nobody_else() {
    on_workers(|workers| {
        // A quarter of it is enough for one of them: what the first was behind by is given back.
        let (origin, proxy) = large(workers, "40MiB", "60s");
        for number in 1..=3 {
            let get = format!("GET /{number} HTTP/1.1\r\nHost: t.test\r\n\r\n");
            let mut first = Wire::connect_narrow(proxy.address());
            first.send(&get);
            poll("the first to be asked for", || (origin.requests().len() == number).then_some(()));
            assert_eq!(proxy.send(&get).response().body.len(), SIZE);
            assert_eq!(origin.requests().len(), number);
            // And what it did not take in time it gets all the same.
            assert_eq!(first.response().body.len(), SIZE);
        }
    });
}

/// What is kept for who doesn't read has its bound: then the others are held, for as long as `lock` says.
#[test]
fn a_client_that_does_not_read_takes_a_quarter_of_the_memory_at_most() {
    let (origin, proxy) = large(1, "12MiB", "500ms");
    let mut first = Wire::connect_narrow(proxy.address());
    first.send(GET);
    poll("the first to be asked for", || (origin.requests().len() == 1).then_some(()));
    assert_eq!(proxy.send(GET).response().body.len(), SIZE);
    assert_eq!(origin.requests().len(), 2);
    assert_eq!(first.response().body.len(), SIZE);
}

#[test]
fn a_client_that_takes_nothing_is_given_up_though_more_may_come() {
    on_workers(|workers| {
        let gone: Arc<AtomicBool> = Arc::default();
        let left = Arc::clone(&gone);
        let origin = Origin::start(move |wire, _| {
            if wire.request().is_some() {
                wire.offer("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n");
                wire.offer(format!("{SIZE:x}\r\n{}\r\n", "x".repeat(SIZE)));
                // It says neither more nor that this was all.
                left.store(wire.request().is_none(), Ordering::SeqCst);
            }
        });
        let address = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: \"127.0.0.1:0\"\nroutes: {{ t.test: {{ to: \"{address}\", cache: true, timeouts: {{ write: 1s }} }} }}\n"
            ),
        );
        let _client = proxy.send(GET);
        poll("the client to be given up", || gone.load(Ordering::SeqCst).then_some(()));
    });
}

#[test]
fn what_is_stale_is_given_while_it_is_asked_for_anew() {
    on_workers(|workers| {
        let site = Site::start(workers, "{ stale_while_revalidate: 1h }");
        let path = site.path();
        site.will(&path, "200\nCache-Control: max-age=10\nAge: 20\nETag: \"a\"\n\nold");
        assert_eq!(site.ask(&path, "GET").text(), "old");
        site.will(&path, "200\nCache-Control: max-age=600\n\nnew");
        let got = site.ask(&path, "GET");
        assert_eq!(got.text(), "old");
        assert!(got.field("cache-status").unwrap().contains("stale-while-revalidate"), "{got:?}");
        poll("the new one", || (site.ask(&path, "GET").text() == "new").then_some(()));
        let asked = site.asked(&path);
        assert_eq!(asked.len(), 2);
        assert_eq!(asked.last().unwrap().field("if-none-match"), Some("\"a\""));
    });
}

#[test]
fn case_142_a_full_cache_makes_room() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            while let Some(request) = wire.request() {
                let body = request.target().repeat(2000);
                wire.send(format!(
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ));
            }
        });
        let address = origin.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: \"127.0.0.1:0\"\nadmin: 127.0.0.1:0\ncache: {{ memory: 256KiB }}\nroutes: {{ t.test: {{ to: \"{address}\", cache: true }} }}\n"
            ),
        );
        let mut client = proxy.connect();
        for number in 0..300 {
            client.send(format!("GET /{number:03} HTTP/1.1\r\nHost: t.test\r\n\r\n"));
            let got = client.response();
            assert_eq!((got.status(), got.text()), (200, format!("/{number:03}").repeat(2000)));
        }
        poll("room", || (metric(&proxy, "switchboard_cache_bytes") <= 256 << 10).then_some(()));
    });
}
