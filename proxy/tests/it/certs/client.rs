//! Clients that verify: curl for whole exchanges, `openssl s_client` for what a handshake shows.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// A GET at a name by curl, with a root to trust: the answer's body, or what curl complained of.
pub(super) fn get(root: &Path, host: &str, at: SocketAddr) -> Result<String, String> {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "20", "--cacert"])
        .arg(root)
        .args(["--resolve", &format!("{host}:{}:{}", at.port(), at.ip())])
        .arg(format!("https://{host}:{}/", at.port()))
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What `openssl s_client` prints of a handshake, the certificate as text behind it.
pub(crate) fn handshake(at: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &at.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The certificate that a name is shown, if one is, in PEM.
pub(super) fn certificate(at: SocketAddr, name: &str) -> Option<String> {
    let shown = handshake(at, &["-servername", name]);
    let begin = shown.find("-----BEGIN CERTIFICATE-----")?;
    let end = shown[begin..].find("-----END CERTIFICATE-----")?;
    Some(shown[begin..begin + end].to_owned())
}
