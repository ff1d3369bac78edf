//! Why a condition does not hold, in words: for `explain`, which alone asks.

use std::fmt;

use super::{Mismatch, Part, PathTest, SHOWN, Test, TextTest};
use crate::config::Protocol;
use crate::route::{Facts, values};

impl Mismatch<'_> {
    /// Says what the rule asks for and what the request has.
    #[must_use]
    pub fn words(&self, facts: &Facts<'_>, path: &[u8]) -> String {
        match self.0 {
            Part::Method(wanted) => format!("the method is {}, not {}", text(facts.method), wanted.join(" or ")),
            Part::Listener(wanted) => format!("the request came in by another listener than {}", wanted.join(" or ")),
            Part::Protocol(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|protocol| protocol_name(*protocol)).collect();
                format!("the protocol is {}, not {}", protocol_name(facts.protocol()), wanted.join(" or "))
            }
            Part::Client(wanted) => {
                // A list may have thousands.
                let shown = wanted.iter().take(SHOWN).map(|net| format!("{}/{}", net.address, net.bits));
                let more = wanted.len().checked_sub(SHOWN).filter(|more| *more > 0).map(|more| format!("{more} more"));
                let wanted: Vec<_> = shown.chain(more).collect();
                let client = facts.client_ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
                format!("the client is {client}, not in {}", wanted.join(" or "))
            }
            Part::ClientCert(true) => "the client has shown no certificate".to_owned(),
            Part::ClientCert(false) => "the client has shown a certificate".to_owned(),
            Part::Share(test) => test.words(),
            Part::Path(wanted) => format!("the path is {}, which {}", text(path), alternatives(wanted)),
            Part::Header(id, test) => {
                test.words("header", values::header(facts, id, test.name.as_bytes()).map(text).collect())
            }
            Part::Query(test) => {
                let query = facts.destination.query().unwrap_or_default();
                let values = values::query(query, test.name.as_bytes());
                test.words("query parameter", values.map(|value| text(&value)).collect())
            }
            Part::Cookie(test) => test.words("cookie", values::cookie(facts, test.name.as_bytes()).map(text).collect()),
            Part::Not => "what its `not` excludes holds".to_owned(),
            Part::Any(wanted) => {
                let because: Vec<_> = wanted.iter().filter_map(|any| any.check(facts, path).err()).collect();
                let because: Vec<_> = because.iter().map(|mismatch| mismatch.words(facts, path)).collect();
                format!("nothing of its `any` holds: {}", because.join("; "))
            }
        }
    }
}

impl Test {
    pub(crate) fn words(&self, kind: &str, values: Vec<String>) -> String {
        match values.as_slice() {
            [] => {
                let wanted: Vec<_> = self.forms.iter().map(TextTest::wanted).collect();
                format!("the {kind} {} is not there, but must {}", self.name, wanted.join(" or "))
            }
            values => {
                let values = values.join("\" and \"");
                format!("the {kind} {} is \"{values}\", which {}", self.name, alternatives(&self.forms))
            }
        }
    }
}

/// Says what the forms ask for, for a sentence that ends in "which …".
fn alternatives<T: fmt::Display>(forms: &[T]) -> String {
    let forms: Vec<_> = forms.iter().map(ToString::to_string).collect();
    forms.join(" and ")
}

impl fmt::Display for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "is not \"{text}\""),
            Self::Prefix(text) => write!(f, "does not begin with \"{text}\""),
            Self::Contains(text) => write!(f, "does not contain \"{text}\""),
            Self::Regex(regex) => write!(f, "does not match '{regex}'"),
            Self::Present(true) => f.write_str("must be there"),
            Self::Present(false) => f.write_str("must not be there"),
        }
    }
}

impl fmt::Display for PathTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(f, "is not below {}", if prefix.is_empty() { "/" } else { prefix }),
            Self::Exact(exact) => write!(f, "is not {exact}"),
            Self::Regex(regex) => write!(f, "does not match '{regex}'"),
        }
    }
}

const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Websocket => "websocket",
        Protocol::Sse => "sse",
        Protocol::Grpc => "grpc",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
