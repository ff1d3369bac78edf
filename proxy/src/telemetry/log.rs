//! The proxy's own log, through `tracing`: levels, text or JSON, never in the way of anybody.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use switchboard_core::config::{Log, LogFormat, LogLevel, LogSink};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt, reload};

use super::sink::Sink;

/// What turns events into lines. Behind a box, since the forms are of different types.
type Form = Box<dyn Layer<Registry> + Send + Sync>;

/// The log in force. The form is read by whoever logs, the sink only to open its file again and to wait for it.
static RUNNING: OnceLock<(reload::Handle<Form, Registry>, Mutex<Sink>)> = OnceLock::new();

/// A log that could be opened, and is not in force yet.
pub struct Opened {
    form: Form,
    sink: Sink,
}

/// Starts the log.
///
/// # Errors
/// When its file can't be opened.
pub fn start(log: &Log) -> io::Result<()> {
    put_in_force(open(log)?);
    Ok(())
}

/// Opens the sink of a log, and decides on its form.
///
/// # Errors
/// When its file can't be opened.
pub fn open(log: &Log) -> io::Result<Opened> {
    let terminal = match log.to {
        LogSink::Off | LogSink::File(_) => false,
        LogSink::Stdout => io::stdout().is_terminal(),
        LogSink::Stderr => io::stderr().is_terminal(),
    };
    let level = match log.level {
        _ if log.to == LogSink::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let sink = Sink::start(&log.to, "log")?;
    let lines = fmt::layer().with_target(false).with_ansi(terminal).with_writer(Lines(sink.clone()));
    let form: Form =
        if json { level.and_then(lines.json().flatten_event(true)).boxed() } else { level.and_then(lines).boxed() };
    Ok(Opened { form, sink })
}

/// Puts a log in force. What was logged before still goes where it was to go.
pub fn put_in_force(Opened { form, sink }: Opened) {
    if let Some((running, old)) = RUNNING.get() {
        let _ = running.reload(form);
        *old.lock().unwrap_or_else(PoisonError::into_inner) = sink;
        return;
    }
    let (form, handle) = reload::Layer::new(form);
    if tracing::subscriber::set_global_default(Registry::default().with(form)).is_ok() {
        let _ = RUNNING.set((handle, Mutex::new(sink)));
    }
}

/// Opens the log's file again.
pub fn reopen() {
    if let Some(sink) = sink() {
        sink.reopen();
    }
}

/// Waits until what was logged is written, at most `limit`.
pub fn flush(limit: Duration) {
    if let Some(sink) = sink() {
        sink.flush(limit);
    }
}

fn sink() -> Option<Sink> {
    let (_, sink) = RUNNING.get()?;
    Some(sink.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

#[derive(Clone, Debug)]
struct Lines(Sink);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { sink: self.0.clone(), bytes: Vec::new() }
    }
}

/// One event. It leaves as a whole when it is dropped.
#[derive(Debug)]
struct Line {
    sink: Sink,
    bytes: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.sink.send(std::mem::take(&mut self.bytes), 1);
        }
    }
}
