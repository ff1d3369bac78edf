//! The lines of a stored answer: which are kept when it comes, and which a later head changes (RFC 9111 §3.1, §3.2).

use super::entry::Entry;
use super::freshness::{Arrival, Freshness};
use super::{lines, store, tags};
use crate::config;
use crate::forwarding::{HOP_BY_HOP, Names};
use crate::http1::ResponseHead;
use crate::message::{Field, Name};

/// Never stored: they are for one connection, or written anew for each answer.
const UNSTORED: Names = HOP_BY_HOP.and(&[Name::Trailer]);

/// What describes the stored bytes themselves: a head that comes without them changes nothing of it.
const OF_THE_BYTES: &[&[u8]] = &[b"content-encoding", b"content-range", b"content-md5", b"etag"];

/// Writes the lines of an answer that came whole. Those `withheld` are for somebody alone.
pub(super) fn first(entry: &mut Entry, head: &ResponseHead, bytes: &[u8], withheld: &[Box<[u8]>]) {
    let mut out = begin(head.status, head.reason.of(bytes));
    for field in head.fields.all() {
        if keeps(field, bytes, withheld) {
            out.extend_from_slice(field.line.of(bytes));
        }
    }
    put(entry, out);
}

/// Whether a head without a body speaks of the stored answer: a 200 to HEAD does where nothing of it contradicts
/// (RFC 9111 §4.3.5).
#[must_use]
pub fn describes(entry: &Entry, head: &ResponseHead, bytes: &[u8]) -> bool {
    let same =
        |name: &[u8]| lines(&head.fields, bytes, name).next().is_none_or(|value| entry.line(name) == Some(value));
    let length = lines(&head.fields, bytes, b"content-length").next();
    let same_length = length
        .is_none_or(|text| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) == Some(entry.length));
    head.status == entry.status && same(b"etag") && same(b"last-modified") && same_length
}

/// Makes the entry that a 304, or a 200 to HEAD, makes of a stored one: its lines in the place of those of the same name,
/// and freshness anew. `None` where what it says forbids that it be kept.
#[must_use]
pub fn freshened(
    entry: &Entry,
    head: &ResponseHead,
    bytes: &[u8],
    arrival: &Arrival,
    rules: &config::Cache,
) -> Option<Entry> {
    let (control, _) = store::directives(&head.fields, bytes);
    if control.no_store || control.private {
        return None;
    }
    let new: Vec<&Field> = head.fields.all().iter().filter(|field| updates(field, bytes, &control.withheld)).collect();
    let replaced = |name: &[u8]| new.iter().any(|field| field.name.of(bytes).eq_ignore_ascii_case(name));
    let mut out = begin(entry.status, entry.phrase.of(&entry.head));
    for field in entry.fields.all() {
        // The age that stands there was counted for the head before.
        let name = field.name.of(&entry.head);
        if !replaced(name) && !name.eq_ignore_ascii_case(b"age") {
            out.extend_from_slice(field.line.of(&entry.head));
        }
    }
    new.iter().for_each(|field| out.extend_from_slice(field.line.of(bytes)));
    let mut next = entry.clone();
    put(&mut next, out);
    if next.head.is_empty() {
        return None;
    }
    let (control, targeted) = store::directives(&next.fields, &next.head);
    let freshness = Freshness::read(&next.fields, &next.head, next.status, (&control, targeted), arrival, rules);
    next.terms = store::terms(&control, freshness, rules);
    next.at = arrival.at;
    let tags = tags::of(&next.fields, &next.head);
    next.tags = tags;
    Some(next)
}

fn keeps(field: &Field, bytes: &[u8], withheld: &[Box<[u8]>]) -> bool {
    let name = field.name.of(bytes);
    !field.dropped && !UNSTORED.has(field.name_id) && !withheld.iter().any(|held| name.eq_ignore_ascii_case(held))
}

fn updates(field: &Field, bytes: &[u8], withheld: &[Box<[u8]>]) -> bool {
    let name = field.name.of(bytes);
    keeps(field, bytes, withheld) && !OF_THE_BYTES.iter().any(|held| name.eq_ignore_ascii_case(held))
}

fn begin(status: u16, phrase: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(phrase);
    out.extend_from_slice(b"\r\n");
    out
}

/// Ends the head and makes it the entry's. An empty one is what could not be read back.
fn put(entry: &mut Entry, mut out: Vec<u8>) {
    out.extend_from_slice(b"\r\n");
    match Entry::parse(&out) {
        Some((_, phrase, fields)) => {
            (entry.phrase, entry.fields, entry.head) = (phrase, fields, out.into_boxed_slice())
        }
        None => entry.head = Box::default(),
    }
}
