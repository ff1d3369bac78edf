//! Keeps the key set of a URL fresh: fetched at once, every few minutes, and when a key is missed.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::body::Body as _;
use hyper::{Request, Response, StatusCode, body::Incoming};
use instant_acme::BodyWrapper;
use tokio::sync::Notify;

use super::{Key, KeySet, keys};
use crate::certs::acme::{Client, chain, client_for};

/// Between two fetches while all goes well. Chosen: a key that was withdrawn must not count for long.
const FRESH: Duration = Duration::from_mins(5);

/// The longest pause behind a fetch that failed.
const MOST_PAUSE: Duration = Duration::from_mins(1);

/// How long a fetch may take, and how much it may bring.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 256 * 1024;

/// Fetches for as long as somebody holds the set.
pub(super) async fn keep(set: Weak<KeySet>, missed: Arc<Notify>, url: String) {
    let client = match client_for(&url) {
        Ok(client) => client,
        Err(words) => return tracing::error!(%url, "jwt: the key set can't be fetched: {words}"),
    };
    let mut failures = 0;
    loop {
        let fetched = match tokio::time::timeout(PATIENCE, fetch(&client, &url)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let Some(held) = set.upgrade() else { return };
        let pause = match &fetched {
            Ok(_) => FRESH,
            Err(words) => {
                tracing::warn!(%url, "jwt: the key set was not fetched, what is known holds: {words}");
                MOST_PAUSE.min(Duration::from_secs(1) * 2_u32.pow(failures))
            }
        };
        failures = if fetched.is_ok() { 0 } else { (failures + 1).min(10) };
        held.tried(fetched.ok());
        drop(held);
        // Whoever missed a key before this attempt ended is answered by it.
        tokio::select! {
            biased;
            () = missed.notified() => {}
            () = std::future::ready(()) => {}
        }
        tokio::select! {
            () = missed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn fetch(client: &Client, url: &str) -> Result<Vec<Key>, String> {
    let request = Request::get(url).header("user-agent", "switchboard").header("accept", "application/json");
    let request = request.body(BodyWrapper::default()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| chain(&error))?;
    match answer.status() {
        StatusCode::OK => keys(&whole(answer).await?),
        status => Err(format!("it answers {status}")),
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Vec<u8>, String> {
    let (mut body, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| chain(&error))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() > MOST {
            return Err(format!("it is larger than {} KiB", MOST >> 10));
        }
    }
    Ok(bytes)
}
