//! The policies of a rule, compiled into one chain whose order is fixed: what refuses, then what edits.
//!
//! The snapshot holds a chain only for rules that have policies; the exchange asks it while it admits a request and
//! again when an answer's head is written. All is decided from the request's facts: nothing waits, counts or looks outside.

pub mod cells;
pub mod claims;
pub mod cookies;
pub mod cors;
mod describe;
pub mod detect;
pub mod edits;
pub mod forward;
pub mod identity;
pub mod jwt;
pub mod limits;
pub mod mirror;
mod pages;
pub mod places;
mod rewrite;
#[cfg(test)]
mod tests;
pub mod who;

use crate::config::{self, CookieFlags, Policies};
use crate::message::Fields;
use crate::reason::Reason;
use crate::route::{Condition, Facts};
use crate::snapshot::UpstreamId;
use crate::template::TemplateError;

use cors::{Cors, Preflight};
pub use describe::Step;
use edits::{HeadEdits, Rendered};
use identity::{Identity, Way};
use limits::{Concurrency, LimitPlace, Rate};
use mirror::Mirror;
use pages::Pages;
use rewrite::{QueryEdit, Rewrite};

/// The policies of a rule or a listener.
#[derive(Debug)]
pub struct Chain {
    deny: Box<[Condition]>,
    allow: Box<[Box<[Condition]>]>,
    maintenance: bool,
    methods: Box<[String]>,
    cors: Option<Cors>,
    rewrite: Option<Rewrite>,
    query: Option<QueryEdit>,
    up: HeadEdits,
    down: HeadEdits,
    hsts: Option<Box<str>>,
    cookies: CookieFlags,
    pages: Pages,
    rates: Box<[Rate]>,
    concurrency: Box<[Concurrency]>,
    identity: Option<Identity>,
    bandwidth: Option<u64>,
    detect: Option<config::Detect>,
    mirror: Option<Mirror>,
}

/// A request that a policy does not let pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code of the answer.
    pub reason: Reason,
    /// One sentence for the person who made the request.
    pub detail: &'static str,
    /// Fields that the answer has besides its own.
    pub fields: Vec<(&'static str, String)>,
}

/// What the chain remembers of a request for its answer. Reused from exchange to exchange.
#[derive(Debug, Default)]
pub struct Notes {
    /// The templates of `request_headers`, filled in.
    pub up: Rendered,
    /// The templates of `response_headers`, filled in.
    pub down: Rendered,
    /// Lines for the request, each with its CRLF.
    pub up_lines: Vec<u8>,
    /// The origin that may read the answer, as the request names it; empty where none may.
    pub origin: Vec<u8>,
    /// Whether the client speaks TLS.
    pub secure: bool,
    /// The key of a limit, while it is looked up.
    pub key: Vec<u8>,
    /// Who was let in.
    pub who: who::Who,
    /// A handshake offered `bearer` and nothing that the upstream could agree to.
    pub bearer: bool,
}

impl Refusal {
    pub(crate) const fn new(reason: Reason, detail: &'static str) -> Self {
        Self { reason, detail, fields: Vec::new() }
    }

    pub(crate) const fn denied(detail: &'static str) -> Self {
        Self::new(Reason::Denied, detail)
    }
}

impl From<TemplateError> for Refusal {
    fn from(error: TemplateError) -> Self {
        Self::new(error.reason(), error.detail())
    }
}

impl Chain {
    /// Compiles what a rule or a listener says. `listeners` are all of the configuration, in its order.
    ///
    /// # Errors
    ///
    /// A regular expression that does not compile or grows too large.
    pub fn compile(
        written: &Policies,
        listeners: &[config::Listener],
        place: &LimitPlace<'_>,
    ) -> Result<Self, regex::Error> {
        let each = |list: &[config::Condition]| -> Result<Box<[Condition]>, regex::Error> {
            list.iter().map(|one| Condition::compile(one, listeners)).collect()
        };
        let security = written.security_headers.as_ref();
        Ok(Self {
            deny: each(&written.deny)?,
            allow: written.allow.iter().map(|level| each(level)).collect::<Result<_, _>>()?,
            maintenance: written.maintenance,
            methods: written.methods.as_slice().into(),
            cors: written.cors.as_ref().map(Cors::compile),
            rewrite: written.rewrite.as_ref().map(Rewrite::compile).transpose()?,
            query: QueryEdit::compile(&written.query),
            up: HeadEdits::compile(&written.request_headers, None),
            down: HeadEdits::compile(&written.response_headers, security),
            hsts: security.and_then(|headers| headers.hsts).map(|age| format!("max-age={}", age.as_secs()).into()),
            cookies: written.cookies,
            pages: Pages::compile(&written.error_pages),
            rates: written.rates.iter().map(|rate| Rate::compile(rate, place)).collect(),
            concurrency: written.concurrency.iter().map(|limit| Concurrency::compile(limit, place)).collect(),
            identity: Identity::compile(written),
            bandwidth: written.bandwidth,
            detect: written.detect,
            mirror: written.mirror.as_ref().map(Mirror::compile),
        })
    }

    /// Notes what the answer will need, whatever becomes of the request. The first step of all.
    ///
    /// # Errors
    ///
    /// A fact in `response_headers` that would break a line: nothing is sent with it.
    pub fn note(&self, facts: &Facts<'_>, notes: &mut Notes) -> Result<(), Refusal> {
        notes.clear();
        notes.secure = facts.scheme == "https";
        if let Some(cors) = &self.cors {
            cors.note(facts, &mut notes.origin);
        }
        Ok(self.down.render(facts, &mut notes.down)?)
    }

    /// Notes anew what the answer will need, once claims are known.
    ///
    /// # Errors
    ///
    /// As [`Chain::note`].
    pub fn note_claims(&self, facts: &Facts<'_>, notes: &mut Notes) -> Result<(), Refusal> {
        notes.down.clear();
        Ok(self.down.render(facts, &mut notes.down)?)
    }

    /// Asks `deny`, then `allow`, then `maintenance`.
    ///
    /// # Errors
    ///
    /// The refusal. [`Reason::BadRequest`] where an encoded slash in the path, decoded, would make another verdict.
    pub fn screen(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        if !self.deny.is_empty() || !self.allow.is_empty() {
            let verdict = self.verdict(facts, facts.destination.path());
            if let Some(decoded) = facts.destination.decoded_path()
                && self.verdict(facts, decoded) != verdict
            {
                return Err(Refusal::new(Reason::BadRequest, ENCODED_SLASH));
            }
            verdict.map_err(Refusal::denied)?;
        }
        if self.maintenance {
            return Err(Refusal::new(Reason::Maintenance, "This route is being worked on."));
        }
        Ok(())
    }

    /// The limits on how often, in order.
    #[must_use]
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// Whether a limit counts in a store that machines share.
    #[must_use]
    pub fn asks_stores(&self) -> bool {
        self.rates.iter().any(|rate| rate.store.is_some())
    }

    /// The limits on how many at once, in order.
    #[must_use]
    pub fn concurrency(&self) -> &[Concurrency] {
        &self.concurrency
    }

    /// What a request has to prove, if anything.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Bytes a second of an answer's body, if that is bounded.
    #[must_use]
    pub const fn bandwidth(&self) -> Option<u64> {
        self.bandwidth
    }

    /// What is looked for in requests, if anything.
    #[must_use]
    pub const fn detect(&self) -> Option<config::Detect> {
        self.detect
    }

    /// Who gets copies of requests, if anybody.
    #[must_use]
    pub const fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    /// Gives each upstream that the chain asks its number.
    pub(crate) fn resolve(&mut self, number: impl Fn(&str) -> Option<UpstreamId>) {
        for way in self.identity.iter_mut().flat_map(Identity::ways_mut) {
            if let Way::Forward(forward) = way {
                forward.upstream = number(&forward.name);
            }
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.upstream = number(&mirror.name);
        }
    }

    fn verdict(&self, facts: &Facts<'_>, path: &[u8]) -> Result<(), &'static str> {
        if self.deny.iter().any(|one| one.denies(facts, path)) {
            return Err("A deny rule of this route holds for the request.");
        }
        match self.allow.iter().all(|level| level.iter().any(|one| one.allows(facts, path))) {
            true => Ok(()),
            false => Err("No allow rule of this route holds for the request."),
        }
    }

    /// The answer to a preflight, where the request is one and `cors` is configured.
    ///
    /// It stands before identities, since a preflight never carries one (Fetch standard §4.8), and before methods, since
    /// its own is OPTIONS.
    ///
    /// # Errors
    ///
    /// `denied` where the page's origin, the method or a field is not allowed.
    pub fn preflight(&self, facts: &Facts<'_>, notes: &Notes) -> Result<Option<Preflight>, Refusal> {
        match &self.cors {
            Some(cors) => cors.preflight(facts, !notes.origin.is_empty()).map_err(Refusal::denied),
            None => Ok(None),
        }
    }

    /// Asks `methods`.
    ///
    /// # Errors
    ///
    /// `method_not_allowed`, with the list.
    pub fn method(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        let allowed = |wanted: &[u8]| self.methods.iter().any(|method| method.as_bytes() == wanted);
        if self.methods.is_empty() || allowed(facts.method) || (facts.method == b"HEAD" && allowed(b"GET")) {
            return Ok(());
        }
        let mut list = self.methods.join(", ");
        if allowed(b"GET") && !allowed(b"HEAD") {
            list.push_str(", HEAD");
        }
        let detail = "This route does not allow this method.";
        Err(Refusal { reason: Reason::MethodNotAllowed, detail, fields: vec![("allow", list)] })
    }

    /// Whether the target goes up as something else than what the rule's prefix edit makes of it.
    #[must_use]
    pub const fn edits_target(&self) -> bool {
        self.rewrite.is_some() || self.query.is_some()
    }

    /// Writes the target as it goes up behind what `out` holds. `edited` is what the rule's prefix edit made of it.
    ///
    /// # Errors
    ///
    /// A path that no client could have sent, and one that an encoded slash makes ambiguous.
    pub fn target(&self, facts: &Facts<'_>, edited: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut rewritten = Vec::new();
        let target = match &self.rewrite {
            Some(rewrite) if rewrite.apply(facts, &mut rewritten)? => &rewritten,
            Some(_) | None => edited,
        };
        match &self.query {
            Some(query) => query.apply(facts, target, out)?,
            None => out.extend_from_slice(target),
        }
        Ok(())
    }

    /// Fills in the templates of `request_headers`.
    ///
    /// # Errors
    ///
    /// A fact that would break a line.
    pub fn fill(&self, facts: &Facts<'_>, notes: &mut Notes) -> Result<(), Refusal> {
        Ok(self.up.render(facts, &mut notes.up)?)
    }

    /// Edits the fields of a request: marks lines as dropped, and leaves lines to add in `notes.up_lines`.
    pub fn edit_request(&self, fields: &mut Fields, bytes: &[u8], notes: &mut Notes) {
        let Notes { up, up_lines, who, .. } = notes;
        up_lines.clear();
        self.up.apply(fields, bytes, up, up_lines);
        up_lines.extend_from_slice(&who.lines);
    }

    /// Whether `request_headers` names a line that the proxy writes itself: see [`HeadEdits::strip_own`].
    #[must_use]
    pub const fn up(&self) -> &HeadEdits {
        &self.up
    }

    /// Edits the fields of an upstream's answer: marks lines as dropped, and writes those to add behind `out`.
    pub fn edit_answer(&self, fields: &mut Fields, bytes: &[u8], notes: &Notes, out: &mut Vec<u8>) {
        if let Some(cors) = &self.cors {
            cors::drop_foreign(fields, bytes);
            cors.lines(&notes.origin, out);
        }
        cookies::edit(self.cookies, fields, bytes, out);
        self.down.apply(fields, bytes, &notes.down, out);
        let has = |name: &[u8]| fields.matching(bytes, name).next().is_some();
        self.strict_transport(notes, has, out);
    }

    /// The lines that an answer of the proxy's own gets. `has` tells which fields it has; those for which
    /// [`Chain::removes`] says so have to go.
    pub fn edit_own(&self, notes: &Notes, has: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
        if let Some(cors) = &self.cors {
            cors.lines(&notes.origin, out);
        }
        self.down.add_where(&notes.down, &has, out);
        self.strict_transport(notes, has, out);
    }

    /// Whether `response_headers` takes fields of that name away.
    #[must_use]
    pub fn removes(&self, name: &str) -> bool {
        self.down.drops(name.as_bytes())
    }

    /// RFC 6797 §7.2: never over plain HTTP.
    fn strict_transport(&self, notes: &Notes, has: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) {
        const NAME: &str = "strict-transport-security";
        if let Some(value) =
            self.hsts.as_deref().filter(|_| notes.secure && !self.down.names(NAME) && !has(NAME.as_bytes()))
        {
            edits::line(out, NAME.as_bytes(), value.as_bytes());
        }
    }

    /// The site's own page for a status, in a form that the client takes.
    #[must_use]
    pub fn page(&self, status: u16, form: crate::answer::Form) -> Option<&str> {
        self.pages.find(status, form)
    }
}

impl Notes {
    /// Forgets everything, of a client that speaks TLS or does not.
    pub fn forget(&mut self, secure: bool) {
        self.clear();
        self.secure = secure;
    }

    fn clear(&mut self) {
        self.up.clear();
        self.down.clear();
        self.up_lines.clear();
        self.origin.clear();
        self.who.clear();
        self.bearer = false;
    }
}

const ENCODED_SLASH: &str = "The path contains an encoded slash (%2f), and decoded it would be judged otherwise.";
