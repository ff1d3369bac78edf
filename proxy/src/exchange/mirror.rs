//! `mirror`: copies of requests for an upstream whose answers nobody reads. A copy is sent by a task of its own, with its
//! own connection, permit and time, behind the request that it is of: whatever becomes of it, that one doesn't notice.
//!
//! Bounded: so many at once, bodies as long as are kept for another attempt, some seconds. The rest is dropped.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::forwarding::Framing as Outgoing;
use switchboard_core::http1::{BodyDecoder, Framing, HeadLimits};
use switchboard_core::snapshot::{Rule, UpstreamId};

use super::admit::Admitted;
use super::bond::Bonds;
use super::policy::identity::read_body;
use super::put_back;
use super::record::Record;
use super::upload::Upload;
use crate::desk::Desk;
use crate::http::Connection;
use crate::live::Permit;
use crate::transport::Transport;
use crate::upstream::Attempts;
use crate::upstream::interim::Interim;
use crate::upstream::send::{Attempt, send};
use crate::worker::Worker;

/// Copies that one worker has under way. Chosen: with their bodies 4 MiB.
const AT_ONCE: u32 = 64;

/// How long a copy may take, its answer included. Chosen.
const PATIENCE: Duration = Duration::from_secs(5);

/// A copy that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Mirror {
    upstream: UpstreamId,
}

/// Whether the request on `desk` is copied. Its body is kept then, where it says that it is short enough.
pub fn wanted(desk: &Desk, admitted: &Admitted, upload: &mut Upload) -> Option<Mirror> {
    let mirror = admitted.rule.policy.as_ref()?.mirror()?;
    let upstream = mirror.upstream?;
    if admitted.upgrade.token().is_some() || !mirror.wants(&desk.request_id) {
        return None;
    }
    upload.keep();
    Some(Mirror { upstream })
}

/// What the task works with.
struct Copy {
    worker: Rc<Worker>,
    peer: Rc<switchboard_core::forwarding::Peer>,
    rule: Arc<Rule>,
    asked: Box<Desk>,
    record: Record,
    permit: Permit,
    framing: Framing,
    /// An answer to HEAD has no body, whatever its head says.
    is_head: bool,
    _place: Place,
}

/// A copy's place among those under way, given back however it ends.
struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>) -> Option<Self> {
        let taken = worker.mirrors.get();
        (taken < AT_ONCE).then(|| {
            worker.mirrors.set(taken + 1);
            Self(Rc::clone(worker))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.mirrors.set(self.0.mirrors.get().saturating_sub(1));
    }
}

/// Sends the copy, if there is to be one: its head is written now, the rest happens by itself. A request that is answered
/// before its body has come whole is not copied.
pub fn begin(
    mirror: Option<Mirror>,
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    upload: &Upload,
) {
    let Some(mirror) = mirror else { return };
    let worker = Rc::clone(&connection.worker);
    let Some(copy) = mirror.copy(connection, desk, record, admitted, upload) else {
        return worker.counters.mirrors_dropped.add(1);
    };
    crate::reactor::spawn(async move {
        let sent = tokio::select! {
            biased;
            sent = copy.go() => sent,
            () = worker.deadlines.sleep(PATIENCE) => false,
        };
        if sent { worker.counters.mirrored.add(1) } else { worker.counters.mirrors_dropped.add(1) }
    });
}

impl Mirror {
    fn copy(
        self,
        connection: &Connection,
        desk: &mut Desk,
        record: &Record,
        admitted: &Admitted,
        upload: &Upload,
    ) -> Option<Copy> {
        let worker = &connection.worker;
        let body = upload.kept()?;
        let place = Place::take(worker)?;
        let mut copied = record.beside(worker);
        let permit =
            Attempts::new(&record.generation, self.upstream, None).pick(worker, &admitted.rule, copied.started).ok()?;
        copied.attempt(permit.index(), worker);
        let framing = match body.len() as u64 {
            0 => Framing::None,
            length => Framing::Length(length),
        };
        let outgoing = match framing {
            Framing::Length(length) => Outgoing::Length(length),
            Framing::None | Framing::Chunked | Framing::Close | Framing::Frames(_) => Outgoing::None,
        };
        // What is being said to the client stays where it is.
        let output = std::mem::take(&mut desk.output);
        let write = |desk: &mut Desk| {
            admitted.write_head_as(connection, desk, record, permit.index(), outgoing, false);
        };
        match Bonds::of_rule(&record.generation, connection, desk, admitted) {
            Some(bonds) => bonds.write_up(desk, write),
            None => write(desk),
        }
        let head = std::mem::replace(&mut desk.output, output);
        let mut asked = worker.desks.lend();
        asked.output.clear();
        asked.output.extend_from_slice(&head);
        asked.input.clear();
        asked.input.put(body);
        let is_head = desk.request.method.of(desk.input.filled()) == b"HEAD";
        let (peer, rule, worker) = (connection.peer.clone(), Arc::clone(&admitted.rule), Rc::clone(worker));
        Some(Copy { worker, peer, rule, asked, record: copied, permit, framing, is_head, _place: place })
    }
}

impl Copy {
    /// Sends it, and reads what comes back so that the connection can be used again. Returns whether it was answered.
    async fn go(self) -> bool {
        let Self { worker, peer, rule, mut asked, mut record, permit, framing, is_head, _place } = self;
        // Nobody waits for the answer: a client that never goes, and never says anything.
        let Some((nobody, _other)) = nobody() else { return false };
        let deadline = worker.deadlines.place();
        let limits = HeadLimits::from(&record.generation.snapshot.limits);
        let trailers = record.generation.snapshot.limits.trailers as usize;
        let attempt = Attempt {
            worker: &worker,
            peer: &peer,
            client: &nobody,
            deadline: &deadline,
            timeouts: &rule.timeouts,
            per_try: None,
            limits: &limits,
            ends: record.started + PATIENCE,
            shared: false,
            upgrades: false,
        };
        let mut upload = Upload::new(framing, None, trailers, None, record.started);
        let mut interim = Interim::deaf();
        let sent = send(&attempt, permit.endpoint(), &mut asked, &mut upload, &mut interim, &mut record).await;
        let answered = sent.is_ok();
        if let Ok(kept) = sent
            && let Ok(framing) = asked.answer.framing(if is_head { b"HEAD" } else { b"GET" })
        {
            let mut body = BodyDecoder::new(framing, trailers);
            let read = read_body(&deadline, &mut asked, &kept.transport, &mut body, rule.timeouts.idle).await;
            // An answer may come before the body is there: what is left of that would be read as the next request.
            let clean = read.is_ok_and(|read| read.is_clean) && upload.is_whole();
            if clean && asked.answer.keep_alive && framing != Framing::Close {
                put_back(&worker, kept, &permit);
            }
        }
        worker.desks.take_back(asked);
        answered
    }
}

/// A socket that is never written to and never closed while it is held, and its other end.
fn nobody() -> Option<(Transport, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    Some((Transport::plain(ours).ok()?, theirs))
}
