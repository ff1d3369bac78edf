//! Where log lines go, and in which form: the access log's and the proxy's own.

use std::path::PathBuf;

/// Where access lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The sink.
    pub to: LogSink,
    /// The form of a line.
    pub format: LogFormat,
    /// Query parameters whose values are masked besides the built-in ones, lower case.
    pub redact: Vec<String>,
}

/// The proxy's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Which lines.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
    /// The sink.
    pub to: LogSink,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSink {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to, reopened on SIGUSR1.
    File(PathBuf),
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Which lines of the proxy's own log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what a developer wants to know.
    Debug,
}
