//! Who may ask the admin plane, decided before anything else looks at a request.
//!
//! A page in a browser on this machine can send requests to 127.0.0.1 too, by a name that it made point there or without
//! one: `Host`, `Origin` and `Sec-Fetch-*` tell it from our own. What changes something, or shows secrets, needs the token
//! besides. Over the unix socket the file's mode has decided already.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Plane;
use super::answer::Refusal;
use super::server::Via;

/// The pages of the admin plane run nothing but their own files, and stand in nobody's frame.
const CONTENT_POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Wrong tokens in [`WINDOW`] after which they are no longer answered one by one.
const GUESSES: u64 = 20;
const WINDOW: Duration = Duration::from_mins(1);

/// What each wrong token costs its sender; it grows with their number up to ten times this.
const DELAY: Duration = Duration::from_millis(50);

/// Wrong tokens of late.
#[derive(Debug, Default)]
pub(super) struct Guessing {
    count: AtomicU64,
    since: Mutex<Option<Instant>>,
}

impl Guessing {
    /// Counts one more; returns how many there were in this window.
    fn one_more(&self) -> u64 {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|since| since.elapsed() > WINDOW) {
            *since = Some(Instant::now());
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What shows what the configuration keeps to itself: `explain` says what is sent upstream, keys and all. The router takes
/// paths as they are, so these are all their spellings.
const CONFIDES: &[&str] = &["/v1/explain"];

/// Lets a request through or refuses it, and writes down what changes something.
pub(super) async fn guard(State(plane): State<Arc<Plane>>, request: Request, next: Next) -> Response {
    let via = request.extensions().get::<Via>().copied();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let changes = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    let confides = CONFIDES.contains(&path.as_str());
    let refused = match via {
        Some(Via::Unix(_)) => body_is_json(request.headers(), changes).err(),
        Some(Via::Tcp(bound, _)) => match check(&request, bound, changes) {
            Ok(())
                if (changes || confides)
                    && !plane.token.load().is_borne_by(request.headers().get(header::AUTHORIZATION)) =>
            {
                let guesses = plane.guessing.one_more();
                tokio::time::sleep(DELAY * u32::try_from(guesses.min(10)).unwrap_or(10)).await;
                Some(wrong_token(guesses, changes))
            }
            checked => checked.err(),
        },
        None => Some(Refusal::new(StatusCode::FORBIDDEN, "forbidden", "nobody knows where this request came from")),
    };
    let was_refused = refused.is_some();
    let mut response = match refused {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    if changes || was_refused {
        let status = response.status().as_u16();
        let by = match via {
            Some(Via::Unix(Some(user))) => format!("user {user}"),
            Some(Via::Tcp(_, peer)) => peer.to_string(),
            Some(Via::Unix(None)) | None => "unknown".to_owned(),
        };
        tracing::info!(%method, %path, %by, status, "audit");
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn check(request: &Request, bound: SocketAddr, changes: bool) -> Result<(), Refusal> {
    let headers = request.headers();
    let forbidden = |words: &str| Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", words));
    // An absolute target goes before `Host`: both must be ours.
    let target = request.uri().authority().map(|authority| authority.as_str());
    let mut hosts = headers.get_all(header::HOST).iter().map(HeaderValue::to_str);
    let (Some(Ok(host)), None) = (hosts.next(), hosts.next()) else {
        return forbidden("the request needs one Host");
    };
    if !is_ours(host, bound) || !target.is_none_or(|target| is_ours(target, bound)) {
        return forbidden("this Host is not ours; ask 127.0.0.1 or localhost");
    }
    if headers.contains_key(header::UPGRADE) {
        return forbidden("nothing here is upgraded");
    }
    if let Some(origin) = headers.get(header::ORIGIN)
        && origin.as_bytes() != format!("http://{host}").as_bytes()
    {
        return forbidden("this page is not ours: its Origin is another");
    }
    let word = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
    match word("sec-fetch-site").as_deref() {
        None | Some(b"none" | b"same-origin") => {}
        Some(_) => return forbidden("another site made the browser ask (Sec-Fetch-Site)"),
    }
    // Without CORS our own pages fetch their style sheet and script, and nothing else.
    if word("sec-fetch-mode").as_deref() == Some(b"no-cors") && request.uri().path().starts_with("/v1/") {
        return forbidden("a page asks without CORS (Sec-Fetch-Mode)");
    }
    body_is_json(headers, changes)
}

fn wrong_token(guesses: u64, changes: bool) -> Refusal {
    let what =
        if changes { "changes need" } else { "this shows what the configuration keeps to itself; over TCP it needs" };
    let words = format!("{what} `Authorization: Bearer TOKEN`; the token lies in the state directory, in admin-token");
    match guesses {
        ..=GUESSES => Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", words),
        _ => Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_guesses", "too many wrong tokens; wait a minute"),
    }
}

/// A form can be sent by any page without asking; JSON can't.
fn body_is_json(headers: &HeaderMap, changes: bool) -> Result<(), Refusal> {
    let has_body = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    let json = |kind: &String| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    match kind {
        Some(kind) if changes && !json(&kind) => Err(not_json()),
        None if changes && has_body => Err(not_json()),
        Some(_) | None => Ok(()),
    }
}

fn not_json() -> Refusal {
    let words = "a body is JSON here: send `Content-Type: application/json`";
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", words)
}

/// Whether a `Host` names this machine, by whichever port: a forwarded one has another (`ssh -L`).
fn is_ours(host: &str, bound: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bound = match bound {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]" || name == bound
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn hosts_of_this_machine() {
        for (host, ours) in [
            ("127.0.0.1:9900", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]:9900", true),
            ("127.0.0.2:9900", true),
            ("127.0.0.3", false),
            ("evil.example", false),
            ("evil.example:9900", false),
            ("localhost.evil.example", false),
            ("localhost:9900@evil", false),
            ("localhost:", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, "127.0.0.2:9900".parse().unwrap()), ours, "{host}");
        }
    }
}
