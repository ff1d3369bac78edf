//! A worker's part of what is traced: spans gather here and go to the telemetry thread in batches.

use std::cell::RefCell;
use std::sync::Arc;

use switchboard_core::trace::otlp::Span;

use crate::process::Process;

/// A batch of this many leaves at once; a smaller one within a second.
const BATCH: usize = 64;

/// Where they gather.
#[derive(Debug)]
pub struct Spans {
    process: Arc<Process>,
    batch: RefCell<Vec<Span>>,
}

impl Spans {
    /// Makes an empty one.
    pub fn new(process: Arc<Process>) -> Self {
        Self { process, batch: RefCell::default() }
    }

    /// Adds the spans of one exchange.
    pub fn add(&self, mut spans: Vec<Span>) {
        let mut batch = self.batch.borrow_mut();
        batch.append(&mut spans);
        let full = batch.len() >= BATCH;
        drop(batch);
        if full {
            self.flush();
        }
    }

    /// Hands the batch on. The worker calls it each second, and when it ends.
    pub fn flush(&self) {
        let batch = std::mem::take(&mut *self.batch.borrow_mut());
        if !batch.is_empty() {
            self.process.exporter.take(batch);
        }
    }
}
