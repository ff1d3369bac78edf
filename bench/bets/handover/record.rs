//! What a parked tunnel is: two sockets, and in writing the bytes that are still to go each way with the ends seen.
//! One SEQPACKET message each, so that descriptors and record can't part. No version, no route: it is a bet.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};

/// The most bytes of one direction that may be unsent in a record, as in the relay's scratch.
pub(crate) const UNSENT: usize = 64 * 1024;
/// Flags and two lengths of four bytes.
const HEAD: usize = 9;

/// A tunnel that nobody relays at the moment.
pub(crate) struct Parked {
    pub(crate) client: TcpStream,
    pub(crate) upstream: TcpStream,
    /// Towards the client.
    pub(crate) down: Direction,
    /// Towards the upstream.
    pub(crate) up: Direction,
}

/// What one direction of a tunnel remembers.
#[derive(Default)]
pub(crate) struct Direction {
    /// Read and not yet sent.
    pub(crate) unsent: Vec<u8>,
    /// Whether the reading side has ended.
    pub(crate) ended: bool,
    /// Whether that end was passed on.
    pub(crate) shut: bool,
}

impl Parked {
    /// Sends the tunnel to the process at the other end of `socket`. Our own descriptors close when `self` drops, which
    /// ends nothing: the other process holds the same sockets.
    pub(crate) fn send(self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let descriptors = [self.client.as_fd(), self.upstream.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let Parked { down, up, .. } = &self;
        let mut head =
            vec![u8::from(down.ended) | u8::from(down.shut) << 1 | u8::from(up.ended) << 2 | u8::from(up.shut) << 3];
        for direction in [down, up] {
            let length = u32::try_from(direction.unsent.len()).map_err(io::Error::other)?;
            head.extend_from_slice(&length.to_le_bytes());
        }
        let parts = [IoSlice::new(&head), IoSlice::new(&down.unsent), IoSlice::new(&up.unsent)];
        let whole = parts.iter().map(|part| part.len()).sum::<usize>();
        let sent = sendmsg(socket, &parts, &mut control, SendFlags::empty())?;
        if sent == whole { Ok(()) } else { Err(io::Error::other("a record was cut")) }
    }

    /// Receives the next tunnel; `None` when the old process has sent all and closed.
    pub(crate) fn receive(socket: BorrowedFd<'_>, scratch: &mut [u8]) -> io::Result<Option<Parked>> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = recvmsg(socket, &mut [IoSliceMut::new(scratch)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if message.bytes == 0 {
            return Ok(None);
        }
        let mut sockets = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                sockets.extend(descriptors.map(|descriptor: OwnedFd| TcpStream::from(descriptor)));
            }
        }
        let mut sockets = sockets.into_iter();
        let (Some(client), Some(upstream)) = (sockets.next(), sockets.next()) else {
            return Err(io::Error::other("a record came without its sockets"));
        };
        let (down, up) = parse(&scratch[..message.bytes]).ok_or_else(|| io::Error::other("a record is broken"))?;
        Ok(Some(Parked { client, upstream, down, up }))
    }
}

/// The two directions of a record, or `None` if its lengths don't add up.
fn parse(record: &[u8]) -> Option<(Direction, Direction)> {
    let (head, rest) = record.split_at_checked(HEAD)?;
    let (flags, lengths) = head.split_first()?;
    let length = u32::from_le_bytes(lengths.get(..4)?.try_into().ok()?);
    let (down, up) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let length = u32::from_le_bytes(lengths.get(4..)?.try_into().ok()?);
    let direction =
        |unsent: &[u8], flags: u8| Direction { unsent: unsent.to_vec(), ended: flags & 1 != 0, shut: flags & 2 != 0 };
    (up.len() == usize::try_from(length).ok()?).then(|| (direction(down, *flags), direction(up, flags >> 2)))
}
