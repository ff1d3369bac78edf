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
    let Some(config) = run::read(&path)? else { return Ok(1) };
    let rules: usize = config.routes.values().map(|route| route.rules.len()).sum();
    print(&format!(
        "{}: sound ({} listeners, {} routes, {rules} rules, {} upstreams)\n",
        path.display(),
        config.listeners.len(),
        config.routes.len(),
        config.upstreams.len(),
    ));
    Ok(0)
}
