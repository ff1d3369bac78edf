//! `detect`: looks at path, query and the beginning of a body before anything of them goes up. Where a body is looked at
//! it is read first, within its time-outs; what takes long is looked at beside the event loop.
//!
//! The judge is libinjection's port; which texts it sees is decided in `core`. A judge that fails lets pass.

use std::future::poll_fn;
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use switchboard_core::config::{Detect, Verdict};
use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::message::Name;
use switchboard_core::policy::detect::{BodyKind, body, target};
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
/// `denied` where it is to be refused; `body_timeout`, `body_too_large`, `bad_request` where its body can't be read.
pub async fn inspect(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &mut Admitted,
) -> Result<(), ProxyError> {
    let Some(detect) = admitted.rule.policy.as_ref().and_then(|chain| chain.detect()) else { return Ok(()) };
    let mut found = Found::default();
    admitted.with_facts(connection, desk, |facts| {
        let destination = facts.destination;
        target(destination.raw_path(), destination.query(), &mut |text| look(detect, text, &mut found))
    })?;
    judge(connection, record, desk, detect, found, "target")?;
    let kind = kind_of(desk, admitted);
    if kind == BodyKind::Other || desk.request.framing == Framing::None {
        return Ok(());
    }
    let bytes = read(connection, desk, record, admitted).await?;
    let bytes = unpacked(desk, bytes)?;
    let found = if bytes.len() < LONG {
        of_body(detect, kind, &bytes)
    } else {
        tokio::task::spawn_blocking(move || of_body(detect, kind, &bytes)).await.unwrap_or_default()
    };
    judge(connection, record, desk, detect, found, "body")
}

/// What a body is looked at as. Streams of calls and handshakes have none.
fn kind_of(desk: &Desk, admitted: &Admitted) -> BodyKind {
    if admitted.grpc || admitted.upgrade.token().is_some() {
        return BodyKind::Other;
    }
    let bytes = desk.input.filled();
    let mut types = desk.request.fields.named(Name::ContentType).map(|field| field.value.of(bytes));
    BodyKind::of(types.next())
}

fn of_body(detect: Detect, kind: BodyKind, bytes: &[u8]) -> Found {
    let mut found = Found::default();
    body(kind, bytes, &mut |text| look(detect, text, &mut found));
    found
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

fn judge(
    connection: &Connection,
    record: &Record,
    desk: &Desk,
    detect: Detect,
    found: Found,
    place: &str,
) -> Result<(), ProxyError> {
    if found == Found::default() {
        return Ok(());
    }
    connection.worker.counters.detections.add(1);
    let id = String::from_utf8_lossy(&desk.request_id);
    let route = record.rule().map(|rule| &*rule.key).unwrap_or_default();
    tracing::warn!(%id, route, place, sqli = found.sqli, xss = found.xss, "a request looks like an attack (detect)");
    let blocks = |found: bool, verdict: Option<Verdict>| found && verdict == Some(Verdict::Block);
    if blocks(found.sqli, detect.sqli) {
        return Err(ProxyError::client(Reason::Denied, "The request looks like SQL injection (detect)."));
    }
    if blocks(found.xss, detect.xss) {
        return Err(ProxyError::client(Reason::Denied, "The request looks like a script for other people (detect)."));
    }
    Ok(())
}

/// Reads the beginning of a body, up to [`MOST`], and gives a copy of it, decoded.
async fn read(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &mut Admitted,
) -> Result<Vec<u8>, ProxyError> {
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
            whole.truncate(MOST);
            return Ok(whole);
        }
        if admitted.hop.expect_continue {
            go_on(connection).await?;
            admitted.hop.expect_continue = false;
        }
        if !more(connection, desk, record, admitted, whole.len()).await? {
            return match decoder.finish_on_eof() {
                true => Ok(whole),
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

/// Undoes `Content-Encoding`, as far as it is known here and as far as it is looked at. What nobody here can unpack is
/// looked at as it is.
fn unpacked(desk: &Desk, bytes: Vec<u8>) -> Result<Vec<u8>, ProxyError> {
    let head = desk.input.filled();
    let mut bytes = bytes;
    let codings: Vec<Vec<u8>> = desk
        .request
        .fields
        .matching(head, b"content-encoding")
        .flat_map(|field| field.value.of(head).split(|&byte| byte == b','))
        .map(|coding| coding.trim_ascii().to_ascii_lowercase())
        .collect();
    for coding in codings.iter().rev().take(3) {
        let Some(out) = decode::beginning(coding, &bytes, Limit { bytes: MOST, ratio: RATIO }) else { break };
        let detail = "The request's body unpacks to more than a hundred times its size.";
        bytes = out.map_err(|Bomb| ProxyError::client(Reason::BodyTooLarge, detail))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const ALL: Detect = Detect { sqli: Some(Verdict::Block), xss: Some(Verdict::Block) };

    #[test]
    fn attacks_and_what_only_looks_a_little_like_them() {
        let found = |query: &str| {
            let mut found = Found::default();
            target(b"/p", Some(query.as_bytes()), &mut |text| look(ALL, text, &mut found));
            (found.sqli, found.xss)
        };
        for query in ["id=1'+OR+'1'='1", "id=1%27%20union%20select%201,2--", "id=1%2527%20OR%201%253D1--"] {
            assert_eq!(found(query), (true, false), "{query}");
        }
        for query in
            ["q=<script>alert(1)</script>", "q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "q=%253Csvg/onload=x%253E"]
        {
            assert!(found(query).1, "{query}");
        }
        for query in
            ["q=O'Reilly", "q=a+<b>+c+1+<+2&name=Select+your+seat", "next=/a/b?c=d", "q=rock+'n'+roll", "d=2026-11-21"]
        {
            assert!(!found(query).0, "{query}");
        }
    }

    /// The judge is another's code: it may neither panic nor hang, whatever it is shown. Longer runs: `DETECT_SECONDS`.
    #[test]
    fn the_judge_survives_what_it_is_shown() {
        let seconds = std::env::var("DETECT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        let seeds: [&[u8]; 12] = [
            b"1' or '1'='1' -- ",
            b"<script>",
            b"union select",
            b"/*!50000 select*/",
            b"0x41 and",
            b"\"`@@x`\"",
            b"$tag$ $tag$",
            b"<a href=java&#115;cript:x>",
            b"<!--[if]>",
            b"&#x;&#99999999999;",
            b"q'[x]'",
            b"{``.``}",
        ];
        let began = Instant::now();
        let (mut state, mut slowest, mut texts) = (0x9E37_79B9_7F4A_7C15_u64, Duration::ZERO, 0_u64);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap_or(0)
        };
        while began.elapsed() < Duration::from_secs(seconds) {
            let mut text = Vec::new();
            for _ in 0..next() % 8 {
                text.extend_from_slice(seeds[next() % seeds.len()]);
                let byte = u8::try_from(next() % 256).unwrap_or(0);
                text.extend(std::iter::repeat_n(byte, next() % 4));
            }
            if next() % 512 == 0 {
                text = text.iter().copied().cycle().take(16 * 1024.min(text.len() * 9999)).collect();
            }
            for _ in 0..next() % 4 {
                let at = next() % text.len().max(1);
                let byte = u8::try_from(next() % 256).unwrap_or(0);
                text.get_mut(at).into_iter().for_each(|place| *place = byte);
            }
            let started = Instant::now();
            let judged = catch_unwind(|| {
                let _ = (
                    libinjectionrs::detect_sqli(&text).is_injection(),
                    libinjectionrs::detect_xss(&text).is_injection(),
                );
            });
            assert!(judged.is_ok(), "it panicked at {:?}", String::from_utf8_lossy(&text));
            slowest = slowest.max(started.elapsed());
            texts += 1;
        }
        eprintln!("{texts} texts, the slowest {slowest:?}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    }
}
