//! Seats on the ring of hashing upstreams, handed on from one configuration to the next: an endpoint that replaces another
//! gets its keys and no others.
//!
//! A ring that is made of addresses alone cannot do that: to it a replacement is one that goes and one that comes, which
//! moves nearly twice as many keys. So a running proxy remembers whose seat an endpoint has; a start begins anew. Called
//! by the control thread before a configuration is compiled.

use std::collections::HashSet;

use super::{Balance, Config, Endpoint, Sticky, Upstream};

impl Config {
    /// Lets endpoints keep the seats that they have in `before`, and those that are new take the seats of those that
    /// are gone, in the order in which they are written.
    #[must_use]
    pub fn seated_after(mut self, before: &Self) -> Self {
        for (name, upstream) in &mut self.upstreams {
            if let Some(old) = before.upstreams.get(name).filter(|_| has_ring(upstream)) {
                seat(&mut upstream.endpoints, &old.endpoints);
            }
        }
        self
    }
}

impl Endpoint {
    /// What its points on a ring are made of.
    #[must_use]
    pub fn seat(&self) -> &str {
        self.seat.as_deref().unwrap_or(&self.written)
    }
}

const fn has_ring(upstream: &Upstream) -> bool {
    matches!(upstream.balance, Balance::Hash { .. }) || matches!(upstream.sticky, Some(Sticky::App { .. }))
}

fn seat(endpoints: &mut [Endpoint], before: &[Endpoint]) {
    let stays: HashSet<String> = endpoints.iter().map(|endpoint| endpoint.written.clone()).collect();
    let mut free = before.iter().filter(|old| !stays.contains(&old.written)).map(Endpoint::seat);
    let old = |written: &str| before.iter().find(|old| old.written == written);
    let (mut taken, mut standing) = (HashSet::new(), Vec::new());
    for endpoint in endpoints.iter_mut() {
        let seat = match old(&endpoint.written) {
            Some(old) => Some(old.seat()),
            None => free.next(),
        };
        match seat {
            Some(seat) => {
                taken.insert(seat.to_owned());
                endpoint.sit(seat.to_owned());
            }
            None => standing.push(endpoint),
        }
    }
    // Who is left over sits where its own name says, unless somebody has inherited that seat.
    for endpoint in standing {
        let mut seat = endpoint.written.clone();
        while !taken.insert(seat.clone()) {
            seat.push('\'');
        }
        endpoint.sit(seat);
    }
}

impl Endpoint {
    fn sit(&mut self, seat: String) {
        self.seat = (seat != self.written).then_some(seat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Address;

    /// Seats after each of the lists has been in force, one after the other.
    fn check(lists: &[&str], expect: &str) {
        let endpoints = |list: &str| -> Vec<Endpoint> {
            list.split_whitespace().map(|name| Endpoint::at(name.to_owned(), Address::Loopback(80))).collect()
        };
        let mut now = endpoints(lists[0]);
        for list in &lists[1..] {
            let mut next = endpoints(list);
            seat(&mut next, &now);
            now = next;
        }
        let seats: Vec<&str> = now.iter().map(Endpoint::seat).collect();
        assert_eq!(seats.join(" "), expect, "{lists:?}");
    }

    #[test]
    fn who_replaces_sits_where_the_other_sat() {
        check(&["a b c"], "a b c");
        check(&["a b c", "a x c"], "a b c");
        check(&["a b c", "x c a"], "b c a");
        check(&["a b c", "a x c", "a y c"], "a b c");
        check(&["a b c", "x y c"], "a b c");
        // One that goes frees its seat; one that comes besides has its own.
        check(&["a b c", "a c"], "a c");
        check(&["a b", "a b x"], "a b x");
        check(&["a b c", "x a"], "b a");
        // Back again while another has its seat.
        check(&["a b", "x b", "x b a"], "a b a'");
        check(&["a b", "x b", "a b"], "a b");
        check(&["a b", "x b", "b x"], "b a");
        check(&["a", "x", "x a", "x a y"], "a a' y");
    }
}
