//! What hostile clients send too much of (SECURITY cases 148–154): the connection ends with ENHANCE_YOUR_CALM or before,
//! nothing piles up, and good clients are served meanwhile.

use super::{assert_serves, proxy};
use crate::harness::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NONE, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, field, fields, frame, get, request,
};
use crate::harness::{Origin, Proxy, on_workers, poll};

const CALM: u32 = 11;

/// Sends what a flood is made of until the connection ends, and asserts with which code.
#[track_caller]
fn floods(proxy: &Proxy, what: &str, begin: &[u8], mut piece: impl FnMut(u32) -> Vec<u8>) {
    let mut client = Frames::begin(proxy);
    client.offer(begin);
    for round in 0..100 {
        client.offer((0..100).flat_map(|n| piece(round * 100 + n)).collect::<Vec<u8>>());
    }
    let code = client.goodbye();
    // Some of it is an error of the connection by itself.
    assert!(matches!(code, Some(CALM | 1) | None), "{what}: GOAWAY {code:?}");
    assert_serves(proxy);
}

fn on_proxies(test: impl Fn(&Proxy, &Origin)) {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        test(&proxy, &origin);
        assert_serves(&proxy);
    });
}

#[test]
fn case_148_rapid_reset() {
    on_workers(|workers| {
        let origin = Origin::silent();
        let proxy = proxy(workers, &origin, "");
        let mut client = Frames::begin(&proxy);
        for stream in (1..4000).step_by(2) {
            client.offer([get(stream), frame(RST_STREAM, NONE, stream, 8_u32.to_be_bytes())].concat());
        }
        assert!(matches!(client.goodbye(), Some(CALM) | None));
        // Whatever went up was cancelled there.
        origin.wait_all_ended();
        // The reset that is one too many came behind its request.
        assert!(origin.connections() <= 201, "{} connections for nothing", origin.connections());
    });
}

#[test]
fn case_149_made_you_reset() {
    on_proxies(|proxy, _| {
        floods(proxy, "WINDOW_UPDATE of 0", &[], |n| {
            let stream = 1 + 2 * n;
            [frame(HEADERS, END_HEADERS, stream, request("POST", &[])), frame(WINDOW_UPDATE, NONE, stream, [0; 4])]
                .concat()
        });
    });
}

#[test]
fn case_149_malformed_messages_have_a_budget_of_their_own() {
    on_proxies(|proxy, origin| {
        let before = origin.requests().len();
        let odd = |n: u32| frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * n, request("GET", &[("connection", "x")]));
        let mut client = Frames::begin(proxy);
        client.offer((0..32).flat_map(odd).collect::<Vec<u8>>());
        for n in 0..32 {
            assert_eq!(client.reset_of(1 + 2 * n), 1);
        }
        client.offer(get(65));
        assert_eq!(client.status(65), 200, "a good request is answered beside 32 that are none");
        client.offer(odd(33));
        assert_eq!(client.goodbye(), Some(CALM));
        assert_eq!(origin.requests().len(), before + 1);
    });
}

#[test]
fn case_150_endless_header_blocks() {
    on_proxies(|proxy, _| {
        let begun = frame(HEADERS, END_STREAM, 1, request("GET", &[]));
        floods(proxy, "CONTINUATION", &begun, |_| frame(CONTINUATION, NONE, 1, field("x", "y")));
        floods(proxy, "empty CONTINUATION", &begun, |_| frame(CONTINUATION, NONE, 1, []));
    });
}

#[test]
fn case_150_a_header_block_that_never_ends_has_a_deadline() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "timeouts: { head: 1s }\n");
        let mut client = Frames::begin(&proxy);
        client.offer(get(1));
        assert_eq!(client.status(1), 200);
        client.offer(frame(HEADERS, END_STREAM, 3, request("GET", &[])));
        client.goodbye();
    });
}

#[test]
fn case_151_control_frames() {
    on_proxies(|proxy, _| {
        let post = frame(HEADERS, END_HEADERS, 1, request("POST", &[]));
        floods(proxy, "SETTINGS", &[], |_| frame(SETTINGS, NONE, 0, []));
        floods(proxy, "PING", &[], |_| frame(PING, NONE, 0, [0; 8]));
        floods(proxy, "empty DATA", &post, |_| frame(DATA, NONE, 1, []));
        floods(proxy, "PRIORITY", &[], |_| frame(PRIORITY, NONE, 3, [0, 0, 0, 0, 1]));
        floods(proxy, "WINDOW_UPDATE", &post, |_| frame(WINDOW_UPDATE, NONE, 1, 1_u32.to_be_bytes()));
        floods(proxy, "unknown frames", &[], |_| frame(0xbb, NONE, 0, []));
    });
}

#[test]
fn case_152_the_bomb_of_small_fields() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "");
        let crumb = |n: usize| fields(&vec![("cookie", "a"); n]);
        let ask = |block: Vec<u8>| {
            let mut client = Frames::begin(&proxy);
            client.offer(frame(HEADERS, END_STREAM | END_HEADERS, 1, [request("GET", &[]), block].concat()));
            client.status(1)
        };
        assert_eq!(ask(crumb(90)), 200);
        assert_eq!(ask(crumb(101)), 431, "each crumb counts");
        // One entry of the table, named four thousand times in as many bytes.
        let mut bomb = vec![0x40, 1, b'x', 0];
        bomb.extend([0xbe; 4000]);
        let before = proxy.resident();
        for _ in 0..20 {
            let mut client = Frames::begin(&proxy);
            client.offer(frame(HEADERS, END_STREAM | END_HEADERS, 1, [request("GET", &[]), bomb.clone()].concat()));
            while client.next().is_some_and(|frame| frame.kind != HEADERS && frame.kind != RST_STREAM) {}
        }
        let grown = proxy.resident().saturating_sub(before);
        assert!(grown < 20 * 2048, "{grown} KiB more for 20 bombs");
        assert_serves(&proxy);
    });
}

#[test]
fn case_152_a_stalled_stream_is_given_up() {
    on_workers(|workers| {
        let origin =
            Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000)));
        let proxy = proxy(workers, &origin, "timeouts: { write: 300ms }\n");
        let mut client = Frames::begin_with(&proxy, &[(4, 0)]);
        client.offer(get(1));
        client.reset_of(1);
        assert_eq!(proxy.wait_access(0)["reason"], "client_gone");
        assert_serves_with_window(&proxy);
    });
}

/// The answer is larger than a window: the client has to open it.
#[track_caller]
fn assert_serves_with_window(proxy: &Proxy) {
    let mut client = Frames::begin_with(proxy, &[(4, 1 << 20)]);
    client.offer([frame(WINDOW_UPDATE, NONE, 0, (1_u32 << 20).to_be_bytes()), get(1)].concat());
    let mut length = 0;
    loop {
        let frame = client.wait("DATA", |frame| frame.kind == DATA);
        length += frame.payload.len();
        if frame.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(length, 100_000);
}

#[test]
fn case_154_a_truncated_frame_then_silence() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "timeouts: { head: 500ms }\n");
        let mut clients: Vec<Frames> = (0..10).map(|_| Frames::begin(&proxy)).collect();
        for client in &mut clients {
            client.offer([get(1), frame(PING, NONE, 0, [0; 8])[..12].to_vec()].concat());
            assert_eq!(client.status(1), 200);
        }
        let before = proxy.ticks();
        for client in &mut clients {
            client.goodbye();
        }
        let spent = proxy.ticks() - before;
        assert!(spent < 20, "{spent} ticks of 10 ms while nothing came");
    });
}

#[test]
fn a_client_that_begins_nothing_is_closed() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, &origin, "timeouts: { head: 300ms, keep_alive: 300ms }\n");
        // Not even a preface, a preface alone, and nothing behind an answer.
        let mut silent = Frames::connect(&proxy);
        let mut idle = Frames::begin(&proxy);
        let mut served = Frames::begin(&proxy);
        served.offer(get(1));
        assert_eq!(served.status(1), 200);
        assert_eq!(silent.wire().rest(), b"");
        assert_eq!(idle.goodbye(), Some(0));
        assert_eq!(served.goodbye(), Some(0));
        poll("no connection left", || (proxy.access().len() == 1).then_some(()));
    });
}
