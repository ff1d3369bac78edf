//! `bandwidth`, `detect`, `mirror`: how fast answers flow, what is looked for in requests, who gets copies.

use super::is_off;
use crate::config::raw::{Walk, upstream};
use crate::config::schema::{DETECT_KEYS, MIRROR_KEYS};
use crate::config::text::{Node, Value};
use crate::config::value::{amount, fault};
use crate::config::{Detect, ErrorKind, Mirror, Share, Verdict};

/// Below this a page takes minutes and holds a connection for as long. Chosen.
const SLOWEST: u64 = 1024;

/// Reads `bandwidth:`; the inner `None` is `off`.
pub(super) fn bandwidth(walk: &mut Walk<'_>, node: &Node) -> Option<Option<u64>> {
    if is_off(node) {
        return Some(None);
    }
    let rate = walk.value(node, "a bandwidth", |text| match amount::byte_rate(text)? {
        rate if rate < SLOWEST => fault("a bandwidth", format!("write {SLOWEST}B/s at least, or off")),
        rate => Ok(rate),
    });
    rate.map(Some)
}

/// Reads `detect:`; the inner `None` is `off`.
pub(super) fn detect(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Detect>> {
    if is_off(node) {
        return Some(None);
    }
    let Value::Map(_) = &node.value else {
        let both = verdict(walk, node)?;
        return Some(Some(Detect { sqli: Some(both), xss: Some(both) }));
    };
    let fields = walk.fields(node, &DETECT_KEYS)?;
    let mut one = |key| fields.value(key).filter(|node| !is_off(node)).and_then(|node| verdict(walk, node));
    let detect = Detect { sqli: one("sqli"), xss: one("xss") };
    Some((detect != Detect::default()).then_some(detect))
}

fn verdict(walk: &mut Walk<'_>, node: &Node) -> Option<Verdict> {
    walk.word(node, "what becomes of an attack", &[("block", Verdict::Block), ("log", Verdict::Log)])
}

/// Reads `mirror:`.
pub(super) fn mirror(walk: &mut Walk<'_>, node: &Node) -> Option<Mirror> {
    let Value::Map(_) = &node.value else {
        return upstream::target(walk, node).map(|upstream| Mirror { upstream, share: Share::WHOLE });
    };
    let fields = walk.fields(node, &MIRROR_KEYS)?;
    let share = fields.value("share").and_then(|node| walk.value(node, "a share", |text| amount::share(text, 100)));
    let Some(to) = fields.value("to") else {
        if !fields.refused {
            walk.report.error(node.at, ErrorKind::Missing("who gets the copies? write `to: shadow`"));
        }
        return None;
    };
    Some(Mirror { upstream: upstream::target(walk, to)?, share: share.unwrap_or(Share::WHOLE) })
}
