//! Who should lead which shard: rendezvous hashing with a bound on the load.
//!
//! Every broker computes the same from the same list of live brokers; there is no controller. Each
//! pair of shard and broker has a score, a hash of the two. The pairs are gone through from the
//! highest score down; a shard goes to the first broker that still has room. Room is a quarter more
//! than the even share, which keeps the load flat and lets most shards have their favourite, so that
//! a broker that comes or goes moves little else (Mirrokni, Thorup, Zadimoghaddam: Consistent
//! Hashing with Bounded Loads).

use std::collections::BTreeMap;

use highwater_types::{NodeId, ShardId};

/// The preferred leader of each shard, by shard; empty if there are no brokers. Depends on the set
/// of brokers only, not on their order.
pub fn assign(shards: u32, brokers: &[NodeId]) -> Vec<NodeId> {
    let mut room: BTreeMap<NodeId, u32> = brokers.iter().map(|broker| (*broker, 0)).collect();
    let Ok(count @ 1..) = u32::try_from(room.len()) else {
        return Vec::new();
    };
    let capacity = capacity(shards, count);
    room.values_mut().for_each(|left| *left = capacity);

    let mut pairs: Vec<(u64, u32, NodeId)> =
        room.keys().flat_map(|broker| (0..shards).map(|shard| (score(shard, *broker), shard, *broker))).collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));

    let mut leaders: Vec<Option<NodeId>> = vec![None; shards as usize];
    for (_, shard, broker) in pairs {
        if let Some(leader @ None) = leaders.get_mut(shard as usize)
            && let Some(left @ 1..) = room.get_mut(&broker)
        {
            *left -= 1;
            *leader = Some(broker);
        }
    }
    // There is room for every shard, so none is left over.
    leaders.into_iter().flatten().collect()
}

/// The preferred leader of one shard; `None` if there are no brokers or no such shard. For many
/// shards use [`assign`]: this computes all of them.
pub fn preferred(shard: ShardId, shards: u32, brokers: &[NodeId]) -> Option<NodeId> {
    assign(shards, brokers).get(shard.0 as usize).copied()
}

/// Most shards of one broker: five quarters of the even share, rounded up.
fn capacity(shards: u32, brokers: u32) -> u32 {
    let most = (u64::from(shards) * 5).div_ceil(u64::from(brokers) * 4);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// Never change this: brokers of different releases must agree. (The finalizer of SplitMix64.)
fn score(shard: u32, broker: NodeId) -> u64 {
    let mix = |mut word: u64| {
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let of_broker = mix(u64::from(broker.0.cast_unsigned()).wrapping_add(0x9e37_79b9_7f4a_7c15));
    mix(of_broker.wrapping_add(u64::from(shard).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn load(leaders: &[NodeId]) -> BTreeMap<NodeId, u32> {
        let mut load = BTreeMap::new();
        leaders.iter().for_each(|leader| *load.entry(*leader).or_default() += 1);
        load
    }

    #[test]
    fn nobody_and_somebody() {
        assert!(assign(8, &[]).is_empty());
        assert!(assign(0, &[NodeId(1)]).is_empty());
        assert_eq!(assign(3, &[NodeId(5)]), vec![NodeId(5); 3]);
        assert_eq!(preferred(ShardId(3), 3, &[NodeId(5)]), None);
    }

    #[test]
    fn releases_agree() {
        let brokers: Vec<NodeId> = (0..4).map(NodeId).collect();
        let leaders: Vec<i32> = assign(16, &brokers).iter().map(|leader| leader.0).collect();
        assert_eq!(leaders, GOLDEN);
    }

    const GOLDEN: [i32; 16] = [2, 3, 1, 2, 3, 2, 1, 3, 3, 2, 3, 0, 1, 2, 1, 1];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_shard_has_a_leader_and_no_broker_too_many(
            shards in 0u32..300, nodes in prop::collection::btree_set(0i32..1_000, 1..20),
        ) {
            let brokers: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
            let leaders = assign(shards, &brokers);
            prop_assert_eq!(leaders.len(), shards as usize);
            let most = capacity(shards, brokers.len() as u32);
            prop_assert!(load(&leaders).values().all(|load| *load <= most));
            prop_assert!(u64::from(most) * 4 * brokers.len() as u64 <= u64::from(shards) * 5 + 4 * brokers.len() as u64);
            // The order of the list, and repetitions in it, do not matter.
            let twice: Vec<NodeId> = brokers.iter().rev().chain(&brokers).copied().collect();
            prop_assert_eq!(assign(shards, &twice), leaders);
        }

        #[test]
        fn little_moves_when_a_broker_goes_or_comes(
            shards in 32u32..300, nodes in prop::collection::btree_set(0i32..1_000, 3..16), pick in any::<prop::sample::Index>(),
        ) {
            let all: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
            let gone = all[pick.index(all.len())];
            let rest: Vec<NodeId> = all.iter().copied().filter(|broker| *broker != gone).collect();
            let (before, after) = (assign(shards, &all), assign(shards, &rest));
            let moved: BTreeSet<usize> = (0..before.len()).filter(|shard| before[*shard] != after[*shard]).collect();
            let had_to = before.iter().filter(|leader| **leader == gone).count();
            prop_assert!(before.iter().enumerate().all(|(shard, leader)| *leader != gone || moved.contains(&shard)));
            // Others move only where the bound pushes, or lets go: less than one more even share
            // and a tenth.
            let extra = moved.len() - had_to;
            let share = before.len().div_ceil(all.len());
            prop_assert!(extra <= share + before.len() / 10, "{extra} of {} moved needlessly", before.len());
        }
    }
}
