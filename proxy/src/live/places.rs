//! Where an endpoint can be reached now, and where it no longer can: lists that the control thread replaces and workers
//! read. Made for each endpoint; a written address has one list for ever.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwap;
use switchboard_core::moment::Moment;

/// Dropped addresses that are remembered at most; of more, the earliest is forgotten and its streams go on.
const MOST_DROPPED: usize = 256;

/// A place where an endpoint can be reached now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(at) => write!(f, "{at}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where an endpoint can be reached now. The data path reads the number alone: it changes with the list.
#[derive(Debug)]
pub struct Places {
    list: ArcSwap<Vec<Place>>,
    version: AtomicU32,
    /// How many from the first take turns; 0 where the list was written and not resolved.
    lead: AtomicU32,
    doubted: AtomicBool,
    /// Addresses that were in the list and are not, with the moment since when. Streams over them end as their rules say.
    dropped: ArcSwap<Vec<(SocketAddr, Moment)>>,
}

impl Places {
    /// Makes the first list; it may be empty, for a name that has still to be resolved.
    pub fn new(list: Vec<Place>) -> Self {
        let version = u32::from(!list.is_empty());
        Self {
            list: ArcSwap::from_pointee(list),
            version: version.into(),
            lead: 0.into(),
            doubted: false.into(),
            dropped: ArcSwap::default(),
        }
    }

    /// The list.
    pub fn load(&self) -> Arc<Vec<Place>> {
        self.list.load_full()
    }

    /// Replaces the list by one that was resolved and is not empty; `lead` of it take turns.
    pub fn store(&self, list: Arc<Vec<Place>>, lead: usize) {
        self.list.store(list);
        self.lead.store(u32::try_from(lead).unwrap_or(u32::MAX).max(1), Ordering::Relaxed);
        // The control thread alone writes; a version is never 0 again.
        let next = self.version.load(Ordering::Relaxed).wrapping_add(1).max(1);
        self.version.store(next, Ordering::Release);
    }

    /// Remembers what is in the list and not among `others` as dropped `now`, and what is among them as back. Tells
    /// whether something was dropped.
    pub fn drop_others(&self, others: &[Place], now: Moment) -> bool {
        let stays = |at: &SocketAddr| others.iter().any(|place| matches!(place, Place::Ip(ip) if ip == at));
        let mut dropped: Vec<(SocketAddr, Moment)> =
            self.dropped.load().iter().filter(|(at, _)| !stays(at)).copied().collect();
        let before = dropped.len();
        for place in self.load().iter() {
            if let Place::Ip(at) = place
                && !stays(at)
                && !dropped.iter().any(|(known, _)| known == at)
            {
                dropped.push((*at, now));
            }
        }
        let more = dropped.len() > before;
        dropped.drain(..dropped.len().saturating_sub(MOST_DROPPED));
        self.dropped.store(Arc::new(dropped));
        more
    }

    /// Since when an address is no longer in the list; [`Moment::NEVER`] while it is.
    pub fn dropped_at(&self, at: &SocketAddr) -> Moment {
        let dropped = self.dropped.load();
        dropped.iter().find(|(known, _)| known == at).map_or(Moment::NEVER, |(_, since)| *since)
    }

    /// Which list it is; 0 while there is none.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// How many of the list, from the first, take turns at being tried first; 0 keeps its order.
    pub fn lead(&self) -> usize {
        self.lead.load(Ordering::Relaxed) as usize
    }

    /// Whether the list comes from a name, and may be another when that is asked for again.
    pub fn is_followed(&self) -> bool {
        self.lead() > 0
    }

    /// Doubts a list that comes from a name; true where nobody did before.
    pub fn doubt(&self) -> bool {
        self.is_followed() && !self.doubted.swap(true, Ordering::Relaxed)
    }

    /// Whether the list was doubted; it no longer is.
    pub fn take_doubt(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_dropped_is_remembered_until_it_is_back() {
        let list = |ports: &[u16]| -> Vec<Place> {
            ports.iter().map(|port| Place::Ip(([127, 0, 0, 1], *port).into())).collect()
        };
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let places = Places::new(list(&[1, 2]));
        let follow = |ports: &[u16], now| {
            let dropped = places.drop_others(&list(ports), now);
            places.store(Arc::new(list(ports)), ports.len());
            dropped
        };
        let since = |port: u16| places.dropped_at(&([127, 0, 0, 1], port).into());
        assert!(follow(&[2, 3], at(1)));
        assert!(!follow(&[2, 3, 4], at(2)));
        assert_eq!((since(1), since(2), since(9)), (at(1), Moment::NEVER, Moment::NEVER));
        assert!(follow(&[4], at(3)));
        assert_eq!((since(1), since(2), since(3)), (at(1), at(3), at(3)));
        assert!(!follow(&[4, 1], at(4)));
        assert_eq!((since(1), since(2)), (Moment::NEVER, at(3)));
        for port in 1000..2000 {
            follow(&[port], at(5));
        }
        assert!(places.dropped.load().len() <= MOST_DROPPED);
    }
}
