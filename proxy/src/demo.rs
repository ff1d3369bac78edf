//! `switchboard demo`

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Options {}

/// Runs the demo.
pub fn run(_: &Options) -> Result<u8, String> {
    Err("demo is being built".to_owned())
}
