//! The lines of a stored answer: which are kept when it comes, and which a later head changes (RFC 9111 §3.1, §3.2).

use super::entry::Entry;
use super::freshness::{Arrival, Freshness};
use super::vary::Vary;
use super::{lines, store, tags};
use crate::config;
use crate::forwarding::{HOP_BY_HOP, Names};
use crate::http1::ResponseHead;
use crate::message::{Field, Name};
use crate::stamp::Stamp;

/// Never stored: they are for one connection, or written anew for each answer.
const UNSTORED: Names = HOP_BY_HOP.and(&[Name::Trailer]);

/// What describes the stored bytes themselves: a head that comes without them changes nothing of it.
const OF_THE_BYTES: &[&[u8]] = &[b"content-encoding", b"content-range", b"content-md5", b"etag"];

/// Writes the lines of an answer that came whole. Those `withheld` are for somebody alone.
pub(super) fn first(entry: &mut Entry, head: &ResponseHead, bytes: &[u8], withheld: &[Box<[u8]>], arrival: &Arrival) {
    let mut out = begin(head.status, head.reason.of(bytes));
    for field in head.fields.all() {
        if keeps(field, bytes, withheld) {
            out.extend_from_slice(field.line.of(bytes));
        }
    }
    dated(&mut out, head, bytes, arrival);
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

/// What a 304, or a 200 to HEAD, makes of a stored answer.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The stored answer with the lines of that head: what the one who asked is given.
    pub entry: Entry,
    /// Whether others are given it too.
    pub fate: Fate,
}

/// What becomes of the stored answer. The words are for a `detail` of `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The new one takes its place.
    Renewed,
    /// It stays as it was: the new lines are for the one alone who asked.
    Stays(&'static str),
    /// It goes: nothing of the kind may be kept any more.
    Goes(&'static str),
}

/// Puts a head's lines in the place of those of the same name, counts freshness anew, and decides as for an answer that
/// comes whole whether that may be stored (RFC 9111 §3, §4.3.4): it is one more answer, to one more request.
#[must_use]
pub fn freshened(
    entry: &Entry,
    asked: &store::Asked<'_>,
    head: &ResponseHead,
    bytes: &[u8],
    arrival: &Arrival,
    rules: &config::Cache,
) -> Renewal {
    let (said, _) = store::directives(&head.fields, bytes);
    let Some(mut next) = merged(entry, head, bytes, &said.withheld, arrival) else {
        return Renewal { entry: entry.clone(), fate: Fate::Goes("head") };
    };
    let (control, targeted) = store::directives(&next.fields, &next.head);
    let freshness = Freshness::read(&next.fields, &next.head, next.status, (&control, targeted), arrival, rules);
    next.terms = store::terms(&control, freshness, rules);
    next.at = arrival.at;
    next.tags = tags::of(&next.fields, &next.head);
    let vary = Vary::read((&next.fields, &next.head), (asked.fields, asked.bytes));
    // What the head itself says of storing counts, whatever it leaves standing for this cache (`CDN-Cache-Control`).
    let for_nobody = store::for_nobody(next.status, &head.fields, bytes, &said)
        .or_else(|| store::for_nobody(next.status, &next.fields, &next.head, &control));
    let for_one = store::for_one(asked, &head.fields, bytes, &control, rules)
        .or_else(|| store::for_one(asked, &next.fields, &next.head, &control, rules));
    let fate = match (for_nobody, vary, for_one) {
        (Some(why), _, _) => Fate::Goes(why),
        (None, Err(_), _) => Fate::Goes("vary"),
        (None, Ok(_), Some(why)) => Fate::Stays(why),
        (None, Ok(vary), None) => {
            next.vary = vary.with(&entry.vary);
            return Renewal { entry: next, fate: Fate::Renewed };
        }
    };
    // Nothing is withheld from the one whom it is for.
    if let Some(whole) = merged(entry, head, bytes, &[], arrival) {
        (next.phrase, next.fields, next.head) = (whole.phrase, whole.fields, whole.head);
    }
    Renewal { entry: next, fate }
}

/// The stored answer with a head's lines; `None` where that can't be read back.
fn merged(
    entry: &Entry,
    head: &ResponseHead,
    bytes: &[u8],
    withheld: &[Box<[u8]>],
    arrival: &Arrival,
) -> Option<Entry> {
    let new: Vec<&Field> = head.fields.all().iter().filter(|field| updates(field, bytes, withheld)).collect();
    let replaced = |name: &[u8]| new.iter().any(|field| field.name.of(bytes).eq_ignore_ascii_case(name));
    let mut out = begin(entry.status, entry.phrase.of(&entry.head));
    for field in entry.fields.all() {
        // The age and the date that stand there are of the head before.
        let name = field.name.of(&entry.head);
        let is_of_then = name.eq_ignore_ascii_case(b"age") || name.eq_ignore_ascii_case(b"date");
        if !replaced(name) && !is_of_then {
            out.extend_from_slice(field.line.of(&entry.head));
        }
    }
    new.iter().for_each(|field| out.extend_from_slice(field.line.of(bytes)));
    dated(&mut out, head, bytes, arrival);
    let mut next = entry.clone();
    put(&mut next, out);
    (!next.head.is_empty()).then_some(next)
}

fn keeps(field: &Field, bytes: &[u8], withheld: &[Box<[u8]>]) -> bool {
    let name = field.name.of(bytes);
    !field.dropped && !UNSTORED.has(field.name_id) && !withheld.iter().any(|held| name.eq_ignore_ascii_case(held))
}

fn updates(field: &Field, bytes: &[u8], withheld: &[Box<[u8]>]) -> bool {
    let name = field.name.of(bytes);
    keeps(field, bytes, withheld) && !OF_THE_BYTES.iter().any(|held| name.eq_ignore_ascii_case(held))
}

/// Says when a head came that does not say itself when it was made (RFC 9110 §6.6.1).
fn dated(out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8], arrival: &Arrival) {
    if lines(&head.fields, bytes, b"date").next().is_none() {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(Stamp::new().http_date(arrival.wall));
        out.extend_from_slice(b"\r\n");
    }
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
