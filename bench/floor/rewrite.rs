//! Rewrites heads: parses one with `httparse` and appends the forwarded form to the write buffer.
//! Called by `exchange`; never does I/O, and is not strict: it is no model for a codec.

use std::{io, net::IpAddr};

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

/// The fields that every request of a client gets, rendered once per connection.
pub(crate) fn forwarded(client: IpAddr) -> Box<str> {
    format!("x-forwarded-for: {client}\r\nx-forwarded-proto: http\r\nx-forwarded-host: ").into()
}

/// Appends the request as it is to be sent upstream, or returns `None` if the head is not whole yet.
pub(crate) fn request(bytes: &[u8], forwarded: &str, out: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let mut request = Request { head, body: 0, close: false, upgrade: false };
    let mut host: &[u8] = b"";
    let mut copy = Copy { bytes, out, from: 0 };
    for field in parsed.headers.iter() {
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => host = field.value,
            7 if field.name.eq_ignore_ascii_case("upgrade") => request.upgrade = true,
            10 if field.name.eq_ignore_ascii_case("connection") => {
                request.close |= field.value.eq_ignore_ascii_case(b"close");
                copy.leave_out(field);
            }
            10 if field.name.eq_ignore_ascii_case("keep-alive") => copy.leave_out(field),
            14 if field.name.eq_ignore_ascii_case("content-length") => request.body = number(field.value)?,
            15 if field.name.eq_ignore_ascii_case("x-forwarded-for") => copy.leave_out(field),
            _ => {}
        }
    }
    copy.finish(head);
    out.extend_from_slice(forwarded.as_bytes());
    out.extend_from_slice(host);
    out.extend_from_slice(if request.upgrade { b"\r\nconnection: upgrade\r\n\r\n" } else { b"\r\n\r\n" });
    Ok(Some(request))
}

/// Appends the response as it is to be sent to the client, or returns `None` if the head is not whole yet.
pub(crate) fn response(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<Option<Response>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let switching = parsed.code == Some(101);
    let mut body = None;
    let mut copy = Copy { bytes, out, from: 0 };
    for field in parsed.headers.iter() {
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") && !switching => copy.leave_out(field),
            10 if field.name.eq_ignore_ascii_case("keep-alive") => copy.leave_out(field),
            14 if field.name.eq_ignore_ascii_case("content-length") => body = Some(number(field.value)?),
            _ => {}
        }
    }
    copy.finish(head);
    out.extend_from_slice(b"\r\n");
    Ok(Some(Response { head, body }))
}

/// Copies a head in runs, as few as the fields allow that are left out.
struct Copy<'a> {
    bytes: &'a [u8],
    out: &'a mut Vec<u8>,
    /// Where the run begins that is not copied yet.
    from: usize,
}

impl Copy<'_> {
    /// Ends the run before the line of `field` and begins the next behind it.
    fn leave_out(&mut self, field: &httparse::Header<'_>) {
        let start = field.name.as_ptr().addr() - self.bytes.as_ptr().addr();
        let value = field.value.as_ptr().addr() - self.bytes.as_ptr().addr() + field.value.len();
        self.out.extend_from_slice(&self.bytes[self.from..start]);
        let line_end = self.bytes[value..].iter().position(|byte| *byte == b'\n');
        self.from = value + line_end.map_or(0, |at| at + 1);
    }

    /// Copies the rest of a head of `head` bytes but for its empty line.
    fn finish(self, head: usize) {
        self.out.extend_from_slice(&self.bytes[self.from..head - 2]);
    }
}

fn number(value: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| invalid("content-length"))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
