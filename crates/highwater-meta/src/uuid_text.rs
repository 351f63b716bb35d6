//! Kafka's text form of a UUID: base64-url of its 16 bytes, 22 characters, no padding.

use highwater_env::Random;
use highwater_types::ids::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The 22 characters, as Kafka's tools print cluster ids and topic ids.
pub fn format(uuid: Uuid) -> String {
    let mut text = String::with_capacity(22);
    for group in uuid.as_bytes().chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// Reads what [`format`] wrote. `None` if it is not that.
pub fn parse(text: &str) -> Option<Uuid> {
    if text.len() != 22 {
        return None;
    }
    let mut bits = 0u128;
    for (index, character) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|c| *c == character)?;
        // 21 characters of 6 bits, then the last one's upper 2.
        if index == 21 {
            if value & 15 != 0 {
                return None;
            }
            bits = (bits << 2) | (value as u128 >> 4);
        } else {
            bits = (bits << 6) | value as u128;
        }
    }
    Some(Uuid::from_u128(bits))
}

/// A random UUID (RFC 9562 version 4) that is not reserved and whose text form does not begin with
/// '-', which command lines would take for an option (Kafka's `Uuid.randomUuid`).
pub fn random(random: &dyn Random) -> Uuid {
    loop {
        let bits = random.next_u128();
        let uuid = Uuid::from_u128((bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62));
        if !format(uuid).starts_with('-') {
            return uuid;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_kafka() {
        assert_eq!(format(Uuid::from_u128(0)), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(format(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(format(Uuid::from_u128(u128::MAX)), "_____________________w");
        assert_eq!(format(Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210)), "ASNFZ4mrze_-3LqYdlQyEA");
        for bad in
            ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAA=", "ÄAAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(bits in any::<u128>()) {
            prop_assert_eq!(parse(&format(Uuid::from_u128(bits))), Some(Uuid::from_u128(bits)));
        }
    }
}
