//! Idle upstream connections of one worker: last in, first out, checked before use.

use std::time::Duration;

use switchboard_core::moment::Moment;

use crate::live::{EndpointLive, PoolId};
use crate::transport::Transport;

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
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
}

#[derive(Debug)]
struct Pool {
    id: PoolId,
    idle_timeout: Duration,
    idle: Vec<(Connection, Moment)>,
}

impl Pools {
    /// Takes an idle connection that is quiet, young enough, and leads to where the endpoint is now.
    pub fn take(&mut self, endpoint: &EndpointLive, now: Moment) -> Option<Connection> {
        let pool = self.list.get_mut(endpoint.pool.slot as usize).filter(|pool| pool.id == endpoint.pool)?;
        while let Some((mut connection, since)) = pool.idle.pop() {
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

    /// Keeps a connection for the next exchange, if this worker's share of the bound allows it.
    pub fn put(&mut self, endpoint: &EndpointLive, connection: Connection, share: usize, now: Moment) {
        if now.since(connection.opened) >= endpoint.bounds.max_age {
            return;
        }
        let slot = endpoint.pool.slot as usize;
        while self.list.len() <= slot {
            self.list.push(Pool { id: endpoint.pool, idle_timeout: Duration::ZERO, idle: Vec::new() });
        }
        let Some(pool) = self.list.get_mut(slot) else { return };
        if pool.id != endpoint.pool {
            // The place belonged to an endpoint that is gone.
            *pool = Pool { id: endpoint.pool, idle_timeout: Duration::ZERO, idle: Vec::new() };
        }
        pool.idle_timeout = endpoint.bounds.idle_timeout;
        if pool.idle.len() < share {
            pool.idle.push((connection, now));
        }
    }

    /// Closes what has been idle for too long or was closed by the other side.
    pub fn sweep(&mut self, now: Moment) {
        for pool in &mut self.list {
            let timeout = pool.idle_timeout;
            pool.idle.retain(|(connection, since)| now.since(*since) < timeout && connection.transport.is_quiet());
            if pool.idle.is_empty() {
                pool.idle.shrink_to_fit();
            }
        }
    }

    /// Closes all of them.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}
