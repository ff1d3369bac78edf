//! "Did you mean": names that differ by a slip of the finger.

/// How many are suggested at most: a person reads three, not thirty.
const MOST: usize = 3;

/// The known names that are nearest to `name`, the nearest first.
pub(super) fn similar(name: &str, known: impl Iterator<Item = String>) -> Vec<String> {
    // A third of a name mistyped is another name.
    let farthest = (name.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, String)> = known
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= farthest || candidate.contains(name))
        .map(|candidate| (distance(name, candidate.trim_start_matches("*.")), candidate))
        .filter(|(distance, candidate)| *distance <= farthest || (!name.is_empty() && candidate.contains(name)))
        .collect();
    near.sort();
    near.into_iter().take(MOST).map(|(_, candidate)| candidate).collect()
}

/// How many bytes must be changed, added or taken away to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, byte) in one.bytes().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, expected) in row.iter_mut().skip(1).zip(other.bytes()) {
            let changed = diagonal + usize::from(byte != expected);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let check = |one: &str, other: &str, expect: usize| {
            assert_eq!(distance(one, other), expect, "{one} {other}");
            assert_eq!(distance(other, one), expect, "{other} {one}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("main.localhost", "mian.localhost", 2);
        check("flaw", "lawn", 2);
    }

    #[test]
    fn the_nearest_first() {
        let known = ["main.localhost", "maine.localhost", "example.com", "*.preview.example.com"];
        let check = |name: &str, expect: &[&str]| {
            assert_eq!(similar(name, known.iter().map(|&name| name.to_owned())), expect, "{name}");
        };
        check("mainn.localhost", &["main.localhost", "maine.localhost"]);
        check("exmaple.com", &["example.com"]);
        check("nothing.like.it", &[]);
    }
}
