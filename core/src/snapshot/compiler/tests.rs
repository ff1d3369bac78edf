//! Changes one by one come to the same as a compile of the whole, and cost what they change.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Compiler;
use crate::config::{Config, Route, RouteKey, Upstream};
use crate::snapshot::fixture::Request;
use crate::snapshot::{Action, Snapshot};

/// The route of one line of YAML, with its key and the upstreams that it brings.
fn route(line: &str) -> (RouteKey, Route, BTreeMap<String, Upstream>) {
    let mut config = Config::from_text(&format!("routes: {{ {line} }}")).unwrap();
    let (key, route) = config.routes.pop_first().unwrap();
    (key, route, config.upstreams)
}

/// Which endpoints, by address, a request would be sent to; or the text that it is answered with.
fn answer(snapshot: &Snapshot, url: &str) -> String {
    Request::get(url).facts(|facts| match snapshot.find(facts, &mut crate::route::NoTrace) {
        Err(error) => format!("{error:?}"),
        Ok(id) => match &snapshot.rule(id).action {
            Action::Proxy(upstream) => {
                let upstream = snapshot.upstream(*upstream);
                let addresses = upstream.endpoints.iter().map(|id| snapshot.endpoint(*id).identity.address.to_string());
                addresses.collect::<Vec<_>>().join(",")
            }
            Action::Respond { body, .. } => body.to_string(),
            other => format!("{other:?}"),
        },
    })
}

const ROUTES: &[&str] = &[
    "a.test: :1",
    "a.test: :2",
    "a.test/x: [:1, :3]",
    "a.test/x/y: { respond: deep }",
    "b.test/x: { to: :1, also: [a.test, c.test] }",
    "\"*.test\": { respond: suffix }",
    "\"*.deep.test\": { to: :4, also: [\"*\"] }",
    "\"*\": { respond: any }",
    "\"*/x\": :5",
    "a.test/x: [{ when: { methods: [PUT] }, to: :6 }, { when: { methods: [POST] }, to: :7 }]",
    "c.test: { to: named, also: [b.test] }",
];

const URLS: &[&str] = &[
    "a.test/",
    "a.test/x",
    "a.test/x/y/z",
    "b.test/",
    "b.test/x",
    "c.test/x",
    "d.test/",
    "e.deep.test/x",
    "other/",
    "other/x",
];

#[test]
fn changes_come_to_the_same_as_a_whole() {
    const NAMED: &str = "upstreams: { named: [:8, :9] }\nroutes: {}\n";
    let base = Config::from_text(NAMED).unwrap();
    for seed in 0..64_u64 {
        let mut compiler = Compiler::new(&base).unwrap();
        let mut now = base.clone();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for step in 0..60 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let line = ROUTES[usize::try_from(random >> 33).unwrap() % ROUTES.len()];
            let text = if line.contains("named") {
                NAMED.replace("{}", &format!("{{ {line} }}"))
            } else {
                format!("routes: {{ {line} }}")
            };
            let mut config = Config::from_text(&text).unwrap();
            let (key, route) = config.routes.pop_first().unwrap();
            let held = compiler.snapshot();
            let before: Vec<String> = URLS.iter().map(|url| answer(&held, url)).collect();
            if (random >> 20) & 3 == 0 {
                assert_eq!(compiler.remove(&key), now.routes.remove(&key).is_some());
            } else {
                compiler.put(&key, &route, &config.upstreams).unwrap();
                now.upstreams.extend(config.upstreams);
                now.routes.insert(key, route);
            }
            if random & 1 == 0 {
                compiler.take_touched();
            }
            let (one, whole) = (compiler.snapshot(), Snapshot::compile(&now).unwrap());
            for url in URLS {
                assert_eq!(answer(&one, url), answer(&whole, url), "seed {seed}, step {step}: {url}");
            }
            assert_eq!(one.rules().count(), whole.rules().count(), "seed {seed}, step {step}");
            let after: Vec<String> = URLS.iter().map(|url| answer(&held, url)).collect();
            assert_eq!(before, after, "seed {seed}, step {step}: a change reached a snapshot that was given out");
        }
        let keys: Vec<_> = now.routes.keys().cloned().collect();
        keys.iter().for_each(|key| assert!(compiler.remove(key)));
        let empty = compiler.snapshot();
        assert_eq!(
            (empty.rules().count(), empty.upstreams().count(), empty.endpoints().count()),
            (0, 1, 2),
            "seed {seed}"
        );
        assert_eq!(empty.routes.hosts().count(), 0, "seed {seed}");
    }
}

#[test]
fn what_was_touched_is_told() {
    let mut compiler = Compiler::new(&Config::from_text("routes: { a.test: :1, b.test: :1 }").unwrap()).unwrap();
    let (key, changed, upstreams) = route("a.test: :2");
    compiler.put(&key, &changed, &upstreams).unwrap();
    let touched = compiler.take_touched();
    assert_eq!((touched.rules.len(), touched.upstreams.len(), touched.endpoints.len()), (2, 1, 1));
    assert!(touched.gone.is_empty(), "a route that was changed is not gone");
    compiler.remove(&key);
    let touched = compiler.take_touched();
    assert_eq!((touched.gone.len(), touched.upstreams.len()), (1, 1));
    let error = compiler.put(
        &key,
        &Config::from_text("upstreams: {u: :1}\nroutes: {a.test: u}").unwrap().routes[&key],
        &BTreeMap::new(),
    );
    assert!(error.is_err() && compiler.take_touched().rules.is_empty(), "what is refused changes nothing");
}

/// Ten thousand hosts, and one change beside the compile of the whole: hundreds of times cheaper, so even a busy machine
/// tells them apart.
#[test]
fn a_change_among_ten_thousand_costs_a_hundredth_of_the_whole() {
    let mut config = Config::default();
    for number in 0..10_000 {
        let (key, route, upstreams) = route(&format!("w{number}.preview.test: :{}", 1 + number % 60_000));
        config.routes.insert(key, route);
        config.upstreams.extend(upstreams);
    }
    let start = Instant::now();
    let mut compiler = Compiler::new(&config).unwrap();
    let whole = start.elapsed();
    let changes: Vec<_> = (0..200).map(|n| route(&format!("new{n}.preview.test: :{}", 50_000 + n))).collect();
    let mut held = vec![compiler.snapshot()];
    let start = Instant::now();
    for (key, route, upstreams) in &changes {
        compiler.put(key, route, upstreams).unwrap();
        compiler.take_touched();
        held.push(compiler.snapshot());
    }
    let one = start.elapsed() / 200;
    eprintln!("the whole took {whole:?}, a change {one:?}");
    assert!(one * 100 < whole, "the whole took {whole:?}, a change {one:?}");
}
