//! Names that are not decrypted: their bytes reach the route's address as they came, beside others on the same port.

use super::peer::{Authority, connect};
use crate::harness::{Proxy, on_workers, poll};

#[test]
fn both_kinds_live_on_one_port() {
    let authority = Authority::new();
    authority.issue("front", &["front.test"]);
    authority.issue("back", &["back.test", "deep.raw.test"]);
    on_workers(|workers| {
        let back = format!(
            "listen: {{ bind: 127.0.0.1:0, proxy_protocol: require, tls: {{ certificates: {} }} }}\n\
             trusted_proxies: [127.0.0.1]\n\
             routes: {{ back.test: {{ respond: back }}, deep.raw.test: {{ respond: deep }} }}\n",
            authority.pair("back")
        );
        let back = Proxy::start(workers, &back);
        let front = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {}, \
             hosts: {{ back.test: passthrough, \"*.raw.test\": passthrough, nowhere.test: passthrough }} }} }}\n\
             upstreams: {{ back: {{ endpoints: [\"{}\"], send_proxy_protocol: v2 }} }}\n\
             routes: {{ front.test: {{ respond: front }}, back.test: back, \"*.raw.test\": back }}\n",
            authority.pair("front"),
            back.address()
        );
        let front = Proxy::start(workers, &front);
        let client = authority.client(None);
        for (name, body) in [("front.test", "front"), ("back.test", "back"), ("deep.raw.test", "deep")] {
            let (status, text) = connect(front.address(), name, &client).unwrap().get(name).unwrap();
            assert!(status == 200 && text.ends_with(body), "{name}: {text}");
        }
        // What is not decrypted can't be asked for on a connection that is, nor the other way round.
        let mut other = connect(front.address(), "front.test", &client).unwrap();
        assert_eq!(other.get("back.test").unwrap().0, 421);
        // A name without a route is told so by an alert.
        let nowhere = connect(front.address(), "nowhere.test", &client).map(drop).unwrap_err().to_string();
        assert!(nowhere.contains("UnrecognisedName"), "{nowhere}");
        // The other end knows who the client is, and the log of this one which name it was.
        assert_eq!(back.wait_access(0)["client"], "127.0.0.1");
        let line =
            poll("the line of the tunnel", || front.access().into_iter().find(|line| line["sni"] == "back.test"));
        assert_eq!((&line["tls"], &line["sni"]), (&"passthrough".into(), &"back.test".into()));
        assert!(line["bytes_in"].as_u64() > Some(0) && line["bytes_out"].as_u64() > Some(0), "{line}");
    });
}

#[test]
fn a_listener_that_decrypts_nothing() {
    let authority = Authority::new();
    authority.issue("back", &["back.test"]);
    on_workers(|workers| {
        let back = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\nroutes: {{ back.test: {{ respond: back }} }}\n",
            authority.pair("back")
        );
        let back = Proxy::start(workers, &back);
        let text = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: passthrough }}\nroutes: {{ back.test: \"{}\" }}\n",
            back.address()
        );
        let front = Proxy::start(workers, &text);
        let answer = connect(front.address(), "back.test", &authority.client(None)).unwrap().get("back.test").unwrap();
        assert_eq!(answer.0, 200);
    });
}

/// What counts exchanges counts these tunnels, for as long as they are there.
#[test]
fn tunnels_count_as_connections_of_their_route() {
    let authority = Authority::new();
    authority.issue("back", &["back.test"]);
    on_workers(|workers| {
        let back = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\nroutes: {{ back.test: {{ respond: back }} }}\n",
            authority.pair("back")
        );
        let back = Proxy::start(workers, &back);
        let client = authority.client(None);
        for limit in ["max_connections: 1", "concurrency: { key: client_ip, max: 1 }"] {
            let text = format!(
                "listen: {{ bind: 127.0.0.1:0, tls: passthrough }}\nroutes: {{ back.test: {{ to: \"{}\", {limit} }} }}\n",
                back.address()
            );
            let front = Proxy::start(workers, &text);
            let mut first = connect(front.address(), "back.test", &client).unwrap();
            assert_eq!(first.get("back.test").unwrap().0, 200);
            assert!(connect(front.address(), "back.test", &client).is_err(), "{limit}: one more than there may be");
            assert_eq!(first.get("back.test").unwrap().0, 200, "{limit}");
            drop(first);
            let again = || connect(front.address(), "back.test", &client).ok()?.get("back.test").ok();
            assert_eq!(poll("its place", again).0, 200, "{limit}");
        }
    });
}

/// What can't be read can't be marked, but a listener is no way to itself.
#[test]
fn a_passthrough_to_its_own_listener_ends() {
    let authority = Authority::new();
    on_workers(|workers| {
        let text = |address: &str| {
            format!("listen: {{ bind: 127.0.0.1:0, tls: passthrough }}\nroutes: {{ back.test: \"{address}\" }}\n")
        };
        let proxy = Proxy::start(workers, &text("127.0.0.1:1"));
        proxy.write_config(&text(&proxy.address().to_string()));
        proxy.signal("HUP");
        proxy.wait_log("the configuration is in force");
        for n in 0..3 {
            assert!(connect(proxy.address(), "back.test", &authority.client(None)).is_err());
            let line = proxy.wait_access(n);
            assert_eq!((&line["reason"], &line["sni"]), (&"loop".into(), &"back.test".into()), "{line}");
        }
        assert_eq!(proxy.access().len(), 3);
        proxy.stop();
    });
}
