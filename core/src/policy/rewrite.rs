//! `rewrite` and `query`: the target as the upstream sees it, where more than a prefix changes.
//!
//! The expression sees the canonical path, and what comes out is read again as if a client had sent it (case 128).

use regex::bytes::Regex;

use super::{ENCODED_SLASH, Refusal};
use crate::config::{self, Fact, QueryEdits, Template, TemplatePart};
use crate::reason::Reason;
use crate::route::{Facts, values};
use crate::snapshot::checked_path;
use crate::target::TargetError;
use crate::template::{render, render_fact};

/// A path that the expression matches becomes another.
#[derive(Debug)]
pub(super) struct Rewrite {
    regex: Regex,
    to: Template,
}

impl Rewrite {
    pub(super) fn compile(written: &config::Rewrite) -> Result<Self, regex::Error> {
        Ok(Self { regex: Regex::new(&written.regex)?, to: written.to.clone() })
    }

    /// Writes the new target to `out`, if the path matches: with the request's query, unless the new one has its own.
    pub(super) fn apply(&self, facts: &Facts<'_>, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        let path = facts.destination.path();
        let captures = self.regex.captures(path);
        // Decoded, the path would come out otherwise: nobody can tell which one is meant.
        if let Some(decoded) = facts.destination.decoded_path()
            && self.regex.is_match(decoded) != captures.is_some()
        {
            return Err(Refusal::new(Reason::BadRequest, ENCODED_SLASH));
        }
        let Some(captures) = captures else { return Ok(false) };
        let groups: Vec<&[u8]> =
            captures.iter().skip(1).map(|group| group.map_or(&[][..], |group| group.as_bytes())).collect();
        let target = self.render(facts, &groups, path.len() + 32)?;
        let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        let fault = |error: TargetError| Refusal::new(error.reason(), error.detail());
        out.extend_from_slice(&checked_path(path).map_err(fault)?);
        if !query.is_empty() {
            // The request's own query may have brought what can't stand in one.
            query.iter().for_each(|&byte| push_visible(out, byte));
        } else if let Some(query) = facts.destination.query() {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        Ok(true)
    }

    /// Fills the template in. No value becomes more than it stands for: only `{uri}` and `{query}` bring parameters.
    fn render(&self, facts: &Facts<'_>, groups: &[&[u8]], room: usize) -> Result<Vec<u8>, Refusal> {
        let mut target = Vec::with_capacity(room);
        let mut text = Vec::new();
        for part in &self.to.parts {
            let fact = match part {
                TemplatePart::Literal(text) => {
                    target.extend_from_slice(text.as_bytes());
                    continue;
                }
                TemplatePart::Fact(fact) => fact,
            };
            text.clear();
            render_fact(fact, facts, groups, &mut text)?;
            let push = match (fact, target.contains(&b'?')) {
                (Fact::Uri, false) | (Fact::Query, true) => |out: &mut Vec<u8>, byte| out.push(byte),
                (_, false) => push_in_path,
                // What a path has encoded is encoded already.
                (Fact::Group(_), true) => push_of_path,
                (_, true) => push_encoded,
            };
            text.iter().for_each(|&byte| push(&mut target, byte));
        }
        Ok(target)
    }
}

/// Parameters that go, and those that come.
#[derive(Debug)]
pub(super) struct QueryEdit {
    drops: Box<[String]>,
    sets: Box<[(Box<[u8]>, Template)]>,
}

impl QueryEdit {
    pub(super) fn compile(written: &QueryEdits) -> Option<Self> {
        let drops: Box<[String]> = written.remove.iter().chain(written.set.keys()).cloned().collect();
        let name = |name: &String| {
            let mut encoded = Vec::new();
            name.bytes().for_each(|byte| push_encoded(&mut encoded, byte));
            encoded.into()
        };
        let sets = written.set.iter().map(|(key, value)| (name(key), value.clone())).collect();
        (!drops.is_empty()).then_some(Self { drops, sets })
    }

    /// Writes `target` with its query edited behind `out`. Parameters that stay are left as they came.
    pub(super) fn apply(&self, facts: &Facts<'_>, target: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        out.extend_from_slice(path);
        let mut separator = b'?';
        let mut separate = |out: &mut Vec<u8>| out.push(std::mem::replace(&mut separator, b'&'));
        let goes = |pair: &[u8]| self.drops.iter().any(|name| values::query(pair, name.as_bytes()).next().is_some());
        for pair in query.get(1..).unwrap_or_default().split(|&byte| byte == b'&') {
            if !pair.is_empty() && !goes(pair) {
                separate(out);
                out.extend_from_slice(pair);
            }
        }
        for (name, value) in &self.sets {
            separate(out);
            out.extend_from_slice(name);
            out.push(b'=');
            let mut text = Vec::new();
            render(value, facts, &mut text)?;
            text.iter().for_each(|&byte| push_encoded(out, byte));
        }
        Ok(())
    }
}

/// Adds a byte to a query's name or value: bare where it is unreserved (RFC 3986 §2.3), else encoded.
fn push_encoded(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        out.push(byte);
    } else {
        percent(out, byte);
    }
}

/// Adds a byte to a path, which it doesn't end.
fn push_in_path(out: &mut Vec<u8>, byte: u8) {
    if byte == b'?' { percent(out, byte) } else { out.push(byte) }
}

/// Adds a byte of a canonical path to a query's value.
fn push_of_path(out: &mut Vec<u8>, byte: u8) {
    if matches!(byte, b'%' | b'/') { out.push(byte) } else { push_encoded(out, byte) }
}

/// Adds a byte to a query as it is, unless no query may have it.
fn push_visible(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte) {
        out.push(byte);
    } else {
        percent(out, byte);
    }
}

fn percent(out: &mut Vec<u8>, byte: u8) {
    let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 15)];
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
}
