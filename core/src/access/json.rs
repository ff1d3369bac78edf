//! The access line as JSON: one object, its keys always in this order, keys without a fact left out.

use super::number::{address, millis, whole};
use super::{Frames, Record, Redact, escape};
use std::time::Duration;

/// Room for the constant parts and numbers of a line: with it, one reservation does for nearly every line.
const FRAME: usize = 640;

/// Appends the line.
pub(super) fn write(record: &Record<'_>, redact: &Redact, out: &mut Vec<u8>) {
    out.reserve(FRAME + record.path.len() + record.query.len() + record.user_agent.len() + record.host.len());
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(&record.time);
    out.extend_from_slice(b"\",\"request_id\":\"");
    escape::json(out, record.request_id);
    if let Some(trace) = record.trace {
        out.extend_from_slice(b"\",\"trace_id\":\"");
        out.extend_from_slice(&trace.hex());
    }
    out.extend_from_slice(b"\",\"client\":\"");
    match record.client {
        Some(ip) => address(out, ip),
        None => out.extend_from_slice(b"unix"),
    }
    out.extend_from_slice(b"\",\"method\":\"");
    escape::json(out, record.method);
    out.extend_from_slice(b"\",\"host\":\"");
    escape::json(out, record.host);
    out.extend_from_slice(b"\",\"path\":\"");
    escape::json(out, record.path);
    if !record.query.is_empty() {
        out.extend_from_slice(b"\",\"query\":\"");
        redact.json(out, record.query);
    }
    out.extend_from_slice(b"\",\"protocol\":\"");
    out.extend_from_slice(record.protocol.as_bytes());
    if !record.tls.is_empty() {
        out.extend_from_slice(b"\",\"tls\":\"");
        out.extend_from_slice(record.tls.as_bytes());
    }
    if !record.sni.is_empty() {
        out.extend_from_slice(b"\",\"sni\":\"");
        escape::json(out, record.sni);
    }
    out.extend_from_slice(b"\",\"status\":");
    whole(out, u64::from(record.status));
    optional_text(out, b",\"reason\":\"", record.reason);
    optional_text(out, b",\"detail\":\"", record.detail);
    optional_text(out, b",\"cache\":\"", record.cache);
    optional_text(out, b",\"route\":\"", record.route);
    upstream(record, out);
    out.extend_from_slice(b",\"bytes_in\":");
    whole(out, record.bytes_in);
    out.extend_from_slice(b",\"bytes_out\":");
    whole(out, record.bytes_out);
    out.extend_from_slice(b",\"total_ms\":");
    millis(out, record.total);
    optional_millis(out, b",\"connect_ms\":", record.connect);
    optional_millis(out, b",\"first_byte_ms\":", record.first_byte);
    optional_millis(out, b",\"upstream_ms\":", record.upstream_total);
    if !record.user_agent.is_empty() {
        out.extend_from_slice(b",\"user_agent\":\"");
        escape::json(out, record.user_agent);
        out.push(b'"');
    }
    if let Some(tunnel) = record.tunnel {
        optional_text(out, b",\"tunnel\":\"", tunnel.kind);
        optional_millis(out, b",\"tunnel_ms\":", Some(tunnel.duration));
        optional_millis(out, b",\"lag_ms\":", Some(tunnel.lag).filter(|lag| !lag.is_zero()));
        if let Some(frames) = tunnel.frames {
            self::frames(&frames, out);
        }
    }
    if let Some(side) = record.ended_by {
        optional_text(out, b",\"ended_by\":\"", side.code());
    }
    out.extend_from_slice(b"}\n");
}

fn frames(frames: &Frames, out: &mut Vec<u8>) {
    let always = [
        (&b",\"messages_in\":"[..], Some(frames.messages_in)),
        (b",\"messages_out\":", Some(frames.messages_out)),
        (b",\"longest_message\":", Some(frames.longest)),
        (b",\"frame_faults\":", Some(u64::from(frames.faults)).filter(|count| *count > 0)),
        (b",\"dropped\":", Some(frames.dropped).filter(|count| *count > 0)),
        (b",\"close_code\":", frames.closed.map(|(_, code)| code.into())),
    ];
    for (key, value) in always {
        if let Some(value) = value {
            out.extend_from_slice(key);
            whole(out, value);
        }
    }
    if let Some((side, _)) = frames.closed {
        optional_text(out, b",\"closed_by\":\"", side.code());
    }
    optional_millis(out, b",\"pong_ms\":", frames.slowest_pong);
}

fn upstream(record: &Record<'_>, out: &mut Vec<u8>) {
    optional_text(out, b",\"upstream\":\"", record.upstream);
    optional_text(out, b",\"endpoint\":\"", record.endpoint);
    if record.attempt > 0 {
        out.extend_from_slice(b",\"attempt\":");
        whole(out, u64::from(record.attempt));
    }
    if record.upstream_status > 0 {
        out.extend_from_slice(b",\"upstream_status\":");
        whole(out, u64::from(record.upstream_status));
    }
}

fn optional_text(out: &mut Vec<u8>, key: &[u8], value: &str) {
    if !value.is_empty() {
        out.extend_from_slice(key);
        escape::json(out, value.as_bytes());
        out.push(b'"');
    }
}

fn optional_millis(out: &mut Vec<u8>, key: &[u8], time: Option<Duration>) {
    if let Some(time) = time {
        out.extend_from_slice(key);
        millis(out, time);
    }
}
