//! Before the request line: how configured objects are called.

use std::fmt;
use std::sync::Arc;

/// What sort of object a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A whole project, for what is wrong outside its objects.
    Project,
    /// A listener.
    Listener,
    /// A route.
    Route,
    /// A backend.
    Backend,
}

impl Kind {
    /// The word for it in identities and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Backend => "backend",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identity of a configured object, stable from one configuration to the next.
///
/// It displays as `team-a/route/web`. A clone counts two references.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The project it is in.
    pub project: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// Its name, unique within project and kind.
    pub name: Arc<str>,
}

impl ObjectId {
    /// Names an object.
    pub fn new(project: impl Into<Arc<str>>, kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self {
            project: project.into(),
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.project, self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_displays_project_kind_and_name() {
        assert_eq!(
            ObjectId::new("team-a", Kind::Route, "web").to_string(),
            "team-a/route/web"
        );
    }
}
