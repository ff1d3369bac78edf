//! `tracing:` where spans go, and how many.

use super::Walk;
use crate::config::schema::TRACING;
use crate::config::text::Node;
use crate::config::value::{Read, amount, fault};
use crate::config::{Share, Tracing};

const WHAT: &str = "where spans go";

/// Reads `tracing:`.
pub(super) fn tracing(walk: &mut Walk<'_>, node: &Node) -> Tracing {
    let tracing = Tracing::default();
    let Some(fields) = walk.fields(node, &TRACING) else { return tracing };
    let otlp = fields.value("otlp").and_then(|node| walk.value(node, WHAT, receiver));
    let read = |text: &str| match text {
        "off" | "false" => Ok(Share(0)),
        _ => amount::share(text, 100),
    };
    let sample = fields.value("sample").and_then(|node| walk.value(node, "a share", read));
    Tracing { otlp: otlp.flatten(), sample: sample.unwrap_or(tracing.sample) }
}

/// A URL of OTLP over HTTP; without a path the usual one.
fn receiver(text: &str) -> Read<Option<String>> {
    if matches!(text, "off" | "false") {
        return Ok(None);
    }
    let Some((_, rest)) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return fault(WHAT, "write a URL, such as http://127.0.0.1:4318, or off");
    };
    if rest.contains(['?', '#', ' ', '@', '"', '<', '>', '\\']) || text.chars().any(char::is_control) {
        return fault(WHAT, "write a scheme, a host, a port and at most a path");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    match authority {
        "" => fault(WHAT, "the URL has no host"),
        _ if authority.ends_with(":4317") => fault(WHAT, "4317 is the port of gRPC; OTLP over HTTP has 4318"),
        _ if path.is_empty() => Ok(Some(format!("{}/v1/traces", text.trim_end_matches('/')))),
        _ => Ok(Some(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::receiver;

    #[test]
    fn receivers() {
        let check = |text: &str, expect: Result<Option<&str>, &str>| match (receiver(text), expect) {
            (Ok(found), Ok(wanted)) => assert_eq!(found.as_deref(), wanted, "{text}"),
            (Err(fault), Err(part)) => assert!(format!("{fault:?}").contains(part), "{text}: {fault:?}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("off", Ok(None));
        check("http://127.0.0.1:4318", Ok(Some("http://127.0.0.1:4318/v1/traces")));
        check("http://[::1]:4318/", Ok(Some("http://[::1]:4318/v1/traces")));
        check("https://a.test/otlp/v1/traces", Ok(Some("https://a.test/otlp/v1/traces")));
        check("127.0.0.1:4318", Err("write a URL"));
        check("ftp://a", Err("write a URL"));
        check("http://a:4317", Err("gRPC"));
        check("http:///x", Err("no host"));
        check("http://a?b", Err("at most a path"));
    }
}
