//! Connects to the first place of an endpoint that accepts (Happy Eyeballs, RFC 8305): one attempt after the other, the
//! next as soon as one fails or a quarter of a second has passed, IPv6 and IPv4 by turns.
//!
//! Where the places come from a name, an attempt that waits so long or fails also makes the name be asked for again, and
//! new places join the race: whoever moved is reached by the request that found out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};
use switchboard_core::moment::Moment;

use crate::control::resolve::Doubts;
use crate::deadline::Deadline;
use crate::live::{EndpointLive, Place};
use crate::transport::{Gone, Transport};

/// How long one attempt is alone before the next joins it (RFC 8305 §5: 250 ms recommended).
const STAGGER: Duration = Duration::from_millis(250);

/// Why nobody could be reached.
#[derive(Debug)]
pub enum Failure {
    /// Every place refused; the last refusal.
    Refused(Option<io::Error>),
    /// Not in time.
    TimedOut,
    /// This machine has no descriptor, port or memory for a connection: no endpoint is to blame.
    Exhausted(io::Error),
    /// The client went away meanwhile.
    ClientGone,
}

/// Runs the race within `patience`, for a client whose leaving ends it, or for nobody in particular. Gives the connection, and the version of the list of places it comes from.
///
/// # Errors
/// Nobody was reached; not a byte was sent.
pub async fn connect(
    endpoint: &EndpointLive,
    turn: usize,
    doubts: &Doubts,
    client: Option<&Transport>,
    deadline: &Deadline,
    patience: Option<Duration>,
) -> Result<(Transport, u32), Failure> {
    let ends = patience.map_or(Moment::NEVER, |patience| deadline.clock().about_now() + patience);
    let version = endpoint.places.version();
    let waiting = order(&endpoint.places.load(), endpoint.places.lead(), turn);
    let mut race =
        Race { endpoint, doubts, deadline, ends, version, waiting, open: Vec::new(), refused: None, exhausted: None };
    let transport = poll_fn(|context| {
        deadline.register(context);
        race.poll(context, client)
    })
    .await?;
    Ok((transport, race.version))
}

struct Race<'a> {
    endpoint: &'a EndpointLive,
    doubts: &'a Doubts,
    deadline: &'a Deadline,
    ends: Moment,
    version: u32,
    /// Whom to try next.
    waiting: VecDeque<Place>,
    /// Attempts that are under way.
    open: Vec<Transport>,
    refused: Option<io::Error>,
    exhausted: Option<io::Error>,
}

impl Race<'_> {
    fn poll(&mut self, context: &mut Context<'_>, client: Option<&Transport>) -> Poll<Result<Transport, Failure>> {
        let mut next = self.open.is_empty();
        loop {
            if next {
                self.start_next();
            }
            next = false;
            let mut at = 0;
            while let Some(attempt) = self.open.get(at) {
                match attempt.poll_connected(context) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(self.open.swap_remove(at))),
                    Poll::Ready(Err(error)) => {
                        self.open.swap_remove(at);
                        self.fail(error);
                        next = true;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if self.open.is_empty() && self.waiting.is_empty() {
                return Poll::Ready(Err(match self.exhausted.take() {
                    Some(error) => Failure::Exhausted(error),
                    None => Failure::Refused(self.refused.take()),
                }));
            }
            if !next && self.deadline.has_come() {
                if self.deadline.clock().about_now() >= self.ends {
                    return Poll::Ready(Err(Failure::TimedOut));
                }
                self.doubts.raise(self.endpoint);
                self.join_new_places();
                next = true;
            }
            if !next {
                break;
            }
        }
        match client.map_or(Poll::Pending, |client| client.poll_gone(context)) {
            Poll::Ready(Gone::Reset) => Poll::Ready(Err(Failure::ClientGone)),
            Poll::Ready(Gone::Fin) | Poll::Pending => Poll::Pending,
        }
    }

    /// Begins the next attempt that can be begun, and gives it its time alone.
    fn start_next(&mut self) {
        while let Some(place) = self.waiting.pop_front() {
            match begin(&place).and_then(Transport::plain) {
                Ok(transport) => {
                    self.open.push(transport);
                    break;
                }
                Err(error) if is_exhausted(&error) => self.exhausted = Some(error),
                Err(error) => self.fail(error),
            }
        }
        let more = !self.waiting.is_empty() || self.endpoint.places.is_followed();
        let stagger = if more { self.deadline.clock().about_now() + STAGGER } else { Moment::NEVER };
        self.deadline.set(self.ends.min(stagger));
    }

    fn fail(&mut self, error: io::Error) {
        self.refused = Some(error);
        self.doubts.raise(self.endpoint);
    }

    /// Puts places in front that the list did not have when the race began.
    fn join_new_places(&mut self) {
        let version = self.endpoint.places.version();
        if version != self.version {
            // Whoever was tried of the old list is tried on; a place of both lists is tried twice at worst.
            self.version = version;
            self.waiting = order(&self.endpoint.places.load(), self.endpoint.places.lead(), 0);
        }
    }
}

/// The places in the order in which to try them. The first `lead` take turns; then families alternate, IPv6 first
/// (RFC 8305 §4). A list that nobody resolved keeps its order.
fn order(places: &[Place], lead: usize, turn: usize) -> VecDeque<Place> {
    if lead == 0 || places.len() < 2 {
        return places.iter().cloned().collect();
    }
    let (leaders, others) = places.split_at(lead.min(places.len()));
    let (last, first) = leaders.split_at(turn % leaders.len().max(1));
    let mut ordered = VecDeque::with_capacity(places.len());
    alternate(first.iter().chain(last), &mut ordered);
    alternate(others.iter(), &mut ordered);
    ordered
}

fn alternate<'a>(places: impl Iterator<Item = &'a Place>, ordered: &mut VecDeque<Place>) {
    let (mut sixes, mut fours) = (VecDeque::new(), VecDeque::new());
    for place in places.filter(|place| !ordered.contains(place)) {
        let family = match place {
            Place::Ip(SocketAddr::V6(_)) => &mut sixes,
            Place::Ip(SocketAddr::V4(_)) | Place::Unix(_) => &mut fours,
        };
        // A place of more weight stands in the list more than once.
        if !family.contains(&place) {
            family.push_back(place);
        }
    }
    let found: Vec<Place> = std::iter::from_fn(|| {
        let pair = (sixes.pop_front(), fours.pop_front());
        (pair != (None, None)).then_some(pair)
    })
    .flat_map(|(six, four)| six.into_iter().chain(four))
    .cloned()
    .collect();
    ordered.extend(found);
}

/// Whether the lack is this machine's: descriptors, memory, local ports.
fn is_exhausted(error: &io::Error) -> bool {
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    Errno::from_io_error(error).is_some_and(|errno| lacks.contains(&errno))
}

/// Starts a connect without waiting for its end.
fn begin(place: &Place) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, begun) = match place {
        Place::Ip(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
            sockopt::set_tcp_nodelay(&socket, true)?;
            let begun = rustix::net::connect(&socket, address);
            (socket, begun)
        }
        Place::Unix(path) => {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let begun = rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_path())?);
            (socket, begun)
        }
    };
    match begun {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, order};

    #[test]
    fn leaders_take_turns_and_families_alternate() {
        let check = |places: &str, lead: usize, turn: usize, expect: &str| {
            let place = |text: &str| match text.parse().unwrap() {
                port @ 1..60 => Place::Ip(([127, 0, 0, 1], port).into()),
                port => Place::Ip(([0, 0, 0, 0, 0, 0, 0, 1], port).into()),
            };
            let places: Vec<Place> = places.split_whitespace().map(place).collect();
            let ordered: Vec<String> = order(&places, lead, turn)
                .iter()
                .map(|place| match place {
                    Place::Ip(at) => at.port().to_string(),
                    Place::Unix(_) => String::new(),
                })
                .collect();
            assert_eq!(ordered.join(" "), expect);
        };
        // Ports below 60 are IPv4.
        check("40 60", 0, 0, "40 60");
        check("40 60", 0, 1, "40 60");
        check("40", 1, 7, "40");
        check("40 41 42", 3, 0, "40 41 42");
        check("40 41 42", 3, 1, "41 42 40");
        check("40 41 42", 3, 5, "42 40 41");
        check("40 41 60 61", 4, 0, "60 40 61 41");
        check("40 41 42 60", 4, 1, "60 41 42 40");
        check("40 41 41 50", 3, 1, "41 40 50");
        check("40 41 60", 2, 1, "41 40 60");
    }
}
