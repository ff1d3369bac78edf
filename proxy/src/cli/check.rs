//! `switchboard check`

use super::{ConfigFile, print, run};

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    config: ConfigFile,
}

/// Reads the configuration and says what is wrong with it.
pub(crate) fn check(options: &Options) -> Result<u8, String> {
    let path = options.config.require()?;
    let Some(config) = run::read(&path) else { return Ok(1) };
    let rules: usize = config.routes.values().map(|route| route.rules.len()).sum();
    let counts = [
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(rules, "rule"),
        count(config.upstreams.len(), "upstream"),
    ];
    print(&format!("{}: sound ({})\n", path.display(), counts.join(", ")));
    Ok(0)
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
