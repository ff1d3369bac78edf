//! A log's way out: a bounded queue and a thread that writes.
//!
//! A full disk, a reader that stopped or a file that was moved away costs lines, which are counted, and never a
//! request (case 187). Files are opened again on demand, for log rotation.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use switchboard_core::config::LogSink;

/// Lines that may wait. More are dropped and counted.
const QUEUE_LINES: u64 = 64 * 1024;

/// Batches that may wait; each holds at least one line.
const QUEUE_BATCHES: usize = 8 * 1024;

/// A log's queue. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: AtomicU64,
    dropped: AtomicU64,
}

enum Message {
    Batch { bytes: Vec<u8>, lines: u64 },
    Reopen,
    Flush(SyncSender<()>),
}

impl Sink {
    /// Starts the thread that writes to `target`.
    ///
    /// # Errors
    /// When the file can't be opened or the thread can't be started.
    pub fn start(target: &LogSink, name: &str) -> io::Result<Self> {
        let output = Output::open(target)?;
        let (queue, inbox) = sync_channel(QUEUE_BATCHES);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name(name.into()).spawn(move || write_all(output, &inbox, &shared))?;
        Ok(Self { queue, state })
    }

    /// Queues whole lines. Never waits: what does not fit is dropped and counted.
    pub fn send(&self, bytes: Vec<u8>, lines: u64) {
        if self.state.waiting.fetch_add(lines, Ordering::Relaxed) >= QUEUE_LINES
            || self.queue.try_send(Message::Batch { bytes, lines }).is_err()
        {
            self.state.waiting.fetch_sub(lines, Ordering::Relaxed);
            self.state.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }

    /// How many lines were lost so far.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Opens a file sink again under its name.
    pub fn reopen(&self) {
        let _ = self.queue.try_send(Message::Reopen);
    }

    /// Waits until what is queued is written, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(limit);
        }
    }
}

enum Output {
    Off,
    Stdout,
    Stderr,
    File { path: Box<Path>, file: File },
}

impl Output {
    fn open(target: &LogSink) -> io::Result<Self> {
        Ok(match target {
            LogSink::Off => Self::Off,
            LogSink::Stdout => Self::Stdout,
            LogSink::Stderr => Self::Stderr,
            LogSink::File(path) => Self::File { path: path.as_path().into(), file: append(path)? },
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Off => Ok(()),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(bytes),
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    /// A file that can't be opened again stays as it is: its old descriptor still takes lines.
    fn reopen(&mut self) {
        if let Self::File { path, file } = self
            && let Ok(fresh) = append(path)
        {
            *file = fresh;
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    // Who may read what is asked for is for the operator to say.
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn write_all(mut output: Output, inbox: &Receiver<Message>, state: &State) {
    while let Ok(message) = inbox.recv() {
        match message {
            Message::Batch { bytes, lines } => {
                if output.write(&bytes).is_err() {
                    state.dropped.fetch_add(lines, Ordering::Relaxed);
                }
                state.waiting.fetch_sub(lines, Ordering::Relaxed);
            }
            Message::Reopen => output.reopen(),
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}
