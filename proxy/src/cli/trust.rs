//! `switchboard trust`: lets this machine trust certificates for private names, or no longer.
//!
//! It needs no proxy: where the state directory has no root yet, it makes one. Each store is tried by itself, and what
//! could not be done is said with what to do about it.

mod nss;
mod system;

use std::path::{Path, PathBuf};
use std::process::Command;

use switchboard_core::certificate::Names;

use super::{ConfigFile, print, run};
use crate::certs::local::{Local, ROOT};
use crate::certs::store::Store;

/// What `trust` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// The proxy's state directory, where its root is; by default what the configuration says
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Takes every root of Switchboard out of this machine's stores
    #[arg(long, conflicts_with = "print")]
    uninstall: bool,
    /// Only the system's store, or only those of browsers, which need no administrator
    #[arg(long, value_name = "STORES")]
    only: Option<Stores>,
    /// Prints the root's certificate (PEM) and changes nothing else
    #[arg(long)]
    print: bool,
}

/// Kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stores {
    /// The system's
    System,
    /// Those of Chromium and Firefox
    Browsers,
}

/// What became of one store.
pub(super) struct Outcome {
    /// Which store.
    store: String,
    /// What was done, or why not with what to do about it.
    result: Result<String, String>,
}

/// The root, as the stores want it.
pub(super) struct Root {
    /// The file with its certificate.
    path: PathBuf,
    /// What it calls itself.
    name: String,
    /// What tells it from others, short.
    id: String,
}

/// How our roots are called in every store: a name of one begins with this.
pub(super) const NAME: &str = "Switchboard local root";

/// Brings the root to the stores, takes roots out, or prints it.
pub(crate) fn trust(options: &Options) -> Result<u8, String> {
    if options.uninstall {
        let outcomes = options.each(system::remove, nss::remove);
        if outcomes.is_empty() {
            print("no store of this machine trusts a root of Switchboard\n");
        }
        return Ok(tell(&outcomes));
    }
    let config = match options.config.find() {
        Some(path) => match run::read_quietly(&path) {
            Some(config) => config,
            None => return Ok(1),
        },
        None => run::without_file(),
    };
    let state_dir = options.state_dir.as_ref().unwrap_or(&config.state_dir);
    let store = Store::below(state_dir);
    let local = Local::open(&store, Names::of(&config).single_labels())?;
    if options.print {
        print(&local.pem);
        return Ok(0);
    }
    let serial = local.serial();
    let id = serial.get(..8).unwrap_or(&serial).to_owned();
    let root = Root { path: absolute(&store.path(ROOT)), name: local.name(), id };
    print(&format!(
        "{} {}: {}\n  It signs for private names alone: localhost, *.localhost, .internal, .test, .local, .lan, \
         .home.arpa and private addresses.\n",
        if local.made { "made" } else { "root" },
        root.name,
        root.path.display()
    ));
    let outcomes = options.each(|| system::add(&root).into_iter().collect(), || nss::add(&root));
    let code = tell(&outcomes);
    print(&format!(
        "Programs with a store of their own: Node.js takes NODE_EXTRA_CA_CERTS={0}, Python's requests \
         REQUESTS_CA_BUNDLE={0}.\nBrowsers that run now see it after a restart.\n",
        root.path.display()
    ));
    Ok(code)
}

impl Options {
    /// Does something with the stores that are meant.
    fn each(&self, system: impl FnOnce() -> Vec<Outcome>, browsers: impl FnOnce() -> Vec<Outcome>) -> Vec<Outcome> {
        let mut outcomes = if self.only == Some(Stores::Browsers) { Vec::new() } else { system() };
        if self.only != Some(Stores::System) {
            outcomes.extend(browsers());
        }
        outcomes
    }
}

/// Prints what became of the stores. 1 where something could not be done.
fn tell(outcomes: &[Outcome]) -> u8 {
    for Outcome { store, result } in outcomes {
        match result {
            Ok(done) => print(&format!("  done: {store}: {done}\n")),
            Err(why) => print(&format!("  NOT done: {store}: {why}\n")),
        }
    }
    u8::from(outcomes.iter().any(|outcome| outcome.result.is_err()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The directory of the person who runs this.
pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// Whether a program is in the path.
pub(super) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // These are tools of the administrator, which are not in everybody's path.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(program)).any(|file| file.is_file())
}

/// Runs a program and gives what it printed.
///
/// # Errors
/// In words: that it can't be run, or the last line of what it complained of.
pub(super) fn command(line: &[&str]) -> Result<String, String> {
    let Some((program, arguments)) = line.split_first() else { return Ok(String::new()) };
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .stdin(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("`{program}` can't be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    Err(format!("`{}` failed: {}", line.join(" "), last.trim()))
}
