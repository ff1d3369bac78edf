//! The table of routes: a host is looked up once, then its paths, segment by segment, then rules in order.
//!
//! Built and changed by `snapshot`, asked once per request. What a lookup costs depends on the request, hardly on the
//! number of routes: one hash lookup for the host, and one for each segment that some route of that host goes on with.
//! To clone it costs nothing, and a change copies only the way to what changes: so generations share it.

use std::sync::Arc;

use crate::config::{HostPattern, RouteKey};
use crate::route::condition::Condition;
use crate::route::names::Names;
use crate::route::{Facts, FindError, NoTrace, RuleId, Trace};
use crate::target::path::segments;

/// All routes of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Exact host → its root.
    exact: Names<Arc<Node>>,
    /// Suffix without `*.` → its root.
    suffixes: Names<Arc<Node>>,
    /// No suffix has more labels: longer ones need no lookup. It may be too high after a removal, never too low.
    suffix_labels: usize,
    /// `*`
    any: Option<Arc<Node>>,
}

/// A path of a host on which a key ends or goes on.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Segment → the path one segment longer.
    children: Names<Arc<Node>>,
    /// The rules of the key that ends here; none where no key does.
    rules: Option<Candidates>,
}

/// The rules of a key, in order.
pub(crate) type Candidates = Arc<[Candidate]>;

/// A rule that may answer.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) rule: RuleId,
    /// `None` always holds.
    pub(crate) condition: Option<Condition>,
}

/// Which pattern a host was matched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostChoice<'a> {
    /// The host itself.
    Exact(&'a [u8]),
    /// The longest `*.suffix`, without `*.`.
    Suffix(&'a [u8]),
    /// `*`
    Any,
}

impl RouteTable {
    /// Finds the rule that answers.
    ///
    /// Exact host, else the longest suffix, else `*`, chosen once; then the longest path on segment boundaries; then the
    /// first rule whose condition holds; then the next shorter path of that host.
    ///
    /// # Errors
    ///
    /// Says why no rule answers. A path with an encoded slash is searched for twice, and refused where the second
    /// search, with it decoded, ends elsewhere.
    pub fn find<T: Trace>(&self, facts: &Facts<'_>, trace: &mut T) -> Result<RuleId, FindError> {
        let destination = facts.destination;
        let Some((root, choice)) = self.root(destination.host()) else {
            trace.host(None);
            return Err(if destination.host().is_empty() { FindError::NoHost } else { FindError::NoRoute });
        };
        trace.host(Some(choice));
        let found = root.find(facts, destination.path(), trace);
        match destination.decoded_path() {
            Some(path) if root.find(facts, path, &mut NoTrace) != found => Err(FindError::EncodedSlash),
            _ => found,
        }
    }

    fn root<'h>(&self, host: &'h [u8]) -> Option<(&Node, HostChoice<'h>)> {
        if let Some(root) = self.exact.get(host) {
            return Some((root, HostChoice::Exact(host)));
        }
        if self.suffix_labels > 0
            && let Some((root, suffix)) = self.longest_suffix(host)
        {
            return Some((root, HostChoice::Suffix(suffix)));
        }
        self.any.as_deref().map(|root| (root, HostChoice::Any))
    }

    /// Asks for the longest suffix first. Labels beyond those of the longest known suffix are skipped without a lookup.
    fn longest_suffix<'h>(&self, host: &'h [u8]) -> Option<(&Node, &'h [u8])> {
        let mut labels = label_count(host);
        let mut rest = host;
        while let Some(dot) = rest.iter().position(|&byte| byte == b'.') {
            rest = rest.get(dot + 1..)?;
            labels -= 1;
            if labels <= self.suffix_labels
                && let Some(root) = self.suffixes.get(rest)
            {
                return Some((root, rest));
            }
        }
        None
    }

    /// All rules of the host that is chosen for `host`, each with whether its path is `path` or a prefix of it, in order.
    pub(crate) fn rules_of_host(&self, host: &[u8], path: &[u8]) -> Vec<(RuleId, bool)> {
        let mut rules = Vec::new();
        if let Some((root, _)) = self.root(host) {
            let way = if path.first() == Some(&b'/') { path } else { b"/" };
            root.gather(true, &mut segments(way), &mut rules);
        }
        rules.sort_unstable();
        rules
    }

    /// The hosts that the table knows, as keys write them, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let text = |host: &[u8]| String::from_utf8_lossy(host).into_owned();
        let exact = self.exact.iter().map(move |(host, _)| text(host));
        let suffixes = self.suffixes.iter().map(move |(host, _)| format!("*.{}", text(host)));
        exact.chain(suffixes).chain(self.any.iter().map(|_| "*".to_owned()))
    }

    /// Lets rules answer at a place, or nothing. The place is canonical, its path without a trailing slash and empty for
    /// the whole host. Copies what other versions share.
    pub(crate) fn set(&mut self, place: &RouteKey, rules: Option<Candidates>) {
        if rules.is_none() {
            return self.clear(place);
        }
        let root = match &place.host {
            HostPattern::Exact(name) => self.exact.entry(name.as_bytes()),
            HostPattern::Suffix(suffix) => {
                self.suffix_labels = self.suffix_labels.max(label_count(suffix.as_bytes()));
                self.suffixes.entry(suffix.as_bytes())
            }
            HostPattern::Any => self.any.get_or_insert_default(),
        };
        let mut node = Arc::make_mut(root);
        for segment in key_segments(&place.path) {
            node = Arc::make_mut(node.children.entry(segment));
        }
        node.rules = rules;
    }

    fn clear(&mut self, place: &RouteKey) {
        let (table, name) = match &place.host {
            HostPattern::Exact(name) => (&mut self.exact, name.as_bytes()),
            HostPattern::Suffix(suffix) => (&mut self.suffixes, suffix.as_bytes()),
            HostPattern::Any => {
                if self.any.as_mut().is_some_and(|root| Node::clear(root, &mut key_segments(&place.path))) {
                    self.any = None;
                }
                return;
            }
        };
        if table.get(name).is_some() && Node::clear(table.entry(name), &mut key_segments(&place.path)) {
            table.remove(name);
        }
    }
}

impl Node {
    fn find<T: Trace>(&self, facts: &Facts<'_>, path: &[u8], trace: &mut T) -> Result<RuleId, FindError> {
        let mut most = usize::MAX;
        while let Some((rules, depth)) = self.longest(path, most) {
            for candidate in rules {
                let result = match &candidate.condition {
                    Some(condition) => condition.check(facts, path),
                    None => Ok(()),
                };
                trace.tried(candidate.rule, result, facts, path);
                if result.is_ok() {
                    return Ok(candidate.rule);
                }
            }
            // Seldom: the way is walked again rather than remembered.
            let Some(shorter) = depth.checked_sub(1) else { break };
            most = shorter;
        }
        Err(FindError::NoRoute)
    }

    /// The rules at the end of the longest way that the path shares with the keys of its host, at most `most` segments
    /// long, and how long it is.
    fn longest(&self, path: &[u8], most: usize) -> Option<(&[Candidate], usize)> {
        let mut best = self.rules.as_deref().map(|rules| (rules, 0));
        // Most hosts have one route, and nothing to walk. The asterisk form has no segments: it belongs to the host.
        if self.children.is_empty() || path.first() != Some(&b'/') {
            return best;
        }
        let mut node = self;
        for (depth, segment) in segments(path).take(most).enumerate() {
            let Some(child) = node.children.get(segment) else { break };
            node = child;
            if let Some(rules) = &node.rules {
                best = Some((rules, depth + 1));
            }
        }
        best
    }

    /// Takes the rules at the end of a way out, and every node that led only there. Tells whether nothing is left.
    fn clear<'p>(root: &mut Arc<Self>, way: &mut impl Iterator<Item = &'p [u8]>) -> bool {
        match way.next() {
            None => Arc::make_mut(root).rules = None,
            Some(segment) if root.children.get(segment).is_some() => {
                let node = Arc::make_mut(root);
                if Self::clear(node.children.entry(segment), way) {
                    node.children.remove(segment);
                }
            }
            Some(_) => {}
        }
        root.rules.is_none() && root.children.is_empty()
    }

    fn gather<'p>(
        &self,
        on_path: bool,
        way: &mut (dyn Iterator<Item = &'p [u8]> + '_),
        rules: &mut Vec<(RuleId, bool)>,
    ) {
        rules.extend(self.rules.iter().flat_map(|all| all.iter()).map(|candidate| (candidate.rule, on_path)));
        let next = if on_path { way.next() } else { None };
        for (segment, child) in self.children.iter() {
            child.gather(next == Some(segment), way, rules);
        }
    }
}

/// The segments of a key's path, which may be empty.
fn key_segments(path: &str) -> impl Iterator<Item = &[u8]> {
    (!path.is_empty()).then(|| segments(path.as_bytes())).into_iter().flatten()
}

fn label_count(host: &[u8]) -> usize {
    host.split(|&byte| byte == b'.').count()
}
