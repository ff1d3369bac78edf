//! WebSocket loads: ping-pong of 64-byte masked messages, and tunnels that stand idle.

use std::{
    io,
    net::SocketAddr,
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

const PAYLOAD: usize = 64;
/// Two bytes before an unmasked payload of under 126 bytes.
const ECHO: usize = 2 + PAYLOAD;

/// Sends a message on each connection and the next when its echo is back.
pub(crate) async fn echo(plan: Plan) -> io::Result<Report> {
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let mut stream = open(plan.to).await?;
        ping(&mut stream).await?;
        streams.push(stream);
    }
    wait_for_go()?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        tasks.spawn_local(async move {
            let mut report = Report::default();
            while start.elapsed() < plan.time {
                let sent = Instant::now();
                match ping(&mut stream).await {
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
    for _ in 0..plan.connections {
        let begun = Instant::now();
        let mut stream = open(plan.to).await?;
        ping(&mut stream).await?;
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

/// One message there and back; the echo must be the payload.
async fn ping(stream: &mut TcpStream) -> io::Result<()> {
    let mut frame = [0; 2 + 4 + PAYLOAD];
    frame[..6].copy_from_slice(&[0x82, 0x80 | PAYLOAD as u8, 0x5a, 0x5a, 0x5a, 0x5a]);
    frame[6..].fill(b'a' ^ 0x5a);
    stream.write_all(&frame).await?;
    let mut echo = [0; ECHO];
    stream.read_exact(&mut echo).await?;
    if echo[2..].iter().all(|byte| *byte == b'a') { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
