//! A share of the requests, as a condition: drawn from the request itself, so that nothing here draws.

use crate::balance;
use crate::config::{HashKey, Share, ShareOf};
use crate::route::Facts;

/// A compiled `share`.
#[derive(Clone, Debug)]
pub(super) struct ShareTest {
    share: ShareOf,
    salt: u64,
}

impl ShareTest {
    pub(super) const fn new(share: ShareOf) -> Self {
        Self { share, salt: 0 }
    }

    pub(super) fn salted(self, salt: u32) -> Self {
        Self { salt: u64::from(salt), ..self }
    }

    /// Whether the request is among them. A larger share keeps those of a smaller one: who is in at 5 % is in at 10 %.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        let key = match &self.share.by {
            // Its id is random, and the same for whoever asks about this request.
            None => Some(balance::hash(facts.request_id)),
            Some(by) => balance::key(by, facts),
        };
        let whole = u64::from(Share::WHOLE.0);
        key.is_some_and(|key| balance::mix(key ^ balance::mix(self.salt + 1)) % whole < u64::from(self.share.of.0))
    }

    /// Why it is not, as a sentence.
    pub(super) fn words(&self) -> String {
        let percent = f64::from(self.share.of.0) / 10_000.0;
        match &self.share.by {
            None => format!("this request is not among the {percent}%"),
            Some(HashKey::ClientIp) => format!("the client is not among the {percent}%"),
            Some(HashKey::Path) => format!("the path is not among the {percent}%"),
            Some(HashKey::Header(name)) => format!("the header {name} is not there, or not among the {percent}%"),
            Some(HashKey::Cookie(name)) => format!("the cookie {name} is not there, or not among the {percent}%"),
            Some(HashKey::Query(name)) => {
                format!("the query parameter {name} is not there, or not among the {percent}%")
            }
        }
    }
}
