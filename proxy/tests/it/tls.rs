//! TLS on both sides: what clients see, which policy holds for whom, what endpoints are held to. Cases 145, 163–171, 174, 175.

mod passthrough;
pub(crate) mod peer;
mod policy;
mod shown;
mod terminate;
mod upstream;
