//! Two attempts side by side: the first answer counts, the other request is given up, nothing is done twice that may not.

use super::{GET, OK, POST, addresses, group};
use crate::harness::{Origin, on_workers, poll};
use std::time::Duration;

const HEDGE: &str = "retry: { hedge: 100ms }";

/// Answers, but takes its time.
fn slow(time: Duration) -> Origin {
    Origin::start(move |wire, _| {
        while wire.request().is_some() {
            std::thread::park_timeout(time);
            wire.offer(OK);
        }
    })
}

fn seen(origins: &[Origin]) -> usize {
    origins.iter().map(|origin| origin.requests().len()).sum()
}

#[test]
fn a_slow_endpoint_is_passed_by_and_its_request_given_up() {
    on_workers(|workers| {
        let origins = [Origin::silent(), Origin::named("quick")];
        let proxy = group(workers, &addresses(&origins), "", "retry: { hedge: 100ms, budget: 100% }");
        let mut hedged = 0;
        for n in 0..4 {
            assert_eq!(proxy.ask(GET).text(), "quick");
            let line = proxy.wait_access(n);
            assert_eq!(line["endpoint"], origins[1].address(), "{line}");
            hedged += usize::from(line["attempt"] == 2);
        }
        assert_eq!((hedged, origins[1].requests().len()), (origins[0].connections(), 4));
        assert!(hedged > 0, "no request began at the silent one");
        origins[0].wait_all_ended();
    });
}

#[test]
fn what_must_not_be_done_twice_is_asked_of_one() {
    on_workers(|workers| {
        let origins = [slow(Duration::from_millis(300)), slow(Duration::from_millis(300))];
        let proxy = group(workers, &addresses(&origins), "", HEDGE);
        let put = "PUT / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\n\r\nok";
        for (n, request) in [POST, put, "POST / HTTP/1.1\r\nHost: t.test\r\n\r\n"].into_iter().enumerate() {
            assert_eq!(proxy.ask(request).status(), 200, "{request}");
            assert_eq!((seen(&origins), proxy.wait_access(n)["attempt"].as_u64()), (n + 1, Some(1)), "{request}");
        }
        // A session is at one endpoint.
        let sticky = group(workers, &addresses(&origins), "sticky: { cookie: sb }", HEDGE);
        let answer = sticky.ask(GET);
        let cookie = answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let before = seen(&origins);
        let bound = sticky.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\nCookie: {cookie}\r\n\r\n"));
        assert_eq!((bound.status(), seen(&origins)), (200, before + 1));
    });
}

#[test]
fn what_is_asked_besides_is_written_the_same_way() {
    on_workers(|workers| {
        let origins = [Origin::silent(), Origin::named("quick")];
        let rule = "retry: { hedge: 100ms, budget: 100% }";
        let proxy = group(workers, &addresses(&origins), "sticky: { cookie: sb }", rule);
        for _ in 0..4 {
            let got = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nCookie: sb=x; theirs=1\r\n\r\n");
            assert_eq!(got.text(), "quick");
        }
        assert!(origins[0].connections() > 0, "no request began at the silent one");
        assert!(origins[1].requests().iter().all(|request| request.all("cookie") == ["theirs=1"]));
    });
}

#[test]
fn one_endpoint_alone_is_asked_once() {
    on_workers(|workers| {
        let origins = [slow(Duration::from_millis(300))];
        let proxy = group(workers, &addresses(&origins), "", HEDGE);
        assert_eq!((proxy.ask(GET).status(), seen(&origins)), (200, 1));
    });
}

/// Where the second fails the first is still waited for, and the other way round.
#[test]
fn a_failure_of_one_leaves_the_other() {
    on_workers(|workers| {
        let failing = |after: u64, answer: &'static str| {
            Origin::start(move |wire, _| {
                while wire.request().is_some() {
                    std::thread::park_timeout(Duration::from_millis(after));
                    if answer.is_empty() {
                        return;
                    }
                    wire.offer(answer);
                }
            })
        };
        const ILL: &str = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n";
        for (after, answer) in [(0, ILL), (200, ILL), (0, ""), (200, "")] {
            let origins = [slow(Duration::from_millis(400)), failing(after, answer)];
            let rule = "retry: { hedge: 100ms, causes: [connect, reset, 503], budget: 100% }";
            let proxy = group(workers, &addresses(&origins), "outlier: off", rule);
            for _ in 0..2 {
                assert_eq!(proxy.ask(GET).text(), "ok", "{after} {answer}");
            }
        }
    });
}

/// However slow all are: what is asked besides is a fifth, but for the few that are given.
#[test]
fn the_budget_bounds_what_is_asked_besides() {
    const REQUESTS: usize = 30;
    on_workers(|workers| {
        let origins = [slow(Duration::from_millis(60)), slow(Duration::from_millis(60))];
        let proxy = group(workers, &addresses(&origins), "", "retry: { hedge: 20ms, budget: 20% }");
        let mut client = proxy.connect();
        for _ in 0..REQUESTS {
            client.send(GET);
            assert_eq!(client.response().text(), "ok");
        }
        poll("the requests", || (seen(&origins) >= REQUESTS).then_some(()));
        let seen = seen(&origins);
        assert!((REQUESTS + 3..=REQUESTS * 12 / 10 + 3).contains(&seen), "{seen} for {REQUESTS}");
    });
}

/// A client that leaves ends both.
#[test]
fn who_leaves_is_gone_from_both() {
    on_workers(|workers| {
        let origins = [Origin::silent(), Origin::silent()];
        let proxy = group(workers, &addresses(&origins), "", HEDGE);
        let client = proxy.send(GET);
        poll("both", || (origins.iter().all(|origin| origin.connections() == 1)).then_some(()));
        client.reset();
        origins.iter().for_each(Origin::wait_all_ended);
        assert_eq!(proxy.wait_access(0)["reason"], "client_gone");
    });
}
