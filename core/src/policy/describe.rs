//! The chain in words, for `explain`: each policy that a rule has, in the order in which it is asked.

use super::Chain;
use crate::config::{CookieFlags, Verdict};

/// A policy by its key, and what it does.
pub type Step = (&'static str, String);

impl Chain {
    /// What is done to a request, in order.
    #[must_use]
    pub fn describe_up(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let conditions =
            |count: usize| if count == 1 { "1 condition".to_owned() } else { format!("{count} conditions") };
        if !self.deny.is_empty() {
            steps.push(("deny", format!("{}: where one holds, 403", conditions(self.deny.len()))));
        }
        for level in &self.allow {
            steps.push(("allow", format!("{}: where none holds, 403", conditions(level.len()))));
        }
        if self.maintenance {
            steps.push(("maintenance", "everything gets 503".to_owned()));
        }
        self.limits(false, &mut steps);
        if self.cors.is_some() {
            steps.push(("cors", "preflights are answered here".to_owned()));
        }
        if let Some(identity) = &self.identity {
            steps.push(("identity", identity.words()));
        }
        self.limits(true, &mut steps);
        if !self.methods.is_empty() {
            steps.push(("methods", format!("{}, others get 405", self.methods.join(", "))));
        }
        if let Some(detect) = self.detect {
            let found = |kind: &str, verdict: Option<Verdict>| match verdict {
                Some(Verdict::Block) => Some(format!("{kind} gets 403")),
                Some(Verdict::Log) => Some(format!("{kind} is logged")),
                None => None,
            };
            let both = [found("SQL injection", detect.sqli), found("a script", detect.xss)];
            steps.push(("detect", both.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        }
        if self.rewrite.is_some() {
            steps.push(("rewrite", "the path, where the expression matches".to_owned()));
        }
        if self.query.is_some() {
            steps.push(("query", "parameters are edited".to_owned()));
        }
        if let Some(words) = self.up.describe() {
            steps.push(("request_headers", words));
        }
        if let Some(mirror) = &self.mirror {
            steps.push(("mirror", mirror.words()));
        }
        steps
    }

    /// Limits, those whose key is known only once it is known who asks, or the others.
    fn limits(&self, by_identity: bool, steps: &mut Vec<Step>) {
        let rates = self.rates().iter().filter(|rate| rate.is_by_identity() == by_identity);
        steps.extend(rates.map(|rate| ("rate_limit", rate.words())));
        let places = self.concurrency().iter().filter(|limit| limit.is_by_identity() == by_identity);
        steps.extend(places.map(|limit| ("concurrency", limit.words())));
    }

    /// What is done to an answer, in order.
    #[must_use]
    pub fn describe_down(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(rate) = self.bandwidth {
            steps.push(("bandwidth", format!("{rate} bytes a second of each answer")));
        }
        if self.cookies != CookieFlags::default() {
            steps.push(("cookies", "of the answer get what they lack".to_owned()));
        }
        if let Some(words) = self.down.describe() {
            steps.push(("response_headers", words));
        }
        if self.hsts.is_some() {
            steps.push(("security_headers", "HSTS over TLS".to_owned()));
        }
        if self.pages.len() > 0 {
            steps.push(("error_pages", format!("{} of the site's own", self.pages.len())));
        }
        steps
    }
}
