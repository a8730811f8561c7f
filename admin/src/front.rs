//! What the handlers of one worker share.

use didfarm_core::e164::Validation;
use didfarm_runtime::EngineHandle;

use crate::body::BodyBounds;
use crate::metrics::Meters;
use crate::request_id::RequestIds;

/// Made once per worker, so that no count of references is fought over by several threads.
pub(crate) struct Front {
    /// The one door to the engine.
    pub(crate) engine: EngineHandle,
    /// How closely a peer's number is looked at.
    pub(crate) validation: Validation,
    /// What a request's body may be.
    pub(crate) bounds: BodyBounds,
    /// The handles of this crate's metrics.
    pub(crate) meters: Meters,
    /// Where the ids of requests that bring none come from.
    pub(crate) request_ids: RequestIds,
}

impl Front {
    pub(crate) fn new(engine: EngineHandle, validation: Validation, bounds: BodyBounds) -> Front {
        Front {
            engine,
            validation,
            bounds,
            meters: Meters::register(),
            request_ids: RequestIds::new(),
        }
    }
}
