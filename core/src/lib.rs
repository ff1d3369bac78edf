//! The pure half of Switchboard: everything that can be decided without touching the world.
//!
//! No sockets, no clock, no randomness: time, seeds and bytes are arguments (invariant 1 of ARCHITECTURE.md).
//! The modules stand in the order in which a request meets them.
#![forbid(unsafe_code)]

pub mod moment;

pub mod stamp;

pub mod request_id;

pub mod proxy_header;

pub mod message;

mod block;
pub mod http1;

pub mod http2;

pub mod target;

pub mod route;

pub mod template;

pub mod content;

pub mod forwarding;

pub mod policy;

pub mod websocket;

pub mod sse;

pub mod cache;

pub mod balance;

pub mod health;

pub mod reason;

pub mod answer;

pub mod access;

pub mod trace;

pub mod config;

pub mod slots;

pub mod certificate;

pub mod snapshot;

pub mod onward;
