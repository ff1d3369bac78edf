//! An HTTP request as a check, and the reading of an answer's head, which a WebSocket check needs too.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_core::config::{HttpCheck, Login};
use switchboard_core::health::expect::{Expect, MOST_BODY};
use switchboard_core::http1::{BodyDecoder, Framing, HeadLimits, Progress, ResponseHead};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Failed;
use super::socket::Stream;

/// Bounds on an answer's head, as for those to clients.
const LIMITS: HeadLimits = HeadLimits { head: 32 << 10, field: 16 << 10, fields: 100, target: 0 };

/// Interim answers before the true one that are borne.
const MOST_INTERIM: usize = 16;

/// An answer's head, and what came behind it.
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    /// The head's bytes, and then others.
    pub(super) bytes: Vec<u8>,
}

/// Asks and judges.
pub(super) async fn ask(mut stream: Stream, check: &HttpCheck, expect: &Expect, host: &str) -> Result<String, Failed> {
    let mut request = format!("{} {} HTTP/1.1\r\n", check.method, check.path);
    fields(&mut request, &check.headers, check.login.as_ref(), host);
    request.push_str("Connection: close\r\n");
    if let Some(body) = &check.body {
        let _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
    } else {
        request.push_str("\r\n");
    }
    stream.write_all(request.as_bytes()).await?;
    let mut answer = head(&mut stream).await?;
    let status = answer.head.status;
    expect
        .check_head(status, &answer.head.fields, &answer.bytes)
        .map_err(|mismatch| Failed::new(mismatch.to_string()))?;
    if expect.wants_body() {
        let framing = answer.head.framing(check.method.as_bytes()).map_err(|error| Failed::new(error.detail()))?;
        let begun = answer.bytes.split_off(answer.head.len);
        let body = body(&mut stream, framing, begun).await?;
        expect.check_body(status, &body).map_err(|mismatch| Failed::new(mismatch.to_string()))?;
    }
    Ok(format!("status {status}"))
}

/// Writes the fields of a request but those of its connection: the check's own, and what it leaves out.
pub(super) fn fields(request: &mut String, headers: &[(String, String)], login: Option<&Login>, host: &str) {
    let given = |name: &str| headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    for (name, value) in [("Host", host), ("User-Agent", "switchboard-health"), ("Accept", "*/*")] {
        if !given(name) {
            let _ = write!(request, "{name}: {value}\r\n");
        }
    }
    if let Some(login) = login {
        let pair = STANDARD.encode(format!("{}:{}", login.username, login.password.0));
        let _ = write!(request, "Authorization: Basic {pair}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(request, "{name}: {value}\r\n");
    }
}

/// Reads a head, past interim answers.
pub(super) async fn head(stream: &mut Stream) -> Result<Answer, Failed> {
    let mut answer = Answer { head: ResponseHead::default(), bytes: Vec::with_capacity(1024) };
    let mut interim = 0;
    loop {
        match answer.head.parse(&answer.bytes, &LIMITS).map_err(|error| Failed::new(error.detail()))? {
            Progress::Complete if matches!(answer.head.status, 100 | 102..200) && interim < MOST_INTERIM => {
                interim += 1;
                answer.bytes.drain(..answer.head.len);
                answer.head.clear();
            }
            Progress::Complete => return Ok(answer),
            Progress::Partial => {
                if stream.read_buf(&mut answer.bytes).await? == 0 {
                    return Err(Failed::new(match answer.bytes.is_empty() {
                        true => "it closed the connection without an answer",
                        false => "it closed the connection in the middle of an answer",
                    }));
                }
            }
        }
    }
}

/// Reads a body, or as much of it as is looked at.
async fn body(stream: &mut Stream, framing: Framing, mut coded: Vec<u8>) -> Result<Vec<u8>, Failed> {
    let mut decoder = BodyDecoder::new(framing, LIMITS.field);
    let mut body = Vec::new();
    loop {
        let decoded = decoder.decode(&mut coded).map_err(|error| Failed::new(error.detail()))?;
        body.extend_from_slice(coded.get(..decoded.produced).unwrap_or_default());
        coded.drain(..decoded.consumed);
        if decoder.is_done() || body.len() >= MOST_BODY {
            body.truncate(MOST_BODY);
            return Ok(body);
        }
        if stream.read_buf(&mut coded).await? == 0 {
            return match decoder.finish_on_eof() {
                true => Ok(body),
                false => Err(Failed::new("it closed the connection in the middle of a body")),
            };
        }
    }
}
