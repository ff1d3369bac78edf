//! Whether an answer may be stored, and as what (RFC 9111 §3).

use super::control::ResponseControl;
use super::entry::{Entry, Terms};
use super::freshness::{Arrival, Freshness, is_heuristic};
use super::vary::Vary;
use super::{lines, merge, tags, targeted};
use crate::config;
use crate::http1::ResponseHead;
use crate::message::Fields;
use crate::sse::is_event_stream;

/// The request that an answer is for, as far as storing goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// It names somebody: `Authorization`, or the rule itself asked who is there.
    pub authorized: bool,
    /// It asks that nothing be stored.
    pub no_store: bool,
    /// What it was for, with scheme and authority: [`super::key`].
    pub url: &'a [u8],
    /// Its lines.
    pub fields: &'a Fields,
    /// The bytes of its head.
    pub bytes: &'a [u8],
    /// The rule that answers.
    pub space: u64,
}

/// What becomes of an answer.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It may be stored. Its length is not known yet.
    Store(Box<Entry>),
    /// It may not, in the words of a `detail` for `Cache-Status`.
    Pass(&'static str),
}

/// Decides on an answer whose fields were examined: what its `Connection` names is dropped.
#[must_use]
pub fn judge(
    asked: &Asked<'_>,
    head: &ResponseHead,
    bytes: &[u8],
    arrival: &Arrival,
    rules: &config::Cache,
) -> Verdict {
    let fields = &head.fields;
    let (control, targeted) = directives(fields, bytes);
    let why = forbidden(asked, head.status, fields, bytes)
        .or_else(|| for_nobody(head.status, fields, bytes, &control))
        .or_else(|| for_one(asked, fields, bytes, &control, rules));
    if let Some(why) = why {
        return Verdict::Pass(why);
    }
    let Ok(vary) = Vary::read((fields, bytes), (asked.fields, asked.bytes)) else { return Verdict::Pass("vary") };
    let freshness = Freshness::read(fields, bytes, head.status, (&control, targeted), arrival, rules);
    let mut entry = Entry {
        status: head.status,
        head: Box::default(),
        fields: Fields::new(),
        phrase: crate::message::Span::default(),
        vary,
        space: asked.space,
        at: arrival.at,
        terms: terms(&control, freshness, rules),
        tags: tags::of(fields, bytes),
        length: 0,
    };
    merge::first(&mut entry, head, bytes, &control.withheld, arrival);
    if entry.head.is_empty() {
        return Verdict::Pass("head");
    }
    match worth(&entry, freshness, &control) {
        true => Verdict::Store(Box::new(entry)),
        false => Verdict::Pass("freshness"),
    }
}

/// What an answer's directives are, and whether they are for caches like this one.
pub(super) fn directives(fields: &Fields, bytes: &[u8]) -> (ResponseControl, bool) {
    match targeted::read(lines(fields, bytes, b"cdn-cache-control")) {
        Some(control) => (control, true),
        None => (ResponseControl::read(lines(fields, bytes, b"cache-control")), false),
    }
}

/// What decides on reuse. A rule's own windows count where the origin gives none.
pub(super) fn terms(control: &ResponseControl, freshness: Freshness, rules: &config::Cache) -> Terms {
    // An answer for shared caches with a time of its own is not to be used beyond it (RFC 9111 §5.2.2.10).
    let must_revalidate = control.must_revalidate || control.s_maxage.number().is_some();
    let window = |said: Option<u64>, rule: Option<std::time::Duration>| said.or(rule.map(|span| span.as_secs()));
    let stale = |window: Option<u64>| window.filter(|_| !must_revalidate && !control.no_cache).unwrap_or(0);
    Terms {
        lifetime: freshness.lifetime,
        age: freshness.age,
        no_cache: control.no_cache,
        must_revalidate,
        while_revalidate: stale(window(control.stale_while_revalidate.number(), rules.stale_while_revalidate)),
        if_error: stale(window(control.stale_if_error.number(), rules.stale_if_error)),
    }
}

/// What of an exchange has nothing to store.
fn forbidden(asked: &Asked<'_>, status: u16, fields: &Fields, bytes: &[u8]) -> Option<&'static str> {
    match () {
        () if !may_answer(asked, fields, bytes) => Some("method"),
        // Parts are passed on and never put together (docs/cache.md says why); a 304 has nothing to store. The others
        // answer a condition, a range or an expectation of one request: others under its key have none (case 135).
        () if status < 200 || matches!(status, 206 | 304 | 412 | 416 | 417) => Some("status"),
        () => None,
    }
}

/// Why an answer is for no cache like this one, whoever asked.
pub(super) fn for_nobody(
    status: u16,
    fields: &Fields,
    bytes: &[u8],
    control: &ResponseControl,
) -> Option<&'static str> {
    match () {
        // Events are of the moment; who gets them stored would wait for the next in vain.
        () if lines(fields, bytes, b"content-type").any(is_event_stream) => Some("event-stream"),
        () if control.must_understand && !is_understood(status) => Some("must-understand"),
        () if control.no_store && !control.must_understand => Some("no-store"),
        () if control.private => Some("private"),
        () => None,
    }
}

/// Why an answer is for the one alone who asked.
pub(super) fn for_one(
    asked: &Asked<'_>,
    fields: &Fields,
    bytes: &[u8],
    control: &ResponseControl,
    rules: &config::Cache,
) -> Option<&'static str> {
    let for_all = control.public || control.revalidate_for_all || control.s_maxage.number().is_some();
    match () {
        () if asked.no_store => Some("request-no-store"),
        () if !rules.set_cookie && lines(fields, bytes, b"set-cookie").next().is_some() => Some("set-cookie"),
        () if asked.authorized && !for_all => Some("authorization"),
        () => None,
    }
}

/// Whether the answer is one to a GET: it was, or it says itself that it is what a GET would get (RFC 9110 §9.3.3).
fn may_answer(asked: &Asked<'_>, fields: &Fields, bytes: &[u8]) -> bool {
    match asked.method {
        b"GET" => true,
        b"POST" => {
            let mut said = lines(fields, bytes, b"content-location");
            let same = said.next().is_some_and(|text| super::invalid::is_same(asked.url, text));
            let (control, _) = directives(fields, bytes);
            let explicit = control.max_age.number().or(control.s_maxage.number()).is_some()
                || lines(fields, bytes, b"expires").next().is_some();
            same && said.next().is_none() && explicit
        }
        _ => false,
    }
}

/// Statuses whose rules about caching are followed here (RFC 9111 §5.2.2.3).
const fn is_understood(status: u16) -> bool {
    is_heuristic(status) || matches!(status, 302 | 303 | 307 | 400 | 401 | 403 | 500 | 502 | 503 | 504)
}

/// Whether storing it serves anything: it is fresh for a while, may be used stale, or can be asked about. Without a word
/// on caching from the origin nothing is stored (case 134): whose it is can't be known.
fn worth(entry: &Entry, freshness: Freshness, control: &ResponseControl) -> bool {
    let fresh = freshness.lifetime > freshness.age && !control.no_cache;
    let said = freshness.explicit || control.no_cache || control.public;
    let kept = entry.terms.while_revalidate.max(entry.terms.if_error) > 0 && freshness.explicit;
    fresh || kept || (said && entry.validator().is_some())
}
