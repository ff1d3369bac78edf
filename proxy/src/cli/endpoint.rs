//! `switchboard endpoint`: the endpoints of a running proxy, for people: how they stand, one more, one less.

use clap::Subcommand;
use serde_json::{Value, json};

use super::route::Asked;
use super::{escaped, print};

/// What `endpoint` takes.
pub(crate) type Options = Asked<Command>;

/// What is done with endpoints.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the endpoints and how they stand
    List {
        /// Only those of this upstream
        upstream: Option<String>,
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
        /// drain: nobody new who isn't bound to it; maint: nobody new at all; ready: as before
        #[arg(long, value_parser = ["ready", "drain", "maint"], required_unless_present = "weight")]
        state: Option<String>,
        /// Its share beside the others', or `file` for the file's own
        #[arg(long, value_parser = weight)]
        weight: Option<Weight>,
    },
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
        Command::Set { upstream, address, state, weight } => {
            let mut body = json!({});
            if let Some(state) = state {
                body["state"] = state.as_str().into();
            }
            if let Some(Weight(weight)) = weight {
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
        Command::List { upstream } => lines(&said, upstream.as_deref()),
        Command::Remove { address, how, .. } => {
            format!("{} {address}\n", if how.dry_run { "would remove" } else { "removed" })
        }
        Command::Add { .. } | Command::Set { .. } => line(&said),
    });
    Ok(0)
}

fn lines(said: &Value, upstream: Option<&str>) -> String {
    let wanted = |one: &&Value| upstream.is_none_or(|name| one["upstream"] == name);
    let all = |name: &str| said[name].as_array().into_iter().flatten().filter(wanted);
    let removed =
        all("removed").map(|one| format!("{}  {}  removed  file\n", word(one, "upstream"), word(one, "endpoint")));
    all("endpoints").map(line).chain(removed).collect()
}

/// `upstream  endpoint  state  source  weight  what it serves`
fn line(one: &Value) -> String {
    let mut text = format!("{}  {}", word(one, "upstream"), word(one, "endpoint"));
    if let Some(states) = one["state"].as_array() {
        let states: Vec<&str> = states.iter().filter_map(Value::as_str).collect();
        text += &format!("  {}", states.join(","));
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
