//! The checks that whole tables of cases share: a refusal looks the same whatever was refused.

use super::message::Message;
use super::{Origin, Proxy, on_workers};

/// A proxy before one origin, at the host `t.test`.
pub(crate) struct Pair {
    pub(crate) proxy: Proxy,
    pub(crate) origin: Origin,
}

impl Pair {
    /// Starts the proxy before `origin`.
    #[track_caller]
    pub(crate) fn new(workers: usize, origin: Origin) -> Self {
        Self::with(workers, origin, "")
    }

    /// As `new`, with more lines of configuration.
    #[track_caller]
    pub(crate) fn with(workers: usize, origin: Origin, more: &str) -> Self {
        let proxy = Proxy::start(workers, &format!("{}{more}", route_to(&origin)));
        Self { proxy, origin }
    }
}

/// A configuration with one route, `t.test`, to an origin.
pub(crate) fn route_to(origin: &Origin) -> String {
    format!("routes:\n  t.test: \"{}\"\n", origin.address())
}

/// Asserts that an answer is the proxy's own, with this status and reason, complete with its request id.
#[track_caller]
pub(crate) fn assert_own_answer(answer: &Message, status: u16, reason: &str) {
    assert_eq!((answer.status(), answer.reason()), (status, reason), "{answer:#?}");
    assert!(answer.field("x-request-id").is_some_and(|id| !id.is_empty()), "no request id: {answer:#?}");
    let body = answer.text();
    assert!(body.is_empty() || body.contains(reason), "the body does not name the reason: {body:?}");
}

/// R1: the answer is 400, says so and why, the connection is ended with a FIN behind it.
#[track_caller]
pub(crate) fn assert_refused(proxy: &Proxy, input: impl AsRef<[u8]>) {
    assert_refused_as(proxy, input, 400, "bad_request");
}

/// As R1, with another status.
#[track_caller]
pub(crate) fn assert_refused_as(proxy: &Proxy, input: impl AsRef<[u8]>, status: u16, reason: &str) {
    let input = input.as_ref();
    let shown = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
    eprintln!("sent: {shown:?}");
    let mut client = proxy.send(input);
    let answer = client.response_to(if input.starts_with(b"HEAD ") { "HEAD" } else { "GET" });
    assert_own_answer(&answer, status, reason);
    assert_eq!(answer.field("connection"), Some("close"), "{answer:#?}");
    client.ends();
}

/// R1 for each of the inputs: refused, and nothing of it reached the origin; an honest request still passes.
#[track_caller]
pub(crate) fn refused<B: AsRef<[u8]>>(inputs: &[B]) {
    refused_as(400, "bad_request", inputs);
}

/// As `refused`, with another status.
#[track_caller]
pub(crate) fn refused_as<B: AsRef<[u8]>>(status: u16, reason: &str, inputs: &[B]) {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for input in inputs {
            assert_refused_as(&proxy, input, status, reason);
        }
        origin.assert_untouched();
        assert_eq!(proxy.get("t.test", "/honest").status(), 200);
        assert_eq!(origin.requests().len(), 1);
    });
}
