//! Tests of targets and hosts, by the numbers of SECURITY.md.

use super::*;

fn parse<'a>(method: &str, target: &'a [u8], hosts: &[&'a str]) -> Result<Destination<'a>, TargetError> {
    let hosts = hosts.iter().map(|host| host.as_bytes());
    Destination::parse(method.as_bytes(), target, hosts, Version::Http11)
}

/// Checks the host, the path that routes see and what is forwarded.
#[track_caller]
fn check(target: &str, host: &str, expect: Result<(&str, &str, &str), TargetError>) {
    let found = parse("GET", target.as_bytes(), &[host]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let found = found.map(|found| (text(found.host()), text(found.path()), text(found.forward())));
    let expect = expect.map(|(host, path, forward)| (host.to_owned(), path.to_owned(), forward.to_owned()));
    assert_eq!(found, expect, "{target:?} at {host:?}");
}

#[test]
fn origin_form() {
    check("/a/b?x=1", "example.com", Ok(("example.com", "/a/b", "/a/b?x=1")));
}
