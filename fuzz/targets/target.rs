//! Request targets with their Host: what is canonical stays as it is when it comes again, and goes the same way.
//!
//! The input is a method, a target and Host lines, one to a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;
use switchboard_core::config::{NoSource, load_bytes};
use switchboard_core::message::{Fields, Version};
use switchboard_core::policy::claims;
use switchboard_core::route::{Facts, FindError, ListenerId, NoTrace, RuleId};
use switchboard_core::snapshot::Snapshot;
use switchboard_core::target::{Destination, canonical_host};

/// Routes that overlap: by host, by suffix, by path, and by what an encoded slash could turn into what.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let text =
        b"routes:\n  a: [{when: {path: /x/y}, to: ':1'}, {to: ':2'}]\n  a/b: ':3'\n  a/b/c: ':4'\n  '*.a': ':5'\n  \
        '*.b.a/b': ':6'\n  '[::1]': ':7'\n  '*': [{when: {methods: GET}, to: ':8'}]\n  '*/b/c': ':9'\n";
    let config = load_bytes(Path::new("fuzz.yaml"), text, &mut NoSource).config.expect("a good configuration");
    Snapshot::compile(&config).expect("it compiles")
});

fn find(method: &[u8], destination: &Destination<'_>) -> Result<RuleId, FindError> {
    let facts = Facts {
        method,
        destination,
        fields: &Fields::new(),
        head: b"",
        client_ip: None,
        listener: ListenerId(0),
        listener_port: 80,
        scheme: "http",
        client_cert: false,
        request_id: b"id",
        claims: &claims::NONE,
    };
    SNAPSHOT.find(&facts, &mut NoTrace)
}

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|b| *b == b'\n');
    let (Some(method), Some(target)) = (lines.next(), lines.next()) else { return };
    let hosts: Vec<&[u8]> = lines.take(3).collect();
    let version = if hosts.is_empty() { Version::Http10 } else { Version::Http11 };
    let Ok(first) = Destination::parse(method, target, hosts, version) else { return };

    let forward = first.forward();
    assert!(forward == b"*" || forward.starts_with(b"/"));
    assert!(forward.iter().all(|b| b.is_ascii_graphic() && *b != b'#' && *b != b'\\'));
    let path = first.path();
    assert!(path == b"*" || path.starts_with(b"/"));
    for path in [Some(path), Some(first.raw_path()), first.decoded_path()].into_iter().flatten() {
        for segment in path.split(|b| *b == b'/') {
            assert!(segment != b"." && segment != b"..", "{}", path.escape_ascii());
        }
    }
    let host = std::str::from_utf8(first.host()).expect("a host is ASCII");
    if !host.is_empty() {
        assert_eq!(canonical_host(host).as_deref(), Some(host), "a canonical host is canonical");
    }

    // An upstream that is one of ours sees the same.
    let authority = first.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let hosts = if host.is_empty() { vec![] } else { vec![authority.as_bytes()] };
    let second = Destination::parse(method, forward, hosts.iter().copied(), version).expect("what is forwarded is fine");
    assert_eq!(views(&second), views(&first));
    assert_eq!(second.with_empty_segments(), None, "nothing is left to merge");
    let rule = find(method, &first);
    assert_eq!(find(method, &second), rule);

    // So does one behind a rule that keeps empty segments, and it may merge them or keep them in its turn. Nothing in it
    // climbs: out of an empty segment it would climb less far.
    if let Some(kept) = first.with_empty_segments() {
        for segment in kept.raw_path().split(|b| *b == b'/') {
            let segment = String::from_utf8_lossy(segment).to_lowercase().replace("%2e", ".");
            assert!(!matches!(segment.split(';').next(), Some("." | "..")), "{}", kept.raw_path().escape_ascii());
        }
        let third = Destination::parse(method, kept.forward(), hosts, version).expect("what is kept is fine");
        assert_eq!(third, first, "{}", kept.forward().escape_ascii());
    }

    // One that decodes slashes before it looks at the path comes to the same rule, or the request was refused.
    if let (Some(decoded), Ok(rule)) = (first.decoded_path(), rule) {
        let target = escaped(decoded);
        let hosts = if host.is_empty() { vec![] } else { vec![authority.as_bytes()] };
        if let Ok(third) = Destination::parse(method, &target, hosts, version) {
            assert_eq!(find(method, &third), Ok(rule), "{} and {}", path.escape_ascii(), target.escape_ascii());
        }
    }
});

/// All that an upstream, a route or a condition sees of it.
fn views<'a>(of: &'a Destination<'_>) -> (&'a [u8], Option<u16>, &'a [u8], &'a [u8], &'a [u8], Option<&'a [u8]>) {
    (of.host(), of.port(), of.forward(), of.raw_path(), of.path(), of.decoded_path())
}

/// The path as a target: what can't stand there is encoded.
fn escaped(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, byte) in path.iter().enumerate() {
        let encoded =
            *byte == b'%' && path.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        match byte {
            b'%' if !encoded => out.extend_from_slice(b"%25"),
            b'?' | b'#' => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            0x21..=0x7E => out.push(*byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}
