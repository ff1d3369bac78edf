//! WebSocket loads: ping-pong of masked messages, small ones and of 64 KiB, and tunnels that stand idle.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{Plan, connect, report::Report, wait_for_go};

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nhost: bench.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What an idle tunnel has carried, and what `echo` sends.
const SMALL: usize = 64;
/// What `messages` sends.
const LARGE: usize = 64 * 1024;

/// A message as a client sends it, and the length of its echo.
struct Message {
    frame: Vec<u8>,
    echo: usize,
}

impl Message {
    /// Of so many bytes `a`.
    fn of(payload: usize) -> Self {
        let mut frame = vec![0x82];
        match payload {
            0..126 => frame.push(0x80 | payload as u8),
            126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        let echo = frame.len() + payload;
        frame.extend([0x5a; 4]);
        frame.resize(frame.len() + payload, b'a' ^ 0x5a);
        Self { frame, echo }
    }
}

/// Small messages.
pub(crate) async fn echo(plan: Plan) -> io::Result<Report> {
    bounce(plan, SMALL).await
}

/// Messages of 64 KiB.
pub(crate) async fn messages(plan: Plan) -> io::Result<Report> {
    bounce(plan, LARGE).await
}

/// Sends a message on each connection and the next when its echo is back.
async fn bounce(plan: Plan, payload: usize) -> io::Result<Report> {
    let message = Rc::new(Message::of(payload));
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let (mut stream, mut echo) = (open(plan.to).await?, vec![0; message.echo]);
        ping(&mut stream, &message, &mut echo).await?;
        streams.push((stream, echo));
    }
    wait_for_go()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (mut stream, mut echo) in streams {
        let message = Rc::clone(&message);
        tasks.spawn_local(async move {
            let mut report = Report::default();
            while start.elapsed() < plan.time {
                let sent = Instant::now();
                match ping(&mut stream, &message, &mut echo).await {
                    Ok(()) => report.add(sent.elapsed()),
                    Err(_) => {
                        report.errors += 1;
                        break;
                    }
                }
            }
            (report, stream)
        });
    }
    // The connections outlive the measurement, so that no tear-down falls into it.
    let (mut report, mut held) = (Report::default(), Vec::new());
    while let Some(Ok((part, stream))) = tasks.join_next().await {
        report.merge(part);
        held.push(stream);
    }
    Ok(report.since(start))
}

/// Holds tunnels, each of which has echoed one message, until the line that ends the measurement.
pub(crate) async fn idle(plan: Plan) -> io::Result<Report> {
    let start = Instant::now();
    let (mut report, mut streams) = (Report::default(), Vec::new());
    let (message, mut echo) = (Message::of(SMALL), [0; SMALL + 2]);
    for _ in 0..plan.connections {
        let begun = Instant::now();
        let mut stream = open(plan.to).await?;
        ping(&mut stream, &message, &mut echo).await?;
        report.add(begun.elapsed());
        streams.push(stream);
    }
    wait_for_go()?;
    Ok(report.since(start))
}

/// Opens a WebSocket and checks that the answer is a whole 101 with nothing behind it.
async fn open(to: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = connect(to).await?;
    stream.write_all(UPGRADE).await?;
    let mut head = Vec::with_capacity(512);
    let answered = tokio::time::timeout(Duration::from_secs(10), async {
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    });
    answered.await??;
    if head.starts_with(b"HTTP/1.1 101") { Ok(stream) } else { Err(io::Error::other("the answer is no 101")) }
}

/// One message there and back; the echo must be the payload, of which a large one is sampled.
async fn ping(stream: &mut TcpStream, message: &Message, echo: &mut [u8]) -> io::Result<()> {
    stream.write_all(&message.frame).await?;
    stream.read_exact(echo).await?;
    let step = if echo.len() > 1024 { 509 } else { 1 };
    // Behind the longest head.
    let right = echo.iter().skip(10).step_by(step).all(|byte| *byte == b'a');
    if right { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
