//! An upstream in words: how its endpoints are chosen, what is known of each, what keeps them fit. For `explain` and
//! whoever else shows it; says nothing of what goes on now.

use super::{Balance, CheckKind, Endpoint, HashKey, Health, Outlier, Share, Sticky, Upstream, duration_text as time};

impl Upstream {
    /// How an endpoint is chosen, as what follows "to": `in turn`.
    #[must_use]
    pub fn choice(&self) -> String {
        let weighs =
            self.endpoints.iter().any(|one| Some(one.weight) != self.endpoints.first().map(|first| first.weight));
        let by_weight = if weighs { ", by weight" } else { "" };
        match &self.balance {
            Balance::RoundRobin => format!("in turn{by_weight}"),
            Balance::Random => "to any".to_owned(),
            Balance::WeightedRandom => format!("to any{by_weight}"),
            Balance::LeastRequests => format!("to the one with the fewest requests{by_weight}"),
            Balance::PeakEwma => format!("to the one that would answer soonest{by_weight}"),
            Balance::Hash { by, max_load } => {
                let bound =
                    max_load.map_or_else(String::new, |most| format!(", up to {} of the average load", percent(most)));
                format!("by the hash of {}{bound}", key(by))
            }
        }
    }

    /// What else decides, each as a name and words: sessions, limits, health. Empty where one endpoint is all there is
    /// and nothing was written.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        match &self.sticky {
            Some(Sticky::Ours { cookie, when_set: Some(set), .. }) => {
                lines.push(("sticky", format!("by the cookie {cookie}, from when the application sets {set}")));
            }
            Some(Sticky::Ours { cookie, when_set: None, .. }) => {
                lines.push(("sticky", format!("by the cookie {cookie}")))
            }
            Some(Sticky::App { cookie }) => {
                lines.push(("sticky", format!("by the hash of the application's cookie {cookie}")));
            }
            None => {}
        }
        if let Some(most) = self.limits.connections {
            let (queue, wait) = (self.limits.queue, time(self.limits.queue_timeout));
            lines.push(("limits", format!("{most} requests at once; {queue} wait for up to {wait}")));
        }
        if let Some(ramp) = self.slow_start {
            lines.push(("slow_start", format!("{} until one that came up has its share", time(ramp))));
        }
        if let Some(health) = &self.health {
            lines.push(("health", probes(health)));
        }
        if let Some(outlier) = self.outlier.filter(|_| self.endpoints.len() > 1) {
            lines.push(("outlier", ejection(&outlier)));
        }
        lines
    }
}

impl Endpoint {
    /// What is particular to it, in words; empty where nothing is.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.weight != 1 {
            words.push(format!("weight {}", self.weight));
        }
        if self.backup {
            words.push("backup: while no other can".to_owned());
        }
        if let Some(most) = self.max_requests {
            words.push(format!("at most {most} requests at once"));
        }
        if !self.tags.is_empty() {
            words.push(format!("tags {}", self.tags.join(", ")));
        }
        words
    }
}

fn key(by: &HashKey) -> String {
    match by {
        HashKey::ClientIp => "the client's address".to_owned(),
        HashKey::Header(name) => format!("the header {name}"),
        HashKey::Cookie(name) => format!("the cookie {name}"),
        HashKey::Path => "the path".to_owned(),
        HashKey::Query(name) => format!("the query's {name}"),
    }
}

fn probes(health: &Health) -> String {
    let checks: Vec<String> = health
        .checks
        .iter()
        .map(|check| {
            let at = check.port.map_or_else(String::new, |port| format!(" at port {port}"));
            match &check.kind {
                CheckKind::Http(http) => format!("http {} {}{at}", http.method, http.path),
                CheckKind::WebSocket(ws) => format!("ws {}{at}", ws.path),
                CheckKind::Tcp => format!("tcp{at}"),
                CheckKind::Grpc(service) => format!("grpc {service}{at}").trim_end().to_owned(),
            }
        })
        .collect();
    let Health { interval, timeout, fails, passes, .. } = health;
    format!(
        "{} every {}, within {}; {fails} failures take out, {passes} bring back",
        checks.join(" and "),
        time(*interval),
        time(*timeout)
    )
}

fn ejection(outlier: &Outlier) -> String {
    let causes: Vec<String> = outlier
        .failures
        .map(|failures| format!("{failures} failures in a row"))
        .into_iter()
        .chain(outlier.latency.map(|latency| format!("answers slower than {}", time(latency))))
        .collect();
    if causes.is_empty() {
        return "nothing ejects".to_owned();
    }
    let Outlier { hold, max_hold, max_ejected, .. } = outlier;
    let (hold, max_hold) = (time(*hold), time(*max_hold));
    format!("{} eject for {hold} to {max_hold}, {} at most", causes.join(" or "), percent(*max_ejected))
}

fn percent(share: Share) -> String {
    format!("{}%", f64::from(share.0) / 10_000.0)
}
