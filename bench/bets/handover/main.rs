//! A bet of the design, kept runnable: live tunnels are parked in mid-traffic by one process and taken up by another
//! through SCM_RIGHTS, and not one byte is lost. `bench/run --bet handover` runs it.
//!
//! This process drives: it is client and origin of every tunnel, both ways at once, and checks each byte. Two children of
//! the same program relay: `old` until it is told to park, then `new` with what it is handed.

mod record;
mod relay;
mod traffic;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    process::{Child, Command, ExitCode, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::net::{TcpListener, TcpStream};

use traffic::{Side, Totals, Tunnel};

const TUNNELS: usize = 1000;
/// Every so-many-th tunnel has readers that stop until the new process relays, so that bytes are unsent when it parks.
const STALLED_EVERY: usize = 10;
/// Traffic before the hand-over and after it.
const TRAFFIC: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => local(drive()),
        ["old", listen, upstream] => match (listen.parse(), upstream.parse()) {
            (Ok(listen), Ok(upstream)) => local(relay::old(listen, upstream)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        },
        ["new"] => local(relay::new()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: handover")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handover {}: {error}", arguments.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn local(work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    runtime.block_on(work)
}

/// Opens the tunnels, lets them flow, has them handed over, lets them flow on, and compares all bytes.
async fn drive() -> io::Result<()> {
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let listen = free_address()?;
    let mut relays = Relays::start(listen, origin.local_addr()?)?;
    let tunnels = open(listen, &origin).await?;
    let state = Rc::new(traffic::State::default());
    let flows: Vec<_> = tunnels.into_iter().map(|tunnel| tunnel.flow(&state)).collect();

    tokio::time::sleep(TRAFFIC).await;
    let before = state.received();
    relays.park()?;
    let parked = Instant::now();
    while !relays.old_has_ended()? {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    println!("the old process ended {:.1} ms after it was told to park", parked.elapsed().as_secs_f64() * 1e3);
    state.unstall();
    tokio::time::sleep(TRAFFIC).await;
    let after = state.received();
    state.finish();

    let mut totals = Totals::default();
    for flow in flows {
        totals.add(flow.await.map_err(io::Error::other)??);
    }
    relays.end()?;
    println!("received before the hand-over {before} bytes, until {TRAFFIC:?} after it {after} bytes");
    println!("{totals}");
    let whole = totals.flows == 2 * TUNNELS && totals.sent == totals.received && after > before;
    println!("{}", if whole { "PASS no byte lost, none changed" } else { "MISS bytes were lost" });
    if whole { Ok(()) } else { Err(io::Error::other("the bet is lost")) }
}

/// The two relaying children.
struct Relays {
    old: Child,
    new: Child,
}

impl Relays {
    /// Starts both, joined by a pair of sockets: the standard output of the old is the standard input of the new.
    fn start(listen: SocketAddr, upstream: SocketAddr) -> io::Result<Relays> {
        let (from, to) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let this = std::env::current_exe()?;
        let new = Command::new(&this).arg("new").stdin(Stdio::from(to)).stdout(Stdio::null()).spawn()?;
        let arguments = ["old".to_owned(), listen.to_string(), upstream.to_string()];
        let socket: OwnedFd = from;
        let old = Command::new(&this).args(arguments).stdin(Stdio::piped()).stdout(Stdio::from(socket)).spawn()?;
        Ok(Relays { old, new })
    }

    fn park(&mut self) -> io::Result<()> {
        self.old.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"park\n"))
    }

    fn old_has_ended(&mut self) -> io::Result<bool> {
        Ok(self.old.try_wait()?.is_some())
    }

    /// The new process ends by itself when its last tunnel has.
    fn end(&mut self) -> io::Result<()> {
        let status = self.new.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("the new process failed")) }
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        // Killing what has ended is no error worth telling.
        let _ = (self.old.kill(), self.new.kill());
    }
}

/// An address that nobody listens on now.
fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Opens every tunnel and pairs its two ends: one at a time, so that the origin accepts them in the same order.
async fn open(listen: SocketAddr, origin: &TcpListener) -> io::Result<Vec<Tunnel>> {
    let mut tunnels = Vec::new();
    for number in 0..TUNNELS {
        let client = connect(listen).await?;
        let (server, _) = origin.accept().await?;
        let stalls = number % STALLED_EVERY == 0;
        tunnels.push(Tunnel {
            client: Side::new(number, client)?,
            server: Side::new(TUNNELS + number, server)?,
            stalls,
        });
    }
    Ok(tunnels)
}

/// Connects to the old process, which may still be starting.
async fn connect(listen: SocketAddr) -> io::Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpStream::connect(listen).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
