//! The real `switchboard` binary on port 0, with real origins: bytes in, bytes out, both sides asserted.
//!
//! One test binary. Tests named `case_NNN_…` are the numbered cases of SECURITY.md; the others are named for what a
//! user may rely on. Each runs with one worker and with two (`on_workers`), unless it says why not. Nothing here
//! sleeps to wait: everything polls with a deadline.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its harness as well")]

mod harness;

mod access_log;
mod admin;
mod balance;
mod builtin;
mod cache;
mod certs;
mod cli;
mod dashboard;
mod demo;
mod dev;
mod doctor;
mod drain;
mod easegress;
mod experiments;
mod explain;
mod faults;
mod files;
mod founding;
mod framing;
mod h2;
mod health;
mod held;
mod hop;
mod limits;
mod names;
mod path;
mod policies;
mod proxying;
mod reload;
mod sse;
mod target;
mod tls;
mod tracing;
mod tunnel;
