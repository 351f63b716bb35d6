//! The list of handlers.
#![allow(clippy::unwrap_used, reason = "tests")]

use highwater_wire::ApiKey;

use super::{HANDLERS, find};

#[test]
fn the_list_is_sorted_and_serves_what_it_advertises() {
    assert!(HANDLERS.windows(2).all(|pair| pair[0].key < pair[1].key));
    for handler in &HANDLERS {
        assert_eq!(handler.advertised.max, handler.served.max);
        // Kafka's one lie.
        let least = if handler.key == ApiKey::Produce { 0 } else { handler.served.min };
        assert_eq!(handler.advertised.min, least, "{}", handler.key);
        assert_eq!(find(handler.key).unwrap().key, handler.key);
    }
    assert!(find(ApiKey::CreateAcls).is_none());
}
