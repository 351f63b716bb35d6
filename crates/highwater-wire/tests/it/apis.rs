//! Facts about the APIs and error codes as a whole.

use highwater_wire::{ApiKey, ErrorCode, VersionRange};

#[test]
fn the_apis_are_those_of_a_broker() {
    assert_eq!(ApiKey::ALL.len(), 77);
    for pair in ApiKey::ALL.windows(2) {
        assert!(pair[0].code() < pair[1].code());
    }
    for key in ApiKey::ALL {
        assert_eq!(ApiKey::from_code(key.code()), Some(*key));
        let (valid, served) = (key.valid_versions(), key.served_versions());
        assert_eq!(valid.max, served.max);
        assert!(valid.min == served.min || *key == ApiKey::Produce);
    }
    // Keys of the controller, of brokers among themselves, and of nobody.
    for code in [-1, 4, 5, 6, 7, 52, 56, 58, 59, 62, 63, 67, 70, 73, 82, 93, i16::MAX] {
        assert_eq!(ApiKey::try_from(code), Err(code));
    }
}

#[test]
fn produce_is_advertised_from_zero_and_served_from_three() {
    let key = ApiKey::Produce;
    assert_eq!(key.valid_versions(), VersionRange { min: 0, max: 13 });
    assert_eq!(key.served_versions(), VersionRange { min: 3, max: 13 });
}

#[test]
fn unstable_versions_are_not_served() {
    assert_eq!(ApiKey::InitProducerId.served_versions().max, 5);
}

#[test]
fn header_versions_follow_flexible_versions() {
    for (key, version, request, response) in [
        (ApiKey::Produce, 8, 1, 0),
        (ApiKey::Produce, 9, 2, 1),
        (ApiKey::ApiVersions, 2, 1, 0),
        (ApiKey::ApiVersions, 3, 2, 0),
        (ApiKey::ApiVersions, i16::MAX, 2, 0),
        (ApiKey::ApiVersions, -1, 1, 0),
        (ApiKey::SaslHandshake, 1, 1, 0),
    ] {
        assert_eq!(key.request_header_version(version), request, "{key} version {version}");
        assert_eq!(key.response_header_version(version), response, "{key} version {version}");
    }
}

#[test]
fn error_codes_have_numbers_and_names() {
    assert_eq!(ErrorCode::ALL.len(), 135);
    for error in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_code(error.code()), Some(*error));
    }
    assert_eq!(ErrorCode::default(), ErrorCode::None);
    assert_eq!(ErrorCode::UnknownServerError.code(), -1);
    assert_eq!(ErrorCode::NotLeaderOrFollower.name(), "NOT_LEADER_OR_FOLLOWER");
    assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
    assert!(!ErrorCode::TopicAuthorizationFailed.is_retriable());
}
