//! The server of one demo workspace: a page, a text, a WebSocket echo and an event stream, on a port of its own.
//!
//! It is an ordinary HTTP/1.1 server that knows nothing of the proxy before it. It reads heads with the core's codec and
//! serves one request after the other on each connection.

use std::io;
use std::time::Duration;

use switchboard_core::http1::{CHUNK_SUFFIX, Framing, HeadLimits, Progress, RequestHead, chunk_prefix};
use switchboard_core::message::Name;
use switchboard_core::websocket;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::echo::{Echo, Flow};

/// Bounds for a head; the proxy in front has its own.
const LIMITS: HeadLimits = HeadLimits { head: 64 * 1024, field: 32 * 1024, fields: 200, target: 16 * 1024 };

/// Time between two events: fast enough to look alive, slow enough to read.
const TICK: Duration = Duration::from_secs(1);

/// What a workspace serves.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    /// Its name.
    pub(super) name: &'static str,
    /// Its page, `/`.
    pub(super) page: String,
    /// Its text, `/hello`.
    pub(super) hello: String,
}

/// Accepts connections until the process ends.
pub(super) async fn serve(listener: TcpListener, workspace: Workspace) {
    let workspace = std::rc::Rc::new(workspace);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let workspace = std::rc::Rc::clone(&workspace);
                // A connection that breaks is its client's affair.
                tokio::task::spawn_local(async move { connection(stream, &workspace).await.unwrap_or_default() });
            }
            // Out of descriptors: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(mut stream: TcpStream, workspace: &Workspace) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::new();
    let mut head = RequestHead::default();
    loop {
        head.clear();
        loop {
            match head.parse(&input, &LIMITS) {
                Ok(Progress::Complete) => break,
                Ok(Progress::Partial) => {}
                Err(error) => return stream.write_all(&Reply::text(400, error.detail()).message(false, true)).await,
            }
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
        let rest = input.split_off(head.len);
        let method = head.method.of(&input);
        let target = head.target.of(&input);
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        // No path here takes a body; one that comes is not read, so nothing behind it can be.
        let close = !head.keep_alive || !matches!(head.framing, Framing::None | Framing::Length(0));
        let reply = match (method, path) {
            (b"GET" | b"HEAD", b"/") => Reply { fields: HTML, ..Reply::text(200, &workspace.page) },
            (b"GET" | b"HEAD", b"/hello") => Reply::text(200, &workspace.hello),
            (b"GET", b"/sse") => return events(stream, workspace.name).await,
            (b"GET", b"/ws") => match handshake(&head, &input) {
                Some(accept) => return echo(stream, accept, rest, workspace.name).await,
                None => Reply { fields: UPGRADE, ..Reply::text(426, "/ws is a WebSocket of version 13\n") },
            },
            // Neither of the two has a head that could be told without the rest.
            (b"HEAD", b"/sse" | b"/ws") => Reply { fields: ALLOW, ..Reply::text(405, "") },
            (b"GET" | b"HEAD", _) => Reply::text(404, "there are /, /hello, /ws and /sse\n"),
            (_, _) => Reply { fields: ALLOW, ..Reply::text(405, "there are only things to GET\n") },
        };
        stream.write_all(&reply.message(method == b"HEAD", close)).await?;
        if close {
            return Ok(());
        }
        input = rest;
    }
}

const TEXT: &str = "content-type: text/plain; charset=utf-8\r\n";
const HTML: &str = "content-type: text/html; charset=utf-8\r\n";
const ALLOW: &str = "content-type: text/plain; charset=utf-8\r\nallow: GET, HEAD\r\n";
const UPGRADE: &str = "content-type: text/plain; charset=utf-8\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nconnection: upgrade\r\n";

/// An answer with a body.
struct Reply<'a> {
    status: u16,
    fields: &'static str,
    body: &'a str,
}

impl<'a> Reply<'a> {
    const fn text(status: u16, body: &'a str) -> Self {
        Self { status, fields: TEXT, body }
    }

    fn message(&self, is_head: bool, close: bool) -> Vec<u8> {
        let Self { status, fields, body } = self;
        let phrase = switchboard_core::answer::phrase(*status);
        let close = if close { "connection: close\r\n" } else { "" };
        let length = body.len();
        let body = if is_head { "" } else { body };
        format!(
            "HTTP/1.1 {status} {phrase}\r\n{fields}{close}cache-control: no-store\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// The `Sec-WebSocket-Accept` for a request that is a handshake (RFC 6455 §4.2.1).
fn handshake(head: &RequestHead, bytes: &[u8]) -> Option<[u8; 28]> {
    let one = |name| {
        let mut lines = head.fields.named(name).map(|field| field.value.of(bytes));
        lines.next().filter(|_| lines.next().is_none())
    };
    let websocket = one(Name::Upgrade).is_some_and(|token| token.eq_ignore_ascii_case(b"websocket"));
    let sound = head.upgrade && websocket && one(Name::SecWebSocketVersion) == Some(b"13");
    one(Name::SecWebSocketKey).filter(|_| sound && head.method.of(bytes) == b"GET").map(websocket::accept)
}

async fn echo(mut stream: TcpStream, accept: [u8; 28], mut input: Vec<u8>, name: &'static str) -> io::Result<()> {
    let accept = String::from_utf8_lossy(&accept);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    let mut out = head.into_bytes();
    let mut echo = Echo::new(name);
    loop {
        let flow = echo.receive(&mut input, &mut out);
        stream.write_all(&out).await?;
        out.clear();
        if flow == Flow::Closed {
            return stream.shutdown().await;
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// One event at once and then one a second, until the client goes.
async fn events(mut stream: TcpStream, name: &'static str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(TICK);
    let mut number: u64 = 0;
    let mut byte = [0; 1];
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                number += 1;
                let event = format!("id: {number}\ndata: event {number} from workspace {name}\n\n");
                let mut prefix = [0; 18];
                let chunk = [chunk_prefix(event.len(), &mut prefix), event.as_bytes(), CHUNK_SUFFIX].concat();
                stream.write_all(&chunk).await?;
            }
            // Whatever comes here is the end: nothing may follow the request on this connection.
            _ = stream.read(&mut byte) => return Ok(()),
        }
    }
}
