//! What the levels of a rule add up to, looked at as a whole: names in `auth` that nothing stands for, claims that no token
//! makes, and certificates that nobody asks for.
//!
//! `rule` has its policies read here. What is wrong in a level by itself is found where that is read.

use super::{Level, level};
use crate::config::raw::{Fields, Walk, site};
use crate::config::text::{Mark, Node, Value};
use crate::config::{
    ErrorKind, Fact, HeaderEdit, LimitKey, LimitScope, Policies, Template, TemplatePart, WarningKind, WayKind,
};

/// Reads a rule's policies over those of `defaults`, which are `outer`.
pub(in crate::config::raw) fn of_rule(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    outer: Level,
    inherit: bool,
) -> Option<Box<Policies>> {
    let upwards = ["rewrite", "query", "request_headers", "mirror"];
    if let (Some((key, entry)), Some((action, _))) = (fields.first(&upwards), site::without_upstream(fields)) {
        let mend = "it says what an upstream sees, and here is none";
        let kind = ErrorKind::Conflict { key: key.to_owned(), with: action.to_owned(), mend };
        walk.report.error(entry.key_at, kind);
    }
    let prefixes = ["strip_prefix", "add_prefix", "replace_prefix"];
    if let (Some(entry), Some((edit, _))) = (fields.entry("rewrite"), fields.first(&prefixes)) {
        let mend = "one of the two says what becomes of the path";
        let kind = ErrorKind::Conflict { key: "rewrite".to_owned(), with: edit.to_owned(), mend };
        walk.report.error(entry.key_at, kind);
    }
    let own = level(walk, fields, &LimitScope::Rule);
    let sum = if inherit { outer.over(own) } else { outer.without_bounds().over(own) };
    check(walk, fields.at, Some(fields), &sum);
    sum.policies()
}

/// Reports what is wrong with the sum of a rule that stands at `at`, with the keys of its own where it has some.
pub(in crate::config::raw) fn check(walk: &mut Walk<'_>, at: Mark, fields: Option<&Fields<'_>>, sum: &Level) {
    let place = |key: &str| fields.and_then(|fields| fields.value(key)).map_or(at, |node| node.at);
    // Where nothing stands for the names nobody would be asked anything: such a rule would be open to all.
    for key in sum.unmet().into_iter().map(WayKind::key) {
        // What stands there and was refused is reported already.
        if fields.is_some_and(|fields| fields.value(key).is_some()) {
            continue;
        }
        let words =
            format!("`auth` names `{key}`, and this rule has none: write `{key}: …`, or take it out of the list");
        walk.report.error(place("auth"), ErrorKind::Reference(words));
    }
    if matches!(sum.client_cert, Some(Some(_))) && !walk.asks_for_certificates {
        walk.report.warn(place("client_cert"), WarningKind::NoCertificates);
    }
    if matches!(sum.jwt, Some(Some(_))) {
        return;
    }
    let redirect = fields.and_then(|fields| fields.value("redirect")).filter(|node| mentions(node));
    if let Some(key) = redirect.map(|_| "redirect").or_else(|| sum.key_with_claim()) {
        walk.report.warn(place(key), WarningKind::NoClaims(key));
    }
}

/// Whether a text has a claim in it; what it means otherwise has been read elsewhere.
fn mentions(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text.contains("{claim."))
}

fn has_claim(template: &Template) -> bool {
    template.parts.iter().any(|part| matches!(part, TemplatePart::Fact(Fact::Claim(_))))
}

impl Level {
    /// The ways that `auth` names and that neither stand here nor were taken away by `off`.
    fn unmet(&self) -> Vec<WayKind> {
        let given = |way: &&WayKind| match way {
            WayKind::ClientCert => self.client_cert.is_some(),
            WayKind::ApiKeys => self.api_keys.is_some(),
            WayKind::Jwt => self.jwt.is_some(),
            WayKind::BasicAuth => self.basic_auth.is_some(),
            WayKind::ForwardAuth => self.forward_auth.is_some(),
        };
        let named = self.auth.iter().flat_map(|auth| auth.any.iter().chain(&auth.all));
        named.filter(|way| !given(way)).copied().collect()
    }

    /// The first key whose texts have a claim in them.
    fn key_with_claim(&self) -> Option<&'static str> {
        let by_claim = |key: &LimitKey| matches!(key, LimitKey::Template(template) if has_claim(template));
        let in_headers = |edit: &HeaderEdit| edit.templates().any(has_claim);
        let found = [
            ("rate_limit", self.rates.iter().any(|limit| by_claim(&limit.key))),
            ("concurrency", self.concurrency.iter().any(|limit| by_claim(&limit.key))),
            ("request_headers", self.request_headers.values().any(in_headers)),
            ("response_headers", self.response_headers.values().any(in_headers)),
            ("query", self.query.set.values().any(has_claim)),
            ("rewrite", self.rewrite.as_ref().is_some_and(|rewrite| has_claim(&rewrite.to))),
        ];
        found.into_iter().find_map(|(key, found)| found.then_some(key))
    }
}
