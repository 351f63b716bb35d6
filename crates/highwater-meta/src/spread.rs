//! Which shards a new topic's partitions belong to.

use highwater_types::ShardId;

/// Shards for `count` new partitions. Each shard gets the same number but for one, and the shards
/// with the fewest partitions so far come first; so a topic's load is even over the shards, and so
/// is that of many small topics. `load` is the number of partitions of each shard.
pub fn spread(load: &[u32], count: usize) -> Vec<ShardId> {
    let mut order: Vec<(u32, u32)> = (0u32..).zip(load).map(|(shard, load)| (*load, shard)).collect();
    order.sort_unstable();
    order.iter().map(|(_, shard)| ShardId(*shard)).cycle().take(if load.is_empty() { 0 } else { count }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_emptiest_come_first() {
        assert_eq!(spread(&[3, 1, 2], 4), [ShardId(1), ShardId(2), ShardId(0), ShardId(1)]);
        assert_eq!(spread(&[], 4), []);
    }

    proptest! {
        #[test]
        fn even_over_one_topic_and_over_many(topics in prop::collection::vec(1usize..20, 1..100), shards in 1usize..12) {
            let mut load = vec![0u32; shards];
            for count in topics {
                let mut of_topic = vec![0u32; shards];
                for shard in spread(&load, count) {
                    of_topic[shard.0 as usize] += 1;
                }
                prop_assert!(of_topic.iter().max().zip(of_topic.iter().min()).is_some_and(|(a, b)| a - b <= 1));
                load.iter_mut().zip(of_topic).for_each(|(load, more)| *load += more);
                prop_assert!(load.iter().max().zip(load.iter().min()).is_some_and(|(a, b)| a - b <= 1));
            }
        }
    }
}
