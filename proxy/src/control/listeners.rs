//! Which sockets are open, and what has to be opened and closed for another list of listeners.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use switchboard_core::config::{Bind, Listener};

use crate::generation::Generation;
use crate::listener::Socket;
use crate::listener::bind::{BindError, bind};
use crate::process::{Command, WorkerLink};

/// The sockets that are open.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Vec<Arc<Socket>>,
    next_id: u64,
}

/// What a change of the list comes to. Everything that can fail has been done.
#[derive(Debug, Default)]
pub struct Plan {
    fresh: Vec<(Arc<Socket>, Vec<OwnedFd>)>,
    keep: Vec<(Arc<Socket>, Listener)>,
    close: Vec<Arc<Socket>>,
}

impl Plan {
    /// Tells a generation which ports its listeners have.
    pub fn tell_ports(&self, generation: &Generation) {
        let fresh = self.fresh.iter().map(|(socket, _)| (socket, socket.settings.load().name.clone()));
        let kept = self.keep.iter().map(|(socket, listener)| (socket, listener.name.clone()));
        for (socket, name) in fresh.chain(kept) {
            let place = generation.config.listeners.iter().position(|listener| listener.name == name);
            if let Some(place) = place {
                generation.tls.bound(place, socket.port());
            }
        }
    }
}

impl Listeners {
    /// Binds what is new in `wanted`.
    ///
    /// # Errors
    /// When one address can't be bound: then nothing stays bound, and nothing has changed.
    pub fn plan(&mut self, wanted: &[Listener], workers: usize) -> Result<Plan, BindError> {
        let mut plan = Plan::default();
        let mut kept = self.match_open(wanted);
        for (listener, here) in wanted.iter().zip(&mut kept) {
            if !here.is_empty() {
                plan.keep.extend(here.drain(..).map(|socket| (socket, listener.clone())));
                continue;
            }
            for bound in bind(&listener.bind, workers)? {
                self.next_id += 1;
                let socket = Socket {
                    id: self.next_id,
                    bind: listener.bind.clone(),
                    address: bound.address,
                    settings: ArcSwap::from_pointee(listener.clone()),
                    open: 0.into(),
                    counts: Default::default(),
                };
                plan.fresh.push((Arc::new(socket), bound.descriptors));
            }
        }
        let kept = |socket: &Arc<Socket>| plan.keep.iter().any(|(kept, _)| kept.id == socket.id);
        plan.close = self.open.iter().filter(|socket| !kept(socket)).cloned().collect();
        Ok(plan)
    }

    /// The sockets that are open for each listener already. Several listeners may have one bind (`127.0.0.1:0`): those
    /// of the same name find each other first, a new name takes what is left, in order.
    fn match_open(&self, wanted: &[Listener]) -> Vec<Vec<Arc<Socket>>> {
        let mut left: Vec<Arc<Socket>> = self.open.clone();
        let mut take = |listener: &Listener, name: Option<&str>| -> Vec<Arc<Socket>> {
            let fits =
                |socket: &Arc<Socket>, name: &str| socket.bind == listener.bind && socket.settings.load().name == name;
            let name = match name {
                Some(name) => name.to_owned(),
                None => match left.iter().find(|socket| socket.bind == listener.bind) {
                    Some(socket) => socket.settings.load().name.clone(),
                    None => return Vec::new(),
                },
            };
            left.extract_if(.., |socket| fits(socket, &name)).collect()
        };
        let mut found: Vec<_> = wanted.iter().map(|listener| take(listener, Some(&listener.name))).collect();
        for (listener, here) in wanted.iter().zip(&mut found) {
            if here.is_empty() {
                *here = take(listener, None);
            }
        }
        found
    }

    /// Gives the sockets that stay their new settings: before the generation is published, which finds them by name.
    pub fn settle(&self, plan: &Plan) {
        for (socket, listener) in &plan.keep {
            socket.settings.store(Arc::new(listener.clone()));
        }
    }

    /// What is open.
    pub fn open(&self) -> Vec<Arc<Socket>> {
        self.open.clone()
    }

    /// Lets the workers accept on what is new, and stop on what is gone. Returns a line for each new address.
    pub fn carry_out(&mut self, plan: Plan, workers: &[WorkerLink]) -> Vec<String> {
        let mut lines = Vec::new();
        for (socket, descriptors) in plan.fresh {
            // A socket that exists once is served by the first worker, which shares its connections out.
            for (fd, worker) in descriptors.into_iter().zip(workers) {
                worker.accepting.fetch_add(1, Ordering::Relaxed);
                let _ = worker.inbox.send(Command::Listen(Arc::clone(&socket), fd));
            }
            let settings = socket.settings.load();
            let scheme = match &settings.tls {
                None => "http",
                Some(tls) if tls.terminates() => "https",
                Some(_) => "tls passthrough",
            };
            lines.push(format!("listening on {} ({}, {scheme})", socket.describe(), settings.name));
            self.open.push(socket);
        }
        for socket in plan.close {
            workers.iter().for_each(|worker| drop(worker.inbox.send(Command::Unlisten(socket.id))));
            tracing::info!(listener = %socket.describe(), "no longer listening; its connections go on");
            if let Bind::Unix(path) = &socket.bind {
                // Who connects from now on is told that nobody is there, not that nobody answers.
                let _ = std::fs::remove_file(path);
            }
            self.open.retain(|open| open.id != socket.id);
        }
        lines
    }
}
