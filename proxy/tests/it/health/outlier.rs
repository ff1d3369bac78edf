//! Ejection by what traffic says: consecutive failures, never too many, back after a while.

use super::{Patient, endpoint, wait_state};
use crate::harness::{Proxy, on_workers, poll};

fn pool(outlier: &str, endpoints: &[&Patient]) -> String {
    let list: Vec<String> = endpoints.iter().map(|one| format!("\"{}\"", one.origin.address())).collect();
    format!(
        "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams:\n  app:\n    endpoints: [{}]\n{outlier}",
        list.join(", ")
    )
}

#[test]
fn experiment_12_healthy_by_probe_but_failing_its_traffic_is_ejected_and_comes_back() {
    on_workers(|workers| {
        let (a, b, c) = (Patient::start("a"), Patient::start("b"), Patient::start("c"));
        let outlier = "    health: { http: /healthz, interval: 200ms }\n    outlier: { failures: 3, hold: 1s }\n";
        let proxy = Proxy::start(workers, &pool(outlier, &[&a, &b, &c]));
        let address = a.origin.address();
        a.set_status(500);
        poll("its ejection", || {
            proxy.get("t.test", "/");
            proxy.log().iter().any(|line| line.contains("ejected")).then_some(())
        });
        let line = proxy.wait_log("the endpoint is ejected");
        assert!(line.contains(&address) && line.contains("failures in a row"), "{line}");
        let before = a.served();
        // The third makes it known; what comes before the control thread has heard of it may still go there.
        assert!((3..10).contains(&before), "{before}");
        // While it is out, all is well; the hold is a second at least.
        for _ in 0..10 {
            if endpoint(&proxy, &address)["state"][0] == "ejected" {
                assert_eq!(proxy.get("t.test", "/").status(), 200);
            }
        }
        a.set_status(200);
        wait_state(&proxy, &address, "up");
        proxy.wait_log("the time of its ejection is over");
        poll("its share again", || (proxy.get("t.test", "/").text() == "a").then_some(()));
        proxy.stop();
    });
}

#[test]
fn never_more_than_half_and_never_the_last() {
    let (a, b, c) = (Patient::start("a"), Patient::start("b"), Patient::start("c"));
    let proxy = Proxy::start(2, &pool("    outlier: { failures: 2, hold: 10s }\n", &[&a, &b, &c]));
    for one in [&a, &b, &c] {
        one.set_status(503);
    }
    for _ in 0..60 {
        proxy.get("t.test", "/");
    }
    proxy.wait_log("not ejected: max_ejected is reached");
    let out =
        [&a, &b, &c].iter().filter(|one| endpoint(&proxy, &one.origin.address())["state"][0] == "ejected").count();
    assert_eq!(out, 1);
    proxy.stop();
}

#[test]
fn off_ejects_nobody_and_one_endpoint_alone_is_never_ejected() {
    let (a, b) = (Patient::start("a"), Patient::start("b"));
    for one in [&a, &b] {
        one.set_status(500);
    }
    let text = pool("    outlier: off\n", &[&a, &b]);
    let proxy =
        Proxy::start(2, &format!("{text}  one: [\"{}\"]\n", a.origin.address()).replace("app }", "app, u.test: one }"));
    for _ in 0..15 {
        assert_eq!(proxy.get("t.test", "/").status(), 500);
        assert_eq!(proxy.get("u.test", "/").status(), 500);
    }
    assert!(a.served() > 5 && b.served() > 5);
    assert!(!proxy.log().join("\n").contains("ejected"));
    proxy.stop();
}

#[test]
fn who_is_far_slower_than_the_others_is_ejected() {
    let (a, b) = (Patient::start("a"), Patient::start("b"));
    let slow = crate::harness::Origin::start(|wire, _| {
        while wire.request().is_some() {
            std::thread::park_timeout(std::time::Duration::from_millis(120));
            wire.send("HTTP/1.1 200 x\r\nContent-Length: 4\r\n\r\nslow");
        }
    });
    let text = pool("    outlier: { latency: 60ms, hold: 10s }\n", &[&a, &b]);
    let text = text.replace("endpoints: [", &format!("endpoints: [\"{}\", ", slow.address()));
    let proxy = Proxy::start(2, &text);
    poll("its ejection", || {
        proxy.get("t.test", "/");
        proxy.log().iter().any(|line| line.contains("to the first byte on average")).then_some(())
    });
    assert_eq!(endpoint(&proxy, &slow.address())["state"][0], "ejected");
    proxy.stop();
}
