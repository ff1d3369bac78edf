//! Request targets with their Host: what is canonical stays as it is when it comes again.
//!
//! The input is a method, a target and Host lines, one to a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::message::Version;
use switchboard_core::target::{Destination, canonical_host};

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
    let second = Destination::parse(method, forward, hosts, version).expect("what is forwarded is fine");
    assert_eq!(second, first.clone().into_owned());
});
