//! `switchboard dev`: runs a dev server and gives it a name for as long as it runs.
//!
//! The command line calls it; it speaks to the proxy through the admin plane alone, as anybody could. It never kills
//! what it didn't start: the proxy stays when the server ends, and only the name goes.

mod command;
mod name;
mod proxy;
mod session;

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};

use command::Ready;
use proxy::Proxy;
use session::Session;

use crate::cli::file;
use crate::cli::paint::Paint;

/// What `dev` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The name: `shop` is shop.localhost. By default the folder and the branch that is checked out in it
    name: Option<String>,
    /// The configuration of the proxy to use; by default the one that this user's background proxy has
    #[arg(short = 'c', long = "config", value_name = "FILE", value_hint = clap::ValueHint::FilePath, value_parser = file)]
    config: Option<PathBuf>,
    /// The state directory of the proxy to use
    #[arg(long, value_name = "DIR", conflicts_with = "config", value_hint = clap::ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// The port that the server gets; by default a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The command that starts the server. `{port}` in it is the port
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the server until it ends or is told to. Returns its exit code.
///
/// # Errors
/// In words, when it can't start or no proxy can be had.
pub fn run(options: &Options) -> Result<u8, String> {
    let directory = std::env::current_dir().map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let name = options.name.clone().unwrap_or_else(|| name::of_directory(&directory));
    let host = name::host(&name)?;
    let ready = ready(options, &directory)?;
    let proxy = Proxy::find_or_start(options.config.as_deref(), options.state_dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let session = Session { proxy, host, ready, directory, paint: Paint::of_stderr() };
    runtime.block_on(session.run())
}

fn ready(options: &Options, directory: &Path) -> Result<Ready, String> {
    let port = match options.port {
        Some(port) => port,
        None => free_port().map_err(|error| format!("there is no free port: {error}"))?,
    };
    Ok(command::ready(&options.command, port, directory))
}

/// A port that is free on both loopback addresses: a server may listen on either. It is given back before the server
/// starts, so another program could take it in between; the server says so then.
fn free_port() -> std::io::Result<u16> {
    let mut last = None;
    for _ in 0..64 {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = held.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => last = Some(error),
            // A machine without IPv6 has nobody there who could answer.
            Ok(_) | Err(_) => return Ok(port),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}
