//! Asks the operator's own service whether a name that only a wildcard knows may have a certificate:
//! `GET URL?domain=NAME`, 200 is yes.
//!
//! Whoever connects chooses the names, so everything here is bounded: how many are asked for at once and in a minute,
//! and how long a no is remembered (case 162).

use std::collections::HashMap;
use std::time::Duration;

use hyper::{Request, StatusCode};
use instant_acme::BodyWrapper;

use super::acme::{Client, client_for};
use super::now;

/// How long the service may take. A handshake waits.
const PATIENCE: Duration = Duration::from_secs(4);

/// Names that are asked for at once.
const AT_ONCE: u32 = 16;

/// New names in a minute, after a first handful.
const PER_MINUTE: u64 = 60;

/// How many noes are remembered, and for how long in seconds.
const NOES: usize = 4096;
const NO_HOLDS: u64 = 60;

/// What bounds the questions.
#[derive(Debug, Default)]
pub struct Gate {
    noes: HashMap<Box<str>, u64>,
    asking: u32,
    /// The minute in which questions are counted, and how many there were.
    minute: (u64, u64),
}

impl Gate {
    /// Whether a name may be asked for now. Who gets a yes says when the answer is there.
    pub fn enter(&mut self, name: &str) -> bool {
        let now = now();
        if self.noes.get(name).is_some_and(|until| now < *until) || self.asking >= AT_ONCE {
            return false;
        }
        if self.minute.0 != now / 60 {
            self.minute = (now / 60, 0);
        }
        if self.minute.1 >= PER_MINUTE {
            return false;
        }
        self.minute.1 += 1;
        self.asking += 1;
        true
    }

    /// Counts a question about a name that has a certificate: it is neither new nor chosen by whoever connects.
    pub fn enter_again(&mut self) {
        self.asking += 1;
    }

    /// Takes an answer.
    pub fn leave(&mut self, name: &str, yes: bool) {
        self.asking = self.asking.saturating_sub(1);
        if !yes {
            self.refuse(name);
        }
    }

    /// Remembers a no.
    pub fn refuse(&mut self, name: &str) {
        let now = now();
        if self.noes.len() >= NOES {
            self.noes.retain(|_, until| now < *until);
        }
        if self.noes.len() < NOES {
            self.noes.insert(name.into(), now + NO_HOLDS);
        }
    }
}

/// The service.
#[derive(Clone, Debug)]
pub struct Service {
    url: String,
    client: Client,
}

impl Service {
    /// Knows whom to ask; asks nothing yet.
    ///
    /// # Errors
    /// In words, where the system has no roots to check an `https` service by.
    pub fn at(url: &str) -> Result<Self, String> {
        Ok(Self { url: url.to_owned(), client: client_for(url)? })
    }

    /// Asks about a name.
    ///
    /// # Errors
    /// In words, where there is no answer that could be a yes or a no.
    pub async fn allows(&self, name: &str) -> Result<bool, String> {
        let url = &self.url;
        let join = if url.contains('?') { '&' } else { '?' };
        let request = Request::get(format!("{url}{join}domain={name}")).header("user-agent", "switchboard");
        let request = request.body(BodyWrapper::default()).map_err(|error| error.to_string())?;
        match tokio::time::timeout(PATIENCE, self.client.request(request)).await {
            Ok(Ok(answer)) => match answer.status() {
                StatusCode::OK => Ok(true),
                status if status.is_server_error() => Err(format!("it answers {status}")),
                _ => Ok(false),
            },
            Ok(Err(error)) => Err(super::acme::chain(&error)),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, Gate};

    #[test]
    fn case_162_asks_for_few_names_at_once_and_remembers_a_no() {
        let mut gate = Gate::default();
        assert!(gate.enter("a.com"));
        gate.leave("a.com", false);
        assert!(!gate.enter("a.com"), "a no is remembered");
        let most = AT_ONCE as usize;
        let entered = (0..100).filter(|n| gate.enter(&format!("{n}.com"))).count();
        assert_eq!(entered, most);
        (0..most).for_each(|n| gate.leave(&format!("{n}.com"), true));
        // An order that fails later is a no, and no answer more.
        assert!(gate.enter("y.com"));
        gate.refuse("z.com");
        assert!(!gate.enter("z.com"));
        assert_eq!((0..100).filter(|n| gate.enter(&format!("w{n}.com"))).count(), most - 1);
        (0..most).for_each(|n| gate.leave(&format!("w{n}.com"), true));
        let minute = (0..1000).filter(|n| {
            let entered = gate.enter(&format!("x{n}.com"));
            if entered {
                gate.leave("", true);
            }
            entered
        });
        // At most those of two minutes, where one ends in between.
        assert!(minute.count() <= 120);
    }
}
