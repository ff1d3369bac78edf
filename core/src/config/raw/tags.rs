//! `tags:` of endpoints, and upstreams that take in those of another by them.

use super::{Fields, Walk, written};
use crate::config::suggest::nearest;
use crate::config::text::{Node, Value};
use crate::config::value::fault;
use crate::config::{Endpoint, ErrorKind};

/// Reads one tag or several.
pub(super) fn words(walk: &mut Walk<'_>, node: &Node) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let items = walk.one_or_list(node);
    let tag = |text: &str| match text {
        _ if text.is_empty() || !text.chars().all(allowed) => fault("a tag", "write letters, digits, `-`, `_` and `.`"),
        _ => Ok(text.to_owned()),
    };
    items.iter().filter_map(|item| walk.value(item, "a tag", tag)).collect()
}

/// Whether an upstream takes in endpoints of another: those are read last.
pub(super) fn takes_in(node: &Node) -> bool {
    matches!(&node.value, Value::Map(map) if map.entries.iter().any(|entry| entry.key == "from"))
}

/// The endpoints that `from` and `tags` name, in the place of a list of its own.
pub(super) fn taken_in(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Vec<Endpoint>> {
    let Some(from) = fields.value("from") else {
        let words = "an upstream needs its addresses: `endpoints: [10.0.0.1:3000]`";
        walk.report.error(fields.at, ErrorKind::Missing(words));
        return None;
    };
    let name = walk.text(from, "the name of an upstream")?;
    let Some(tags) = fields.value("tags").map(|node| words(walk, node)) else {
        walk.report.error(fields.at, ErrorKind::Missing("with `from` goes `tags`: the endpoints to take in"));
        return None;
    };
    let Some(other) = walk.upstreams.get(&name) else {
        let meant = nearest(&name, walk.upstreams.keys().map(String::as_str));
        let mend = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "it names an upstream that has endpoints of its own".to_owned(),
        };
        walk.report.error(from.at, ErrorKind::UnknownName { what: "upstream", name: written(from), mend });
        return None;
    };
    let chosen = |endpoint: &&Endpoint| endpoint.tags.iter().any(|tag| tags.contains(tag));
    let endpoints: Vec<Endpoint> = other.endpoints.iter().filter(chosen).cloned().collect();
    if endpoints.is_empty() {
        walk.report.error(fields.at, ErrorKind::Missing("no endpoint of that upstream has one of these tags"));
        return None;
    }
    Some(endpoints)
}
