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

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use switchboard_core::config;
use tokio::sync::{Semaphore, mpsc};
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
    /// Another one holds after a reload that names another file.
    token: ArcSwap<Token>,
    guessing: guard::Guessing,
    drains: drains::Drains,
    /// Places for streams of pictures.
    pages: Arc<Semaphore>,
}

/// The admin plane of a running proxy, as the control thread holds it.
#[derive(Debug)]
pub struct Admin {
    plane: Arc<Plane>,
    router: Router,
    state_dir: PathBuf,
    settings: config::Admin,
    socket: PathBuf,
    unix: Option<AbortHandle>,
    tcp: Option<AbortHandle>,
}

/// What a configuration wants opened: bound, and nothing accepted from it yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Opening {
    settings: config::Admin,
    token: Token,
    /// Where it is another one than before.
    unix: Option<server::Unix>,
    tcp: Tcp,
    /// What was asked for by nobody, and can't be had.
    pub notes: Vec<String>,
}

/// What becomes of the address.
#[derive(Debug)]
enum Tcp {
    Stays,
    Closes,
    Opens(std::net::TcpListener),
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
        let socket = socket_of(&config);
        let (opening, state_dir) = (open(None, &config, &socket)?, config.state_dir.clone());
        for note in &opening.notes {
            tracing::warn!("{note}");
        }
        let plane = Arc::new(Plane {
            process,
            asks,
            token: ArcSwap::from_pointee(opening.token.clone()),
            guessing: guard::Guessing::default(),
            drains: drains::Drains::default(),
            pages: Arc::new(Semaphore::new(dashboard::PAGES)),
        });
        let (router, settings) = (router(Arc::clone(&plane)), opening.settings.clone());
        let mut admin = Self { plane, router, state_dir, settings, socket, unix: None, tcp: None };
        let lines = admin.settle(opening);
        Ok((admin, lines))
    }

    /// Opens what a configuration wants that is about to be put in force; `None` where it wants nothing new. What is open
    /// stays so until [`Admin::settle`].
    ///
    /// # Errors
    /// As [`Admin::start`].
    pub fn prepare(&self, config: &config::Config) -> Result<Option<Opening>, String> {
        if config.admin == self.settings {
            return Ok(None);
        }
        let config = config::Config { state_dir: self.state_dir.clone(), ..config.clone() };
        open(Some(self), &config, &socket_of(&config)).map(Some)
    }

    /// Takes into use what was opened, and closes what it replaces. Returns the lines to print.
    pub fn settle(&mut self, opening: Opening) -> Vec<String> {
        let Opening { settings, token, unix, tcp, notes: _ } = opening;
        self.settings = settings;
        self.plane.token.store(Arc::new(token));
        if let Some(unix) = unix {
            if let Some(old) = self.unix.take() {
                old.abort();
                let _ = std::fs::remove_file(&self.socket);
            }
            self.socket = unix.path.clone();
            self.unix = unix.serve(self.router.clone());
        }
        if matches!(tcp, Tcp::Stays) {
            return Vec::new();
        }
        if let Some(old) = self.tcp.take() {
            old.abort();
        }
        let Tcp::Opens(listener) = tcp else { return Vec::new() };
        match server::serve_tcp(listener, self.router.clone()) {
            Ok((task, address)) => {
                self.tcp = Some(task);
                vec![format!("admin on {address}")]
            }
            Err(error) => {
                tracing::error!(%error, "the address of the admin plane can't be used");
                Vec::new()
            }
        }
    }

    /// The way to ask the control thread.
    pub fn asks(&self) -> mpsc::Sender<Ask> {
        self.plane.asks.clone()
    }

    /// Closes everything; connections that are being answered go on.
    pub fn close(&mut self) {
        [self.unix.take(), self.tcp.take()].into_iter().flatten().for_each(|task| task.abort());
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Opens what `config` wants and `now` has not.
fn open(now: Option<&Admin>, config: &config::Config, socket: &Path) -> Result<Opening, String> {
    let settings = config.admin.clone();
    let path = token_of(config);
    let token = Token::read_or_make(&path).map_err(|error| format!("the admin token {}: {error}", path.display()))?;
    let mut notes = Vec::new();
    let tcp = match (settings.bind, now) {
        (None, _) => Tcp::Closes,
        (Some(address), Some(now)) if now.settings.bind == Some(address) && now.tcp.is_some() => Tcp::Stays,
        (Some(address), _) => match server::bind_tcp(address) {
            Ok(listener) => Tcp::Opens(listener),
            Err(error) if settings.written => return Err(error),
            Err(error) => {
                notes.push(format!("{error}; the admin plane is at {} alone", socket.display()));
                Tcp::Closes
            }
        },
    };
    let unix = match now {
        Some(now) if now.socket == *socket => None,
        Some(_) | None => {
            let bound = server::Unix::bind(socket);
            Some(bound.map_err(|error| format!("cannot open {}: {error}", socket.display()))?)
        }
    };
    Ok(Opening { settings, token, unix, tcp, notes })
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
