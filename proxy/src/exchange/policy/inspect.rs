//! `detect`: looks at path, query and the beginning of a body before anything of them goes up. Where a body is looked at
//! it is read first, within its time-outs; what takes long is looked at beside the event loop.
//!
//! The judge is libinjection's port; which texts it sees is decided in `core`. A judge that fails lets pass; what it can't be
//! shown doesn't, where attacks are refused.

use std::future::poll_fn;
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use switchboard_core::config::{Detect, Verdict};
use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::message::Name;
use switchboard_core::policy::detect::{BodyKind, Sight, body, is_binary, target};
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Action;

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::http::Connection;
use crate::relay::decode::{self, Bomb, Limit};

/// How much of a body is looked at, unpacked.
const MOST: usize = 64 * 1024;

/// How much larger a body may become by unpacking (case 158).
const RATIO: usize = 100;

/// Codings on top of each other that are undone. Chosen: one is usual.
const CODINGS: usize = 3;

/// Bodies from this length on are looked at beside the loop.
const LONG: usize = 2 * 1024;

/// How long a body may take before its rate counts.
const RATE_GRACE: u64 = 10;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    sqli: bool,
    xss: bool,
}

/// Whether a request is looked at: where something of it may go up.
pub fn applies(admitted: &Admitted) -> bool {
    let Some(chain) = admitted.rule.policy.as_ref().filter(|_| admitted.preflight.is_none()) else { return false };
    chain.detect().is_some() && matches!(admitted.rule.action, Action::Proxy(_) | Action::Files(_))
}

/// Looks at the request on `desk`. What was read of its body stands behind its head, for the upload.
///
/// # Errors
/// `denied` where it is to be refused, `uninspected` where it can't be looked at as a whole; `body_timeout`,
/// `body_too_large`, `bad_request` where its body can't be read.
pub async fn inspect(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &mut Admitted,
) -> Result<(), ProxyError> {
    let Some(detect) = admitted.rule.policy.as_ref().and_then(|chain| chain.detect()) else { return Ok(()) };
    let mut found = Found::default();
    let sight = admitted.with_facts(connection, desk, |facts| {
        let destination = facts.destination;
        target(destination.raw_path(), destination.query(), &mut |text| look(detect, text, &mut found))
    })?;
    let case = Case { connection, record, detect, place: "target" };
    case.judge(desk, found)?;
    case.weigh(desk, sight)?;
    if admitted.grpc || admitted.upgrade.token().is_some() || desk.request.framing == Framing::None {
        return Ok(());
    }
    // Whoever reads it may take either.
    let (kind, alone) = kind_of(desk);
    if !alone {
        Case { place: "body", ..case }.miss(desk, "The request has several Content-Types (detect).")?;
    }
    if kind == BodyKind::Other {
        connection.worker.counters.inspected_in_part.add(1);
        return Ok(());
    }
    let (bytes, whole) = read(connection, desk, record, admitted, kind).await?;
    let Opened { texts, missed } = open(desk, kind, bytes)?;
    let (found, sight) = if texts.iter().map(Vec::len).sum::<usize>() < LONG {
        of_body(detect, kind, &texts)
    } else {
        let work = tokio::task::spawn_blocking(move || of_body(detect, kind, &texts)).await;
        work.unwrap_or((Found::default(), Sight::Whole))
    };
    let case = Case { connection, record, detect, place: "body" };
    case.judge(desk, found)?;
    if missed {
        case.miss(desk, "The request's Content-Encoding can't be undone (detect).")?;
    }
    case.weigh(desk, if whole { sight } else { sight.max(Sight::Beginnings) })
}

/// What a body is looked at as, and whether nothing else is said of it.
fn kind_of(desk: &Desk) -> (BodyKind, bool) {
    let bytes = desk.input.filled();
    BodyKind::of_all(desk.request.fields.named(Name::ContentType).map(|field| field.value.of(bytes)))
}

fn of_body(detect: Detect, kind: BodyKind, texts: &[Vec<u8>]) -> (Found, Sight) {
    let mut found = Found::default();
    let sights = texts.iter().map(|text| body(kind, text, &mut |text| look(detect, text, &mut found)));
    let sight = sights.max().unwrap_or(Sight::Whole);
    (found, sight)
}

/// Looks at one text. Returns whether nothing is left to look for.
fn look(detect: Detect, text: &[u8], found: &mut Found) -> bool {
    let seen = catch_unwind(AssertUnwindSafe(|| Found {
        sqli: detect.sqli.is_some() && !found.sqli && libinjectionrs::detect_sqli(text).is_injection(),
        xss: detect.xss.is_some() && !found.xss && libinjectionrs::detect_xss(text).is_injection(),
    }));
    let seen = seen.unwrap_or_default();
    found.sqli |= seen.sqli;
    found.xss |= seen.xss;
    (found.sqli || detect.sqli.is_none()) && (found.xss || detect.xss.is_none())
}

/// One look at a request, and what comes of it.
#[derive(Clone, Copy)]
struct Case<'a> {
    connection: &'a Connection,
    record: &'a Record,
    detect: Detect,
    place: &'static str,
}

impl Case<'_> {
    fn judge(self, desk: &Desk, found: Found) -> Result<(), ProxyError> {
        if found == Found::default() {
            return Ok(());
        }
        self.connection.worker.counters.detections.add(1);
        let (id, route, place) = (String::from_utf8_lossy(&desk.request_id), self.route(), self.place);
        tracing::warn!(%id, route, place, sqli = found.sqli, xss = found.xss, "a request looks like an attack (detect)");
        let blocks = |found: bool, verdict: Option<Verdict>| found && verdict == Some(Verdict::Block);
        if blocks(found.sqli, self.detect.sqli) {
            return Err(ProxyError::client(Reason::Denied, "The request looks like SQL injection (detect)."));
        }
        if blocks(found.xss, self.detect.xss) {
            return Err(ProxyError::client(
                Reason::Denied,
                "The request looks like a script for other people (detect).",
            ));
        }
        Ok(())
    }

    /// Counts what was not looked at.
    fn weigh(self, desk: &Desk, sight: Sight) -> Result<(), ProxyError> {
        match sight {
            Sight::Whole => {}
            Sight::Beginnings => self.connection.worker.counters.inspected_in_part.add(1),
            Sight::Some => return self.miss(desk, "The request has more parameters than are looked at (detect)."),
        }
        Ok(())
    }

    /// Something can't be looked at that should be: where attacks are refused, this is too.
    fn miss(self, desk: &Desk, what: &'static str) -> Result<(), ProxyError> {
        self.connection.worker.counters.uninspected.add(1);
        let (id, route, place) = (String::from_utf8_lossy(&desk.request_id), self.route(), self.place);
        tracing::warn!(%id, route, place, what, "a request can't be looked at as a whole (detect)");
        match [self.detect.sqli, self.detect.xss].contains(&Some(Verdict::Block)) {
            true => Err(ProxyError::client(Reason::Uninspected, what)),
            false => Ok(()),
        }
    }

    fn route(&self) -> &str {
        self.record.rule().map(|rule| &*rule.key).unwrap_or_default()
    }
}

/// Reads the beginning of a body, up to [`MOST`], and gives a copy of it, decoded, and whether that is all. Of what turns out
/// to be no text nothing is waited for: it may be a stream.
async fn read(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &mut Admitted,
    kind: BodyKind,
) -> Result<(Vec<u8>, bool), ProxyError> {
    let plain = codings(desk).is_empty();
    let trailers = record.generation.snapshot.limits.trailers as usize;
    let mut decoder = BodyDecoder::new(desk.request.framing, trailers);
    let (mut whole, mut fed) = (Vec::new(), desk.request.len);
    loop {
        let mut new = desk.input.filled().get(fed..).unwrap_or_default().to_vec();
        let decoded = decoder.decode(&mut new).map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
        fed += new.len();
        whole.extend_from_slice(new.get(..decoded.produced).unwrap_or_default());
        if admitted.max_body.is_some_and(|most| whole.len() as u64 > most) {
            let detail = "The request's body is larger than this route's max_body.";
            return Err(ProxyError::client(Reason::BodyTooLarge, detail));
        }
        // Chunks may hide little in much.
        if decoded.done || whole.len() >= MOST || fed - desk.request.len >= 2 * MOST {
            let all = decoded.done && whole.len() <= MOST;
            whole.truncate(MOST);
            return Ok((whole, all));
        }
        if kind == BodyKind::Unknown && plain && is_binary(&whole) {
            return Ok((whole, false));
        }
        if admitted.hop.expect_continue {
            go_on(connection).await?;
            admitted.hop.expect_continue = false;
        }
        if !more(connection, desk, record, admitted, whole.len()).await? {
            return match decoder.finish_on_eof() {
                true => Ok((whole, true)),
                false => Err(ProxyError::gone()),
            };
        }
    }
}

/// Tells the client to send its body: it waits for that, and nobody above has been asked yet.
async fn go_on(connection: &Connection) -> Result<(), ProxyError> {
    const HEAD: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let gone = |error| ProxyError::gone().because(error);
    if connection.transport.takes_heads() {
        return connection.transport.send_head(HEAD, false).map_err(gone);
    }
    let mut rest = HEAD;
    while !rest.is_empty() {
        let taken = poll_fn(|context| connection.transport.poll_write(context, &[IoSlice::new(rest)])).await;
        rest = rest.get(taken.map_err(gone)?..).unwrap_or_default();
    }
    Ok(())
}

/// Reads once more. Returns whether anything came.
async fn more(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    received: usize,
) -> Result<bool, ProxyError> {
    const STOPPED: &str = "The request's body stopped before its end, or came too slowly.";
    let late = || ProxyError::client(Reason::BodyTimeout, STOPPED);
    let seconds = connection.deadline.clock().about_now().since(record.started).as_secs();
    let rate = record.generation.snapshot.limits.body_min_rate.unwrap_or(0);
    if seconds > RATE_GRACE && (received as u64) < rate.saturating_mul(seconds) {
        return Err(late());
    }
    // What the rate allows is looked at whenever something comes; without a rate and a time-out the body may rest.
    connection.deadline.set_in(admitted.rule.timeouts.body);
    let read = poll_fn(|context| {
        connection.deadline.register(context);
        match connection.transport.poll_read(context, desk.input.space(usize::MAX)) {
            Poll::Pending if connection.deadline.has_come() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => Poll::Ready(Some(read)),
        }
    });
    match read.await {
        Some(read) => {
            let read = read.map_err(|error| ProxyError::gone().because(error))?;
            desk.input.fill(read);
            Ok(read > 0)
        }
        None => Err(late()),
    }
}

/// A body without its codings.
struct Opened {
    /// It, and as it came where that may be what is read: many applications don't look at `Content-Encoding`.
    texts: Vec<Vec<u8>>,
    /// Some coding could not be undone.
    missed: bool,
}

/// The codings of the body, in the order in which they were put on.
fn codings(desk: &Desk) -> Vec<Vec<u8>> {
    let head = desk.input.filled();
    let fields = desk.request.fields.matching(head, b"content-encoding");
    let members = fields.flat_map(|field| field.value.of(head).split(|&byte| byte == b','));
    let names = members.map(|coding| coding.trim_ascii().to_ascii_lowercase());
    names.filter(|name| !name.is_empty() && name != b"identity").collect()
}

/// Undoes `Content-Encoding`, as far as it is known here and as far as it is looked at.
fn open(desk: &Desk, kind: BodyKind, bytes: Vec<u8>) -> Result<Opened, ProxyError> {
    let codings = codings(desk);
    let mut opened = Opened { texts: Vec::new(), missed: codings.len() > CODINGS };
    let mut packed = bytes;
    for coding in codings.iter().rev().take(CODINGS) {
        let Some(out) = decode::beginning(coding, &packed, Limit { bytes: MOST, ratio: RATIO }) else {
            // Of what says nothing of itself a coding of its own is no more than that.
            opened.missed |= kind != BodyKind::Unknown;
            break;
        };
        let detail = "The request's body unpacks to more than a hundred times its size.";
        let out = out.map_err(|Bomb| ProxyError::client(Reason::BodyTooLarge, detail))?;
        if !is_binary(&packed) {
            opened.texts.push(std::mem::take(&mut packed));
        } else if out.is_empty() {
            opened.missed = true;
        }
        packed = out;
    }
    opened.texts.push(packed);
    Ok(opened)
}

#[cfg(test)]
mod tests;
