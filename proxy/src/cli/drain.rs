//! `switchboard drain`: ends the streams of a route or an endpoint, and shows how far that is.

use std::time::Duration;

use serde_json::json;

use super::print;
use super::which::Which;

/// How often it is asked how many are left.
const STEP: Duration = Duration::from_millis(500);

/// What to drain, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A route's key, or an endpoint or upstream as the configuration writes it
    #[arg(value_name = "ROUTE|ENDPOINT")]
    name: String,
    /// Over how long the ends are spread; by default what `drain.spread` says
    #[arg(long, value_name = "TIME")]
    spread: Option<String>,
    /// The code that WebSockets are closed with; by default what `drain.code` says
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    #[command(flatten)]
    which: Which,
}

/// Asks for it, and waits until all have ended.
#[expect(clippy::disallowed_methods, reason = "a person waits for it; what is asked is asked again")]
pub(crate) fn drain(options: &Options) -> Result<u8, String> {
    let mut asked = json!({ "name": options.name });
    if let Some(text) = &options.spread {
        let spread = switchboard_core::config::duration(text)
            .ok_or_else(|| format!("--spread {text}: write a number and a unit, such as 60s or 5m"))?;
        asked["spread_ms"] = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).into();
    }
    if let Some(code) = options.code {
        if !switchboard_core::websocket::frame::is_sendable(code) {
            return Err(format!("--code {code}: no Close may have it; write one such as 1012, or 3000 to 4999"));
        }
        asked["code"] = code.into();
    }
    let answer = options.which.ask("POST", "/v1/drains", Some(&asked.to_string()))?;
    if answer.status != 200 {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    let mut said = answer.json();
    let target = format!("/v1/drains/{}", said["id"]);
    let mut before = None;
    loop {
        let (matched, left) = (said["drain"]["matched"].as_u64(), said["drain"]["left"].as_u64());
        let (matched, left) = (matched.unwrap_or(0), left.unwrap_or(0));
        if before != Some(left) {
            print(&format!("{} of {matched} streams have ended\n", matched - left));
            before = Some(left);
        }
        if left == 0 {
            return Ok(0);
        }
        std::thread::sleep(STEP);
        let answer = options.which.ask("GET", &target, None)?;
        if answer.status != 200 {
            answer.refusal().iter().for_each(|line| eprintln!("{line}"));
            return Ok(1);
        }
        said = answer.json();
    }
}
