//! What a chain of eight policies costs a request and its answer, from the first look to the last line.
//!
//! Run with `cargo bench -p switchboard-core --bench policies`. The bar: 1.5 µs for the eight. It judges itself: behind
//! what criterion says stands the fastest of many short batches, which a busy machine spoils least, and the exit code.

use std::hash::{BuildHasher as _, RandomState};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use switchboard_core::config::Config;
use switchboard_core::http1::{HeadLimits, Progress, RequestHead};
use switchboard_core::message::Name;
use switchboard_core::moment::Moment;
use switchboard_core::policy::claims::NONE;
use switchboard_core::policy::{Chain, Notes};
use switchboard_core::route::{Facts, ListenerId};
use switchboard_core::snapshot::Snapshot;
use switchboard_core::target::Destination;

/// What eight policies may cost a request.
const BAR: Duration = Duration::from_nanos(1500);

const REQUEST: &[u8] = b"GET /shop/item?id=7&utm_source=x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: bench/1.0\r\n\
    Accept: text/html\r\nAccept-Encoding: gzip\r\nCookie: a=b; c=d\r\n\r\n";

const ANSWER: &[u8] =
    b"GET / HTTP/1.1\r\nServer: x\r\nContent-Type: text/html\r\nContent-Length: 2\r\nX-Powered-By: y\r\n\r\n";

const EIGHT: [&str; 8] = [
    "deny: [203.0.113.0/24, { path: /admin }, { headers: { user-agent: { regex: '(?i)scraper' } } }]",
    "allow: [192.0.2.0/24, 10.0.0.0/8]",
    "rate_limit: { rate: 1000000/s, burst: 1000000000 }",
    "methods: [GET, POST]",
    "query: { remove: [utm_source] }",
    "request_headers: { set: { x-client: \"{client_ip}\" }, remove: [x-debug] }",
    "response_headers: { set: { x-edge: here }, remove: [server, x-powered-by] }",
    "security_headers: true",
];

fn snapshot(policies: &str) -> Snapshot {
    let text = format!("routes: {{ \"*\": {{ to: \":1\", {policies} }} }}");
    let config = Config::from_text(&text).expect("a sound configuration");
    Snapshot::compile(&config).expect("it compiles")
}

fn head(bytes: &[u8], limits: &HeadLimits) -> RequestHead {
    let mut head = RequestHead::default();
    assert_eq!(head.parse(bytes, limits).ok(), Some(Progress::Complete));
    head
}

/// As the exchange does it, in its order.
fn pass(
    chain: &Chain,
    facts: &Facts<'_>,
    heads: &mut (RequestHead, RequestHead),
    notes: &mut Notes,
    seed: &RandomState,
) {
    let (mut target, mut lines) = (Vec::with_capacity(64), Vec::with_capacity(512));
    chain.note(facts, notes).expect("nothing breaks a line");
    chain.screen(facts).expect("it passes");
    for rate in chain.rates() {
        rate.take(facts, Moment::ZERO + Duration::from_secs(1), &mut notes.key, |key| seed.hash_one(key))
            .expect("it passes");
    }
    chain.method(facts).expect("it passes");
    chain.fill(facts, notes).expect("nothing breaks a line");
    chain.target(facts, facts.destination.forward(), &mut target).expect("a sound target");
    chain.edit_request(&mut heads.0.fields, REQUEST, notes);
    chain.edit_answer(&mut heads.1.fields, ANSWER, notes, &mut lines);
    black_box((target, lines));
}

/// Lends what a rule with these policies passes a request through: each call of it is one request and its answer.
fn with_chain<T>(policies: &str, lend: impl FnOnce(&mut dyn FnMut(&mut (RequestHead, RequestHead)), &Heads) -> T) -> T {
    let seed = RandomState::new();
    let snapshot = snapshot(policies);
    let chain = snapshot.rules()[0].policy.as_deref().expect("policies");
    for rate in chain.rates() {
        rate.tie(Arc::default);
    }
    let limits = HeadLimits::from(&snapshot.limits);
    let heads = (head(REQUEST, &limits), head(ANSWER, &limits));
    let request = &heads.0;
    let hosts = request.fields.named(Name::Host).map(|field| field.value.of(REQUEST));
    let (method, version) = (request.method.of(REQUEST), request.version);
    let destination = Destination::parse(method, request.target.of(REQUEST), hosts, version).expect("a sound target");
    let facts = Facts {
        method,
        destination: &destination,
        fields: &request.fields,
        head: REQUEST,
        client_ip: Some([192, 0, 2, 7].into()),
        listener: ListenerId(0),
        listener_port: 80,
        scheme: "http",
        request_id: b"0123456789abcdef",
        client_cert: false,
        claims: &NONE,
    };
    let mut notes = Notes::default();
    lend(&mut |heads| pass(chain, black_box(&facts), heads, &mut notes, &seed), &heads)
}

/// The heads of a request and its answer, as they were read.
type Heads = (RequestHead, RequestHead);

fn policies(criterion: &mut Criterion) {
    let mut run = |name: &str, policies: &str| {
        with_chain(policies, |pass, heads| {
            criterion.bench_function(name, |bench| {
                bench.iter_batched_ref(|| heads.clone(), &mut *pass, BatchSize::SmallInput);
            });
        });
    };
    run("eight", &EIGHT.join(", "));
    for policy in EIGHT {
        run(policy.split(':').next().unwrap_or_default(), policy);
    }
}

/// What one pass takes: the mean of the fastest of many batches, without the copies of the heads that it marks.
fn fastest(policies: &str) -> Duration {
    const BATCHES: u32 = 2000;
    const BATCH: u8 = 100;
    with_chain(policies, |pass, heads| {
        let batches = (0..BATCHES).map(|_| {
            let mut copies = vec![heads.clone(); usize::from(BATCH)];
            let began = Instant::now();
            copies.iter_mut().for_each(&mut *pass);
            began.elapsed() / u32::from(BATCH)
        });
        batches.min().unwrap_or_default()
    })
}

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    policies(&mut criterion);
    criterion.final_summary();
    let took = fastest(&EIGHT.join(", "));
    println!("eight policies: {} ns in the fastest batch; the bar is {} ns", took.as_nanos(), BAR.as_nanos());
    if took <= BAR { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
