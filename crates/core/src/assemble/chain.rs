//! Which policies apply, in which order: levels merged, stages checked, layers built.

use super::entry;
use super::{Build, BuildContext, Level, Merge, RegisteredPolicy, Registry};
use crate::config::{ConfigError, ObjectId, PolicyEntry, nearest};
use crate::protocol::{ArcLayer, Http, Protocol};

/// The policies of one level, in the order written.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The level.
    pub level: Level,
    /// The object that carries them.
    pub owner: &'a ObjectId,
    /// The policies.
    pub policies: &'a [PolicyEntry],
}

/// A policy in its place on the line.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The level it comes from.
    pub level: Level,
    /// The object that carries it.
    pub owner: &'a ObjectId,
    /// Its name, id and body.
    pub entry: &'a PolicyEntry,
    /// The level of the policy of the same name that replaces this one, if one does.
    pub replaced_by: Option<Level>,
    /// Whether it works on the typed protocol rather than on HTTP.
    pub typed: bool,
}

/// The layers of a stretch of the line, outermost first: HTTP ones, then typed ones.
#[derive(Debug)]
pub struct Chain<P: Protocol> {
    /// Around the decoding (or between the provider and the client).
    pub http: Vec<ArcLayer<Http>>,
    /// Inside it.
    pub typed: Vec<ArcLayer<P>>,
}

impl<P: Protocol> Chain<P> {
    /// Builds the layers of `scopes`, the outermost level first.
    ///
    /// # Errors
    ///
    /// As [`Placed::merge`], and when a policy cannot be built of its body.
    pub fn build(build: &dyn Build, scopes: &[Scope<'_>]) -> Result<Self, ConfigError> {
        let mut chain = Self {
            http: Vec::new(),
            typed: Vec::new(),
        };
        for placed in Placed::merge(build.registry(), P::NAME, scopes)? {
            if placed.replaced_by.is_some() {
                continue;
            }
            let Placed {
                owner,
                entry,
                typed,
                ..
            } = placed;
            let policy = known(build.registry(), entry)?;
            let cx = BuildContext::new(build, owner, entry.at.clone(), &[]);
            if typed {
                chain.typed.push(entry::layer::<P>(policy, entry, &cx)?);
            } else {
                chain.http.push(entry::layer::<Http>(policy, entry, &cx)?);
            }
        }
        Ok(chain)
    }

    /// Builds the typed layers of `scope`, around a service that makes no HTTP requests.
    ///
    /// # Errors
    ///
    /// As [`Chain::build`], and when a policy works on HTTP only.
    pub fn local(build: &dyn Build, scope: Scope<'_>) -> Result<Vec<ArcLayer<P>>, ConfigError> {
        let mut layers = Vec::new();
        for Placed { owner, entry, .. } in Placed::merge(build.registry(), P::NAME, &[scope])? {
            let cx = BuildContext::new(build, owner, entry.at.clone(), &[]);
            let policy = known(build.registry(), entry)?;
            if !policy.speaks(P::NAME) {
                let what = format!(
                    "policy `{}` works on HTTP requests to an upstream, and this backend makes none",
                    entry.name
                );
                return Err(ConfigError::new(&entry.at, what).on_key());
            }
            layers.push(entry::layer::<P>(policy, entry, &cx)?);
        }
        Ok(layers)
    }
}

impl<'a> Placed<'a> {
    /// Merges the policies of all levels, outermost level first, into wire order. A policy on a more
    /// specific level replaces those of the same name outside it, unless it accumulates; the replaced ones
    /// are listed too.
    ///
    /// # Errors
    ///
    /// When a policy is unknown, stands where it has no meaning, does not work on `protocol`, stands
    /// twice on one level under one id, or reads the typed call but stands before one that does not.
    pub fn merge(
        registry: &Registry,
        protocol: &str,
        scopes: &[Scope<'a>],
    ) -> Result<Vec<Self>, ConfigError> {
        let mut merged = Vec::new();
        for (depth, scope) in scopes.iter().enumerate() {
            let mut typed_before: Option<&PolicyEntry> = None;
            for (at, entry) in scope.policies.iter().enumerate() {
                let policy = known(registry, entry)?;
                check_place(policy, scope.level, entry)?;
                check_once(&scope.policies[..at], entry)?;
                let typed = !policy.speaks(Http::NAME) || entry::is_typed(policy, entry);
                check_stage(policy, protocol, entry, typed, typed_before)?;
                if typed {
                    typed_before = Some(entry);
                }
                let inner = &scopes[depth + 1..];
                let replaced_by = (policy.merge == Merge::Replace)
                    .then(|| {
                        inner
                            .iter()
                            .find(|s| s.policies.iter().any(|e| e.name == entry.name))
                    })
                    .flatten()
                    .map(|s| s.level);
                merged.push(Placed {
                    level: scope.level,
                    owner: scope.owner,
                    entry,
                    replaced_by,
                    typed,
                });
            }
        }
        merged.sort_by_key(|placed| placed.typed);
        Ok(merged)
    }
}

fn known<'r>(
    registry: &'r Registry,
    entry: &PolicyEntry,
) -> Result<&'r RegisteredPolicy, ConfigError> {
    registry.get_policy(&entry.name).ok_or_else(|| {
        let unknown =
            ConfigError::new(&entry.at, format!("unknown policy `{}`", entry.name)).on_key();
        match nearest(&entry.name, registry.policies().map(|(name, _)| name)) {
            Some(near) => unknown.hint(format!("did you mean `{near}`?")),
            None => unknown,
        }
    })
}

fn check_place(
    policy: &RegisteredPolicy,
    level: Level,
    entry: &PolicyEntry,
) -> Result<(), ConfigError> {
    if policy.levels.contains(&level) {
        return Ok(());
    }
    let belongs: Vec<_> = policy.levels.iter().map(|l| l.name()).collect();
    let what = format!(
        "policy `{}` has no meaning on a {}",
        entry.name,
        level.name()
    );
    Err(ConfigError::new(&entry.at, what)
        .on_key()
        .hint(format!("put it on a {}", belongs.join(" or a "))))
}

fn check_once(before: &[PolicyEntry], entry: &PolicyEntry) -> Result<(), ConfigError> {
    match before
        .iter()
        .find(|e| e.name == entry.name && e.id == entry.id)
    {
        None => Ok(()),
        Some(first) => Err(ConfigError::new(
            &entry.at,
            format!("policy `{}` stands twice on one level", entry.name),
        )
        .on_key()
        .other(first.at.clone())
        .hint("join the two, or give each an `id`")),
    }
}

fn check_stage(
    policy: &RegisteredPolicy,
    protocol: &str,
    entry: &PolicyEntry,
    typed: bool,
    typed_before: Option<&PolicyEntry>,
) -> Result<(), ConfigError> {
    if typed && !policy.speaks(protocol) {
        let what = format!("policy `{}` does not work on {protocol} calls", entry.name);
        return Err(ConfigError::new(&entry.at, what).on_key());
    }
    if typed && policy.speaks(Http::NAME) && protocol == Http::NAME {
        let what = format!(
            "`{}` asks about an LLM call here, and this leads to a backend that speaks http",
            entry.name
        );
        return Err(ConfigError::new(&entry.at, what).on_key());
    }
    match typed_before {
        Some(first) if !typed => Err(ConfigError::new(
            &entry.at,
            format!(
                "`{}` works before the call is read, yet stands after `{}`, which reads it",
                entry.name, first.name
            ),
        )
        .on_key()
        .other(first.at.clone())
        .hint(format!("move `{}` before `{}`", entry.name, first.name))),
        _ => Ok(()),
    }
}
