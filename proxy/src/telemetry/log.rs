//! The proxy's own log, through `tracing`: levels, text or JSON, never in the way of anybody.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use std::time::Duration;

use switchboard_core::config::{Log, LogFormat, LogLevel, LogSink};
use tracing_subscriber::fmt::MakeWriter;

use super::sink::Sink;

static SINK: OnceLock<Sink> = OnceLock::new();

/// Starts the log. Later calls change nothing: its settings hold until the next start.
///
/// # Errors
/// When its file can't be opened.
pub fn start(log: &Log) -> io::Result<()> {
    let terminal = match log.to {
        LogSink::Off => return Ok(()),
        LogSink::Stdout => io::stdout().is_terminal(),
        LogSink::Stderr => io::stderr().is_terminal(),
        LogSink::File(_) => false,
    };
    let started = Sink::start(&log.to, "log")?;
    let sink = SINK.get_or_init(|| started);
    let level = match log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(Lines(sink.clone()));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.with_ansi(terminal).try_init() };
    Ok(())
}

/// Opens the log's file again.
pub fn reopen() {
    if let Some(sink) = SINK.get() {
        sink.reopen();
    }
}

/// Waits until what was logged is written, at most `limit`.
pub fn flush(limit: Duration) {
    if let Some(sink) = SINK.get() {
        sink.flush(limit);
    }
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
