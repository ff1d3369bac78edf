//! The admin plane: an HTTP API on a unix socket and on an address of this machine, for people and programs that look
//! at the proxy or change it.
//!
//! It runs on the control thread and asks it for what changes; the data path doesn't know it, and goes on where it is
//! off, flooded or broken (invariant 7). `server` accepts, `guard` decides who may ask, the rest answers.

pub mod answer;
mod cache;
pub mod client;
mod dashboard;
mod drains;
mod endpoints;
mod exchanges;
mod explain;
mod guard;
pub mod metrics;
mod openapi;
pub mod registry;
mod reload;
mod routes;
mod server;
mod status;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use switchboard_core::config;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::control::Ask;
use crate::process::Process;
use token::Token;

/// The largest body of a request.
const MOST_BODY: usize = 8 << 20;

/// What the answers are made from.
#[derive(Debug)]
pub(crate) struct Plane {
    process: Arc<Process>,
    asks: mpsc::Sender<Ask>,
    token: Token,
    guessing: guard::Guessing,
    drains: drains::Drains,
}

/// The admin plane of a running proxy, as the control thread holds it.
#[derive(Debug)]
pub struct Admin {
    process: Arc<Process>,
    asks: mpsc::Sender<Ask>,
    state_dir: PathBuf,
    settings: config::Admin,
    socket: PathBuf,
    open: Vec<AbortHandle>,
}

/// Where the unix socket of a configuration is.
pub fn socket_of(config: &config::Config) -> PathBuf {
    config.admin.socket.clone().unwrap_or_else(|| socket_in(&config.state_dir))
}

/// Where the unix socket of a state directory is.
pub fn socket_in(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Where the journal of registered routes of a configuration is.
pub fn journal_of(config: &config::Config) -> PathBuf {
    config.registry.file.clone().unwrap_or_else(|| config.state_dir.join("registry.journal"))
}

/// Where the token of a configuration is.
pub fn token_of(config: &config::Config) -> PathBuf {
    config.admin.token_file.clone().unwrap_or_else(|| config.state_dir.join("admin-token"))
}

impl Admin {
    /// Opens what the configuration says. Returns the lines to print: one for the address, where there is one.
    ///
    /// # Errors
    /// In words: the socket or the token can't be made, or an address that was written is taken.
    pub fn start(process: Arc<Process>, asks: mpsc::Sender<Ask>) -> Result<(Self, Vec<String>), String> {
        let config = process.generation.load().config.clone();
        let (settings, state_dir) = (config.admin.clone(), config.state_dir.clone());
        let mut admin = Self { process, asks, state_dir, settings, socket: socket_of(&config), open: Vec::new() };
        let lines = admin.open(&config)?;
        Ok((admin, lines))
    }

    /// Follows a configuration that was put in force. What can't be opened is logged, and stays closed.
    pub fn follow(&mut self, config: &config::Config) {
        if config.admin == self.settings {
            return;
        }
        self.close();
        self.settings = config.admin.clone();
        let config = config::Config { state_dir: self.state_dir.clone(), ..config.clone() };
        self.socket = socket_of(&config);
        match self.open(&config) {
            Ok(lines) => lines.iter().for_each(|line| eprintln!("{line}")),
            Err(error) => tracing::error!("the admin plane is closed until the next reload: {error}"),
        }
    }

    /// The way to ask the control thread.
    pub fn asks(&self) -> mpsc::Sender<Ask> {
        self.asks.clone()
    }

    /// Closes everything; connections that are being answered go on.
    pub fn close(&mut self) {
        self.open.drain(..).for_each(|task| task.abort());
        let _ = std::fs::remove_file(&self.socket);
    }

    fn open(&mut self, config: &config::Config) -> Result<Vec<String>, String> {
        let path = token_of(config);
        let token =
            Token::read_or_make(&path).map_err(|error| format!("the admin token {}: {error}", path.display()))?;
        let plane = Arc::new(Plane {
            process: Arc::clone(&self.process),
            asks: self.asks.clone(),
            token,
            guessing: guard::Guessing::default(),
            drains: drains::Drains::default(),
        });
        let router = router(Arc::clone(&plane));
        let socket = server::unix(&self.socket, router.clone())
            .map_err(|error| format!("cannot open {}: {error}", self.socket.display()))?;
        self.open.push(socket);
        let Some(address) = self.settings.bind else { return Ok(Vec::new()) };
        match server::tcp(address, router) {
            Ok((task, address)) => {
                self.open.push(task);
                Ok(vec![format!("admin on {address}")])
            }
            Err(error) if self.settings.written => Err(error),
            Err(error) => {
                tracing::warn!("{error}; the admin plane is at {} alone", self.socket.display());
                Ok(Vec::new())
            }
        }
    }
}

/// Everything that can be asked, each path once.
fn router(plane: Arc<Plane>) -> Router {
    Router::new()
        .route("/", get(dashboard::page))
        .route("/dashboard.js", get(dashboard::script))
        .route("/dashboard.css", get(dashboard::style))
        .route("/dashboard.svg", get(dashboard::sign))
        .route("/v1/events", get(dashboard::events))
        .route("/v1/picture", get(dashboard::picture_of_now))
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/upstreams", get(endpoints::list))
        .route("/v1/upstreams/{upstream}/endpoints", post(endpoints::add))
        .route("/v1/upstreams/{upstream}/endpoints/{endpoint}", post(endpoints::change).delete(endpoints::remove))
        .route("/v1/explain", get(explain::explain))
        .route("/v1/exchanges", get(exchanges::list))
        .route("/v1/exchanges/{id}", get(exchanges::show))
        .route("/v1/openapi.json", get(openapi::document))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/drains", post(drains::begin))
        .route("/v1/drains/{id}", get(drains::look))
        .route("/v1/cache", get(cache::show))
        .route("/v1/cache/purge", post(cache::purge))
        .route("/v1/routes", get(routes::list))
        .route("/v1/routes/{key}", get(routes::show).put(routes::put).delete(routes::remove))
        .route("/v1/routes/{key}/renew", post(routes::renew))
        .fallback(answer::nothing_here)
        .method_not_allowed_fallback(answer::not_allowed)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&plane), guard::guard))
        .with_state(plane)
}
