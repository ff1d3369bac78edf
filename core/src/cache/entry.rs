//! A stored answer without its body: the lines that are sent again, and what is known of its freshness.

use std::time::Duration;

use super::freshness::Freshness;
use super::vary::Vary;
use crate::http1::{HeadLimits, Progress, ResponseHead};
use crate::message::{Field, Fields, Span};
use crate::moment::Moment;

/// A stored head.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The status.
    pub status: u16,
    /// A whole head as HTTP/1.1 writes one; only lines that go to everybody.
    pub head: Box<[u8]>,
    /// The lines: spans of `head`.
    pub fields: Fields,
    /// The phrase: a span of `head`.
    pub phrase: Span,
    /// What it was chosen by.
    pub vary: Vary,
    /// The rule that it is for: another rule's answers are not this one's.
    pub space: u64,
    /// When it came, or was last found to be good.
    pub at: Moment,
    /// What its origin and its rule say of it.
    pub terms: Terms,
    /// Hashes of the tags by which it can be purged.
    pub tags: Box<[u64]>,
    /// Bytes of its body.
    pub length: u64,
}

/// What decides on its reuse; small and plain, so that it is stored as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Seconds of freshness, counted from its making.
    pub lifetime: u64,
    /// Seconds that it was old at [`Entry::at`].
    pub age: u64,
    /// Not to be used without asking.
    pub no_cache: bool,
    /// Never stale.
    pub must_revalidate: bool,
    /// Seconds that it may be stale while it is asked for anew.
    pub while_revalidate: u64,
    /// Seconds that it may be stale where asking fails.
    pub if_error: u64,
}

impl Entry {
    /// How old it is, in seconds.
    #[must_use]
    pub fn age(&self, now: Moment) -> u64 {
        Freshness::age_after(self.terms.age, now.since(self.at))
    }

    /// Seconds that it is still fresh; negative where it is stale.
    #[must_use]
    pub fn left(&self, now: Moment) -> i64 {
        let lifetime = i64::try_from(self.terms.lifetime).unwrap_or(i64::MAX);
        lifetime.saturating_sub(i64::try_from(self.age(now)).unwrap_or(i64::MAX))
    }

    /// Until when it can be of any use: fresh, or as something to ask by or to fall back on.
    #[must_use]
    pub fn is_worthless(&self, now: Moment) -> bool {
        let kept = self.terms.while_revalidate.max(self.terms.if_error);
        self.validator().is_none() && self.left(now) <= 0 && self.left(now).unsigned_abs() > kept
    }

    /// The value of a line, where there is one.
    #[must_use]
    pub fn line(&self, name: &[u8]) -> Option<&[u8]> {
        let is = |field: &&Field| field.name.of(&self.head).eq_ignore_ascii_case(name);
        self.fields.all().iter().find(is).map(|field| field.value.of(&self.head))
    }

    /// What it can be asked for by: its `ETag`, and else when it was changed (RFC 9111 §4.3.1).
    #[must_use]
    pub fn validator(&self) -> Option<Validator<'_>> {
        let tag = self.line(b"etag").filter(|tag| !tag.is_empty()).map(Validator::Tag);
        tag.or_else(|| self.line(b"last-modified").filter(|date| !date.is_empty()).map(Validator::Date))
    }

    /// Reads back the lines of a head that was written by this module or comes from disk.
    #[must_use]
    pub fn parse(head: &[u8]) -> Option<(u16, Span, Fields)> {
        let limits = HeadLimits { head: usize::MAX, field: usize::MAX, fields: usize::MAX, target: usize::MAX };
        let mut parsed = ResponseHead::default();
        let whole = parsed.parse(head, &limits) == Ok(Progress::Complete) && parsed.len == head.len();
        whole.then_some((parsed.status, parsed.reason, parsed.fields))
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        let vary: usize = self.vary.parts().iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + self.head.len() + size_of_val(self.fields.all()) + vary + self.tags.len() * 8
    }
}

/// A validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validator<'a> {
    /// For `If-None-Match`.
    Tag(&'a [u8]),
    /// For `If-Modified-Since`.
    Date(&'a [u8]),
}

impl Validator<'_> {
    /// Writes the line that asks by it, with its CRLF.
    pub fn write(self, out: &mut Vec<u8>) {
        let (name, value): (&[u8], _) = match self {
            Self::Tag(tag) => (b"if-none-match: ", tag),
            Self::Date(date) => (b"if-modified-since: ", date),
        };
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

impl Terms {
    /// The same after as long a life: for an entry that was read from disk `gone` after it came.
    #[must_use]
    pub const fn aged(self, gone: Duration) -> Self {
        Self { age: Freshness::age_after(self.age, gone), ..self }
    }
}
