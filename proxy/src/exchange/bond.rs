//! Sticky sessions on their way through an exchange: our cookie is read and taken out of the request, and set on the
//! answer where the client is not bound to the endpoint that gave it.

use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_core::balance::{Bond, Sticky, StickyKey};
use switchboard_core::message::Name;
use switchboard_core::snapshot::UpstreamId;

use super::admit::Admitted;
use crate::desk::Desk;
use crate::generation::Generation;
use crate::http::Connection;

/// What is known of a client's session, where its upstream has sticky sessions.
#[derive(Debug)]
pub struct Bonds<'a> {
    sticky: &'a Sticky,
    key: &'a StickyKey,
    bond: Option<Bond>,
    now: u64,
    /// The request's cookies without ours, as a line; only where ours was among them.
    rest: Option<Vec<u8>>,
    /// The client speaks TLS: the cookie is for such connections alone.
    secure: bool,
}

impl<'a> Bonds<'a> {
    /// Reads our cookie where the upstream has sticky sessions, and drops the request's cookie lines where it was
    /// among them.
    pub fn read(
        generation: &'a Generation,
        upstream: UpstreamId,
        connection: &Connection,
        desk: &mut Desk,
        admitted: &Admitted,
    ) -> Option<Self> {
        let sticky = generation.snapshot.upstream(upstream).sticky.as_ref()?;
        let key = generation.sticky_key.as_deref()?;
        let secure = admitted.hop.scheme(desk.input.filled(), &connection.peer) == "https";
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let bytes = desk.input.filled();
        let fields = &mut desk.request.fields;
        let bond = sticky.bond(fields, bytes, key, now);
        let mut rest = Vec::new();
        let rest = sticky.strip(fields, bytes, &mut rest).then_some(rest);
        if rest.is_some() {
            let cookies = fields.all_mut().iter_mut().filter(|field| field.name_id == Name::Cookie);
            cookies.for_each(|field| field.dropped = true);
        }
        Some(Self { sticky, key, bond, now, rest, secure })
    }

    /// The place that the client is bound to.
    pub fn place(&self) -> Option<usize> {
        self.bond.map(|bond| bond.place)
    }

    /// Adds the cookies that are not ours to the head that goes up.
    pub fn write_up(&self, desk: &mut Desk) {
        add(&mut desk.output, self.rest.as_deref().unwrap_or_default());
    }

    /// The line that binds the client to the endpoint at `place`, which has answered; empty where it is bound already.
    pub fn set(&self, place: usize, desk: &Desk) -> Vec<u8> {
        let mut line = Vec::new();
        let bound = self.bond.is_some_and(|bond| bond.place == place && !bond.old);
        if !bound && self.sticky.binds(&desk.answer.fields, desk.answer_input.filled()) {
            self.sticky.set(place, self.key, self.now, self.secure, &mut line);
        }
        line
    }
}

/// Adds a line, ended as lines are, to a head that is otherwise complete.
pub fn add(head: &mut Vec<u8>, line: &[u8]) {
    if !line.is_empty() {
        head.truncate(head.len().saturating_sub(2));
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
}
