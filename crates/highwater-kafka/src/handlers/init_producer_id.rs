//! InitProducerId (KIP-98): an id for an idempotent producer.
//!
//! A transactional id is refused at once with TRANSACTIONAL_ID_AUTHORIZATION_FAILED: the Java
//! client and librdkafka both take it as fatal and do not try again, as they do on most other codes
//! (see FindCoordinator, which such a client asks first). It stands until transactions exist.

use highwater_wire::ErrorCode;
use highwater_wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::call::Call;

/// Answers with a new id, epoch 0; also where the producer names one that it had (KIP-360), as
/// Kafka does for a producer without a transactional id.
pub async fn handle(call: &Call, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match request.transactional_id.as_deref() {
        None => {}
        Some("") => return failed(ErrorCode::InvalidRequest),
        Some(_) => return failed(ErrorCode::TransactionalIdAuthorizationFailed),
    }
    match call.broker.producer_ids.next().await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
        Err(error) => {
            tracing::warn!(%error, "no producer ids");
            // What Kafka answers while it waits for a block: producers try again.
            failed(ErrorCode::CoordinatorLoadInProgress)
        }
    }
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code: error.code(), producer_id: -1, producer_epoch: -1, ..Default::default() }
}
