//! `client_cert`, `basic_auth`, `api_keys`, `forward_auth`, `auth`: who somebody is. What stands in files is read with the configuration.

use super::files;
use crate::config::raw::{Walk, condition, upstream};
use crate::config::schema::{API_KEYS_KEYS, AUTH_KEYS, BASIC_KEYS, CLIENT_CERT_KEYS, FORWARD_KEYS};
use crate::config::text::{Node, Scalar, Value};
use crate::config::value::{fault, is_token};
use crate::config::{ApiKeys, BasicAuth, ClientCert, ErrorKind, ForwardAuth, Secret, WayKind};

/// The largest file of users or keys.
const MOST: usize = 4 << 20;

/// Reads `basic_auth:`; the inner `None` is `off`.
pub(super) fn basic(walk: &mut Walk<'_>, node: &Node) -> Option<Option<BasicAuth>> {
    if is_off(node) {
        return Some(None);
    }
    let fields = walk.fields(node, &BASIC_KEYS)?;
    let realm = fields.value("realm").and_then(|node| {
        walk.value(node, "a realm", |text| match text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
            true => fault("a realm", "it has no quotes, backslashes or control characters"),
            false => Ok(text.to_owned()),
        })
    });
    let Some(file) = fields.value("file") else {
        missing(walk, node, fields.refused, "whose? write `file: users.htpasswd`");
        return None;
    };
    let mut users = Vec::new();
    for (at, line) in lines(walk, file)? {
        let words = match line.split_once(':') {
            Some((name, hash)) if !name.is_empty() => match known(hash) {
                Ok(()) => {
                    users.push((name.to_owned(), Secret(hash.to_owned())));
                    continue;
                }
                Err(words) => words,
            },
            Some(_) | None => "a line is NAME:HASH, as `htpasswd -B` makes it",
        };
        wrong_line(walk, file, at, words);
    }
    Some(Some(BasicAuth { realm: realm.unwrap_or_else(|| "restricted".to_owned()), users }))
}

/// Whether a hash is of a kind that is verified here.
fn known(hash: &str) -> Result<(), &'static str> {
    let begins = |kinds: &[&str]| kinds.iter().any(|kind| hash.starts_with(kind));
    match hash {
        _ if begins(&["$argon2id$", "$argon2i$", "$argon2d$", "$2a$", "$2b$", "$2y$", "{SHA}"]) => Ok(()),
        _ if begins(&["$apr1$", "$1$"]) => Err("an MD5 hash is no longer a secret; make it anew with `htpasswd -B`"),
        _ if begins(&["$5$", "$6$", "$y$"]) => Err("crypt hashes are not read; make it anew with `htpasswd -B`"),
        _ => Err("this is no hash of argon2, bcrypt or {SHA}; make it with `htpasswd -B`"),
    }
}

/// Reads `api_keys:`; the inner `None` is `off`.
pub(super) fn keys(walk: &mut Walk<'_>, node: &Node) -> Option<Option<ApiKeys>> {
    if is_off(node) {
        return Some(None);
    }
    let fields = walk.fields(node, &API_KEYS_KEYS)?;
    let header = fields.value("header").and_then(|node| header(walk, node));
    let Some(file) = fields.value("file") else {
        missing(walk, node, fields.refused, "whose? write `file: keys.txt`");
        return None;
    };
    let mut keys = Vec::new();
    for (at, line) in lines(walk, file)? {
        let pair = line.split_once(':').and_then(|(name, hash)| Some((name.trim().to_owned(), hex(hash.trim())?)));
        match pair {
            Some(key) => keys.push(key),
            None => wrong_line(walk, file, at, "a line is NAME:HASH, the hash from `printf %s KEY | sha256sum`"),
        }
    }
    Some(Some(ApiKeys { header: header.unwrap_or_else(|| "x-api-key".to_owned()), keys }))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // A sign would pass for a digit below.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Reads `forward_auth:`; the inner `None` is `off`.
pub(super) fn forward(walk: &mut Walk<'_>, node: &Node) -> Option<Option<ForwardAuth>> {
    const WHAT: &str = "the URL of a service";
    if is_off(node) {
        return Some(None);
    }
    let fields = walk.fields(node, &FORWARD_KEYS)?;
    let copy_headers = condition::many(walk, fields.value("copy_headers"), header);
    let Some(url) = fields.value("url") else {
        missing(walk, node, fields.refused, "whom to ask? write `url: http://auth:9000/verify`");
        return None;
    };
    let (address, path) = walk.value(url, WHAT, |text| {
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault(WHAT, format!("write http://{text}"));
        };
        if text.contains('#') || text.chars().any(|c| c.is_control() || c == ' ') {
            return fault(WHAT, "a URL has no spaces and no fragment");
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Ok((format!("{scheme}://{authority}"), path.to_owned()))
    })?;
    let host = address.split("://").nth(1).unwrap_or_default().to_owned();
    let place = Node { at: url.at, value: Value::Scalar(Scalar { text: address, plain: false }) };
    let upstream = upstream::target(walk, &place)?;
    Some(Some(ForwardAuth { upstream, host, path, copy_headers }))
}

/// What `auth:` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Auth {
    /// Of these one is enough.
    pub(super) any: Vec<WayKind>,
    /// Each of these must hold.
    pub(super) all: Vec<WayKind>,
}

/// Reads `auth:` which ways are enough.
pub(super) fn auth(walk: &mut Walk<'_>, node: &Node) -> Option<Auth> {
    let fields = walk.fields(node, &AUTH_KEYS)?;
    let mut ways = |key| {
        condition::many(walk, fields.value(key), |walk, node| walk.word(node, "a way to prove who asks", &WayKind::ALL))
    };
    let auth = Auth { any: ways("any"), all: ways("all") };
    if fields.value("any").is_none() && fields.value("all").is_none() {
        missing(walk, node, fields.refused, "write {any: [api_keys, basic_auth]}");
    }
    if let (Some(both), Some(list)) = (auth.all.iter().find(|way| auth.any.contains(way)), fields.value("all")) {
        let words = format!("`{}` stands under `any` too; one of the two holds, leave it out of the other", both.key());
        walk.report.error(list.at, ErrorKind::Reference(words));
    }
    Some(auth)
}

/// Reads `client_cert:`; the inner `None` is `off`.
pub(super) fn client_cert(walk: &mut Walk<'_>, node: &Node) -> Option<Option<ClientCert>> {
    if !matches!(node.value, Value::Map(_)) {
        return walk.switch(node).map(|asked| asked.then(ClientCert::default));
    }
    let fields = walk.fields(node, &CLIENT_CERT_KEYS)?;
    let texts =
        |walk: &mut Walk<'_>, key| condition::many(walk, fields.value(key), |walk, node| walk.text(node, "a text"));
    let names = texts(walk, "names");
    let subjects = texts(walk, "subjects");
    let fingerprints = condition::many(walk, fields.value("fingerprints"), |walk, node| {
        const WHAT: &str = "a fingerprint";
        walk.value(node, WHAT, |text| match hex(&text.replace(':', "")) {
            Some(bytes) => Ok(bytes),
            None => fault(WHAT, "write the SHA-256 of the certificate, 64 hexadecimal digits"),
        })
    });
    let none = ["names", "subjects", "fingerprints"].iter().all(|key| fields.value(key).is_none());
    if none {
        missing(walk, node, fields.refused, "whose? write {names: [worker.example.com]}, or `true` for anybody's");
        return None;
    }
    // A DNS name has no case; a URI is compared as it is.
    let lower = |name: String| if name.contains(':') { name } else { name.to_ascii_lowercase() };
    Some(Some(ClientCert { names: names.into_iter().map(lower).collect(), subjects, fingerprints }))
}

pub(super) fn header(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    const WHAT: &str = "the name of a field";
    walk.value(node, WHAT, |text| match text.to_ascii_lowercase() {
        name if !is_token(&name) => fault(WHAT, "write letters, digits and `-`"),
        name if matches!(name.as_str(), "host" | "connection" | "content-length" | "transfer-encoding" | "upgrade") => {
            fault(WHAT, "this one says how the message goes; take another")
        }
        name => Ok(name),
    })
}

pub(in crate::config::raw) fn is_off(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if matches!(scalar.text.as_str(), "off" | "false"))
}

pub(super) fn missing(walk: &mut Walk<'_>, node: &Node, refused: bool, words: &'static str) {
    if !refused {
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
}

/// The lines of a file that say something, numbered from 1.
fn lines(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<(usize, String)>> {
    let (_, text) = files::read(walk, node, MOST)?;
    let numbered = (1..).zip(text.lines()).map(|(at, line)| (at, line.trim().to_owned()));
    Some(numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect())
}

/// Reports a line of a file, which is never shown: it may be a secret.
fn wrong_line(walk: &mut Walk<'_>, node: &Node, at: usize, words: &str) {
    walk.report.error(node.at, ErrorKind::Reference(format!("line {at} of this file: {words}")));
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn a_hash_is_64_digits() {
        for (text, sound) in [("aF", true), ("+f", false), (" f", false), ("éa", false), ("f", false)] {
            assert_eq!(hex(&text.repeat(32)).is_some(), sound, "{text}");
        }
    }
}
