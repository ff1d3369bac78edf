//! What the configuration says of the admin plane: where it listens, and who may change things.
//!
//! `raw` reads it, the proxy's `admin` follows it. The data path never looks at it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the admin plane listens where nothing is written.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// Where the admin plane can be reached. Besides, there is always a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address, always one of this machine; `None` is `off`.
    pub bind: Option<SocketAddr>,
    /// Whether the file says so: then an address that is taken is an error, else a warning.
    pub written: bool,
    /// The unix socket; `None` is `control.sock` in `state_dir`.
    pub socket: Option<PathBuf>,
    /// Where the token lies; `None` is `admin-token` in `state_dir`.
    pub token_file: Option<PathBuf>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { bind: Some(DEFAULT), written: false, socket: None, token_file: None }
    }
}

/// What becomes of routes that are registered while the proxy runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Where they are kept; `None` is `registry.journal` in `state_dir`.
    pub file: Option<PathBuf>,
    /// What happens where the file has the route too.
    pub clash: Clash,
}

/// What happens where a route is registered that the file has too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clash {
    /// The file has it: a registration is refused, and one that was there before waits.
    #[default]
    Refuse,
    /// The registered one answers while it lives.
    Overlay,
}
