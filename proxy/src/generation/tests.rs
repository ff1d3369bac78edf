//! What lives on from one generation to the next, what is told that it is gone, and what is forgotten.

use super::{Generation, Registry};
use crate::live::{EndpointLive, RuleLive};
use std::sync::Arc;
use std::time::Duration;
use switchboard_core::config::Config;
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::Compiler;

/// Generations of texts, one after the other, a second apart.
#[derive(Default)]
struct Course {
    registry: Registry,
    current: Option<Generation>,
    now: Moment,
}

impl Course {
    fn of(text: &str) -> Self {
        let mut course = Self::default();
        course.reload(text);
        course
    }

    /// Puts a text in force; the one before is let go, as when no worker reads it any more.
    fn reload(&mut self, text: &str) {
        self.now = self.now + Duration::from_secs(1);
        let config = Config::from_text(text).unwrap();
        self.current = Some(self.registry.generation(config, |_| {}, self.current.as_ref(), self.now).unwrap());
    }

    /// Changes registered routes.
    fn change(&mut self, change: impl FnOnce(&mut Compiler)) {
        self.now = self.now + Duration::from_secs(1);
        let ((), changed) = self.registry.change(self.current.as_ref().unwrap(), self.now, change).unwrap();
        self.current = Some(changed.unwrap().generation);
    }

    fn generation(&self) -> &Generation {
        self.current.as_ref().unwrap()
    }

    /// What a stream of the first rule holds.
    fn stream(&self) -> Stream {
        let generation = self.generation();
        Stream { rule: Arc::clone(&generation.rules[0]), endpoint: Arc::clone(&generation.endpoints[0]) }
    }
}

struct Stream {
    rule: Arc<RuleLive>,
    endpoint: Arc<EndpointLive>,
}

impl Stream {
    fn ends_at(&self) -> Moment {
        self.rule.ends(&self.endpoint, None).map_or(Moment::NEVER, |ending| ending.at)
    }
}

/// The moment of the second text, and so many seconds.
fn reloaded_and(seconds: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(2 + seconds)
}

#[test]
fn what_a_reload_does_to_a_stream() {
    let check = |before: &str, after: &str, expect: Moment| {
        let mut course = Course::of(before);
        let stream = course.stream();
        course.reload(after);
        assert_eq!(stream.ends_at(), expect, "{before} → {after}");
        // What comes back stays.
        course.reload(before);
        assert_eq!(stream.ends_at(), Moment::NEVER, "{before} → {after} → {before}");
    };
    let drained = reloaded_and(300);
    let base = "routes: {a: :1, b: :2}";
    check(base, base, Moment::NEVER);
    // Other routes come and go.
    check(base, "routes: {a: :1, c: :3}", Moment::NEVER);
    // The route goes, with its upstream or without it.
    check(base, "routes: {b: :2}", drained);
    check(base, "routes: {b: :1}", drained);
    // Its policies change, and what is changed is not removed.
    check(base, "routes: {a: {to: :1, max_body: 1KB}, b: :2}", Moment::NEVER);
    // Another condition: another rule, of the same route.
    check(base, "routes: {a: [{when: {methods: GET}, to: :1}], b: :2}", Moment::NEVER);
    // Another target. The endpoint is still somebody's, or it is gone.
    check("routes: {a: :1, b: :1}", "routes: {a: :2, b: :1}", Moment::NEVER);
    check(base, "routes: {a: :3, b: :2}", drained);
    // A named upstream loses the endpoint, or another one.
    let named = "routes: {a: u}\nupstreams: {u: {endpoints: [:1, :2]}}";
    check(named, "routes: {a: u}\nupstreams: {u: {endpoints: [:2]}}", drained);
    check(named, "routes: {a: u}\nupstreams: {u: {endpoints: [:1]}}", Moment::NEVER);
    // Other bounds of the pool make another pool, and no end.
    check(named, "routes: {a: u}\nupstreams: {u: {endpoints: [:1, :2], pool: {idle: 1}}}", Moment::NEVER);
}

#[test]
fn a_stream_ends_as_its_own_rule_says() {
    let check = |on_remove: &str, after: &str, expect: Moment| {
        // The rule of `z` leads to the same endpoint and says something else.
        let before =
            format!("routes: {{a: {{to: :1, on_remove: {on_remove}}}, z: {{to: :1, on_remove: {{drain: 7s}}}}}}");
        let mut course = Course::of(&before);
        let stream = course.stream();
        course.reload(after);
        assert_eq!(stream.ends_at(), expect, "{on_remove} → {after}");
    };
    let both_gone = "routes: {b: :2}";
    check("keep", both_gone, Moment::NEVER);
    check("{drain: 10s}", both_gone, reloaded_and(10));
    check("{drain: 0s}", both_gone, reloaded_and(0));
    check("{drain: 10s}", "routes: {a: :9, z: :1}", Moment::NEVER);
    check("{drain: 10s}", "routes: {a: :9, z: :8}", reloaded_and(10));
}

#[test]
fn the_last_word_of_a_rule_counts() {
    let mut course = Course::of("routes: {a: {to: :1, on_remove: {drain: 10s}}}");
    let stream = course.stream();
    course.reload("routes: {a: {to: :1, on_remove: keep}}");
    course.reload("routes: {}");
    assert_eq!(stream.ends_at(), Moment::NEVER);
}

#[test]
fn a_route_that_goes_takes_the_rules_with_it_that_it_had_before() {
    let text = |route: &str| {
        format!("routes: {{{route}z: :9}}\nupstreams: {{u: {{endpoints: [:1]}}, v: {{endpoints: [:2]}}}}")
    };
    let to = |upstream: &str| text(&format!("a: {{to: {upstream}, on_remove: {{drain: 10s}}}}, "));
    let mut course = Course::of(&to("u"));
    let stream = course.stream();
    course.reload(&to("v"));
    assert_eq!(stream.ends_at(), Moment::NEVER, "a rule that is changed keeps its streams");
    course.reload(&text(""));
    assert_eq!(stream.ends_at(), reloaded_and(11));
    // A later reload does not put it off; the route that is back does.
    course.reload(&text("b: :8, "));
    assert_eq!(stream.ends_at(), reloaded_and(11));
    course.reload(&to("v"));
    assert_eq!(stream.ends_at(), Moment::NEVER);
}

#[test]
fn a_registered_route_that_goes_takes_the_rules_with_it_that_it_had_before() {
    let upstreams = "upstreams: {u: {endpoints: [:1]}, v: {endpoints: [:2]}}";
    let with =
        |to: &str| Config::from_text(&format!("routes: {{a: {{to: {to}, on_remove: {{drain: 10s}}}}}}\n{upstreams}"));
    let [first, second] = ["u", "v"].map(|to| with(to).unwrap());
    let (key, _) = first.routes.iter().next().unwrap();
    let mut course = Course::of(&format!("routes: {{}}\n{upstreams}"));
    course.change(|compiler| compiler.put(key, &first.routes[key], &Default::default()).unwrap());
    let stream = course.stream();
    course.change(|compiler| compiler.put(key, &second.routes[key], &Default::default()).unwrap());
    assert_eq!(stream.ends_at(), Moment::NEVER);
    course.change(|compiler| assert!(compiler.remove(key)));
    assert_eq!(stream.ends_at(), reloaded_and(12));
    course.change(|compiler| compiler.put(key, &second.routes[key], &Default::default()).unwrap());
    assert_eq!(stream.ends_at(), Moment::NEVER);
}

#[test]
fn an_endpoint_with_other_bounds_is_still_removed() {
    let mut course = Course::of("routes: {a: u}\nupstreams: {u: {endpoints: [:1, :2]}}");
    let stream = course.stream();
    course.reload("routes: {a: u}\nupstreams: {u: {endpoints: [:1, :2], pool: {idle: 1}}}");
    assert!(!Arc::ptr_eq(&stream.endpoint, &course.generation().endpoints[0]));
    course.reload("routes: {a: u}\nupstreams: {u: {endpoints: [:2], pool: {idle: 1}}}");
    assert_eq!(stream.ends_at(), reloaded_and(301));
}

#[test]
fn live_things_are_carried_over_by_identity() {
    let mut course = Course::of("routes: {a: :1, b: :2}");
    let (rule, upstream, endpoint) = {
        let generation = course.generation();
        (generation.rules[1].clone(), generation.upstreams[1].clone(), generation.endpoints[1].clone())
    };
    // Another place in every list.
    course.reload("routes: {b: {to: :2, max_body: 1KB}, c: :3}");
    let generation = course.generation();
    assert!(Arc::ptr_eq(&rule, &generation.rules[0]));
    assert!(Arc::ptr_eq(&upstream, &generation.upstreams[0]));
    assert!(Arc::ptr_eq(&endpoint, &generation.endpoints[0]));
    assert_eq!(generation.number, 2);
}

#[test]
fn other_bounds_keep_the_addresses_of_a_name() {
    let text = "routes: {a: u}\nupstreams: {u: {endpoints: [\"name.test:80\"]}}";
    let mut course = Course::of(text);
    let place = crate::live::Place::Ip("192.0.2.1:80".parse().unwrap());
    course.generation().endpoints[0].moved_to(Arc::new(vec![place.clone()]), 1, None);
    course.reload(&text.replace("]}", "], pool: {idle: 1}}"));
    assert_eq!(*course.generation().endpoints[0].places.load(), [place]);
}

#[test]
fn an_address_that_is_dropped_is_dropped_for_the_streams_of_before_too() {
    let text = "routes: {a: u}\nupstreams: {u: {endpoints: [\"name.test:80\"]}}";
    let mut course = Course::of(text);
    let [one, other]: [std::net::SocketAddr; 2] = ["192.0.2.1:80", "192.0.2.2:80"].map(|at| at.parse().unwrap());
    let at = |at| Arc::new(vec![crate::live::Place::Ip(at)]);
    course.generation().endpoints[0].moved_to(at(one), 1, None);
    let stream = course.stream();
    course.reload(&text.replace("]}", "], pool: {idle: 1}}"));
    assert!(course.generation().endpoints[0].moved_to(at(other), 1, Some(reloaded_and(0))));
    assert_eq!(stream.endpoint.places.dropped_at(&one), reloaded_and(0));
}

#[test]
fn places_of_pools_are_used_again_under_another_number() {
    let mut course = Course::of("routes: {a: :1}");
    let first = course.generation().endpoints[0].pool;
    for text in ["routes: {a: :2}", "routes: {a: :3}"] {
        course.reload(text);
    }
    let third = course.generation().endpoints[0].pool;
    assert_eq!(third.slot, first.slot);
    assert_ne!(third.serial, first.serial);
}

#[test]
fn a_place_that_a_stream_holds_is_not_given_away() {
    let mut course = Course::of("routes: {a: :1}");
    let stream = course.stream();
    for port in 2..20 {
        course.reload(&format!("routes: {{a: :{port}}}"));
        assert_ne!(course.generation().endpoints[0].pool.slot, stream.endpoint.pool.slot);
    }
}

#[test]
fn a_thousand_generations_leave_nothing_behind() {
    let mut course = Course::of("routes: {a: :1}");
    for turn in 0..1000 {
        let routes: Vec<String> =
            (0..10).map(|n| format!("r{}: :{}", turn * 10 + n, 1 + turn % 6000 * 10 + n)).collect();
        course.reload(&format!("routes: {{{}}}", routes.join(", ")));
    }
    let registry = &course.registry;
    assert!(registry.routes.len() <= 20, "{}", registry.routes.len());
    // Those in force, and those of the generation before, which was alive when the last one was made.
    assert!(registry.rules.len() <= 20, "{}", registry.rules.len());
    assert!(registry.upstreams.len() <= 20, "{}", registry.upstreams.len());
    assert!(registry.endpoints.len() <= 20, "{}", registry.endpoints.len());
    assert!(registry.next_slot <= 30, "{}", registry.next_slot);
}

#[test]
fn what_a_rule_counts_goes_on_when_its_target_changes() {
    let check = |before: &str, after: &str, goes_on: bool| {
        let mut course = Course::of(before);
        let limits = |course: &Course| {
            let policy = &course.generation().snapshot.rules()[0].policy;
            let rates = policy.iter().flat_map(|chain| chain.rates()).map(|rate| Arc::clone(&rate.identity));
            let places = policy.iter().flat_map(|chain| chain.concurrency()).map(|limit| Arc::clone(&limit.identity));
            rates.chain(places).collect::<Vec<_>>()
        };
        let (open, counted) = (course.stream().rule, limits(&course));
        course.reload(after);
        let now = &course.generation().rules[0];
        assert!(before == after || !Arc::ptr_eq(&open, now), "{before} → {after}");
        assert_eq!(Arc::ptr_eq(&open.keeps, &now.keeps), goes_on, "{before} → {after}");
        if goes_on {
            assert_eq!(limits(&course), counted, "{before} → {after}");
        }
        // Whatever is still open counts when the old one is back.
        course.reload(before);
        assert!(Arc::ptr_eq(&open.keeps, &course.generation().rules[0].keeps), "{before} → {after} → {before}");
    };
    check("routes: {a: :1}", "routes: {a: :1}", true);
    check("routes: {a: :1}", "routes: {a: :2}", true);
    check(
        "routes: {a: {to: :1, concurrency: {max: 5}, rate_limit: {rate: 1/s}}}",
        "routes: {a: {to: :2, concurrency: {max: 5}, rate_limit: {rate: 1/s}}}",
        true,
    );
    check("routes: {a: {to: :1, when: {methods: GET}}}", "routes: {a: {to: :2, when: {methods: GET}}}", true);
    check("routes: {a: :1}", "routes: {a: {to: :1, when: {methods: GET}}}", false);
    check("routes: {a: :1}", "routes: {b: :1}", false);
}
