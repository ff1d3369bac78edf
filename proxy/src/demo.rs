//! `switchboard demo`: the main job with nothing to prepare.
//!
//! Two workspaces are served on ports of their own by a thread of this process, and the real proxy runs in front, with a
//! configuration file that may be changed while it runs. File and state stand in a directory that is gone at the end.

mod echo;
mod origin;
mod place;
mod words;

use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};

use crate::cli::paint::Paint;
use crate::control::reading;
use crate::control::start::{self, Start};
use crate::telemetry::log;
use origin::Workspace;
use place::{Place, StateDir};

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The port on this machine; 0 lets the system choose. Without it 8080, or the next that is free
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

const PAGE: &str = include_str!("demo/page.html");

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// In words, when it can't start.
pub fn run(options: &Options) -> Result<u8, String> {
    let place = place::find(options.port)?;
    let origins = serve_workspaces(&place)?;
    let state = StateDir::make().map_err(|error| format!("cannot make a directory for the demo's state: {error}"))?;
    let path = state.path().join("switchboard.yaml");
    std::fs::write(&path, configuration(&place, &state, origins))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let (loaded, picture) = reading::once(&path);
    let scope = loaded.scope;
    let config = loaded.config.map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the demo's own configuration is refused: {}", errors.join("; "))
    })?;
    log::start(&config.log).map_err(|error| format!("log: {error}"))?;
    let text = words::welcome(&place, &path, Paint::of_stdout());
    let ready = say_when_ready(text).map_err(|error| format!("cannot start: {error}"))?;
    start::run(Start { config, scope, path: Some(path), picture, ready: Some(ready), names_hosts: true })
}

/// The proxy's configuration. What is not in it is what everybody gets.
fn configuration(place: &Place, state: &StateDir, [a, b]: [SocketAddr; 2]) -> String {
    let listen: Vec<String> = place.addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "# Add a route and save: it is there at once, and no connection of the others notices.\n\
         listen: [{}]\nroutes:\n  {}: {a}\n  {}: {b}\n\n\
         # The rest is for the demo alone: its state goes with it, it shows pages and not log lines, and Ctrl-C means now.\n\
         state_dir: {:?}\n\
         access_log: off\n\
         drain: {{ http: 500ms, tunnels: 1ms }}\n",
        listen.join(", "),
        Place::HOST_A,
        Place::HOST_B,
        state.path().display().to_string(),
    )
}

/// Starts both servers on a thread of their own. Returns where they listen.
fn serve_workspaces(place: &Place) -> Result<[SocketAddr; 2], String> {
    let told = |error: std::io::Error| format!("cannot start the workspaces: {error}");
    let bind = || {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    let (a, b) = (bind().map_err(told)?, bind().map_err(told)?);
    let workspaces = [(a.1, workspace("A", place, Place::HOST_B)), (b.1, workspace("B", place, Place::HOST_A))];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    let serve = move || {
        let local = tokio::task::LocalSet::new();
        for (listener, workspace) in workspaces {
            local.spawn_local(async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => origin::serve(listener, workspace).await,
                    Err(error) => tracing::error!(%error, "a workspace of the demo could not start"),
                }
            });
        }
        runtime.block_on(local);
    };
    std::thread::Builder::new().name("workspaces".to_owned()).spawn(serve).map_err(told)?;
    Ok([a.0, b.0])
}

fn workspace(name: &'static str, place: &Place, other: &str) -> Workspace {
    let page = PAGE
        .replace("{{name}}", name)
        .replace("{{other_host}}", &place.authority(other))
        .replace("{{missing_host}}", &place.authority(Place::MISSING));
    Workspace { name, page, hello: format!("hello from workspace {name}\n") }
}

/// Prints a text as soon as the proxy writes to the file that is returned.
fn say_when_ready(text: String) -> std::io::Result<File> {
    let (mut reader, writer) = std::io::pipe()?;
    std::thread::Builder::new().name("ready".to_owned()).spawn(move || {
        // The end of the pipe without a byte: the proxy could not start, and has said why.
        if reader.read_exact(&mut [0]).is_ok() {
            crate::cli::print(&text);
        }
    })?;
    Ok(File::from(std::os::fd::OwnedFd::from(writer)))
}
