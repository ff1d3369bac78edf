//! A WebSocket handshake as a check: a key of its own, a 101 that is verified, and a polite end.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_core::config::WebSocketCheck;
use switchboard_core::health::expect::Expect;
use switchboard_core::websocket::{Upgrade, accept, verify_101};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Failed;
use super::http;
use super::socket::{self, Stream};
use crate::live::Place;
use crate::tls::endpoints::ClientTls;

/// How long the other side's Close is waited for. The verdict stands before.
const FAREWELL: Duration = Duration::from_secs(1);

/// Asks and judges.
pub(super) async fn ask(
    mut stream: Stream,
    check: &WebSocketCheck,
    expect: &Expect,
    host: &str,
) -> Result<String, Failed> {
    let key = STANDARD.encode(drawn::<16>());
    let mut request = format!("GET {} HTTP/1.1\r\n", check.path);
    http::fields(&mut request, &check.headers, check.login.as_ref(), host);
    let _ = write!(
        request,
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let answer = http::head(&mut stream).await?;
    let status = answer.head.status;
    let fits = expect.check_head(status, &answer.head.fields, &answer.bytes);
    if status == 101 {
        let upgrade = Upgrade::WebSocket(accept(key.as_bytes()));
        verify_101(&answer.head.fields, &answer.bytes, &upgrade).map_err(|fault| Failed::new(fault.detail()))?;
        // It is a WebSocket, whether it is the one that was wanted or not.
        tokio::spawn(close(stream));
    }
    fits.map_err(|mismatch| Failed::new(mismatch.to_string()))?;
    Ok(format!("status {status}"))
}

/// Ends a WebSocket as RFC 6455 §7.1 has it: a Close with 1000, masked, and then the other's.
async fn close(mut stream: Stream) {
    let mask = drawn::<4>();
    let code = 1000_u16.to_be_bytes();
    let frame = [0x88, 0x82, mask[0], mask[1], mask[2], mask[3], code[0] ^ mask[0], code[1] ^ mask[1]];
    let farewell = async {
        stream.write_all(&frame).await?;
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Bytes that nobody can foretell.
fn drawn<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes
}

/// What came back from a handshake that somebody wanted to see.
#[derive(Debug)]
pub struct Heard {
    /// The head as it came.
    pub head: Vec<u8>,
    /// Its status.
    pub status: u16,
    /// What is missing in a 101 for a WebSocket; nothing where it proves what it should.
    pub missing: Option<&'static str>,
}

/// Sends this head of a handshake, to the first of these places that accepts, and tells what came back within `patience`.
///
/// # Errors
/// In words, where nothing did.
pub async fn handshake(
    places: &[Place],
    tls: Option<&ClientTls>,
    head: &[u8],
    key: &[u8],
    patience: Duration,
) -> Result<Heard, String> {
    let ask = async {
        let mut stream = socket::open(places, None, patience).await?;
        if let Some(tls) = tls {
            stream = socket::encrypt(stream, tls, b"http/1.1").await?;
        }
        stream.write_all(head).await?;
        let answer = http::head(&mut stream).await?;
        let status = answer.head.status;
        let mut missing = None;
        if status == 101 {
            let upgrade = Upgrade::WebSocket(accept(key));
            missing = verify_101(&answer.head.fields, &answer.bytes, &upgrade).err().map(|fault| fault.detail());
            close(stream).await;
        }
        let head = answer.bytes.get(..answer.head.len).unwrap_or_default().to_vec();
        Ok(Heard { head, status, missing })
    };
    match tokio::time::timeout(patience, ask).await {
        Ok(heard) => heard.map_err(|failed: Failed| failed.to_string()),
        Err(_) => Err(format!("no answer within {patience:?}")),
    }
}
