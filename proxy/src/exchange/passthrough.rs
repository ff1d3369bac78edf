//! A TLS connection that is not decrypted: its name chooses the route, and its bytes go to that route's address as they
//! came. From then on it is a tunnel.

use std::rc::Rc;

use switchboard_core::message::{Fields, Version};
use switchboard_core::route::{Facts, NoTrace};
use switchboard_core::snapshot::Action;
use switchboard_core::target::Destination;
use switchboard_core::websocket::Upgrade;

use super::answer::Upstream;
use super::passed;
use super::policy::{self, limits::Stage};
use super::record::Record;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::tls::Secure;
use crate::tunnel::Tunnel;
use crate::upstream::attempts::{Attempts, Nature};
use crate::upstream::connect;

/// A fatal alert, unrecognized_name (RFC 6066 §3): what a client is told whose name leads nowhere.
const UNKNOWN: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What a tunnel of this kind is called in the log.
const KIND: &str = "tls";

/// Sends a connection on to the route of `name`; `came` is what was read of it.
pub async fn pass(mut connection: Connection, name: Option<String>, came: Vec<u8>) {
    let worker = Rc::clone(&connection.worker);
    let mut record = Record::start(&worker);
    record.client = connection.peer.ip();
    record.secure = Some(Rc::new(Secure::passed(name.as_deref())));
    let mut desk = worker.desks.lend();
    let begun = match &name {
        Some(name) => begin(&mut connection, &mut desk, &mut record, name, came).await,
        None => Err(ProxyError::gone()),
    };
    match begun {
        Ok(tunnel) => tunnel.launch(Rc::clone(&worker), connection),
        Err(error) => {
            record.ended(error.side, error.reason);
            record.broken = true;
            if let crate::transport::Transport::Plain(socket) = &connection.transport {
                let _ = socket.try_write(&UNKNOWN);
            }
            record.close(&worker, &desk);
        }
    }
    worker.desks.take_back(desk);
}

async fn begin(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    name: &str,
    came: Vec<u8>,
) -> Result<Box<Tunnel>, ProxyError> {
    let worker = &Rc::clone(&connection.worker);
    let destination = Destination::parse(b"GET", b"/", [name.as_bytes()], Version::Http11)
        .map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
    let fields = Fields::default();
    let facts = Facts {
        method: b"GET",
        destination: &destination,
        fields: &fields,
        head: b"",
        client_ip: record.client,
        listener: connection.listener,
        listener_port: connection.peer.local_port().unwrap_or(0),
        scheme: "https",
        request_id: record.id.as_bytes(),
        client_cert: false,
        claims: &switchboard_core::policy::claims::NONE,
    };
    let id = record.generation.snapshot.find(&facts, &mut NoTrace);
    let id = id.map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
    let rule = std::sync::Arc::clone(record.generation.snapshot.rule(id));
    record.rule = Some(id);
    // The places are the tunnel's for as long as it has the connection.
    let occupied = &mut connection.occupied;
    if policy::screen(record, &rule, &facts, &mut desk.notes, occupied, worker)? {
        let key = &mut desk.notes.key;
        policy::limits::questions(record, &rule, &facts, Stage::Address, key).put(worker).await?;
        policy::limits::take(record, &rule, &facts, Stage::Address, key, worker)?;
    }
    let Action::Proxy(upstream) = rule.action else {
        return Err(ProxyError::client(
            switchboard_core::reason::Reason::NoRoute,
            "The route of this name has no address.",
        ));
    };
    let mut attempts = Attempts::new(&record.generation, upstream, None);
    loop {
        let permit = attempts.pick(worker, &rule, record.started)?;
        record.attempt(permit.index(), worker);
        let (client, deadline) = (&connection.transport, &connection.deadline);
        let patience = rule.timeouts.connect;
        let ends = connection.ends();
        match connect::connect_raw(worker, permit.endpoint(), Some(client), deadline, patience, ends).await {
            Ok(kept) => {
                passed::refuse_way_back(client, permit.endpoint(), &kept.transport)?;
                let upstream = Upstream { connection: kept, permit, cookie: Vec::new(), place: None, fill: None };
                record.status = 101;
                desk.output.clear();
                desk.answer_input.clear();
                desk.answer.clear();
                let kind = Upgrade::Other(KIND.into());
                return Ok(Tunnel::begin(connection, desk, record, &rule, &kind, came, upstream));
            }
            Err(error) => {
                attempts.again(error, &rule, Nature { repeatable: true, replayable: true })?;
            }
        }
    }
}
