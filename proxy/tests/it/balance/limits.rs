//! `max_requests`, `limits` and the queue: who is above waits for a turn, in order, within bounds.

use super::{GET, OK, dead, group, reload};
use crate::harness::{Origin, Proxy, Wire, assert_own_answer, on_workers, poll};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// An origin that answers when it is told to, and knows the most requests that it ever had at once.
fn told() -> (Origin, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (tell, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let origin = Origin::start(move |wire, _| {
        while wire.request().is_some() {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let go = told.lock().unwrap().recv_timeout(crate::harness::PATIENCE);
            now.fetch_sub(1, Ordering::SeqCst);
            if go.is_ok() {
                wire.offer(OK);
            }
        }
    });
    (origin, tell, most)
}

#[test]
fn requests_wait_for_their_turn() {
    for more in ["", "limits: { connections: 2 }"] {
        on_workers(|workers| {
            let (origin, tell, most) = told();
            let endpoint = if more.is_empty() {
                format!("{{ address: \"{}\", max_requests: 2 }}", origin.address())
            } else {
                origin.address()
            };
            let proxy = group(workers, &[endpoint], more, "");
            let mut clients: Vec<Wire> = (0..20).map(|_| proxy.send(GET)).collect();
            (0..20).for_each(|_| tell.send(()).unwrap());
            for client in &mut clients {
                assert_eq!(client.response().text(), "ok", "{more}");
            }
            assert!(most.load(Ordering::SeqCst) <= 2, "{} at once", most.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn who_waits_too_long_or_behind_too_many_is_refused() {
    on_workers(|workers| {
        let (origin, tell, _) = told();
        let endpoint = format!("{{ address: \"{}\", max_requests: 1 }}", origin.address());
        let proxy = group(workers, &[endpoint], "limits: { queue: 1, queue_timeout: 400ms }", "");
        let mut served = proxy.send(GET);
        origin.wait_request(0);
        let start = Instant::now();
        let mut clients = [proxy.send(GET), proxy.send(GET)];
        // One has the place in the queue; the other is told at once that there is none.
        let first = poll("an answer", || clients.iter_mut().position(Wire::stirred));
        let refused = clients[first].response();
        assert_own_answer(&refused, 503, "overloaded");
        assert_eq!(refused.field("retry-after"), Some("1"));
        assert_own_answer(&clients[1 - first].response(), 503, "overloaded");
        assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
        tell.send(()).unwrap();
        assert_eq!(served.response().text(), "ok");
        tell.send(()).unwrap();
        assert_eq!(proxy.ask(GET).text(), "ok", "the limit is reached no more");
    });
}

#[test]
fn without_a_queue_nobody_waits() {
    on_workers(|workers| {
        let (origin, tell, _) = told();
        let endpoint = format!("{{ address: \"{}\", max_requests: 1 }}", origin.address());
        let proxy = group(workers, &[endpoint], "limits: { queue: off }", "");
        let mut served = proxy.send(GET);
        origin.wait_request(0);
        assert_own_answer(&proxy.ask(GET), 503, "overloaded");
        tell.send(()).unwrap();
        assert_eq!(served.response().text(), "ok");
    });
}

/// A client that ends its side while it waits is gone, and its place is another's.
#[test]
fn who_leaves_the_queue_is_gone() {
    on_workers(|workers| {
        let (origin, tell, _) = told();
        let endpoint = format!("{{ address: \"{}\", max_requests: 1 }}", origin.address());
        let proxy = group(workers, &[endpoint], "limits: { queue: 2, queue_timeout: 10s }", "");
        let mut served = proxy.send(GET);
        origin.wait_request(0);
        let mut leaver = proxy.send(GET);
        leaver.finish();
        let line = proxy.wait_access(0);
        assert_eq!(line["reason"], "client_gone", "{line}");
        let mut next = proxy.send(GET);
        (0..2).for_each(|_| tell.send(()).unwrap());
        assert_eq!(served.response().text(), "ok");
        assert_eq!(next.response().text(), "ok");
        assert_eq!(origin.requests().len(), 2, "the request of the one who left went nowhere");
    });
}

/// What is full is passed over while another has room; the limit of one route is not the other's business.
#[test]
fn the_full_are_passed_over() {
    on_workers(|workers| {
        let (slow, tell, _) = told();
        let quick = Origin::named("quick");
        let endpoint = format!("{{ address: \"{}\", max_requests: 1 }}", slow.address());
        let proxy = group(workers, &[endpoint, quick.address()], "", "");
        let mut first = proxy.send(GET);
        slow.wait_request(0);
        (0..6).for_each(|_| assert_eq!(proxy.ask(GET).text(), "quick"));
        tell.send(()).unwrap();
        assert_eq!(first.response().text(), "ok");
    });
}

/// What the machine lacks for a connection is no turn to wait for: who waited would look at once, for ever.
#[test]
fn who_meets_a_machine_without_descriptors_is_told_at_once() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    on_workers(|workers| {
        let (_socket, address) = dead();
        let proxy = group(workers, &[address.to_string()], "", "");
        let mut client = proxy.send(GET);
        assert_own_answer(&client.response(), 502, "connect_refused");
        let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap());
        let few = Rlimit { current: Some(3), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
        let before = prlimit(pid, Resource::Nofile, few).unwrap();
        client.send(GET);
        assert_own_answer(&client.response(), 503, "overloaded");
        prlimit(pid, Resource::Nofile, before).unwrap();
        client.send(GET);
        assert_own_answer(&client.response(), 502, "connect_refused");
    });
}

/// An endpoint that comes up has room: who waits is called, though nobody ends an exchange.
#[test]
fn who_waits_gets_the_endpoint_that_comes_up() {
    on_workers(|workers| {
        let busy = Origin::start(|wire, _| {
            while wire.request().is_some_and(|request| request.target() == "/h") {
                wire.offer(OK);
            }
            let _ = wire.request();
        });
        let healthy = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&healthy);
        let other = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                let failing = request.target() == "/h" && seen.load(Ordering::SeqCst) == 0;
                wire.offer(if failing { "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" } else { OK });
            }
        });
        let endpoint = |address: String| format!("{{ address: \"{address}\", max_requests: 1 }}");
        let health = "health: { http: /h, interval: 100ms, fails: 1, passes: 1 }";
        let proxy = group(workers, &[endpoint(busy.address()), endpoint(other.address())], health, "");
        proxy.wait_log("probes fail");
        let _served = proxy.send(GET);
        poll("a request", || busy.requests().iter().any(|request| request.target() == "/").then_some(()));
        let mut waiting = [proxy.send(GET), proxy.send(GET)];
        healthy.store(1, Ordering::SeqCst);
        for client in &mut waiting {
            assert_eq!(client.response().text(), "ok");
        }
    });
}

/// Who comes after a reload sees its limits: those who wait under the old ones are not in the way.
#[test]
fn a_higher_limit_holds_for_who_comes_then() {
    on_workers(|workers| {
        let (origin, tell, _) = told();
        let text = |limit: u32| {
            format!(
                "routes: {{ t.test: g }}\nupstreams: {{ g: {{ endpoints: [\"{}\"], \
                 limits: {{ connections: {limit}, queue_timeout: 60s }} }} }}\n",
                origin.address()
            )
        };
        let proxy = Proxy::start(workers, &text(1));
        let mut first = proxy.send(GET);
        origin.wait_request(0);
        let mut waiting = proxy.send(GET);
        assert!(!waiting.stirred());
        reload(&proxy, &text(50));
        let mut clients: Vec<Wire> = (0..3).map(|_| proxy.send(GET)).collect();
        poll("the new ones", || (origin.requests().len() == 4).then_some(()));
        (0..5).for_each(|_| tell.send(()).unwrap());
        clients
            .iter_mut()
            .chain([&mut first, &mut waiting])
            .for_each(|client| assert_eq!(client.response().text(), "ok"));
    });
}
