//! `switchboard explain`: which rule answers a request, why the others do not, and what would be sent where.
//!
//! It works on a file and asks no proxy. The request is written out as bytes and goes the way of the data path: the same
//! codec, target, trust and search decide here and there. Nothing is connected to.

mod course;
mod request;
mod show;

use std::net::IpAddr;

use switchboard_core::config::{Bind, Config, Listener};
use switchboard_core::route::ListenerId;
use switchboard_core::snapshot::Snapshot;

use super::paint::Paint;
use super::{ConfigFile, print, run};
use course::Arrival;
use request::{Line, Method, Url};

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the request would go: http://HOST/PATH, or ws:// for a WebSocket handshake; a bare HOST/PATH will do
    url: Url,
    /// A field of the request; `NAME:` takes away one that would be there by itself
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Line>,
    /// The method
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// Who asks: the address at the other end of the connection
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client_ip: IpAddr,
    /// The listener that it comes in by; by default the one with the URL's port, else the first
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Says which rule answers. 0 where one does, 1 where none does or the request is refused.
pub(crate) fn explain(options: &Options) -> Result<u8, String> {
    let path = options.config.require()?;
    let Some(config) = run::read_quietly(&path) else { return Ok(1) };
    let (code, text) = tell(&config, options, Paint::of_stdout())?;
    if code == 2 {
        eprint!("{text}");
    } else {
        print(&text);
    }
    Ok(code)
}

/// The exit code and the text.
///
/// # Errors
/// In words, where the configuration can't be compiled.
fn tell(config: &Config, options: &Options, paint: Paint) -> Result<(u8, String), String> {
    let snapshot = Snapshot::compile(config).map_err(|error| error.to_string())?;
    let Some((index, listener)) = listener(config, options) else {
        let names: Vec<_> = config.listeners.iter().map(|listener| listener.name.as_str()).collect();
        let wanted = options.listener.as_deref().unwrap_or_default();
        return Ok((2, format!("switchboard: no listener is named {wanted}; there are {}\n", names.join(", "))));
    };
    let head = request::head(&options.url, &options.method, &options.headers);
    let arrival = Arrival { client: options.client_ip, listener: index, port: port(listener, &options.url) };
    let course = course::follow(config, &snapshot, &head, &arrival);
    let asked = show::Asked {
        url: &options.url,
        method: options.method.text(),
        listener: &listener.name,
        client: options.client_ip,
        notes: notes(config, options),
    };
    let code = u8::from(!course.is_answered());
    Ok((code, show::text(config, &snapshot, &asked, &course, paint)))
}

/// The listener that the request comes in by; `None` where the one that was named is not there.
fn listener<'c>(config: &'c Config, options: &Options) -> Option<(ListenerId, &'c Listener)> {
    let mut all = (0..).map(ListenerId).zip(&config.listeners);
    if let Some(name) = &options.listener {
        return all.find(|(_, listener)| listener.name == *name);
    }
    let by_port = all.clone().find(|(_, listener)| options.url.port().is_some_and(|port| listens_on(listener, port)));
    by_port.or_else(|| all.next())
}

fn listens_on(listener: &Listener, port: u16) -> bool {
    match listener.bind {
        Bind::Any(own) | Bind::Ip(_, own) => own == port,
        Bind::Default => matches!(port, 80 | 8080),
        Bind::Unix(_) | Bind::Fd(_) => false,
    }
}

/// The port that the listener would have; `None` for a unix socket.
fn port(listener: &Listener, url: &Url) -> Option<u16> {
    match listener.bind {
        Bind::Any(0) | Bind::Ip(_, 0) | Bind::Fd(_) | Bind::Default => Some(url.port().unwrap_or(80)),
        Bind::Any(own) | Bind::Ip(_, own) => Some(own),
        Bind::Unix(_) => None,
    }
}

/// What the answer leaves out of account.
fn notes(config: &Config, options: &Options) -> Vec<String> {
    let mut notes = Vec::new();
    if options.url.is_secure() {
        notes.push(
            "this is what becomes of the request behind the handshake; `check` looks at certificates.".to_owned(),
        );
    }
    // Any port may lead to a socket that was inherited, or to one whose port the system chooses.
    let unknown = |listener: &Listener| matches!(listener.bind, Bind::Any(0) | Bind::Ip(_, 0) | Bind::Fd(_));
    if let Some(port) = options.url.port()
        && options.listener.is_none()
        && !config.listeners.iter().any(|listener| listens_on(listener, port) || unknown(listener))
    {
        notes.push(format!("No listener has port {port}. Hosts are matched without their port."));
    }
    notes
}

#[cfg(test)]
mod tests;
