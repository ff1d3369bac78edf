//! What a tunnel remembers of its request for the one line that the log gets when it ends.
//!
//! Packed into one allocation, each text cut to a length that people still recognise: 50,000 tunnels hold 50,000 of
//! these.

use std::net::IpAddr;
use std::sync::Arc;

use switchboard_core::access::{self, Tunnel};
use switchboard_core::config::Timeouts;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;
use switchboard_core::trace::TraceId;

use super::flow::Flow;
use super::frames::Frames;
use crate::desk::Desk;
use crate::error::Side;
use crate::exchange::record::{End, Record};
use crate::live::EndpointLive;
use crate::telemetry::meter::{Meter, RouteCounts, class};
use crate::worker::Worker;

/// The longest that each text may be.
const HOST: usize = 64;
const PATH: usize = 96;
const QUERY: usize = 48;
const AGENT: usize = 48;
const TOKEN: usize = 32;

/// The facts.
#[derive(Debug)]
pub(super) struct Facts {
    rule: Arc<Rule>,
    meter: Option<Arc<Meter<RouteCounts>>>,
    /// Request id, host, path, query, user agent, upgrade token, TLS name, one behind the other.
    texts: Box<[u8]>,
    ends: [u16; 7],
    tls: &'static str,
    protocol: &'static str,
    trace: Option<TraceId>,
    client: Option<IpAddr>,
    started: Moment,
    opened: Moment,
    attempts: u32,
    buffer: u32,
    memory: u64,
}

impl Facts {
    pub(super) fn pack(desk: &Desk, record: &Record, rule: &Arc<Rule>, token: &[u8], opened: Moment) -> Self {
        let line = record.line(desk, opened, None);
        let mut texts = Vec::with_capacity(256);
        let mut ends = [0; 7];
        let parts = [
            (line.request_id, 128),
            (line.host, HOST),
            (line.path, PATH),
            (line.query, QUERY),
            (line.user_agent, AGENT),
            (token, TOKEN),
            (line.sni, HOST),
        ];
        for (end, (text, most)) in ends.iter_mut().zip(parts) {
            texts.extend_from_slice(text.get(..text.len().min(most)).unwrap_or_default());
            *end = u16::try_from(texts.len()).unwrap_or(u16::MAX);
        }
        Self {
            rule: Arc::clone(rule),
            meter: record.rule.and_then(|id| Some(Arc::clone(&record.generation.rules.get(id.index())?.meter))),
            texts: texts.into_boxed_slice(),
            ends,
            tls: line.tls,
            protocol: line.protocol,
            trace: line.trace,
            client: record.client,
            started: record.started,
            opened,
            attempts: record.attempts,
            buffer: record.generation.snapshot.limits.tunnel_buffer,
            memory: record.generation.snapshot.limits.tunnel_memory,
        }
    }

    /// How many bytes one direction may hold.
    pub(super) fn buffer(&self) -> usize {
        usize::try_from(self.buffer).unwrap_or(usize::MAX).max(1)
    }

    /// How many bytes all tunnels may hold.
    pub(super) const fn memory(&self) -> u64 {
        self.memory
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.rule.timeouts
    }

    fn text(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.texts.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }

    /// Counts the tunnel and writes its line.
    pub(super) fn close(
        &self,
        worker: &Worker,
        endpoint: &EndpointLive,
        [up, down]: [&Flow; 2],
        frames: Option<&Frames>,
        end: Option<(Side, Reason)>,
    ) {
        let (now, end) = (worker.deadlines.now(), end.map(|(side, reason)| End { side, reason }));
        self.count(worker, endpoint, [up, down], frames, end);
        if !self.rule.access_log || !worker.access.is_on() {
            return;
        }
        let record = access::Record {
            time: [0; 24],
            request_id: self.text(0),
            trace: self.trace,
            client: self.client,
            route: &self.rule.key,
            upstream: &endpoint.upstream,
            endpoint: &endpoint.name,
            attempt: self.attempts,
            method: b"GET",
            host: self.text(1),
            path: self.text(2),
            query: self.text(3),
            protocol: self.protocol,
            tls: self.tls,
            sni: self.text(6),
            status: 101,
            upstream_status: 101,
            reason: end.map_or("", |end| end.reason.code()),
            detail: "",
            cache: "",
            bytes_in: up.moved,
            bytes_out: down.moved,
            total: now.since(self.started),
            connect: None,
            first_byte: None,
            upstream_total: None,
            user_agent: self.text(4),
            tunnel: Some(Tunnel {
                kind: &String::from_utf8_lossy(self.text(5)),
                duration: now.since(self.opened),
                lag: up.lag.max(down.lag),
                frames: frames.map(Frames::facts),
            }),
            ended_by: end.map(|end| end.side.into()),
        };
        worker.access.write(record, &worker.generation());
    }

    /// Counts a tunnel that has ended.
    fn count(
        &self,
        worker: &Worker,
        endpoint: &EndpointLive,
        [up, down]: [&Flow; 2],
        frames: Option<&Frames>,
        end: Option<End>,
    ) {
        worker.counters.requests.add(1);
        worker.counters.status(101);
        worker.counters.bytes_in.add(up.moved);
        worker.counters.bytes_out.add(down.moved);
        if let Some(end) = end {
            worker.counters.reason(end.reason);
        }
        if let Some(route) = self.meter.as_ref().and_then(|meter| meter.of(worker)) {
            class(&route.answers, 101);
            route.bytes_in.add(up.moved);
            route.bytes_out.add(down.moved);
            if let Some(counter) = end.and_then(|end| route.reasons.get(end.reason as usize)) {
                counter.add(1);
            }
        }
        if let Some(counts) = endpoint.meter.of(worker) {
            class(&counts.answers, 101);
        }
        if let Some(frames) = frames {
            frames.count(&worker.counters);
        }
    }
}
