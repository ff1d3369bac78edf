//! Endpoints that fail are left alone, and asked again when they are well: by probes, and by what traffic says.

mod outlier;
mod probes;
mod states;
mod wire;

use crate::harness::{Origin, Proxy, Wire, poll};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// An origin with a health path whose status can be set, and another for all else.
pub(crate) struct Patient {
    pub(crate) origin: Origin,
    /// What `/healthz` answers; 0 is silence.
    pub(crate) health: Arc<AtomicU16>,
    /// What everything else answers.
    pub(crate) status: Arc<AtomicU16>,
    /// Requests that were no probe.
    pub(crate) served: Arc<AtomicUsize>,
}

impl Patient {
    pub(crate) fn start(name: &'static str) -> Self {
        let (health, status) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(200)));
        let served = Arc::new(AtomicUsize::new(0));
        let ours = (Arc::clone(&health), Arc::clone(&status), Arc::clone(&served));
        let origin = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                let status = match request.target() {
                    "/healthz" => ours.0.load(Ordering::SeqCst),
                    _ => {
                        ours.2.fetch_add(1, Ordering::SeqCst);
                        ours.1.load(Ordering::SeqCst)
                    }
                };
                if status == 0 {
                    wire.rest();
                    return;
                }
                wire.send(format!(
                    "HTTP/1.1 {status} x\r\nX-Name: {name}\r\nContent-Length: {}\r\n\r\n{name}",
                    name.len()
                ));
            }
        });
        Self { origin, health, status, served }
    }

    pub(crate) fn set_health(&self, status: u16) {
        self.health.store(status, Ordering::SeqCst);
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// What the admin plane says of an endpoint.
#[track_caller]
pub(crate) fn endpoint(proxy: &Proxy, address: &str) -> Value {
    let mut wire = Wire::connect(proxy.admin());
    wire.offer(format!(
        "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        proxy.token()
    ));
    let status: Value = serde_json::from_str(&wire.response().text()).unwrap();
    let list = status["endpoints"].as_array().unwrap_or_else(|| panic!("{status}"));
    list.iter().find(|shown| shown["endpoint"] == address).unwrap_or_else(|| panic!("{address} in {status}")).clone()
}

/// Waits until an endpoint is up or not, as its probes or its traffic say.
#[track_caller]
pub(crate) fn wait_state(proxy: &Proxy, address: &str, state: &str) -> Value {
    poll(&format!("{address} to be {state}"), || {
        let shown = endpoint(proxy, address);
        shown["state"].as_array().unwrap().iter().any(|one| one == state).then_some(shown)
    })
}
