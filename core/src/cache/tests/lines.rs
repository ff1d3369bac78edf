//! Which lines are kept and sent again, what answers are found by, and what is said of it all.

use super::super::control::RequestControl;
use super::super::entry::Validator;
use super::super::merge::Fate;
use super::super::reuse::{Reuse, reuse};
use super::super::{invalid, key, merge, status, tags};
use super::renewal::renew;
use super::{answer, second, stored};
use crate::config::{Cache, QueryKey};

#[test]
fn lines_for_one_connection_or_one_user_are_not_stored() {
    let entry = stored(
        "Cache-Control: max-age=60, no-cache=\"a, b\"\nConnection: x-hop\nX-Hop: 1\nA: 1\nB: 2\nC: 3\nTE: x\nUpgrade: y\n\
         Keep-Alive: 1\nProxy-Authenticate: Basic\nProxy-Connection: z\nContent-Type: text/plain",
    )
    .unwrap();
    let names: Vec<_> = entry.fields.all().iter().map(|f| f.name.of(&entry.head).to_ascii_lowercase()).collect();
    assert_eq!(names, [&b"cache-control"[..], b"c", b"content-type", b"date"]);
}

#[test]
fn case_140_a_304_changes_lines_and_freshness_but_nothing_of_the_bytes() {
    let entry = stored(
        "Cache-Control: max-age=1\nETag: \"a\"\nContent-Encoding: gzip\nContent-MD5: x\nX-Old: kept\nX-Test: 1\nX-Test: 2\nAge: 0",
    )
    .unwrap();
    let lines = "Cache-Control: max-age=600\nETag: \"b\"\nContent-Encoding: br\nContent-MD5: y\nContent-Length: 9\n\
         X-Test: 3\nX-New: 4\nConnection: X-Hop\nX-Hop: 5";
    let next = renew(&entry, "GET", 304, lines, "", &Cache::default()).entry;
    for (name, expect) in [
        ("etag", Some("\"a\"")),
        ("content-encoding", Some("gzip")),
        ("content-md5", Some("x")),
        ("x-old", Some("kept")),
        ("x-test", Some("3")),
        ("x-new", Some("4")),
        ("cache-control", Some("max-age=600")),
        ("x-hop", None),
        ("content-length", None),
        ("age", None),
    ] {
        assert_eq!(next.line(name.as_bytes()), expect.map(str::as_bytes), "{name}");
    }
    assert_eq!(next.fields.all().iter().filter(|f| f.name.of(&next.head).eq_ignore_ascii_case(b"x-test")).count(), 1);
    assert_eq!(reuse(&next, &RequestControl::default(), second(1500)), Reuse::Fresh);
    assert_eq!(next.status, 200);
    let fate = renew(&entry, "GET", 304, "Cache-Control: no-store", "", &Cache::default()).fate;
    assert_eq!(fate, Fate::Goes("no-store"));
}

#[test]
fn a_head_tells_of_what_is_stored_only_where_it_agrees() {
    let mut entry = stored("Cache-Control: max-age=1\nETag: \"a\"\nX: 1").unwrap();
    entry.length = 5;
    for (code, lines, expect) in [
        (200, "Content-Length: 5\nETag: \"a\"", true),
        (200, "", true),
        (200, "Content-Length: 6", false),
        (200, "ETag: \"b\"", false),
        (410, "", false),
    ] {
        let (head, bytes) = answer(code, lines);
        assert_eq!(merge::describes(&entry, &head, &bytes), expect, "{lines}");
    }
}

#[test]
fn what_is_stored_is_asked_about_by_its_tag_or_date() {
    let by = |lines: &str| stored(lines).unwrap().validator().map(|v| matches!(v, Validator::Tag(_)));
    assert_eq!(by("Cache-Control: max-age=1\nETag: W/\"a\"\nLast-Modified: {-9}"), Some(true));
    assert_eq!(by("Cache-Control: max-age=1\nLast-Modified: {-9}"), Some(false));
    assert_eq!(by("Cache-Control: max-age=1"), None);
    let mut line = Vec::new();
    stored("Cache-Control: max-age=1\nETag: W/\"a\"").unwrap().validator().unwrap().write(&mut line);
    assert_eq!(line, b"if-none-match: W/\"a\"\r\n");
}

#[test]
fn case_139_an_unsafe_method_reaches_what_it_changed() {
    let targets = |code, lines: &str| {
        let (head, bytes) = answer(code, lines);
        let mut found = Vec::new();
        invalid::targets(b"http://h:8080/a/b?c", &head, &bytes, |key| {
            found.push(String::from_utf8(key.to_vec()).unwrap())
        });
        found
    };
    let own = "http://h:8080/a/b?c";
    for (code, lines, expect) in [
        (200, "", vec![own]),
        (303, "", vec![own]),
        (404, "Location: /x", vec![]),
        (500, "", vec![]),
        (201, "Location: /x/y?z#f", vec![own, "http://h:8080/x/y?z"]),
        (201, "Location: y", vec![own, "http://h:8080/a/y"]),
        (201, "Location: ../y/.", vec![own, "http://h:8080/y/"]),
        (201, "Location: ?q", vec![own, "http://h:8080/a/b?q"]),
        (201, "Location: HTTP://H:8080/y", vec![own, "http://h:8080/y"]),
        (201, "Location: //h:8080", vec![own, "http://h:8080/"]),
        (201, "Location: http://h/y", vec![own]),
        (201, "Location: https://h:8080/y", vec![own]),
        (201, "Location: http://evil/y\nContent-Location: z", vec![own, "http://h:8080/a/z"]),
        (201, "Location: mailto:x", vec![own]),
        (201, "Location: /a/b?c", vec![own]),
    ] {
        assert_eq!(targets(code, lines), expect, "{code} {lines}");
    }
    assert!(invalid::is_unsafe(b"M-SEARCH") && invalid::is_unsafe(b"get") && !invalid::is_unsafe(b"HEAD"));
}

#[test]
fn case_130_keys_are_as_fine_as_what_the_origin_can_tell_apart() {
    let key = |scheme, host: &str, forward: &str, query: &QueryKey| {
        let mut out = Vec::new();
        key::write(&mut out, scheme, host.as_bytes(), forward.as_bytes(), query);
        String::from_utf8(out).unwrap()
    };
    let all = QueryKey::All;
    assert_eq!(key("http", "H:80", "/a?b=1&a=2", &all), "http://h:80/a?b=1&a=2");
    let only = QueryKey::Only(vec!["a".into(), "p*".into()]);
    assert_eq!(key("https", "h", "/a?b=1&px=3&a=2&a=1", &only), "https://h/a?a=2&a=1&px=3");
    assert_eq!(key("https", "h", "/a?px=3&a=2&c&a=1", &only), "https://h/a?a=2&a=1&px=3");
    assert_eq!(key("https", "h", "/a?c", &only), "https://h/a");
    // Names are those that an origin reads, also a careless one; a value that counts is never left out.
    for (asked, expect) in [
        ("/a?%61=2&a=1&c", "/a?%61=2&a=1"),
        ("/a?a=1&%61=2", "/a?a=1&%61=2"),
        ("/a?A=1&a%5Bx%5D=2&a[]=3&a%00b=4&+a=5&%20a=6", "/a?A=1&a%5Bx%5D=2&a[]=3&a%00b=4&+a=5&%20a=6"),
        ("/a?%6=1&%zz=2&%", "/a"),
        ("/a?c=1;a=2&d", "/a?c=1;a=2&d"),
    ] {
        assert_eq!(key("https", "h", asked, &only), format!("https://h{expect}"));
    }
    let without = QueryKey::Without(vec!["utm_*".into()]);
    assert_eq!(key("https", "h", "/a?c=1&utm_x=2&b", &without), "https://h/a?c=1&b");
    assert_eq!(key("https", "h", "/a?utm%5Fx=2&UTM_x=1", &without), "https://h/a?UTM_x=1");
    assert_eq!(key("https", "h", "/a?utm_x=2;id=1", &without), "https://h/a?utm_x=2;id=1");
}

#[test]
fn case_139_a_url_has_several_spellings() {
    for (url, expect) in [
        ("http://h/a", "http://h/a http://h:80/a http://h./a http://h.:80/a"),
        ("http://h.:80/a?b:c", "http://h/a?b:c http://h:80/a?b:c http://h./a?b:c http://h.:80/a?b:c"),
        ("https://h:443/", "https://h/ https://h:443/ https://h./ https://h.:443/"),
        ("https://h:80/", "https://h:80/ https://h:80/ https://h.:80/ https://h.:80/"),
        ("http://[::1]/", "http://[::1]/ http://[::1]:80/ http://[::1]./ http://[::1].:80/"),
        ("http://[::1]:8080/", "http://[::1]:8080/ http://[::1]:8080/ http://[::1].:8080/ http://[::1].:8080/"),
    ] {
        let all = key::spellings(url.as_bytes()).map(|url| String::from_utf8(url).unwrap());
        assert_eq!(all.join(" "), expect);
    }
}

#[test]
fn tags_are_read_in_both_spellings() {
    let (head, bytes) = answer(200, "Surrogate-Key: a  b\nCache-Tag: c, a,");
    let mut expect = [b"a", b"b", b"c"].map(|tag| tags::hash(tag));
    expect.sort_unstable();
    assert_eq!(*tags::of(&head.fields, &bytes), expect);
}

#[test]
fn the_status_is_said() {
    let line = |course| {
        let mut out = Vec::new();
        status::write(&mut out, &course);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        line(status::Course::Hit { ttl: -12, detail: "stale" }),
        "cache-status: switchboard; hit; ttl=-12; detail=stale\r\n"
    );
    let forward = status::Course::Forward {
        why: status::Forwarded::UriMiss,
        status: Some(304),
        stored: true,
        collapsed: true,
        detail: "",
    };
    assert_eq!(line(forward), "cache-status: switchboard; fwd=uri-miss; fwd-status=304; stored; collapsed\r\n");
    let mut out = Vec::new();
    status::write_age(&mut out, 17);
    assert_eq!(out, b"age: 17\r\n");
}
