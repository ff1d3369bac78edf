//! `tls:` of listeners: certificates, policies, and what is done for which name.
//!
//! Certificate files are looked at through [`Source`](crate::config::Source): what is wrong with one is reported at the
//! place that names it.

use super::reference::beside;
use super::{Fields, Walk};
use crate::config::schema::{CERTIFICATE, HOST_TLS, LISTENER_TLS, UPSTREAM_TLS};
use crate::config::text::{Node, Value};
use crate::config::value::host;
use crate::config::{
    CertificateFiles, Certificates, ClientAuth, Endpoint, EndpointScheme, ErrorKind, HostPattern, HostTls, ListenerTls,
    PairPart, PemFile, ProxyVersion, TlsPolicy, TlsVersion, UpstreamTls, WarningKind,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads `tls:` of a listener.
pub(super) fn listener(walk: &mut Walk<'_>, node: &Node) -> Option<ListenerTls> {
    let Value::Map(_) = &node.value else {
        let words = [("auto", true), ("on", true), ("true", true), ("passthrough", false)];
        return match walk.word(node, "what is done with TLS", &words)? {
            true => {
                Some(ListenerTls::Terminate { certificates: Certificates::Auto, policy: OPEN, hosts: BTreeMap::new() })
            }
            false => Some(ListenerTls::Passthrough),
        };
    };
    let fields = walk.fields(node, &LISTENER_TLS)?;
    let certificates = match fields.value("certificates") {
        Some(node) => certificates(walk, node)?,
        None => Certificates::Auto,
    };
    let policy = policy(walk, &fields, &OPEN);
    let hosts = fields.value("hosts").map(|node| hosts(walk, node, &policy)).unwrap_or_default();
    Some(ListenerTls::Terminate { certificates, policy, hosts })
}

/// What holds where nothing is said.
const OPEN: TlsPolicy = TlsPolicy { min_version: TlsVersion::V12, client_auth: ClientAuth::Off };

fn hosts(walk: &mut Walk<'_>, node: &Node, outer: &TlsPolicy) -> BTreeMap<HostPattern, HostTls> {
    let mut hosts = BTreeMap::new();
    let Some(map) = walk.map(node, "policies by host") else { return hosts };
    for entry in &map.entries {
        let key = Node { at: entry.key_at, value: Value::Scalar(super::route::scalar(&entry.key)) };
        let Some(pattern) = walk.value(&key, "a host", host::pattern) else { continue };
        if entry.value.is_empty() {
            walk.no_value(entry);
            continue;
        }
        if pattern == HostPattern::Any {
            walk.wrong(&key, "a host", "what holds for every host stands beside `hosts`, not in it");
            continue;
        }
        let tls = match &entry.value.value {
            Value::Map(_) => {
                let Some(fields) = walk.fields(&entry.value, &HOST_TLS) else { continue };
                HostTls::Terminate(policy(walk, &fields, outer))
            }
            Value::Scalar(_) | Value::List(_) => {
                match walk.word(&entry.value, "a policy or passthrough", &[("passthrough", HostTls::Passthrough)]) {
                    Some(tls) => tls,
                    None => continue,
                }
            }
        };
        if hosts.insert(pattern, tls).is_some() {
            walk.wrong(&key, "another host", "it stands here already, in another spelling");
        }
    }
    hosts
}

/// Reads the keys of a policy, over those of the level around it entry by entry.
fn policy(walk: &mut Walk<'_>, fields: &Fields<'_>, outer: &TlsPolicy) -> TlsPolicy {
    let words = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];
    let version = fields.value("min_version").and_then(|node| walk.word(node, "a version of TLS", &words));
    let ca = fields.value("client_ca").and_then(|node| authorities(walk, node));
    let asked = fields.value("client_auth").and_then(|node| Some((node, client_auth(walk, node)?)));
    let outer_ca = match &outer.client_auth {
        ClientAuth::Off => None,
        ClientAuth::Request(ca) | ClientAuth::Require(ca) => Some(ca.clone()),
    };
    let stands = fields.value("client_ca").is_some();
    let client_auth = match (asked, ca.or(outer_ca)) {
        (Some((_, Asked::Off)), _) => ClientAuth::Off,
        (Some((_, Asked::Request)), Some(ca)) => ClientAuth::Request(ca),
        (Some((_, Asked::Require)), Some(ca)) => ClientAuth::Require(ca),
        (Some((node, _)), None) => {
            // A file that can't be used was reported already; without one nobody could be let in.
            if !stands {
                let words = "to ask for client certificates, say who issues them: `client_ca: clients.pem`";
                walk.report.error(node.at, ErrorKind::Missing(words));
            }
            ClientAuth::Off
        }
        (None, Some(ca)) => match &outer.client_auth {
            ClientAuth::Off => {
                let words = "`client_ca` alone asks nobody for a certificate; add `client_auth: require`";
                walk.report.error(fields.at, ErrorKind::Missing(words));
                ClientAuth::Off
            }
            ClientAuth::Request(_) => ClientAuth::Request(ca),
            ClientAuth::Require(_) => ClientAuth::Require(ca),
        },
        (None, None) => ClientAuth::Off,
    };
    TlsPolicy { min_version: version.unwrap_or(outer.min_version), client_auth }
}

#[derive(Clone, Copy)]
enum Asked {
    Off,
    Request,
    Require,
}

fn client_auth(walk: &mut Walk<'_>, node: &Node) -> Option<Asked> {
    let words = [("off", Asked::Off), ("false", Asked::Off), ("request", Asked::Request), ("require", Asked::Require)];
    walk.word(node, "off, request or require", &words)
}

fn certificates(walk: &mut Walk<'_>, node: &Node) -> Option<Certificates> {
    if matches!(&node.value, Value::Scalar(_)) {
        return walk.word(node, "auto, or a list of {cert, key}", &[("auto", Certificates::Auto)]);
    }
    let items = walk.one_or_list(node);
    if items.is_empty() {
        let words = "the list is empty; write `{cert: a.pem, key: a.key}`, or auto";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    let files: Vec<_> = items.iter().filter_map(|item| pair(walk, item)).collect();
    (!files.is_empty()).then_some(Certificates::Files(files))
}

/// Reads `tls:` and `send_proxy_protocol:` of an upstream with these endpoints.
pub(super) fn to_endpoints(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    endpoints: &[Endpoint],
) -> (UpstreamTls, Option<ProxyVersion>) {
    let words = [("off", None), ("false", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))];
    let proxy = fields.value("send_proxy_protocol").and_then(|node| walk.word(node, "off, v1 or v2", &words)).flatten();
    let Some(node) = fields.value("tls") else { return (UpstreamTls::default(), proxy) };
    if endpoints.iter().all(|endpoint| endpoint.scheme != EndpointScheme::Https) {
        let words = "`tls` has no effect: no endpoint here begins with https:// or wss://";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    (upstream(walk, node), proxy)
}

fn upstream(walk: &mut Walk<'_>, node: &Node) -> UpstreamTls {
    let Some(fields) = walk.fields(node, &UPSTREAM_TLS) else { return UpstreamTls::default() };
    let shows = fields.first(&["cert", "key"]).is_some();
    let skip = fields.value("insecure_skip_verify").and_then(|node| Some((node, walk.switch(node)?)));
    if let Some((node, true)) = skip {
        let words =
            "certificates of these endpoints are not verified: anybody in between can read and change everything";
        walk.report.warn(node.at, WarningKind::Certificate(words.to_owned()));
    }
    UpstreamTls {
        ca: fields.value("ca").and_then(|node| authorities(walk, node)),
        server_name: fields.value("server_name").and_then(|node| {
            walk.value(node, "a name", |text| host::name("a name", text.trim_start_matches('[').trim_end_matches(']')))
        }),
        identity: if shows { pair_of(walk, &fields, None) } else { None },
        insecure_skip_verify: skip.is_some_and(|(_, skip)| skip),
    }
}

/// Reads `{cert, key, ocsp}` and has the files looked at.
fn pair(walk: &mut Walk<'_>, node: &Node) -> Option<CertificateFiles> {
    let fields = walk.fields(node, &CERTIFICATE)?;
    let ocsp = fields.value("ocsp");
    pair_of(walk, &fields, ocsp)
}

fn pair_of(walk: &mut Walk<'_>, fields: &Fields<'_>, ocsp: Option<&Node>) -> Option<CertificateFiles> {
    let [cert, key] = ["cert", "key"].map(|key| fields.value(key));
    let (Some(cert_at), Some(key_at)) = (cert, key) else {
        if !fields.refused {
            let words = "a certificate needs both files: `{cert: a.pem, key: a.key}`";
            walk.report.error(fields.at, ErrorKind::Missing(words));
        }
        return None;
    };
    let (cert, key) = (path(walk, cert_at)?, path(walk, key_at)?);
    let ocsp_path = match ocsp {
        Some(node) => Some(path(walk, node)?),
        None => None,
    };
    let mut files = CertificateFiles { cert, key, ocsp: ocsp_path, digest: Default::default() };
    match walk.source.certificate(&files) {
        Ok(inspected) => {
            for words in inspected.warnings {
                walk.report.warn(cert_at.at, WarningKind::Certificate(words));
            }
            files.digest = inspected.digest;
            Some(files)
        }
        Err((part, words)) => {
            let at = match part {
                PairPart::Cert => cert_at.at,
                PairPart::Key => key_at.at,
                PairPart::Ocsp => ocsp.map_or(fields.at, |node| node.at),
            };
            walk.report.error(at, ErrorKind::Certificate(words));
            None
        }
    }
}

/// Reads the path of a file of authorities and has it looked at.
pub(super) fn authorities(walk: &mut Walk<'_>, node: &Node) -> Option<PemFile> {
    let path = path(walk, node)?;
    match walk.source.authorities(&path) {
        Ok(inspected) => {
            for words in inspected.warnings {
                walk.report.warn(node.at, WarningKind::Certificate(words));
            }
            Some(PemFile { path, digest: inspected.digest })
        }
        Err(words) => {
            walk.report.error(node.at, ErrorKind::Certificate(words));
            None
        }
    }
}

/// A file beside the one that names it, watched from now on.
fn path(walk: &mut Walk<'_>, node: &Node) -> Option<PathBuf> {
    let text = walk.text(node, "the path of a file")?;
    let path = beside(&walk.report.place(node.at).file, Path::new(&text));
    walk.files.push(path.clone());
    Some(path)
}
