//! The loads that wrk can't make: 1 MiB bodies both ways, a connection per request, WebSockets busy and idle, events.
//! `bench/run` drives it by three lines: `ready` on stdout when all connections stand, any line on stdin to begin,
//! one JSON object on stdout when the time is over. So what is measured holds no set-up and no tear-down.

mod http;
mod report;
mod sse;
mod websocket;

use std::{
    io::{self, BufRead, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use tokio::net::TcpStream;

use report::Report;

/// What to load, and how much.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((kind, plan)) = parse(&arguments) else {
        eprintln!("usage: load upload|download|connect|echo|messages|idle|sse HOST:PORT CONNECTIONS SECONDS");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    let outcome = runtime.and_then(|runtime| runtime.block_on(run(kind, plan)));
    match outcome {
        Ok(report) => {
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load {kind}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Option<(&str, Plan)> {
    let [kind, to, connections, seconds] = arguments else { return None };
    let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    Some((kind, Plan { to: to.parse().ok()?, connections: connections.parse().ok()?, time }))
}

async fn run(kind: &str, plan: Plan) -> io::Result<Report> {
    match kind {
        "upload" => http::exchanges(plan, http::Load::Upload).await,
        "download" => http::exchanges(plan, http::Load::Download).await,
        "connect" => http::connects(plan).await,
        "echo" => websocket::echo(plan).await,
        "messages" => websocket::messages(plan).await,
        "idle" => websocket::idle(plan).await,
        "sse" => sse::listen(plan).await,
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "no such load")),
    }
}

/// Says `ready` and waits for the line that begins the measurement. Blocks the thread: nothing else should run.
pub(crate) fn wait_for_go() -> io::Result<()> {
    println!("ready");
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

pub(crate) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
