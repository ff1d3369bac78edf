//! SECURITY.md §1 E: upgrades and tunnels. Cases 101–107, 112–114, 117 and 120; `frames` is
//! about what passes through them, and how the proxy ends them.

mod clients;
mod conformance;
mod crowd;
mod frames;
mod handshake;
mod lag;
mod life;
mod limits;
