//! The floor: a bare HTTP/1 relay of Switchboard's own design, with nothing above it.
//! `bench/run` starts it beside the proxy, so that each figure shows what the features cost and what the kernel costs.
//! It has no routing, no log, no limits, no time-outs; it trusts both sides and must never face a network.
//!
//! Per small request: two `recv`, two `send`, and a share of `epoll_wait`.

mod exchange;
mod rewrite;
mod splice;
mod tunnel;
mod worker;

use std::{io, net::SocketAddr, process::ExitCode, rc::Rc};

use tokio::net::TcpListener;

use worker::Worker;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let addresses: Vec<SocketAddr> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [listen, upstream] = addresses[..] else {
        eprintln!("usage: floor LISTEN UPSTREAM (two addresses, host:port)");
        return ExitCode::FAILURE;
    };
    match run(listen, upstream) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process is told to end. No time driver: a bare relay has no timers.
fn run(listen: SocketAddr, upstream: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build_local(Default::default())?;
    runtime.block_on(async {
        let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&listen.into())?;
        socket.listen(4096)?;
        let listener = TcpListener::from_std(socket.into())?;
        let worker = Rc::new(Worker::new(upstream));
        eprintln!("ready");
        loop {
            let Ok((client, peer)) = listener.accept().await else { continue };
            if client.set_nodelay(true).is_ok() {
                tokio::task::spawn_local(exchange::serve(Rc::clone(&worker), client, peer.ip()));
            }
        }
    })
}
