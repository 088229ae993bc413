//! Before the request line: a document taken apart into objects, each refused on its own.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::model::check_name;
use crate::config::{
    Backend, BackendRef, Config, ConfigError, Kind, Listener, ObjectId, Pointer, Route, decode,
    nearest,
};

const KEYS: [&str; 9] = [
    "schemaVersion",
    "project",
    "listeners",
    "routes",
    "backends",
    "admin",
    "accessLog",
    "prices",
    "shutdown",
];

/// An object that is not in the configuration because it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which one; one without a readable name is called by its place.
    pub object: ObjectId,
    /// Why.
    pub error: ConfigError,
}

impl Config {
    /// Reads a document: the objects that can be read, and those that cannot, with the reason.
    ///
    /// An error outside of all objects refuses the project. Of two objects with one name the second is
    /// refused. Bodies of policies and backends are not looked into. Nothing but `schemaVersion` is required.
    #[must_use]
    pub fn decode(document: &Value) -> (Self, Vec<Refused>) {
        let mut reader = Reader {
            config: Self::new(Self::DEFAULT_PROJECT),
            refused: Vec::new(),
        };
        match document {
            Value::Object(keys) => reader.read(keys),
            _ => reader.refuse(ConfigError::new(
                Pointer::root(),
                "a configuration is a mapping",
            )),
        }
        (reader.config, reader.refused)
    }
}

struct Reader {
    config: Config,
    refused: Vec<Refused>,
}

impl Reader {
    const VERSION: u64 = Config::SCHEMA_VERSION as u64;

    fn read(&mut self, keys: &Map<String, Value>) {
        // First the project's name, which the identities of all that is refused need.
        if let Some(project) = self.one::<String>(keys, "project") {
            match check_name(&project) {
                Ok(()) => self.config.project = project,
                Err(what) => self.refuse(ConfigError::new(Pointer::root().key("project"), what)),
            }
        }
        self.version(keys);
        for key in keys.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.refuse(unknown(key));
        }
        self.config.admin = self.one(keys, "admin");
        self.config.access_log = self.one(keys, "accessLog");
        self.config.prices = self.one(keys, "prices");
        self.config.shutdown = self.one(keys, "shutdown");
        self.config.listeners = self.objects(keys, "listeners", Kind::Listener);
        self.config.routes = self.objects(keys, "routes", Kind::Route);
        self.config.backends = self.objects(keys, "backends", Kind::Backend);
    }

    fn version(&mut self, keys: &Map<String, Value>) {
        let at = Pointer::root().key("schemaVersion");
        let hint = format!("write `schemaVersion: {}`", Config::SCHEMA_VERSION);
        match keys.get("schemaVersion") {
            None => self.refuse(
                ConfigError::new(Pointer::root(), "missing key `schemaVersion`").hint(hint),
            ),
            Some(version) if version.as_u64() == Some(Self::VERSION) => {}
            Some(_) => self.refuse(ConfigError::new(at, "unknown schema version").hint(hint)),
        }
    }

    fn one<T: DeserializeOwned>(&mut self, keys: &Map<String, Value>, key: &str) -> Option<T> {
        let value = keys.get(key).filter(|value| !value.is_null())?;
        let read = decode(value, &Pointer::root().key(key));
        read.map_err(|error| self.refuse(error)).ok()
    }

    fn objects<T: Object>(&mut self, keys: &Map<String, Value>, key: &str, kind: Kind) -> Vec<T> {
        let at = Pointer::root().key(key);
        let items = match keys.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.refuse(ConfigError::new(at, "expected a list"));
                return Vec::new();
            }
        };
        let mut owners = HashMap::new();
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index);
            match read_object::<T>(item, &at, &mut owners) {
                Ok(object) => objects.push(object),
                Err(error) => {
                    let name = item
                        .get("name")
                        .and_then(Value::as_str)
                        .unwrap_or(at.as_str());
                    self.refused.push(Refused {
                        object: self.config.id(kind, name),
                        error,
                    });
                }
            }
        }
        objects
    }

    fn refuse(&mut self, error: ConfigError) {
        let object = self.config.id(Kind::Project, &self.config.project);
        self.refused.push(Refused { object, error });
    }
}

fn read_object<T: Object>(
    item: &Value,
    at: &Pointer,
    owners: &mut HashMap<String, Pointer>,
) -> Result<T, ConfigError> {
    let mut object: T = decode(item, at)?;
    object.settle(at)?;
    let identity = object.identity();
    if let Some(first) = owners.get(&identity) {
        let (at, word) = match item.get("name") {
            Some(_) => (at.key("name"), "name"),
            None => (at.clone(), "match"),
        };
        return Err(
            ConfigError::new(at, format!("the {word} `{identity}` is taken")).other(first.clone()),
        );
    }
    owners.insert(identity, at.clone());
    Ok(object)
}

fn unknown(key: &str) -> ConfigError {
    let error = ConfigError::new(Pointer::root().key(key), format!("unknown key `{key}`")).on_key();
    match nearest(key, KEYS) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error,
    }
}

/// What listeners, routes and backends have in common while they are read.
trait Object: DeserializeOwned {
    fn identity(&self) -> String;

    /// Checks the names in it, and notes its place.
    fn settle(&mut self, at: &Pointer) -> Result<(), ConfigError>;
}

impl Object for Listener {
    fn identity(&self) -> String {
        self.name.clone()
    }

    fn settle(&mut self, at: &Pointer) -> Result<(), ConfigError> {
        self.place(at);
        named(&self.name, at)
    }
}

impl Object for Route {
    fn identity(&self) -> String {
        Self::identity(self)
    }

    fn settle(&mut self, at: &Pointer) -> Result<(), ConfigError> {
        if let Some(name) = &self.name {
            named(name, at)?;
        }
        if let BackendRef::Inline(backend) = &self.backend
            && !backend.name.is_empty()
        {
            return Err(ConfigError::new(
                at.key("backend").key("name"),
                "a backend inside a route has no name",
            )
            .on_key()
            .hint("to name it, move it to `backends`"));
        }
        self.place(at);
        Ok(())
    }
}

impl Object for Backend {
    fn identity(&self) -> String {
        self.name.clone()
    }

    fn settle(&mut self, at: &Pointer) -> Result<(), ConfigError> {
        self.place(at);
        if self.name.is_empty() {
            return Err(ConfigError::new(at, "missing key `name`"));
        }
        named(&self.name, at)
    }
}

fn named(name: &str, at: &Pointer) -> Result<(), ConfigError> {
    check_name(name).map_err(|what| ConfigError::new(at.key("name"), what))
}

#[cfg(test)]
mod tests;
