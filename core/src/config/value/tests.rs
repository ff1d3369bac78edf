//! Tables of values: what each text means, and what is refused.

use super::address::{address, bind};
use super::amount::{byte_rate, count, duration, duration_text, means_none, size, size_text};
use super::host::{key, path, pattern};
use super::network::cidr;
use super::template::{template, with_groups};
use super::{Fault, Read};
use crate::config::{Address, Bind, Cidr};
use std::fmt::Debug;
use std::time::Duration;

/// The mend of a refused text.
fn mend<T: Debug>(read: Read<T>) -> String {
    match read {
        Err(Fault::Value { mend, .. }) => mend,
        Ok(value) => panic!("{value:?} was accepted"),
    }
}

#[test]
fn durations() {
    let check = |text, millis| assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
    check("250ms", 250);
    check("0s", 0);
    check("5s", 5_000);
    check("10m", 600_000);
    check("2h", 7_200_000);
    check("365d", 31_536_000_000);
    check("3650d", 315_360_000_000);
    let refuse = |text, words: &str| assert!(mend(duration(text)).contains(words), "{text}: {}", mend(duration(text)));
    refuse("", "a number and a unit");
    refuse("5", "5s");
    refuse("5 s", "write 5s");
    refuse("5S", "write 5s");
    refuse("5min", "write 5m");
    refuse("1.5s", "1500ms");
    refuse("1h30m", "90m");
    refuse("5w", "the units are");
    refuse("3651d", "3650d at most");
    refuse("99999999999999999999999s", "3650d at most");
    refuse("-5s", "a number and a unit");
    refuse("٣s", "a number and a unit");
}

#[test]
fn durations_are_shown_as_they_are_written() {
    for text in ["0s", "250ms", "1500ms", "5s", "90s", "5m", "90m", "2h", "7d"] {
        assert_eq!(duration(text).map(duration_text).as_deref(), Ok(text));
    }
    assert_eq!(duration_text(Duration::from_secs(300)), "5m");
    assert_eq!(duration_text(Duration::from_micros(1500)), "1.5ms");
}

#[test]
fn sizes_and_rates() {
    let check = |text, bytes| assert_eq!(size(text), Ok(bytes), "{text}");
    check("32769B", 32769);
    check("64KiB", 65536);
    check("10MB", 10_000_000);
    check("1TiB", 1 << 40);
    for text in ["32769B", "64KiB", "100MiB", "10MB", "1TiB", "0B"] {
        assert_eq!(size(text).map(size_text).as_deref(), Ok(text));
    }
    let refuse = |text, words: &str| assert!(mend(size(text)).contains(words), "{text}: {}", mend(size(text)));
    refuse("1024", "1024B");
    refuse("10mb", "write 10MB");
    refuse("10M", "10MiB");
    refuse("1.5MiB", "whole numbers");
    refuse("99999999TiB", "unlimited");
    refuse("18446744073709551615B", "unlimited");
    refuse("MB", "a number and a unit");
    assert_eq!(byte_rate("1MB/s"), Ok(1_000_000));
    assert!(mend(byte_rate("1MB")).contains("256B/s"));
}

#[test]
fn counts_and_the_words_for_none() {
    assert_eq!(count("7", 1, 9), Ok(7));
    for text in ["0", "10", "-1", "1e3", "0x1", "+7", "", "99999999999999999999", "1_000", "٣"] {
        assert!(count(text, 1, 9).is_err(), "{text}");
    }
    for text in ["0", "-1", "0s", "0B", "-5m", "none", "never", "Infinite"] {
        assert!(means_none(text), "{text}");
    }
    for text in ["1", "10s", "", "-", "0.5s", "nope"] {
        assert!(!means_none(text), "{text}");
    }
}

#[test]
fn addresses() {
    let check = |text, expect| assert_eq!(address(text), Ok(expect), "{text}");
    let name = |name: &str, port| Address::Name(name.to_owned(), port);
    check(":3000", Address::Loopback(3000));
    check("http://:3000", Address::Loopback(3000));
    check("127.0.0.1:80", Address::Ip([127, 0, 0, 1].into(), 80));
    check("[::1]:3000", Address::Ip("::1".parse().unwrap(), 3000));
    check("[::ffff:10.0.0.1]:80", Address::Ip([10, 0, 0, 1].into(), 80));
    check("http://[::1]", Address::Ip("::1".parse().unwrap(), 80));
    check("HTTP://App.Internal.", name("app.internal", 80));
    check("ws://app:3000", name("app", 3000));
    check("localhost:3000", name("localhost", 3000));
    check("unix:/run/app.sock", Address::Unix("/run/app.sock".into()));
    let refuse = |text, words: &str| assert!(mend(address(text)).contains(words), "{text}: {}", mend(address(text)));
    check("srv://_http._tcp.Example.com", Address::Srv("_http._tcp.example.com".to_owned()));
    refuse("srv://_http._tcp.example.com:80", "a service has no port");
    refuse("ftp://a", "the schemes are");
    refuse("http://a/b", "add_prefix: /b");
    refuse("http://a?b", "no path");
    refuse("http://u:p@a", "before `@`");
    refuse("a:0", "1 to 65535");
    refuse("a:65536", "1 to 65535");
    refuse("a:+80", "1 to 65535");
    refuse("a:", "1 to 65535");
    refuse("::1:3000", "[::1]:3000");
    refuse("a:1,b:2", "a list: [a:1, b:2]");
    refuse("[::1:3000", "closing bracket");
    refuse("[::1]3000", "`:` and a port");
    refuse("[fe80::1%eth0]:80", "without a zone");
    refuse("0.0.0.0:80", "write :80");
    refuse("[::]:80", "write :80");
    refuse("1.2.3:80", "no IPv4 address");
    refuse("a b:80", "letters, digits");
    refuse("unix:", "the path of the socket");
    refuse("unix:///x", "unix:/x");
}

#[test]
fn places_to_listen() {
    let check = |text, expect| assert_eq!(bind(text), Ok(expect), "{text}");
    check(":80", Bind::Any(80));
    check(":0", Bind::Any(0));
    check("0.0.0.0:80", Bind::Ip([0, 0, 0, 0].into(), 80));
    check("[::1]:80", Bind::Ip("::1".parse().unwrap(), 80));
    check("unix:/run/x.sock", Bind::Unix("/run/x.sock".into()));
    check("fd:3", Bind::Fd(3));
    let refuse = |text, words: &str| assert!(mend(bind(text)).contains(words), "{text}: {}", mend(bind(text)));
    refuse("80", ":80");
    refuse("*:80", ":80");
    refuse("fd:0", "3 or higher");
    refuse("127.0.0.1", "127.0.0.1:80");
    refuse("localhost:80", "127.0.0.1:80");
    refuse("https://a:443", "no scheme");
}

#[test]
fn networks() {
    let check = |text, address: &str, bits| {
        assert_eq!(cidr(text), Ok(Cidr { address: address.parse().unwrap(), bits }), "{text}");
    };
    check("10.0.0.0/8", "10.0.0.0", 8);
    check("0.0.0.0/0", "0.0.0.0", 0);
    check("::/0", "::", 0);
    check("192.168.1.7", "192.168.1.7", 32);
    check("fd00::/8", "fd00::", 8);
    check("::ffff:10.0.0.0/104", "10.0.0.0", 8);
    let refuse = |text, words: &str| assert!(mend(cidr(text)).contains(words), "{text}: {}", mend(cidr(text)));
    refuse("10.0.0.5/8", "10.0.0.0/8, or 10.0.0.5/32");
    refuse("fd00::1/8", "fd00::/8");
    refuse("10.0.0.0/33", "0 to 32");
    refuse("10.0.0.0/+8", "0 to 32");
    refuse("10.0.0.0/", "0 to 32");
    refuse("10.0.0.1:80", "write 10.0.0.1");
    refuse("[::1]", "brackets");
    refuse("010.0.0.1", "write an address");
}

#[test]
fn keys_of_routes() {
    let check = |text, expect: &str| assert_eq!(key(text).map(|key| key.to_string()), Ok(expect.to_owned()), "{text}");
    check("example.com", "example.com");
    check("Example.COM./", "example.com");
    check("example.com/API/", "example.com/API");
    check("*.Example.com", "*.example.com");
    check("*", "*");
    check("*/ws", "*/ws");
    check("127.0.0.1", "127.0.0.1");
    check("[0:0::1]/x", "[::1]/x");
    check("my_app.localhost", "my_app.localhost");
    check("a.b/%7euser/%c3%a9%2f", "a.b/~user/%C3%A9%2F");
    check("a.b/caf\u{e9}", "a.b/caf%C3%A9");
    let refuse = |text, words: &str| assert!(mend(key(text)).contains(words), "{text}: {}", mend(key(text)));
    refuse("", "host/path");
    refuse("/ws", "\"*/ws\"");
    refuse("https://a", "no scheme");
    refuse("a:80", "write a");
    refuse("a.*.com", "first label");
    refuse("*foo.com", "first label");
    refuse("bücher.example", "punycode");
    refuse("-a.com", "begin or end with `-`");
    refuse("a..b", "between two dots");
    refuse("a b", "letters, digits");
    refuse("1.2.3", "no IPv4 address");
    refuse("a//b", "between two slashes");
    refuse("a/b/../c", "dot segment");
    refuse("a/%2e%2E/x", "dot segment");
    refuse("a/*", "write /");
    refuse("a/b/*", "write /b");
    refuse("a/{x}", "no template");
    refuse("a/b c", "%20");
    refuse("a/b;v=1", "parameters");
    refuse("a/%5c", "no request");
    refuse("a/%4", "no request");
    assert!(mend(key(&"a".repeat(64))).contains("longer than 63"));
    assert!(mend(key(&"a.".repeat(130))).contains("253"));
    assert!(mend(pattern("a/b")).contains("leave `/b` out"));
    assert!(mend(path("x")).contains("write /x"));
}

#[test]
fn templates() {
    let check = |text, parts: usize| assert_eq!(template(text).map(|one| one.parts.len()), Ok(parts), "{text}");
    check("", 0);
    check("https://example.com{uri}", 2);
    check("{scheme}://{host}:{port}{path}?{query}", 8);
    check("{header.X-Id}{cookie.sid}{client_ip}{request_id}", 4);
    assert!(mend(template("{request_uri}")).contains("`{uri}`"), "{}", mend(template("{request_uri}")));
    let refuse = |text, words: &str| assert!(mend(template(text)).contains(words), "{text}: {}", mend(template(text)));
    refuse("{hots}", "did you mean `{host}`");
    refuse("{nothing_like_it}", "there are {host}");
    refuse("{", "not closed");
    refuse("}", "closes nothing");
    refuse("{header.}", "no valid name");
    check("{claim.sub}", 1);
    refuse("{1}", "`rewrite`");
    assert_eq!(with_groups("{1}{2}", 2).map(|one| one.parts.len()), Ok(2));
    assert!(mend(with_groups("{3}", 2)).contains("{1} to {2}"));
    refuse("a\r\nb", "control character");
}

#[test]
fn expressions_are_bounded() {
    assert!(super::regex("^/v[0-9]+/").is_ok());
    assert_eq!(super::regex("(").map(|_| ()), Err("unclosed group".to_owned()));
    assert!(super::regex("(a{1000}){1000}").is_err_and(|words| words.contains("size limit")));
}
