//! Certificates that come by themselves: the local root and who trusts it, orders at a real ACME server.

mod acme;
pub(crate) mod client;
mod local;
mod pebble;
mod suggestion;
mod trust;

use std::io::Write as _;

/// Whether a judge is installed. Where it is missing, that is said aloud; in CI it is a failure.
pub(crate) fn has_judge(program: &str, test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|place| place.join(program).is_file());
    assert!(found || std::env::var_os("CI").is_none_or(|v| v != "true"), "CI has no {program}: ./check installs it");
    if !found {
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no {program} (./check installs it)");
    }
    found
}
