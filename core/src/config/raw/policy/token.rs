//! `jwt:` whose tokens count, what they must say, and where they stand. A key set in a file is read with the configuration.

use super::files;
use super::identity::{header, is_off, missing};
use crate::config::raw::{Walk, condition};
use crate::config::schema::{JWT_KEYS, TOKEN_PLACE};
use crate::config::text::{Node, Value};
use crate::config::value::{fault, is_token};
use crate::config::{ErrorKind, Jwt, TokenAlgorithm, TokenKeys, TokenPlace};
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest file of keys.
const MOST: usize = 256 << 10;

/// Reads `jwt:`; the inner `None` is `off`.
pub(super) fn jwt(walk: &mut Walk<'_>, node: &Node) -> Option<Option<Jwt>> {
    if is_off(node) {
        return Some(None);
    }
    let fields = walk.fields(node, &JWT_KEYS)?;
    let texts =
        |walk: &mut Walk<'_>, key| condition::many(walk, fields.value(key), |walk, node| walk.text(node, "a text"));
    let (issuer, audience) = (texts(walk, "issuer"), texts(walk, "audience"));
    let names = TokenAlgorithm::ALL;
    let mut algorithms = condition::many(walk, fields.value("algorithms"), |walk, node| algorithm(walk, node, &names));
    if fields.value("algorithms").is_none() {
        algorithms = names.iter().map(|(_, algorithm)| *algorithm).collect();
    }
    let mut claims = BTreeMap::new();
    for entry in fields
        .value("claims")
        .and_then(|node| walk.map(node, "values by claim"))
        .into_iter()
        .flat_map(|map| &map.entries)
    {
        let values = condition::many(walk, Some(&entry.value), |walk, node| walk.text(node, "a text"));
        claims.insert(entry.key.clone(), values);
    }
    let mut claims_to_headers = BTreeMap::new();
    let map = fields.value("claims_to_headers").and_then(|node| walk.map(node, "fields by claim"));
    for entry in map.into_iter().flat_map(|map| &map.entries) {
        claims_to_headers.extend(header(walk, &entry.value).map(|name| (entry.key.clone(), name)));
    }
    let mut from = condition::many(walk, fields.value("from"), place);
    if from.is_empty() {
        from.push(TokenPlace::Header);
    }
    let leeway = fields.value("leeway").and_then(|node| walk.span(node)).unwrap_or(Duration::from_secs(30));
    let Some(keys) = fields.value("jwks") else {
        missing(
            walk,
            node,
            fields.refused,
            "whose signatures count? write `jwks: https://issuer/.well-known/jwks.json`",
        );
        return None;
    };
    let keys = self::keys(walk, keys)?;
    Some(Some(Jwt { keys, issuer, audience, algorithms, claims, claims_to_headers, from, leeway }))
}

fn algorithm(walk: &mut Walk<'_>, node: &Node, names: &[(&'static str, TokenAlgorithm)]) -> Option<TokenAlgorithm> {
    const WHAT: &str = "an algorithm";
    let text = walk.text(node, WHAT)?;
    if text.starts_with("HS") || text.eq_ignore_ascii_case("none") {
        let mend = "a token that everybody who checks it could make proves nothing; take RS256, ES256 or EdDSA";
        walk.wrong(node, "an algorithm that counts", mend);
        return None;
    }
    walk.word(node, WHAT, names)
}

/// Reads `jwks:`: a URL, or a file whose text becomes part of the configuration.
fn keys(walk: &mut Walk<'_>, node: &Node) -> Option<TokenKeys> {
    const WHAT: &str = "a key set";
    let text = walk.text(node, "a URL or the path of a file")?;
    match text.split_once("://") {
        Some(("http" | "https", rest)) if !rest.is_empty() && !text.chars().any(|c| c.is_control() || c == ' ') => {
            return Some(TokenKeys::Url(text));
        }
        Some(_) => {
            walk.wrong(node, WHAT, "write an http:// or https:// URL, or the path of a file");
            return None;
        }
        None => {}
    }
    let (path, text) = files::read(walk, node, MOST)?;
    let set: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let keys = set.as_ref().and_then(|set| set.get("keys")).and_then(|keys| keys.as_array());
    let public =
        |key: &serde_json::Value| matches!(key.get("kty").and_then(|kty| kty.as_str()), Some("RSA" | "EC" | "OKP"));
    let words = match keys {
        None => "is no key set (RFC 7517): {\"keys\": […]}",
        Some(keys) if !keys.iter().any(public) => "has no key of kty RSA, EC or OKP",
        Some(_) => return Some(TokenKeys::Text(text.into())),
    };
    walk.report.error(node.at, ErrorKind::Reference(format!("{} {words}", path.display())));
    None
}

fn place(walk: &mut Walk<'_>, node: &Node) -> Option<TokenPlace> {
    if let Value::Map(_) = &node.value {
        let fields = walk.fields(node, &TOKEN_PLACE)?;
        let name = |walk: &mut Walk<'_>, node: &Node| {
            walk.value(node, "a name", |text| match is_token(text) {
                true => Ok(text.to_owned()),
                false => fault("a name", "write letters, digits and `-`"),
            })
        };
        return match fields.entries.as_slice() {
            [("cookie", entry)] => name(walk, &entry.value).map(TokenPlace::Cookie),
            [("query", entry)] => name(walk, &entry.value).map(TokenPlace::Query),
            _ => {
                missing(walk, node, fields.refused, "write one of {cookie: t} and {query: t}");
                None
            }
        };
    }
    let words = [("header", TokenPlace::Header), ("subprotocol", TokenPlace::Subprotocol)];
    walk.word(node, "where a token stands", &words)
}
