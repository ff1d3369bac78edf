//! Encoded forms of a body that is kept: made once, on another thread and at levels too heavy for a worker's loop, and
//! given to everybody who takes them.
//!
//! Who asks second has one made; until it is there, answers are encoded on their way. A form lives as long as what it was
//! made of, and all forms together are bounded: what finds no room is encoded on its way as before.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use switchboard_core::content::Coding;

use super::encode;

/// Bytes of all forms together. Chosen.
const MOST: u64 = 32 << 20;

/// The largest body that has forms: what a thread encodes in a fraction of a second.
const LARGEST: u64 = 1 << 20;

/// Forms that are being made at once: whoever asks for ever new bodies keeps one thread busy, and no more.
const JOBS: usize = 1;

/// Levels for what is encoded once and given often.
const GZIP_LEVEL: u32 = 7;
const BROTLI_LEVEL: i32 = 9;
const ZSTD_LEVEL: i32 = 12;

/// Bytes of forms that are held, and of bodies of which one is being made.
static HELD: AtomicU64 = AtomicU64::new(0);

/// Forms that are being made.
static MAKING: AtomicUsize = AtomicUsize::new(0);

/// The forms of one body. Costs nothing until somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Forms(OnceLock<Arc<Made>>);

#[derive(Default)]
struct Made {
    forms: [OnceLock<Bytes>; 3],
    /// Who asked already, by coding.
    asked: [AtomicU8; 3],
}

impl Forms {
    /// The form in this coding, where it is there. Else it is made beside the worker, unless this is the first who asks;
    /// `whole` gives the thread the body, if that is still to be had.
    pub fn find<W: FnOnce() -> Option<Bytes> + Send + 'static>(
        &self,
        coding: Coding,
        size: u64,
        whole: impl FnOnce() -> Option<W>,
    ) -> Option<Bytes> {
        let place = place(coding)?;
        let made = self.0.get_or_init(Arc::default);
        if let Some(form) = made.forms.get(place)?.get() {
            return Some(form.clone());
        }
        let asked = made.asked.get(place)?;
        // Who comes after the second isn't counted: the count would come round to where it began.
        if size <= LARGEST
            && asked.load(Ordering::Relaxed) < 2
            && asked.fetch_add(1, Ordering::Relaxed) == 1
            && Room::take(size).is_none_or(|room| !begin(made, coding, room, whole))
        {
            // No room at the moment: the next who asks tries again.
            asked.store(1, Ordering::Relaxed);
        }
        None
    }
}

/// The room that a body takes while a form of it is made; given back by whatever ends that, a panic too.
struct Room(u64);

impl Room {
    fn take(size: u64) -> Option<Self> {
        let room = MAKING.fetch_add(1, Ordering::Relaxed) < JOBS && HELD.load(Ordering::Relaxed) + size <= MOST;
        HELD.fetch_add(size, Ordering::Relaxed);
        // Dropped where there is none, it takes back what was counted.
        Some(Self(size)).filter(|_| room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
        MAKING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn begin<W: FnOnce() -> Option<Bytes> + Send + 'static>(
    made: &Arc<Made>,
    coding: Coding,
    room: Room,
    whole: impl FnOnce() -> Option<W>,
) -> bool {
    let Some(whole) = whole() else { return false };
    let made = Arc::clone(made);
    tokio::task::spawn_blocking(move || {
        let _room = room;
        let form = whole().and_then(|bytes| encoded(coding, &bytes).ok().filter(|form| form.len() < bytes.len()));
        if let Some(form) = form {
            let form = Bytes::from(form.into_boxed_slice());
            HELD.fetch_add(form.len() as u64, Ordering::Relaxed);
            // Nobody else makes this one; were it so, dropping it would count twice.
            let place = place(coding).and_then(|place| made.forms.get(place));
            if let Some(Err(form)) = place.map(|place| place.set(form)) {
                HELD.fetch_sub(form.len() as u64, Ordering::Relaxed);
            }
        }
    });
    true
}

const fn place(coding: Coding) -> Option<usize> {
    match coding {
        Coding::Identity => None,
        Coding::Gzip => Some(0),
        Coding::Brotli => Some(1),
        Coding::Zstd => Some(2),
    }
}

/// Encodes a whole body.
fn encoded(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Identity => Err(io::ErrorKind::InvalidInput.into()),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let params = encode::brotli_params(BROTLI_LEVEL, Some(bytes.len() as u64));
            let mut encoder = CompressorWriter::with_params(Vec::new(), 64 * 1024, &params);
            encoder.write_all(bytes)?;
            Ok(encoder.into_inner())
        }
        Coding::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let held: u64 = self.forms.iter().filter_map(OnceLock::get).map(|form| form.len() as u64).sum();
        HELD.fetch_sub(held, Ordering::Relaxed);
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.forms.iter().map(|form| form.get().map(Bytes::len))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::whole as decoded;
    use super::*;

    /// Asks until the form is there.
    async fn wait(forms: &Forms, coding: Coding, body: &Bytes) -> Bytes {
        loop {
            let body = body.clone();
            if let Some(form) = forms.find(coding, body.len() as u64, || Some(move || Some(body))) {
                return form;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_form_is_made_for_the_second_who_asks_and_says_the_same() {
        let text: String = (0..20_000).map(|number| format!("{{\"number\": {number}}},\n")).collect();
        let body = Bytes::from(text);
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let forms = Forms::default();
            let first = forms.find(coding, body.len() as u64, || -> Option<fn() -> Option<Bytes>> { unreachable!() });
            assert!(first.is_none());
            let form = wait(&forms, coding, &body).await;
            assert!(decoded(coding, &form).expect("it can be read") == body, "{coding:?}");
            assert!(form.len() * 5 < body.len(), "{coding:?}: {} bytes", form.len());
            assert_eq!(wait(&forms.clone(), coding, &body).await, form);
        }
    }

    #[tokio::test]
    async fn what_is_not_worth_it_is_tried_once_however_often_it_is_asked_for() {
        let forms = Forms::default();
        let tries = Arc::new(AtomicUsize::new(0));
        let mut after = 0;
        // Other bodies may take the room at first.
        while after < 600 {
            let told = Arc::clone(&tries);
            let whole = move || {
                told.fetch_add(1, Ordering::Relaxed);
                Some(Bytes::from_static(b"no"))
            };
            assert!(forms.find(Coding::Gzip, 2, || Some(whole)).is_none());
            after += usize::from(tries.load(Ordering::Relaxed) > 0);
            tokio::task::yield_now().await;
        }
        while MAKING.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_takes_no_room_for_ever() {
        for _ in 0..2 * JOBS {
            let forms = Forms::default();
            for _ in 0..2 {
                forms.find(Coding::Gzip, 10, || Some(|| panic!("it can't be read")));
            }
            while MAKING.load(Ordering::Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn what_is_too_large_or_gone_has_none() {
        let forms = Forms::default();
        for _ in 0..5 {
            let whole = || -> Option<fn() -> Option<Bytes>> { unreachable!() };
            assert!(forms.find(Coding::Gzip, LARGEST + 1, whole).is_none());
            assert!(forms.find(Coding::Identity, 1, whole).is_none());
        }
        for _ in 0..5 {
            assert!(forms.find(Coding::Gzip, 10, || Some(|| None)).is_none());
        }
    }
}
