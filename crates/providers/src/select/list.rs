//! The models callers can name: the lists of all backends joined, under the names they have here.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use portcullis_core::error::Error;
use portcullis_core::llm::{LlmRequest, LlmResponse};

use super::service::{Models, Target};
use crate::dialect::{ModelEntry, render_model, render_models};
use crate::listing::{self, not_found};

impl Target {
    /// What callers name the backend's `model`, if this pattern gives it a name. A pattern with a star whose
    /// rewrite has none gives it any number of names, and so none worth listing.
    fn called(&self, model: &str) -> Option<String> {
        match &self.rewrite {
            Some(rewrite) if rewrite.has_star() => Some(self.pattern.fill(rewrite.matched(model)?)),
            Some(_) => None,
            None => self.pattern.matched(model).map(|_| model.to_owned()),
        }
    }

    fn has_names(&self) -> bool {
        self.rewrite.as_ref().is_none_or(|to| to.has_star())
    }

    /// The models of its backend under the names they have here, or why it does not list them.
    async fn listed(&self, request: &LlmRequest) -> Result<Vec<ModelEntry>, Error> {
        let asked = listing::ask(request, request.dialect.clone());
        let mut models = listing::read(self.service.send(asked).await?).await?;
        models.retain_mut(|entry| {
            let Some(name) = self.called(&entry.id) else {
                return false;
            };
            entry.id = name;
            true
        });
        Ok(models)
    }

    /// The same, or nothing from a backend that does not list its models, which is recorded.
    async fn listed_or_recorded(&self, request: &LlmRequest) -> Option<Vec<ModelEntry>> {
        let listed = self.listed(request).await;
        if let Err(e) = &listed {
            let loss = format!("the models of `{}` are not listed: {e}", self.pattern);
            request
                .context
                .record(|exchange| exchange.losses.push(loss.into()));
        }
        listed.ok()
    }

    async fn entries(&self, request: &LlmRequest) -> Vec<ModelEntry> {
        if !self.pattern.has_star() {
            return vec![ModelEntry::named(self.pattern.to_string())];
        }
        if !self.has_names() {
            return Vec::new();
        }
        self.listed_or_recorded(request).await.unwrap_or_default()
    }
}

impl Models {
    /// Answers which models there are. A backend that cannot list its own is left out, and that is recorded.
    pub(super) async fn answer_list(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let lists = join_all(self.targets.iter().map(|target| target.entries(&request))).await;
        let mut models = BTreeMap::new();
        for (target, list) in self.targets.iter().zip(lists) {
            // A name that a better pattern takes is not served by this target.
            let own = list
                .into_iter()
                .filter(|entry| self.serves(target, &entry.id));
            for entry in own {
                models.entry(entry.id.clone()).or_insert(entry);
            }
        }
        let models: Vec<_> = models.into_values().collect();
        let list = render_models(request.dialect.name(), &models);
        Ok(listing::reply(&request, list))
    }

    /// Answers what is known of one model: that it can be called, if its backend does not say.
    pub(super) async fn answer_get(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let name = &*request.model;
        let target = self.serving(name).ok_or_else(|| not_found(name))?;
        let asks = target.pattern.has_star() && target.has_names();
        let listed = if asks {
            target.listed_or_recorded(&request).await
        } else {
            None
        };
        let found = match listed {
            None => ModelEntry::named(name),
            Some(models) => models
                .into_iter()
                .find(|model| model.id == name)
                .ok_or_else(|| not_found(name))?,
        };
        let model = render_model(request.dialect.name(), &found);
        Ok(listing::reply(&request, model))
    }

    fn serves(&self, target: &Target, name: &str) -> bool {
        self.serving(name)
            .is_some_and(|serving| std::ptr::eq(serving, target))
    }
}
