//! Answers with files: which one is asked for, in which form, which part of it, and what its head says.
//!
//! The decisions are `core::content`'s, the disk is `files`'; this ties them to the exchange. Where a rule has an
//! upstream too (`try: [files, to]`), what is no file is left to that.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_core::answer::{self, Answer};
use switchboard_core::content::conditional::{self, Validators, Verdict};
use switchboard_core::content::path::{self, Unnamed, Wanted};
use switchboard_core::content::range::{self, Ranges};
use switchboard_core::content::{Accepted, Asked, Coding, listing};
use switchboard_core::http2::Builder;
use switchboard_core::message::Name;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Site;

use super::admit::Admitted;
use super::compress::Kept;
use super::record::Record;
use super::{Next, here, own};
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::files::held::Held;
use crate::files::open::Fault;
use crate::files::{Entry, SIBLINGS, list};
use crate::http::Connection;
use crate::relay::here::{Here, Part};

/// Fields at most of such a head; there are fewer.
const FIELDS: usize = 32;

/// Answers with a file. `None` leaves the request to the upstream of the rule.
///
/// # Errors
/// `no_file`, `denied`, `method_not_allowed`, `precondition_failed`, `range_not_satisfiable`, `overloaded`.
pub async fn answer(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    site: &Arc<Site>,
) -> Result<Option<Next>, ProxyError> {
    let bytes = desk.input.filled();
    if !matches!(desk.request.method.of(bytes), b"GET" | b"HEAD") || admitted.upgrade.token().is_some() {
        return match site.then {
            Some(_) => Ok(None),
            None => Err(ProxyError::client(Reason::MethodNotAllowed, "Files are read with GET and HEAD only.")
                .with(vec![("allow", "GET, HEAD".to_owned())])),
        };
    }
    let wanted = match path::wanted(&desk.path, site.skip) {
        Ok(wanted) => wanted,
        Err(_) if site.then.is_some() => return Ok(None),
        Err(Unnamed::Hidden) => {
            return Err(ProxyError::client(Reason::NoFile, "Names that begin with a dot are not served."));
        }
        Err(Unnamed::Impossible) => return Err(ProxyError::client(Reason::NoFile, "No file can have this name.")),
    };
    let fault = match find(connection, desk, record, site, &wanted).await {
        Ok(entry) => return entry_answer(connection, desk, record, admitted, &entry).await.map(Some),
        Err(fault) => fault,
    };
    match fault {
        Fault::Directory => redirect(connection, desk, record, admitted).await.map(Some),
        Fault::Missing if wanted.directory && site.written.listing => {
            list(connection, desk, record, admitted, site, wanted.path).await.map(Some)
        }
        Fault::Missing if site.then.is_some() => Ok(None),
        Fault::Missing => match fallback(desk, site, &wanted) {
            Some(wanted) => {
                let entry = find(connection, desk, record, site, &wanted).await.map_err(refusal)?;
                entry_answer(connection, desk, record, admitted, &entry).await.map(Some)
            }
            None => Err(refusal(fault)),
        },
        Fault::WouldBlock | Fault::Outside | Fault::Forbidden | Fault::Exhausted => Err(refusal(fault)),
    }
}

async fn find(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    site: &Arc<Site>,
    wanted: &Wanted,
) -> Result<Rc<Entry>, Fault> {
    connection.worker.files.find(site, wanted, record.started, &mut desk.path).await
}

fn refusal(fault: Fault) -> ProxyError {
    match fault {
        Fault::Missing | Fault::Directory => ProxyError::client(Reason::NoFile, ""),
        Fault::Outside => ProxyError::client(Reason::Denied, "A link leads out of the directory that is served here."),
        Fault::Forbidden => {
            ProxyError::client(Reason::Denied, "The proxy may not read this file; look at its permissions.")
        }
        Fault::WouldBlock | Fault::Exhausted => {
            ProxyError::own(Reason::Overloaded, "The file could not be opened: the machine is short of something.")
                .because(fault.into())
        }
    }
}

/// The file that answers where there is none: for what is visited, not for the parts of a page. A script that is missing
/// has to be missing, or the browser reads a page as one.
fn fallback(desk: &Desk, site: &Site, wanted: &Wanted) -> Option<Wanted> {
    let name = site.written.fallback.as_ref()?;
    let last = wanted.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_part =
        mime_guess::from_path(&*String::from_utf8_lossy(last)).first_raw().is_some_and(|kind| kind != "text/html");
    let bytes = desk.input.filled();
    let mut accept = desk.request.fields.named(Name::Accept).map(|field| field.value.of(bytes));
    let visits = |value: &[u8]| value.windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html"));
    (!is_part || accept.any(visits)).then(|| Wanted { path: name.as_bytes().to_vec(), directory: false })
}

/// Sends the client to the same path with a slash behind it: links of an index are relative to that.
async fn redirect(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
) -> Result<Next, ProxyError> {
    let location = admitted.with_facts(connection, desk, |facts| {
        let mut location = [facts.destination.raw_path(), b"/"].concat();
        if let Some(query) = facts.destination.query() {
            location.push(b'?');
            location.extend_from_slice(query);
        }
        location
    })?;
    let mut answer = Answer::new();
    record.answered = answer::REDIRECT;
    answer.redirect(308, &location, &String::from_utf8_lossy(&desk.request_id)).map_err(|reason| {
        ProxyError::own(reason, "The location of this redirect holds a control character and was not sent.")
    })?;
    own::finish(connection, desk, record, answer, None, false).await
}

/// Answers with the list of a directory.
async fn list(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    site: &Arc<Site>,
    path: Vec<u8>,
) -> Result<Next, ProxyError> {
    let of = Arc::clone(site);
    let read = connection.worker.files.apart(move || list::entries(&of, &path)).await;
    let (mut entries, cut) = read.and_then(|read| read).map_err(refusal)?;
    let shown = admitted
        .with_facts(connection, desk, |facts| String::from_utf8_lossy(facts.destination.raw_path()).into_owned())?;
    let page = listing::page(&shown, &mut entries, cut);
    record.answered = answer::FILES;
    let mut head = Builder::answer(&mut desk.output, &mut desk.answer, 200, FIELDS);
    dated(connection, &mut head);
    head.line(Name::ContentType, b"content-type", b"text/html; charset=utf-8");
    head.line(Name::Other, b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'");
    head.line(Name::CacheControl, b"cache-control", b"no-cache");
    head.line(Name::ContentLength, b"content-length", page.len().to_string().as_bytes());
    head.finish_answer(&mut desk.answer, false);
    place(desk);
    here::give(connection, desk, record, admitted, (Here::bytes(page.into()), None)).await
}

/// What is sent of an entry.
struct Form<'a> {
    held: &'a Rc<Held>,
    coding: Coding,
    varies: bool,
}

impl<'a> Form<'a> {
    /// The form that the client takes best. A part is always one of the file itself.
    fn choose(entry: &'a Entry, asked: &Asked<'_>) -> Self {
        let varies = entry.siblings.iter().any(Option::is_some);
        let plain = Self { held: &entry.held, coding: Coding::Identity, varies };
        if !varies || !asked.accept_encoding || asked.range.is_some() {
            return plain;
        }
        let there = SIBLINGS.into_iter().zip(&entry.siblings).filter(|(_, held)| held.is_some());
        let coding = Accepted::read(asked.lines(b"accept-encoding")).choose(there.map(|(coding, _)| coding));
        let place = SIBLINGS.iter().position(|sibling| *sibling == coding);
        match place.and_then(|place| entry.siblings.get(place)?.as_ref()) {
            Some(held) => Self { held, coding, varies },
            None => plain,
        }
    }
}

/// Answers with a file, as far as the request's conditions let it.
async fn entry_answer(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    entry: &Entry,
) -> Result<Next, ProxyError> {
    record.answered = answer::FILES;
    let asked = Asked::read(&desk.request.fields, desk.input.filled());
    let form = Form::choose(entry, &asked);
    let held = form.held;
    let known = Validators { etag: Some(&held.etag), modified: Some(held.modified) };
    let mut ranges = Ranges::Whole;
    if !asked.is_plain() {
        match conditional::judge(&asked, &known, date) {
            Verdict::Give => {}
            Verdict::Known => return known_answer(connection, desk, record, admitted, entry).await,
            Verdict::Changed => return Err(ProxyError::client(Reason::PreconditionFailed, "")),
        }
        // RFC 9110 §14.2: a range means something for GET alone.
        let gets = desk.request.method.of(desk.input.filled()) == b"GET";
        if let Some(value) = asked.range.filter(|_| gets)
            && conditional::range_holds(&asked, &known, seconds(), date)
        {
            ranges = Ranges::read(value, held.size);
        }
    }
    let boundary = record.id.as_str();
    let (status, body) = parts(entry, held, &ranges, boundary)?;
    let mut head = Builder::answer(&mut desk.output, &mut desk.answer, status, FIELDS);
    dated(connection, &mut head);
    match &ranges {
        Ranges::Several(_) => {
            let kind = format!("multipart/byteranges; boundary={boundary}");
            head.line(Name::ContentType, b"content-type", kind.as_bytes());
        }
        Ranges::Whole | Ranges::One(_) | Ranges::Outside => {
            head.line(Name::ContentType, b"content-type", entry.content_type.as_bytes());
        }
    }
    if let Ranges::One(part) = &ranges {
        head.line(Name::Other, b"content-range", range::content_range(part, held.size).as_bytes());
    }
    described(entry, &form, &mut head);
    head.line(Name::Other, b"accept-ranges", b"bytes");
    head.line(Name::ContentLength, b"content-length", decimal(body.left(), &mut [0; 20]));
    head.finish_answer(&mut desk.answer, false);
    place(desk);
    let kept = matches!(ranges, Ranges::Whole).then_some(Kept::File(held));
    here::give(connection, desk, record, admitted, (body, kept)).await
}

/// The status and the body of an answer with these ranges of a file.
fn parts(entry: &Entry, held: &Rc<Held>, ranges: &Ranges, boundary: &str) -> Result<(u16, Here), ProxyError> {
    let mut body = Here::default();
    match ranges {
        Ranges::Outside => {
            let size = format!("bytes */{}", held.size);
            return Err(ProxyError::client(Reason::RangeNotSatisfiable, "").with(vec![("content-range", size)]));
        }
        Ranges::Whole => {
            body.push_file(held, 0..held.size);
            return Ok((200, body));
        }
        Ranges::One(part) => body.push_file(held, part.clone()),
        Ranges::Several(parts) => {
            for (at, part) in parts.iter().enumerate() {
                let head = range::part_head(boundary, at == 0, entry.content_type.as_bytes(), part, held.size);
                body.push(Part::Bytes(head.into()));
                body.push_file(held, part.clone());
            }
            body.push(Part::Bytes(range::parts_end(boundary).into()));
        }
    }
    Ok((206, body))
}

/// Answers 304: what a 200 would have said of the file, without its size and type (RFC 9110 §15.4.5).
async fn known_answer(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    entry: &Entry,
) -> Result<Next, ProxyError> {
    let form = Form::choose(entry, &Asked::read(&desk.request.fields, desk.input.filled()));
    let mut head = Builder::answer(&mut desk.output, &mut desk.answer, 304, FIELDS);
    dated(connection, &mut head);
    let form = Form { coding: Coding::Identity, ..form };
    described(entry, &form, &mut head);
    head.finish_answer(&mut desk.answer, false);
    place(desk);
    here::give(connection, desk, record, admitted, (Here::default(), None)).await
}

/// The lines that tell one form of a file from another.
fn described(entry: &Entry, form: &Form<'_>, head: &mut Builder<'_>) {
    head.line(Name::Other, b"last-modified", &form.held.last_modified);
    head.line(Name::Other, b"etag", &form.held.etag);
    if let Some(value) = &entry.cache_control {
        head.line(Name::CacheControl, b"cache-control", value.as_bytes());
    }
    if form.varies {
        head.line(Name::Other, b"vary", b"accept-encoding");
    }
    if form.coding != Coding::Identity {
        head.line(Name::Other, b"content-encoding", form.coding.token().as_bytes());
    }
}

fn dated(connection: &Connection, head: &mut Builder<'_>) {
    head.line(Name::Other, b"date", connection.worker.files.stamp.borrow_mut().http_date(seconds()));
}

/// Puts the head that was written where an endpoint's would stand.
fn place(desk: &mut Desk) {
    desk.answer_input.clear();
    desk.answer_input.put(&desk.output);
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Reads a date of HTTP in any of its three forms.
fn date(text: &[u8]) -> Option<u64> {
    let time = httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Writes a number without allocating.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        first = at;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}
