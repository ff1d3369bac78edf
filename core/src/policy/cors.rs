//! `cors:` which pages of other origins may read answers, and the answer to their preflights (Fetch standard §3.2).
//!
//! It guards readers, not the upstream: a request of a page that may not read goes on, and its answer says nothing.
//! Where CORS is configured here, what an upstream says about it is replaced, so that there is one word.

use super::edits::line;
use crate::config::{self, OriginPattern};
use crate::message::{Fields, Name};
use crate::route::{Facts, values};

/// CORS of a rule.
#[derive(Debug)]
pub struct Cors {
    origins: Box<[OriginPattern]>,
    methods: Box<[String]>,
    headers: Box<[String]>,
    expose: Box<str>,
    credentials: bool,
    max_age: u64,
}

/// The answer to a preflight: 204 with these lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// Each with its CRLF.
    pub lines: Vec<u8>,
}

impl Cors {
    pub(super) fn compile(written: &config::Cors) -> Self {
        Self {
            origins: written.origins.as_slice().into(),
            methods: written.methods.as_slice().into(),
            headers: written.headers.as_slice().into(),
            expose: written.expose.join(", ").into(),
            credentials: written.credentials,
            max_age: written.max_age.as_secs(),
        }
    }

    /// Leaves the request's origin in `origin` if its pages may read the answer. Two of them are none.
    pub(super) fn note(&self, facts: &Facts<'_>, origin: &mut Vec<u8>) {
        let mut named = values::header(facts, Name::Origin, b"origin");
        if let (Some(one), None) = (named.next(), named.next())
            && self.origins.iter().any(|pattern| matches(pattern, one))
        {
            origin.extend_from_slice(one);
        }
    }

    /// The lines of an answer.
    pub(super) fn lines(&self, origin: &[u8], out: &mut Vec<u8>) {
        let anyone = self.is_for_anyone();
        if !anyone {
            // Also where nothing is said: a cache must not give one origin what another was refused.
            line(out, b"vary", b"Origin");
        }
        if origin.is_empty() {
            return;
        }
        line(out, b"access-control-allow-origin", if anyone { b"*" } else { origin });
        if self.credentials {
            line(out, b"access-control-allow-credentials", b"true");
        }
        if !self.expose.is_empty() {
            line(out, b"access-control-expose-headers", self.expose.as_bytes());
        }
    }

    /// Whether each answer reads the same for every origin.
    fn is_for_anyone(&self) -> bool {
        self.origins.contains(&OriginPattern::Any)
    }

    pub(super) fn preflight(&self, facts: &Facts<'_>, may: bool) -> Result<Option<Preflight>, &'static str> {
        let asked = |name: &'static [u8]| values::header(facts, Name::Other, name);
        let method = asked(b"access-control-request-method").next();
        let named = values::header(facts, Name::Origin, b"origin").next();
        let (b"OPTIONS", Some(method), Some(_)) = (facts.method, method, named) else { return Ok(None) };
        if !may {
            return Err("Pages of this origin may not read answers of this route (cors).");
        }
        // The three that need no preflight are safe to name at all times.
        let simple = matches!(method, b"GET" | b"HEAD" | b"POST");
        if !self.methods.is_empty() && !simple && !self.methods.iter().any(|one| one.as_bytes() == method) {
            return Err("Pages of other origins may not use this method here (cors).");
        }
        let mut lines = Vec::new();
        line(&mut lines, b"access-control-allow-methods", method);
        let wanted = asked(b"access-control-request-headers");
        let known = |name: &[u8]| self.headers.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
        for list in wanted {
            let mut names = values::members(list).filter(|name| !name.is_empty());
            if !self.headers.is_empty() && !names.all(known) {
                return Err("Pages of other origins may not send one of these fields here (cors).");
            }
            line(&mut lines, b"access-control-allow-headers", list);
        }
        line(&mut lines, b"access-control-max-age", self.max_age.to_string().as_bytes());
        line(&mut lines, b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers");
        Ok(Some(Preflight { lines }))
    }
}

/// Drops what an upstream says about CORS.
pub(super) fn drop_foreign(fields: &mut Fields, bytes: &[u8]) {
    const PREFIX: &[u8] = b"access-control-";
    for field in fields.all_mut().iter_mut().filter(|field| field.name_id == Name::Other) {
        field.dropped |= field.name.of(bytes).get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    }
}

/// Whether a page may open a WebSocket (case 108): one of the host's own, or one of `allowed`. A client that says no
/// origin is no browser, and nobody's cookies are at stake.
#[must_use]
pub fn may_open(allowed: &[OriginPattern], facts: &Facts<'_>) -> bool {
    let own = |origin: &[u8]| {
        let Some(at) = origin.windows(3).position(|part| part == b"://") else { return false };
        let authority = origin.get(at + 3..).unwrap_or_default();
        let port = authority.iter().rposition(|byte| *byte == b':');
        let digits = |at: &usize| authority.get(at + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit));
        authority.get(..port.filter(digits).unwrap_or(authority.len())) == Some(facts.destination.host())
    };
    let mut origins = values::header(facts, Name::find(b"origin"), b"origin");
    origins.all(|origin| own(origin) || allowed.iter().any(|pattern| matches(pattern, origin)))
}

/// Whether an origin is one of a pattern's. Browsers write origins in lower case; whatever doesn't is no browser.
pub fn matches(pattern: &OriginPattern, origin: &[u8]) -> bool {
    match pattern {
        OriginPattern::Any => true,
        OriginPattern::Exact(text) => origin == text.as_bytes(),
        OriginPattern::Suffix { scheme, suffix } => {
            origin.strip_prefix(scheme.as_bytes()).and_then(|rest| rest.strip_suffix(suffix.as_bytes())).is_some_and(
                |label| !label.is_empty() && label.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)),
            )
        }
    }
}
