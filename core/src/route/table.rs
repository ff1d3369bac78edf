//! The table of routes: a host is looked up once, then its paths, segment by segment, then rules in order.
//!
//! Built by `snapshot`, asked once per request. What a lookup costs depends on the request, hardly on the number of
//! routes: one hash lookup for the host, and one for each segment that some route of that host goes on with.

use std::ops::Range;

use crate::config::HostPattern;
use crate::route::condition::Condition;
use crate::route::hash::ByteMap;
use crate::route::{Facts, FindError, NoTrace, RuleId, Trace};
use crate::target::path::segments;

/// All routes of a snapshot.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Exact host → its root.
    exact: ByteMap<NodeId>,
    /// Suffix without `*.` → its root.
    suffixes: ByteMap<NodeId>,
    /// The most labels that a suffix has: longer ones need no lookup.
    suffix_labels: usize,
    /// `*`
    any: Option<NodeId>,
    nodes: Vec<Node>,
    /// By rule; `None` always holds.
    conditions: Vec<Option<Condition>>,
}

type NodeId = u32;

/// A path of a host on which a key ends or goes on.
#[derive(Debug, Default)]
struct Node {
    /// Segment → the path one segment longer.
    children: ByteMap<NodeId>,
    /// The next shorter path that has rules.
    shorter: Option<NodeId>,
    /// The rules of the key that ends here; empty where none does.
    rules: Range<u32>,
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
        let found = self.find_below(root, facts, destination.path(), trace);
        match destination.decoded_path() {
            Some(path) if self.find_below(root, facts, path, &mut NoTrace) != found => Err(FindError::EncodedSlash),
            _ => found,
        }
    }

    fn root<'h>(&self, host: &'h [u8]) -> Option<(NodeId, HostChoice<'h>)> {
        if let Some(&root) = self.exact.get(host) {
            return Some((root, HostChoice::Exact(host)));
        }
        if self.suffix_labels > 0
            && let Some((root, suffix)) = self.longest_suffix(host)
        {
            return Some((root, HostChoice::Suffix(suffix)));
        }
        self.any.map(|root| (root, HostChoice::Any))
    }

    /// Asks for the longest suffix first. Labels beyond those of the longest known suffix are skipped without a lookup.
    fn longest_suffix<'h>(&self, host: &'h [u8]) -> Option<(NodeId, &'h [u8])> {
        let mut labels = label_count(host);
        let mut rest = host;
        while let Some(dot) = rest.iter().position(|&byte| byte == b'.') {
            rest = rest.get(dot + 1..)?;
            labels -= 1;
            if labels <= self.suffix_labels
                && let Some(&root) = self.suffixes.get(rest)
            {
                return Some((root, rest));
            }
        }
        None
    }

    fn find_below<T: Trace>(
        &self,
        root: NodeId,
        facts: &Facts<'_>,
        path: &[u8],
        trace: &mut T,
    ) -> Result<RuleId, FindError> {
        let mut next = Some(self.deepest(root, path));
        while let Some(node) = next.and_then(|id| self.nodes.get(id as usize)) {
            for rule in node.rules.clone().map(RuleId) {
                let result = match self.conditions.get(rule.index()) {
                    Some(Some(condition)) => condition.check(facts, path),
                    Some(None) | None => Ok(()),
                };
                trace.tried(rule, result, facts, path);
                if result.is_ok() {
                    return Ok(rule);
                }
            }
            next = node.shorter;
        }
        Err(FindError::NoRoute)
    }

    /// The node at the end of the longest way that the path shares with the keys of its host.
    fn deepest(&self, root: NodeId, path: &[u8]) -> NodeId {
        let mut id = root;
        // Most hosts have one route, and nothing to walk. The asterisk form has no segments: it belongs to the host.
        if self.nodes.get(id as usize).is_none_or(|node| node.children.is_empty()) || path.first() != Some(&b'/') {
            return id;
        }
        for segment in segments(path) {
            let Some(node) = self.nodes.get(id as usize) else { break };
            let Some(&child) = node.children.get(segment) else { break };
            id = child;
        }
        id
    }

    /// All rules of the host that is chosen for `host`, each with whether its path is `path` or a prefix of it, in order.
    pub(crate) fn rules_of_host(&self, host: &[u8], path: &[u8]) -> Vec<(RuleId, bool)> {
        let Some((root, _)) = self.root(host) else {
            return Vec::new();
        };
        let mut on_path = Vec::new();
        let mut next = Some(self.deepest(root, path));
        while let Some(id) = next {
            on_path.push(id);
            next = self.nodes.get(id as usize).and_then(|node| node.shorter);
        }
        let mut rules = Vec::new();
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(id as usize) else { continue };
            rules.extend(node.rules.clone().map(|rule| (RuleId(rule), on_path.contains(&id))));
            open.extend(node.children.values());
        }
        rules.sort_unstable();
        rules
    }

    /// The hosts that the table knows, as keys write them, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        let text = |host: &[u8]| String::from_utf8_lossy(host).into_owned();
        let exact = self.exact.keys().map(move |host| text(host));
        let suffixes = self.suffixes.keys().map(move |host| format!("*.{}", text(host)));
        exact.chain(suffixes).chain(self.any.map(|_| "*".to_owned()))
    }
}

fn label_count(host: &[u8]) -> usize {
    host.split(|&byte| byte == b'.').count()
}

/// Builds a table key by key.
#[derive(Debug, Default)]
pub(crate) struct TableBuilder {
    table: RouteTable,
}

impl TableBuilder {
    /// Adds the rules of one key; they get the next ids, in order. `host` and `path` are canonical, the path without its
    /// trailing slash and empty for the whole host. Where two keys claim one place, the first has it.
    pub(crate) fn add(
        &mut self,
        host: &HostPattern,
        path: &str,
        conditions: impl IntoIterator<Item = Option<Condition>>,
    ) -> Range<u32> {
        let first = self.next_rule();
        self.table.conditions.extend(conditions);
        let rules = first..self.next_rule();
        self.alias(host, path, rules.clone());
        rules
    }

    /// Lets rules that were added answer at a further place, unless that place has rules.
    pub(crate) fn alias(&mut self, host: &HostPattern, path: &str, rules: Range<u32>) {
        let root = self.root(host);
        let id = self.path(root, path.as_bytes());
        if let Some(node) = self.table.nodes.get_mut(id as usize)
            && node.rules.is_empty()
        {
            node.rules = rules;
        }
    }

    /// Links each path to the next shorter one that has rules, so that a search can fall back without a stack.
    pub(crate) fn finish(mut self) -> RouteTable {
        let nodes = &mut self.table.nodes;
        // A parent's id is smaller than its children's, so its own link stands when they ask for it.
        for id in 0..nodes.len() {
            let Some(node) = nodes.get(id) else { continue };
            let id = u32::try_from(id).unwrap_or(u32::MAX);
            let nearest = if node.rules.is_empty() { node.shorter } else { Some(id) };
            let children: Vec<NodeId> = node.children.values().copied().collect();
            for child in children {
                if let Some(child) = nodes.get_mut(child as usize) {
                    child.shorter = nearest;
                }
            }
        }
        self.table
    }

    fn next_rule(&self) -> u32 {
        u32::try_from(self.table.conditions.len()).unwrap_or(u32::MAX)
    }

    fn root(&mut self, host: &HostPattern) -> NodeId {
        let new = self.next_node();
        let root = match host {
            HostPattern::Exact(name) => *self.table.exact.entry(name.as_bytes().into()).or_insert(new),
            HostPattern::Suffix(suffix) => {
                self.table.suffix_labels = self.table.suffix_labels.max(label_count(suffix.as_bytes()));
                *self.table.suffixes.entry(suffix.as_bytes().into()).or_insert(new)
            }
            HostPattern::Any => *self.table.any.get_or_insert(new),
        };
        if root == new {
            self.table.nodes.push(Node::default());
        }
        root
    }

    fn path(&mut self, root: NodeId, path: &[u8]) -> NodeId {
        let mut id = root;
        if path.is_empty() {
            return id;
        }
        for segment in segments(path) {
            let new = self.next_node();
            let Some(node) = self.table.nodes.get_mut(id as usize) else { break };
            let child = *node.children.entry(segment.into()).or_insert(new);
            if child == new {
                self.table.nodes.push(Node::default());
            }
            id = child;
        }
        id
    }

    fn next_node(&self) -> NodeId {
        u32::try_from(self.table.nodes.len()).unwrap_or(u32::MAX)
    }
}
