//! The origin behind the proxies for what nginx as an origin can't do: an upload sink, a WebSocket echo and event streams.
//! `bench/run` starts it on the core of the load. It believes what `load` sends and must never face a network.
//!
//! `GET /ws` with an upgrade echoes frames, `GET /sse` streams the broadcast events, `POST` swallows its body.

mod websocket;

use std::{io, process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::MissedTickBehavior,
};

/// Every stream gets one event per this time.
const EVENT_EVERY: Duration = Duration::from_millis(10);

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

fn main() -> ExitCode {
    let Some(listen) = std::env::args().nth(1) else {
        eprintln!("usage: origin LISTEN (host:port)");
        return ExitCode::FAILURE;
    };
    match run(&listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("origin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(listen: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        let (events, _) = broadcast::channel(64);
        tokio::task::spawn_local(tick(events.clone()));
        eprintln!("ready");
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let events = events.clone();
            tokio::task::spawn_local(async move {
                // An error here is the end of one connection, which the load counts on its side.
                let _ = serve(client, events).await;
            });
        }
    })
}

/// Broadcasts one event per tick to whoever listens: `data: ` and the monotonic clock in nanoseconds, as one chunk.
async fn tick(events: broadcast::Sender<Vec<u8>>) {
    let mut ticks = tokio::time::interval(EVENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        let event = format!("data: {:020} {}\n\n", now_ns(), "x".repeat(64));
        // No receiver is no error: nobody streams at the moment.
        let _ = events.send(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
}

/// The monotonic clock, the same for every process of the machine.
fn now_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

async fn serve(mut client: TcpStream, events: broadcast::Sender<Vec<u8>>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let request = loop {
            if let Some(request) = parse(&buffer)? {
                break request;
            }
            if client.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let behind = (buffer.len() - request.head) as u64;
        buffer.clear();
        if request.upgrade {
            return websocket::echo(client).await;
        }
        if request.stream {
            return stream(client, events.subscribe()).await;
        }
        swallow(&mut client, request.body.saturating_sub(behind)).await?;
        client.write_all(OK).await?;
    }
}

/// What of a request head decides the answer.
struct Request {
    head: usize,
    body: u64,
    upgrade: bool,
    stream: bool,
}

fn parse(bytes: &[u8]) -> io::Result<Option<Request>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => {
            let field = |name: &str| parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            let length = field("content-length").and_then(|field| std::str::from_utf8(field.value).ok());
            Ok(Some(Request {
                head,
                body: length.and_then(|text| text.parse().ok()).unwrap_or(0),
                upgrade: field("upgrade").is_some(),
                stream: parsed.path == Some("/sse"),
            }))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// Reads and drops `left` bytes.
async fn swallow(client: &mut TcpStream, left: u64) -> io::Result<()> {
    let mut sink = tokio::io::sink();
    let mut body = tokio::io::BufReader::with_capacity(256 * 1024, client.take(left));
    tokio::io::copy_buf(&mut body, &mut sink).await.map(|_| ())
}

/// Sends every event until the client goes. A stream that lags misses events, and the load notices.
async fn stream(mut client: TcpStream, mut events: broadcast::Receiver<Vec<u8>>) -> io::Result<()> {
    client.write_all(STREAM_HEAD).await?;
    loop {
        match events.recv().await {
            Ok(event) => client.write_all(&event).await?,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}
