//! One request and its answer, readable from top to bottom: route → policy → balance → upstream → relay.
//!
//! `serve` is the only place where an error becomes an answer (invariant 4) and where the access record is closed. The
//! stages are plain functions; each returns what the next one needs or a `ProxyError`.

pub mod admit;
pub mod again;
pub mod answer;
pub mod bond;
pub mod cache;
pub mod compress;
pub mod files;
pub mod hedge;
pub mod here;
pub mod hold;
pub mod mirror;
pub mod own;
pub mod passed;
pub mod passthrough;
pub mod policy;
pub mod record;
pub mod resume;
pub mod secure;
pub mod switch;
pub mod trace;
pub mod upload;

use std::rc::Rc;

use switchboard_core::config::Timeouts;
use switchboard_core::http1::{Framing, HeadLimits};
use switchboard_core::message::Version;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::{Action, UpstreamId};

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::live::Permit;
use crate::tunnel::Tunnel;
use crate::upstream::Attempts;
use crate::upstream::interim::Interim;
use crate::upstream::outcome;
use crate::upstream::send::{Attempt, send};
use crate::worker::Worker;

use admit::Admitted;
use bond::Bonds;
use record::Record;
use upload::Upload;

/// What the connection does next.
#[derive(Debug)]
pub enum Next {
    /// Waits for another request.
    Request,
    /// Ends: the client knows, or is gone.
    Close,
    /// Ends after a goodbye: the client may not have read our answer yet.
    Linger,
    /// Has become a tunnel.
    Tunnel(Box<Tunnel>),
}

/// Answers the request on `desk`. What came behind it is left in `rest` for the next one.
pub async fn serve(connection: &mut Connection, mut desk: Box<Desk>, rest: &mut Option<Box<Desk>>) -> Next {
    let mut record = Record::start(&connection.worker);
    record.secure.clone_from(&connection.secure);
    connection.served += 1;
    let mut upload = None;
    let mut next = match exchange(connection, &mut desk, &mut record, &mut upload).await {
        Ok(next) => next,
        // Rare and large: on the heap, so that a connection's task does not keep room for it.
        Err(error) => Box::pin(own::refuse(connection, &mut desk, &mut record, upload.as_ref(), error)).await,
    };
    if let Some(trace) = &record.trace {
        trace.close(&connection.worker, &record, &desk);
    }
    if !matches!(next, Next::Tunnel(_)) {
        connection.occupied.clear();
        record.close(&connection.worker, &desk);
    }
    if matches!(next, Next::Request)
        && let Some(body) = own::clear(&mut desk, &record, upload)
        && Box::pin(own::drain(connection, &mut desk, body)).await.is_err()
    {
        next = Next::Linger;
    }
    // Whoever waits for the next request gives it back, once that has to be waited for.
    if matches!(next, Next::Request) {
        desk.request.clear();
        *rest = Some(desk);
    } else {
        connection.worker.desks.take_back(desk);
    }
    next
}

/// Answers what never became a request: a head that is malformed, too large or too late.
pub async fn refuse_head(connection: &mut Connection, rest: &mut Option<Box<Desk>>, error: ProxyError) -> Next {
    let mut desk = rest.take().unwrap_or_else(|| connection.worker.desks.lend());
    let mut record = Record::start(&connection.worker);
    record.secure.clone_from(&connection.secure);
    record.client = connection.peer.ip();
    let next = own::refuse(connection, &mut desk, &mut record, None, error).await;
    record.close(&connection.worker, &desk);
    connection.worker.desks.take_back(desk);
    next
}

async fn exchange(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    upload: &mut Option<Upload>,
) -> Result<Next, ProxyError> {
    if record.generation.proves_by_token
        && let Some(answer) = admit::token(connection, desk, record)
    {
        return Box::pin(own::answer_token(connection, desk, record, &answer)).await;
    }
    trace::begin(connection, desk, record);
    let mut admitted = admit::admit(connection, desk, record)?; // 400, 403, 404, 405, 413, 414, 429, 503
    if connection.worker.is_refusing() && !matches!(admitted.rule.action, Action::Builtin(_)) {
        return Err(ProxyError::own(Reason::Overloaded, "The proxy has next to no memory left."));
    }
    if admitted.waits()
        && let Some(answer) = Box::pin(who(connection, desk, record, &mut admitted)).await?
    {
        return Box::pin(own::answer_for_service(connection, desk, record, *answer)).await;
    }
    if policy::inspect::applies(&admitted) {
        Box::pin(policy::inspect::inspect(connection, desk, record, &mut admitted)).await?; // 403, 408, 413
    }
    admitted.session = resume::session(connection, desk, record, &admitted);
    let rule = &admitted.rule;
    if admitted.hop.max_forwards == Some(0) {
        return Box::pin(own::answer_options(connection, desk, record)).await;
    }
    if let Some(preflight) = &admitted.preflight {
        return Box::pin(own::answer_preflight(connection, desk, record, preflight)).await;
    }
    let upstream = match &rule.action {
        Action::Proxy(upstream) => *upstream,
        Action::Files(site) => {
            match (Box::pin(files::answer(connection, desk, record, &admitted, site)).await?, site.then) {
                (None, Some(upstream)) => upstream,
                (answered, _) => return Ok(answered.unwrap_or(Next::Close)),
            }
        }
        Action::Redirect { .. } | Action::Respond { .. } | Action::Builtin(_) => {
            return Box::pin(own::answer_rule(connection, desk, record, &admitted)).await;
        }
    };
    if cache::applies(&admitted) {
        return Box::pin(cache::serve(connection, desk, record, admitted, upstream, upload)).await;
    }
    let place = crate::tunnel::quota::enter(record, &admitted)?; // 429, 503
    let upload = upload.insert(body_of(desk, record, &admitted));
    let mirror = mirror::wanted(desk, &admitted, upload); // Nearly always none.
    let mut interim = Interim::new(desk.request.version, admitted.hop.expect_continue);
    let mut upstream = match reach(connection, desk, record, &admitted, upstream, upload, &mut interim).await {
        Ok(upstream) => upstream,
        Err(error) if admitted.session.is_none() || interim.owes() => return Err(interim.or(error)),
        Err(error) => {
            return Box::pin(resume::instead(connection, desk, record, admitted.session.as_deref(), error)).await;
        }
    };
    upstream.place = place;
    mirror::begin(mirror, connection, desk, record, &admitted, upload);
    upload.forget();
    record.upstream_status = desk.answer.status;
    if desk.answer.status == 101 {
        interim.settled()?;
        return switch::switch_protocols(connection, desk, record, &admitted, upload, upstream).await; // 502
    }
    let relayed = answer::relay(connection, desk, record, &admitted, upload, upstream, &mut interim).await;
    relayed.map_err(|error| interim.or(error))
}

/// Asks who is there, and then the rest of the policies. `Some` is the answer of a service that was asked.
async fn who(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &mut admit::Admitted,
) -> Result<Option<Box<switchboard_core::answer::Answer>>, ProxyError> {
    if admitted.asks_stores {
        policy::limits::ask_stores(connection, desk, record, admitted, policy::limits::Stage::Address).await?;
    }
    if admitted.preflight.is_some() {
        return Ok(None);
    }
    if let Some(identity) = admitted.identity()
        && let Some(answer) = policy::identity::identify(connection, desk, record, admitted, identity).await?
    {
        return Ok(Some(answer)); // 401, and what the service says
    }
    policy::limits::by_identity(connection, desk, record, admitted).await?; // 429, 503
    admitted.resume(connection, desk, record)?;
    Ok(None)
}

/// Asks endpoints until one answers: picks, sends, and where that fails tries again, waits or gives up.
async fn reach(
    connection: &Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    upstream: UpstreamId,
    upload: &mut Upload,
    interim: &mut Interim,
) -> Result<answer::Upstream, ProxyError> {
    let rule = &admitted.rule;
    let limits = HeadLimits::from(&record.generation.snapshot.limits);
    let relaxed;
    let timeouts = if admitted.grpc {
        relaxed = rule.timeouts.for_streams();
        &relaxed
    } else {
        &rule.timeouts
    };
    let mut attempts = Attempts::new(&record.generation, upstream, admitted.key);
    let sticky = record.generation.sticky_key.is_some().then(|| Rc::clone(&record.generation));
    let bonds = sticky.as_deref().and_then(|generation| Bonds::read(generation, upstream, connection, desk, admitted));
    attempts.bound = bonds.as_ref().and_then(Bonds::place);
    let ends = rule.timeouts.total.map_or(Moment::NEVER, |total| record.started + total);
    loop {
        let mut permit = match attempts.pick(&connection.worker, rule, record.started) {
            Ok(permit) => permit,
            Err(error) => {
                // 503, or another look
                let failed = (hold::Failed::Pick, error);
                Box::pin(hold::wait(connection, desk, rule, &mut attempts, ends, failed)).await?;
                continue;
            }
        };
        record.attempt(permit.index(), &connection.worker);
        bond::write_head(bonds.as_ref(), connection, desk, record, admitted, permit.index());
        let attempt = attempt_on(connection, admitted, timeouts, &limits, ends);
        let sent = match rule.retry.hedge {
            Some(after) if hedge::may(desk, admitted.nature(upload), &attempts) => {
                let bonds = bonds.as_ref();
                let pair = hedge::Pair { connection, admitted, bonds, attempt: &attempt, after };
                Box::pin(pair.send(desk, record, &mut attempts, &mut permit, upload, interim)).await
            }
            _ => send(&attempt, permit.endpoint(), desk, upload, interim, record).await,
        };
        attempts.measure(&connection.worker, &permit, sent.is_err());
        outcome::note(&connection.worker, permit.endpoint(), record, sent.as_ref().err(), desk.answer.status);
        match sent {
            Ok(_) if again::is_wanted(desk, &mut attempts, rule, admitted.nature(upload)) => {
                drop(permit);
                Box::pin(again::repeat(connection, upload, attempts.made() > 1, ends)).await?;
            }
            Ok(kept) => {
                let cookie = bonds.as_ref().map_or_else(Vec::new, |bonds| bonds.set(attempts.last_place(), desk));
                return Ok(answer::Upstream { connection: kept, permit, cookie, place: None, fill: None });
            }
            Err(_) if interim.owes() => return Err(ProxyError::gone()),
            Err(error) => {
                // 502, 504, or another try
                drop(permit);
                Box::pin(again::again(connection, desk, admitted, &mut attempts, upload, ends, error)).await?;
            }
        }
    }
}

fn attempt_on<'a>(
    connection: &'a Connection,
    admitted: &Admitted,
    timeouts: &'a Timeouts,
    limits: &'a HeadLimits,
    ends: Moment,
) -> Attempt<'a> {
    Attempt {
        worker: &connection.worker,
        peer: &connection.peer,
        client: &connection.transport,
        shared: admitted.shared,
        deadline: &connection.deadline,
        timeouts,
        per_try: admitted.rule.retry.per_try,
        limits,
        ends,
        upgrades: admitted.upgrade.token().is_some(),
    }
}

fn body_of(desk: &Desk, record: &Record, admitted: &Admitted) -> Upload {
    let limits = &record.generation.snapshot.limits;
    let mut upload = Upload::new(
        desk.request.framing,
        admitted.max_body,
        limits.trailers as usize,
        limits.body_min_rate.filter(|_| !admitted.grpc),
        record.started,
    );
    if admitted.idempotent && desk.request.framing != Framing::None && admitted.rule.retry.retries > 0 {
        upload.keep();
    }
    upload
}

/// Puts a connection that can serve again back into its pool.
fn keep(connection: &Connection, upstream: answer::Upstream) {
    let answer::Upstream { connection: kept, permit, .. } = upstream;
    put_back(&connection.worker, kept, &permit);
}

fn put_back(worker: &Worker, kept: crate::upstream::pool::Connection, permit: &Permit) {
    let endpoint = permit.endpoint();
    // It began with who this client is.
    if endpoint.send_proxy_protocol.is_some() {
        return;
    }
    let share = worker.share_of(endpoint.bounds.idle);
    worker.pools.borrow_mut().put(endpoint, kept, share, worker.deadlines.about_now());
}

/// Whether the connection must end with this answer, and the client be told so.
fn must_close(connection: &Connection, desk: &Desk, record: &Record) -> bool {
    let limits = &record.generation.snapshot.limits;
    !desk.request.keep_alive
        || connection.worker.is_draining()
        || limits.requests_per_connection.is_some_and(|most| connection.served >= most)
        || limits.connection_age.is_some_and(|age| record.started.since(connection.opened) >= age)
}

/// Whether a version can be told of chunks.
const fn knows_chunks(version: Version) -> bool {
    matches!(version, Version::Http11 | Version::Http2)
}
