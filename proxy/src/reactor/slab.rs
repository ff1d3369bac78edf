//! Places with keys that are never those of what stood there before.

/// A key that nothing has.
pub(super) const NONE: u64 = u64::MAX;

/// A list with holes. A key is the place in the lower half and, in the upper, how often the place was given away.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    turn: u32,
    item: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T: Clone> Slab<T> {
    /// Puts what `make` makes of its key into a free place, and returns it.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(u64) -> T) -> T {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { turn: 0, item: None });
            // There are far fewer descriptors and tasks than that.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.places[index as usize];
        let item = make(u64::from(place.turn) << 32 | u64::from(index));
        place.item = Some(item.clone());
        item
    }
}

impl<T> Slab<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// What has this key, unless it was removed.
    pub(super) fn get(&self, key: u64) -> Option<&T> {
        let (turn, index) = split(key);
        self.places.get(index).filter(|place| place.turn == turn)?.item.as_ref()
    }

    /// Takes it out; its key never comes again.
    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        let (turn, index) = split(key);
        let place = self.places.get_mut(index).filter(|place| place.turn == turn)?;
        let item = place.item.take()?;
        // 2^32 - 1 is left out, so that no key is `NONE`.
        place.turn = if place.turn >= u32::MAX - 1 { 0 } else { place.turn + 1 };
        #[expect(clippy::cast_possible_truncation, reason = "the lower half of a key has 32 bits")]
        self.free.push(index as u32);
        Some(item)
    }

    /// Takes all out.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let keys: Vec<u64> = (0_u64..)
            .zip(&self.places)
            .filter(|(_, place)| place.item.is_some())
            .map(|(index, place)| u64::from(place.turn) << 32 | index)
            .collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half of a key has 32 bits")]
const fn split(key: u64) -> (u32, usize) {
    ((key >> 32) as u32, (key as u32) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_one_thing_for_ever() {
        let mut slab = Slab::default();
        let mut keys = Vec::new();
        let first = slab.insert_with(|key| key);
        let second = slab.insert_with(|key| key);
        keys.push(first);
        assert_eq!(slab.remove(first), Some(first));
        assert_eq!(slab.remove(first), None);
        for _ in 0..1000 {
            let next = slab.insert_with(|key| key);
            assert!(!keys.contains(&next), "{next} came again");
            assert_eq!(slab.get(first), None);
            assert_eq!(slab.get(next), Some(&next));
            slab.remove(next);
            keys.push(next);
        }
        assert_eq!(slab.places.len(), 2);
        assert_eq!(slab.take_all(), [second]);
        assert_eq!(slab.get(second), None);
        assert!(slab.get(NONE).is_none());
    }
}
