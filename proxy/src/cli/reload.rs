//! `switchboard reload`

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{ConfigFile, print, run};
use crate::admin::client::{Place, ask};
use crate::admin::{socket_in, socket_of};

/// What `reload` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// The proxy's state directory, where its control socket is; by default what the configuration says
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

/// Asks the proxy to reload, and prints what it says.
pub(crate) fn reload(options: &Options) -> Result<u8, String> {
    let socket = match (&options.state_dir, options.config.find()) {
        (Some(directory), _) => socket_in(directory),
        // The proxy would refuse a file with errors just as well, and such a file can't say where the proxy is.
        (None, Some(path)) => match run::read_quietly(&path) {
            Some(config) => socket_of(&config),
            None => return Ok(1),
        },
        (None, None) => socket_of(&run::without_file()),
    };
    let directory = socket.parent().unwrap_or(&socket).to_owned();
    let answer =
        ask(&Place::Unix(socket), "POST", "/v1/reload", None).map_err(|error| no_answer(&directory, &error))?;
    if answer.status != 200 {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    let said = answer.json();
    for line in said["lines"].as_array().into_iter().flatten().chain([&said["outcome"]]) {
        print(&format!("{}\n", line.as_str().unwrap_or_default()));
    }
    Ok(0)
}

/// Why nobody answered, and what to do about it.
fn no_answer(state_dir: &Path, error: &io::Error) -> String {
    let directory = state_dir.display();
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
