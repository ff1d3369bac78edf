//! What a reload changes: a diff of two configurations by identity (DESIGN §2), one line each.
//!
//! The command line and the log print it; the proxy asks it what it cannot follow. Policies of a rule may change
//! without the rule being another one: its identity is its route, its `when` and its action.

use super::{Config, Rule, Upstream};
use std::collections::BTreeMap;
use std::fmt;

/// What differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Every difference, routes first.
    pub changes: Vec<Change>,
    /// Settings that differ but keep their old value until the process starts anew.
    pub needs_restart: Vec<&'static str>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what.
    pub subject: Subject,
}

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is the same thing with other settings.
    Changed,
}

/// A thing that a reload may add, remove or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A route, by its key.
    Route(String),
    /// A rule: its route's key and its place in the list, from 1 (in the new list; in the old one where it is gone).
    Rule(String, usize),
    /// An upstream, by its name.
    Upstream(String),
    /// An endpoint: its upstream, and its address as written.
    Endpoint(String, String),
    /// A listener, by its name.
    Listener(String),
    /// A setting of the whole proxy, by its key.
    Setting(&'static str),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
        };
        match &self.subject {
            Subject::Route(key) => write!(f, "{sign} route {key}"),
            Subject::Rule(key, place) => write!(f, "{sign} rule {place} of route {key}"),
            Subject::Upstream(name) => write!(f, "{sign} upstream {name}"),
            Subject::Endpoint(name, address) => write!(f, "{sign} endpoint {address} of upstream {name}"),
            Subject::Listener(name) => write!(f, "{sign} listener {name}"),
            Subject::Setting(key) => write!(f, "{sign} {key}"),
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))?;
        self.needs_restart
            .iter()
            .try_for_each(|key| writeln!(f, "! {key} keeps its old value: it can't change without a new start"))
    }
}

impl Diff {
    /// Tells whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.needs_restart.is_empty()
    }

    fn note(&mut self, kind: ChangeKind, subject: Subject) {
        self.changes.push(Change { kind, subject });
    }

    /// Notes what only one of two collections has, and gives what differs in both to `differs`, all in order of key.
    fn compare<'a, K, T: PartialEq + 'a>(
        &mut self,
        old: impl IntoIterator<Item = (K, &'a T)>,
        new: impl IntoIterator<Item = (K, &'a T)>,
        subject: impl Fn(&K) -> Subject,
        differs: impl Fn(&mut Self, &K, &'a T, &'a T),
    ) where
        K: Ord,
    {
        let mut pairs: BTreeMap<K, (Option<&T>, Option<&T>)> = BTreeMap::new();
        for (key, one) in old {
            pairs.entry(key).or_default().0 = Some(one);
        }
        for (key, one) in new {
            pairs.entry(key).or_default().1 = Some(one);
        }
        for (key, pair) in pairs {
            match pair {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => differs(self, &key, old, new),
                (Some(_), None) => self.note(ChangeKind::Removed, subject(&key)),
                (None, Some(_)) => self.note(ChangeKind::Added, subject(&key)),
                (None, None) => {}
            }
        }
    }
}

/// Compares two configurations. The files that they came from don't count.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    let route = |key: &&super::RouteKey| Subject::Route(key.to_string());
    diff.compare(&old.routes, &new.routes, route, |diff, key, old, new| {
        if old.also != new.also {
            diff.note(ChangeKind::Changed, Subject::Route(key.to_string()));
        }
        compare_rules(diff, &key.to_string(), &old.rules, &new.rules);
    });
    let upstream = |name: &&String| Subject::Upstream((*name).clone());
    diff.compare(&old.upstreams, &new.upstreams, upstream, |diff, name, old, new| {
        compare_upstreams(diff, name, old, new);
    });
    let listener = |name: &&String| Subject::Listener((*name).clone());
    diff.compare(
        old.listeners.iter().map(|one| (&one.name, one)),
        new.listeners.iter().map(|one| (&one.name, one)),
        listener,
        |diff, name, _, _| diff.note(ChangeKind::Changed, Subject::Listener((*name).clone())),
    );
    compare_settings(&mut diff, old, new);
    diff
}

/// Pairs the rules of a route by `when` and action. Two rules that are alike in both are paired in order.
fn compare_rules(diff: &mut Diff, route: &str, old: &[Rule], new: &[Rule]) {
    let mut unpaired: Vec<(usize, &Rule)> = old.iter().enumerate().collect();
    for (place, rule) in new.iter().enumerate() {
        let twin = unpaired.iter().position(|(_, old)| old.when == rule.when && old.action == rule.action);
        match twin.map(|at| unpaired.remove(at)) {
            Some((_, old)) if old == rule => {}
            Some(_) => diff.note(ChangeKind::Changed, Subject::Rule(route.to_owned(), place + 1)),
            None => diff.note(ChangeKind::Added, Subject::Rule(route.to_owned(), place + 1)),
        }
    }
    for (place, _) in unpaired {
        diff.note(ChangeKind::Removed, Subject::Rule(route.to_owned(), place + 1));
    }
}

fn compare_upstreams(diff: &mut Diff, name: &str, old: &Upstream, new: &Upstream) {
    // All that it says but its endpoints, which are compared one by one.
    let itself = |upstream: &Upstream| Upstream { endpoints: Vec::new(), ..upstream.clone() };
    if itself(old) != itself(new) {
        diff.note(ChangeKind::Changed, Subject::Upstream(name.to_owned()));
    }
    let endpoint = |address: &&String| Subject::Endpoint(name.to_owned(), (*address).clone());
    diff.compare(
        old.endpoints.iter().map(|one| (&one.written, one)),
        new.endpoints.iter().map(|one| (&one.written, one)),
        endpoint,
        |diff, address, _, _| diff.note(ChangeKind::Changed, endpoint(address)),
    );
}

/// Compares what holds for the whole proxy. The destructuring makes sure that a new setting is not forgotten here.
fn compare_settings(diff: &mut Diff, old: &Config, new: &Config) {
    let Config {
        listeners: _,
        routes: _,
        upstreams: _,
        trusted_proxies,
        forwarded,
        timeouts,
        limits,
        http2,
        cache,
        drain,
        lists,
        access_log,
        log,
        dns,
        admin,
        registry,
        tracing,
        state_dir,
        acme,
        redis,
        unrouted,
        workers,
        files: _,
    } = old;
    let settings = [
        ("trusted_proxies", *trusted_proxies == new.trusted_proxies),
        ("forwarded", *forwarded == new.forwarded),
        ("timeouts", *timeouts == new.timeouts),
        ("limits", *limits == new.limits),
        ("http2", *http2 == new.http2),
        ("cache", *cache == new.cache),
        ("drain", *drain == new.drain),
        ("lists", *lists == new.lists),
        ("access_log", *access_log == new.access_log),
        ("log", *log == new.log),
        ("dns", *dns == new.dns),
        ("acme", *acme == new.acme),
        ("redis", *redis == new.redis),
        ("defaults", *unrouted == new.unrouted),
        ("admin", *admin == new.admin),
        ("registry", registry.clash == new.registry.clash),
        ("tracing", *tracing == new.tracing),
    ];
    for (key, same) in settings {
        if !same {
            diff.note(ChangeKind::Changed, Subject::Setting(key));
        }
    }
    let fixed = [
        ("state_dir", *state_dir == new.state_dir),
        ("registry.file", registry.file == new.registry.file),
        ("workers", *workers == new.workers),
    ];
    for (key, same) in fixed {
        if !same {
            diff.needs_restart.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, diff};

    #[test]
    fn names_what_changed_and_nothing_else() {
        let check = |old: &str, new: &str, expect: &str| {
            let [old, new] = [old, new].map(|text| Config::from_text(text).unwrap());
            assert_eq!(diff(&old, &new).to_string(), expect);
            assert!(diff(&new, &new).is_empty());
        };
        let base = "routes: {a: :1, b: [{when: {methods: GET}, to: :2}, {to: :3}]}";
        check(base, base, "");
        check(base, "routes: {a: :1}", "- route b\n- upstream :2\n- upstream :3\n");
        check(base, &base.replace("a: :1", "a: {to: :1, max_body: 1MB}"), "~ rule 1 of route a\n");
        check(
            base,
            &base.replace("a: :1", "a: :4"),
            "+ rule 1 of route a\n- rule 1 of route a\n- upstream :1\n+ upstream :4\n",
        );
        // The order of rules is no change of a rule, but of the route's answer to some requests.
        check(base, &base.replace("GET", "PUT"), "+ rule 1 of route b\n- rule 1 of route b\n");
        check(base, &base.replace("a: :1", "a: {to: :1, also: c}"), "~ route a\n");
        check(base, &format!("{base}\nlisten: :80"), "+ listener :80\n- listener default\n");
        check(base, &format!("{base}\ndrain: {{http: 1s}}"), "~ drain\n");
        check(
            base,
            &format!("{base}\nworkers: 2\nstate_dir: /x"),
            "! state_dir keeps its old value: it can't change without a new start\n\
             ! workers keeps its old value: it can't change without a new start\n",
        );
        let named = "upstreams: {u: {endpoints: [:1, :2]}}";
        check(
            named,
            "upstreams: {u: {endpoints: [:2, :3]}}",
            "- endpoint :1 of upstream u\n+ endpoint :3 of upstream u\n",
        );
        check(named, "upstreams: {u: {endpoints: [:1, :2], pool: {idle: 1}}}", "~ upstream u\n");
        check(named, "upstreams: {u: {endpoints: [{address: :1, host: x}, :2]}}", "~ endpoint :1 of upstream u\n");
    }
}
