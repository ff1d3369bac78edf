//! A stored answer as bytes that outlive the process: whole, or not read at all.
//!
//! Everything stands behind a length and before a SHA-256 of all that is before it, so that a file that was cut, written
//! over or half written reads as nothing (case 142). Nothing here opens a file.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::entry::{Entry, Terms};
use super::vary::{Chosen, Vary};
use crate::moment::Moment;

/// What an image begins with: another form gets another one, and is not read.
const MAGIC: &[u8; 8] = b"sbcache1";

/// What an image holds.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// What the answer is found by.
    pub key: &'a [u8],
    /// Its head, older by the time that it lay there.
    pub entry: Entry,
    /// Its body.
    pub body: &'a [u8],
}

/// Writes an image. `wall` is the time of day at [`Entry::at`], in seconds since 1970.
#[must_use]
pub fn write(key: &[u8], entry: &Entry, body: &[u8], wall: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + entry.head.len() + key.len() + 256);
    out.extend_from_slice(MAGIC);
    number(&mut out, 0);
    let terms = &entry.terms;
    let flags = u64::from(terms.no_cache) | u64::from(terms.must_revalidate) << 1;
    for value in [wall, entry.space, terms.lifetime, terms.age, terms.while_revalidate, terms.if_error, flags] {
        number(&mut out, value);
    }
    text(&mut out, key);
    text(&mut out, &entry.head);
    number(&mut out, entry.vary.parts().len() as u64);
    for (name, value) in entry.vary.parts() {
        text(&mut out, name);
        text(&mut out, value);
    }
    number(&mut out, entry.tags.len() as u64);
    entry.tags.iter().for_each(|tag| number(&mut out, *tag));
    text(&mut out, body);
    let length = out.len() as u64;
    if let Some(place) = out.get_mut(8..16) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    let sum = Sha256::digest(&out);
    out.extend_from_slice(&sum);
    out
}

/// Reads an image at `now`, which is `wall` by the time of day. `None` where it is not whole.
#[must_use]
pub fn read(bytes: &[u8], now: Moment, wall: u64) -> Option<Image<'_>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    let mut reader = Reader(content);
    let framed = reader.take(8)? == MAGIC && reader.number()? == content.len() as u64;
    if !framed || Sha256::digest(content).as_slice() != sum {
        return None;
    }
    let (at, space) = (reader.number()?, reader.number()?);
    let (lifetime, age) = (reader.number()?, reader.number()?);
    let (while_revalidate, if_error, flags) = (reader.number()?, reader.number()?, reader.number()?);
    let terms =
        Terms { lifetime, age, no_cache: flags & 1 != 0, must_revalidate: flags & 2 != 0, while_revalidate, if_error };
    let (key, head) = (reader.text()?, reader.text()?);
    let mut chosen: Vec<Chosen> = Vec::new();
    for _ in 0..reader.number()? {
        chosen.push((reader.text()?.into(), reader.text()?.into()));
    }
    let mut tags = Vec::new();
    for _ in 0..reader.number()? {
        tags.push(reader.number()?);
    }
    let body = reader.text()?;
    let (status, phrase, fields) = Entry::parse(head)?;
    let entry = Entry {
        status,
        head: head.into(),
        fields,
        phrase,
        vary: Vary::from_parts(chosen),
        space,
        at: now,
        // A clock that was set back makes nothing younger than it was.
        terms: terms.aged(Duration::from_secs(wall.saturating_sub(at))),
        tags: tags.into_boxed_slice(),
        length: body.len() as u64,
    };
    reader.0.is_empty().then_some(Image { key, entry, body })
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stored;
    use super::*;

    #[test]
    fn case_142_what_is_not_whole_is_not_read() {
        let mut entry = stored("Cache-Control: max-age=60\nETag: \"a\"\nVary: Foo\nSurrogate-Key: one two").unwrap();
        entry.length = 4;
        let image = write(b"http://h/a", &entry, b"body", 1000);
        let read_at = |bytes: &[u8], wall| read(bytes, Moment::ZERO, wall).map(|image| image.entry.terms.age);
        let back = read(&image, Moment::ZERO, 1010).unwrap();
        assert_eq!((back.key, back.body, &back.entry.head), (&b"http://h/a"[..], &b"body"[..], &entry.head));
        assert_eq!((&back.entry.vary, &back.entry.tags, back.entry.space), (&entry.vary, &entry.tags, entry.space));
        assert_eq!((read_at(&image, 1010), read_at(&image, 900)), (Some(10), Some(0)));
        for cut in 0..image.len() {
            assert!(read_at(&image[..cut], 1000).is_none(), "cut at {cut}");
        }
        for at in 0..image.len() {
            let mut broken = image.clone();
            broken[at] ^= 1;
            assert!(read_at(&broken, 1000).is_none(), "broken at {at}");
        }
        assert!(read_at(&[image.as_slice(), b"x"].concat(), 1000).is_none());
    }
}
