//! Before the request line: the documents of a realm joined into projects.

use std::collections::BTreeMap;

use portcullis_core::config::{
    Config, ConfigError, Kind, Loaded, Place, Pointer, Project, Refused, SourceMap, Unread,
};
use serde_json::{Map, Value};

use crate::source::document::{self, Document};

/// What several documents of one project may each have some of.
const LISTS: [&str; 3] = ["listeners", "routes", "backends"];

/// Reads texts, each with its file's name, or why there is none.
pub(crate) fn load(
    texts: impl IntoIterator<Item = (String, Result<String, ConfigError>)>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    let mut loaded = Loaded::default();
    let mut documents = Vec::new();
    for (name, text) in texts {
        let read = text.map_err(|error| Box::new((error, nothing_of(&name))));
        match read.and_then(|text| document::read(&name, &text, variables)) {
            Ok(document) => documents.push((name, document)),
            Err(failed) => loaded.unread.push(Unread::new(name, failed.0, failed.1)),
        }
    }
    loaded.projects = projects(documents);
    loaded
}

/// A map of a file whose text is not known.
fn nothing_of(name: &str) -> SourceMap {
    let mut map = SourceMap::new();
    let file = map.add_file(name, "");
    map.insert(
        Pointer::root(),
        Place {
            file,
            key: None,
            value: 0..0,
        },
    );
    map
}

/// Makes projects of documents, each with its file's name: those which name the same project, or none,
/// are joined in the order given, their lists one behind the other. Anything else only one may set.
fn projects(documents: Vec<(String, Document)>) -> Vec<Project> {
    let mut joined: BTreeMap<String, Joined> = BTreeMap::new();
    for (name, document) in documents {
        let project = document.value.get("project").and_then(Value::as_str);
        let project = project.unwrap_or(Config::DEFAULT_PROJECT).to_owned();
        match joined.get_mut(&project) {
            Some(joined) => joined.add(&name, document),
            None => {
                joined.insert(
                    project,
                    Joined {
                        document,
                        strays: Vec::new(),
                    },
                );
            }
        }
    }
    joined.into_values().map(Joined::finish).collect()
}

struct Joined {
    document: Document,
    /// What is wrong with the later documents, outside of their objects.
    strays: Vec<ConfigError>,
}

impl Joined {
    fn add(&mut self, name: &str, later: Document) {
        let Document { value, map, errors } = later;
        let (Value::Object(ours), Value::Object(mut theirs)) = (&mut self.document.value, value)
        else {
            let at = Pointer::root().key(&format!("@{name}"));
            self.strays
                .push(ConfigError::new(at, "a configuration is a mapping"));
            return;
        };
        let counts = LISTS.map(|list| append(ours, &mut theirs, list));
        let moved = |at: &Pointer| moved(at, name, &counts);
        self.strays.extend(twice(ours, &theirs, name));
        let (_, refused) = Config::decode(&Value::Object(theirs));
        let place = |mut error: ConfigError| {
            error.at = moved(&error.at);
            error
        };
        self.strays
            .extend(refused.into_iter().map(|one| place(one.error)));
        self.document.errors.extend(errors.into_iter().map(place));
        self.document.map.absorb(map, moved);
    }

    fn finish(self) -> Project {
        let Document { value, map, errors } = self.document;
        let (mut config, mut refused) = Config::decode(&value);
        for error in errors {
            match refused.iter_mut().find(|one| one.error.at == error.at) {
                // Refused for what it looks like unexpanded.
                Some(one) => one.error = error,
                None => withdraw(&mut config, &mut refused, error),
            }
        }
        for error in self.strays {
            let object = config.id(Kind::Project, &config.project);
            refused.push(Refused { object, error });
        }
        Project::new(config, refused, map).with_document(value)
    }
}

/// Moves a list's items behind ours, and says how many there were before.
fn append(ours: &mut Map<String, Value>, theirs: &mut Map<String, Value>, list: &str) -> usize {
    let before = ours.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    if let Some(Value::Array(items)) = theirs.get_mut(list) {
        let items = std::mem::take(items);
        // A list of ours that is none is refused when it is read, and what was to follow it with it.
        if let Value::Array(all) = ours.entry(list).or_insert_with(|| Value::Array(Vec::new())) {
            all.extend(items);
        }
    }
    before
}

/// Where something of a later document is in the joined one: objects behind those before them, the
/// rest under keys no document has, which name the file.
fn moved(at: &Pointer, name: &str, counts: &[usize; 3]) -> Pointer {
    let mut steps = at.steps();
    let first = steps.next().unwrap_or_default();
    let list = LISTS.iter().position(|list| *list == first);
    let mut rest = steps.peekable();
    let index = rest.peek().and_then(|step| step.parse::<usize>().ok());
    let start = match (list, index) {
        (Some(list), Some(index)) => {
            rest.next();
            Pointer::root().key(&first).index(index + counts[list])
        }
        _ => Pointer::root().key(&format!("{first}@{name}")),
    };
    rest.fold(start, |at, step| at.key(&step))
}

/// The settings of a whole project which a later document gives again.
fn twice(ours: &Map<String, Value>, theirs: &Map<String, Value>, name: &str) -> Vec<ConfigError> {
    let again = |key: &&str| ours.contains_key(*key) && theirs.contains_key(*key);
    let error = |key: &str| {
        let at = Pointer::root().key(&format!("{key}@{name}"));
        let what = format!("another file of the project sets `{key}`");
        ConfigError::new(at, what)
            .on_key()
            .other(Pointer::root().key(key))
    };
    ["admin", "accessLog", "shutdown"]
        .into_iter()
        .filter(again)
        .map(error)
        .collect()
}

/// Takes the object an error is in out of the configuration, unless it has been refused before.
fn withdraw(config: &mut Config, refused: &mut Vec<Refused>, error: ConfigError) {
    let object = object_of(&error.at).and_then(|(kind, at)| {
        let name = match kind {
            Kind::Listener => take(&mut config.listeners, |one| one.at == at).map(|one| one.name),
            Kind::Route => take(&mut config.routes, |one| one.at == at).map(|one| one.identity()),
            _ => take(&mut config.backends, |one| one.at == at).map(|one| one.name),
        };
        let before = refused
            .iter()
            .find(|one| object_of(&one.error.at) == Some((kind, at.clone())));
        name.map(|name| config.id(kind, &name))
            .or_else(|| before.map(|one| one.object.clone()))
    });
    let object = object.unwrap_or_else(|| config.id(Kind::Project, &config.project));
    refused.push(Refused { object, error });
}

fn take<T>(objects: &mut Vec<T>, is_it: impl FnMut(&T) -> bool) -> Option<T> {
    objects
        .iter()
        .position(is_it)
        .map(|index| objects.remove(index))
}

/// The object a place is in: its kind, and where it stands.
fn object_of(at: &Pointer) -> Option<(Kind, Pointer)> {
    let mut steps = at.steps();
    let (list, index) = (steps.next()?, steps.next()?);
    let kind = LISTS.iter().position(|known| *known == list)?;
    Some((
        [Kind::Listener, Kind::Route, Kind::Backend][kind],
        Pointer::root().key(&list).key(&index),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_all(files: &[(&str, &str)]) -> Loaded {
        let texts = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned())));
        load(texts, &|name| (name == "SET").then(|| "value".to_owned()))
    }

    fn refusals(project: &Project) -> Vec<String> {
        project
            .refused
            .iter()
            .map(|one| format!("{} {}", one.object, one.error))
            .collect()
    }

    #[test]
    fn files_of_one_project_are_one_behind_the_other() {
        let loaded = load_all(&[
            (
                "a.yaml",
                "schemaVersion: 1\nbackends:\n- {name: a, llm: {}}\n",
            ),
            (
                "b.yaml",
                "schemaVersion: 1\nproject: other\nbackends:\n- {name: a, llm: {}}\n",
            ),
            (
                "c.yaml",
                "schemaVersion: 1\nproject: default\nadmin: {}\nbackends:\n- {name: c, llm: {}}\n",
            ),
        ]);
        let [default, other] = loaded.projects.as_slice() else {
            panic!("not two projects")
        };
        assert_eq!((refusals(default), refusals(other)), (vec![], vec![]));
        let names: Vec<_> = default
            .config
            .backends
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["a", "c"]);
        let place = default
            .map
            .find(&default.config.backends[1].body_at(), true)
            .unwrap();
        assert_eq!((place.file, place.line_column()), ("c.yaml", (5, 13)));
    }

    #[test]
    fn what_two_files_of_a_project_both_claim_is_refused_naming_both() {
        let loaded = load_all(&[
            (
                "a.yaml",
                "schemaVersion: 1\nadmin: {}\nbackends:\n- {name: a, llm: {}}\n",
            ),
            (
                "b.yaml",
                "admin: {}\nbackends:\n- {name: a, llm: {}}\nroute: []\n",
            ),
        ]);
        assert_eq!(
            refusals(&loaded.projects[0]),
            [
                "default/backend/a /backends/1/name: the name `a` is taken, see /backends/0",
                "default/project/default /admin@b.yaml: another file of the project sets `admin`, see /admin",
                "default/project/default /@b.yaml: missing key `schemaVersion` (write `schemaVersion: 1`)",
                "default/project/default /route@b.yaml: unknown key `route` (did you mean `routes`?)",
            ]
        );
    }

    #[test]
    fn an_unset_variable_refuses_its_object_alone() {
        let loaded = load_all(&[(
            "a.yaml",
            "schemaVersion: 1\nlisteners:\n- {name: l, address: \"${NO}\"}\nbackends:\n- {name: a, llm: {k: \"${NO}\", l: \"${NO}\"}}\n- {name: b, llm: {k: \"${SET}\"}}\n",
        )]);
        let project = &loaded.projects[0];
        assert_eq!(
            refusals(project),
            [
                "default/listener/l /listeners/0/address: environment variable `NO` is not set",
                "default/backend/a /backends/0/llm/k: environment variable `NO` is not set",
                "default/backend/a /backends/0/llm/l: environment variable `NO` is not set",
            ]
        );
        assert_eq!(project.config.backends[0].body["k"], "value");
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_others() {
        let loaded = load_all(&[("a.yaml", "a: [\n"), ("b.yaml", "schemaVersion: 1\n")]);
        assert_eq!(loaded.projects.len(), 1);
        assert_eq!(loaded.unread[0].name, "a.yaml");
    }
}
