//! Loads of plain HTTP/1: 1 MiB uploads and downloads over kept connections, and one connection per request.

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

const MIB: usize = 1024 * 1024;

/// The six ordinary fields that each request has besides Host, as `bench/run` gives them to wrk.
const FIELDS: &str = "accept: text/html,application/xhtml+xml,application/xml;q=0.9\r\n\
    accept-encoding: gzip, deflate, br\r\naccept-language: en-GB,en;q=0.9\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\ncookie: session=0123456789abcdef\r\n\
    referer: http://bench.localhost/before\r\n";

/// Which body is large.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    Upload,
    Download,
}

/// Sends requests over kept connections until the time is over.
pub(crate) async fn exchanges(plan: Plan, load: Load) -> io::Result<Report> {
    let request = match load {
        Load::Download => format!("GET /1m HTTP/1.1\r\nhost: bench.localhost\r\n{FIELDS}\r\n").into_bytes(),
        Load::Upload => {
            let head =
                format!("POST /upload HTTP/1.1\r\nhost: bench.localhost\r\n{FIELDS}content-length: {MIB}\r\n\r\n");
            [head.as_bytes(), &vec![b'x'; MIB]].concat()
        }
    };
    // Leaked once: every task of the process sends the same bytes until it ends.
    let request: &'static [u8] = request.leak();
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let mut stream = connect(plan.to).await?;
        exchange(&mut stream, request, &mut Vec::new()).await?;
        streams.push(stream);
    }
    wait_for_go()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        tasks.spawn_local(async move {
            let (mut report, mut buffer) = (Report::default(), Vec::with_capacity(256 * 1024));
            while start.elapsed() < plan.time {
                let sent = Instant::now();
                let outcome = exchange(&mut stream, request, &mut buffer).await;
                report.count_one(&outcome, sent);
                // A proxy may end a connection after so many requests, if it says so; the next opens another.
                match outcome {
                    Ok(End::Kept) => {}
                    Ok(End::Closes) => match connect(plan.to).await {
                        Ok(another) => stream = another,
                        Err(_) => break,
                    },
                    Err(_) => break,
                }
            }
            report
        });
    }
    Ok(joined(tasks).await.since(start))
}

/// Sends each request on a connection of its own.
pub(crate) async fn connects(plan: Plan) -> io::Result<Report> {
    let request = format!("GET / HTTP/1.1\r\nhost: bench.localhost\r\n{FIELDS}connection: close\r\n\r\n");
    let request: &'static str = request.leak();
    wait_for_go()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..plan.connections {
        tasks.spawn_local(async move {
            let (mut report, mut buffer) = (Report::default(), Vec::with_capacity(4096));
            while start.elapsed() < plan.time {
                let begun = Instant::now();
                match one_connection(plan, request, &mut buffer).await {
                    Ok(()) => report.add(begun.elapsed()),
                    Err(_) => report.errors += 1,
                }
            }
            report
        });
    }
    Ok(joined(tasks).await.since(start))
}

async fn one_connection(plan: Plan, request: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = connect(plan.to).await?;
    stream.write_all(request.as_bytes()).await?;
    buffer.clear();
    while stream.read_buf(buffer).await? > 0 {}
    if buffer.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Sends one request and reads its answer whole.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<End> {
    // An upload whose answer never comes must fail the load, not hang it.
    tokio::time::timeout(Duration::from_secs(10), async {
        stream.write_all(request).await?;
        buffer.clear();
        let (mut left, end) = loop {
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((length, end)) = response_length(buffer)? {
                break (length.saturating_sub(buffer.len()), end);
            }
        };
        while left > 0 {
            buffer.clear();
            let read = stream.read_buf(buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(read);
        }
        Ok(end)
    })
    .await?
}

/// Whether a connection may be used again.
enum End {
    Kept,
    Closes,
}

/// The length of a whole 200, head and body, and what becomes of the connection; once its head is whole.
fn response_length(bytes: &[u8]) -> io::Result<Option<(usize, End)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let field = |name: &str| parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let length = field("content-length").and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
    let closes = field("connection").is_some_and(|field| field.value.eq_ignore_ascii_case(b"close"));
    match (parsed.code, length) {
        (Some(200), Some(body)) => Ok(Some((head + body, if closes { End::Closes } else { End::Kept }))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn joined(mut tasks: JoinSet<Report>) -> Report {
    let mut report = Report::default();
    while let Some(Ok(part)) = tasks.join_next().await {
        report.merge(part);
    }
    report
}
