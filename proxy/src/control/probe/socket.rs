//! A probe's connection: to the first place of the endpoint that accepts, at its own port or at another.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::Failed;
use crate::live::Place;
use crate::tls::endpoints::ClientTls;

/// A connected stream of any kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The same, whichever kind it is.
pub(super) type Stream = Box<dyn Duplex>;

/// Places that one probe tries at most: a name may have many, and one answer is asked for.
const MOST: usize = 4;

/// Connects. A place that does not answer gets a part of the time, so that the next has some.
pub(super) async fn open(places: &[Place], port: Option<u16>, patience: Duration) -> Result<Stream, Failed> {
    let mut failed = Failed::new("its name does not resolve");
    let count = places.len().clamp(1, MOST);
    let share = patience / u32::try_from(count).unwrap_or(1);
    for place in places.iter().take(MOST) {
        match tokio::time::timeout(share, connect(place, port)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error.into(),
            Err(_) => failed = Failed::new(format!("no connection within {share:?}")),
        }
    }
    Err(failed)
}

/// Speaks TLS on a connection, verified as the endpoint's own are.
pub(super) async fn encrypt(stream: Stream, tls: &ClientTls, protocol: &[u8]) -> Result<Stream, Failed> {
    let (config, name) = tls.offering(protocol);
    let agreed = TlsConnector::from(config).connect(name, stream).await;
    agreed.map(|stream| -> Stream { Box::new(stream) }).map_err(|error| Failed::new(format!("TLS failed: {error}")))
}

async fn connect(place: &Place, port: Option<u16>) -> std::io::Result<Stream> {
    Ok(match place {
        Place::Ip(at) => {
            let stream = TcpStream::connect(SocketAddr::new(at.ip(), port.unwrap_or(at.port()))).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}
