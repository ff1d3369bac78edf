//! Registers descriptors with the reactor of the calling worker. The one place that has to promise something to tokio.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a non-blocking descriptor.
///
/// # Errors
/// When the reactor refuses it (descriptors or memory exhausted).
pub fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same open descriptor for as long as it lives, and the `AsyncFd` owns it.
    #[expect(unsafe_code, reason = "tokio asks for the promise that OwnedFd keeps")]
    let registered = unsafe { AsyncFd::register_with_interest(fd, interest) };
    Ok(registered?)
}
