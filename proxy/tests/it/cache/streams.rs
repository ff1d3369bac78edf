//! What is no business of a cache goes through a rule that has one as without it.

use super::Site;
use crate::harness::{Origin, Proxy, on_workers, poll, ws};

fn proxy(workers: usize, origin: &Origin) -> Proxy {
    let address = origin.address();
    Proxy::start(
        workers,
        &format!("listen: \"127.0.0.1:0\"\nroutes: {{ t.test: {{ to: \"{address}\", cache: true }} }}\n"),
    )
}

#[test]
fn case_118_streams_flow_at_once_and_never_end_in_memory() {
    on_workers(|workers| {
        for kind in ["text/event-stream", "application/x-ndjson\r\nCache-Control: max-age=60"] {
            let release = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let ours = std::sync::Arc::clone(&release);
            let origin = Origin::start(move |wire, _| {
                wire.request();
                wire.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"));
                for number in 0..3 {
                    wire.send(format!("8\r\ndata: {number}\n\r\n"));
                    // The next comes only when this one has arrived.
                    poll("it to arrive", || (ours.load(std::sync::atomic::Ordering::SeqCst) > number).then_some(()));
                }
            });
            let proxy = proxy(workers, &origin);
            let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.head().status(), 200);
            for number in 0..3 {
                assert_eq!(String::from_utf8(client.chunk()).unwrap(), format!("data: {number}\n"));
                release.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
}

#[test]
fn websockets_pass() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            ws::agree(wire).unwrap();
            wire.send("hello");
            wire.expect("bye");
            wire.send("end");
        });
        let proxy = proxy(workers, &origin);
        let mut client = proxy.send(ws::upgrade("t.test", "/", ""));
        let head = client.head();
        assert_eq!(head.status(), 101);
        assert!(!head.has("cache-status"));
        client.expect("hello");
        client.send("bye");
        client.expect("end");
    });
}

#[test]
fn the_log_tells_what_the_cache_did() {
    let site = Site::start(1, "true");
    site.run("log", &[("GET", "200\nCache-Control: max-age=60\n\nx", "200"), ("GET", "", "200")]);
    assert_eq!(site.proxy.wait_access(0)["cache"], "miss");
    assert_eq!(site.proxy.wait_access(1)["cache"], "hit");
}
