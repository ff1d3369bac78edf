//! `switchboard run`

use std::fs::File;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_core::config::{Config, ConfigError, Loaded, Scope, load, load_bytes};

use super::ConfigFile;
use crate::control::picture::Picture;
use crate::control::reading;
use crate::control::source::World;
use crate::control::start::{self, Start};
use crate::telemetry::log;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// Writes `ready` to this open descriptor when connections are accepted
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,
}

/// Runs the proxy until it is told to end.
pub(crate) fn run(options: &Options) -> Result<u8, String> {
    let path = options.config.find();
    let (config, scope, picture) = match &path {
        Some(path) => {
            let (loaded, picture) = reading::once(path);
            let scope = loaded.scope.clone();
            match tell(loaded) {
                Some(config) => (config, scope, picture),
                None => return Ok(1),
            }
        }
        None => {
            eprintln!("{}", no_file());
            (without_file(), Scope::default(), Picture::default())
        }
    };
    leave_no_core();
    take_no_huge_pages();
    log::start(&config.log).map_err(|error| format!("log: {error}"))?;
    let ready = options.ready_fd.map(open_descriptor).transpose()?;
    start::run(Start { config, scope, path, picture, ready, names_hosts: false })
}

/// What is said where a proxy starts without routes: whoever began in the wrong directory has to see it.
fn no_file() -> String {
    let here = std::env::current_dir().map_or_else(|_| "this directory".to_owned(), |path| path.display().to_string());
    format!(
        "switchboard: no switchboard.yaml in {here}: no routes yet; name a file with -c, or add routes with `switchboard \
         route add`"
    )
}

/// A core file would hold the keys of certificates and what clients sent. The soft limit alone, so that whoever looks for a
/// fault can have one: `prlimit --pid PID --core=unlimited`.
fn leave_no_core() {
    let limit = getrlimit(Resource::Core);
    // It may be refused, and then holds what the operator has set.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..limit });
}

/// Half of what an idle tunnel took was the rest of huge pages, and nothing got faster by them. Before the workers begin:
/// what they allocate is what counts.
fn take_no_huge_pages() {
    // An old kernel may not know it.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Reads a configuration, and prints what is wrong with it and what is probably not meant. `None` where it is refused.
pub(crate) fn read(path: &Path) -> Option<Config> {
    tell(load(path, &mut World))
}

fn tell(Loaded { config, warnings, .. }: Loaded) -> Option<Config> {
    for warning in &warnings {
        eprintln!("{}", warning.rendered());
    }
    accept(config)
}

/// The same without warnings, for commands that ask something else.
pub(crate) fn read_quietly(path: &Path) -> Option<Config> {
    accept(load(path, &mut World).config)
}

fn accept(config: Result<Config, Vec<ConfigError>>) -> Option<Config> {
    match config {
        Ok(config) => Some(config),
        Err(errors) => {
            for error in &errors {
                eprintln!("{}", error.rendered());
            }
            let count = errors.len();
            eprintln!("switchboard: {count} error{} in the configuration", if count == 1 { "" } else { "s" });
            None
        }
    }
}

/// What holds without a file: the defaults, with what the environment says about `state_dir`.
pub(crate) fn without_file() -> Config {
    let loaded = load_bytes(Path::new("switchboard.yaml"), b"", &mut World);
    Config { files: Vec::new(), ..loaded.config.unwrap_or_default() }
}

/// Opens a descriptor that the caller left open for us.
fn open_descriptor(number: u32) -> Result<File, String> {
    let path = format!("/dev/fd/{number}");
    File::options().write(true).open(&path).map_err(|error| format!("--ready-fd {number}: {error}"))
}
