//! Streams as text: where events end, which ids they have, and that no split of the bytes changes anything.

use super::*;

/// The ends of events in a stream that comes in pieces, with their ids.
fn events(pieces: &[&[u8]]) -> Vec<(usize, Id)> {
    let mut scanner = Scanner::default();
    let (mut at, mut found) = (0, Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            // The LF of a CRLF that was split ends nothing by itself.
            let lone = scanner.after_cr && rest == b"\n";
            let taken = scanner.next(rest);
            at += taken;
            rest = &rest[taken..];
            if scanner.is_between() && !lone {
                found.push((at, scanner.take_id()));
            }
        }
    }
    found
}

#[track_caller]
fn check(stream: &str, expect: &[(usize, Option<&str>)]) {
    let bytes = stream.as_bytes();
    let whole = events(&[bytes]);
    let ids: Vec<(usize, Option<&str>)> = whole
        .iter()
        .map(|(at, id)| match id {
            Id::Is(id) => (*at, Some(std::str::from_utf8(id).unwrap())),
            Id::Silent => (*at, None),
            Id::Lost => (*at, Some("(lost)")),
        })
        .collect();
    // A LF at the very end of the bytes belongs to the CR before it.
    let ids: Vec<_> = ids.into_iter().filter(|(at, _)| !(stream.ends_with("\r\n") && *at == bytes.len())).collect();
    assert_eq!(ids, expect, "{stream:?}");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let ends = |found: Vec<(usize, Id)>| found.into_iter().filter(|(_, id)| *id != Id::Silent).collect::<Vec<_>>();
    assert_eq!(ends(events(&single)), ends(whole.clone()), "{stream:?} byte by byte");
    for cut in 0..=bytes.len() {
        let (one, other) = bytes.split_at(cut);
        assert_eq!(ends(events(&[one, other])), ends(whole.clone()), "{stream:?} cut at {cut}");
    }
}

#[test]
fn events_end_at_a_blank_line() {
    check("data: x\n\n", &[(9, None)]);
    check("data: x\n", &[]);
    check("id: 1\ndata: x\n\nid:2\ndata\n\n", &[(15, Some("1")), (26, Some("2"))]);
    check("data: x\r\rid: 7\r\r", &[(9, None), (16, Some("7"))]);
    check("id: 1\r\ndata: x\r\n\r\nid: 2\r\n\r\n", &[(17, Some("1")), (26, Some("2"))]);
    check("\u{feff}id: 1\n\n", &[(10, Some("1"))]);
    check("\u{feaf}\nid: 1\n\n", &[(11, Some("1"))]);
}

#[test]
fn ids_are_read_as_a_browser_reads_them() {
    check("id\n\n", &[(4, Some("(lost)"))]);
    check("id:\n\n", &[(5, Some("(lost)"))]);
    check("id:  two spaces\n\n", &[(17, Some(" two spaces"))]);
    check("idx: 1\n\n", &[(8, None)]);
    check("id: 1\nid: 2\n\n", &[(13, Some("2"))]);
    check("id: a\0b\n\n", &[(9, None)]);
    check("data: id: 1\n\n", &[(13, None)]);
    let long = format!("id: {}\n\n", "x".repeat(MOST_ID));
    check(&long, &[(long.len(), Some(&long[4..4 + MOST_ID]))]);
    let longer = format!("id: {}\n\n", "x".repeat(MOST_ID + 1));
    check(&longer, &[(longer.len(), Some("(lost)"))]);
    let none = format!("id: 1\nid: {}\0\n\n", "x".repeat(MOST_ID + 9));
    check(&none, &[(none.len(), Some("1"))]);
}

#[test]
fn comments_between_events_open_nothing() {
    let mut scanner = Scanner::default();
    assert!(scanner.is_between(), "before the first byte");
    for (piece, between) in [
        (": still", false),
        (" here\n", true),
        ("\n", true),
        ("data: x\n", false),
        (": in an event\n", false),
        ("\n", true),
        ("retry: 5\r", false),
        ("\n\r", true),
        ("\n", true),
    ] {
        let mut rest = piece.as_bytes();
        while !rest.is_empty() {
            rest = &rest[scanner.next(rest)..];
        }
        assert_eq!(scanner.is_between(), between, "after {piece:?}");
    }
}

#[test]
fn content_types() {
    for (text, expect) in [
        ("text/event-stream", true),
        ("Text/Event-Stream; charset=utf-8", true),
        ("text/event-streams", false),
        ("application/json", false),
        ("", false),
    ] {
        assert_eq!(is_event_stream(text.as_bytes()), expect, "{text}");
    }
}
