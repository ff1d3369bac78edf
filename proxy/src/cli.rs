//! The command line: what can be asked of the binary, and which exit code says how it went.
//!
//! 0 is success, 1 is a configuration or a request that was refused, 2 is a command line that makes no sense. `explain`,
//! whose 1 is an answer, has 2 for whatever kept it from asking.

mod check;
mod drain;
mod endpoint;
pub(crate) mod explain;
mod hint;
pub(crate) mod paint;
mod purge;
mod reload;
mod route;
pub(crate) mod run;
pub(crate) mod table;
mod trust;
pub(crate) mod which;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "switchboard",
    version,
    about = "A reverse proxy for real-time traffic: add a route and nothing drops",
    after_help = "Examples:\n  switchboard demo                         two workspaces to look at, nothing to prepare\n  \
                  switchboard run -c switchboard.yaml      the proxy\n  switchboard check -c switchboard.yaml    \
                  every error, with its place\n  switchboard explain http://app.localhost/x -c switchboard.yaml"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the proxy; without a file, one that has no routes yet
    #[command(
        after_help = "Example:\n  switchboard run -c switchboard.yaml\n\nA change of the file is taken up as soon \
                            as it is saved.\nSignals: SIGTERM drains and ends, a second one ends at once; SIGHUP \
                            reloads; SIGUSR1 opens log files again."
    )]
    Run(run::Options),
    /// Reads a configuration and says what is wrong with it; starts nothing
    #[command(
        after_help = "Example:\n  switchboard check -c switchboard.yaml\n\nExit code 0 if it is sound, 1 if not."
    )]
    Check(check::Options),
    /// Runs the main job with nothing to prepare: two built-in workspaces, A and B
    #[command(after_help = "Example:\n  switchboard demo\n\nIt prints what to try. Ctrl-C ends it.")]
    Demo(crate::demo::Options),
    /// Says which rule answers a request, and why the others do not
    #[command(
        after_help = "Examples:\n  switchboard explain http://example.com/api -H 'x-canary: yes'\n  switchboard explain \
                      ws://example.com/chat\n  switchboard explain example.com/upload -X POST --client-ip 203.0.113.9\n\n\
                      It reads the configuration and asks no proxy, except with --online and --id. Exit code 0 if a rule \
                      answers, 1 if none does, the request is refused or nothing is known of the id, 2 if it could not \
                      be asked: a wrong command line or configuration, no proxy."
    )]
    #[command(mut_arg("config", |argument| argument.help("The configuration; by default ./switchboard.yaml")))]
    Explain(explain::Options),
    /// Asks the running proxy to read its configuration again
    #[command(
        after_help = "Example:\n  switchboard reload -c switchboard.yaml\n\nExit code 0 if the configuration is in \
                            force, 1 if it was refused or no proxy answers."
    )]
    Reload(which::Which),
    /// Ends the streams and WebSockets of a route or an endpoint, one after the other, and shows how far that is
    #[command(
        after_help = "Examples:\n  switchboard drain example.com/ws --spread 60s --code 1012\n  switchboard drain \
                            10.0.0.1:3000\n\nWebSockets get a Close between two messages, those first that have been \
                            silent for longest. New ones are served as before: to keep them away, take the route or \
                            the endpoint out of the configuration."
    )]
    Drain(drain::Options),
    /// Throws away what the cache keeps: of one URL, of those that begin so, or with a tag
    #[command(after_help = "Examples:\n  switchboard purge https://example.com/news\n  switchboard purge --prefix \
                            https://example.com/img/\n  switchboard purge --tag article-17\n\nWhat is being fetched \
                            at this moment is not kept either.")]
    Purge(purge::Options),
    /// Lets this machine's browsers and tools trust the certificates of private names (`tls: auto`)
    #[command(
        after_help = "Examples:\n  switchboard trust                       as yourself: it asks for sudo where it \
                            needs it\n  switchboard trust --print > root.pem    for another machine or a \
                            container\n  switchboard trust --uninstall\n\nIt needs no running proxy. Exit code 0 if \
                            all was done, 1 if something was not."
    )]
    Trust(trust::Options),
    /// Runs a dev server and gives it a name for as long as it runs
    #[command(after_help = "Examples:\n  switchboard dev -- npm run dev            http://FOLDER-BRANCH.localhost\n  \
                      switchboard dev shop -- vite              http://shop.localhost\n  switchboard dev api -- \
                      php -S localhost:{port}\n\nThe server gets a free port in PORT, or by its own flag where it has \
                      one. A proxy is started in the background if none runs. Exit code: the server's.")]
    Dev(crate::dev::Options),
    /// Looks at what a proxy needs from this machine, and says how to mend what is missing
    #[command(
        after_help = "Example:\n  switchboard doctor -c switchboard.yaml\n\nExit code 0 if nothing stands in the way, \
                            1 if something does."
    )]
    Doctor(crate::doctor::Options),
    /// Shows what the proxy does while it does it
    #[command(
        after_help = "Examples:\n  switchboard top -c switchboard.yaml\n  switchboard top --once | less\n\nTab goes from \
                            table to table, q quits. In a browser the same is at the admin address."
    )]
    Top(crate::top::Options),
    /// Looks at the routes of a running proxy, and changes them
    #[command(
        after_help = "Examples:\n  switchboard route add feat.localhost :3002 --owner ann --ttl 10m\n  switchboard route \
                      list\n  switchboard route remove feat.localhost\n\nThe proxy is found by --admin, else by --state-dir, \
                      else by -c. Exit code 0 if it did as asked, 1 if not."
    )]
    Route(route::Options),
    /// Looks at the endpoints of a running proxy, adds some and takes some out
    #[command(
        after_help = "Examples:\n  switchboard endpoint list\n  switchboard endpoint add api 10.0.0.3:3000 --weight 2\n  \
                      switchboard endpoint remove api 10.0.0.1:3000\n  switchboard endpoint set api 10.0.0.2:3000 --state \
                      drain\n\nWhat is added and taken out stays so through reloads and new starts. Exit code 0 if the \
                      proxy did as asked, 1 if not."
    )]
    Endpoint(endpoint::Options),
    /// Prints the JSON Schema of the configuration, for completion in editors
    #[command(after_help = "Example:\n  switchboard schema > switchboard.schema.json")]
    Schema,
    /// Prints the completions for a shell
    #[command(
        after_help = "Examples:\n  switchboard completions bash > ~/.local/share/bash-completion/completions/switchboard\n  \
                      switchboard completions zsh > ~/.zfunc/_switchboard\n  switchboard completions fish > \
                      ~/.config/fish/completions/switchboard.fish"
    )]
    Completions {
        /// Whose
        shell: Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration; by default ./switchboard.yaml
    #[arg(short = 'c', long = "config", value_name = "FILE", value_hint = clap::ValueHint::FilePath, value_parser = file)]
    path: Option<PathBuf>,
}

/// The path of a file; that it is there is said by whoever reads it.
pub(crate) fn file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_dir() {
        true => Err(format!("it is a directory; write {}", path.join("switchboard.yaml").display())),
        false => Ok(path),
    }
}

impl ConfigFile {
    /// The file that was named, or the one that everybody has; `None` where there is none.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        self.path.clone().or_else(|| Some(PathBuf::from("switchboard.yaml")).filter(|path| path.exists()))
    }

    /// The same, for commands that make no sense without one.
    fn require(&self) -> Result<PathBuf, String> {
        self.find().ok_or_else(|| "there is no switchboard.yaml here; name the configuration with -c FILE".to_owned())
    }
}

/// Reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let line = hint::parse();
    let result = match line.command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::check(&options),
        Command::Demo(options) => crate::demo::run(&options),
        Command::Explain(options) => explain::explain(&options),
        Command::Reload(options) => reload::reload(&options),
        Command::Drain(options) => drain::drain(&options),
        Command::Purge(options) => purge::purge(&options),
        Command::Route(options) => route::route(&options),
        Command::Endpoint(options) => endpoint::endpoint(&options),
        Command::Trust(options) => trust::trust(&options),
        Command::Dev(options) => crate::dev::run(&options),
        Command::Doctor(options) => crate::doctor::run(&options),
        Command::Top(options) => crate::top::run(&options),
        Command::Schema => {
            print(&switchboard_core::config::json_schema());
            Ok(0)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Line::command(), "switchboard", &mut text);
            print(&String::from_utf8_lossy(&text));
            Ok(0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("switchboard: {message}");
            ExitCode::from(1)
        }
    }
}

/// Prints to standard output. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A text as one segment of a path, or a value of a query.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
