//! The explanation on the screen: what was asked, what answers, how each rule fared, what is sent and where.
//!
//! Everything from the outside is written so that a terminal shows it and does not obey it.

use std::cmp::Reverse;
use std::net::IpAddr;

use switchboard_core::answer::{phrase, words};
use switchboard_core::config::{self, Address};
use switchboard_core::policy::{Chain, Step};
use switchboard_core::reason::Reason;
use switchboard_core::route::RuleId;
use switchboard_core::snapshot::{Action, Candidate, Explanation, Fate, Snapshot, UpstreamId};

use super::course::{Course, End};
use super::request::Url;
use crate::cli::paint::{Paint, plain};

/// How many rules of other paths, or hosts, are listed: a screen holds no more.
const MOST: usize = 12;

/// What was asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Where to.
    pub(super) url: &'a Url,
    /// How.
    pub(super) method: &'a str,
    /// By which listener.
    pub(super) listener: &'a str,
    /// By whom.
    pub(super) client: IpAddr,
    /// What the answer leaves out of account.
    pub(super) notes: Vec<String>,
}

/// A text that grows by lines.
struct Page<'a> {
    config: &'a config::Config,
    snapshot: &'a Snapshot,
    paint: Paint,
    text: String,
}

/// The whole text.
pub(super) fn text(
    config: &config::Config,
    snapshot: &Snapshot,
    asked: &Asked<'_>,
    course: &Course,
    paint: Paint,
) -> String {
    let mut page = Page { config, snapshot, paint, text: String::new() };
    let url = format!("{}://{}{}", asked.url.scheme(), asked.url.authority, asked.url.target);
    page.line(&paint.bold(&format!("{} {}", asked.method, plain(url.as_bytes()))));
    page.line(&format!("by listener {}, from {}", plain(asked.listener.as_bytes()), asked.client));
    if let Some(client) = course.client.filter(|client| *client != asked.client) {
        page.line(&format!("for {client}, as the trusted peer says"));
    }
    for note in &asked.notes {
        page.line(&format!("note: {note}"));
    }
    page.line("");
    page.end(course);
    page.provided(course);
    if let Some(search) = &course.search {
        page.rules(search);
        if course.search.as_ref().is_some_and(|search| search.host.is_none()) {
            page.hosts(search);
        }
    }
    page.policies(course);
    if let End::Sent { upstream, head, edited, upgrade } = &course.end {
        page.sent(head, edited.as_deref(), upgrade.as_deref());
        page.endpoints(*upstream, course);
    }
    page.text
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        let title = self.paint.bold(title);
        self.line("");
        self.line(&title);
    }

    /// What comes of it, in one line and perhaps a second.
    fn end(&mut self, course: &Course) {
        let rule = course.search.as_ref().and_then(|search| search.answer.ok()).map(|id| self.name(id));
        let by = self.paint.green(&rule.unwrap_or_default());
        match &course.end {
            End::Refused(reason, detail) => {
                let code = self.paint.red(&format!("{} {}", reason.status(), reason.code()));
                let host = course.search.as_ref().map(|search| &search.host);
                match (reason, host) {
                    (Reason::NoRoute, Some(None)) => self.line(&format!("{code}: no route is for this host")),
                    (Reason::NoRoute, _) => self.line(&format!("{code}: the host has routes, but no rule that fits")),
                    _ => {
                        self.line(&format!("{code}: {}", words(*reason).what));
                        self.line(&format!("In detail: {}", detail.trim_end_matches('.')));
                    }
                }
            }
            End::Sent { upstream, .. } => {
                let name = self.snapshot.upstream(*upstream).identity.0.to_string();
                self.line(&format!("{by} answers: asks {}", plain(name.as_bytes())));
            }
            End::Redirected(status, location) => {
                self.line(&format!("{by} answers: {status} {}, to", phrase(*status)));
                self.line(&format!("  {}", plain(location)));
            }
            End::Secured(location) => {
                let code = self.paint.green(&format!("308 {}", phrase(308)));
                self.line(&format!("{code} to HTTPS, before any rule is asked: the host has a certificate. To"));
                self.line(&format!("  {}", plain(location)));
            }
            End::File(Some(path)) => self.line(&format!("{by} looks for the file {}", path.display())),
            End::File(None) => self.line(&format!("{by} answers: 404 Not Found, no file can have this name")),
            End::Responded(status, body) => {
                self.line(&format!("{by} answers: {status} {}, with", phrase(*status)));
                for line in body.lines().take(MOST) {
                    self.line(&format!("  {}", plain(line.as_bytes())));
                }
            }
            End::Builtin(what) => self.line(&format!("{by} answers about the proxy itself: {}", what.code())),
            End::Preflight(lines) => {
                self.line(&format!("{by} answers the preflight: 204 {}, with", phrase(204)));
                lines
                    .split(|&byte| byte == b'\n')
                    .map(<[u8]>::trim_ascii_end)
                    .filter(|line| !line.is_empty())
                    .for_each(|line| {
                        let line = format!("  {}", plain(line));
                        self.line(&line);
                    });
            }
            End::Options => self.line(&format!("{by} answers: 204, since Max-Forwards lets it go no further")),
        }
    }

    /// What `explain` can't decide: whether credentials are good.
    fn provided(&mut self, course: &Course) {
        let asks = match &course.end {
            End::Sent { .. } | End::File(_) | End::Responded(..) | End::Redirected(..) | End::Builtin(_) => true,
            End::Refused(..) | End::Secured(_) | End::Options | End::Preflight(_) => false,
        };
        let rule = course.rule().filter(|_| asks).map(|id| self.snapshot.rule(id));
        let steps = rule.and_then(|rule| rule.policy.as_deref()).map(Chain::describe_up).unwrap_or_default();
        if let Some((_, ways)) = steps.into_iter().find(|(name, _)| *name == "identity") {
            self.line(&format!("provided that it is let in by {}", plain(ways.as_bytes())));
        }
    }

    /// Every rule of the host, and how it fared.
    fn rules(&mut self, search: &Explanation) {
        let Some(host) = &search.host else { return };
        self.title(&format!("Rules of {host}"));
        let named: Vec<(String, &Candidate)> =
            search.candidates.iter().map(|candidate| (self.name(candidate.rule), candidate)).collect();
        let (elsewhere, mut here): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|(_, candidate)| candidate.fate == Fate::OtherPath);
        // Those that were tried stand in that order; the others follow as they would have been: longest path first.
        here.sort_by_key(|(_, candidate)| match candidate.fate {
            Fate::NotReached => Some((Reverse(self.snapshot.rule(candidate.rule).key.len()), candidate.rule)),
            Fate::Answers | Fate::Differs(_) | Fate::OtherPath => None,
        });
        let shown = || here.iter().chain(elsewhere.iter().take(MOST));
        let width = shown().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        for (name, candidate) in shown() {
            let name = format!("{name:width$}");
            lines.push(match &candidate.fate {
                Fate::Answers => format!("  {} {name}  {}", self.paint.green("✓"), self.does(candidate.rule)),
                Fate::Differs(because) => {
                    format!("  {} {name}  {}", self.paint.red("✗"), plain(because.as_bytes()))
                }
                Fate::NotReached => self.paint.dim(&format!("  · {name}  not asked: another one answers")),
                Fate::OtherPath => self.paint.dim(&format!("  · {name}  another path")),
            });
        }
        if let Some(more) = elsewhere.len().checked_sub(MOST).filter(|more| *more > 0) {
            lines.push(self.paint.dim(&format!("  · and {more} more of other paths")));
        }
        lines.iter().for_each(|line| self.line(line));
    }

    /// The policies of the rule that was found, in the order in which they are asked.
    fn policies(&mut self, course: &Course) {
        let Some(rule) = course.search.as_ref().and_then(|search| search.answer.ok()).map(|id| self.snapshot.rule(id))
        else {
            return;
        };
        let listener = self.snapshot.listener_policy(course.listener).filter(|_| rule.inherit);
        let of_listener = |(name, words): Step| (name, format!("{words} (of the listener)"));
        let mut up: Vec<Step> = listener.map(Chain::describe_up).into_iter().flatten().map(of_listener).collect();
        let own = rule.policy.as_deref();
        up.extend(own.map(Chain::describe_up).unwrap_or_default());
        // Both levels refuse before either counts.
        up.sort_by_key(|(name, _)| !matches!(*name, "deny" | "allow" | "maintenance"));
        up.extend(rule.cache.as_ref().map(|plan| ("cache", plan.rules.words())));
        let mut down = own.map(Chain::describe_down).unwrap_or_default();
        down.extend(rule.compress.is_some().then(|| ("compress", "what the client takes".to_owned())));
        if up.is_empty() && down.is_empty() {
            return;
        }
        self.title("Policies, in this order");
        let sizes =
            rule.max_body.map(|most| ("max_body", format!("{}, else 413", switchboard_core::config::size_text(most))));
        let steps: Vec<Step> = sizes.into_iter().chain(up).chain(down).collect();
        let width = steps.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, words) in steps {
            self.line(&format!("  {name:width$}  {}", plain(words.as_bytes())));
        }
    }

    /// Where no route is for the host: those that there are.
    fn hosts(&mut self, search: &Explanation) {
        if !search.similar_hosts.is_empty() {
            self.line("");
            self.line(&format!("Did you mean {}?", self.paint.bold(&search.similar_hosts.join(" or "))));
            return;
        }
        let mut hosts: Vec<String> = self.snapshot.routes.hosts().collect();
        hosts.sort();
        if hosts.is_empty() {
            self.line("The configuration has no routes.");
            return;
        }
        self.title("Hosts of this configuration");
        for host in hosts.iter().take(MOST) {
            self.line(&format!("  {host}"));
        }
        if let Some(more) = hosts.len().checked_sub(MOST).filter(|more| *more > 0) {
            self.line(&format!("  and {more} more"));
        }
    }

    /// The head as the upstream gets it.
    fn sent(&mut self, head: &[u8], edited: Option<&[u8]>, upgrade: Option<&[u8]>) {
        self.title("Sent upstream");
        for line in head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
            self.line(&format!("  {}", plain(line)));
        }
        if let Some(before) = edited {
            self.line(&format!("  (the path was {})", plain(before)));
        }
        if let Some(token) = upgrade {
            self.line(&format!("  (a 101 that is verified makes it a {} tunnel)", plain(token)));
        }
    }

    /// The addresses that may get it.
    fn endpoints(&mut self, upstream: UpstreamId, course: &Course) {
        let snapshot = self.snapshot;
        let Some(rule) = course.search.as_ref().and_then(|search| search.answer.ok()).map(|id| snapshot.rule(id))
        else {
            return;
        };
        let endpoints = &snapshot.upstream(upstream).endpoints;
        let written = self.config.upstreams.get(&*snapshot.upstream(upstream).identity.0);
        match written.filter(|_| endpoints.len() > 1).map(config::Upstream::choice) {
            None => self.title("To"),
            Some(choice) => self.title(&match choice.strip_prefix("to ") {
                Some(whom) => format!("To {}", plain(whom.as_bytes())),
                None => format!("To, {}", plain(choice.as_bytes())),
            }),
        }
        let first = endpoints.first().and_then(|id| snapshot.endpoint(*id).host_for(rule));
        for id in endpoints {
            let endpoint = snapshot.endpoint(*id);
            let mut line = format!("  {}", plain(endpoint.identity.address.as_bytes()));
            line.push_str(&match &endpoint.address {
                Address::Loopback(_) => ", which is this machine: 127.0.0.1, then [::1]".to_owned(),
                Address::Name(name, port) => format!(", which is {name} port {port}, resolved again and again"),
                Address::Srv(name) => format!(", which is the service {name}, resolved again and again"),
                Address::Ip(..) | Address::Unix(_) => String::new(),
            });
            let host = endpoint.host_for(rule);
            if host != first {
                line.push_str(&format!(" (with host: {})", host.unwrap_or("as received")));
            }
            let address = &*endpoint.identity.address;
            let own = written.and_then(|written| written.endpoints.iter().find(|one| one.written == address));
            for words in own.map(config::Endpoint::describe).unwrap_or_default() {
                line.push_str(&format!(", {}", plain(words.as_bytes())));
            }
            self.line(&line);
        }
        for (name, words) in written.map(config::Upstream::describe).unwrap_or_default() {
            self.line(&format!("  {name}: {}", plain(words.as_bytes())));
        }
    }

    /// A rule by its route's key, and by its place where there are several.
    fn name(&self, id: RuleId) -> String {
        let rule = self.snapshot.rule(id);
        let several =
            rule.index > 0 || self.snapshot.rules().iter().any(|other| other.key == rule.key && other.index > 0);
        if several { format!("{} rule {}", rule.key, rule.index + 1) } else { rule.key.to_string() }
    }

    fn does(&self, id: RuleId) -> String {
        match &self.snapshot.rule(id).action {
            Action::Proxy(upstream) => {
                let name = &self.snapshot.upstream(*upstream).identity.0;
                format!("answers: to {}", plain(name.as_bytes()))
            }
            Action::Files(site) => {
                let then = site.then.map(|id| format!(", else to {}", &self.snapshot.upstream(id).identity.0));
                format!("answers: files of {}{}", site.written.dir.display(), then.unwrap_or_default())
            }
            Action::Redirect { status, .. } => format!("answers: redirect {status}"),
            Action::Respond { status, .. } => format!("answers: respond {status}"),
            Action::Builtin(what) => format!("answers: builtin {}", what.code()),
        }
    }
}
