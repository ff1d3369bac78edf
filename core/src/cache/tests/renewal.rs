//! What a head without a body may make of a stored answer, and for whom.

use super::super::entry::Entry;
use super::super::freshness::Arrival;
use super::super::merge::{Fate, Renewal, freshened};
use super::{WALL, answer, date, request, second, stored_for, with_asked};
use crate::cache::Verdict;
use crate::config::Cache;

/// An answer of 1000 s after the start is renewed ten seconds later.
pub(super) fn renew(entry: &Entry, method: &str, code: u16, lines: &str, asks: &str, rules: &Cache) -> Renewal {
    let (head, bytes) = answer(code, lines);
    let arrival = Arrival { asked: second(1010), at: second(1010), wall: WALL + 10 };
    with_asked(method, asks, |asked| freshened(entry, asked, &head, &bytes, &arrival, rules))
}

fn entry(lines: &str, asks: &str) -> Entry {
    let lines = format!("ETag: \"a\"\n{lines}");
    match stored_for("GET", 200, &lines, asks, &Cache { set_cookie: true, ..Cache::default() }) {
        Verdict::Store(entry) => *entry,
        Verdict::Pass(why) => panic!("{why}: {lines}"),
    }
}

#[test]
fn case_132_a_renewal_is_stored_where_an_answer_would_be() {
    let stale = "Cache-Control: max-age=1";
    let (fresh, authorized) = ("Cache-Control: max-age=60", "Authorization: Bearer A");
    let (cookie, said) = ("Cache-Control: max-age=60\nSet-Cookie: a=b", "Cache-Control: max-age=60\nX-User: A");
    for (first, then, asks, fate) in [
        (stale, fresh, "", Fate::Renewed),
        (stale, "", "", Fate::Renewed),
        (stale, cookie, "", Fate::Stays("set-cookie")),
        (stale, "Cache-Control: max-age=60, no-cache=\"set-cookie\"\nSet-Cookie: a=b", "", Fate::Stays("set-cookie")),
        ("Cache-Control: max-age=1\nSet-Cookie: a=b", fresh, "", Fate::Stays("set-cookie")),
        (stale, said, authorized, Fate::Stays("authorization")),
        (stale, "Cache-Control: max-age=60, public\nX-User: A", authorized, Fate::Renewed),
        ("Cache-Control: s-maxage=1", "X-User: A", authorized, Fate::Renewed),
        (stale, said, "Cache-Control: no-store", Fate::Stays("request-no-store")),
        (stale, "Cache-Control: private\nSet-Cookie: a=b", "", Fate::Goes("private")),
        (stale, "Cache-Control: no-store", "", Fate::Goes("no-store")),
        ("CDN-Cache-Control: max-age=1", "Cache-Control: private", "", Fate::Goes("private")),
        ("Cache-Control: no-store, must-understand, max-age=1", "", "", Fate::Renewed),
        (stale, "Content-Type: text/event-stream", "", Fate::Goes("event-stream")),
        (stale, "Vary: *", "", Fate::Goes("vary")),
    ] {
        for (method, code) in [("GET", 304), ("HEAD", 200)] {
            let renewal = renew(&entry(first, ""), method, code, then, asks, &Cache::default());
            assert_eq!(renewal.fate, fate, "{method}: {first} / {then} / {asks}");
            // Who asked is given what the origin said, whatever becomes of it.
            for line in then.lines().filter(|line| line.starts_with('X') || line.starts_with("Set")) {
                let (name, value) = line.split_once(": ").unwrap();
                assert_eq!(renewal.entry.line(name.as_bytes()), Some(value.as_bytes()), "{method}: {then}");
            }
        }
    }
    let kept = Cache { set_cookie: true, ..Cache::default() };
    assert_eq!(renew(&entry(stale, ""), "GET", 304, cookie, "", &kept).fate, Fate::Renewed);
}

#[test]
fn case_133_a_renewal_may_tell_answers_further_apart_and_never_less() {
    let (alice, bob) = ("Cookie: alice\nX: 1", "Cookie: bob\nX: 1");
    for (first, then, other, expect) in [
        ("", "Vary: Cookie", alice, true),
        ("", "Vary: Cookie", bob, false),
        ("Vary: Cookie", "", bob, false),
        // An origin that forgets a field in its 304s means what it said of the whole answer.
        ("Vary: Cookie", "Vary: X", bob, false),
        ("Vary: Cookie", "Vary: X", alice, true),
        ("Vary: Cookie", "Vary: X", "Cookie: alice\nX: 2", false),
    ] {
        let stored = entry(&format!("Cache-Control: max-age=1\n{first}"), alice);
        let next = renew(&stored, "GET", 304, then, alice, &Cache::default());
        assert_eq!(next.fate, Fate::Renewed, "{first} / {then}");
        let (head, bytes) = request(other);
        let fits = next.entry.vary.fits((&head.fields, &bytes), &mut Vec::new());
        assert_eq!(fits, expect, "{first} / {then} / {other}");
    }
}

#[test]
fn what_has_no_date_gets_that_of_its_coming() {
    let stored = entry("Cache-Control: max-age=60", "");
    assert_eq!(stored.line(b"date"), Some(date(0).as_bytes()));
    let dated = entry("Cache-Control: max-age=60\nDate: {-3}", "");
    assert_eq!(dated.line(b"date"), Some(date(-3).as_bytes()));
    for stored in [stored, dated] {
        let date_after = |lines: &str| renew(&stored, "GET", 304, lines, "", &Cache::default()).entry;
        assert_eq!(date_after("").line(b"date"), Some(date(10).as_bytes()));
        assert_eq!(date_after("Date: {7}").line(b"date"), Some(date(7).as_bytes()));
        assert_eq!(date_after("").age(second(1010)), 0);
    }
}
