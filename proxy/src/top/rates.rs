//! What happens per second: the difference of two pictures.

use std::collections::VecDeque;

use serde_json::Value;

/// Seconds that are remembered.
const KEPT: usize = 120;

/// Requests and failures per second, the latest last.
#[derive(Debug, Default)]
pub(super) struct Rates {
    before: Option<(u64, u64, u64)>,
    /// Requests per second.
    pub(super) requests: VecDeque<u64>,
    /// Tenths of a failure per second now.
    pub(super) failures: u64,
}

impl Rates {
    /// Takes in a picture. One of another process begins anew.
    pub(super) fn add(&mut self, picture: &Value) {
        let number = |pointer: &str| picture.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        let reasons = picture["reasons"].as_object().into_iter().flatten();
        let failed: u64 = reasons.filter_map(|(_, count)| count.as_u64()).sum();
        let now = (number("/clock_ms"), number("/totals/requests"), failed);
        if let Some(before) = self.before
            && now.0 > before.0
            && now.1 >= before.1
        {
            let per_second = |now: u64, then: u64, ms: u64| now.saturating_sub(then).saturating_mul(1000) / ms.max(1);
            let ms = now.0 - before.0;
            if self.requests.len() == KEPT {
                self.requests.pop_front();
            }
            self.requests.push_back(per_second(now.1, before.1, ms));
            self.failures = per_second(now.2.saturating_mul(10), before.2.saturating_mul(10), ms);
        }
        self.before = Some(now);
    }

    /// Requests per second now.
    pub(super) fn latest(&self) -> u64 {
        self.requests.back().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_are_differences_and_a_new_process_begins_anew() {
        let picture = |clock, requests, failed| json!({ "clock_ms": clock, "totals": { "requests": requests }, "reasons": { "no_route": failed } });
        let mut rates = Rates::default();
        rates.add(&picture(1000, 10, 0));
        assert_eq!(rates.latest(), 0);
        rates.add(&picture(3000, 30, 1));
        assert_eq!((rates.latest(), rates.failures), (10, 5));
        rates.add(&picture(100, 5, 0));
        rates.add(&picture(1100, 12, 0));
        assert_eq!((rates.latest(), rates.requests.len()), (7, 2));
    }
}
