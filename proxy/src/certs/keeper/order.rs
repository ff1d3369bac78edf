//! What the keeper does about public names: loads, asks, orders, and takes what comes of it.

use std::sync::Arc;

use switchboard_core::certificate::{Cause, Cover, SOON, renewal, retry_after, within};
use switchboard_core::stamp::Stamp;

use super::{Name, Reply, Stage, Task};
use crate::certs::acme::{Failure, Suggestion};
use crate::certs::issued::Issued;
use crate::certs::{chance, now};

/// Orders under way at once: enough for a quick start with many names, few enough for any authority.
const ORDERS: usize = 4;

/// How soon the operator's service is asked again about a name that is in hand, in seconds.
const AGAIN: u64 = 3600;

/// What a job comes back with.
pub(super) enum Done {
    /// The operator's service has said yes, no, or nothing.
    Asked(Box<str>, Result<bool, String>),
    /// An order has ended.
    Ordered(Box<str>, Result<Issued, Failure>),
    /// The authority has said when it would like a renewal, or not.
    Suggested(Box<str>, Option<Suggestion>),
}

impl Task {
    /// Takes a certificate from the store into hand, if there is one.
    pub(super) fn load(&mut self, name: &str, cover: Cover) -> bool {
        let Some(issued) = self.acme.as_ref().and_then(|acme| acme.stored(name)) else { return false };
        if issued.not_after <= now() {
            return false;
        }
        let due = renewal(issued.not_before, issued.not_after, chance());
        let known = self.names.entry(name.into()).or_insert_with(|| Name::new(Stage::Due(due), cover));
        if known.failures == 0 {
            known.suggested = now();
        }
        self.certs.hold(name, issued);
        true
    }

    /// Asks the operator's service about a name that only a wildcard knows.
    pub(super) fn ask(&mut self, name: &str, reply: Reply) {
        let Some(service) = self.service.clone() else { return };
        if !self.gate.enter(name) {
            return;
        }
        let mut known = Name::new(Stage::Asking, Cover::Wildcard);
        known.waiting.push(reply);
        self.names.insert(name.into(), known);
        self.spawn_question(service, name.into());
    }

    fn spawn_question(&mut self, service: crate::certs::ask::Service, name: Box<str>) {
        self.jobs.spawn(async move {
            let answer = service.allows(&name).await;
            Done::Asked(name, answer)
        });
    }

    /// Starts what is due, as far as there is room.
    pub(super) fn start_due(&mut self) {
        let Some(acme) = self.acme.clone() else { return };
        let now = now();
        let mut again = Vec::new();
        for (name, known) in &mut self.names {
            let Stage::Due(at) = known.stage else { continue };
            if at > now {
                if known.suggested <= now
                    && let Some(issued) = self.certs.issued(name)
                {
                    known.suggested = u64::MAX;
                    let (acme, name) = (Arc::clone(&acme), name.clone());
                    self.jobs.spawn(async move {
                        let suggestion = acme.suggestion(&issued).await;
                        Done::Suggested(name, suggestion)
                    });
                }
                continue;
            }
            // A renewal of a name that the operator's service once allowed is its business again.
            if known.cover == Cover::Wildcard && self.certs.issued(name).is_some() {
                known.stage = Stage::Asking;
                again.push(name.clone());
                continue;
            }
            if self.ordering == ORDERS {
                break;
            }
            known.stage = Stage::Ordering;
            self.ordering += 1;
            let (acme, certs, name) = (Arc::clone(&acme), Arc::clone(&self.certs), name.clone());
            self.jobs.spawn(async move {
                let replaces = certs.issued(&name).and_then(|issued| issued.leaf().cloned());
                let result = acme.obtain(&certs, &name, replaces).await;
                Done::Ordered(name, result)
            });
        }
        for name in again {
            match self.service.clone() {
                Some(service) => {
                    self.gate.enter_again();
                    self.spawn_question(service, name);
                }
                None => drop(self.names.remove(&name)),
            }
        }
    }

    pub(super) fn take(&mut self, done: Done) {
        match done {
            Done::Asked(name, answer) => self.take_answer(&name, answer),
            Done::Ordered(name, result) => {
                self.ordering -= 1;
                match result {
                    Ok(issued) => self.take_certificate(&name, issued),
                    Err(failure) => self.take_failure(&name, &failure),
                }
            }
            Done::Suggested(name, suggestion) => self.take_suggestion(&name, suggestion),
        }
    }

    fn take_answer(&mut self, name: &str, answer: Result<bool, String>) {
        let yes = *answer.as_ref().unwrap_or(&false);
        self.gate.leave(name, yes);
        match &answer {
            Ok(true) => {}
            Ok(false) => tracing::debug!("acme.ask says no to {name}"),
            Err(error) => tracing::warn!("acme.ask gives no answer about {name} ({error}); it gets no certificate now"),
        }
        match self.names.get_mut(name) {
            Some(known) if yes => known.stage = Stage::Due(0),
            Some(known) => match self.certs.issued(name).map(|issued| issued.not_after) {
                // What is in hand is used to its end; until then the service may think better of it.
                Some(end) if now() < end => known.stage = Stage::Due(now() + AGAIN),
                Some(_) | None => {
                    self.names.remove(name);
                    self.certs.retain(|held, _| held != name);
                }
            },
            None => {}
        }
    }

    fn take_certificate(&mut self, name: &str, issued: Issued) {
        // The route may have gone, or another authority come, while the order went on: then it is only stored.
        let Some(known) = self.names.get_mut(name).filter(|known| known.stage == Stage::Ordering) else { return };
        tracing::info!("certificate for {name} from {} until {}", issued.issuer, date(issued.not_after));
        known.stage = Stage::Due(renewal(issued.not_before, issued.not_after, chance()).max(now() + 1));
        known.failures = 0;
        known.suggested = now();
        let waiting = std::mem::take(&mut known.waiting);
        let key = Arc::clone(&issued.key);
        self.certs.hold(name, issued);
        waiting.into_iter().for_each(|reply| drop(reply.send(Some(Arc::clone(&key)))));
    }

    /// Says what failed in one line, and sets the next try.
    fn take_failure(&mut self, name: &str, failure: &Failure) {
        let Some(known) = self.names.get_mut(name).filter(|known| known.stage == Stage::Ordering) else { return };
        known.failures = known.failures.saturating_add(1);
        let wait = retry_after(known.failures, failure.cause, chance());
        let next = now() + wait.as_secs();
        known.stage = Stage::Due(next);
        known.waiting.clear();
        // What was allowed once and never came is asked for again by whoever connects.
        if known.cover == Cover::Wildcard && self.certs.issued(name).is_none() && failure.cause != Cause::Unreachable {
            self.gate.refuse(name);
            self.names.remove(name);
        }
        let words = &failure.words;
        let again = format!("next try in {} s", wait.as_secs());
        match self.certs.issued(name).map(|issued| issued.not_after) {
            None => tracing::error!("no certificate for {name}: {words}; {again}"),
            Some(end) if end < now() => tracing::error!("the certificate for {name} HAS ENDED: {words}; {again}"),
            Some(end) if end < now() + SOON => {
                tracing::error!("the certificate for {name} ends on {}: {words}; {again}", date(end));
            }
            Some(end) => {
                tracing::warn!("the certificate for {name} (good until {}) is not renewed: {words}; {again}", date(end))
            }
        }
        self.certs.complain(name, words, next);
    }

    fn take_suggestion(&mut self, name: &str, suggestion: Option<Suggestion>) {
        let Some(known) = self.names.get_mut(name) else { return };
        let good_for = suggestion.map_or(6 * 3600, |s| s.good_for.as_secs().clamp(600, 24 * 3600));
        known.suggested = now() + good_for;
        if let (Some(Suggestion { start, end, .. }), Stage::Due(due), 0) = (suggestion, known.stage, known.failures) {
            let wanted = within(start, end, chance());
            // One that would rather have us late is not followed: the certificate is ours to renew in time.
            if wanted < due {
                tracing::info!("the authority would like the certificate for {name} renewed by {}", date(wanted));
                known.stage = Stage::Due(wanted);
            }
        }
    }
}

fn date(seconds: u64) -> String {
    String::from_utf8_lossy(Stamp::new().http_date(seconds)).into_owned()
}
