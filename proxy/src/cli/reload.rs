//! `switchboard reload`

use super::print;
use super::which::Which;

/// Asks the proxy to reload, and prints what it says.
pub(crate) fn reload(which: &Which) -> Result<u8, String> {
    let answer = which.ask("POST", "/v1/reload", None)?;
    if answer.status != 200 {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    let said = answer.json();
    for line in said["lines"].as_array().into_iter().flatten().chain([&said["outcome"]]) {
        print(&format!("{}\n", line.as_str().unwrap_or_default()));
    }
    Ok(0)
}
