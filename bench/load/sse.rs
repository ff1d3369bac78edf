//! Event-stream load: many clients of one broadcast. Counts events and measures from the origin's clock to ours, which
//! are the same clock.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{Plan, connect, report::Report, wait_for_go};

const REQUEST: &[u8] = b"GET /sse HTTP/1.1\r\nhost: bench.localhost\r\naccept: text/event-stream\r\n\r\n";
const MARK: &[u8] = b"data: ";
/// Digits of the origin's clock behind the mark.
const STAMP: usize = 20;

/// Listens on every connection until the time is over.
pub(crate) async fn listen(plan: Plan) -> io::Result<Report> {
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let mut stream = connect(plan.to).await?;
        stream.write_all(REQUEST).await?;
        let first = stream.read_u8();
        tokio::time::timeout(Duration::from_secs(10), first).await??;
        streams.push(stream);
    }
    wait_for_go()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        tasks.spawn_local(count(stream, start, plan.time));
    }
    let (mut report, mut held) = (Report::default(), Vec::new());
    while let Some(Ok((part, stream))) = tasks.join_next().await {
        report.merge(part);
        held.push(stream);
    }
    Ok(report.since(start))
}

async fn count(mut stream: TcpStream, start: Instant, time: Duration) -> (Report, TcpStream) {
    let mut report = Report::default();
    let mut buffer = Vec::with_capacity(4096);
    let since_start = now_ns();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        match tokio::time::timeout(left, stream.read_buf(&mut buffer)).await {
            Err(_) => break,
            Ok(Ok(1..)) => take_events(&mut buffer, since_start, &mut report),
            Ok(Ok(0) | Err(_)) => {
                report.errors += 1;
                break;
            }
        }
    }
    (report, stream)
}

/// Counts the whole events of `buffer`, but for those sent before the measurement, and keeps the rest.
fn take_events(buffer: &mut Vec<u8>, since: u64, report: &mut Report) {
    let mut taken = 0;
    while let Some(at) = buffer[taken..].windows(MARK.len()).position(|window| window == MARK) {
        let begin = taken + at + MARK.len();
        let Some(digits) = buffer.get(begin..begin + STAMP) else { break };
        let sent = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        if sent >= since {
            report.add(Duration::from_nanos(now_ns().saturating_sub(sent)));
        }
        taken = begin + STAMP;
    }
    let tail = buffer.len().saturating_sub(MARK.len() + STAMP).max(taken);
    buffer.drain(..tail);
}

/// The monotonic clock, the same for every process of the machine.
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or(0)
}
