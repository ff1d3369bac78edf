//! SECURITY.md §1 E: upgrades and tunnels. Cases 101–107, 112–114, 117 and 120; those of frames and limits come later.

mod handshake;
mod life;
