//! Thousands of clients and the server behind the proxy, both in this process.
//!
//! A crowd is there to be held against a clock, so it must cost less than what it measures: two threads, one for
//! the clients and one for the server, each with a runtime of its own.

pub(crate) mod events;
pub(crate) mod tunnels;

use std::future::Future;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// How many connections are opened at a time: fewer than any backlog.
const AT_ONCE: usize = 64;

/// A server on a thread of its own, which ends when this is dropped.
struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Gives each connection and its number to `serve`.
    fn start<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        allow_descriptors();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, serve) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for number in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, number));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Connects. Where nobody is going to read, with little room: small segments and a small buffer, as over a real network.
async fn connect(to: SocketAddr, unread: bool) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if unread {
        socket.set_recv_buffer_size(4096).unwrap();
        socket2::SockRef::from(&socket).set_tcp_mss(1400).unwrap();
    }
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads a head; returns it as text, and what came behind it.
async fn head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = bytes.split_off(end + 4);
            return Some((String::from_utf8_lossy(&bytes).into_owned(), behind));
        }
    }
}

/// Sends a request and reads the answer's head, which must have this status; returns what came behind it.
async fn ask(stream: &mut TcpStream, request: &str, status: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(30), head(stream)).await;
    let (answer, behind) = answered.expect("no answer in time").expect("no answer");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    behind
}

/// As many descriptors as this process may have.
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}
