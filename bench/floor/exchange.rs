//! One client connection of the floor: request after request, until it closes or becomes a tunnel.
//! Called by `main` for each accepted connection. Holds no buffer while it waits.

use std::{future::poll_fn, io, net::IpAddr, rc::Rc};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    rewrite::{self, Request, Response},
    splice,
    tunnel::Tunnel,
    worker::{Worker, send_now},
};

/// Serves one client. Errors end the connection and are told to nobody: the load sees them.
pub(crate) async fn serve(worker: Rc<Worker>, client: TcpStream, peer: IpAddr) {
    if let Ok(Some((client, upstream))) = until_stream(&worker, client, peer).await {
        // A task of its own: the exchange's future, with its room for heads, ends here.
        tokio::task::spawn_local(Tunnel::new(worker, client, upstream));
    }
}

/// Answers requests until the client closes (`None`) or an answer streams (both sockets, to be tunnelled).
async fn until_stream(
    worker: &Worker,
    mut client: TcpStream,
    peer: IpAddr,
) -> io::Result<Option<(TcpStream, TcpStream)>> {
    let mut early = Vec::new();
    let forwarded = rewrite::forwarded(peer);
    loop {
        let Some(sent) = forward(worker, &mut client, &forwarded, &mut early).await? else { return Ok(None) };
        let Sent { request, mut upstream, body_left } = sent;
        pump(worker, &mut client, &mut upstream, body_left).await?;
        let (response, body_left) = answer(worker, &mut upstream, &client).await?;
        if response.body.is_none() || request.upgrade {
            return Ok(Some((client, upstream)));
        }
        pump(worker, &mut upstream, &mut client, body_left).await?;
        worker.give_back(upstream);
        if request.close {
            return Ok(None);
        }
    }
}

/// A request whose head is on its way upstream.
struct Sent {
    request: Request,
    upstream: TcpStream,
    /// Bytes of body that were not read with the head.
    body_left: u64,
}

/// Reads one request head and sends it on with the body bytes that came with it; `None` when the client has closed.
///
/// In the ordinary case one `recv` and one `send`, with nothing copied but the head into the write scratch.
async fn forward(
    worker: &Worker,
    client: &mut TcpStream,
    forwarded: &str,
    early: &mut Vec<u8>,
) -> io::Result<Option<Sent>> {
    loop {
        let step = poll_fn(|cx| {
            worker.poll_read(client, cx, |read, out| {
                if read.is_empty() {
                    return Ok(Step::Closed);
                }
                if !early.is_empty() {
                    early.extend_from_slice(read);
                }
                let bytes: &[u8] = if early.is_empty() { read } else { early };
                let Some(request) = rewrite::request(bytes, forwarded, out)? else {
                    if early.is_empty() {
                        early.extend_from_slice(read);
                    }
                    return Ok(Step::More);
                };
                let behind = &bytes[request.head..];
                let body_left = request.body.saturating_sub(behind.len() as u64);
                out.extend_from_slice(behind);
                let upstream = worker.pooled();
                let unsent = match &upstream {
                    Some(upstream) => send_now(upstream, out)?,
                    None => out.clone(),
                };
                Ok::<_, io::Error>(Step::Head { request, upstream, unsent, body_left })
            })
        })
        .await??;
        match step {
            Step::Closed => return Ok(None),
            Step::More => {}
            Step::Head { request, upstream, unsent, body_left } => {
                early.clear();
                let mut upstream = match upstream {
                    Some(upstream) => upstream,
                    None => worker.connect().await?,
                };
                upstream.write_all(&unsent).await?;
                return Ok(Some(Sent { request, upstream, body_left }));
            }
        }
    }
}

/// What one read from the client came to.
enum Step {
    Closed,
    More,
    Head { request: Request, upstream: Option<TcpStream>, unsent: Vec<u8>, body_left: u64 },
}

/// Relays the response head with the body bytes behind it; returns how many body bytes are still to come.
async fn answer(worker: &Worker, upstream: &mut TcpStream, client: &TcpStream) -> io::Result<(Response, u64)> {
    let mut early = Vec::new();
    loop {
        let step = poll_fn(|cx| {
            worker.poll_read(upstream, cx, |read, out| {
                if read.is_empty() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                if !early.is_empty() {
                    early.extend_from_slice(read);
                }
                let bytes: &[u8] = if early.is_empty() { read } else { &early };
                let Some(response) = rewrite::response(bytes, out)? else {
                    if early.is_empty() {
                        early.extend_from_slice(read);
                    }
                    return Ok(None);
                };
                let behind = &bytes[response.head..];
                out.extend_from_slice(behind);
                let left = response.body.unwrap_or(0).saturating_sub(behind.len() as u64);
                Ok(Some((send_now(client, out)?, response, left)))
            })
        })
        .await??;
        if let Some((unsent, response, left)) = step {
            send_rest(client, unsent).await?;
            return Ok((response, left));
        }
    }
}

/// Moves exactly `left` bytes of a body.
async fn pump(worker: &Worker, from: &mut TcpStream, to: &mut TcpStream, mut left: u64) -> io::Result<()> {
    if left >= splice::WORTH_IT {
        return worker.pipes.pump(from, to, left).await;
    }
    while left > 0 {
        let unsent = poll_fn(|cx| {
            worker.poll_read(from, cx, |read, _| {
                left = left.saturating_sub(read.len() as u64);
                if read.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { send_now(to, read) }
            })
        })
        .await??;
        send_rest(to, unsent).await?;
    }
    Ok(())
}

/// Sends what a short write left over.
async fn send_rest(to: &TcpStream, unsent: Vec<u8>) -> io::Result<()> {
    let mut rest = &unsent[..];
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Ok(sent) => rest = &rest[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
