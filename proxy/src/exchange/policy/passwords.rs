//! Whose turn it is to have a password verified: each costs a core for as long as its hash was made to.
//!
//! Two are verified at once over all workers, one of each client: a client that guesses stands in its own way and in nobody
//! else's. So many may wait, and who leaves meanwhile is not verified any more.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use switchboard_core::policy::identity::{Attempt, Basic, has_sha};
use switchboard_core::reason::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::hash;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::record::Record;
use crate::http::Connection;

/// Passwords that are verified at once.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Requests that wait for a turn or have one: of all clients, and of one. Chosen: a page of a browser asks for less.
const MOST: u32 = 256;
const MOST_OF_ONE: u32 = 64;

static PLACES: Mutex<Places> = Mutex::new(Places { clients: BTreeMap::new(), taken: 0 });

struct Places {
    clients: BTreeMap<u64, Line>,
    taken: u32,
}

/// The requests of one client.
struct Line {
    turn: Arc<Semaphore>,
    taken: u32,
}

/// A request's place among them, until it is dropped.
#[derive(Debug)]
struct Place(u64);

/// A turn: first among its client's requests, then among all clients.
#[derive(Debug)]
struct Turn {
    _all: SemaphorePermit<'static>,
    _own: OwnedSemaphorePermit,
    _place: Place,
}

/// Verifies the name and password of a request.
///
/// # Errors
/// `unauthorized`; `rate_limited` where this client was wrong too often or has too many waiting; `overloaded`, `client_gone`.
pub async fn verify(connection: &Connection, desk: &Desk, record: &Record, basic: &Basic) -> Result<(), ProxyError> {
    let client = client_hash(record.client);
    let seed = connection.worker.process.seed;
    let now = || connection.worker.deadlines.about_now();
    let Some(attempt) = basic.attempt(&desk.request.fields, desk.input.filled(), client, seed, record.started)? else {
        return Ok(());
    };
    let turn = Turn::wait(connection, client).await?;
    // Another request of this client may have said the same, or have been wrong once too often.
    if basic.is_known(&attempt, now()) {
        return Ok(());
    }
    basic.begin(client, now())?;
    let Attempt { password, hash, .. } = attempt.clone();
    // The turn lasts as long as the work, whatever becomes of the request.
    let work = tokio::task::spawn_blocking(move || (is_right(&password, &hash), turn)).await;
    let (right, _turn) = work.map_or((false, None), |(right, turn)| (right, Some(turn)));
    Ok(basic.settle(&attempt, right, client, now())?)
}

impl Turn {
    async fn wait(connection: &Connection, client: u64) -> Result<Self, ProxyError> {
        let closed = |_| ProxyError::own(Reason::Internal, "");
        let (place, line) = Place::take(client)?;
        let own = unless_gone(connection, line.acquire_owned()).await?.map_err(closed)?;
        let all = unless_gone(connection, TURNS.acquire()).await?.map_err(closed)?;
        Ok(Self { _all: all, _own: own, _place: place })
    }
}

impl Place {
    fn take(client: u64) -> Result<(Self, Arc<Semaphore>), ProxyError> {
        let full = |reason, detail| {
            let fields = vec![("retry-after", "1".to_owned())];
            Err(ProxyError::own(reason, detail).with(fields))
        };
        let mut places = places();
        if places.taken >= MOST {
            return full(Reason::Overloaded, "Too many passwords wait to be verified.");
        }
        let line = places.clients.entry(client).or_insert_with(|| Line { turn: Arc::new(Semaphore::new(1)), taken: 0 });
        if line.taken >= MOST_OF_ONE {
            return full(Reason::RateLimited, "Too many passwords of this client wait to be verified.");
        }
        line.taken += 1;
        let turn = Arc::clone(&line.turn);
        places.taken += 1;
        Ok((Self(client), turn))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = places();
        places.taken -= 1;
        if let Some(line) = places.clients.get_mut(&self.0) {
            line.taken -= 1;
            if line.taken == 0 {
                places.clients.remove(&self.0);
            }
        }
    }
}

fn places() -> MutexGuard<'static, Places> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for something, unless the client leaves meanwhile: a client that ends its side waits for nothing.
async fn unless_gone<T>(connection: &Connection, wanted: impl Future<Output = T>) -> Result<T, ProxyError> {
    let mut wanted = pin!(wanted);
    poll_fn(|context| match wanted.as_mut().poll(context) {
        Poll::Ready(come) => Poll::Ready(Ok(come)),
        Poll::Pending => connection.transport.poll_gone(context).map(|_| Err(ProxyError::gone())),
    })
    .await
}

/// Holds a password against its hash. Takes as long as whoever made the hash wanted it to.
fn is_right(password: &[u8], hash: &str) -> bool {
    use argon2::password_hash::{PasswordVerifier as _, phc::PasswordHash};
    if let Some(sha) = hash.strip_prefix("{SHA}") {
        return has_sha(password, sha);
    }
    if hash.starts_with("$2") {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| argon2::Argon2::default().verify_password(password, &hash).is_ok())
}

/// One client by its address, an IPv6 site by its /64.
fn client_hash(client: Option<IpAddr>) -> u64 {
    match client.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => hash(&ip.octets()),
        Some(IpAddr::V6(ip)) => hash(ip.octets().get(..8).unwrap_or_default()),
        None => hash(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_one_client_and_for_all() {
        let take = |client, count| -> Vec<_> { (0..count).map(|_| Place::take(client).unwrap().0).collect() };
        let full = |client| Place::take(client).err().map(|error| error.reason);
        let one = take(1, MOST_OF_ONE);
        assert_eq!((full(1), full(2)), (Some(Reason::RateLimited), None));
        let others: Vec<_> = (2..=u64::from(MOST / MOST_OF_ONE)).map(|client| take(client, MOST_OF_ONE)).collect();
        assert_eq!(full(9), Some(Reason::Overloaded));
        drop(one);
        assert_eq!((full(1), full(9)), (None, None));
        drop(others);
        let left = places();
        assert_eq!((left.clients.len(), left.taken), (0, 0));
    }
}
