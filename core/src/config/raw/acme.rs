//! `acme:` and what wildcard routes ask of it.

use super::{Walk, tls};
use crate::certificate::{Issuer, issuer_of};
use crate::config::acme::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use crate::config::schema::{ACME, EAB};
use crate::config::text::{Node, Value};
use crate::config::value::{Read, fault};
use crate::config::{Acme, Challenge, ErrorKind, ExternalAccount, HostPattern};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Reads `acme:`.
pub(super) fn acme(walk: &mut Walk<'_>, node: &Node) -> Acme {
    let mut acme = Acme::default();
    let Some(fields) = walk.fields(node, &ACME) else { return acme };
    if let Some(url) = fields.value("directory").and_then(|node| walk.value(node, DIRECTORY, directory)) {
        acme.directory = url;
    }
    acme.email = fields.value("email").and_then(|node| walk.value(node, "an e-mail address", email)).flatten();
    acme.ca = fields.value("ca").and_then(|node| tls::authorities(walk, node));
    if let Some(node) = fields.value("challenges") {
        acme.challenges = challenges(walk, node).unwrap_or(acme.challenges);
    }
    acme.ask = fields.value("ask").and_then(|node| walk.value(node, ASK, ask)).flatten();
    acme.eab = fields.value("eab").and_then(|node| external_account(walk, node));
    acme
}

const DIRECTORY: &str = "an ACME directory";
const ASK: &str = "a URL to ask";

fn directory(text: &str) -> Read<String> {
    match text {
        "letsencrypt" => Ok(LETS_ENCRYPT.to_owned()),
        "letsencrypt-staging" => Ok(LETS_ENCRYPT_STAGING.to_owned()),
        _ if is_url(text, "https://") => Ok(text.to_owned()),
        _ if is_url(text, "http://") => fault(DIRECTORY, "ACME is spoken over https alone"),
        _ => fault(DIRECTORY, "write letsencrypt, letsencrypt-staging, or the authority's https://…/directory"),
    }
}

fn ask(text: &str) -> Read<Option<String>> {
    match text {
        "" | "off" | "false" => Ok(None),
        _ if text.contains('#') => fault(ASK, "leave out what follows `#`"),
        _ if is_url(text, "https://") || is_url(text, "http://") => Ok(Some(text.to_owned())),
        _ => fault(ASK, "write it with its scheme: http://127.0.0.1:9000/may-have-a-certificate"),
    }
}

/// Whether a text has a scheme, a host, and nothing that can't stand in a URL.
fn is_url(text: &str, scheme: &str) -> bool {
    let host = text.strip_prefix(scheme).map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(':'))
        && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '{' | '}'))
}

fn email(text: &str) -> Read<Option<String>> {
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let sound = |(name, host): (&str, &str)| !name.is_empty() && !host.is_empty() && !host.contains('@');
    match text {
        "" => Ok(None),
        _ if text.contains(|c: char| !c.is_ascii_graphic() || matches!(c, ',' | '?' | '%')) => {
            fault("an e-mail address", "write one address without spaces")
        }
        _ if text.split_once('@').is_some_and(sound) => Ok(Some(text.to_owned())),
        _ => fault("an e-mail address", "write name@example.com"),
    }
}

fn challenges(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<Challenge>> {
    let words = [("tls-alpn-01", Challenge::TlsAlpn01), ("http-01", Challenge::Http01)];
    let mut challenges = Vec::new();
    let items = walk.one_or_list(node);
    for item in items {
        if matches!(&item.value, Value::Scalar(scalar) if scalar.text == "dns-01") {
            const MEND: &str = "it would need the keys to your DNS; names under a wildcard get a certificate each, when they \
                                are first asked for";
            walk.wrong(item, "a challenge that is answered here", MEND);
            continue;
        }
        if let Some(challenge) = walk.word(item, "a challenge", &words)
            && !challenges.contains(&challenge)
        {
            challenges.push(challenge);
        }
    }
    if items.is_empty() {
        let words = "the list is empty; write tls-alpn-01, http-01 or both, or leave `challenges` out";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    (!challenges.is_empty()).then_some(challenges)
}

fn external_account(walk: &mut Walk<'_>, node: &Node) -> Option<ExternalAccount> {
    // As the page of the language shows it: `eab: {}` is none.
    if matches!(&node.value, Value::Map(map) if map.entries.is_empty()) {
        return None;
    }
    let fields = walk.fields(node, &EAB)?;
    let kid = fields.value("kid").and_then(|node| walk.text(node, "a key's id"));
    let key = fields.value("key").and_then(|node| {
        walk.value(node, "a key", |text| match BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
            Ok(key) if !key.is_empty() => Ok(key),
            Ok(_) | Err(_) => fault("a key", "write the HMAC key as the authority gave it, in base64url"),
        })
    });
    if (fields.value("kid").is_none() || fields.value("key").is_none()) && !fields.refused {
        let words = "an external account has `kid` and `key`, both from the authority";
        walk.report.error(fields.at, ErrorKind::Missing(words));
    }
    Some(ExternalAccount { kid: kid?, key: key? })
}

/// Reports a wildcard for which a public authority would have to be asked about any name that somebody thinks of.
pub(super) fn check_wildcard(walk: &mut Walk<'_>, host: &HostPattern, at: crate::config::text::Mark) {
    if let HostPattern::Suffix(suffix) = host
        && walk.orders_freely
        && issuer_of(&format!("x.{suffix}")) == Issuer::Public
    {
        walk.report.error(at, ErrorKind::NeedsAsk(suffix.clone()));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Acme, Challenge, Config};

    #[test]
    fn reads_each_key_and_hides_the_key_of_an_account() {
        let check = |text: &str, expect: Acme| {
            let config = Config::from_text(&format!("acme: {text}")).unwrap();
            assert_eq!(config.acme, expect, "{text}");
        };
        check("{}", Acme::default());
        check("{email: '', ask: off, eab: {}, directory: letsencrypt}", Acme::default());
        let staging = "https://acme-staging-v02.api.letsencrypt.org/directory".to_owned();
        check("{directory: letsencrypt-staging}", Acme { directory: staging, ..Acme::default() });
        check("{email: a@b.com}", Acme { email: Some("a@b.com".to_owned()), ..Acme::default() });
        check("{challenges: http-01}", Acme { challenges: vec![Challenge::Http01], ..Acme::default() });
        let both = vec![Challenge::Http01, Challenge::TlsAlpn01];
        check("{challenges: [http-01, tls-alpn-01, http-01]}", Acme { challenges: both, ..Acme::default() });
        let ask = Some("http://127.0.0.1:9/may?who=us".to_owned());
        check("{ask: 'http://127.0.0.1:9/may?who=us'}", Acme { ask, ..Acme::default() });
        let eab = Config::from_text("acme: {eab: {kid: abc, key: aHVudGVyMg}}").unwrap().acme.eab.unwrap();
        assert_eq!((&*eab.kid, &*eab.key), ("abc", &b"hunter2"[..]));
        assert!(!format!("{eab:?}").contains("104"), "{eab:?}");
    }

    #[test]
    fn a_wildcard_of_public_names_needs_somebody_to_ask() {
        let check = |listen: &str, ask: &str, route: &str, sound: bool| {
            let text = format!("listen: {{bind: ':443'{listen}}}\nacme: {{{ask}}}\nroutes: {{'{route}': :1}}");
            assert_eq!(Config::from_text(&text).is_ok(), sound, "{text}");
        };
        let ask = "ask: 'http://127.0.0.1:9/'";
        check(", tls: auto", "", "*.example.com", false);
        check(", tls: auto", ask, "*.example.com", true);
        check("", "", "*.example.com", true);
        check(", tls: auto", "", "*.localhost", true);
        check(", tls: auto", "", "*", true);
    }
}
