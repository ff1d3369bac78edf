//! States and weights that an operator changes while it runs.

use super::{Patient, endpoint, wait_state};
use crate::harness::{Message, Proxy, Wire, on_workers, poll};

#[track_caller]
fn set(proxy: &Proxy, upstream: &str, address: &str, body: &str) -> Message {
    let mut wire = Wire::connect(proxy.admin());
    wire.offer(format!(
        "POST /v1/upstreams/{upstream}/endpoints/{} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        address.replace(':', "%3A").replace('/', "%2F"),
        proxy.token(),
        body.len()
    ));
    wire.response()
}

#[test]
fn states_and_weights_change_without_a_reload_and_outlive_one() {
    on_workers(|workers| {
        let (a, b) = (Patient::start("a"), Patient::start("b"));
        let (first, second) = (format!("http://{}", a.origin.address()), b.origin.address());
        let text = format!(
            "admin: 127.0.0.1:0\nroutes: {{ t.test: app }}\nupstreams: {{ app: {{ endpoints: [\"{first}\", \"{second}\"] }} }}\n"
        );
        let proxy = Proxy::start(workers, &text);
        let shares = || {
            let (from_a, from_b) = (a.served(), b.served());
            for _ in 0..12 {
                assert_eq!(proxy.get("t.test", "/").status(), 200);
            }
            (a.served() - from_a, b.served() - from_b)
        };
        assert_eq!(shares(), (6, 6));
        for state in ["drain", "maint"] {
            let answer = set(&proxy, "app", &first, &format!("{{\"state\": \"{state}\"}}"));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert_eq!(endpoint(&proxy, &first)["state"][0], state);
            assert_eq!(shares(), (0, 12), "{state}");
        }
        // Another setting changes by a reload: the state stays.
        proxy.write_config(&format!("{text}timeouts: {{ connect: 2s }}\n"));
        proxy.wait_log("in force");
        assert_eq!(shares(), (0, 12));
        assert_eq!(set(&proxy, "app", &first, "{\"state\": \"ready\", \"weight\": 3}").status(), 200);
        wait_state(&proxy, &first, "up");
        assert_eq!(endpoint(&proxy, &first)["weight"], 3);
        poll("shares by weight", || (shares() == (9, 3)).then_some(()));
        proxy.write_config(&text);
        poll("the second reload", || {
            (proxy.log().iter().filter(|line| line.contains("in force")).count() >= 2).then_some(())
        });
        assert_eq!(endpoint(&proxy, &first)["weight"], 3);
        assert_eq!(set(&proxy, "app", &first, "{\"weight\": null}").status(), 200);
        assert_eq!(endpoint(&proxy, &first)["weight"], 1);
        poll("even shares", || (shares() == (6, 6)).then_some(()));
        for (upstream, address, body, status) in [
            ("nobody", first.as_str(), "{\"state\": \"drain\"}", 404),
            ("app", "10.0.0.9:1", "{\"weight\": 2}", 404),
            ("app", first.as_str(), "{\"weight\": 0}", 422),
            ("app", first.as_str(), "{\"state\": \"asleep\"}", 422),
            ("app", first.as_str(), "{\"stat\": \"drain\"}", 422),
        ] {
            assert_eq!(set(&proxy, upstream, address, body).status(), status, "{upstream} {address} {body}");
        }
        proxy.stop();
    });
}
