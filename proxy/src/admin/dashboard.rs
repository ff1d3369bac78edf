//! `GET /`: the dashboard, a page that shows what the proxy does while it does it.
//!
//! Three files that stand in the binary and one stream of events; `picture` says what is in an event. Nothing of it is
//! made by a build step, and the page runs nothing that doesn't come from here.

mod picture;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Frame;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};

use super::Plane;
use super::answer::Refusal;

/// How often a picture is sent.
const STEP: Duration = Duration::from_secs(1);

/// Streams of pictures at once, on all sockets: half of the places of one.
pub(super) const PAGES: usize = 32;

/// How long workers get to say what is open, for a single picture.
const GLANCE: Duration = Duration::from_millis(20);

/// Nothing of it is kept: another version of the proxy has another page.
const FRESH: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The page.
pub(super) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), FRESH], include_str!("dashboard/page.html"))
}

/// What it runs.
pub(super) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), FRESH], include_str!("dashboard/page.js"))
}

/// How it looks.
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), FRESH], include_str!("dashboard/page.css"))
}

/// Its sign in a browser's tab.
pub(super) async fn sign() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), FRESH], include_str!("dashboard/page.svg"))
}

/// One picture after another, as server-sent events. Of the places of a socket some stay for who asks and goes.
pub(super) async fn events(State(plane): State<Arc<Plane>>) -> Result<impl IntoResponse, Refusal> {
    let Ok(place) = Arc::clone(&plane.pages).try_acquire_owned() else {
        let words = format!("{PAGES} pages are open already; close one, or ask /v1/picture");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_pages", words));
    };
    let mut steps = tokio::time::interval(STEP);
    // A page that was asleep needs the newest picture, not all of them.
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), FRESH], Body::new(Pictures { plane, steps, _place: place })))
}

/// One picture, for `switchboard top`.
pub(super) async fn picture_of_now(State(plane): State<Arc<Plane>>) -> impl IntoResponse {
    // The workers list their streams first; one that is busy is not waited for.
    plane.process.ask_for_streams();
    tokio::time::sleep(GLANCE).await;
    ([FRESH], Json(picture::of(&plane.process)))
}

struct Pictures {
    plane: Arc<Plane>,
    steps: Interval,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Pictures {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.steps.poll_tick(context).map(|_| {
            let event = format!("event: picture\ndata: {}\n\n", picture::of(&self.plane.process));
            Some(Ok(Frame::data(Bytes::from(event))))
        })
    }
}
