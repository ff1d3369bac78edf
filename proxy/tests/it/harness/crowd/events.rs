//! Very many event streams: each gets an event a second, at a time of its own, and some readers stop reading.

use super::super::poll_for;
use super::{AT_ONCE, Served, ask, block_on, connect, head};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How often a stream gets an event.
const EVERY: Duration = Duration::from_secs(1);
/// What an event of those streams weighs whose readers stop: enough to fill every buffer on the way within seconds.
const HEAVY: usize = 128 * 1024;
const MARK: &[u8] = b"data: ";
/// Digits of the moment behind the mark, in microseconds of this process.
const STAMP: usize = 16;

/// The server.
pub(crate) struct Events {
    served: Served,
    begun: Instant,
    stuck: Arc<AtomicUsize>,
}

/// The readers. Gone when dropped.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    begun: Instant,
    /// Events that were sent later than this count.
    since: AtomicU64,
    delays: Mutex<Vec<u64>>,
}

/// How long events were on their way, in microseconds, the shortest first.
pub(crate) struct Delays(Vec<u64>);

impl Events {
    pub(crate) fn start() -> Self {
        let (begun, stuck) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&stuck);
        let served = Served::start(move |stream, number| {
            let stuck = Arc::clone(&counted);
            async move {
                // An error is the end of one stream, which its reader notices.
                let _ = tell(stream, number, begun, &stuck).await;
            }
        });
        Self { served, begun, stuck }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.served.address
    }

    /// How many streams wait for readers that take nothing.
    pub(crate) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Opens so many streams, of which every tenth is not read.
    pub(crate) fn open(&self, to: SocketAddr, count: usize) -> Readers {
        let (stop, stopped) = oneshot::channel();
        let (opened, all_open) = mpsc::channel();
        let shared =
            Arc::new(Shared { begun: self.begun, since: AtomicU64::new(u64::MAX), delays: Mutex::new(Vec::new()) });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            block_on(async move {
                tokio::select! {
                    () = run(to, count, opened, &theirs) => {}
                    _ = stopped => {}
                }
            });
        });
        all_open.recv_timeout(Duration::from_secs(120)).expect("not all streams opened");
        Readers { shared, stop: Some(stop), thread: Some(thread) }
    }
}

impl Readers {
    /// Measures for so long; tells each second.
    pub(crate) fn measure(&self, time: Duration, mut each_second: impl FnMut()) -> Delays {
        self.shared.since.store(micros(self.shared.begun), Ordering::Relaxed);
        let end = Instant::now() + time;
        while Instant::now() < end {
            each_second();
            poll_for(Duration::from_secs(1), || None::<()>);
        }
        self.shared.since.store(u64::MAX, Ordering::Relaxed);
        let mut delays = std::mem::take(&mut *self.shared.delays.lock().unwrap());
        delays.sort_unstable();
        Delays(delays)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        assert!(ended || std::thread::panicking(), "a stream ended");
    }
}

impl Delays {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The delay that this share of events did not exceed, in milliseconds.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        let micros = self.0.get((self.0.len() * percent / 100).min(self.0.len() - 1)).copied().unwrap_or(0);
        Duration::from_micros(micros).as_secs_f64() * 1000.0
    }
}

fn micros(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap()
}

async fn tell(mut stream: TcpStream, number: usize, begun: Instant, stuck: &AtomicUsize) -> std::io::Result<()> {
    let Some((request, _)) = head(&mut stream).await else { return Ok(()) };
    let heavy = request.starts_with("GET /heavy ");
    if heavy {
        socket2::SockRef::from(&stream).set_send_buffer_size(8192)?;
    }
    let padding = "x".repeat(if heavy { HEAVY } else { 64 });
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:\n\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let first = EVERY * u32::try_from(number * 617 % 1000).unwrap() / 1000;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, EVERY);
    loop {
        ticks.tick().await;
        let event = format!("data: {:0STAMP$} {padding}\n\n", micros(begun));
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        let mut sending = std::pin::pin!(stream.write_all(chunk.as_bytes()));
        if let Ok(sent) = tokio::time::timeout(EVERY / 2, &mut sending).await {
            sent?;
            continue;
        }
        stuck.fetch_add(1, Ordering::Relaxed);
        let sent = sending.await;
        stuck.fetch_sub(1, Ordering::Relaxed);
        sent?;
        ticks.reset();
    }
}

async fn run(to: SocketAddr, count: usize, opened: mpsc::Sender<()>, shared: &Arc<Shared>) {
    let mut reading = JoinSet::new();
    // Those that are not read stay open.
    let mut unread = Vec::new();
    for first in (0..count).step_by(AT_ONCE) {
        let mut opening = JoinSet::new();
        for number in first..count.min(first + AT_ONCE) {
            opening.spawn(async move {
                let heavy = number % 10 == 0;
                let mut stream = connect(to, heavy).await;
                let path = if heavy { "/heavy" } else { "/" };
                let request = format!("GET {path} HTTP/1.1\r\nHost: crowd.test\r\nAccept: text/event-stream\r\n\r\n");
                let behind = ask(&mut stream, &request, "200").await;
                (stream, behind, heavy)
            });
        }
        while let Some(one) = opening.join_next().await {
            match one.unwrap() {
                (stream, _, true) => unread.push(stream),
                (stream, behind, false) => drop(reading.spawn(read(stream, behind, Arc::clone(shared)))),
            }
        }
    }
    opened.send(()).unwrap();
    while let Some(one) = reading.join_next().await {
        one.unwrap();
    }
}

/// Reads for ever, and notes how old each event is.
async fn read(mut stream: TcpStream, mut input: Vec<u8>, shared: Arc<Shared>) {
    loop {
        let mut taken = 0;
        while let Some(at) = input[taken..].windows(MARK.len()).position(|window| window == MARK) {
            let begin = taken + at + MARK.len();
            let Some(digits) = input.get(begin..begin + STAMP) else { break };
            let sent: u64 = std::str::from_utf8(digits).unwrap().parse().unwrap();
            if sent >= shared.since.load(Ordering::Relaxed) {
                shared.delays.lock().unwrap().push(micros(shared.begun).saturating_sub(sent));
            }
            taken = begin + STAMP;
        }
        // What may be the beginning of a mark and its digits stays.
        input.drain(..input.len().saturating_sub(MARK.len() + STAMP).max(taken));
        let read = stream.read_buf(&mut input).await;
        assert!(matches!(read, Ok(1..)), "a stream ended: {read:?}");
    }
}
