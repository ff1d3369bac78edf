//! `switchboard reload`

use std::path::PathBuf;

use switchboard_core::config::Config;

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
        (None, Some(path)) => match run::read(&path)? {
            Some(config) => config.state_dir,
            None => return Ok(1),
        },
        (None, None) => Config::default().state_dir,
    };
    let path = socket::path(&state_dir);
    let (status, text) = socket::ask(&path, "POST", "/v1/reload").map_err(|error| {
        format!("no proxy answers at {}: {error}. Is it running, with this state_dir?", path.display())
    })?;
    if status == 200 {
        print(&text);
        Ok(0)
    } else {
        eprint!("{text}");
        Ok(1)
    }
}
