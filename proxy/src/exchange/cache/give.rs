//! Gives a stored answer: whole, a part of it, or only that the client has it already.

use bytes::Bytes;
use switchboard_core::cache::date;
use switchboard_core::cache::status::{self, Course};
use switchboard_core::content::conditional::{self, Validators};
use switchboard_core::content::range::{self, Ranges};
use switchboard_core::content::{Asked, conditional::Verdict};
use switchboard_core::message::{Field, Name, Span, Version};
use switchboard_core::moment::Moment;

use super::super::admit::Admitted;
use super::super::compress::Kept;
use super::super::record::Record;
use super::super::{Next, here};
use crate::cache::Stored;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::relay::here::{Here, Part};

/// What of it is given.
enum Share {
    Whole,
    /// Only that the client has it (304).
    Known,
    /// A part of it (206).
    One(std::ops::Range<u64>),
    /// Several parts of it (206).
    Several(Vec<std::ops::Range<u64>>),
    /// A part that there is none of (416).
    Outside,
}

/// Puts the stored head on `desk` as if an endpoint had sent it, and sends it with what of the body is asked for.
pub(super) async fn give(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    stored: &Stored,
    now: Moment,
    course: &Course,
) -> Result<Next, ProxyError> {
    let share = share(desk, stored);
    let mut lines = Vec::with_capacity(128);
    status::write_age(&mut lines, stored.entry.age(now));
    status::write(&mut lines, course);
    let size = stored.entry.length;
    let body = match &share {
        Share::Whole => Here::bytes(stored.body.clone()),
        Share::Known | Share::Outside => Here::default(),
        Share::One(range) => Here::bytes(cut(&stored.body, range)),
        Share::Several(ranges) => parts(connection, stored, ranges, &mut lines),
    };
    match &share {
        Share::One(range) => {
            line(&mut lines, b"content-range: ", range::content_range(range, size).as_bytes());
        }
        Share::Outside => line(&mut lines, b"content-range: ", format!("bytes */{size}").as_bytes()),
        Share::Whole | Share::Known | Share::Several(_) => {}
    }
    let length = body.left();
    put(desk, stored, &share, length, &lines);
    let kept = matches!(share, Share::Whole | Share::Known).then_some(Kept::Stored(stored));
    here::give(connection, desk, record, admitted, (body, kept)).await
}

/// What of a stored answer a request asks for (RFC 9110 §13, §14). Conditions are for what a 200 would give.
fn share(desk: &Desk, stored: &Stored) -> Share {
    let asked = Asked::read(&desk.request.fields, desk.input.filled());
    if stored.entry.status != 200 || asked.is_plain() {
        return Share::Whole;
    }
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let read = |text: &[u8]| date::parse(text, wall);
    let known = Validators {
        etag: stored.entry.line(b"etag"),
        // Without a date of its change, that of its making tells as much (RFC 9111 §4.3.2).
        modified: stored.entry.line(b"last-modified").or_else(|| stored.entry.line(b"date")).and_then(read),
    };
    match conditional::judge(&asked, &known, read) {
        Verdict::Known => return Share::Known,
        // Such conditions go upstream; they never come here.
        Verdict::Give | Verdict::Changed => {}
    }
    let get = desk.request.method.of(desk.input.filled()) == b"GET";
    let Some(value) = asked.range.filter(|_| get) else { return Share::Whole };
    if !conditional::range_holds(&asked, &known, wall, read) {
        return Share::Whole;
    }
    match Ranges::read(value, stored.entry.length) {
        Ranges::Whole => Share::Whole,
        Ranges::One(range) => Share::One(range),
        Ranges::Several(ranges) => Share::Several(ranges),
        Ranges::Outside => Share::Outside,
    }
}

fn cut(body: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    let (start, end) = (place(range.start), place(range.end));
    body.slice(start.min(end)..end)
}

/// Several parts with what stands between them; the type of the whole goes to `lines`.
fn parts(connection: &Connection, stored: &Stored, ranges: &[std::ops::Range<u64>], lines: &mut Vec<u8>) -> Here {
    let boundary = connection.worker.next_id();
    let boundary = boundary.as_str();
    let kind = stored.entry.line(b"content-type").unwrap_or(b"application/octet-stream");
    let size = stored.entry.length;
    let mut body = Here::default();
    for (index, range) in ranges.iter().enumerate() {
        body.push(Part::Bytes(range::part_head(boundary, index == 0, kind, range, size).into()));
        body.push(Part::Bytes(cut(&stored.body, range)));
    }
    body.push(Part::Bytes(range::parts_end(boundary).into()));
    line(lines, b"content-type: multipart/byteranges; boundary=", boundary.as_bytes());
    body
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Makes the stored head the answer on `desk`, with `lines` behind its own.
fn put(desk: &mut Desk, stored: &Stored, share: &Share, length: u64, lines: &[u8]) {
    let Desk { answer, answer_input, .. } = desk;
    let entry = &stored.entry;
    answer.clear();
    answer_input.clear();
    // The empty line that ends a head ends this one behind the last of the lines.
    let head = entry.head.len().saturating_sub(2);
    answer_input.put(entry.head.get(..head).unwrap_or_default());
    let mut extra = lines.to_vec();
    // Of a body that the client has, nothing is sent to be measured (RFC 9110 §8.6).
    if !matches!(share, Share::Known) {
        line(&mut extra, b"content-length: ", length.to_string().as_bytes());
    }
    answer_input.put(&extra);
    answer_input.put(b"\r\n");
    answer.status = match share {
        Share::Whole => entry.status,
        Share::Known => 304,
        Share::One(_) | Share::Several(_) => 206,
        Share::Outside => 416,
    };
    answer.reason = if answer.status == entry.status { entry.phrase } else { Span::default() };
    answer.version = Version::Http11;
    answer.keep_alive = true;
    for field in entry.fields.all() {
        let name = field.name.of(&entry.head);
        let dropped = name.eq_ignore_ascii_case(b"age") || (is_of_the_body(name) && leaves_out(share, name));
        answer.fields.push(Field { dropped, ..*field });
    }
    add_fields(&mut answer.fields, &extra, head);
    answer.len = head + extra.len() + 2;
}

fn is_of_the_body(name: &[u8]) -> bool {
    name.len() > 8 && name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
}

/// Whether a line about the whole body is not one about what is given of it.
fn leaves_out(share: &Share, name: &[u8]) -> bool {
    let is = |text: &[u8]| name.eq_ignore_ascii_case(text);
    match share {
        Share::Whole => false,
        // Of what the client has, only what tells it apart is said again (RFC 9110 §15.4.5).
        Share::Known => !is(b"content-location") && !is(b"content-security-policy"),
        Share::One(_) => is(b"content-range") || is(b"content-md5") || is(b"content-digest"),
        Share::Several(_) => is(b"content-range") || is(b"content-type") || is(b"content-md5") || is(b"content-digest"),
        Share::Outside => {
            is(b"content-range") || is(b"content-encoding") || is(b"content-md5") || is(b"content-digest")
        }
    }
}

/// Notes the lines that stand at `start`, each `name: value` with its CRLF.
fn add_fields(fields: &mut switchboard_core::message::Fields, lines: &[u8], start: usize) {
    let mut at = start;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let span = |from: usize, to: usize| Span {
            start: u32::try_from(at + from).unwrap_or(u32::MAX),
            end: u32::try_from(at + to).unwrap_or(u32::MAX),
        };
        fields.push(Field {
            name_id: Name::find(line.get(..colon).unwrap_or_default()),
            name: span(0, colon),
            value: span(colon + 2, line.len().saturating_sub(2)),
            line: span(0, line.len()),
            dropped: false,
        });
        at += line.len();
    }
}
