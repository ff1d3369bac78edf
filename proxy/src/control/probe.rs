//! One probe of one endpoint: every check of its upstream, each on a connection of its own, within one time.
//!
//! Runs on the control thread, asked for by `health`, which knows when; what the answers come to is `core::health`'s to
//! say. A probe reads little, keeps no connection, and never meets a worker.

mod grpc;
mod http;
mod socket;
mod websocket;

pub use websocket::{Heard, handshake};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::config::{self, CheckKind, HttpCheck, WebSocketCheck};
use switchboard_core::health::active::Seen;
use switchboard_core::health::expect::Expect;
use tokio::task::JoinSet;

use crate::live::Place;
use crate::tls::endpoints::ClientTls;

/// What an upstream's endpoints are asked, compiled.
#[derive(Debug)]
pub struct Probe {
    checks: Vec<Check>,
    timeout: Duration,
}

#[derive(Debug)]
struct Check {
    port: Option<u16>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Http(HttpCheck, Expect),
    WebSocket(WebSocketCheck, Expect),
    Tcp,
    Grpc(String),
}

/// Whom a probe asks.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is now; empty while its name does not resolve.
    pub places: Arc<Vec<Place>>,
    /// The `Host` that it expects.
    pub host: Arc<str>,
    /// What a handshake with it needs, where it speaks TLS.
    pub tls: Option<ClientTls>,
}

/// Why a check did not pass, for people.
#[derive(Debug)]
struct Failed(String);

impl Probe {
    /// Compiles what an upstream says of its health.
    ///
    /// # Errors
    /// A regular expression that does not compile, which a checked configuration has not.
    pub fn compile(health: &config::Health) -> Option<Self> {
        let check = |check: &config::Check| {
            let kind = match &check.kind {
                CheckKind::Http(http) => Kind::Http(http.clone(), Expect::compile(&http.expect).ok()?),
                CheckKind::WebSocket(ws) => Kind::WebSocket(ws.clone(), Expect::compile(&ws.expect).ok()?),
                CheckKind::Tcp => Kind::Tcp,
                CheckKind::Grpc(service) => Kind::Grpc(service.clone()),
            };
            Some(Check { port: check.port, kind })
        };
        let checks = health.checks.iter().map(check).collect::<Option<Vec<Check>>>()?;
        Some(Self { checks, timeout: health.timeout })
    }
}

/// Asks everything at once, and says what came of it. It passes where every check does.
pub async fn run(probe: Arc<Probe>, target: Target) -> Seen {
    let mut asked = JoinSet::new();
    for index in 0..probe.checks.len() {
        let (probe, target) = (Arc::clone(&probe), target.clone());
        asked.spawn(async move {
            let Some(check) = probe.checks.get(index) else { return Ok(String::new()) };
            let named = |words: &dyn fmt::Display| format!("{}: {words}", check.kind.name());
            match tokio::time::timeout(probe.timeout, check.ask(&target, probe.timeout)).await {
                Ok(Ok(words)) => Ok(named(&words)),
                Ok(Err(failed)) => Err(named(&failed)),
                Err(_) => Err(named(&format_args!("no answer within {:?}", probe.timeout))),
            }
        });
    }
    let mut passed = Vec::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(words)) => passed.push(words),
            // The others are dropped: one failure is enough.
            Ok(Err(words)) => return Seen { passed: false, words: words.into() },
            Err(_) => return Seen { passed: false, words: "the probe was cut short".into() },
        }
    }
    passed.sort_unstable();
    Seen { passed: true, words: passed.join(", ").into() }
}

impl Check {
    async fn ask(&self, target: &Target, patience: Duration) -> Result<String, Failed> {
        let mut stream = socket::open(&target.places, self.port, patience).await?;
        if let (Some(tls), Some(protocol)) = (&target.tls, self.kind.protocol()) {
            stream = socket::encrypt(stream, tls, protocol).await?;
        }
        match &self.kind {
            Kind::Http(check, expect) => http::ask(stream, check, expect, &target.host).await,
            Kind::WebSocket(check, expect) => websocket::ask(stream, check, expect, &target.host).await,
            Kind::Tcp => Ok("connected".to_owned()),
            Kind::Grpc(service) => grpc::ask(stream, service, &target.host).await,
        }
    }
}

impl Kind {
    /// What is agreed upon in TLS; `None` needs none.
    const fn protocol(&self) -> Option<&'static [u8]> {
        match self {
            Self::Http(..) | Self::WebSocket(..) => Some(b"http/1.1"),
            Self::Grpc(_) => Some(b"h2"),
            Self::Tcp => None,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Http(..) => "http",
            Self::WebSocket(..) => "ws",
            Self::Tcp => "tcp",
            Self::Grpc(_) => "grpc",
        }
    }
}

impl Failed {
    fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failed {
    /// The system's words without its number.
    fn from(error: std::io::Error) -> Self {
        let text = error.to_string();
        Self(text.split(" (os error").next().unwrap_or_default().to_lowercase())
    }
}
