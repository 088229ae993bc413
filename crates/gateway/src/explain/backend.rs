//! Backends of an explained call: from the route's own to the endpoint.

use portcullis_core::assemble::{Level, RegisteredBackend};
use portcullis_core::config::{Backend, BackendRef, ObjectId, Pointer, Route, decode};
use portcullis_core::llm::Operation;
use portcullis_providers::llm::{LlmConfig, ProviderConfig};
use portcullis_providers::select::ModelsConfig;
use portcullis_providers::vendor::Vendors;

use super::policies::Applied;
use super::{Call, Question, scope};

/// A backend a call goes through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The backend.
    pub backend: ObjectId,
    /// Its kind: `llm`, `models`, `echo`, or whatever is registered.
    pub kind: String,
    /// Where it stands: file, line and column, or a pointer where no text was kept.
    pub place: String,
    /// What it does with the call, as far as that is known of its kind.
    pub choice: Choice,
    /// The policies of every attempt on it, outermost first.
    pub policies: Vec<Applied>,
}

/// What a backend does with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// It hands the call on by the model's name.
    Model {
        /// The pattern that matched.
        pattern: String,
        /// The model the next backend is asked for.
        asked: String,
    },
    /// No pattern matches the model.
    NoModel,
    /// It answers with the models of every backend it names.
    EveryModel,
    /// Which backend it picks depends on a body that was not given, or could not be read.
    Open,
    /// It sends the call to a provider's endpoint.
    Endpoint {
        /// The vendor.
        provider: String,
        /// The base URL of its API.
        base_url: String,
        /// The model asked for, whatever the caller named.
        model: Option<String>,
        /// The dialects it speaks.
        speaks: Vec<&'static str>,
        /// Whether the call's is one of them.
        spoken: bool,
    },
    /// It sends the call to the fittest of several providers, the first group before the others.
    Groups {
        /// The names of the providers of each group.
        groups: Vec<Vec<String>>,
    },
    /// It ends there, or does what only a backend of that kind knows.
    Own,
}

impl Question<'_> {
    /// The backend a route leads to.
    pub(super) fn backend<'a>(
        &'a self,
        id: &ObjectId,
        route: &'a Route,
    ) -> Option<(ObjectId, &'a Backend)> {
        match &route.backend {
            BackendRef::Inline(backend) => {
                let kind = portcullis_core::config::Kind::Backend;
                let own = ObjectId::new(id.project.clone(), kind, backend.name.as_str());
                Some((own, backend))
            }
            BackendRef::Named { project, name } => match project {
                Some(project) => self.named(id, &format!("{project}/{name}")),
                None => self.named(id, name),
            },
        }
    }

    /// The backends from this one on.
    pub(super) fn backends(
        &self,
        id: &ObjectId,
        backend: &Backend,
        call: Option<&Call>,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let (mut id, mut backend) = (id.clone(), backend);
        let mut model = call.and_then(|call| call.model.clone().ok());
        // Backends in a circle are refused, but explained nonetheless.
        while steps.iter().all(|step| step.backend != id) {
            let (choice, next) = self.choice(&id, backend, call, model.as_deref());
            if let Choice::Model { asked, .. } = &choice {
                model = Some(asked.clone());
            }
            steps.push(Step {
                backend: id.clone(),
                kind: backend.kind.clone(),
                place: self.place(&id, &backend.at, false),
                policies: self.attempt_policies(&id, backend),
                choice,
            });
            match next {
                Some(next) => (id, backend) = next,
                None => break,
            }
        }
        steps
    }

    fn choice<'a>(
        &'a self,
        id: &ObjectId,
        backend: &Backend,
        call: Option<&Call>,
        model: Option<&str>,
    ) -> (Choice, Option<(ObjectId, &'a Backend)>) {
        match backend.kind.as_str() {
            "models" => self.by_model(id, backend, call, model),
            "llm" => (self.endpoint(backend, call).unwrap_or(Choice::Own), None),
            _ => (Choice::Own, None),
        }
    }

    fn by_model<'a>(
        &'a self,
        id: &ObjectId,
        backend: &Backend,
        call: Option<&Call>,
        model: Option<&str>,
    ) -> (Choice, Option<(ObjectId, &'a Backend)>) {
        let lists =
            |call: &Call| matches!(call.operation, Operation::ListModels | Operation::GetModel);
        if call.is_some_and(lists) {
            return (Choice::EveryModel, None);
        }
        let config: Option<ModelsConfig> = decode(&backend.body, &Pointer::root()).ok();
        let (Some(config), Some(model)) = (config, model) else {
            return (Choice::Open, None);
        };
        match config.pick(model) {
            None => (Choice::NoModel, None),
            Some((entry, asked)) => {
                let choice = Choice::Model {
                    pattern: entry.pattern.clone(),
                    asked,
                };
                (choice, self.named(id, &entry.backend))
            }
        }
    }

    fn endpoint(&self, backend: &Backend, call: Option<&Call>) -> Option<Choice> {
        let mut config: LlmConfig = decode(&backend.body, &Pointer::root()).ok()?;
        if !config.groups.is_empty() {
            let named = |provider: ProviderConfig| provider.name.unwrap_or(provider.provider);
            let groups = config.groups.into_iter().map(|group| {
                let names = group.providers.into_iter().map(named);
                names.collect()
            });
            return Some(Choice::Groups {
                groups: groups.collect(),
            });
        }
        let config = config.take_provider()?;
        let vendor = self.registry.slot::<Vendors>()?.get(&config.provider)?;
        let base_url = config.base_url.as_deref().or(vendor.base_url);
        Some(Choice::Endpoint {
            provider: config.provider.clone(),
            base_url: base_url.unwrap_or_default().to_owned(),
            model: config.model,
            speaks: vendor.dialects.to_vec(),
            spoken: call.is_none_or(|call| {
                call.operation == Operation::ListModels || vendor.dialects.contains(&call.dialect)
            }),
        })
    }

    /// The backend's policies, and those of its endpoint.
    fn attempt_policies(&self, id: &ObjectId, backend: &Backend) -> Vec<Applied> {
        let kind = self.registry.get_backend(&backend.kind);
        let protocol = kind.map_or("http", |kind: &RegisteredBackend| kind.protocol);
        let mut own = match backend.kind.as_str() {
            "llm" => decode::<LlmConfig>(&backend.body, &Pointer::root())
                .map(|config| config.policies)
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let list = backend.body_at().key("policies");
        for (index, entry) in own.iter_mut().enumerate() {
            entry.at = list.index(index).key(&entry.name);
        }
        let scopes = [
            scope(Level::Backend, id, &backend.policies),
            scope(Level::Endpoint, id, &own),
        ];
        self.policies(protocol, &scopes)
    }
}
