//! `switchboard route`: the routes of a running proxy, for people.

use clap::Subcommand;

use super::which::Which;
use super::{escaped, print};
use crate::admin::client::{Answer, Json};

/// What `route` takes.
pub(crate) type Options = Asked<Command>;

/// What is asked of a running proxy, and of which.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked<C: Subcommand> {
    #[command(flatten)]
    pub(super) proxy: Which,
    #[command(subcommand)]
    pub(super) command: C,
}

/// What is done with routes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the routes, those of the file too
    #[command(alias = "ls")]
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
        /// Prints what `GET /v1/routes` gives
        #[arg(long)]
        json: bool,
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
    #[command(aliases = ["rm", "delete"])]
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
    let asked = |method: &str, target: &str, body: Option<&str>| options.proxy.ask(method, target, body);
    match &options.command {
        Command::List { owner, source, prefix, json: as_json } => {
            let filters = [("owner", owner), ("source", source), ("prefix", prefix)];
            let filters =
                filters.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
            let query = filters.collect::<Vec<_>>().join("&");
            said(&asked("GET", &format!("/v1/routes?{query}"), None)?, |json| {
                if *as_json { json.pretty() } else { json.table_of_routes() }
            })
        }
        Command::Add { key, target, owner, ttl, sync, dry_run } => {
            if let Some(text) = ttl.as_deref().filter(|text| switchboard_core::config::duration(text).is_none()) {
                return Err(format!("--ttl {text}: write a number and a unit, such as 30s or 10m"));
            }
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
