//! Which running proxy a command speaks to, and what is said where none answers.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ConfigFile, run};
use crate::admin::client::{Answer, Place, ask};
use crate::admin::{socket_in, socket_of, token_of};

/// Names a running proxy: by its address, its state directory, its configuration, or as this user's.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// The proxy's state directory, where its control socket is; by default what the configuration says
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// The proxy's admin address, instead of its control socket
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

impl Which {
    /// Asks it.
    ///
    /// # Errors
    /// In words, when none answers or its configuration can't be read.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Answer, String> {
        let place = self.place()?;
        let body = body.map(Value::to_string);
        ask(&place, method, target, body.as_deref()).map_err(|error| no_answer(&place, &error))
    }

    /// Where it is.
    ///
    /// # Errors
    /// When the configuration that names it is refused; what is wrong with it has been printed.
    pub(crate) fn place(&self) -> Result<Place, String> {
        if let (None, Some(address), Some(directory)) = (&self.config.path, self.admin, &self.state_dir) {
            return Ok(Place::Tcp(address, Some(directory.join("admin-token"))));
        }
        if let (None, None, Some(directory)) = (&self.config.path, self.admin, &self.state_dir) {
            return Ok(Place::Unix(socket_in(directory)));
        }
        let config = match self.config.find() {
            // The proxy would refuse a file with errors just as well, and such a file can't say where the proxy is.
            Some(path) => run::read_quietly(&path).ok_or("mend the configuration first")?,
            None => run::without_file(),
        };
        Ok(match (self.admin, &self.state_dir) {
            (Some(address), _) => Place::Tcp(address, Some(token_of(&config))),
            (None, Some(directory)) => Place::Unix(socket_in(directory)),
            (None, None) => Place::Unix(socket_of(&config)),
        })
    }
}

/// Why nobody answered, and what to do about it.
fn no_answer(place: &Place, error: &io::Error) -> String {
    let socket = match place {
        Place::Unix(socket) => socket,
        Place::Tcp(address, _) => return format!("the proxy at {address} gives no answer: {error}"),
    };
    let directory = socket.parent().unwrap_or(Path::new("/")).display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "no proxy runs with the state directory {directory}. Start one with `switchboard run`, or name its directory \
             with --state-dir or its configuration with -c"
        ),
        ErrorKind::PermissionDenied => {
            format!("the proxy of {directory} may be asked by its own user alone: become that user")
        }
        _ => format!("the proxy of {directory} gives no answer: {error}"),
    }
}
