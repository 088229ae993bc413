//! Both ways: items of an output written, and the response around them.

use portcullis_core::context::Tokens;

use crate::dialect::openai::usage::{RESPONSES, write_usage};
use crate::translate::write::Object;
use crate::translate::{Asked, Losses, Reasoning, Signature, Stop, Text};

/// The members of thoughts. `id` is their own, or made up.
pub(super) fn reasoning(
    o: &mut Object<'_>,
    one: &Reasoning<'_>,
    id: Option<&Text<'_>>,
    status: Option<&str>,
) {
    o.str("type", "reasoning");
    o.maybe_text("id", id);
    o.array("summary", |a| {
        if !one.redacted {
            let nothing = Text::from("");
            a.object(|o| {
                o.str("type", "summary_text");
                o.text("text", one.text.as_ref().unwrap_or(&nothing));
            });
        }
    });
    if let Some(signature) = &one.signature {
        o.text("encrypted_content", &signature.written("openai"));
    }
    if let Some(status) = status {
        o.str("status", status);
    }
}

/// The members of an item with what a provider must be given back with the call before it.
pub(super) fn sealed(o: &mut Object<'_>, signature: &Signature<'_>, id: &str) {
    let one = Reasoning {
        redacted: true,
        signature: Some(signature.clone()),
        ..Reasoning::default()
    };
    reasoning(o, &one, Some(&id.into()), Some("completed"));
}

/// A response: what is known of it at one time.
pub(super) struct Response<'r> {
    pub(super) id: Option<&'r Text<'r>>,
    pub(super) model: Option<&'r Text<'r>>,
    pub(super) created: Option<u64>,
    /// The items, one after the other with commas between them.
    pub(super) output: &'r [u8],
    /// Why it ended, if it has.
    pub(super) stop: Option<Stop>,
    pub(super) usage: Option<Tokens>,
}

impl Response<'_> {
    /// Writes its members. What the request said is not repeated.
    pub(super) fn write(&self, o: &mut Object<'_>, asked: &Asked) {
        match self.id {
            Some(id) => o.text("id", id),
            None => o.str("id", &format!("resp_{}", asked.call)),
        }
        o.str("object", "response");
        o.u64("created_at", self.created.unwrap_or(asked.created));
        o.str("status", status(self.stop));
        o.bool("background", false);
        o.null("error");
        match self.stop.and_then(reason) {
            Some(reason) => o.object("incomplete_details", |o| o.str("reason", reason)),
            None => o.null("incomplete_details"),
        }
        o.null("instructions");
        o.null("max_output_tokens");
        match self.model {
            Some(model) => o.text("model", model),
            None => o.str("model", &asked.model),
        }
        let output = o.key("output");
        output.push(b'[');
        output.extend_from_slice(self.output);
        output.push(b']');
        o.bool("parallel_tool_calls", true);
        o.null("previous_response_id");
        o.object("reasoning", |o| {
            o.null("effort");
            o.null("summary");
        });
        o.bool("store", false);
        o.null("temperature");
        o.object("text", |o| o.object("format", |o| o.str("type", "text")));
        o.str("tool_choice", "auto");
        o.array("tools", |_| {});
        o.null("top_p");
        o.str("truncation", "disabled");
        match &self.usage {
            Some(usage) => o.object("usage", |o| write_usage(&RESPONSES, o, usage)),
            None => o.null("usage"),
        }
        o.null("user");
        o.object("metadata", |_| {});
    }
}

/// What a response is called that ended so, or has not.
pub(super) fn status(stop: Option<Stop>) -> &'static str {
    match stop {
        None => "in_progress",
        Some(stop) if reason(stop).is_some() => "incomplete",
        Some(_) => "completed",
    }
}

fn reason(stop: Stop) -> Option<&'static str> {
    match stop {
        Stop::Length | Stop::Window => Some("max_output_tokens"),
        Stop::Filter => Some("content_filter"),
        _ => None,
    }
}

/// Notes the reasons responses have no word for.
pub(super) fn note_stop(stop: Stop, refused: bool, losses: &mut Losses) {
    let why = match stop {
        Stop::Pause => "the provider paused, and responses have no word for it",
        Stop::Malformed => "the model wrote what its provider could not read",
        Stop::Refusal if !refused => "responses tell a refusal in words alone",
        Stop::Other => "responses have no word for why it ended",
        _ => return,
    };
    losses.add("status", why);
}
