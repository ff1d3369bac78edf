//! Sticky sessions on their way through an exchange: our cookie is read and taken out of the request, and set on the
//! answer where the client is not bound to the endpoint that gave it.

use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_core::balance::{Bond, Sticky, StickyKey};
use switchboard_core::message::Name;
use switchboard_core::snapshot::{Action, UpstreamId};

use super::admit::Admitted;
use super::record::Record;
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
    /// Reads our cookie where the upstream has sticky sessions.
    pub fn read(
        generation: &'a Generation,
        upstream: UpstreamId,
        connection: &Connection,
        desk: &Desk,
        admitted: &Admitted,
    ) -> Option<Self> {
        let sticky = generation.snapshot.upstream(upstream).sticky.as_ref()?;
        let key = generation.sticky_key.as_deref()?;
        let secure = admitted.hop.scheme(desk.input.filled(), &connection.peer) == "https";
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let bytes = desk.input.filled();
        let fields = &desk.request.fields;
        let bond = sticky.bond(fields, bytes, key, now);
        let mut rest = Vec::new();
        let rest = sticky.strip(fields, bytes, &mut rest).then_some(rest);
        Some(Self { sticky, key, bond, now, rest, secure })
    }

    /// The same for the upstream that a rule sends its requests to, where it has one.
    pub fn of_rule(
        generation: &'a Generation,
        connection: &Connection,
        desk: &Desk,
        admitted: &Admitted,
    ) -> Option<Self> {
        let upstream = match &admitted.rule.action {
            Action::Proxy(upstream) => *upstream,
            Action::Files(site) => site.then?,
            Action::Redirect { .. } | Action::Respond { .. } | Action::Builtin(_) => return None,
        };
        Self::read(generation, upstream, connection, desk, admitted)
    }

    /// The place that the client is bound to.
    pub fn place(&self) -> Option<usize> {
        self.bond.map(|bond| bond.place)
    }

    /// Lets `write` write a head that goes up into `desk.output`, with the cookies that are not ours.
    pub fn write_up(&self, desk: &mut Desk, write: impl FnOnce(&mut Desk)) {
        let Some(rest) = &self.rest else { return write(desk) };
        // The request itself stays as it came: whoever asks later what an answer was chosen by (`Vary`) asks it.
        let fields = desk.request.fields.all_mut().iter_mut().enumerate();
        let cookies = fields.filter(|(_, field)| field.name_id == Name::Cookie && !field.dropped);
        let hidden: Vec<usize> = cookies
            .map(|(index, field)| {
                field.dropped = true;
                index
            })
            .collect();
        write(desk);
        add(&mut desk.output, rest);
        for index in hidden {
            if let Some(field) = desk.request.fields.all_mut().get_mut(index) {
                field.dropped = false;
            }
        }
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

/// Writes the head for the endpoint at `index` into `desk.output`, where there are sessions without our cookie.
pub fn write_head(
    bonds: Option<&Bonds<'_>>,
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    index: usize,
) {
    match bonds {
        Some(bonds) => bonds.write_up(desk, |desk| admitted.write_head(connection, desk, record, index)),
        None => admitted.write_head(connection, desk, record, index),
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
