//! The traffic of the bet: each end of each tunnel sends a stream of its own and checks the stream of the other end.
//! Every byte of a stream follows from the stream's number and the byte's offset, so that a byte that is lost, doubled or
//! moved is noticed where it happens.

use std::{
    cell::Cell,
    fmt, io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::JoinHandle,
};

/// So that a stalled reader soon leaves its bytes with the relay and its writer soon waits; but over the 64 KiB segments of
/// the loopback, or TCP waits for larger windows (the silly window rule).
const SOCKET_BUFFER: usize = 128 * 1024;

/// What the flows have to know of the run.
#[derive(Default)]
pub(crate) struct State {
    finished: Cell<bool>,
    moving: Cell<bool>,
    unstalled: Notify,
    received: Cell<u64>,
}

impl State {
    /// Bytes received so far by all.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Lets the stalled readers read.
    pub(crate) fn unstall(&self) {
        self.moving.set(true);
        self.unstalled.notify_waiters();
    }

    /// Has every sender end its stream.
    pub(crate) fn finish(&self) {
        self.finished.set(true);
    }
}

/// One end of a tunnel.
pub(crate) struct Side {
    /// The number of the stream that this end sends.
    stream: usize,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

impl Side {
    pub(crate) fn new(stream: usize, socket: TcpStream) -> io::Result<Side> {
        socket.set_nodelay(true)?;
        let settings = socket2::SockRef::from(&socket);
        settings.set_recv_buffer_size(SOCKET_BUFFER)?;
        settings.set_send_buffer_size(SOCKET_BUFFER)?;
        let (read, write) = socket.into_split();
        Ok(Side { stream, read, write })
    }
}

/// Both ends of a tunnel.
pub(crate) struct Tunnel {
    pub(crate) client: Side,
    pub(crate) server: Side,
    /// Whether its readers stop until `State::unstall`.
    pub(crate) stalls: bool,
}

impl Tunnel {
    /// Starts both streams; the totals are there when both have ended.
    pub(crate) fn flow(self, state: &Rc<State>) -> JoinHandle<io::Result<Totals>> {
        let Tunnel { client, server, stalls } = self;
        let (up, down) = (client.stream, server.stream);
        let tasks = [
            tokio::task::spawn_local(send(client.write, up, stalls, Rc::clone(state))),
            tokio::task::spawn_local(send(server.write, down, stalls, Rc::clone(state))),
        ];
        let checks = [
            tokio::task::spawn_local(check(server.read, up, stalls, Rc::clone(state))),
            tokio::task::spawn_local(check(client.read, down, stalls, Rc::clone(state))),
        ];
        tokio::task::spawn_local(async move {
            let mut totals = Totals::default();
            for (sender, checker) in tasks.into_iter().zip(checks) {
                let sent = sender.await.map_err(io::Error::other)??;
                let (received, pause) = checker.await.map_err(io::Error::other)??;
                totals.add(Totals { flows: 1, sent, received, unequal: usize::from(sent != received), pause });
            }
            Ok(totals)
        })
    }
}

/// Sends chunks of changing size with changing pauses, without pauses while the reader stalls; returns the bytes sent.
async fn send(mut write: OwnedWriteHalf, stream: usize, stalls: bool, state: Rc<State>) -> io::Result<u64> {
    let mut sent = 0_u64;
    let mut chunk = Vec::new();
    while !state.finished.get() {
        let size = 1 + mix(stream as u64, sent) % 1024;
        chunk.clear();
        chunk.extend((sent..sent + size).map(|offset| byte(stream, offset)));
        write.write_all(&chunk).await?;
        // Full sockets pace a stalled stream, until its reader moves again.
        if !stalls || state.moving.get() {
            tokio::time::sleep(Duration::from_millis(mix(sent, stream as u64) % 40)).await;
        }
        sent += size;
    }
    write.shutdown().await?;
    Ok(sent)
}

/// Reads until the end and compares each byte; returns the bytes read and the longest time without one.
async fn check(mut read: OwnedReadHalf, stream: usize, stalls: bool, state: Rc<State>) -> io::Result<(u64, Duration)> {
    let (mut received, mut pause, mut last) = (0_u64, Duration::ZERO, Instant::now());
    let mut buffer = vec![0; 16 * 1024];
    if stalls && !state.moving.get() {
        state.unstalled.notified().await;
        last = Instant::now();
    }
    loop {
        let size = read.read(&mut buffer).await?;
        if size == 0 {
            return Ok((received, pause));
        }
        pause = pause.max(last.elapsed());
        last = Instant::now();
        for (offset, got) in (received..).zip(&buffer[..size]) {
            if *got != byte(stream, offset) {
                return Err(io::Error::other(format!("stream {stream}: byte {offset} is wrong")));
            }
        }
        received += size as u64;
        state.received.set(state.received.get() + size as u64);
    }
}

/// The byte that stands at `offset` of a stream.
fn byte(stream: usize, offset: u64) -> u8 {
    mix(stream as u64, offset).to_le_bytes()[0]
}

/// Spreads two numbers over 64 bits (the finisher of SplitMix64).
fn mix(one: u64, other: u64) -> u64 {
    let mut mixed = one.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(other);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// Sums over streams.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) flows: usize,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    unequal: usize,
    pause: Duration,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Totals) {
        self.flows += other.flows;
        self.sent += other.sent;
        self.received += other.received;
        self.unequal += other.unequal;
        self.pause = self.pause.max(other.pause);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { flows, sent, received, unequal, pause } = self;
        write!(f, "{flows} streams: {sent} bytes sent, {received} received, {unequal} streams unequal; ")?;
        write!(f, "longest pause of any stream {:.1} ms", pause.as_secs_f64() * 1e3)
    }
}
