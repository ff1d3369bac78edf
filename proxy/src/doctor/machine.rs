//! What a proxy needs besides names and ports: descriptors, a place for its state, a clock that goes right.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};
use switchboard_core::config::Config;

use super::Finding;
use crate::admin;
use crate::admin::client::{Place, ask};
use crate::process::Descriptors;

/// Fewer descriptors than this are soon used up: each WebSocket takes two.
const FEW: u64 = 4096;

/// How many a proxy with one worker would let in.
fn tunnels(most: u64) -> u64 {
    Descriptors::share(most, 1).connections
}

/// How many connections the hard limit allows.
pub(super) fn descriptors() -> Finding {
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < FEW => Finding::Note(
            format!("at most {most} open files: about {} WebSockets at once", tunnels(most)),
            "raise the hard limit: LimitNOFILE=1048576 in the systemd unit, --ulimit nofile=1048576 for docker"
                .to_owned(),
        ),
        Some(most) => Finding::Good(format!("{most} open files: about {} WebSockets at once", tunnels(most))),
        None => Finding::Good("as many open files as the machine has".to_owned()),
    }
}

/// Whether state can be kept.
pub(super) fn state_dir(path: &Path) -> Finding {
    let shown = path.display();
    let probe = path.join(format!(".doctor-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(path).and_then(|()| std::fs::write(&probe, b"x")) {
        return Finding::Bad(
            format!("{shown} can't be written: {error}"),
            "give this user the directory, or name another with `state_dir:`".to_owned(),
        );
    }
    let _ = std::fs::remove_file(probe);
    Finding::Good(format!("{shown} can be written"))
}

/// A clock that is behind makes every certificate one of the future. Nobody outside is asked: this program's own file
/// can't be from tomorrow.
pub(super) fn clock() -> Finding {
    let written = std::env::current_exe().and_then(|path| path.metadata()).and_then(|file| file.modified());
    let Ok(written) = written else { return Finding::Good("nothing speaks against its time".to_owned()) };
    match written.duration_since(SystemTime::now()) {
        Ok(ahead) if ahead > Duration::from_secs(60) => Finding::Bad(
            format!("it is behind by at least {} minutes: this program was written after now", ahead.as_secs() / 60),
            "set it: sudo timedatectl set-ntp true (certificates are refused before their time)".to_owned(),
        ),
        Ok(_) | Err(_) => Finding::Good("nothing speaks against its time".to_owned()),
    }
}

/// The process that runs with this configuration, if one does.
pub(super) fn pid(config: &Config) -> Option<u32> {
    let answer = ask(&Place::Unix(admin::socket_of(config)), "GET", "/v1/status", None).ok()?;
    answer.json().get("pid")?.as_u64()?.try_into().ok()
}

/// Whether a proxy answers for this configuration.
pub(super) fn proxy(config: &Config) -> Finding {
    let socket = admin::socket_of(config);
    match ask(&Place::Unix(socket.clone()), "GET", "/v1/status", None) {
        Ok(answer) if answer.status == 200 => {
            let status = answer.json();
            let text = |name: &str| status.get(name).map(ToString::to_string).unwrap_or_default().replace('"', "");
            Finding::Good(format!("version {} runs as process {}", text("version"), text("pid")))
        }
        Ok(answer) => Finding::Bad(
            format!("what answers at {} says {}", socket.display(), answer.status),
            "another program holds its socket; end it, or name another `state_dir:`".to_owned(),
        ),
        Err(_) => {
            Finding::Note("none runs with this state directory".to_owned(), "start one: switchboard run".to_owned())
        }
    }
}
