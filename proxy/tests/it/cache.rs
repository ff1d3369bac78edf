//! The cache: SECURITY.md §1 G, and RFC 9111 as a table of exchanges between a client, the proxy and an origin.

mod disk;
mod flight;
mod purge;
mod rules;
mod streams;
mod suite;
mod whose;

use crate::harness::{Message, Origin, Proxy, Wire};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What the origin says next, by path.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<HashMap<String, VecDeque<String>>>>);

/// An origin that says what it is told to, behind a proxy with a cache.
struct Site {
    origin: Origin,
    proxy: Proxy,
    script: Script,
    paths: AtomicUsize,
}

/// One exchange: what the client sends (method, then lines), what the origin answers (status, lines, an empty line, the
/// body; nothing where it must not be asked), and what the client gets: words that [`Site::check`] knows.
type Step<'a> = (&'a str, &'a str, &'a str);

impl Site {
    /// Starts both; `cache` is the rule's.
    fn start(workers: usize, cache: &str) -> Self {
        Self::with(workers, |origin| {
            format!(
                "listen: \"127.0.0.1:0\"\nadmin: 127.0.0.1:0\nroutes:\n  t.test: {{ to: \"{origin}\", cache: {cache}, retry: off }}\n"
            )
        })
    }

    /// The same with a configuration of its own, made for the origin's address.
    fn with(workers: usize, yaml: impl FnOnce(&str) -> String) -> Self {
        let script = Script::default();
        let ours = script.clone();
        let origin = Origin::start(move |wire, _| ours.serve(wire));
        let proxy = Proxy::start(workers, &yaml(&origin.address()));
        Self { origin, proxy, script, paths: AtomicUsize::new(0) }
    }

    /// A path that nothing was asked of yet.
    fn path(&self) -> String {
        format!("/p{}", self.paths.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets the origin say this next.
    fn will(&self, path: &str, answer: &str) {
        self.script.0.lock().unwrap().entry(path.to_owned()).or_default().push_back(answer.to_owned());
    }

    fn ask(&self, path: &str, request: &str) -> Message {
        let (method, lines) = request.split_once('\n').unwrap_or((request, ""));
        let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
        let mut wire = self.proxy.send(format!("{method} {path} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
        wire.response_to(method)
    }

    /// How often the origin was asked for a path.
    fn asked(&self, path: &str) -> Vec<Message> {
        self.origin.requests().into_iter().filter(|request| request.target() == path).collect()
    }

    /// Goes through the steps of a case.
    fn run(&self, name: &str, steps: &[Step<'_>]) {
        let path = self.path();
        for (number, (request, answer, expect)) in steps.iter().enumerate() {
            let before = self.asked(&path).len();
            if !answer.is_empty() {
                self.will(&path, answer);
            }
            let got = self.ask(&path, request);
            let asked = self.asked(&path);
            let place = format!("{name}, step {}: {request:?} got {got:?}", number + 1);
            assert_eq!(asked.len() > before, !answer.is_empty(), "{place}");
            Self::check(&place, &got, asked.last().filter(|_| !answer.is_empty()), expect);
        }
    }

    /// Checks words: a status, `=body`, `name: value` of the answer, `-name` that it has not, `^name: value` that the
    /// origin was asked with.
    fn check(place: &str, got: &Message, asked: Option<&Message>, expect: &str) {
        for word in expect.split(" | ") {
            match word.split_at(1) {
                ("=", body) => assert_eq!(got.text(), body, "{place}"),
                ("-", name) => assert!(!got.has(name), "{name}: {place}"),
                ("^", line) => {
                    let (name, value) = line.split_once(": ").unwrap();
                    let said = asked.and_then(|asked| asked.field(name));
                    assert_eq!(said, Some(value).filter(|value| *value != "(none)"), "{name}: {place}");
                }
                _ if word.len() == 3 => assert_eq!(got.status().to_string(), word, "{place}"),
                _ => {
                    let (name, value) = word.split_once(": ").unwrap();
                    let all = got.all(name).join(", ");
                    assert!(
                        all == value || (value.ends_with('*') && all.starts_with(value.trim_end_matches('*'))),
                        "{word}: {place}"
                    );
                }
            }
        }
    }
}

impl Script {
    fn serve(&self, wire: &mut Wire) {
        while let Some(request) = wire.request() {
            let next = self.0.lock().unwrap().get_mut(request.target()).and_then(VecDeque::pop_front);
            let next = next.unwrap_or_else(|| "500\n\nnobody expected this".to_owned());
            if next == "drop" {
                return;
            }
            if let Some(raw) = next.strip_prefix("raw ") {
                wire.send(raw);
                return;
            }
            wire.send(answer(&next, request.method() == "HEAD"));
        }
    }
}

/// An answer as the origin writes it.
fn answer(text: &str, head: bool) -> String {
    let (lines, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = lines.lines();
    let status = lines.next().unwrap();
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    let length =
        if matches!(status, "204" | "304") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} X\r\n{lines}{length}\r\n{}", if head { "" } else { body })
}
