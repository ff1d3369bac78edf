//! Very many WebSockets, on both of whose ends somebody speaks: a message in two halves, again and again.

use super::super::poll_for;
use super::super::ws::{CLOSE, frame, switching, upgrade};
use super::{AT_ONCE, Served, ask, block_on, connect, head};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A message that goes on, and the end of one.
const FIRST_HALF: u8 = 0x01;
const SECOND_HALF: u8 = 0x80;

/// How one end of a WebSocket ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// When its Close came, or what it got instead.
    pub(crate) at: Instant,
    /// The code of the Close; 0 where there was none.
    pub(crate) code: u16,
    /// It came in the middle of a message.
    pub(crate) torn: bool,
    /// Messages that came before.
    pub(crate) messages: u64,
}

/// The server.
pub(crate) struct Talkers {
    served: Served,
    every: Duration,
    seen: Arc<Mutex<Vec<Ended>>>,
}

/// The clients.
pub(crate) struct Tunnels {
    open: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Ended>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Talkers {
    /// Starts the server; both ends say something `every` so often.
    pub(crate) fn start(every: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&seen);
        let served = Served::start(move |mut stream, number| {
            let seen = Arc::clone(&theirs);
            async move {
                let Some(_) = head(&mut stream).await else { return };
                stream.write_all(switching("").as_bytes()).await.unwrap();
                let ended = talk(stream, Vec::new(), false, every, phase(every, number)).await;
                seen.lock().unwrap().push(ended);
            }
        });
        Self { served, every, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// Opens so many to a proxy.
    pub(crate) fn open(&self, to: SocketAddr, count: usize) -> Tunnels {
        let (open, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counted, ends, every) = (Arc::clone(&open), Arc::clone(&seen), self.every);
        let thread = std::thread::spawn(move || block_on(run(to, count, every, counted, ends)));
        poll_for(Duration::from_secs(120), || (open.load(Ordering::Relaxed) == count).then_some(()))
            .expect("not all tunnels opened");
        Tunnels { open, seen, thread: Some(thread) }
    }

    /// How the server's ends have ended so far.
    pub(crate) fn seen(&self) -> Vec<Ended> {
        self.seen.lock().unwrap().clone()
    }
}

impl Tunnels {
    /// Waits for all to have ended; returns how the clients' ends did.
    pub(crate) fn wait(mut self) -> Vec<Ended> {
        let count = self.open.load(Ordering::Relaxed);
        let all = poll_for(Duration::from_secs(60), || (self.seen.lock().unwrap().len() == count).then_some(()));
        let seen = self.seen.lock().unwrap().clone();
        all.unwrap_or_else(|| panic!("{} of {count} have ended", seen.len()));
        self.thread.take().unwrap().join().unwrap();
        seen
    }
}

async fn run(to: SocketAddr, count: usize, every: Duration, open: Arc<AtomicUsize>, seen: Arc<Mutex<Vec<Ended>>>) {
    let mut all = JoinSet::new();
    let request = upgrade("crowd.test", "/ws", "");
    for begun in (0..count).step_by(AT_ONCE) {
        let mut opening = JoinSet::new();
        for number in begun..count.min(begun + AT_ONCE) {
            let request = request.clone();
            opening.spawn(async move {
                let mut stream = connect(to, false).await;
                let behind = ask(&mut stream, &request, "101").await;
                (stream, behind, number)
            });
        }
        while let Some(opened) = opening.join_next().await {
            let (stream, behind, number) = opened.unwrap();
            open.fetch_add(1, Ordering::Relaxed);
            let seen = Arc::clone(&seen);
            all.spawn(async move {
                let ended = talk(stream, behind, true, every, phase(every, number)).await;
                seen.lock().unwrap().push(ended);
            });
        }
    }
    while let Some(one) = all.join_next().await {
        one.unwrap();
    }
}

/// Not all speak at once: a stride that is far from any fraction spreads them.
fn phase(every: Duration, number: usize) -> Duration {
    every * u32::try_from(number * 617 % 1000).unwrap() / 1000
}

/// Says a message in two halves `every` so often, a twentieth of that between them, until a Close comes; answers that.
async fn talk(mut stream: TcpStream, mut input: Vec<u8>, masked: bool, every: Duration, phase: Duration) -> Ended {
    let mut next = tokio::time::Instant::now() + phase;
    let (mut inside, mut speaking, mut messages) = (false, false, 0);
    loop {
        while let Some((first, code, size)) = split(&input) {
            match first {
                CLOSE => {
                    let at = Instant::now();
                    // The far end may be gone already: it has had an answer from the proxy.
                    let _ = stream.write_all(&frame(CLOSE, &code.to_be_bytes(), masked)).await;
                    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut input)).await;
                    return Ended { at, code, torn: inside, messages };
                }
                FIRST_HALF => inside = true,
                SECOND_HALF => {
                    inside = false;
                    messages += 1;
                }
                other => panic!("a frame that nobody sent: {other:#x}"),
            }
            input.drain(..size);
        }
        tokio::select! {
            read = stream.read_buf(&mut input) => if !matches!(read, Ok(1..)) {
                return Ended { at: Instant::now(), code: 0, torn: inside, messages };
            },
            () = tokio::time::sleep_until(next) => {
                let (first, text) = if speaking { (SECOND_HALF, "second half") } else { (FIRST_HALF, "first half, ") };
                let _ = stream.write_all(&frame(first, text.as_bytes(), masked)).await;
                speaking = !speaking;
                next += if speaking { every / 20 } else { every - every / 20 };
            }
        }
    }
}

/// The first whole frame, all of which are short: its first byte, the code that it would have as a Close, its size.
fn split(bytes: &[u8]) -> Option<(u8, u16, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let size = 2 + mask + usize::from(second & 0x7F);
    let (key, payload) = bytes.get(2..size)?.split_at(mask);
    let plain = |at: usize| payload.get(at).map_or(0, |byte| byte ^ key.get(at).unwrap_or(&0));
    Some((first, u16::from_be_bytes([plain(0), plain(1)]), size))
}
