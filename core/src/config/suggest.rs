//! "Did you mean": the nearest of some words.

/// Words longer than this are never compared; nobody mistypes them by a letter or two.
const LONGEST: usize = 64;

/// The candidate that a person probably meant; `None` where none is near. The first of equals wins.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    // One slip in a short word, two in a common one, three in a long one.
    let most = match length {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let alike = |a: &str, b: &str| {
        let plain = |text: &str| text.replace(['-', ' '], "_").to_ascii_lowercase();
        plain(a) == plain(b)
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = if alike(word, candidate) { Some(0) } else { distance(word, candidate, most) };
        if let Some(distance) = distance.filter(|distance| best.is_none_or(|(least, _)| *distance < least)) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The `most` candidates that are nearest, however far that is; those that have the word in them, or are in it, first.
pub(super) fn near<'c>(word: &str, candidates: Vec<&'c str>, most: usize) -> Vec<&'c str> {
    let cut: String = word.chars().take(LONGEST).collect();
    let mut ranked: Vec<(bool, usize, &str)> = candidates
        .into_iter()
        .map(|one| {
            let within = one.split('_').any(|part| cut.contains(part)) || one.contains(&cut);
            (!within, distance(&cut, one, LONGEST).unwrap_or(LONGEST), one)
        })
        .collect();
    // Of equals the table's order counts: what is common stands first.
    ranked.sort_by_key(|(without, distance, _)| (*without, *distance));
    ranked.into_iter().map(|(_, _, one)| one).take(most).collect()
}

/// Letters to add, drop, replace or swap to turn one word into the other; `None` beyond `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most || a.len() > LONGEST || b.len() > LONGEST {
        return None;
    }
    // The last three rows of the table: a swap looks two back.
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &to) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut least =
                (cell(&last, j + 1) + 1).min(cell(&row, j) + 1).min(cell(&last, j) + usize::from(from != to));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&to) && b.get(j - 1) == Some(&from);
            if swapped {
                least = least.min(cell(&older, j - 1) + 1);
            }
            row.push(least);
        }
        older = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= most && *distance < a.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::{near, nearest};

    #[test]
    fn finds_what_was_meant() {
        let check = |word, expect: Option<&str>| {
            let known = ["strip_prefix", "add_prefix", "to", "timeouts", "when", "host"];
            assert_eq!(nearest(word, known), expect, "{word}");
        };
        check("strip_prefx", Some("strip_prefix"));
        check("strip-prefix", Some("strip_prefix"));
        check("stripPrefix", Some("strip_prefix"));
        check("timeuots", Some("timeouts"));
        check("tO", Some("to"));
        check("hots", Some("host"));
        check("wehn", Some("when"));
        check("x", None);
        check("", None);
        check("backend", None);
    }

    #[test]
    fn some_are_near() {
        let known = vec!["request_headers", "when", "rate_limit", "cache", "response_headers"];
        let check = |word, expect: [&str; 2]| assert_eq!(near(word, known.clone(), 2), expect, "{word}");
        check("add_headers", ["request_headers", "response_headers"]);
        check("limit", ["rate_limit", "request_headers"]);
        check("caching", ["cache", "when"]);
        check("", ["request_headers", "when"]);
        assert_eq!(near(&"x".repeat(10_000), known.clone(), 9).len(), 5);
    }
}
