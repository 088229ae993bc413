//! What tests set on an upstream, and what a request's own headers say instead.

use std::collections::HashMap;

use http::HeaderMap;

use crate::{
    dialect,
    script::{Behaviour, Fault, Script, UnknownFault},
    shape::shape,
};

/// Everything that may change while the upstream runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) script: Script,
    pub(crate) answers: dialect::Offer,
    turns: HashMap<String, usize>,
}

impl Settings {
    pub(crate) fn new() -> Self {
        let models = ["gpt-test", "gpt-test-mini", "claude-test", "embed-test"];
        Self {
            script: Script::new(),
            answers: dialect::Offer {
                key: None,
                models: models.map(str::to_owned).to_vec(),
                text: "Hello from the fake upstream, one word at a time.".to_owned(),
            },
            turns: HashMap::new(),
        }
    }

    /// How the request with these headers is answered.
    pub(crate) fn behaviour(&mut self, headers: &HeaderMap) -> Result<Behaviour, UnknownFault> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (fault, pace, name) = (header("x-fault"), header("x-pace"), header("x-shape"));
        if fault.or(pace).or(name).is_none() {
            return Ok(self.script.next());
        }
        let mut behaviour = Behaviour::default();
        if let Some(names) = fault {
            behaviour.fault = self.turn(names, header("x-fault-id"))?;
        }
        if let Some(names) = pace {
            behaviour.pacing = names.parse()?;
        }
        if let Some(name) = name {
            let shape = shape(name).ok_or_else(|| UnknownFault(name.to_owned()))?;
            behaviour.shape = Some(shape);
        }
        Ok(behaviour)
    }

    /// The host's text, or as many words as `x-words` says.
    pub(crate) fn answers(&self, headers: &HeaderMap) -> dialect::Offer {
        let mut answers = self.answers.clone();
        let words = headers
            .get("x-words")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(words) = words {
            let words: Vec<String> = (1..=words).map(|n: u32| format!("word{n}")).collect();
            answers.text = words.join(" ");
        }
        answers
    }

    /// Picks from a list of faults: the first, or the next for this id; `ok` behind the last.
    fn turn(&mut self, names: &str, id: Option<&str>) -> Result<Option<Fault>, UnknownFault> {
        let turn = match id {
            None => 0,
            Some(id) => {
                let turn = self.turns.entry(id.to_owned()).or_default();
                *turn += 1;
                *turn - 1
            }
        };
        match names.split(',').map(str::trim).nth(turn) {
            None | Some("ok") => Ok(None),
            Some(name) => name.parse().map(Some),
        }
    }
}
