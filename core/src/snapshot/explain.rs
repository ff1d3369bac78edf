//! Which rule answers a request, and why the others do not, for people.
//!
//! `explain` and the demo ask; the data path never does. The search itself is the data path's own, heard by a trace; here
//! only those rules of the same host are added that the search had no reason to try.

use super::Snapshot;
use crate::route::{Facts, FindError, RuleId, Trail};

mod nearby;

/// The course and end of one search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The host pattern that was chosen, as keys write it; `None` where no route is for the host.
    pub host: Option<String>,
    /// What was found.
    pub answer: Result<RuleId, FindError>,
    /// Every rule of that host: first those that were tried, in that order, then the others.
    pub candidates: Vec<Candidate>,
    /// Hosts of the table that resemble the one asked for, the nearest first; empty where one was chosen.
    pub similar_hosts: Vec<String>,
}

/// A rule and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which rule; [`Snapshot::rule`] has its key and index.
    pub rule: RuleId,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a rule in a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It answers.
    Answers,
    /// Its condition does not hold, in words.
    Differs(String),
    /// One before it answers.
    NotReached,
    /// Its path is not the request's.
    OtherPath,
}

impl Snapshot {
    /// Searches as the data path does and tells everything about it.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let mut trail = Trail::default();
        let answer = self.find(facts, &mut trail);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(trail.tried.len());
        for tried in trail.tried {
            let fate = tried.because.map_or(Fate::Answers, Fate::Differs);
            candidates.push(Candidate { rule: tried.rule, fate });
        }
        for (rule, on_path) in self.routes.rules_of_host(facts.destination.host(), facts.destination.path()) {
            if candidates.iter().all(|candidate| candidate.rule != rule) {
                let fate = if on_path { Fate::NotReached } else { Fate::OtherPath };
                candidates.push(Candidate { rule, fate });
            }
        }
        let similar_hosts = match trail.host {
            Some(_) => Vec::new(),
            None => self.similar_hosts(facts.destination.host()),
        };
        Explanation { host: trail.host, answer, candidates, similar_hosts }
    }

    /// Hosts of the table that resemble `host`, the nearest first, at most three.
    #[must_use]
    pub fn similar_hosts(&self, host: &[u8]) -> Vec<String> {
        nearby::similar(&String::from_utf8_lossy(host), self.routes.hosts())
    }
}
