//! What a rule's `websocket:` asks of a tunnel by the clock: rates, age, silence, pings.
//!
//! A tunnel without such limits has none of this: no clock is read for it and no timer set.

use switchboard_core::config::websocket::{Both, OnRate, WebSocket};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::websocket::frame::{Bounds, Until};
use switchboard_core::websocket::rate::Meter;

use super::flow::Flow;
use super::goodbye::Goodbye;
use super::lane::Lane;
use crate::deadline::Deadlines;
use crate::error::Side;

/// What is kept for one tunnel.
#[derive(Debug)]
pub(super) struct Keep {
    limits: WebSocket,
    /// When it is too old.
    ends: Moment,
    /// When a frame of either side last came.
    active: Moment,
    /// When either side was last heard at all: the Pongs of our Pings too.
    heard: Moment,
    /// What had come by then, from the client and from the endpoint.
    moved: [u64; 2],
    /// The same without what was ours.
    traffic: u64,
    /// When our Pings went out, while an answer is waited for.
    pinged: Option<Moment>,
    /// From whom: the client, the endpoint.
    asked: [bool; 2],
    rates: [Rates; 2],
}

/// The rates of one direction.
#[derive(Debug)]
struct Rates {
    messages: Option<Meter>,
    bytes: Option<Meter>,
    /// How much of both has been counted.
    counted: (u64, u64),
    /// From when on more may be read.
    resumes: Moment,
}

/// What is held to no clock: the bounds of a scanner for what the client sends, and for what the server sends.
pub(super) fn bounds(limits: Option<&WebSocket>) -> [Bounds; 2] {
    let Some(limits) = limits else { return [Bounds::NONE; 2] };
    let of = |side: fn(&Both<u64>) -> Option<u64>| Bounds {
        max_frame: side(&limits.max_frame).unwrap_or(u64::MAX),
        max_message: side(&limits.max_message).unwrap_or(u64::MAX),
        strict: limits.strict,
        until: Until::Exhausted,
    };
    [of(|both| both.client), of(|both| both.server)]
}

impl Keep {
    /// What a tunnel that opens `now` needs; nothing where no limit is by the clock.
    pub(super) fn new(limits: Option<&WebSocket>, now: Moment, clock: &Deadlines) -> Option<Box<Self>> {
        let limits = limits?;
        let rates = |messages, bytes| Rates {
            messages: Option::map(messages, Meter::new),
            bytes: Option::map(bytes, Meter::new),
            counted: (0, 0),
            resumes: Moment::ZERO,
        };
        let keep = Self {
            limits: limits.clone(),
            // Up to a tenth earlier, so that tunnels that opened together don't end together.
            ends: limits.max_age.map_or(Moment::NEVER, |age| now + (age - age / 10 * u32::from(clock.chance()) / 256)),
            active: now,
            heard: now,
            moved: [0; 2],
            traffic: 0,
            pinged: None,
            asked: [false; 2],
            rates: [
                rates(limits.messages.client, limits.bytes.client),
                rates(limits.messages.server, limits.bytes.server),
            ],
        };
        let rated = keep.rates.iter().any(Rates::is_any);
        (rated || limits.max_age.is_some() || limits.idle.is_some() || limits.ping.is_some()).then(|| Box::new(keep))
    }

    /// Has the lanes tell of each read where there is a rate.
    pub(super) const fn attach(&self, up: &mut Lane, down: &mut Lane) {
        let [client, server] = &self.rates;
        if client.is_any() {
            up.meter();
        }
        if server.is_any() {
            down.meter();
        }
    }

    /// Counts what has come against the rates. Pauses the lanes that have used theirs up; tells who has to be closed.
    pub(super) fn count(&mut self, flows: [&Flow; 2], lanes: [&mut Lane; 2], clock: &Deadlines) -> Option<Goodbye> {
        let mut goodbye = None;
        let sides = [Side::Downstream, Side::Upstream];
        for (((rates, flow), lane), side) in self.rates.iter_mut().zip(flows).zip(lanes).zip(sides) {
            if !rates.is_any() || lane.is_sealed() {
                continue;
            }
            let now = clock.about_now();
            rates.count(lane.tally().messages(), flow.moved, now);
            let over = rates.resumes > now;
            if over && self.limits.on_rate == OnRate::Close {
                goodbye = Some(Goodbye { code: 1008, side, reason: Reason::RateLimited, since: now });
            } else {
                lane.pause(over);
            }
        }
        goodbye
    }

    /// Notes what has come since the last look.
    fn look(&mut self, flows: [&Flow; 2], lanes: [&Lane; 2], now: Moment) {
        let moved = flows.map(|flow| flow.moved);
        if moved == self.moved {
            return;
        }
        for ((asked, moved), before) in self.asked.iter_mut().zip(moved).zip(self.moved) {
            *asked &= moved == before;
        }
        // A Pong of ours alone is a sign of life, but none of traffic.
        let traffic = moved.iter().sum::<u64>() - lanes.iter().map(|lane| lane.swallowed()).sum::<u64>();
        if traffic != self.traffic {
            self.active = now;
        }
        (self.heard, self.moved, self.traffic) = (now, moved, traffic);
    }

    /// Waits no longer for the Pong of a side that is out of reach by now. What takes nothing is held to `timeouts.write`.
    fn let_off(&mut self, within_reach: [bool; 2]) {
        for (asked, within_reach) in self.asked.iter_mut().zip(within_reach) {
            *asked &= within_reach;
        }
        if self.asked == [false; 2] {
            self.pinged = None;
        }
    }

    /// Tells what is due now.
    pub(super) fn due(&mut self, flows: [&Flow; 2], lanes: [&Lane; 2], now: Moment) -> Due {
        self.look(flows, lanes, now);
        self.let_off(within_reach(flows, lanes));
        let end = |code, side, reason| Due::End(Goodbye { code, side, reason, since: now });
        if now >= self.ends {
            return end(1001, Side::Proxy, Reason::TunnelAge);
        }
        if self.limits.idle.is_some_and(|idle| now >= self.active + idle) {
            return end(1001, Side::Proxy, Reason::TunnelIdle);
        }
        match (self.limits.ping, self.pinged) {
            (Some(ping), Some(at)) if now >= at + ping => {
                let [client, _] = self.asked;
                end(1001, if client { Side::Downstream } else { Side::Upstream }, Reason::PeerDead)
            }
            (Some(ping), None) if now >= self.heard + ping => Due::Ping(within_reach(flows, lanes)),
            _ if self.rates.iter().any(|rates| rates.resumes > Moment::ZERO && rates.resumes <= now) => Due::Resume,
            _ => Due::Nothing,
        }
    }

    /// Notes that our Pings went out, to the client and to the endpoint.
    pub(super) const fn pinged(&mut self, asked: [bool; 2], now: Moment) {
        self.asked = asked;
        // Where neither could be asked, being out of reach or in the middle of a frame, it is tried again as late.
        self.heard = now;
        self.pinged = if asked[0] || asked[1] { Some(now) } else { None };
    }

    /// Lets those lanes read on whose rate allows it again.
    pub(super) fn resume(&mut self, lanes: [&mut Lane; 2], now: Moment) {
        for (rates, lane) in self.rates.iter_mut().zip(lanes) {
            if rates.resumes <= now {
                rates.resumes = Moment::ZERO;
                lane.pause(false);
            }
        }
    }

    /// The next moment at which something may be due.
    pub(super) fn next(&self) -> Moment {
        let idle = self.limits.idle.map_or(Moment::NEVER, |idle| self.active + idle);
        let ping = self.limits.ping.map_or(Moment::NEVER, |ping| self.pinged.unwrap_or(self.heard) + ping);
        let resumes = self.rates.iter().map(|rates| rates.resumes).filter(|at| *at > Moment::ZERO).min();
        self.ends.min(idle).min(ping).min(resumes.unwrap_or(Moment::NEVER))
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// The client and the endpoint are to be pinged, where this says so.
    Ping([bool; 2]),
    /// A lane may read on.
    Resume,
    /// The end.
    End(Goodbye),
}

/// Whether a Ping gets to the client at once and its Pong would be read, and the same of the endpoint: who is slow, or is
/// held to a rate, is not dead for that.
fn within_reach([up, down]: [&Flow; 2], [from_client, from_server]: [&Lane; 2]) -> [bool; 2] {
    [up.is_read(from_client) && down.is_free(), down.is_read(from_server) && up.is_free()]
}

impl Rates {
    const fn is_any(&self) -> bool {
        self.messages.is_some() || self.bytes.is_some()
    }

    fn count(&mut self, messages: u64, bytes: u64, now: Moment) {
        let (messages_before, bytes_before) = self.counted;
        self.counted = (messages, bytes);
        let by_messages = self.messages.as_mut().map(|meter| meter.count(messages - messages_before, now));
        let by_bytes = self.bytes.as_mut().map(|meter| meter.count(bytes - bytes_before, now));
        self.resumes = by_messages.max(by_bytes).unwrap_or(Moment::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};
    use switchboard_core::websocket::frame::Sender;

    /// A tunnel's flows and lanes, with a clock that stands still until it is told.
    struct Still {
        keep: Option<Box<Keep>>,
        flows: [Flow; 2],
        lanes: [Lane; 2],
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    impl Still {
        fn new(limits: Option<&WebSocket>) -> Self {
            let clock = Deadlines::new(Instant::now());
            Self {
                keep: Keep::new(limits, at(0), &clock),
                flows: [Flow::new(Vec::new()), Flow::new(Vec::new())],
                lanes: [Sender::Client, Sender::Server].map(|sender| Lane::new(sender, 0, Bounds::NONE, None)),
            }
        }

        fn due(&mut self, seconds: u64) -> Due {
            let ([up, down], [from_client, from_server]) = (&self.flows, &self.lanes);
            self.keep.as_mut().unwrap().due([up, down], [from_client, from_server], at(seconds))
        }
    }

    #[test]
    fn a_silent_tunnel_ends_after_idle_and_not_before() {
        let limits = WebSocket { idle: Some(Duration::from_secs(30)), ..WebSocket::default() };
        let mut tunnel = Still::new(Some(&limits));
        assert_eq!(tunnel.keep.as_ref().unwrap().next(), at(30));
        assert_eq!(tunnel.due(29), Due::Nothing);
        // Whoever speaks, it begins anew.
        for (side, seconds) in [(0, 29), (1, 58), (0, 87)] {
            tunnel.flows[side].moved += 10;
            assert_eq!(tunnel.due(seconds), Due::Nothing);
            assert_eq!(tunnel.due(seconds + 29), Due::Nothing);
        }
        let Due::End(goodbye) = tunnel.due(117) else { panic!("it goes on") };
        assert_eq!((goodbye.code, goodbye.reason, goodbye.side), (1001, Reason::TunnelIdle, Side::Proxy));
    }

    #[test]
    fn only_whom_a_ping_reaches_and_whose_pong_is_read_is_dead() {
        let limits = WebSocket { ping: Some(Duration::from_secs(2)), ..WebSocket::default() };
        let asked = |hinder: fn(&mut Still)| {
            let mut tunnel = Still::new(Some(&limits));
            assert_eq!(tunnel.due(2), Due::Ping([true; 2]));
            tunnel.keep.as_mut().unwrap().pinged([true, true], at(2));
            hinder(&mut tunnel);
            match tunnel.due(4) {
                Due::End(goodbye) => Some(goodbye.side),
                Due::Ping(_) => None,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(asked(|_| {}), Some(Side::Downstream));
        // The rate of the client is used up; the endpoint takes nothing, so the client is not read either; it has ended.
        assert_eq!(asked(|tunnel| tunnel.lanes[0].pause(true)), Some(Side::Upstream));
        assert_eq!(asked(|tunnel| tunnel.flows[0] = Flow::new(vec![1])), None);
        assert_eq!(asked(|tunnel| tunnel.flows[0].ended_at = Some(at(3))), None);
        assert_eq!(asked(|tunnel| tunnel.lanes.iter_mut().for_each(|lane| lane.pause(true))), None);
    }

    #[test]
    fn without_limits_no_hour_of_silence_means_anything() {
        // Nothing is kept, so there is no clock to run out and no timer to be set.
        assert!(Still::new(None).keep.is_none());
        assert!(Still::new(Some(&WebSocket::default())).keep.is_none());
        // Neither does a limit on something else end it.
        let limits = WebSocket { ping: Some(Duration::from_secs(30)), ..WebSocket::default() };
        let mut tunnel = Still::new(Some(&limits));
        for minute in 0..60 {
            assert_eq!(tunnel.due(60 * minute + 30), Due::Ping([true; 2]));
            tunnel.keep.as_mut().unwrap().pinged([true, true], at(60 * minute + 30));
            tunnel.flows.iter_mut().for_each(|flow| flow.moved += 10);
            assert_eq!(tunnel.due(60 * minute + 31), Due::Nothing);
        }
    }
}
