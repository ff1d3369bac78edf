//! Idle upstream connections of one worker: last in, first out, checked before use.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use switchboard_core::moment::Moment;

use crate::http::h2::Link;
use crate::live::{EndpointLive, PoolId};
use crate::telemetry::meter::{EndpointCounts, Meter};
use crate::transport::Transport;
use crate::worker::Worker;

/// How long a connection beyond the bound stays idle before it is closed. Under load the number of idle ones swings by
/// hundreds within milliseconds, with HTTP/2 clients above all: to close at the top of a swing would be to open again at its
/// bottom. Chosen.
const SWING: Duration = Duration::from_secs(1);

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Connection {
    /// The socket, or a stream of a connection that others share.
    pub transport: Transport,
    /// Which list of places it was opened by: another list may lead elsewhere.
    pub version: u32,
    /// When it was opened.
    pub opened: Moment,
    /// Whether it has served an exchange before.
    pub reused: bool,
}

/// All pools of one worker. The endpoint knows its place in the list.
#[derive(Debug, Default)]
pub struct Pools {
    list: Vec<Pool>,
    /// What metrics were told of pools that are gone.
    gone: Vec<Told>,
}

#[derive(Debug)]
struct Pool {
    id: PoolId,
    idle_timeout: Duration,
    /// This worker's share of the bound on idle connections.
    share: usize,
    /// Those that were put back first stand in front, more or less.
    idle: Vec<(Connection, Moment)>,
    /// The turn of the reactor in which one was last put back, and how many stood there before.
    turn: u64,
    older: usize,
    /// Connections that exchanges share, and when each was last used.
    links: Vec<(Link, Moment)>,
    /// Somebody is opening a link; these wait for it.
    dialling: bool,
    waiting: Vec<Waker>,
    told: Told,
}

/// How many idle connections metrics know of, and whose they are.
#[derive(Debug, Default)]
struct Told {
    meter: Option<Arc<Meter<EndpointCounts>>>,
    count: u64,
}

impl Told {
    /// Tells how many there are now. Pools that follow each other may have one meter, so what has changed is told.
    fn tell(&mut self, count: u64, worker: &Worker) {
        if count != self.count
            && let Some(counts) = self.meter.as_ref().and_then(|meter| meter.of(worker))
        {
            counts.idle.add(count.wrapping_sub(self.count));
            self.count = count;
        }
    }
}

impl Pool {
    fn new(id: PoolId) -> Self {
        let (idle, links, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            id,
            idle_timeout: Duration::ZERO,
            share: 0,
            idle,
            turn: 0,
            older: 0,
            links,
            dialling: false,
            waiting,
            told: Told::default(),
        }
    }
}

impl Pools {
    /// Takes an idle connection that is quiet, young enough, and leads to where the endpoint is now. For one that
    /// `upgrades`, a shared one alone, over TLS only where the endpoint takes tunnels on it: a kept connection may be closed
    /// at that moment, and a handshake is never sent twice.
    pub fn take(&mut self, endpoint: &EndpointLive, now: Moment, upgrades: bool) -> Option<Connection> {
        let pool = self.list.get_mut(endpoint.pool.slot as usize).filter(|pool| pool.id == endpoint.pool)?;
        let tunnels = upgrades && endpoint.tls.is_some();
        if pool.links.iter().any(|(link, _)| !tunnels || link.takes_tunnels()) {
            return pool.stream(endpoint, now);
        }
        if upgrades {
            return None;
        }
        while pool.may_lend() {
            let (mut connection, since) = pool.idle.pop()?;
            let fresh = now.since(since) < endpoint.bounds.idle_timeout
                && now.since(connection.opened) < endpoint.bounds.max_age
                && endpoint.places.version() == connection.version;
            if fresh && connection.transport.is_quiet() {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Whether some would be there in the next turn of the reactor.
    pub fn will_have(&self, endpoint: &EndpointLive) -> bool {
        let pool = self.list.get(endpoint.pool.slot as usize).filter(|pool| pool.id == endpoint.pool);
        pool.is_some_and(|pool| pool.links.is_empty() && !pool.idle.is_empty())
    }

    /// Keeps a connection for the next exchange, unless none are kept. What there is beyond `share` goes with a later sweep,
    /// if nobody takes it before: there are never more than were in use at once.
    pub fn put(&mut self, endpoint: &EndpointLive, connection: Connection, share: usize, now: Moment) {
        if now.since(connection.opened) >= endpoint.bounds.max_age || connection.transport.takes_heads() {
            return;
        }
        let Some(pool) = self.place(endpoint) else { return };
        pool.idle_timeout = endpoint.bounds.idle_timeout;
        pool.share = share;
        if share > 0 {
            pool.keep(connection, now);
        }
    }

    /// The endpoint's pool, made where there is none.
    fn place(&mut self, endpoint: &EndpointLive) -> Option<&mut Pool> {
        let slot = endpoint.pool.slot as usize;
        while self.list.len() <= slot {
            self.list.push(Pool::new(endpoint.pool));
        }
        let pool = self.list.get_mut(slot)?;
        if pool.id != endpoint.pool {
            // The place belonged to an endpoint that is gone.
            let mut gone = std::mem::replace(pool, Pool::new(endpoint.pool));
            self.gone.push(std::mem::take(&mut gone.told));
        }
        if pool.told.meter.is_none() {
            pool.told.meter = Some(Arc::clone(&endpoint.meter));
        }
        Some(pool)
    }

    /// Claims the opening of a link; false where somebody else is at it, and will wake the caller.
    pub fn claim(&mut self, endpoint: &EndpointLive, context: &Context<'_>) -> bool {
        let Some(pool) = self.place(endpoint) else { return true };
        if pool.dialling {
            // Who waits is polled for other reasons too, and stands here once.
            if !pool.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                pool.waiting.push(context.waker().clone());
            }
            return false;
        }
        pool.dialling = true;
        true
    }

    /// Ends a claim, with the link that came of it.
    pub fn settle(&mut self, endpoint: &EndpointLive, link: Option<(Link, Moment)>) {
        let Some(pool) = self.place(endpoint) else { return };
        pool.dialling = false;
        pool.idle_timeout = endpoint.bounds.idle_timeout;
        pool.links.extend(link);
        pool.waiting.drain(..).for_each(Waker::wake);
    }

    /// Closes what has been idle for too long or was closed by the other side.
    pub fn sweep(&mut self, now: Moment, worker: &Worker) {
        self.gone.drain(..).for_each(|mut told| told.tell(0, worker));
        for pool in &mut self.list {
            let timeout = pool.idle_timeout;
            let mut beyond = pool.idle.len().saturating_sub(pool.share);
            pool.idle.retain(|(connection, since)| {
                let is_over = beyond > 0 && now.since(*since) >= SWING;
                beyond -= usize::from(is_over);
                !is_over && now.since(*since) < timeout && connection.transport.is_quiet()
            });
            // Whichever are left may be of this turn.
            pool.older = 0;
            if pool.idle.is_empty() {
                pool.idle.shrink_to_fit();
            }
            pool.links.retain_mut(|(link, since)| {
                if !link.is_idle() {
                    *since = now;
                }
                !link.has_ended() && now.since(*since) < timeout
            });
            let idle = pool.idle.len() + pool.links.iter().filter(|(link, _)| link.is_idle()).count();
            pool.told.tell(idle as u64, worker);
        }
    }

    /// Closes what nobody uses.
    pub fn spare(&mut self) {
        for pool in &mut self.list {
            (pool.idle, pool.older) = (Vec::new(), 0);
            pool.links.retain(|(link, _)| !link.is_idle());
        }
    }

    /// Closes all of them.
    pub fn clear(&mut self, worker: &Worker) {
        self.list.drain(..).for_each(|mut pool| pool.told.tell(0, worker));
    }
}

impl Drop for Pool {
    /// Who waits for a connection that somebody opens tries by itself: the one who opens it will find another pool here.
    fn drop(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Pool {
    /// Puts one in.
    fn keep(&mut self, connection: Connection, now: Moment) {
        let turn = connection.transport.turn();
        if self.turn != turn {
            (self.turn, self.older) = (turn, self.idle.len());
        }
        self.idle.push((connection, now));
    }

    /// Whether there is one that was put back before this turn of the reactor; it stands last then. What an endpoint sends
    /// behind its answer comes a moment later: until the reactor has looked once more nobody knows of it, and it would be the
    /// next request's answer.
    fn may_lend(&mut self) -> bool {
        match self.idle.last() {
            Some((last, _)) if self.turn != last.transport.turn() => true,
            Some(_) => self.bring_older(),
            None => false,
        }
    }

    /// Brings the youngest of those that were there before this turn to the end.
    #[cold]
    fn bring_older(&mut self) -> bool {
        let Some(place) = self.older.checked_sub(1) else { return false };
        self.older = place;
        let last = self.idle.len() - 1;
        self.idle.swap(place, last);
        true
    }

    /// A stream of a link that has room, is young enough, and leads to where the endpoint is now. Others end when their
    /// last stream has.
    fn stream(&mut self, endpoint: &EndpointLive, now: Moment) -> Option<Connection> {
        self.links.retain(|(link, _)| {
            !link.has_ended()
                && now.since(link.opened) < endpoint.bounds.max_age
                && endpoint.places.version() == link.version
        });
        let (link, since) = self.links.iter_mut().find(|(link, _)| link.has_room())?;
        *since = now;
        let transport = Transport::Stream(Box::new(link.stream()));
        Some(Connection { transport, version: link.version, opened: link.opened, reused: true })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::reactor;

    #[test]
    fn none_is_lent_in_the_turn_in_which_it_came_back() {
        let lent = reactor::run(async {
            let mut others = Vec::new();
            let mut connection = |version| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                others.push(theirs);
                let transport = Transport::plain(ours.into()).unwrap();
                Connection { transport, version, opened: Moment::ZERO, reused: true }
            };
            let mut pool = Pool::new(PoolId { slot: 0, serial: 0 });
            let next = |pool: &mut Pool| {
                if pool.may_lend() { pool.idle.pop().map(|(connection, _)| connection.version) } else { None }
            };
            pool.keep(connection(1), Moment::ZERO);
            pool.keep(connection(2), Moment::ZERO);
            let mut lent = vec![next(&mut pool)];
            reactor::next_turn().await;
            pool.keep(connection(3), Moment::ZERO);
            lent.extend((0..3).map(|_| next(&mut pool)));
            reactor::next_turn().await;
            lent.push(next(&mut pool));
            lent
        });
        assert_eq!(lent.unwrap(), [None, Some(2), Some(1), None, Some(3)]);
    }
}
