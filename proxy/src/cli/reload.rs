//! `switchboard reload`

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{ConfigFile, print, run};
use crate::control::socket;

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
    let state_dir = match (&options.state_dir, options.config.find()) {
        (Some(directory), _) => directory.clone(),
        // The proxy would refuse a file with errors just as well, and such a file can't say where the proxy is.
        (None, Some(path)) => match run::read_quietly(&path) {
            Some(config) => config.state_dir,
            None => return Ok(1),
        },
        (None, None) => run::without_file().state_dir,
    };
    let path = socket::path(&state_dir);
    let (status, text) = socket::ask(&path, "POST", "/v1/reload").map_err(|error| no_answer(&state_dir, &error))?;
    if status == 200 {
        print(&text);
        Ok(0)
    } else {
        eprint!("{text}");
        Ok(1)
    }
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
