//! Moves large bodies between two sockets through a pipe, so that the bytes never come into the process.
//! Called by `exchange` for what is left of a body after its head; never for a stream or a tunnel.

use std::{cell::RefCell, io, os::fd::OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::{io::Interest, net::TcpStream};

/// From here on a pipe pays for its two further system calls; below, copying is cheaper.
pub(crate) const WORTH_IT: u64 = 64 * 1024;
/// What a pipe holds, in bytes: chosen as the read scratch is.
const PIPE: usize = 256 * 1024;

/// Pipes that no body uses at the moment; all are empty.
#[derive(Default)]
pub(crate) struct Pipes(RefCell<Vec<(OwnedFd, OwnedFd)>>);

impl Pipes {
    /// Moves exactly `left` bytes. A pipe that an error leaves with bytes in it is closed, not kept.
    pub(crate) async fn pump(&self, from: &TcpStream, to: &TcpStream, mut left: u64) -> io::Result<()> {
        let kept = self.0.borrow_mut().pop();
        let (read, write) = match kept {
            Some(pipe) => pipe,
            None => new_pipe()?,
        };
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(PIPE).min(PIPE);
            let take = || splice(from, None, &write, None, want, SpliceFlags::MOVE | SpliceFlags::NONBLOCK);
            let taken = from.async_io(Interest::READABLE, || Ok(take()?)).await?;
            if taken == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= taken as u64;
            let mut inside = taken;
            while inside > 0 {
                let give = || splice(&read, None, to, None, inside, SpliceFlags::MOVE | SpliceFlags::NONBLOCK);
                inside -= to.async_io(Interest::WRITABLE, || Ok(give()?)).await?;
            }
        }
        self.0.borrow_mut().push((read, write));
        Ok(())
    }
}

fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // Past the user's allowance the pipe stays at its 64 KiB, which is slower and no error.
    let _ = fcntl_setpipe_size(&write, PIPE);
    Ok((read, write))
}
