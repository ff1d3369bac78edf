//! An origin whose every answer is scripted and whose every received byte is kept.

use super::message::Message;
use super::wire::{Wire, narrow};
use super::{TempDir, poll};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What one connection brought.
#[derive(Default)]
pub(crate) struct Record {
    bytes: Mutex<Vec<u8>>,
    ended: AtomicBool,
    shared: Arc<Shared>,
}

impl Record {
    pub(crate) fn received(&self, bytes: &[u8]) {
        self.bytes.lock().unwrap().extend_from_slice(bytes);
    }

    pub(crate) fn ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(crate) fn began(&self, head: &Message) {
        self.shared.heads.lock().unwrap().push(head.clone());
    }

    pub(crate) fn finished(&self, request: &Message) {
        self.shared.requests.lock().unwrap().push(request.clone());
    }
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<Record>>>,
    heads: Mutex<Vec<Message>>,
    requests: Mutex<Vec<Message>>,
    failures: Mutex<Vec<String>>,
    open: AtomicUsize,
    closing: AtomicBool,
}

/// Where an origin listens.
#[derive(Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A listening origin. Each connection runs the script in a thread of its own.
pub(crate) struct Origin {
    place: Place,
    shared: Arc<Shared>,
    _dir: Option<TempDir>,
}

impl Origin {
    /// Starts an origin on 127.0.0.1. The script gets the connection and its number, from 0.
    pub(crate) fn start(script: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Starts an origin at an address.
    pub(crate) fn start_at(at: SocketAddr, script: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap());
        Self::serve(place, None, script, move || listener.accept().map(|(s, _)| Wire::from_tcp(s)))
    }

    /// Starts an origin whose connections have little room in the kernel, so that back-pressure shows soon.
    pub(crate) fn start_narrow(script: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        narrow(&socket2::SockRef::from(&listener));
        let place = Place::Tcp(listener.local_addr().unwrap());
        Self::serve(place, None, script, move || listener.accept().map(|(s, _)| Wire::from_tcp(s)))
    }

    /// Starts an origin whose connections leave little room in the kernel on the other end too: segments as on a real
    /// network, and a small window.
    pub(crate) fn start_tight(script: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_tcp_mss(536).unwrap();
        socket.set_recv_buffer_size(2 * 1024).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(64).unwrap();
        let listener = TcpListener::from(socket);
        let place = Place::Tcp(listener.local_addr().unwrap());
        Self::serve(place, None, script, move || listener.accept().map(|(s, _)| Wire::from_tcp(s)))
    }

    /// Starts an origin on a unix socket.
    pub(crate) fn start_unix(script: impl Fn(&mut Wire, usize) + Send + Sync + 'static) -> Self {
        let dir = TempDir::new();
        let path = dir.file("origin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self::serve(Place::Unix(path), Some(dir), script, move || listener.accept().map(|(s, _)| Wire::from_unix(s)))
    }

    fn serve(
        place: Place,
        dir: Option<TempDir>,
        script: impl Fn(&mut Wire, usize) + Send + Sync + 'static,
        mut accept: impl FnMut() -> std::io::Result<Wire> + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let script = Arc::new(script);
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(wire) = accept() {
                if ours.closing.load(Ordering::SeqCst) {
                    return;
                }
                let record = Arc::new(Record { shared: Arc::clone(&ours), ..Record::default() });
                let number = {
                    let mut list = ours.connections.lock().unwrap();
                    list.push(Arc::clone(&record));
                    list.len() - 1
                };
                let (script, ours) = (Arc::clone(&script), Arc::clone(&ours));
                ours.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut wire = wire.recorded(record);
                    let outcome = catch_unwind(AssertUnwindSafe(|| script(&mut wire, number)));
                    if let Err(panic) = outcome {
                        let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
                        ours.failures.lock().unwrap().push(text);
                    }
                    drop(wire);
                    ours.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { place, shared, _dir: dir }
    }

    /// Answers every request with `200` and `ok`, and keeps connections.
    pub(crate) fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    /// Answers every request with the same bytes (without body to a HEAD) and keeps connections.
    pub(crate) fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::start(move |wire, _| {
            while let Some(request) = wire.request() {
                let head_only = request.method() == "HEAD";
                let end = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
                wire.offer(if head_only { &answer[..end] } else { &answer[..] });
            }
        })
    }

    /// Answers the first request of each connection with the same bytes and ends the connection behind them.
    pub(crate) fn closing(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::start(move |wire, _| {
            if wire.request().is_some() {
                wire.offer(&answer);
                wire.finish();
                let _ = wire.rest();
            }
        })
    }

    /// Answers every request with `name`, so that a test sees which origin it reached.
    pub(crate) fn named(name: &str) -> Self {
        Self::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
    }

    /// Reads everything and never answers.
    pub(crate) fn silent() -> Self {
        Self::start(|wire, _| {
            if wire.request_head().is_some() {
                let _ = wire.rest();
            }
        })
    }

    /// The address as a configuration writes it.
    pub(crate) fn address(&self) -> String {
        match &self.place {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp(address) => address.port(),
            Place::Unix(_) => unreachable!("a unix socket has no port"),
        }
    }

    /// How many connections have come.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// How many connections are open on this side.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// All bytes of all connections, one connection after the other.
    pub(crate) fn received(&self) -> Vec<u8> {
        let list = self.shared.connections.lock().unwrap();
        list.iter().flat_map(|r| r.bytes.lock().unwrap().clone()).collect()
    }

    /// All bytes of the connection number `n`, from 0.
    pub(crate) fn received_by(&self, n: usize) -> Vec<u8> {
        let list = self.shared.connections.lock().unwrap();
        list.get(n).map(|r| r.bytes.lock().unwrap().clone()).unwrap_or_default()
    }

    /// Waits until the connection number `n` has brought `bytes`.
    #[track_caller]
    pub(crate) fn wait_bytes(&self, n: usize, bytes: &[u8]) {
        poll(&format!("{:?} on connection {n} at the origin", String::from_utf8_lossy(bytes)), || {
            self.received_by(n).windows(bytes.len()).any(|w| w == bytes).then_some(())
        });
    }

    /// All requests that came whole.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits for the request number `n` (from 0) to come whole.
    #[track_caller]
    pub(crate) fn wait_request(&self, n: usize) -> Message {
        poll(&format!("request {n} at the origin"), || self.requests().get(n).cloned())
    }

    /// Waits for the head number `n` (from 0); its body may still be on its way.
    #[track_caller]
    pub(crate) fn wait_head(&self, n: usize) -> Message {
        poll(&format!("head {n} at the origin"), || self.shared.heads.lock().unwrap().get(n).cloned())
    }

    /// Waits until all connections that came have been ended by the proxy, and the scripts with them.
    #[track_caller]
    pub(crate) fn wait_all_ended(&self) {
        poll("the end of all connections at the origin", || (self.open() == 0).then_some(()));
    }

    /// Waits until at most `most` connections are open on this side.
    #[track_caller]
    pub(crate) fn wait_open(&self, most: usize) {
        poll(&format!("at most {most} open connections at the origin"), || (self.open() <= most).then_some(()));
    }

    /// Waits until the connection number `n` was ended by the proxy; only seen while its script reads.
    #[track_caller]
    pub(crate) fn wait_ended(&self, n: usize) {
        poll(&format!("the end of connection {n} at the origin"), || {
            let list = self.shared.connections.lock().unwrap();
            list.get(n).is_some_and(|r| r.ended.load(Ordering::SeqCst)).then_some(())
        });
    }

    /// Asserts that not even a connection came.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let received = self.received();
        assert!(received.is_empty(), "the origin got {:?}", String::from_utf8_lossy(&received));
        assert_eq!(self.connections(), 0, "the origin was dialled for nothing");
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect(address)),
            Place::Unix(path) => drop(UnixStream::connect(path)),
        }
        let failures = std::mem::take(&mut *self.shared.failures.lock().unwrap());
        if !std::thread::panicking() {
            assert!(failures.is_empty(), "at the origin: {failures:#?}");
        } else if !failures.is_empty() {
            eprintln!("at the origin: {failures:#?}");
        }
    }
}
