//! Rewrites heads: parses one with `httparse` and appends the forwarded form to the write buffer.
//! Called by `exchange`; never does I/O, and is not strict: it is no model for a codec.

use std::{io, io::Write, net::IpAddr};

/// More fields than any load of the bench sends.
const FIELDS: usize = 64;

/// What the exchange needs to know of a request head.
pub(crate) struct Request {
    /// Bytes of the head as it came.
    pub(crate) head: usize,
    /// Bytes of body that follow it.
    pub(crate) body: u64,
    /// Whether the client asked for the connection to end.
    pub(crate) close: bool,
    /// Whether the client asked for an upgrade.
    pub(crate) upgrade: bool,
}

/// What the exchange needs to know of a response head.
pub(crate) struct Response {
    pub(crate) head: usize,
    /// Bytes of body; `None` for one that streams (chunked, until close, or a 101).
    pub(crate) body: Option<u64>,
}

/// Appends the request as it is to be sent upstream, or returns `None` if the head is not whole yet.
pub(crate) fn request(bytes: &[u8], client: IpAddr, out: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let mut request = Request { head, body: 0, close: false, upgrade: false };
    out.extend_from_slice(parsed.method.unwrap_or("GET").as_bytes());
    out.push(b' ');
    out.extend_from_slice(parsed.path.unwrap_or("/").as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut host: &[u8] = b"";
    for field in parsed.headers.iter() {
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => host = field.value,
            7 if field.name.eq_ignore_ascii_case("upgrade") => request.upgrade = true,
            10 if field.name.eq_ignore_ascii_case("connection") => {
                request.close |= field.value.eq_ignore_ascii_case(b"close");
                continue;
            }
            10 if field.name.eq_ignore_ascii_case("keep-alive") => continue,
            14 if field.name.eq_ignore_ascii_case("content-length") => request.body = number(field.value)?,
            15 if field.name.eq_ignore_ascii_case("x-forwarded-for") => continue,
            _ => {}
        }
        append(out, field);
    }
    write!(out, "x-forwarded-for: {client}\r\nx-forwarded-proto: http\r\nx-forwarded-host: ")?;
    out.extend_from_slice(host);
    out.extend_from_slice(if request.upgrade { b"\r\nconnection: upgrade\r\n\r\n" } else { b"\r\n\r\n" });
    Ok(Some(request))
}

/// Appends the response as it is to be sent to the client, or returns `None` if the head is not whole yet.
pub(crate) fn response(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<Option<Response>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let code = parsed.code.unwrap_or(502);
    let mut body = None;
    write!(out, "HTTP/1.1 {code} {}\r\n", parsed.reason.unwrap_or(""))?;
    for field in parsed.headers.iter() {
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") && code != 101 => continue,
            10 if field.name.eq_ignore_ascii_case("keep-alive") => continue,
            14 if field.name.eq_ignore_ascii_case("content-length") => body = Some(number(field.value)?),
            _ => {}
        }
        append(out, field);
    }
    out.extend_from_slice(b"\r\n");
    Ok(Some(Response { head, body }))
}

fn append(out: &mut Vec<u8>, field: &httparse::Header<'_>) {
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(field.value);
    out.extend_from_slice(b"\r\n");
}

fn number(value: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| invalid("content-length"))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
