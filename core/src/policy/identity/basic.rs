//! `basic_auth`: names and the hashes of their passwords, which credentials were right lately, and who guesses.
//!
//! The hashing is done elsewhere: it takes its time. No password is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{scheme, unauthorized};
use crate::config;
use crate::message::{Fields, Name};
use crate::moment::Moment;
use crate::policy::Refusal;
use crate::policy::cells::{Cells, Pace};
use crate::reason::Reason;

/// Credentials that were found right lately, at most so many, and for how long. Both chosen.
const REMEMBERED: usize = 1024;
const REMEMBERED_FOR: Duration = Duration::from_mins(5);

/// Wrong passwords of one client: so many at once, then one each time. Chosen: a person errs less, a machine more.
const WRONG_AT_ONCE: u32 = 10;
const WRONG_EACH: Duration = Duration::from_secs(6);

/// The longest `Authorization` that is read.
const LONGEST: usize = 1024;

/// Names and the hashes of their passwords.
#[derive(Debug)]
pub struct Basic {
    realm: Box<str>,
    users: BTreeMap<Box<str>, Arc<str>>,
    verified: Mutex<BTreeMap<[u8; 32], Moment>>,
    /// By what those who guess at the same passwords are found, on whichever rule.
    pub users_digest: [u8; 32],
    wrong: OnceLock<Arc<Guesses>>,
}

/// Wrong passwords by client: of all rules that ask for the same, as each more would be so many guesses more.
#[derive(Debug)]
pub struct Guesses(Cells);

impl Default for Guesses {
    fn default() -> Self {
        Self(Cells::with_keys(4096))
    }
}

/// What a request says of itself, and what it has to agree with.
#[derive(Clone)]
pub struct Attempt {
    /// The password as it came.
    pub password: Vec<u8>,
    /// The hash to hold it against: a stranger's name gets another's, so that it takes as long.
    pub hash: Arc<str>,
    /// Nobody has this name: whatever the hash says, it is wrong.
    pub stranger: bool,
    digest: [u8; 32],
}

impl Basic {
    pub(super) fn compile(written: &config::BasicAuth) -> Self {
        let users = written.users.iter().map(|(name, hash)| (name.as_str().into(), hash.0.as_str().into()));
        let users: BTreeMap<Box<str>, Arc<str>> = users.collect();
        let mut all = Sha256::new();
        for text in users.iter().flat_map(|(name, hash)| [&**name, &**hash]) {
            all.update((text.len() as u64).to_ne_bytes());
            all.update(text);
        }
        Self {
            realm: written.realm.as_str().into(),
            users,
            verified: Mutex::default(),
            users_digest: all.finalize().into(),
            wrong: OnceLock::new(),
        }
    }

    /// Lets it count where others count guesses at the same passwords. The first word holds.
    pub fn tie(&self, guesses: impl FnOnce() -> Arc<Guesses>) {
        let _ = self.wrong.get_or_init(guesses);
    }

    fn wrong(&self) -> &Cells {
        &self.wrong.get_or_init(Arc::default).0
    }

    /// Reads the credentials of a request (RFC 7617). `seed` is the process's own; `None` is one that was found right
    /// not long ago.
    ///
    /// # Errors
    ///
    /// `unauthorized` where there are none; `rate_limited` where this client was wrong too often.
    pub fn attempt(
        &self,
        fields: &Fields,
        bytes: &[u8],
        client: u64,
        seed: u64,
        now: Moment,
    ) -> Result<Option<Attempt>, Refusal> {
        let mut lines = fields.named(Name::Authorization);
        let (Some(field), None) = (lines.next(), lines.next()) else { return Err(self.refusal()) };
        let text = scheme(field.value.of(bytes), b"basic").filter(|text| text.len() <= LONGEST);
        let pair = text.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(|| self.refusal())?;
        let colon = pair.iter().position(|&byte| byte == b':').ok_or_else(|| self.refusal())?;
        let (name, password) = (pair.get(..colon).unwrap_or_default(), pair.get(colon + 1..).unwrap_or_default());
        let digest = digest(seed, name, password);
        if self.remembered().get(&digest).is_some_and(|until| now < *until) {
            return Ok(None);
        }
        if let Some(wait) = self.wrong().wait(client, pace(), now) {
            return Err(too_often(wait));
        }
        let known = std::str::from_utf8(name).ok().and_then(|name| self.users.get(name));
        let hash = known.or_else(|| self.users.values().next()).cloned().unwrap_or_default();
        Ok(Some(Attempt { password: password.to_vec(), hash, stranger: known.is_none(), digest }))
    }

    /// Whether these credentials were found right meanwhile.
    pub fn is_known(&self, attempt: &Attempt, now: Moment) -> bool {
        self.remembered().get(&attempt.digest).is_some_and(|until| now < *until)
    }

    /// Counts an attempt as a wrong one until it is found right: as many as are under way at once can be no more guesses.
    ///
    /// # Errors
    ///
    /// `rate_limited` where this client was wrong too often.
    pub fn begin(&self, client: u64, now: Moment) -> Result<(), Refusal> {
        self.wrong().take(client, pace(), now).map_err(too_often)
    }

    /// Remembers what came of an attempt that was begun.
    ///
    /// # Errors
    ///
    /// `unauthorized` where it was wrong.
    pub fn settle(&self, attempt: &Attempt, right: bool, client: u64, now: Moment) -> Result<(), Refusal> {
        if !right || attempt.stranger {
            return Err(self.refusal());
        }
        self.wrong().give_back(client, pace());
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(attempt.digest, now + REMEMBERED_FOR);
        Ok(())
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Moment>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self) -> Refusal {
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", self.realm);
        unauthorized("This route asks for a name and a password that are known here.", challenge)
    }
}

fn pace() -> Pace {
    Pace::new(1, WRONG_EACH, WRONG_AT_ONCE)
}

fn too_often(wait: Duration) -> Refusal {
    let mut refusal = Refusal::new(Reason::RateLimited, "This client has sent too many wrong passwords.");
    refusal.fields.push(("retry-after", (wait.as_secs() + 1).to_string()));
    refusal
}

fn digest(seed: u64, name: &[u8], password: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_ne_bytes());
    hash.update((name.len() as u64).to_ne_bytes());
    hash.update(name);
    hash.update(password);
    hash.finalize().into()
}

/// Whether a password has this `{SHA}` hash, as `htpasswd -s` makes it. The comparison takes the same time wherever
/// they differ.
#[must_use]
pub fn has_sha(password: &[u8], hash: &str) -> bool {
    use sha1::Digest as _;
    let own = STANDARD.encode(sha1::Sha1::digest(password));
    own.len() == hash.len() && own.bytes().zip(hash.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_under_way_count_as_wrong_until_they_are_right() {
        let users = vec![("ann".to_owned(), config::Secret("hash".into()))];
        let basic = Basic::compile(&config::BasicAuth { realm: String::new(), users });
        let attempt = Attempt { password: Vec::new(), hash: "hash".into(), stranger: false, digest: [7; 32] };
        let now = Moment::ZERO + Duration::from_mins(1);
        let begun = || (0..20).filter(|_| basic.begin(1, now).is_ok()).count();
        assert_eq!(begun(), 10);
        assert_eq!(basic.begin(1, now).unwrap_err().reason, Reason::RateLimited);
        assert!(basic.begin(2, now).is_ok() && !basic.is_known(&attempt, now));
        // One was right: there is room for one guess more, and its like need not be verified again.
        assert!(basic.settle(&attempt, true, 1, now).is_ok() && basic.is_known(&attempt, now));
        assert_eq!(begun(), 1);
        assert_eq!(basic.settle(&attempt, false, 1, now).unwrap_err().reason, Reason::Unauthorized);
        assert_eq!(begun(), 0);
    }
}
