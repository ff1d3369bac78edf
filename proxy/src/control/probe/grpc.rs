//! The health service of gRPC as a check (`grpc.health.v1.Health/Check`), over HTTP/2 with prior knowledge.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};

use super::Failed;
use super::socket::Stream;

/// Bytes of an answer that are read at most; the message has two.
const MOST: usize = 4096;

/// `ServingStatus.SERVING`.
const SERVING: u64 = 1;

/// Asks about a service; about the server as a whole where it is empty.
pub(super) async fn ask(stream: Stream, service: &str, host: &str) -> Result<String, Failed> {
    let (mut client, connection) = h2::client::handshake(stream).await.map_err(failed)?;
    // It ends with the client, which this function drops.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://{host}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "switchboard-health")
        .body(())
        .map_err(|error| Failed::new(error.to_string()))?;
    std::future::poll_fn(|context| client.poll_ready(context)).await.map_err(failed)?;
    let (answer, mut body) = client.send_request(request, false).map_err(failed)?;
    body.send_data(Bytes::from(message(service)), true).map_err(failed)?;
    let (head, mut stream) = answer.await.map_err(failed)?.into_parts();
    if head.status != 200 {
        return Err(Failed::new(format!("status {}", head.status.as_u16())));
    }
    let mut bytes = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(failed)?;
        let _ = stream.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
        if bytes.len() > MOST {
            return Err(Failed::new("the answer is too long for one of the health service"));
        }
    }
    let trailers = stream.trailers().await.map_err(failed)?.unwrap_or_default();
    // An answer without a message has its status in the head.
    match code(&trailers).or_else(|| code(&head.headers)) {
        Some(0) => {}
        Some(12) => return Err(Failed::new("it has no health service (grpc-status 12)")),
        Some(5) => return Err(Failed::new(format!("it does not know the service {service} (grpc-status 5)"))),
        Some(other) => return Err(Failed::new(format!("grpc-status {other}"))),
        None => return Err(Failed::new("the answer has no grpc-status")),
    }
    match serving_status(&bytes) {
        Some(SERVING) => Ok("SERVING".to_owned()),
        Some(0) => Err(Failed::new("UNKNOWN")),
        Some(2) => Err(Failed::new("NOT_SERVING")),
        Some(3) => Err(Failed::new("SERVICE_UNKNOWN")),
        Some(_) | None => Err(Failed::new("the answer is none of the health service")),
    }
}

fn failed(error: h2::Error) -> Failed {
    Failed::new(error.to_string())
}

fn code(fields: &HeaderMap) -> Option<u32> {
    fields.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// `HealthCheckRequest { service }` with gRPC's prefix: not compressed, and its length.
fn message(service: &str) -> Vec<u8> {
    let mut inner = Vec::new();
    if !service.is_empty() {
        inner.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            inner.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        inner.push(u8::try_from(length).unwrap_or(0));
        inner.extend_from_slice(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(inner.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(&inner);
    message
}

/// The `status` of a `HealthCheckResponse` behind gRPC's prefix; an empty message says UNKNOWN.
fn serving_status(bytes: &[u8]) -> Option<u64> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
    match bytes.get(5..5 + usize::try_from(length).ok()?)? {
        [] => Some(0),
        [0x08, status, ..] if *status < 0x80 => Some(u64::from(*status)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{message, serving_status};

    #[test]
    fn messages_as_protocol_buffers_have_them() {
        assert_eq!(message(""), [0, 0, 0, 0, 0]);
        assert_eq!(message("a.B"), [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        assert_eq!(message(&"x".repeat(200))[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving_status(&[0, 0, 0, 0, 9, 8, 1]), None);
        assert_eq!(serving_status(&[]), None);
    }
}
