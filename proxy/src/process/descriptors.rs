//! How the open files that the system allows are shared out: reserved, kept open to save work, and for connections.
//!
//! Kept connections to endpoints have no share of their own: they are closed where a descriptor is missing.

/// Descriptors that are not for connections: logs, sockets that listen, the control socket, what libraries open.
const RESERVED: u64 = 200;

/// With fewer descriptors than this there is no use in starting: 24 connections, each with one upstream.
pub const FEWEST: u64 = 256;

/// Of all descriptors, one of so many goes to open files, and as many to pipes; all workers together.
const LUXURY: u64 = 64;

/// Files that a worker keeps open at most. Chosen: more is no gain that was seen.
const MOST_FILES: u64 = 512;

/// The shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Client connections of all workers. Each may need one upstream.
    pub connections: u64,
    /// Files that one worker keeps open.
    pub files: usize,
    /// Pipes of one worker, of two descriptors each.
    pub pipes: usize,
}

impl Descriptors {
    /// Shares `all` out among so many workers.
    pub fn share(all: u64, workers: usize) -> Self {
        let workers = (workers as u64).max(1);
        let each = all / LUXURY / workers;
        let (files, pipes) = (each.min(MOST_FILES), each / 2);
        let kept = workers * (files + 2 * pipes);
        let connections = all.saturating_sub(RESERVED + kept) / 2;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Self { connections, files: size(files), pipes: size(pipes) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Descriptors, FEWEST, RESERVED};

    #[test]
    fn all_shares_together_are_no_more_than_there_is() {
        let check = |all: u64, workers: usize, connections: u64| {
            let shares = Descriptors::share(all, workers);
            assert_eq!(shares.connections, connections, "{all} for {workers}");
            let kept = workers * (shares.files + 2 * shares.pipes);
            assert!(2 * shares.connections + kept as u64 + RESERVED <= all, "{all} for {workers}: {shares:?}");
        };
        check(FEWEST, 1, 24);
        check(FEWEST, 2, 24);
        check(FEWEST, 64, 28);
        check(1024, 2, 396);
        check(20_000, 2, 9_588);
        check(1 << 20, 2, 515_484);
        check(1 << 20, 64, 507_804);
    }
}
