//! Hostile bytes, and what has to hold of whatever is accepted.

use super::{NoSource, Source, load_bytes};
use crate::config::{Action, Config, ErrorKind, Fact, LogSink, OnRemove, Template, TemplatePart, diff};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn errors(bytes: &[u8]) -> Vec<String> {
    let loaded = load_bytes(Path::new("c"), bytes, &mut NoSource);
    loaded.config.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn only(bytes: &[u8], expect: &str) {
    assert_eq!(errors(bytes), [expect], "{}", bytes.escape_ascii());
}

#[test]
fn an_empty_text_is_the_proxy_without_a_file() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{FEFF}", "routes:\nlisten:\n"] {
        assert_eq!(Config::from_text(text).map(|config| Config { files: vec![], ..config }), Ok(Config::default()));
    }
}

#[test]
fn no_routes_are_worth_a_word_unless_that_is_said() {
    for (text, warned) in [
        ("listen: :80", true),
        ("listen: :80\nroutes:\n", true),
        ("routes: {}", false),
        ("registry: {clash: overlay}", false),
        ("routse: {a.test: :1}", false),
    ] {
        let loaded = load_bytes(Path::new("c"), text.as_bytes(), &mut NoSource);
        assert_eq!(!loaded.warnings.is_empty(), warned, "{text}");
    }
}

#[test]
fn bytes_that_are_no_configuration() {
    only(b"\xff\xfel\0i\0", "c:1:1: this byte is not UTF-8; save the file as UTF-8");
    only(b"a: b\nc: \xc3(", "c:2:4: this byte is not UTF-8; save the file as UTF-8");
    only(b"listen: :80\0", "c:1:12: a control character (U+0000) stands here; take it out");
    only(b"a\r\n\tb", "c:1:1: expected a mapping with keys such as `listen` and `routes`, found a text");
    only(b"[a]", "c:1:1: expected a mapping with keys such as `listen` and `routes`, found a list");
    only(b"a: 'b", "c:1:4: a text in quotes begins before this and is not closed");
    only(
        b"log: {level: info}\n---\nlog: {level: info}\n",
        "c:2:1: a second document begins here; a configuration is one document (use `include:` for parts)",
    );
    only(&b"[".repeat(10_000), "c:1:65: nested deeper than 64 levels");
    only(&b"- ".repeat(10_000), "c:1:129: nested deeper than 64 levels");
    only(
        &b" ".repeat((8 << 20) + 1),
        "c:1:1: the file is larger than 8 MiB; split it, and take the parts in by `include:`",
    );
    only(b"access_log: {redact: &x [*x]}", "c:1:26: an alias can't stand inside its own anchor");
}

#[test]
fn lines_and_columns_are_those_of_the_file() {
    // A byte order mark has no column, an umlaut has one, and every line break of YAML counts.
    only("\u{FEFF}lisen: x".as_bytes(), "c:1:1: `lisen` is not a key of the configuration; did you mean `listen`?");
    only(
        "# ü\r\n# \r{ü: 1, lok: 2}".replace("ü: 1, ", "").as_bytes(),
        "c:3:2: `lok` is not a key of the configuration; did you mean `log`?",
    );
    only("{\"log\": {}, lög: 2}".as_bytes(), "c:1:13: `lög` is not a key of the configuration; did you mean `log`?");
}

#[test]
fn policies_come_from_the_nearest_level() {
    let config = Config::from_text(
        "timeouts: {connect: 1s, idle: 2s, total: 3s}\n\
         defaults: {timeouts: {idle: 4s, total: off}, max_body: 1MB, on_remove: keep, access_log: off, upgrade: off}\n\
         routes: {a: {to: :1, timeouts: {total: 5s}, max_body: 10KB}, b: :1, c: {to: :1, max_body: 2MB, inherit: false}}",
    )
    .unwrap();
    let rules: Vec<_> = config.routes.values().flat_map(|route| &route.rules).collect();
    let seconds = |count| Some(Duration::from_secs(count));
    let times: Vec<_> =
        rules.iter().map(|rule| (rule.timeouts.connect, rule.timeouts.idle, rule.timeouts.total)).collect();
    assert_eq!(
        times,
        [(seconds(1), seconds(4), seconds(5)), (seconds(1), seconds(4), None), (seconds(1), seconds(4), None)]
    );
    assert_eq!(
        rules.iter().map(|rule| rule.max_body).collect::<Vec<_>>(),
        [Some(10_000), Some(1_000_000), Some(2_000_000)]
    );
    assert!(rules.iter().all(|rule| rule.on_remove == OnRemove::Keep && !rule.access_log && rule.upgrade.is_empty()));
    assert_eq!(config.timeouts.idle, seconds(2));
}

#[test]
fn scalars_are_taken_as_written() {
    // YAML 1.1 would make false, 1.1 and 0 of these.
    let config =
        Config::from_text("access_log: off\nroutes: {a: {respond: 1.10}, b: {respond: no}, c: {respond: 0o7}}")
            .unwrap();
    assert_eq!(config.access_log.to, LogSink::Off);
    let bodies: Vec<_> =
        config.routes.values().flat_map(|route| &route.rules).map(|rule| rule.action.clone()).collect();
    let text = |body: &str| Action::Respond { body: body.to_owned(), status: 200 };
    assert_eq!(bodies, [text("1.10"), text("no"), text("0o7")]);
}

#[test]
fn templates_are_parsed_once() {
    let config = Config::from_text("routes: {a: {redirect: 'https://b{uri}'}}").unwrap();
    let parts = vec![TemplatePart::Literal("https://b".to_owned()), TemplatePart::Fact(Fact::Uri)];
    let action = &config.routes.values().next().unwrap().rules[0].action;
    assert_eq!(*action, Action::Redirect { to: Template { parts }, status: 308 });
}

#[test]
fn a_flood_of_errors_ends() {
    let text: String = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    let loaded = load_bytes(Path::new("c"), text.as_bytes(), &mut NoSource);
    let errors = loaded.config.unwrap_err();
    assert_eq!(errors.len(), 10_001);
    assert_eq!(errors.last().unwrap().kind, ErrorKind::More);
}

/// A world with the one variable that the golden files name.
struct Port;

impl Source for Port {
    fn read(&mut self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err("none".to_owned())
    }

    fn glob(&mut self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Ok(Vec::new())
    }

    fn env(&mut self, name: &str) -> Option<String> {
        match name {
            "PORT" => Some("3000".to_owned()),
            "HOME" => Some("/home/ann".to_owned()),
            _ => None,
        }
    }
}

/// A small generator: the same bytes for the same seed, everywhere.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn mutate(random: &mut Xorshift, bytes: &mut Vec<u8>) {
    const PIECES: [&[u8]; 28] = [
        b":",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"*",
        b"&a ",
        b"*a",
        b"'",
        b"\"",
        b"\\",
        b"\n",
        b"\n  ",
        b"\t",
        b"#",
        b"%",
        b"@",
        b"${",
        b"}",
        b"|",
        b">",
        b"? ",
        b"- ",
        b"\xff",
        b"\0",
        b"\xe2\x80\xa8",
    ];
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => bytes.truncate(at),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, copy));
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (random.0 & 7)),
        }
    }
}

/// What has to hold of every configuration that is accepted.
fn valid(config: &Config) {
    assert!(!config.listeners.is_empty());
    for route in config.routes.values() {
        assert!(!route.rules.is_empty());
        for rule in &route.rules {
            if let Action::Proxy(name) = &rule.action {
                assert!(config.upstreams.contains_key(name), "{name}");
            }
        }
    }
    assert!(config.upstreams.values().all(|upstream| !upstream.endpoints.is_empty()));
    assert!(diff(config, config).is_empty());
}

#[test]
fn no_bytes_make_it_panic() {
    let rounds: u64 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let whole = include_bytes!("../../../tests/config/whole.yaml").as_slice();
    let quotes = include_bytes!("../../../tests/config/quotes.yaml").as_slice();
    let routes = include_bytes!("../../../tests/config/routes.yaml").as_slice();
    let mut accepted = 0;
    for seed in 1..=rounds {
        let mut random = Xorshift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut bytes = [whole, whole, quotes, routes][random.below(4)].to_vec();
        mutate(&mut random, &mut bytes);
        let loaded = load_bytes(Path::new("c"), &bytes, &mut Port);
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        match loaded.config {
            Ok(config) => {
                accepted += 1;
                valid(&config);
            }
            Err(errors) => {
                assert!(!errors.is_empty(), "seed {seed}");
                for error in errors {
                    let line = usize::try_from(error.at.line).unwrap();
                    assert!((1..=lines).contains(&line) && error.at.column > 0, "seed {seed}: {error}");
                    assert!(error.rendered().starts_with("c:"), "seed {seed}");
                }
            }
        }
    }
    assert!(accepted > rounds / 50, "no mutation was harmless, so nothing was tested beyond YAML");
}

/// Ten thousand routes have to load in far less than the half second of a start; `--ignored` in a release build.
#[test]
#[ignore = "a measurement, worth something in a release build alone"]
fn ten_thousand_routes_load_quickly() {
    let hosts = (0..10_000)
        .map(|number| format!("  host-{number}.example.com/api: 10.0.{}.{}:3000\n", number / 250, number % 250));
    let text = format!("routes:\n{}", hosts.collect::<String>());
    let mut times: Vec<Duration> = (0..9).map(|_| timed(text.as_bytes())).collect();
    times.sort();
    assert!(times[4] < Duration::from_millis(300), "{times:?}");
    eprintln!("10,000 routes: {times:?}");
}

/// Texts that would be slow if anything were quadratic. Only their end matters.
#[test]
#[ignore = "a measurement, worth something in a release build alone"]
fn nothing_is_quadratic() {
    let long = |piece: &str| piece.repeat((4 << 20) / piece.len());
    let texts = [
        format!("[{}]", long("a,")),
        format!("{{{}}}", long("a: 1,")),
        long("*a: b\n"),
        long("a: *b\n"),
        long("a: {b}c\n"),
        long("- a\n"),
        long("? a\n"),
        long("#"),
        long("a: \"\\q\"\n"),
        format!("routes:\n{}", long("  a: b\n")),
        format!("routes: {{ {} }}", long("a/b: c, ")),
        format!("listen: [{}]", long("\":1\", ")),
        format!("routes: {{ a: [{}] }}", long("b:1, ")),
        format!("routes: {{ a: [{}] }}", long("{to: b, when: {listener: x}}, ")),
        format!("x: '{}", long("a\n")),
        format!("x: |\n{}", long("  a\n")),
    ];
    for text in texts {
        let time = timed(text.as_bytes());
        eprintln!("{time:?} {:.40}", text.escape_debug().to_string());
        assert!(time < Duration::from_secs(10), "{:.40}", text);
    }
}

fn timed(bytes: &[u8]) -> Duration {
    let start = std::time::Instant::now();
    let loaded = load_bytes(Path::new("c"), bytes, &mut NoSource);
    let time = start.elapsed();
    drop(loaded);
    time
}
