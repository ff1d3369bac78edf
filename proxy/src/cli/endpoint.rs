//! `switchboard endpoint`: the endpoints of a running proxy, for people: how they stand, one more, one less.

use clap::Subcommand;
use serde_json::{Value, json};

use super::route::Asked;
use super::table::table;
use super::{escaped, print};
use crate::admin::client::pretty;

/// What `endpoint` takes.
pub(crate) type Options = Asked<Command>;

/// What is done with endpoints.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the endpoints and how they stand
    #[command(alias = "ls")]
    List {
        /// Only those of this upstream
        upstream: Option<String>,
        /// Prints what `GET /v1/upstreams` gives
        #[arg(long)]
        json: bool,
    },
    /// Adds an endpoint to an upstream of the configuration
    Add {
        /// A name under `upstreams:`
        upstream: String,
        /// Its address, as it would be written there
        address: String,
        /// Its share beside the others'; 1 by default
        #[arg(long)]
        weight: Option<u32>,
        #[command(flatten)]
        how: How,
    },
    /// Takes an endpoint out of its upstream
    #[command(aliases = ["rm", "delete"])]
    Remove {
        /// A name under `upstreams:`
        upstream: String,
        /// Its address as written
        address: String,
        #[command(flatten)]
        how: How,
    },
    /// Changes state or weight of an endpoint until the proxy ends
    Set {
        /// The upstream's name
        upstream: String,
        /// Its address as written
        address: String,
        #[command(flatten)]
        what: What,
    },
}

/// What of an endpoint is changed: at least one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct What {
    /// drain: nobody new who isn't bound to it; maint: nobody new at all; ready: as before
    #[arg(long, value_name = "ready|drain|maint", value_parser = ["ready", "drain", "maint"])]
    state: Option<String>,
    /// Its share beside the others', or `file` for the file's own
    #[arg(long, value_name = "N|file", value_parser = weight)]
    weight: Option<Weight>,
}

/// How a change is made.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Waits until the disk has it
    #[arg(long)]
    sync: bool,
    /// Only says what would come of it
    #[arg(long)]
    dry_run: bool,
}

impl How {
    fn query(&self) -> String {
        format!("dry_run={}{}", self.dry_run, if self.sync { "&durability=sync" } else { "" })
    }
}

/// A weight; nothing is the file's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight(Option<u32>);

fn weight(text: &str) -> Result<Weight, String> {
    match text {
        "file" => Ok(Weight(None)),
        number => number.parse().map(|weight| Weight(Some(weight))).map_err(|_| "write a number, or `file`".to_owned()),
    }
}

/// Does what is asked, and prints what the proxy says.
pub(crate) fn endpoint(options: &Options) -> Result<u8, String> {
    let path =
        |upstream: &str, address: &str| format!("/v1/upstreams/{}/endpoints/{}", escaped(upstream), escaped(address));
    let (method, target, body) = match &options.command {
        Command::List { .. } => ("GET", "/v1/upstreams".to_owned(), None),
        Command::Add { upstream, address, weight, how } => {
            let mut body = json!({ "address": address });
            if let Some(weight) = weight {
                body["weight"] = (*weight).into();
            }
            ("POST", format!("/v1/upstreams/{}/endpoints?{}", escaped(upstream), how.query()), Some(body))
        }
        Command::Remove { upstream, address, how } => {
            ("DELETE", format!("{}?{}", path(upstream, address), how.query()), None)
        }
        Command::Set { upstream, address, what } => {
            let mut body = json!({});
            if let Some(state) = &what.state {
                body["state"] = state.as_str().into();
            }
            if let Some(Weight(weight)) = what.weight {
                body["weight"] = json!(weight);
            }
            ("POST", path(upstream, address), Some(body))
        }
    };
    let body = body.map(|body| body.to_string());
    let answer = options.proxy.ask(method, &target, body.as_deref())?;
    if !(200..300).contains(&answer.status) {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    let said = answer.json();
    print(&match &options.command {
        Command::List { upstream, json } => list(said, upstream.as_deref(), *json)?,
        Command::Remove { address, how, .. } => {
            format!("{} {address}\n", if how.dry_run { "would remove" } else { "removed" })
        }
        Command::Add { .. } | Command::Set { .. } => line(&said),
    });
    Ok(0)
}

/// The endpoints as a table, or as the API gives them; of one upstream or of all.
fn list(mut said: Value, upstream: Option<&str>, as_json: bool) -> Result<String, String> {
    if let Some(name) = upstream {
        let mut known = 0;
        for list in ["endpoints", "removed"] {
            if let Some(all) = said[list].as_array_mut() {
                all.retain(|one| one["upstream"] == name);
                known += all.len();
            }
        }
        if known == 0 {
            return Err(format!(
                "no endpoint of an upstream {name} is known; `switchboard endpoint list` has them all"
            ));
        }
    }
    if as_json {
        return Ok(pretty(&said));
    }
    let all = |name: &str| said[name].as_array().into_iter().flatten();
    let there = all("endpoints").map(|one| {
        let number = |name: &str| one[name].as_u64().map(|number| number.to_string()).unwrap_or_default();
        let (upstream, endpoint) = (word(one, "upstream").to_owned(), word(one, "endpoint").to_owned());
        vec![upstream, endpoint, states(one), word(one, "source").to_owned(), number("weight"), number("active")]
    });
    let removed = all("removed").map(|one| {
        let cells = [word(one, "upstream"), word(one, "endpoint"), "removed", "file", "", ""];
        cells.map(str::to_owned).to_vec()
    });
    let rows: Vec<_> = there.chain(removed).collect();
    Ok(table(&["upstream", "endpoint", "state", "source", "weight", "in_flight"], &rows))
}

fn states(one: &Value) -> String {
    let states = one["state"].as_array().into_iter().flatten().filter_map(Value::as_str);
    states.collect::<Vec<_>>().join(",")
}

/// `upstream  endpoint  state  source  weight  what it serves`
fn line(one: &Value) -> String {
    let mut text = format!("{}  {}", word(one, "upstream"), word(one, "endpoint"));
    if one["state"].is_array() {
        text += &format!("  {}", states(one));
    }
    if let Some(source) = one["source"].as_str() {
        text += &format!("  {source}");
    }
    if let (Some(weight), Some(active)) = (one["weight"].as_u64(), one["active"].as_u64()) {
        text += &format!("  weight {weight}  {active} in flight");
    }
    if one["dry_run"] == true {
        text += "  (dry run: nothing has changed)";
    }
    text + "\n"
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}
