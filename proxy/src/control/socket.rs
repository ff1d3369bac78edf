//! The control socket: `state_dir/control.sock`, mode 0600, HTTP/1.1 with two requests so far. The first stone of the
//! admin plane.
//!
//! `POST /v1/reload` reads the configuration again; `GET /v1/status` gives the counters. Whoever may open the socket may
//! ask: the file's mode is the guard.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_core::http1::{HeadLimits, Progress, RequestHead};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::{Ask, Reloaded};

/// Bounds for a request: those who may connect are trusted, not infallible.
const LIMITS: HeadLimits = HeadLimits { head: 8192, field: 4096, fields: 50, target: 1024 };
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the socket of a state directory is.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Opens the socket and answers on it until the process ends.
///
/// # Errors
/// When it can't be bound.
pub fn serve(state_dir: &Path, asks: mpsc::Sender<Ask>) -> io::Result<()> {
    let path = path(state_dir);
    crate::listener::bind::remove_stale(&path)?;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asks = asks.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(PATIENCE, answer(stream, asks)).await;
            });
        }
    });
    Ok(())
}

async fn answer(mut stream: UnixStream, asks: mpsc::Sender<Ask>) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut head = RequestHead::default();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        match head.parse(&bytes, &LIMITS) {
            Ok(Progress::Complete) => break,
            Ok(Progress::Partial) => {}
            Err(error) => return reply(&mut stream, 400, &format!("{}\n", error.detail())).await,
        }
    }
    match (head.method.of(&bytes), head.target.of(&bytes)) {
        (b"POST", b"/v1/reload") => {
            let (sender, result) = oneshot::channel();
            let _ = asks.send(Ask::Reload(sender)).await;
            let (status, text) = match result.await {
                Ok(result) => words(&result),
                Err(_) => (503, "the proxy is stopping\n".to_owned()),
            };
            reply(&mut stream, status, &text).await
        }
        (b"GET", b"/v1/status") => {
            let (sender, result) = oneshot::channel();
            let _ = asks.send(Ask::Status(sender)).await;
            reply(&mut stream, 200, &result.await.unwrap_or_default()).await
        }
        (_, b"/v1/reload" | b"/v1/status") => reply(&mut stream, 405, "POST /v1/reload, GET /v1/status\n").await,
        _ => reply(&mut stream, 404, "there are POST /v1/reload and GET /v1/status\n").await,
    }
}

/// What became of a reload, for a person.
fn words(result: &Reloaded) -> (u16, String) {
    let (status, lines) = match result {
        Reloaded::Changed(diff, warnings) => {
            let mut lines = warnings.clone();
            lines.extend(diff.to_string().lines().map(str::to_owned));
            lines.push("reloaded".to_owned());
            (200, lines)
        }
        Reloaded::Same(notes) => {
            let mut lines = notes.clone();
            lines.push("nothing has changed".to_owned());
            (200, lines)
        }
        Reloaded::Refused(errors) => {
            let mut lines = errors.clone();
            lines.push("refused: the old configuration stays in force".to_owned());
            (422, lines)
        }
    };
    (status, lines.join("\n") + "\n")
}

async fn reply(stream: &mut UnixStream, status: u16, text: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} \r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Asks the proxy behind a control socket, from the command line. Returns the status and the body.
///
/// # Errors
/// When nobody answers there.
pub fn ask(path: &Path, method: &str, target: &str) -> io::Result<(u16, String)> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: control\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}
