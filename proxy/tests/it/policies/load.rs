//! Limits under load, beside an ideal limiter that is asked at the same moments: `cargo test … -- --ignored under_load`.
//!
//! How often each key is asked is measured first, so that a slow machine is offered five times the rate as well as a fast one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, Proxy, Redis};

/// Requests that are sent at once on a connection.
const BLOCK: usize = 25;

/// One request, when its answer came, and whether it passed.
#[derive(Clone, Copy)]
struct Asked {
    at: Duration,
    key: usize,
    passed: bool,
}

/// A client of one connection that sends HEAD requests in blocks.
struct Client {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Client {
    fn connect(proxy: &Proxy) -> Self {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, held: Vec::new() }
    }

    fn offer(&mut self, host: &str, keys: impl Iterator<Item = usize>) {
        let block: String = keys.map(|key| format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nX: {key}\r\n\r\n")).collect();
        self.stream.write_all(block.as_bytes()).unwrap();
    }

    /// The status of the next answer, of which there is a head alone.
    fn status(&mut self) -> u16 {
        loop {
            if let Some(end) = self.held.windows(4).position(|four| four == b"\r\n\r\n") {
                let status = std::str::from_utf8(&self.held[9..12]).unwrap().parse().unwrap();
                self.held.drain(..end + 4);
                return status;
            }
            let mut part = [0; 16 * 1024];
            let read = self.stream.read(&mut part).unwrap();
            assert!(read > 0, "the connection ended");
            self.held.extend_from_slice(&part[..read]);
        }
    }
}

/// Asks for `span` as fast as it goes over the keys of one part of `parts`, each in its turn; any answer but 200 and 429
/// is a failure.
fn drive(proxy: &Proxy, began: Instant, keys: &[usize], host: &str, span: Duration) -> Vec<Asked> {
    let (mut client, mut asked) = (Client::connect(proxy), Vec::new());
    let mut turn = keys.iter().copied().cycle();
    while began.elapsed() < span {
        let block: Vec<usize> = turn.by_ref().take(BLOCK).collect();
        client.offer(host, block.iter().copied());
        for key in block {
            let status = client.status();
            assert!(matches!(status, 200 | 429), "{status}");
            asked.push(Asked { at: began.elapsed(), key, passed: status == 200 });
        }
    }
    asked
}

/// The same by several clients at once, of which each has proxy and keys of its own; in the order of the answers.
fn drive_all(clients: &[(&Proxy, Vec<usize>)], host: &str, span: Duration) -> Vec<Asked> {
    let began = Instant::now();
    let mut all: Vec<Asked> = std::thread::scope(|scope| {
        let each = clients.iter().map(|(proxy, keys)| scope.spawn(move || drive(proxy, began, keys, host, span)));
        let each: Vec<_> = each.collect();
        each.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    all.sort_by_key(|asked| asked.at);
    all
}

/// How many an ideal limiter lets pass that is asked at these moments.
fn ideal(asked: &[Asked], keys: usize, interval: Duration, burst: u32) -> usize {
    let mut taken = vec![Duration::ZERO; keys];
    let tolerance = interval * (burst - 1);
    asked
        .iter()
        .filter(|one| {
            let from = taken[one.key].max(one.at);
            let passes = from - one.at <= tolerance;
            if passes {
                taken[one.key] = from + interval;
            }
            passes
        })
        .count()
}

/// Judges a run: as many as the ideal let pass, within 2 %, and at least five times the rate was offered.
fn judge(asked: &[Asked], keys: usize, interval: Duration, burst: u32) {
    let passed = asked.iter().filter(|one| one.passed).count();
    let ideal = ideal(asked, keys, interval, burst);
    let span = asked.last().map_or(Duration::ZERO, |last| last.at);
    let offered = asked.len() as f64 / (keys as f64 * span.as_secs_f64() / interval.as_secs_f64());
    let off = (passed as f64 / ideal as f64 - 1.0) * 100.0;
    eprintln!(
        "{} requests in {span:.1?}, {offered:.1} times the rate: {passed} passed, {ideal} in an ideal limiter ({off:+.2} %)",
        asked.len()
    );
    assert!(offered >= 5.0, "only {offered:.1} times the rate was offered");
    assert!(off.abs() <= 2.0, "{off:+.2} %");
}

/// The interval of a rate, so many an hour, of which these clients offer ten times as much.
fn a_tenth(clients: &[(&Proxy, Vec<usize>)], keys: usize) -> u32 {
    const SECONDS: usize = 2;
    let span = Duration::from_secs(SECONDS as u64);
    let hourly = drive_all(clients, "free.test", span).len() * 3600 / SECONDS;
    u32::try_from(hourly / keys / 10).unwrap()
}

/// Every `parts`th key from `part` on.
fn keys_of(part: usize, parts: usize, keys: usize) -> Vec<usize> {
    (part..keys).step_by(parts).collect()
}

/// 10,000 keys, two workers, more than five times what may pass: what passes is the rate within 2 %.
#[test]
#[ignore = "long: half a minute of load"]
fn under_load_what_passes_is_the_rate() {
    const KEYS: usize = 10_000;
    const BURST: u32 = 2;
    let yaml = |rate: u32| {
        format!(
            "access_log: off\nlimits: {{ requests_per_connection: unlimited }}\nroutes: {{ free.test: {{ respond: ok }}, \
             t.test: {{ respond: ok, rate_limit: {{ key: {{ header: x }}, rate: {rate}/h, burst: {BURST} }} }} }}\n"
        )
    };
    let probe = Proxy::start(2, &yaml(1));
    let rate = a_tenth(&four(&probe, KEYS), KEYS);
    probe.stop();
    let proxy = Proxy::start(2, &yaml(rate));
    let asked = drive_all(&four(&proxy, KEYS), "t.test", Duration::from_secs(15));
    judge(&asked, KEYS, Duration::from_hours(1) / rate, BURST);
}

/// Two proxies on one Redis, offered more than five times the rate: what passes is the rate within 2 %.
#[test]
#[ignore = "long: half a minute of load"]
fn under_load_two_proxies_pass_the_rate_together() {
    const KEYS: usize = 200;
    const BURST: u32 = 2;
    let Some(redis) = Redis::start("under_load_two_proxies_pass_the_rate_together") else { return };
    let yaml = |rate: u32| {
        format!(
            "access_log: off\nlimits: {{ requests_per_connection: unlimited }}\nredis: {{ url: \"{}\", timeout: 5s, on_error: deny }}\n\
             routes:\n  free.test: {{ respond: ok, rate_limit: {{ rate: 1000000/s, burst: 1000000, store: redis }} }}\n  \
             t.test: {{ respond: ok, rate_limit: {{ key: {{ header: x }}, rate: {rate}/h, burst: {BURST}, store: redis }} }}\n",
            redis.url()
        )
    };
    let start = |rate: u32| [Proxy::start(2, &yaml(rate)), Proxy::start(2, &yaml(rate))];
    let probes = start(1);
    let rate = a_tenth(&both(&probes, KEYS), KEYS);
    probes.into_iter().for_each(Proxy::stop);
    let asked = drive_all(&both(&start(rate), KEYS), "t.test", Duration::from_secs(15));
    judge(&asked, KEYS, Duration::from_hours(1) / rate, BURST);
}

/// Four clients with a quarter of the keys each.
fn four(proxy: &Proxy, keys: usize) -> Vec<(&Proxy, Vec<usize>)> {
    (0..4).map(|part| (proxy, keys_of(part, 4, keys))).collect()
}

/// Two clients at each of two proxies, and each key at both proxies.
fn both(proxies: &[Proxy; 2], keys: usize) -> Vec<(&Proxy, Vec<usize>)> {
    (0..4).map(|part| (&proxies[part % 2], keys_of(part / 2, 2, keys))).collect()
}

/// Redis is killed and started again twice under load: nobody sees an error, and nobody waits longer by more than its
/// time-out, 50 ms, than requests that ask no store.
#[test]
#[ignore = "long: some seconds of load"]
fn under_load_a_store_that_is_killed_and_comes_back() {
    let Some(mut redis) = Redis::start("under_load_a_store_that_is_killed_and_comes_back") else { return };
    let yaml = format!(
        "access_log: off\nlimits: {{ requests_per_connection: unlimited }}\nredis: {}\n\
         routes: {{ t.test: {{ respond: ok, rate_limit: {{ key: {{ header: x }}, rate: 100000/s, store: redis }} }}, free.test: {{ respond: ok }} }}\n",
        redis.url()
    );
    let proxy = Proxy::start(2, &yaml);
    let (began, span) = (Instant::now(), Duration::from_secs(8));
    // A block each few milliseconds: some thousand requests a second, which leave the machine room to be measured.
    let load = |part: usize| {
        let (mut client, mut asked) = (Client::connect(&proxy), 0);
        while began.elapsed() < span {
            client.offer("t.test", part..part + BLOCK);
            (0..BLOCK).for_each(|_| assert_eq!(client.status(), 200));
            asked += BLOCK;
            std::thread::park_timeout(Duration::from_millis(5));
        }
        asked
    };
    let probe = || {
        let mut clients = [("t.test", Client::connect(&proxy)), ("free.test", Client::connect(&proxy))];
        let mut took = [Vec::new(), Vec::new()];
        while began.elapsed() < span {
            for ((host, client), took) in clients.iter_mut().zip(&mut took) {
                let sent = Instant::now();
                client.offer(host, std::iter::once(1000));
                assert_eq!(client.status(), 200);
                took.push(sent.elapsed());
            }
        }
        took.map(|mut took| {
            took.sort_unstable();
            // The slowest but one in a thousand, and the slowest of all, which a busy machine has a say in.
            [took.len().saturating_sub(1 + took.len() / 1000), took.len() - 1].map(|at| took[at])
        })
    };
    let (asked, [limited, free]) = std::thread::scope(|scope| {
        let loads = [0, 100].map(|part| scope.spawn(move || load(part)));
        let probe = scope.spawn(probe);
        for _ in 0..2 {
            std::thread::park_timeout(Duration::from_millis(1500));
            redis.kill();
            std::thread::park_timeout(Duration::from_millis(1500));
            redis.restart();
        }
        let asked: usize = loads.into_iter().map(|one| one.join().unwrap()).sum();
        (asked, probe.join().unwrap())
    });
    eprintln!(
        "{asked} requests passed; 99.9 % within {:.1?}, all within {:.1?}; beside it without a limit {:.1?} and {:.1?}",
        limited[0], limited[1], free[0], free[1]
    );
    assert!(asked > 1000, "{asked}");
    let patience = Duration::from_millis(50);
    assert!(limited[0] <= free[0] + patience && limited[1] <= free[1] * 3 + patience, "{limited:?} and {free:?}");
    let reconnected = proxy.log().iter().filter(|line| line.contains("redis: connected")).count();
    assert!(reconnected >= 2, "the store was found again: {reconnected}");
}
