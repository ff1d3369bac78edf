//! The telemetry thread: writes metrics pages for data listeners and posts spans, so that no worker does.
//!
//! Workers hand over and go on. Both queues are bounded: a page that can't be asked for is refused, spans that nobody
//! takes are dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use instant_acme::BodyWrapper;
use switchboard_core::trace::otlp::{self, Span};
use tokio::sync::{mpsc, oneshot};

use crate::certs::acme::{Client, client_for};
use crate::process::Process;

/// Pages that may be asked for at once.
const PAGES: usize = 64;

/// Batches of spans that may wait.
const BATCHES: usize = 256;

/// A page is written anew when it is so old: scrapers don't come oftener, and others gain nothing.
const FRESH: Duration = Duration::from_millis(500);

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long between two tries, and between two complaints.
const AGAIN: Duration = Duration::from_secs(1);
const COMPLAIN: Duration = Duration::from_secs(60);

/// The way to the telemetry thread.
#[derive(Debug)]
pub struct Exporter {
    pages: mpsc::Sender<oneshot::Sender<Arc<str>>>,
    spans: mpsc::Sender<Vec<Span>>,
    /// Spans that were handed to a receiver.
    pub exported: AtomicU64,
    /// Spans that were lost: nobody took them, or the queue was full.
    pub dropped: AtomicU64,
}

/// What the thread reads.
#[derive(Debug)]
pub struct Inbox {
    pages: mpsc::Receiver<oneshot::Sender<Arc<str>>>,
    spans: mpsc::Receiver<Vec<Span>>,
}

impl Exporter {
    /// Makes both ends.
    pub fn new() -> (Self, Inbox) {
        let (pages, asked) = mpsc::channel(PAGES);
        let (spans, batches) = mpsc::channel(BATCHES);
        let exporter = Self { pages, spans, exported: AtomicU64::new(0), dropped: AtomicU64::new(0) };
        (exporter, Inbox { pages: asked, spans: batches })
    }

    /// The metrics page; `None` where too many ask for it.
    pub async fn page(&self) -> Option<Arc<str>> {
        let (reply, page) = oneshot::channel();
        self.pages.try_send(reply).ok()?;
        page.await.ok()
    }

    /// Hands over spans.
    pub fn take(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.spans.try_send(spans).is_err() {
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// In words, when the system gives none.
pub fn start(process: &Arc<Process>, inbox: Inbox) -> Result<(), String> {
    let process = Arc::clone(process);
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                tokio::join!(pages(&process, inbox.pages), spans(&process, inbox.spans));
            }),
            Err(error) => tracing::error!(%error, "no metrics on data listeners and no traces"),
        }
    };
    let thread = std::thread::Builder::new().name("telemetry".to_owned());
    thread.spawn(run).map(drop).map_err(|error| format!("cannot start the telemetry thread: {error}"))
}

async fn pages(process: &Process, mut asked: mpsc::Receiver<oneshot::Sender<Arc<str>>>) {
    let mut last: Option<(Instant, Arc<str>)> = None;
    while let Some(reply) = asked.recv().await {
        let page = match &last {
            Some((at, page)) if at.elapsed() < FRESH => Arc::clone(page),
            Some(_) | None => Arc::from(crate::admin::metrics::text(process)),
        };
        if last.as_ref().is_none_or(|(_, before)| !Arc::ptr_eq(before, &page)) {
            last = Some((Instant::now(), Arc::clone(&page)));
        }
        let _ = reply.send(page);
    }
}

async fn spans(process: &Process, mut batches: mpsc::Receiver<Vec<Span>>) {
    let mut client: Option<(String, Client)> = None;
    let mut complained: Option<Instant> = None;
    while let Some(mut batch) = batches.recv().await {
        while let Ok(more) = batches.try_recv() {
            batch.extend(more);
        }
        let count = batch.len() as u64;
        let Some(url) = process.generation.load().config.tracing.otlp.clone() else { continue };
        let made = match &client {
            Some((of, made)) if *of == url => Ok(made.clone()),
            Some(_) | None => client_for(&url),
        };
        let result = match made {
            Ok(made) => {
                client = Some((url.clone(), made.clone()));
                let body = Bytes::from(otlp::request(&batch, env!("CARGO_PKG_VERSION")));
                match post(&made, &url, &body).await {
                    Err(_) => {
                        tokio::time::sleep(AGAIN).await;
                        post(&made, &url, &body).await
                    }
                    done => done,
                }
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => drop(process.exporter.exported.fetch_add(count, Ordering::Relaxed)),
            Err(error) => {
                process.exporter.dropped.fetch_add(count, Ordering::Relaxed);
                if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                    complained = Some(Instant::now());
                    tracing::warn!(spans = count, %url, error, "spans were lost: the receiver of `tracing` takes none");
                }
            }
        }
    }
}

/// Posts one request; anything but a 2xx is an error.
async fn post(client: &Client, url: &str, body: &Bytes) -> Result<(), String> {
    let request = hyper::Request::post(url)
        .header("content-type", "application/x-protobuf")
        .body(BodyWrapper::from(body.to_vec()))
        .map_err(|error| error.to_string())?;
    match tokio::time::timeout(PATIENCE, client.request(request)).await {
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("it answered {}", answer.status())),
    }
}
