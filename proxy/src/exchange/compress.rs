//! Compresses answers on their way to the client: `core::content::compress` decides, this asks it and holds the encoder.
//!
//! `answer` and `here` ask once a head is on the desk. A rule that compresses nothing costs one branch.

use bytes::Bytes;
use switchboard_core::cache::Entry;
use switchboard_core::config::Compress;
use switchboard_core::content::compress::{self, Decision, Facts};
use switchboard_core::content::{Accepted, Coding};
use switchboard_core::http1::Framing;
use switchboard_core::message::{Fields, Name, Version};

use super::admit::Admitted;
use crate::cache::Stored;
use crate::desk::Desk;
use crate::files::held::Held;
use crate::http::Connection;
use crate::relay::encode::Encoder;

/// What is done to the body of an answer, and what its head says of that.
#[derive(Debug)]
pub struct Transform {
    decision: Decision,
    /// A 304 names the form that the client has.
    known: bool,
    /// The encoder, where there is a body and it is to be encoded.
    pub encoder: Option<Box<Encoder>>,
    /// The body, encoded before: then there is no encoder.
    pub form: Option<Bytes>,
}

/// A whole body that is held, and its encoded forms with it.
#[derive(Clone, Copy, Debug)]
pub enum Kept<'a> {
    /// In the cache.
    Stored(&'a Stored),
    /// As a file.
    File(&'a Held),
}

impl Kept<'_> {
    /// Its form in this coding, where there is one; who asks again lets it be made.
    fn form(self, coding: Coding) -> Option<Bytes> {
        match self {
            Self::Stored(stored) => stored.forms.find(coding, stored.body.len() as u64, || {
                let body = stored.body.clone();
                Some(move || Some(body))
            }),
            Self::File(held) => held.forms.find(coding, held.size, || held.reader()),
        }
    }
}

impl Transform {
    /// The answer goes as it is.
    pub const NONE: Self = Self { decision: Decision::Never, known: false, encoder: None, form: None };

    /// Decides on an endpoint's answer: see [`Transform::decide`].
    pub fn of_answer(connection: &Connection, desk: &Desk, framing: Framing, admitted: &Admitted) -> Self {
        let rule = admitted.rule.compress.as_ref().and_then(|rule| rule.answers.as_ref());
        Self::decide(connection, desk, framing, rule, None)
    }

    /// Decides on the answer on `desk`, whose body is framed as `framing`.
    pub fn decide(
        connection: &Connection,
        desk: &Desk,
        framing: Framing,
        rule: Option<&Compress>,
        kept: Option<&Kept<'_>>,
    ) -> Self {
        let Some(rule) = rule else { return Self::NONE };
        let (asked, answered) = (desk.input.filled(), desk.answer_input.filled());
        let status = desk.answer.status;
        let wants_it_as_it_is = |value: &[u8]| compress::has_directive(value, b"no-transform");
        let mut said = desk.request.fields.named(Name::CacheControl).map(|field| field.value.of(asked));
        let untouched = said.any(wants_it_as_it_is);
        let authorized = desk.request.fields.named(Name::Authorization).next().is_some();
        let accepted =
            Accepted::read(desk.request.fields.matching(asked, b"accept-encoding").map(|field| field.value.of(asked)));
        if status == 304 {
            // What chose the form that the client has is said again (RFC 9110 §15.4.5), where the whole answer is at hand.
            let Some(Kept::Stored(stored)) = kept.filter(|_| !untouched) else {
                return Self { known: true, ..Self::NONE };
            };
            let Entry { status, length, fields, head, .. } = &stored.entry;
            let facts = Facts { status: *status, length: Some(*length), authorized };
            let decision = rule.decide(&accepted, &facts, fields, head);
            return Self { known: true, decision, ..Self::NONE };
        }
        if untouched {
            return Self::NONE;
        }
        let length = match framing {
            Framing::Length(length) | Framing::Frames(Some(length)) => Some(length),
            Framing::None => super::answer::declared_length(desk),
            Framing::Chunked | Framing::Close | Framing::Frames(None) => None,
        };
        let decision = rule.decide(&accepted, &Facts { status, length, authorized }, &desk.answer.fields, answered);
        let Decision::Encode(coding) = decision else { return Self { decision, ..Self::NONE } };
        let identity = Self { decision: Decision::Identity, ..Self::NONE };
        // Without chunks only the end of the connection would tell where an encoded body ends.
        if desk.request.version == Version::Http10 {
            return identity;
        }
        if framing == Framing::None {
            return Self { decision, ..Self::NONE };
        }
        if let Some(form) = kept.and_then(|kept| kept.form(coding)) {
            return Self { decision, form: Some(form), ..Self::NONE };
        }
        match Encoder::new(&connection.worker.encoders, coding, length) {
            Some(encoder) => Self { decision, encoder: Some(encoder), ..Self::NONE },
            None => identity,
        }
    }

    /// How the body is framed then: nobody knows how long it becomes.
    pub const fn framing(&self, framing: Framing) -> Framing {
        if self.encoder.is_some() { Framing::Chunked } else { framing }
    }

    /// Whether the length that the head declares is that of another form.
    pub const fn changes_length(&self) -> bool {
        matches!(self.decision, Decision::Encode(_))
    }

    /// Edits the fields of the answer, and adds lines to `out`. `request` are the request's fields, in `asked`.
    pub fn edit(&self, (request, asked): (&Fields, &[u8]), fields: &mut Fields, bytes: &[u8], out: &mut Vec<u8>) {
        if self.known {
            let known = request.matching(asked, b"if-none-match").map(|field| field.value.of(asked));
            compress::edit_known(known, fields, bytes, out);
            if self.decision != Decision::Never {
                compress::edit(Decision::Identity, fields, bytes, out);
            }
        } else if self.decision != Decision::Never {
            compress::edit(self.decision, fields, bytes, out);
        }
    }
}
