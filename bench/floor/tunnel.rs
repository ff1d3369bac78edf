//! A tunnel of the floor: two sockets and, only after a short write, the bytes that are still to go.
//! Spawned by `exchange` after a 101 or for an answer that streams. Never looks at the bytes.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{io::AsyncWrite, net::TcpStream};

use crate::worker::{Worker, send_now};

/// Both directions of a tunnel, polled by hand so that an idle one costs its two sockets and little more.
pub(crate) struct Tunnel {
    worker: Rc<Worker>,
    client: TcpStream,
    upstream: TcpStream,
    to_client: Vec<u8>,
    to_upstream: Vec<u8>,
}

impl Tunnel {
    pub(crate) fn new(worker: Rc<Worker>, client: TcpStream, upstream: TcpStream) -> Tunnel {
        Tunnel { worker, client, upstream, to_client: Vec::new(), to_upstream: Vec::new() }
    }
}

impl Future for Tunnel {
    type Output = ();

    /// Ends when either side has ended: the floor knows no half-close.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Tunnel { worker, client, upstream, to_client, to_upstream } = &mut *self;
        let down = flow(worker, upstream, client, to_client, cx);
        let up = flow(worker, client, upstream, to_upstream, cx);
        if down.is_ready() || up.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Moves bytes one way until nothing more can be read or sent. Nothing is read while bytes are unsent.
fn flow(
    worker: &Worker,
    from: &mut TcpStream,
    to: &mut TcpStream,
    unsent: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        while !unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *to).poll_write(cx, unsent))?;
            if sent == unsent.len() {
                *unsent = Vec::new();
            } else {
                unsent.drain(..sent);
            }
        }
        *unsent = ready!(worker.poll_read(from, cx, |read, _| {
            if read.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { send_now(to, read) }
        }))??;
    }
}
