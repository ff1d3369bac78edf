//! How often and how many at once: `rate_limit`, `concurrency`, `max_connections`, over all workers together.

use crate::harness::{Message, Origin, Proxy, assert_own_answer, on_workers, poll, ws};

fn get(proxy: &Proxy, host: &str, lines: &str) -> Message {
    proxy.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
}

/// How many of these pass.
fn passed(proxy: &Proxy, count: usize, host: &str, lines: &str) -> usize {
    (0..count).filter(|_| get(proxy, host, lines).status() == 200).count()
}

#[test]
fn a_burst_passes_and_then_429_with_its_fields() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml =
            format!("routes:\n  t.test: {{ to: \"{}\", rate_limit: {{ rate: 6/h, burst: 4 }} }}\n", origin.address());
        let proxy = Proxy::start(workers, &yaml);
        // Each on a connection of its own, so that both workers have a part.
        assert_eq!(passed(&proxy, 12, "t.test", ""), 4);
        let answer = get(&proxy, "t.test", "");
        assert_own_answer(&answer, 429, "rate_limited");
        let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((500..=600).contains(&wait), "{wait} s until the next");
        assert_eq!(answer.field("ratelimit-policy"), Some("\"rate\";q=4;w=3600"));
        assert_eq!(origin.requests().len(), 4);
        // A reload changes nothing of what was counted.
        proxy.write_config(&format!("access_log: off\n{yaml}"));
        proxy.wait_log("the configuration is in force");
        assert_eq!(get(&proxy, "t.test", "").status(), 429);
        // Another target lets nobody begin anew either.
        let other = yaml.replace(&origin.address(), &Origin::ok().address());
        proxy.write_config(&format!("{other}  changed.test: {{ respond: \"\" }}\n"));
        poll("the reload", || (get(&proxy, "changed.test", "").status() == 200).then_some(()));
        assert_eq!(get(&proxy, "t.test", "").status(), 429);
    });
}

#[test]
fn each_key_counts_apart() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let limit =
            |key: &str| format!("to: \"{}\", rate_limit: {{ key: {key}, rate: 1/h, burst: 2 }}", origin.address());
        let yaml = format!(
            "trusted_proxies: 127.0.0.1\nroutes:\n  ip.test: {{ {} }}\n  header.test: {{ {} }}\n  route.test: {{ {} }}\n  both.test: {{ {} }}\n",
            limit("client_ip"),
            limit("{ header: x-key }"),
            limit("route"),
            limit("\"{cookie.c}-{method}\"").replace("{method}", "{path}")
        );
        let proxy = Proxy::start(workers, &yaml);
        let of = |host: &str, lines: &str| passed(&proxy, 3, host, lines);
        let from = |ip: &str| format!("X-Forwarded-For: {ip}\r\n");
        assert_eq!((of("ip.test", &from("192.0.2.1")), of("ip.test", &from("192.0.2.2"))), (2, 2));
        // Case 161: an IPv6 site is one client.
        assert_eq!((of("ip.test", &from("2001:db8::1")), of("ip.test", &from("2001:db8::ffff:2"))), (2, 0));
        assert_eq!(of("ip.test", &from("2001:db8:0:1::1")), 2);
        assert_eq!((of("header.test", "X-Key: a\r\n"), of("header.test", "X-Key: b\r\n")), (2, 2));
        assert_eq!((of("header.test", ""), of("header.test", "X-Other: c\r\n")), (2, 0));
        assert_eq!((of("route.test", &from("192.0.2.1")), of("route.test", &from("192.0.2.2"))), (2, 0));
        assert_eq!((of("both.test", "Cookie: c=1\r\n"), of("both.test", "Cookie: c=2\r\n")), (2, 2));
    });
}

#[test]
fn every_level_must_let_a_request_pass_and_counts_its_own() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "defaults: {{ rate_limit: {{ key: route, rate: 1/h, burst: 9 }} }}\n\
             policies: {{ few: {{ rate_limit: {{ rate: 1/h, burst: 3 }} }} }}\n\
             routes:\n  a.test: {{ to: \"{a}\", use: few }}\n  b.test: {{ to: \"{a}\", use: few }}\n  c.test: \"{a}\"\n  \
             d.test: {{ to: \"{a}\", inherit: false }}\n  \
             e.test: {{ to: \"{a}\", rate_limit: [{{ rate: 1/h, burst: 5 }}, {{ rate: 1/h, burst: 1, dry_run: true }}] }}\n",
            a = origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        // A named policy counts once for all that take it in.
        assert_eq!((passed(&proxy, 2, "a.test", ""), passed(&proxy, 4, "b.test", "")), (2, 1));
        assert_eq!((passed(&proxy, 12, "c.test", ""), passed(&proxy, 12, "d.test", "")), (9, 12));
        assert_eq!(passed(&proxy, 8, "e.test", ""), 5);
    });
}

#[test]
fn places_are_held_by_tunnels_and_given_back() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if ws::agree(wire).is_some() {
                let _ = wire.rest();
            }
        });
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", max_connections: 2 }}, k.test: {{ to: \"{}\", concurrency: {{ key: {{ header: x }}, max: 1 }} }} }}\n",
            origin.address(),
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let mut tunnels = [proxy.connect(), proxy.connect()];
        tunnels.iter_mut().for_each(|tunnel| drop(ws::open(tunnel, "t.test", "/")));
        let handshake = ws::upgrade("t.test", "/", "");
        assert_own_answer(&proxy.ask(&handshake), 429, "rate_limited");
        drop(tunnels);
        poll("a place to be free", || (proxy.ask(&handshake).status() == 101).then_some(()));
        let mut tunnel = proxy.connect();
        tunnel.send(ws::upgrade("k.test", "/", "X: a\r\n"));
        assert_eq!(tunnel.head().status(), 101);
        assert_eq!(proxy.ask(ws::upgrade("k.test", "/", "X: a\r\n")).status(), 429);
        assert_eq!(proxy.ask(ws::upgrade("k.test", "/", "X: b\r\n")).status(), 101);
    });
}
