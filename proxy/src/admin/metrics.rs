//! `GET /metrics`: what Prometheus scrapes. Workers count for themselves; here their counts are added up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use rustix::process::{Resource, getrlimit};
use switchboard_core::reason::Reason;

use super::Plane;
use crate::process::Process;
use crate::telemetry::counters::Counter;
use crate::telemetry::latency;
pub use page::CONTENT_TYPE;
use page::{Kind, Page};

mod listeners;
mod page;
mod things;

/// What goes up and down among the counters of a worker.
const GAUGES: &[&str] = &["connections", "tunnels", "streams", "http2_connections", "tasks"];

/// The metrics of the whole proxy, in the text form of Prometheus.
pub(super) async fn metrics(State(plane): State<Arc<Plane>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text(&plane.process))
}

/// The page. From the first on, durations are measured.
pub fn text(process: &Process) -> String {
    process.watch();
    let mut page = Page::default();
    this_process(&mut page, process);
    workers(&mut page, process);
    listeners::listeners(&mut page, process);
    listeners::lag(&mut page, process);
    cache(&mut page, process);
    let generation = process.generation.load();
    things::routes(&mut page, &generation);
    things::endpoints(&mut page, &generation, process);
    things::upstreams(&mut page, &generation);
    certificates(&mut page, process);
    page.finish()
}

fn this_process(page: &mut Page, process: &Process) {
    let generation = process.generation.load();
    let reload = process.reload.load();
    let started = process.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    page.family("switchboard_build_info", Kind::Gauge, "Which program this is.");
    page.sample("switchboard_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.one("switchboard_start_time_seconds", Kind::Gauge, "When it started, since 1970.", started.as_secs_f64());
    page.one(
        "switchboard_ready",
        Kind::Gauge,
        "Whether new traffic is welcome.",
        f64::from(u8::from(process.is_ready())),
    );
    let draining = f64::from(u8::from(process.draining.load(Ordering::Relaxed)));
    let help = "Whether it ends: the gauges of connections, streams and tunnels tell what is left.";
    page.one("switchboard_draining", Kind::Gauge, help, draining);
    page.one(
        "switchboard_config_generation",
        Kind::Gauge,
        "The configuration in force.",
        page::number(generation.number),
    );
    if let Some(at) = reload.at {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        page.one("switchboard_config_last_reload_timestamp_seconds", Kind::Gauge, "When it was last read again.", at);
        let ok = f64::from(u8::from(reload.ok));
        page.one("switchboard_config_last_reload_successful", Kind::Gauge, "Whether that was put in force.", ok);
    }
    let dropped = process.access.load().as_ref().as_ref().map_or(0, |access| access.sink.dropped());
    let help = "Access lines that the sink was too slow for.";
    page.one("switchboard_access_log_sink_dropped_lines_total", Kind::Counter, help, page::number(dropped));
    let exporter = &process.exporter;
    let spans = [
        ("switchboard_trace_spans_exported_total", "Spans that the receiver of traces took.", &exporter.exported),
        (
            "switchboard_trace_spans_dropped_total",
            "Spans that it did not take, or that there was no room for.",
            &exporter.dropped,
        ),
    ];
    for (name, help, count) in spans {
        page.one(name, Kind::Counter, help, page::number(count.load(Ordering::Relaxed)));
    }
    let most = page::number(process.admission.most);
    page.one("switchboard_connections_limit", Kind::Gauge, "Client connections that there may be at once.", most);
    let held = page::number(process.tunnels_held.bytes());
    page.one("switchboard_tunnels_held_bytes", Kind::Gauge, "What tunnels hold for slow readers.", held);
    page.one("process_start_time_seconds", Kind::Gauge, "When it started, since 1970.", started.as_secs_f64());
    if let Some((resident, descriptors)) = usage() {
        page.one("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", resident);
        page.one("process_open_fds", Kind::Gauge, "Open descriptors.", descriptors);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.one("process_max_fds", Kind::Gauge, "Descriptors that there may be.", page::number(most));
    }
    let help = "Processor time used, in user and system mode.";
    page.one("process_cpu_seconds_total", Kind::Counter, help, processor_time());
}

/// How much is kept of answers.
fn cache(page: &mut Page, process: &Process) {
    let (urls, bytes) = process.generation.load().cache.size();
    page.one("switchboard_cache_urls", Kind::Gauge, "URLs of which answers are kept.", page::number(urls));
    let disk = page::number(process.generation.load().cache.on_disk());
    page.one("switchboard_cache_disk_bytes", Kind::Gauge, "Bytes of kept answers on disk.", disk);
    page.one("switchboard_cache_bytes", Kind::Gauge, "Memory that kept answers take, about.", page::number(bytes));
}

/// When certificates end, out of files and those that come by themselves, and which of these are in trouble.
fn certificates(page: &mut Page, process: &Process) {
    const END: &str = "switchboard_certificate_expiry_timestamp_seconds";
    const TROUBLE: &str = "switchboard_certificate_trouble";
    let generation = process.generation.load();
    let rows = process.certs.status();
    // Several listeners may have the same name: what ends first is what somebody has to know.
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let by_themselves = rows.iter().filter_map(|row| Some((&*row.name, row.not_after?)));
    for (name, end) in generation.tls.ends().chain(by_themselves) {
        ends.entry(name).and_modify(|first| *first = end.min(*first)).or_insert(end);
    }
    if !ends.is_empty() {
        page.family(END, Kind::Gauge, "When the certificate of a name ends, since 1970.");
        for (name, end) in ends.into_iter().take(MOST_CERTIFICATES) {
            page.sample(END, &[("name", name)], page::number(end));
        }
    }
    if rows.is_empty() {
        return;
    }
    page.family(TROUBLE, Kind::Gauge, "Whether the last try to get or renew the certificate of a name failed.");
    for row in rows.iter().take(MOST_CERTIFICATES) {
        page.sample(TROUBLE, &[("name", &row.name)], f64::from(u8::from(row.trouble.is_some())));
    }
}

/// Names that a page tells of at most: those under wildcards are chosen by others.
const MOST_CERTIFICATES: usize = 1000;

/// What the workers count, added up.
fn workers(page: &mut Page, process: &Process) {
    let mut totals: Vec<(&'static str, &'static str, u64)> = Vec::new();
    for worker in &process.workers {
        for (index, (name, help, value)) in worker.counters.each().enumerate() {
            match totals.get_mut(index) {
                Some(total) => total.2 = total.2.wrapping_add(value),
                None => totals.push((name, help, value)),
            }
        }
    }
    let classes = totals.iter().filter_map(|(name, _, value)| Some((name.strip_prefix("status_")?, *value)));
    page.family("switchboard_responses_total", Kind::Counter, "Answers by class of status; 1xx are interim ones.");
    for (class, value) in classes {
        page.sample("switchboard_responses_total", &[("class", class)], page::number(value));
    }
    for (name, help, value) in totals.iter().filter(|(name, ..)| !name.starts_with("status_")) {
        let gauge = GAUGES.contains(name);
        let metric = if gauge { format!("switchboard_{name}") } else { format!("switchboard_{}_total", unit(name)) };
        page.one(&metric, if gauge { Kind::Gauge } else { Kind::Counter }, help, page::number(*value));
    }
    page.family("switchboard_duration_seconds", Kind::Histogram, "How long exchanges took, tunnels left out.");
    page.histogram("switchboard_duration_seconds", &[], &latency::all(process));
    page.family("switchboard_reasons_total", Kind::Counter, "Exchanges that the proxy ended itself, by reason.");
    for (index, reason) in Reason::ALL.iter().enumerate() {
        let counters = process.workers.iter().filter_map(|worker| worker.counters.reasons.get(index));
        let count = counters.map(Counter::read).sum();
        page.sample("switchboard_reasons_total", &[("reason", reason.code())], page::number(count));
    }
}

/// The unit goes last in the name of a metric.
fn unit(name: &str) -> String {
    match name.split_once('_') {
        Some(("bytes", direction)) => format!("{direction}_bytes"),
        Some(_) | None => name.to_owned(),
    }
}

/// Memory in bytes and open descriptors of this process, where the system tells.
fn usage() -> Option<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
    let descriptors = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some((kibibytes * 1024.0, f64::from(u32::try_from(descriptors).unwrap_or(u32::MAX))))
}

/// Processor time of this process so far, in seconds.
fn processor_time() -> f64 {
    let busy = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(busy).unwrap_or_default().as_secs_f64()
}

/// A text in the form of a label's value.
fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            c => into.push(c),
        }
    }
}

/// Writes a number as the form wants it.
fn write_number(into: &mut String, value: f64) {
    // Writing to a text can't fail.
    let _ = write!(into, "{value}");
}
