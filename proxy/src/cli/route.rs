//! `switchboard route`: the routes of a running proxy, for people.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{ConfigFile, escaped, print, run};
use crate::admin::client::{Answer, Json, Place, ask};
use crate::admin::{socket_in, socket_of, token_of};

/// What `route` takes.
pub(crate) type Options = Asked<Command>;

/// What is asked of a running proxy, and of which.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked<C: Subcommand> {
    #[command(flatten)]
    pub(super) proxy: Proxy,
    #[command(subcommand)]
    pub(super) command: C,
}

/// Which proxy is asked: by `--admin`, else by its configuration, else by its state directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Proxy {
    /// The proxy's admin plane: an address (127.0.0.1:9900) or the path of its socket
    #[arg(long, value_name = "ADDRESS", global = true)]
    admin: Option<String>,
    /// Its configuration; by default ./switchboard.yaml
    #[arg(short = 'c', long = "config", value_name = "FILE", value_hint = clap::ValueHint::FilePath, global = true)]
    config: Option<PathBuf>,
    /// The proxy's state directory
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
}

/// What is done with routes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the routes, those of the file too
    List {
        /// Only those of this owner
        #[arg(long)]
        owner: Option<String>,
        /// Only those of the file, or only registered ones
        #[arg(long, value_parser = ["file", "registry"])]
        source: Option<String>,
        /// Only those whose key begins with this
        #[arg(long)]
        prefix: Option<String>,
    },
    /// Registers a route, or changes one
    Add {
        /// host[/path]
        key: String,
        /// Where it leads: an address, the name of an upstream, or a rule as JSON
        target: String,
        /// Whose it is
        #[arg(long)]
        owner: Option<String>,
        /// How long it lives without `route renew`; for ever by default
        #[arg(long)]
        ttl: Option<String>,
        /// Waits until the disk has it
        #[arg(long)]
        sync: bool,
        /// Only says what would come of it
        #[arg(long)]
        dry_run: bool,
    },
    /// Takes a registered route away
    Remove {
        /// host[/path]
        key: String,
    },
    /// Shows one route
    Show {
        /// host[/path]
        key: String,
    },
    /// Lets the lease of a route begin anew
    Renew {
        /// host[/path]
        key: String,
    },
    /// Says what registered routes change about those of the file
    Diff,
    /// Prints the registered routes as a configuration
    Export,
}

/// Does what is asked, and prints what the proxy says.
pub(crate) fn route(options: &Options) -> Result<u8, String> {
    let place = options.proxy.place()?;
    let asked = |method: &str, target: &str, body: Option<&str>| ask_at(&place, method, target, body);
    match &options.command {
        Command::List { owner, source, prefix } => {
            let filters = [("owner", owner), ("source", source), ("prefix", prefix)];
            let filters =
                filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
            let query = filters.collect::<Vec<_>>().join("&");
            said(&asked("GET", &format!("/v1/routes?{query}"), None)?, |json| json.lines_of_routes())
        }
        Command::Add { key, target, owner, ttl, sync, dry_run } => {
            let body = Json::route(target, owner.as_deref(), ttl.as_deref())?;
            let how = format!("dry_run={dry_run}{}", if *sync { "&durability=sync" } else { "" });
            said(&asked("PUT", &format!("/v1/routes/{}?{how}", escaped(key)), Some(&body))?, |json| {
                json.line_of_route()
            })
        }
        Command::Remove { key } => {
            said(&asked("DELETE", &format!("/v1/routes/{}", escaped(key)), None)?, |_| format!("removed {key}\n"))
        }
        Command::Show { key } => {
            said(&asked("GET", &format!("/v1/routes/{}", escaped(key)), None)?, |json| json.pretty())
        }
        Command::Renew { key } => {
            let target = format!("/v1/routes/{}/renew", escaped(key));
            said(&asked("POST", &target, None)?, |json| json.line_of_route())
        }
        Command::Diff => said(&asked("GET", "/v1/routes", None)?, |json| json.difference()),
        Command::Export => said(&asked("GET", "/v1/routes?source=registry", None)?, |json| json.export()),
    }
}

fn said(answer: &Answer, text: impl FnOnce(Json) -> String) -> Result<u8, String> {
    if !(200..300).contains(&answer.status) {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    print(&text(Json::of(answer)));
    Ok(0)
}

impl Proxy {
    /// Asks it once.
    pub(super) fn ask(&self, method: &str, target: &str, body: Option<&str>) -> Result<Answer, String> {
        ask_at(&self.place()?, method, target, body)
    }

    /// Where it is asked.
    fn place(&self) -> Result<Place, String> {
        let file = ConfigFile { path: self.config.clone() };
        let config = || match file.find() {
            Some(path) => {
                run::read_quietly(&path).ok_or_else(|| "the configuration can't say where the proxy is".to_owned())
            }
            None => Ok(run::without_file()),
        };
        if let Some(admin) = &self.admin {
            if admin.contains('/') {
                return Ok(Place::Unix(PathBuf::from(admin)));
            }
            let text = if admin.starts_with(':') {
                format!("127.0.0.1{admin}")
            } else {
                admin.replace("localhost", "127.0.0.1")
            };
            let address: SocketAddr =
                text.parse().map_err(|_| format!("--admin {admin}: write 127.0.0.1:9900, or the path of a socket"))?;
            let token = match &self.state_dir {
                Some(directory) => directory.join("admin-token"),
                None => token_of(&config()?),
            };
            return Ok(Place::Tcp(address, Some(token)));
        }
        if let Some(directory) = &self.state_dir {
            return Ok(Place::Unix(socket_in(directory)));
        }
        config().map(|config| Place::Unix(socket_of(&config)))
    }
}

fn ask_at(place: &Place, method: &str, target: &str, body: Option<&str>) -> Result<Answer, String> {
    ask(place, method, target, body).map_err(|error| no_answer(place, &error))
}

/// Why nobody answered, and what to do about it.
fn no_answer(place: &Place, error: &io::Error) -> String {
    let place: &dyn std::fmt::Display = match place {
        Place::Unix(path) => &Path::display(path),
        Place::Tcp(address, _) => address,
    };
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
            "no proxy answers at {place}. Start one with `switchboard run`, or name it with --admin, -c or --state-dir"
        ),
        io::ErrorKind::PermissionDenied => format!("{place}: permission denied; become the proxy's own user ({error})"),
        _ => format!("the proxy at {place} gives no answer: {error}"),
    }
}
