//! What floods cost (SECURITY cases 148–152): memory and CPU beside a quiet run of the same proxy, on one worker, while a
//! good client is served on it.
//!
//! Costs are told in requests of that quiet run, so that a slow machine or build makes both slower.

use super::proxy;
use crate::harness::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, NONE, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    field, frame, get, request,
};
use crate::harness::{Origin, Proxy};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Attackers at once, and how often each begins again when it was cut.
const ATTACKERS: usize = 5;
const ROUNDS: usize = 4;

/// Memory that an attacking connection may cost while it lasts.
const KIB_EACH: u64 = 8 * 1024;

/// How many requests make the quiet run.
const QUIET: usize = 1000;

/// A client that behaves, on one connection.
struct Good {
    client: Frames,
    stream: u32,
    served: usize,
    slowest: Duration,
}

impl Good {
    fn new(proxy: &Proxy) -> Self {
        Self { client: Frames::begin(proxy), stream: 1, served: 0, slowest: Duration::ZERO }
    }

    #[track_caller]
    fn ask(&mut self) {
        let begun = Instant::now();
        self.client.offer(get(self.stream));
        assert_eq!(self.client.status(self.stream), 200);
        self.stream += 2;
        self.served += 1;
        self.slowest = self.slowest.max(begun.elapsed());
    }
}

/// What a request of a client that behaves costs, in ticks.
fn ordinary(proxy: &Proxy, good: &mut Good) -> f64 {
    let before = proxy.ticks();
    (0..QUIET).for_each(|_| good.ask());
    (proxy.ticks() - before).max(1) as f64 / QUIET as f64
}

/// Lets attackers loose on a proxy, and holds what they cost against its quiet run. An attack begins so many requests.
#[track_caller]
fn costs_little(what: &str, origin: &Origin, further: &str, begins: u32, attack: impl Fn(&Proxy) + Sync) {
    let proxy = proxy(1, origin, further);
    let mut good = Good::new(&proxy);
    (0..QUIET).for_each(|_| good.ask());
    let rest = proxy.resident();
    let each = ordinary(&proxy, &mut good);
    let quiet = std::mem::take(&mut good.slowest);
    let mut storm = |rounds: usize| {
        let (mut peak, running, served) = (0, AtomicUsize::new(ATTACKERS), good.served);
        std::thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| {
                    (0..rounds).for_each(|_| attack(&proxy));
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
            while running.load(Ordering::SeqCst) > 0 {
                good.ask();
                peak = peak.max(proxy.resident());
            }
        });
        (peak, good.served - served)
    };
    let first = storm(1).0.max(rest);
    let before = proxy.ticks();
    let (last, served) = storm(ROUNDS);
    let spent = proxy.ticks() - before;
    // Others use the machine at one time more than at another: what a request costs at this hour counts too, but one of
    // a proxy that nobody has attacked.
    let spared = self::proxy(1, origin, further);
    let mut other = Good::new(&spared);
    (0..QUIET).for_each(|_| other.ask());
    let each = each.max(ordinary(&spared, &mut other));
    // What the good client asked meanwhile is no attack.
    let requests = (spent as f64 / each - served as f64).max(0.0) / (ATTACKERS * ROUNDS) as f64;
    eprintln!(
        "{what}: {} KiB for each of {ATTACKERS} attackers, {} KiB after {ROUNDS} times as many; an attack costs no more \
         than {requests:.0} requests of {:.0} µs; good ones took {:?} at worst (quiet {quiet:?})",
        (first - rest) / ATTACKERS as u64,
        last.saturating_sub(rest) / ATTACKERS as u64,
        each * 10_000.0,
        good.slowest
    );
    assert!(first - rest <= KIB_EACH * ATTACKERS as u64, "{what}: {} KiB more", first - rest);
    assert!(last <= first + KIB_EACH * ATTACKERS as u64, "{what}: it grows from {first} to {last} KiB");
    // What was begun is undone as well.
    let most = 100.0 + 10.0 * f64::from(begins);
    assert!(requests <= most, "{what}: {requests:.0} requests' worth of CPU for each attack");
}

/// An attack that repeats a piece up to `most` times, until it is cut.
fn repeat(begin: Vec<u8>, most: u32, piece: impl Fn(u32) -> Vec<u8> + Sync) -> impl Fn(&Proxy) + Sync {
    move |proxy| {
        let mut client = Frames::begin(proxy);
        client.offer(&begin);
        for from in (0..most).step_by(100) {
            client.offer((from..from + 100).flat_map(&piece).collect::<Vec<u8>>());
        }
        client.goodbye();
    }
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, request("POST", &[]))
}

#[test]
fn case_148_rapid_reset() {
    let reset = |stream| frame(RST_STREAM, NONE, stream, 8_u32.to_be_bytes());
    let attack = repeat(Vec::new(), 2000, |n| [get(1 + 2 * n), reset(1 + 2 * n)].concat());
    costs_little("rapid reset", &Origin::ok(), "", 200, attack);
}

#[test]
fn case_149_made_you_reset() {
    let attack =
        repeat(Vec::new(), 2000, |n| [post(1 + 2 * n), frame(WINDOW_UPDATE, NONE, 1 + 2 * n, [0; 4])].concat());
    costs_little("MadeYouReset", &Origin::ok(), "", 200, attack);
}

#[test]
fn case_150_continuation() {
    let begun = frame(HEADERS, END_STREAM, 1, request("GET", &[]));
    let piece = frame(CONTINUATION, NONE, 1, field("x", &"y".repeat(1000)));
    costs_little("CONTINUATION", &Origin::ok(), "", 1, repeat(begun, 1000, move |_| piece.clone()));
}

#[test]
fn case_151_settings() {
    let piece = frame(SETTINGS, NONE, 0, [0, 4, 0, 0, 255, 255]);
    costs_little("SETTINGS", &Origin::ok(), "", 1, repeat(Vec::new(), 5000, move |_| piece.clone()));
}

#[test]
fn case_151_ping() {
    let piece = frame(PING, NONE, 0, [0; 8]);
    costs_little("PING", &Origin::ok(), "", 1, repeat(Vec::new(), 5000, move |_| piece.clone()));
}

#[test]
fn case_151_empty_data() {
    let piece = frame(DATA, NONE, 1, []);
    costs_little("empty DATA", &Origin::ok(), "", 1, repeat(post(1), 5000, move |_| piece.clone()));
}

#[test]
fn case_152_bomb() {
    let attack = |proxy: &Proxy| {
        let mut client = Frames::begin(proxy);
        let block = [request("GET", &[]), b"\x40\x01x\0".to_vec(), vec![0xbe; 4000]].concat();
        for stream in (1..200).step_by(2) {
            client.offer(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block));
        }
        for _ in 0..100 {
            if client.next().is_none() {
                break;
            }
        }
    };
    costs_little("HTTP/2 bomb", &Origin::ok(), "", 100, attack);
}

#[test]
fn case_152_window_stall() {
    let body = "x".repeat(200_000);
    let origin = Origin::start(move |wire, _| {
        while let Some(asked) = wire.request() {
            let body = if asked.target() == "/" { "ok" } else { &body };
            wire.offer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let attack = |proxy: &Proxy| {
        // No window at all, and a hundred answers that wait for one.
        let mut client = Frames::begin_with(proxy, &[(4, 0)]);
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/large"), (":authority", "t.test")];
        for stream in (1..200).step_by(2) {
            let block = crate::harness::h2::fields(&fields);
            client.offer(frame(HEADERS, END_STREAM | END_HEADERS, stream, block));
        }
        for stream in (1..200).step_by(2) {
            client.offer(frame(WINDOW_UPDATE, NONE, stream, 1_u32.to_be_bytes()));
        }
        // Each is given up in time.
        let mut given_up = 0;
        while given_up < 100 {
            match client.next() {
                Some(frame) if frame.kind == RST_STREAM => given_up += 1,
                Some(_) => {}
                None => break,
            }
        }
    };
    costs_little("window stall", &origin, "timeouts: { write: 1s }\n", 100, attack);
}
