//! Policies under a condition: `when`, and the alternatives of `conditional`.

use std::any::Any;

use tower_layer::Layer;

use crate::context::{Context, Decision, HasContext, PolicyRecord};
use crate::error::{Error, codes};
use crate::expr::{Cel, Facts};
use crate::llm::LlmRequest;
use crate::protocol::{ArcLayer, ArcService, Protocol};

/// A layer with what must hold for it to apply; without a condition it always does.
pub(super) struct Alternative<P: Protocol> {
    pub(super) condition: Option<Cel>,
    pub(super) layer: ArcLayer<P>,
}

/// The first of the alternatives whose condition holds is around a call, or none. A condition that cannot be
/// evaluated refuses the call: the policy may be what guards it.
pub(super) fn choose<P: Protocol>(
    policy: &'static str,
    alternatives: Vec<Alternative<P>>,
) -> ArcLayer<P> {
    ArcLayer::from_fn(move |inner: ArcService<P>| {
        let choices: Vec<_> = alternatives
            .iter()
            .map(|a| (a.condition.clone(), a.layer.layer(inner.clone())))
            .collect();
        ArcService::from_fn(move |mut request: P::Request| {
            let context = request.context().clone();
            match chosen(&choices, &inner, &request, &context) {
                Ok(service) => service.send(request),
                Err(error) => {
                    let record = PolicyRecord::new(policy, Decision::Refused);
                    context.record(|exchange| exchange.policies.push(record));
                    Box::pin(std::future::ready(Err(error)))
                }
            }
        })
    })
}

fn chosen<'a, P: Protocol>(
    choices: &'a [(Option<Cel>, ArcService<P>)],
    otherwise: &'a ArcService<P>,
    request: &P::Request,
    context: &Context,
) -> Result<&'a ArcService<P>, Error> {
    let facts = facts(request, context);
    for (condition, service) in choices {
        let holds = match condition {
            Some(condition) => condition.test(&facts),
            None => Ok(true),
        };
        match holds {
            Ok(true) => return Ok(service),
            Ok(false) => {}
            Err(e) => {
                let code = &codes::CONDITION_FAILED;
                return Err(Error::new(code, code.about).because(e));
            }
        }
    }
    Ok(otherwise)
}

/// What is known of a request, whatever its protocol.
fn facts<'a>(request: &'a dyn Any, context: &'a Context) -> Facts<'a> {
    if let Some(call) = request.downcast_ref::<LlmRequest>() {
        return Facts::of_call(call);
    }
    match request.downcast_ref::<crate::Request>() {
        Some(request) => Facts::of_request(request, context),
        None => Facts::of_context(context),
    }
}
