//! What the command line asks a running proxy with: one request, one answer, one connection, without a runtime.

mod json;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::token::Token;

pub use json::{Json, pretty};

/// How long an answer may take. A reload waits for names to resolve, and for whoever is writing the file.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most that an answer may have.
const MOST: u64 = 256 << 20;

/// Where a proxy is asked.
#[derive(Clone, Debug)]
pub enum Place {
    /// Its unix socket.
    Unix(PathBuf),
    /// Its address, and the token for what needs one.
    Tcp(SocketAddr, Option<PathBuf>),
}

/// What a proxy said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The sentence and the further lines of a refusal.
    pub fn refusal(&self) -> Vec<String> {
        let error = &self.json()["error"];
        let mut lines: Vec<String> = error["lines"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| Some(line.as_str()?.to_owned()))
            .collect();
        lines.extend(error["message"].as_str().map(str::to_owned));
        lines
    }
}

/// Asks the proxy at `place`.
///
/// # Errors
/// When nobody answers there.
pub fn ask(place: &Place, method: &str, target: &str, body: Option<&str>) -> io::Result<Answer> {
    ask_with(place, method, target, &[], body)
}

/// Asks with further header lines.
///
/// # Errors
/// When nobody answers there.
pub fn ask_with(
    place: &Place,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> io::Result<Answer> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    let body = body.unwrap_or_default();
    match place {
        Place::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, &format!("{head}host: localhost\r\n\r\n{body}"))
        }
        Place::Tcp(address, token) => {
            let token = match token {
                // Most of what is looked at needs none.
                Some(path) if method == "GET" => read_token(path).ok(),
                Some(path) => Some(read_token(path)?),
                None => None,
            };
            let bearer = token.map(|token| format!("authorization: Bearer {}\r\n", token.as_str())).unwrap_or_default();
            let stream = TcpStream::connect_timeout(address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, &format!("{head}{bearer}host: {address}\r\n\r\n{body}"))
        }
    }
}

fn read_token(path: &Path) -> io::Result<Token> {
    Token::read(path).map_err(|error| io::Error::new(error.kind(), format!("the token {}: {error}", path.display())))
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Answer> {
    let late = |error: io::Error| match error.kind() {
        // The system's word for it is "temporarily unavailable", which is not what happened.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()))
        }
        _ => error,
    };
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).map_err(late)?;
    stream.take(MOST).read_to_string(&mut answer).map_err(late)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let line = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers = head.lines().skip(1).filter_map(line).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_says_nothing_is_late() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let error = exchange(ours, "GET / HTTP/1.1\r\n\r\n").map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("no answer within"), "{error}");
    }
}
