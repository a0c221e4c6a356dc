//! Whether the planner's deadline has room for a step of its model, measured on this machine before anybody sits down.

use protocol::{Method, Protocol};
use timeline::{clock, s_from_ns};

use crate::error::SessionError;
use crate::experiment::Lowered;
use crate::steering::{self, Given};

/// Steps that are timed; the shortest counts, because another program can only make one longer.
const TIMED: usize = 5;

/// One step of the planner's model in s, where the protocol has a planner with a model. `given`: the files that it names.
///
/// # Errors
/// A deadline that is shorter; a model that fails.
pub fn admit(protocol: &Protocol, lowered: &Lowered, given: &Given) -> Result<Option<f64>, SessionError> {
    let (Some(plan), Some(canvas)) = (&protocol.planner, steering::canvas(protocol, lowered)) else {
        return Ok(None);
    };
    let has_model = plan.selective.is_some()
        || plan.hold.is_some()
        || matches!(plan.method, Method::Model | Method::OpenLoop);
    if !has_model {
        return Ok(None);
    }
    let mut eyes = steering::eyes(plan, given.model.clone(), &canvas, 0, false)?;
    let light = canvas.light(&vec![0.0; canvas.count()]);
    let mut step_s = f64::INFINITY;
    for _ in 0..TIMED {
        let begin_ns = clock::now_ns();
        eyes.slope(&light, |features| (0.0, vec![1.0; features.len()]))?;
        step_s = step_s.min(s_from_ns(clock::now_ns() - begin_ns));
    }
    if plan.deadline_s < step_s {
        return Err(SessionError::Deadline { deadline_s: plan.deadline_s, step_s });
    }
    Ok(Some(step_s))
}
