//! An explanation in words.

use std::fmt::{self, Display, Formatter};

use super::{Applied, Call, Candidate, Choice, End, Explanation, OnListener, Sent, Step};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.listeners.is_empty() {
            return f.write_str("the configuration has no listener\n");
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{listener}")?;
        }
        Ok(())
    }
}

impl Display for OnListener {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "listener {} ({})", self.listener, self.address)?;
        writeln!(f, "  routes, in order of precedence:")?;
        if self.candidates.is_empty() {
            writeln!(f, "    none leads here")?;
        }
        lines(f, "    ", &self.candidates)?;
        if !self.policies.is_empty() {
            writeln!(f, "  policies of the call:")?;
            lines(f, "    ", &self.policies)?;
        }
        if let Some(call) = &self.call {
            writeln!(f, "  call: {call}")?;
        }
        for step in &self.backends {
            writeln!(f, "  {step}")?;
            if !step.policies.is_empty() {
                writeln!(f, "    policies of each attempt:")?;
                lines(f, "      ", &step.policies)?;
            }
        }
        writeln!(f, "  end: {}", self.end)
    }
}

fn lines<T: Display>(f: &mut Formatter<'_>, indent: &str, items: &[T]) -> fmt::Result {
    items
        .iter()
        .try_for_each(|item| writeln!(f, "{indent}{item}"))
}

impl Display for Candidate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = match &self.mismatch {
            None if self.taken => "TAKEN",
            None => "no: an earlier one matches",
            Some(lacking) => &format!("no: {lacking}"),
        };
        write!(
            f,
            "{} [{}]{}: {verdict}",
            self.route,
            self.asks,
            place(&self.place)
        )
    }
}

impl Display for Applied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(id) = &self.id {
            write!(f, " (id {id})")?;
        }
        if let Some(when) = &self.when {
            write!(f, " when `{when}`")?;
        }
        let (level, owner) = (self.level.name(), &self.owner);
        write!(f, " of {level} {owner}{}", place(&self.place))?;
        match self.replaced_by {
            Some(inner) => write!(f, ": replaced by that of the {}", inner.name()),
            None if self.typed => f.write_str(", on the decoded call"),
            None => Ok(()),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.operation.name(), self.dialect)?;
        match &self.model {
            Ok(model) if model.is_empty() => f.write_str(", naming no model"),
            Ok(model) => write!(f, ", model `{model}`"),
            Err(why) => write!(f, ", model unknown: {why}"),
        }?;
        f.write_str(if self.stream { ", streamed" } else { "" })
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (id, kind) = (&self.backend, &self.kind);
        write!(
            f,
            "backend {id} ({kind}){}{}",
            place(&self.place),
            self.choice
        )
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model { pattern, asked } if asked.is_empty() => {
                write!(f, ": by the pattern `{pattern}`")
            }
            Self::Model { pattern, asked } => {
                write!(f, ": by the pattern `{pattern}`, asked for `{asked}`")
            }
            Self::NoModel => f.write_str(": no pattern matches the model"),
            Self::EveryModel => f.write_str(": with the models of every backend it names"),
            Self::Open => f.write_str(": by the model, which is not known"),
            Self::Endpoint {
                provider,
                base_url,
                model,
                speaks,
                spoken,
            } => {
                write!(f, ": {provider} at {base_url}")?;
                if let Some(model) = model {
                    write!(f, ", always for `{model}`")?;
                }
                match spoken {
                    true => Ok(()),
                    false => write!(f, "; it speaks {} only", speaks.join(" and ")),
                }
            }
            Self::Groups { groups } => {
                let groups: Vec<_> = groups.iter().map(|group| group.join(" or ")).collect();
                write!(f, ": to {}", groups.join(", failing that "))
            }
            Self::Own => Ok(()),
        }
    }
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute => f.write_str("404 route_not_found: no route matches"),
            Self::NeedsBody => f.write_str("depends on the body, and none was given (--body)"),
            Self::Refused { code, message } => {
                let (status, name, remedy) = (code.status, code.name, code.remedy);
                write!(f, "{status} {name}: {message} ({remedy})")
            }
            Self::Answered(status) => {
                write!(f, "{} from the gateway itself", status.as_u16())
            }
            Self::Sent(sent) => {
                f.write_str("sent to the upstream as")?;
                sent.iter().try_for_each(|sent| write!(f, "\n    {sent}"))
            }
        }
    }
}

impl Display for Sent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)?;
        match &self.model {
            Some(model) => write!(f, ", model `{model}`"),
            None => Ok(()),
        }
    }
}

/// A place, where there is one: a configuration made by code has none.
fn place(place: &str) -> impl Display {
    fmt::from_fn(move |f| match place {
        "" => Ok(()),
        place => write!(f, ", at {place}"),
    })
}
