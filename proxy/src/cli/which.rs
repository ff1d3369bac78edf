//! Which running proxy a command speaks to, and what is said where none answers.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use switchboard_core::config::load;

use super::{ConfigFile, run};
use crate::admin::client::{Answer, Place, ask};
use crate::admin::{socket_in, socket_of, token_of};
use crate::control::source::World;

/// What helps whoever has asked an address for a change.
const NEEDS_TOKEN: &str =
    "over TCP this needs the proxy's token: add --state-dir DIR, or give DIR/control.sock as --admin";

/// Names a running proxy: by its address or socket, its state directory, its configuration, or as this user's.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Says where the proxy is, which reads the file that it was started with; by default ./switchboard.yaml
    #[arg(
        short = 'c', long = "config", value_name = "FILE", value_hint = clap::ValueHint::FilePath, global = true,
        value_parser = super::file
    )]
    config: Option<PathBuf>,
    /// The proxy's state directory, with its control socket and its token; by default what the configuration says
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, global = true)]
    state_dir: Option<PathBuf>,
    /// The proxy's admin plane: the path of its socket, or an address (127.0.0.1:9900), where changes need --state-dir
    #[arg(long, value_name = "ADDRESS", global = true)]
    admin: Option<String>,
}

impl Which {
    /// The configuration that was named, or the one that everybody has.
    pub(super) fn file(&self) -> ConfigFile {
        ConfigFile { path: self.config.clone() }
    }

    /// Asks it.
    ///
    /// # Errors
    /// In words, when none answers, nothing says where it is, or it wants a token that isn't there.
    pub(crate) fn ask(&self, method: &str, target: &str, body: Option<&str>) -> Result<Answer, String> {
        let place = self.place()?;
        if let (Place::Tcp(address, Some(token)), false) = (&place, method == "GET")
            && let Err(error) = std::fs::File::open(token)
        {
            let token = token.display();
            return Err(format!("the token of the proxy at {address} can't be read, {token}: {error}; {NEEDS_TOKEN}"));
        }
        let answer = ask(&place, method, target, body).map_err(|error| no_answer(&place, &error))?;
        match answer.status {
            401 => Err(format!("{}; {NEEDS_TOKEN}", answer.refusal().join(" "))),
            _ => Ok(answer),
        }
    }

    /// Where it is.
    fn place(&self) -> Result<Place, String> {
        match (&self.admin, &self.state_dir) {
            (Some(admin), directory) => match read_admin(admin)? {
                Place::Tcp(address, _) => {
                    let told = |directory: &PathBuf| Some(directory.join("admin-token"));
                    // Most questions need no token: a file that is being edited stands in nobody's way.
                    Ok(Place::Tcp(address, directory.as_ref().map_or_else(|| self.token_of_file(), told)))
                }
                socket @ Place::Unix(_) => Ok(socket),
            },
            (None, Some(directory)) => Ok(Place::Unix(socket_in(directory))),
            (None, None) => match self.file().find() {
                Some(path) => run::read_quietly(&path).map(|config| Place::Unix(socket_of(&config))).ok_or_else(|| {
                    "so the configuration can't say where the proxy is; name it with --state-dir DIR or --admin ADDRESS"
                        .to_owned()
                }),
                None => Ok(Place::Unix(socket_of(&run::without_file()))),
            },
        }
    }

    fn token_of_file(&self) -> Option<PathBuf> {
        match self.file().find() {
            Some(path) => load(&path, &mut World).config.ok().map(|config| token_of(&config)),
            None => Some(token_of(&run::without_file())),
        }
    }
}

/// What `--admin` names.
fn read_admin(text: &str) -> Result<Place, String> {
    let address = text.strip_prefix("http://").map_or(text, |rest| rest.trim_end_matches('/'));
    if address.contains('/') && !address.contains("://") {
        return Ok(Place::Unix(PathBuf::from(address)));
    }
    let address = match address.strip_prefix("localhost:").or_else(|| address.strip_prefix(':')) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    };
    let address: Result<SocketAddr, _> = address.parse();
    let wrong = |_| format!("--admin {text}: write 127.0.0.1:9900, or the path of a socket (DIR/control.sock)");
    address.map(|address| Place::Tcp(address, None)).map_err(wrong)
}

/// Why nobody answered, and what to do about it.
fn no_answer(place: &Place, error: &io::Error) -> String {
    let at = match place {
        Place::Unix(socket) => socket.display().to_string(),
        Place::Tcp(address, _) => address.to_string(),
    };
    let of = match place {
        Place::Unix(socket) if socket.ends_with("control.sock") => {
            format!("runs with the state directory {}", socket.parent().unwrap_or(Path::new("/")).display())
        }
        Place::Unix(_) | Place::Tcp(..) => format!("answers at {at}"),
    };
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
            "no proxy {of}. Start one with `switchboard run`, or name a running one with --state-dir DIR or --admin \
             ADDRESS, or its configuration with -c"
        ),
        ErrorKind::PermissionDenied => format!("{at}: its own user alone may ask this proxy; become that user"),
        ErrorKind::TimedOut => format!("the proxy at {at}: {error}"),
        _ => format!("the proxy at {at} gives no answer: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_admin_names() {
        let check = |text: &str, expect: &str| {
            let read = match read_admin(text) {
                Ok(Place::Tcp(address, None)) => address.to_string(),
                Ok(Place::Tcp(_, Some(token))) => panic!("a token out of nowhere: {}", token.display()),
                Ok(Place::Unix(path)) => path.display().to_string(),
                Err(_) => "refused".to_owned(),
            };
            assert_eq!(read, expect, "{text}");
        };
        check("127.0.0.1:9900", "127.0.0.1:9900");
        check("http://127.0.0.1:9900", "127.0.0.1:9900");
        check("http://localhost:9900/", "127.0.0.1:9900");
        check(":9900", "127.0.0.1:9900");
        check("[::1]:9900", "[::1]:9900");
        check("/run/x/control.sock", "/run/x/control.sock");
        check("./control.sock", "./control.sock");
        for wrong in ["9900", "", "https://127.0.0.1:9900", "127.0.0.1", "example.com:9900"] {
            check(wrong, "refused");
        }
    }
}
