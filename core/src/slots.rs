//! A list of things by number of which the next version copies only the part that changes.
//!
//! Snapshots and generations are made of these: a change of one route among ten thousand copies a chunk of 64 and the
//! list of chunks, and shares the rest. A number is a place: it has a thing or none, and may get another one later.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

/// Places in a chunk. Few, and the list of chunks grows; many, and so does what one change copies.
const CHUNK: usize = 64;

type Chunk<T> = [Option<T>; CHUNK];

/// Things by number. To clone it costs one atomic count.
pub struct Slots<T> {
    chunks: Arc<[Arc<Chunk<T>>]>,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks) }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { chunks: Arc::new([]) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs()).finish()
    }
}

impl<T> Slots<T> {
    /// The thing at a place.
    #[inline]
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&T> {
        self.chunks.get(place / CHUNK)?[place % CHUNK].as_ref()
    }

    /// All things, by rising place.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { chunks: self.chunks.iter(), rest: [].iter() }
    }

    /// All things with their places, rising.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, &T)> {
        let places = self.chunks.iter().flat_map(|chunk| chunk.iter()).enumerate();
        places.filter_map(|(place, thing)| Some((place, thing.as_ref()?)))
    }

    /// How many things there are. Counts them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().count()
    }
}

/// The things of a [`Slots`], by rising place.
#[derive(Debug)]
pub struct Iter<'s, T> {
    chunks: std::slice::Iter<'s, Arc<Chunk<T>>>,
    rest: std::slice::Iter<'s, Option<T>>,
}

impl<'s, T> Iterator for Iter<'s, T> {
    type Item = &'s T;

    fn next(&mut self) -> Option<&'s T> {
        loop {
            match self.rest.next() {
                Some(Some(thing)) => return Some(thing),
                Some(None) => {}
                None => self.rest = self.chunks.next()?.iter(),
            }
        }
    }
}

impl<'s, T> IntoIterator for &'s Slots<T> {
    type Item = &'s T;
    type IntoIter = Iter<'s, T>;

    fn into_iter(self) -> Iter<'s, T> {
        self.iter()
    }
}

impl<T: Clone> Slots<T> {
    /// Puts a thing at a place, or takes it away. Copies what other versions share, once.
    pub fn set(&mut self, place: usize, thing: Option<T>) {
        let (chunk, within) = (place / CHUNK, place % CHUNK);
        if chunk >= self.chunks.len() {
            let more = (self.chunks.len()..=chunk).map(|_| Arc::new([const { None }; CHUNK]));
            self.chunks = self.chunks.iter().cloned().chain(more).collect();
        }
        if let Some(chunk) = Arc::make_mut(&mut self.chunks).get_mut(chunk) {
            Arc::make_mut(chunk)[within] = thing;
        }
    }
}

impl<T: Clone> FromIterator<T> for Slots<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> Self {
        let mut things = things.into_iter().peekable();
        let mut chunks = Vec::new();
        while things.peek().is_some() {
            chunks.push(Arc::new(std::array::from_fn(|_| things.next())));
        }
        Self { chunks: chunks.into() }
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: usize) -> &T {
        self.get(place).expect("a number belongs to the version that gave it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_other_versions_alone() {
        let first: Slots<u32> = (0..200).collect();
        let mut second = first.clone();
        second.set(3, None);
        second.set(700, Some(7));
        assert_eq!((first.get(3), first.get(700), first.count()), (Some(&3), None, 200));
        assert_eq!((second.get(3), second.get(700), second.count()), (None, Some(&7), 200));
        assert!(Arc::ptr_eq(&first.chunks[1], &second.chunks[1]), "what did not change is shared");
        assert!(!Arc::ptr_eq(&first.chunks[0], &second.chunks[0]));
        assert_eq!(second.pairs().last(), Some((700, &7)));
        assert_eq!(second[199], 199);
    }
}
