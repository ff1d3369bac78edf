//! Tables over the rules, through whole heads as an origin writes them.

mod lines;
mod renewal;

use std::time::Duration;

use super::Verdict;
use super::control::RequestControl;
use super::entry::Entry;
use super::freshness::Arrival;
use super::reuse::{Ask, Reuse, may_stand_in, reuse};
use super::store::{Asked, judge};
use crate::config::Cache;
use crate::forwarding::examine_response;
use crate::http1::{HeadLimits, RequestHead, ResponseHead};
use crate::moment::Moment;
use crate::stamp::Stamp;

const WALL: u64 = 1_790_000_000;
const LIMITS: HeadLimits = HeadLimits { head: 65_536, field: 65_536, fields: 100, target: 8192 };

fn second(seconds: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(seconds)
}

fn arrival() -> Arrival {
    Arrival { asked: second(1000), at: second(1000), wall: WALL }
}

/// A date so many seconds from now.
fn date(offset: i64) -> String {
    let mut stamp = Stamp::new();
    String::from_utf8_lossy(stamp.http_date(WALL.saturating_add_signed(offset))).into_owned()
}

/// A head with its lines; `{+5}` and `{-5}` in them stand for dates.
fn answer(code: u16, lines: &str) -> (ResponseHead, Vec<u8>) {
    let mut text = format!("HTTP/1.1 {code} X\r\n");
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = match line.split_once('{').and_then(|(name, rest)| Some((name, rest.strip_suffix('}')?))) {
            Some((name, offset)) => format!("{name}{}", date(offset.parse().unwrap())),
            None => line.to_owned(),
        };
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut head = ResponseHead::default();
    head.parse(text.as_bytes(), &LIMITS).unwrap();
    examine_response(&mut head.fields, text.as_bytes()).unwrap();
    (head, text.into_bytes())
}

fn request(lines: &str) -> (RequestHead, Vec<u8>) {
    let lines: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let text = format!("GET /a/b HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let mut head = RequestHead::default();
    head.parse(text.as_bytes(), &LIMITS).unwrap();
    (head, text.into_bytes())
}

/// What is asked with these lines.
fn with_asked<T>(method: &str, asks: &str, then: impl FnOnce(&Asked<'_>) -> T) -> T {
    let (asking, asking_bytes) = request(asks);
    let control = RequestControl::read(super::lines(&asking.fields, &asking_bytes, b"cache-control"));
    then(&Asked {
        method: method.as_bytes(),
        authorized: asks.to_ascii_lowercase().contains("authorization:"),
        no_store: control.no_store,
        url: b"http://h/a/b",
        fields: &asking.fields,
        bytes: &asking_bytes,
        space: 0,
    })
}

fn stored_for(method: &str, code: u16, lines: &str, asks: &str, rules: &Cache) -> Verdict {
    let (head, bytes) = answer(code, lines);
    with_asked(method, asks, |asked| judge(asked, &head, &bytes, &arrival(), rules))
}

pub(super) fn stored(lines: &str) -> Option<Entry> {
    match stored_for("GET", 200, lines, "", &Cache::default()) {
        Verdict::Store(entry) => Some(*entry),
        Verdict::Pass(_) => None,
    }
}

/// What is stored of the answer is asked for three seconds later: `Some` says how.
fn later(lines: &str) -> Option<Reuse> {
    stored(lines).map(|entry| reuse(&entry, &RequestControl::default(), second(1003)))
}

const ASK: Option<Reuse> = Some(Reuse::Ask(Ask::Stale));

#[test]
fn freshness_is_what_the_origin_says() {
    for (lines, expect) in [
        ("Cache-Control: max-age=3600", Some(Reuse::Fresh)),
        ("Cache-Control: max-age=99999999999", Some(Reuse::Fresh)),
        ("Cache-Control: max-age=0", None),
        ("Cache-Control: max-age=0\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=-1\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=2\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=1, s-maxage=60", Some(Reuse::Fresh)),
        ("Cache-Control: max-age=60\nCache-Control: s-maxage=1\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=0, s-maxage=3600\nExpires: {-10}", Some(Reuse::Fresh)),
        ("Date: {0}\nExpires: {100}", Some(Reuse::Fresh)),
        ("Date: {0}\nExpires: {-100}", None),
        ("Date: {400}\nExpires: {300}", None),
        ("Date: {0}\nExpires: 0", None),
        ("Date: foo\nExpires: {10}", Some(Reuse::Fresh)),
        ("Date: {0}\nExpires: {100}\nExpires: {200}", None),
        ("Date: {0}\nExpires: {-100}\nCache-Control: max-age=3600", Some(Reuse::Fresh)),
        ("Date: {0}\nExpires: {3600}\nCache-Control: max-age=0", None),
        ("Date: {-10}\nExpires: {10}\nAge: 25\nETag: \"a\"", ASK),
        ("Date: {10}\nExpires: {20}\nAge: 15\nETag: \"a\"", ASK),
        ("Date: {0}\nCache-Control: max-age=3600\nAge: 7200\nETag: \"a\"", ASK),
        ("Date: {-7200}\nCache-Control: max-age=3600\nETag: \"a\"", ASK),
        // An age that says nothing may be any.
        ("Cache-Control: max-age=3600\nAge: abc", None),
        ("Cache-Control: max-age=3600\nAge: -1", None),
        ("Cache-Control: max-age=3600\nAge: 0\nAge: 0", None),
        ("Cache-Control: max-age=3600\nAge: 1.0", None),
        // Of a list on one line the first counts, unless it stutters.
        ("Cache-Control: max-age=3600\nAge: 0, 0", None),
        ("Cache-Control: max-age=3600\nAge: 0, 7200", Some(Reuse::Fresh)),
        ("Cache-Control: max-age=3600\nAge: 7200, 0\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=3600\nAge: , 0", None),
        ("Cache-Control: max-age=3600\nAge: 10", Some(Reuse::Fresh)),
        // For caches like this one alone.
        ("CDN-Cache-Control: max-age=3600", Some(Reuse::Fresh)),
        ("CDN-Cache-Control: max-age=3600\nCache-Control: no-store", Some(Reuse::Fresh)),
        ("CDN-Cache-Control: max-age=1\nCache-Control: max-age=3600\nETag: \"a\"", ASK),
        ("CDN-Cache-Control: max-age=0\nExpires: {100}\nDate: {0}", None),
        ("CDN-Cache-Control: private\nCache-Control: max-age=3600", None),
        ("CDN-Cache-Control: &&&\nCache-Control: max-age=3600", Some(Reuse::Fresh)),
        ("CDN-Cache-Control: max-age=\"10\"\nCache-Control: max-age=3600", None),
        // Stale, and nobody minds.
        ("Cache-Control: max-age=1, stale-while-revalidate=10", Some(Reuse::Meanwhile)),
        ("Cache-Control: max-age=1, stale-while-revalidate=1", ASK),
        ("Cache-Control: max-age=1, must-revalidate, stale-while-revalidate=10\nETag: \"a\"", ASK),
        ("Cache-Control: no-cache\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=60, no-cache\nETag: \"a\"", ASK),
        ("Cache-Control: max-age=60, no-cache", None),
    ] {
        assert_eq!(later(lines), expect, "{lines}");
    }
}

#[test]
fn case_134_nothing_is_stored_without_a_word_from_the_origin() {
    for lines in ["", "Content-Type: text/css", "ETag: \"a\"", "Last-Modified: {-100000}\nDate: {0}", "Expires:"] {
        assert!(stored(lines).is_none(), "{lines}");
    }
    let guessing = Cache { heuristic: true, ..Cache::default() };
    let guess = |code, lines: &str| matches!(stored_for("GET", code, lines, "", &guessing), Verdict::Store(_));
    assert!(guess(200, "Last-Modified: {-100000}\nDate: {0}"));
    assert!(guess(404, "Last-Modified: {-100000}\nDate: {0}"));
    assert!(!guess(403, "Last-Modified: {-100000}\nDate: {0}"));
    assert!(guess(599, "Last-Modified: {-100000}\nDate: {0}\nCache-Control: public"));
    assert!(!guess(200, ""));
}

#[test]
fn case_132_what_is_somebodys_is_not_stored() {
    let fresh = "Cache-Control: max-age=60";
    for (lines, why) in [
        ("Cache-Control: private, max-age=60", "private"),
        ("Cache-Control: No-StOrE, max-age=60", "no-store"),
        ("Cache-Control: max-age=60\nSet-Cookie: a=b", "set-cookie"),
        ("Cache-Control: max-age=60\nContent-Type: Text/Event-Stream; charset=utf-8", "event-stream"),
        ("Cache-Control: max-age=60\nVary: *", "vary"),
        ("Cache-Control: max-age=60\nVary: Foo, *", "vary"),
        ("Cache-Control: max-age=60\nVary: ,\nVary: *, *", "vary"),
        ("Cache-Control: max-age=60\nVary: X-Forwarded-Host", "vary"),
    ] {
        match stored_for("GET", 200, lines, "", &Cache::default()) {
            Verdict::Pass(said) => assert_eq!(said, why, "{lines}"),
            Verdict::Store(_) => panic!("stored: {lines}"),
        }
    }
    let cookies = Cache { set_cookie: true, ..Cache::default() };
    assert!(matches!(stored_for("GET", 200, &format!("{fresh}\nSet-Cookie: a=b"), "", &cookies), Verdict::Store(_)));
    assert!(matches!(stored_for("GET", 200, fresh, "Cache-Control: no-store", &cookies), Verdict::Pass(_)));
}

#[test]
fn case_131_authorized_answers_are_stored_only_where_they_say_so() {
    for (lines, expect) in [
        ("Cache-Control: max-age=60", false),
        ("Date: {0}\nExpires: {100}", false),
        ("Cache-Control: max-age=60, proxy-revalidate", false),
        ("Cache-Control: max-age=60, public", true),
        ("Cache-Control: max-age=60, must-revalidate", true),
        ("Cache-Control: s-maxage=60", true),
    ] {
        let verdict = stored_for("GET", 200, lines, "Authorization: Basic eA==", &Cache::default());
        assert_eq!(matches!(verdict, Verdict::Store(_)), expect, "{lines}");
    }
}

#[test]
fn statuses_and_methods() {
    let fresh = "Cache-Control: max-age=60";
    for (method, code, lines, expect) in [
        ("GET", 299, fresh, true),
        ("GET", 302, fresh, true),
        ("GET", 404, fresh, true),
        ("GET", 500, fresh, true),
        ("GET", 599, fresh, true),
        ("GET", 206, fresh, false),
        ("GET", 304, fresh, false),
        ("GET", 412, fresh, false),
        ("GET", 416, fresh, false),
        ("GET", 417, fresh, false),
        ("GET", 200, "Cache-Control: max-age=60, no-store, must-understand", true),
        ("GET", 599, "Cache-Control: max-age=60, must-understand", false),
        ("HEAD", 200, fresh, false),
        ("get", 200, fresh, false),
        ("PUT", 200, fresh, false),
        ("POST", 200, fresh, false),
        ("POST", 200, "Cache-Control: max-age=60\nContent-Location: /a/b", true),
        ("POST", 200, "Cache-Control: max-age=60\nContent-Location: http://H/a/b", true),
        ("POST", 200, "Cache-Control: max-age=60\nContent-Location: /a/c", false),
        ("POST", 200, "Cache-Control: max-age=60\nContent-Location: http://other/a/b", false),
        ("POST", 200, "Content-Location: /a/b\nETag: \"a\"\nCache-Control: public", false),
    ] {
        let verdict = stored_for(method, code, lines, "", &Cache::default());
        assert_eq!(matches!(verdict, Verdict::Store(_)), expect, "{method} {code} {lines}");
    }
}

#[test]
fn a_rule_may_know_better() {
    let rules = Cache {
        override_ttl: Some(Duration::from_secs(60)),
        stale_if_error: Some(Duration::from_secs(30)),
        ..Cache::default()
    };
    let entry = |code, lines: &str| match stored_for("GET", code, lines, "", &rules) {
        Verdict::Store(entry) => Some(entry),
        Verdict::Pass(_) => None,
    };
    let kept = entry(200, "Cache-Control: max-age=0\nAge: 100").unwrap();
    assert_eq!(reuse(&kept, &RequestControl::default(), second(1059)), Reuse::Fresh);
    assert_eq!(reuse(&kept, &RequestControl::default(), second(1061)), Reuse::Ask(Ask::Stale));
    assert!(may_stand_in(&kept, &RequestControl::default(), second(1080)));
    assert!(!may_stand_in(&kept, &RequestControl::default(), second(1091)));
    assert!(entry(500, "").is_none());
    assert!(entry(200, "Cache-Control: private").is_none());
    assert!(entry(200, "Set-Cookie: a=b").is_none());
}

#[test]
fn requests_may_ask_for_something_newer_or_take_something_older() {
    let entry = stored("Cache-Control: max-age=100\nETag: \"a\"").unwrap();
    let read = |line: &str| RequestControl::read(std::iter::once(line.as_bytes()));
    for (line, at, expect) in [
        ("", 1050, Reuse::Fresh),
        ("no-cache", 1000, Reuse::Ask(Ask::Request)),
        ("max-age=0", 1000, Reuse::Ask(Ask::Request)),
        ("max-age=10", 1010, Reuse::Fresh),
        ("max-age=10", 1011, Reuse::Ask(Ask::Request)),
        ("min-fresh=50", 1050, Reuse::Fresh),
        ("min-fresh=51", 1050, Reuse::Ask(Ask::Request)),
        ("max-stale=10", 1110, Reuse::Accepted),
        ("max-stale=10", 1111, Reuse::Ask(Ask::Stale)),
        ("max-stale", 9999, Reuse::Accepted),
        ("", 1100, Reuse::Ask(Ask::Stale)),
    ] {
        assert_eq!(reuse(&entry, &read(line), second(at)), expect, "{line} at {at}");
        if line.is_empty() || line == "no-cache" || line.starts_with("m") && line.contains("age") {
            assert_eq!(reuse(&entry, &read(line).unheard(), second(1050)), Reuse::Fresh);
        }
    }
    let strict = stored("Cache-Control: max-age=1, must-revalidate\nETag: \"a\"").unwrap();
    assert_eq!(reuse(&strict, &read("max-stale"), second(1010)), Reuse::Ask(Ask::Stale));
}

#[test]
fn case_141_a_stale_answer_stands_in_where_that_was_allowed() {
    let nothing = RequestControl::default();
    for (lines, at, expect) in [
        ("Cache-Control: max-age=2, stale-if-error=60", 1061, true),
        ("Cache-Control: max-age=2, stale-if-error=60", 1063, false),
        ("Cache-Control: max-age=2\nETag: \"a\"", 1004, false),
        ("Cache-Control: max-age=2, stale-if-error=60, must-revalidate\nETag: \"a\"", 1010, false),
        ("Cache-Control: max-age=2, stale-if-error=60, proxy-revalidate\nETag: \"a\"", 1010, false),
        ("Cache-Control: s-maxage=2, stale-if-error=60\nETag: \"a\"", 1010, false),
        ("Cache-Control: max-age=2, stale-if-error=60, no-cache\nETag: \"a\"", 1001, false),
    ] {
        assert_eq!(may_stand_in(&stored(lines).unwrap(), &nothing, second(at)), expect, "{lines} at {at}");
    }
}

#[test]
fn case_133_variants_are_told_apart_by_meaning() {
    for (vary, first, second, expect) in [
        ("Foo", "Foo: 1", "Foo: 1", true),
        ("Foo", "Foo: 1", "foo:   1", true),
        ("Foo", "Foo: 1", "Foo: 2", false),
        ("Foo", "", "Foo: 1", false),
        ("Foo", "Foo: 1", "", false),
        ("Foo", "", "", true),
        ("Foo", "Foo:", "", false),
        ("Foo", "Foo: 1\nOther: 2", "Foo: 1\nOther: 3", true),
        ("Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", true),
        ("Foo", "Foo: 1,2", "Foo:  1,   2", true),
        ("Foo", "Foo: \"1, 2\"", "Foo: \"1,2\"", false),
        ("Foo", "Foo: 1 2", "Foo: 12", false),
        ("Foo", "Foo: a", "Foo: A", false),
        ("Foo, Bar", "Foo: 1\nBar: a", "Foo: 1\nBar: a", true),
        ("Foo, Bar", "Foo: 1\nBar: a", "Foo: 1\nBar: b", false),
        ("Foo, Bar", "Foo: 1", "", false),
        ("Foo, Bar, Baz", "Foo: 1\nBaz: 7", "Baz: 7\nFoo: 1", true),
        ("Accept-Language", "Accept-Language: en, de", "Accept-Language: eN , De", true),
        ("Accept-Language", "Accept-Language: en, de", "Accept-Language: de, en", false),
        ("Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br;q=0.5, GZIP", true),
        ("Accept-Encoding", "Accept-Encoding: gzip, br;q=0", "Accept-Encoding: x-gzip, identity", true),
        ("Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: gzip, identity;q=0", false),
        ("Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", false),
        ("accept-encoding, Origin", "Origin: a", "Origin: b", false),
    ] {
        let lines = format!("Cache-Control: max-age=60\nVary: {vary}");
        let Verdict::Store(entry) = stored_for("GET", 200, &lines, first, &Cache::default()) else { panic!() };
        let (head, bytes) = request(second);
        let fits = entry.vary.fits((&head.fields, &bytes), &mut Vec::new());
        assert_eq!(fits, expect, "{vary}: {first} / {second}");
    }
}
