//! A worker's part of the access log: lines are put together here and handed on in batches.
//!
//! Off costs one comparison. On, a line costs no allocation, no lock and no system call: a batch leaves when it is large
//! enough or [`AGE`] old.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_core::access::{Record, Redact};
use switchboard_core::config::LogFormat;
use switchboard_core::stamp::Stamp;

use crate::deadline::Deadline;
use crate::generation::Generation;
use crate::process::Process;
use crate::telemetry::sink::Sink;
use crate::worker::Worker;

/// A batch of this many bytes leaves at once.
const BATCH: usize = 32 * 1024;

/// How old a line may grow before it leaves.
const AGE: Duration = Duration::from_millis(50);

/// Where a worker's lines gather.
#[derive(Debug)]
pub struct AccessLog {
    process: Arc<Process>,
    batch: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    due: Deadline,
    stamp: RefCell<Stamp>,
    redact: RefCell<(u64, Redact)>,
}

/// How lines look, decided once per configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON objects.
    Json,
    /// Text, with colours or without.
    Text {
        /// Whether a terminal reads it.
        colours: bool,
    },
}

/// Where access lines go, and in which form.
#[derive(Clone, Debug)]
pub struct AccessSink {
    /// The queue.
    pub sink: Sink,
    /// The form.
    pub form: Form,
}

impl Form {
    /// Decides for a sink that is a terminal or not.
    pub const fn of(format: LogFormat, terminal: bool) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text { colours: terminal },
            LogFormat::Auto if terminal => Self::Text { colours: true },
            LogFormat::Auto => Self::Json,
        }
    }
}

impl AccessLog {
    /// Makes an empty one; `due` is woken when a batch is old enough.
    pub fn new(process: Arc<Process>, due: Deadline) -> Self {
        Self {
            process,
            batch: RefCell::default(),
            lines: Cell::new(0),
            due,
            stamp: RefCell::new(Stamp::new()),
            redact: RefCell::new((0, Redact::new(&[]))),
        }
    }

    /// Whether lines are wanted at all: decides before a record is put together.
    pub fn is_on(&self) -> bool {
        self.process.access_on.load(Ordering::Relaxed)
    }

    /// Writes a line. `record.time` is filled in here.
    pub fn write(&self, mut record: Record<'_>, generation: &Generation) {
        let sink = self.process.access.load();
        let Some(AccessSink { form, .. }) = sink.as_ref() else { return };
        let mut redact = self.redact.borrow_mut();
        if redact.0 != generation.number {
            *redact = (generation.number, Redact::new(&generation.snapshot.access_log.redact));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut stamp = self.stamp.borrow_mut();
        record.time = *stamp.rfc3339(since.as_secs(), since.subsec_nanos());
        let mut batch = self.batch.borrow_mut();
        match form {
            Form::Json => record.write_json(&redact.1, &mut batch),
            Form::Text { colours } => record.write_text(&redact.1, *colours, &mut batch),
        }
        self.lines.set(self.lines.get() + 1);
        let full = batch.len() >= BATCH;
        drop(batch);
        if full {
            self.flush();
        } else if self.lines.get() == 1 {
            self.due.set_in(Some(AGE));
        }
    }

    /// Hands the batch on.
    pub fn flush(&self) {
        let lines = self.lines.replace(0);
        if lines == 0 {
            return;
        }
        // The next batch will be about as long: it is given that room at once.
        let mut batch = self.batch.borrow_mut();
        let room = batch.capacity().min(BATCH + 4096);
        let full = std::mem::replace(&mut *batch, Vec::with_capacity(room));
        if let Some(access) = self.process.access.load().as_ref() {
            access.sink.send(full, lines);
        }
        self.due.set_in(None);
    }

    /// Hands batches on when they are old enough, for ever. One task of the worker runs this.
    pub async fn flush_when_due(worker: Rc<Worker>) {
        let log = &worker.access;
        poll_fn(|context| {
            log.due.register(context);
            if log.due.has_come() {
                log.flush();
            }
            Poll::<()>::Pending
        })
        .await;
    }
}
