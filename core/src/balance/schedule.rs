//! The order in which weighted endpoints take their turns: smooth, so that a heavy one does not get its turns in a row.
//!
//! Made once when a configuration is compiled; a turn is then an index.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Turns in a schedule at most. Weights whose sum is larger are scaled down; what they lose is below 1/4096 of a share.
const MOST: u64 = 65_536;

/// Makes the order in which members take turns, by place; each as often as its weight over their common divisor.
///
/// Member i is due at (k + ½)/weight for k = 0, 1, …: what has the same weight alternates, what has twice the weight
/// comes in between.
pub(super) fn schedule(members: &[(u32, u32)]) -> Box<[u32]> {
    let divisor = members.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
    let sum: u64 = members.iter().map(|(_, weight)| u64::from(weight / divisor)).sum();
    let turns_of = |weight: u32| match u64::from(weight / divisor) {
        turns if sum <= MOST => turns,
        turns => (turns * MOST / sum).max(1),
    };
    let members: Vec<(u32, u64)> = members.iter().map(|(place, weight)| (*place, turns_of(*weight))).collect();
    let total: u64 = members.iter().map(|(_, turns)| turns).sum();
    let due = |turn: u64, turns: u64| u128::from(2 * turn + 1) * (1 << 40) / u128::from(2 * turns);
    let mut heap: BinaryHeap<_> =
        members.iter().enumerate().map(|(at, (_, turns))| Reverse((due(0, *turns), at, 0))).collect();
    let mut order = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    while let Some(Reverse((_, at, turn))) = heap.pop() {
        let Some((place, turns)) = members.get(at) else { break };
        order.push(*place);
        if turn + 1 < *turns {
            heap.push(Reverse((due(turn + 1, *turns), at, turn + 1)));
        }
    }
    order.into_boxed_slice()
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_by_weight() {
        let check = |weights: &[u32], expect: &[u32]| {
            let members: Vec<(u32, u32)> = (0..).zip(weights.iter().copied()).collect();
            assert_eq!(&*schedule(&members), expect, "{weights:?}");
        };
        check(&[1, 1, 1], &[0, 1, 2]);
        check(&[5, 5], &[0, 1]);
        check(&[3, 1], &[0, 0, 1, 0]);
        check(&[5, 1, 1], &[0, 0, 0, 1, 2, 0, 0]);
        check(&[1], &[0]);
        check(&[], &[]);
    }

    #[test]
    fn large_weights_are_scaled_and_keep_their_shares() {
        let members: Vec<(u32, u32)> = (0..1000).map(|place| (place, 1 + place % 997)).collect();
        let order = schedule(&members);
        let sum: u64 = members.iter().map(|(_, weight)| u64::from(*weight)).sum();
        assert!(order.len() as u64 <= MOST + 1000);
        for (place, weight) in &members {
            let turns = order.iter().filter(|turn| *turn == place).count();
            let (got, wanted) = (turns as f64 / order.len() as f64, f64::from(*weight) / sum as f64);
            assert!((got - wanted).abs() < 0.001, "{place}: {got} for {wanted}");
        }
    }
}
