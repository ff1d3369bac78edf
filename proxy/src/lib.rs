//! Everything of Switchboard that touches the world. The modules stand in the order in which a request meets them:
//! listener → http → exchange (route → policy → balance → upstream → relay) → telemetry. What they stand on comes after.
//!
//! The `switchboard` binary is a thin shell over this crate.

pub mod listener;

pub mod tls;

pub mod http;

pub mod exchange;

pub mod upstream;

pub mod relay;

pub mod files;

pub mod tunnel;

pub mod cache;

pub mod telemetry;

pub mod worker;

pub mod transport;

pub mod reactor;

pub mod deadline;

pub mod desk;

pub mod streams;

pub mod error;

pub mod live;

pub mod generation;

pub mod aside;

pub mod tokens;

pub mod store;

pub mod process;

pub mod certs;

pub mod control;

pub mod admin;

pub mod demo;

pub mod dev;

pub mod doctor;

pub mod top;

pub mod cli;
