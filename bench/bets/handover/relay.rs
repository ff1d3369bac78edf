//! The relaying process of the bet, in its two roles. Tunnels are values in a slab: whoever has the slab can park them
//! all between two polls. Spawned by `main`; ends with its last tunnel.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, BufRead},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::record::{Direction, Parked, UNSENT};

/// So that stalled readers leave bytes unsent in the relay and not only in the kernel.
const SEND_BUFFER: usize = 128 * 1024;

/// A tunnel that flows.
struct Tunnel {
    client: TcpStream,
    upstream: TcpStream,
    down: Direction,
    up: Direction,
}

type Slab = Rc<RefCell<Vec<Option<Tunnel>>>>;

/// Relays until a line comes on the standard input; then parks every tunnel and sends it to the standard output, a socket.
pub(crate) async fn old(listen: SocketAddr, upstream: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let (told, mut park) = oneshot::channel();
    std::thread::spawn(move || {
        // The end of the input means the driver is gone: then there is nobody to be told.
        if matches!(io::stdin().lock().read_line(&mut String::new()), Ok(1..)) {
            let _ = told.send(());
        }
    });
    let slab = Slab::default();
    loop {
        let client = tokio::select! {
            biased;
            // Only told, never dropped, is a reason to park; dropped is a reason to end.
            told = &mut park => return told.map_err(io::Error::other).and_then(|()| hand_over(&slab)),
            accepted = listener.accept() => accepted?.0,
        };
        let upstream = TcpStream::connect(upstream).await?;
        for socket in [&client, &upstream] {
            socket.set_nodelay(true)?;
            socket2::SockRef::from(socket).set_send_buffer_size(SEND_BUFFER)?;
        }
        spawn(&slab, Tunnel { client, upstream, down: Direction::default(), up: Direction::default() });
    }
}

/// Parks and sends all tunnels. Nothing else runs meanwhile: the worker's thread is here.
fn hand_over(slab: &Slab) -> io::Result<()> {
    let start = Instant::now();
    let (mut tunnels, mut unsent, mut bytes) = (0, 0, 0);
    for tunnel in slab.borrow_mut().iter_mut().filter_map(Option::take) {
        let parked = tunnel.park()?;
        let left = parked.down.unsent.len() + parked.up.unsent.len();
        tunnels += 1;
        unsent += usize::from(left > 0);
        bytes += left;
        parked.send(rustix::stdio::stdout())?;
    }
    let millis = start.elapsed().as_secs_f64() * 1e3;
    eprintln!("{tunnels} tunnels parked and sent in {millis:.1} ms; {unsent} had unsent bytes, {bytes} in all");
    Ok(())
}

/// Takes up the tunnels that come on the standard input, a socket, and relays them until the last has ended.
pub(crate) async fn new() -> io::Result<()> {
    // Blocking is right here: until the first tunnel there is nothing to do, and between them nothing to wait for.
    let mut scratch = vec![0; 2 * UNSENT + 64];
    let slab = Slab::default();
    let mut tasks = Vec::new();
    let mut start = None;
    while let Some(parked) = Parked::receive(rustix::stdio::stdin(), &mut scratch)? {
        start.get_or_insert_with(Instant::now);
        tasks.push(spawn(&slab, Tunnel::unpark(parked)?));
    }
    let millis = start.map_or(0.0, |start| start.elapsed().as_secs_f64() * 1e3);
    eprintln!("{} tunnels taken up in {millis:.1} ms", tasks.len());
    for task in tasks {
        task.await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Puts the tunnel in the slab and polls it there until it ends or is taken.
fn spawn(slab: &Slab, tunnel: Tunnel) -> tokio::task::JoinHandle<()> {
    let number = slab.borrow().len();
    slab.borrow_mut().push(Some(tunnel));
    let slab = Rc::clone(slab);
    tokio::task::spawn_local(poll_fn(move |cx| {
        let mut slab = slab.borrow_mut();
        let Some(slot) = slab.get_mut(number) else { return Poll::Ready(()) };
        let Some(tunnel) = slot else { return Poll::Ready(()) };
        let ended = tunnel.poll(cx);
        if ended.is_ready() {
            *slot = None;
        }
        ended
    }))
}

impl Tunnel {
    /// Moves what can be moved; ready when both directions have ended or one has failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let down = flow(&mut self.upstream, &mut self.client, &mut self.down, cx);
        let up = flow(&mut self.client, &mut self.upstream, &mut self.up, cx);
        match (down, up) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => {
                eprintln!("a tunnel failed: {error}");
                Poll::Ready(())
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Takes the sockets off this process's reactor. What the kernel has received stays in the sockets and goes along.
    fn park(self) -> io::Result<Parked> {
        let Tunnel { client, upstream, down, up } = self;
        Ok(Parked { client: client.into_std()?, upstream: upstream.into_std()?, down, up })
    }

    /// Registers the sockets anew; a first poll finds whatever came meanwhile.
    fn unpark(parked: Parked) -> io::Result<Tunnel> {
        let Parked { client, upstream, down, up } = parked;
        // Non-blocking is a property of the socket and came along.
        Ok(Tunnel { client: TcpStream::from_std(client)?, upstream: TcpStream::from_std(upstream)?, down, up })
    }
}

/// Moves bytes one way, then the end. Nothing is read while bytes are unsent, so a record stays within its bound.
fn flow(
    from: &mut TcpStream,
    to: &mut TcpStream,
    direction: &mut Direction,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut scratch = [0; UNSENT];
    loop {
        while !direction.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *to).poll_write(cx, &direction.unsent))?;
            direction.unsent.drain(..sent);
        }
        if direction.ended {
            if !direction.shut {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                direction.shut = true;
            }
            return Poll::Ready(Ok(()));
        }
        let mut buffer = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
        direction.ended = buffer.filled().is_empty();
        direction.unsent.extend_from_slice(buffer.filled());
    }
}
