//! Route stretch: the hosts of a table, found by name.

use std::ops::Range;

use super::host::{HostMatch, are_labels, bare, same};
use super::index::{Index, hash_host};

/// The routes of one host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// None for routes that are for every host.
    pub(super) name: Option<HostMatch>,
    /// Its root in the tree of paths.
    pub(super) root: u32,
    /// Its routes whose path is an expression.
    pub(super) regexes: Range<u32>,
    /// The next less specific host that all requests for this one also match.
    pub(super) wider: Option<u32>,
}

/// All hosts of a table.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    all: Box<[Host]>,
    exact: Index,
    wildcards: Index,
    /// The length of the longest name behind a `*.`; none without wildcards.
    longest_wildcard: Option<usize>,
    /// The entry without a name.
    any: Option<u32>,
}

impl Hosts {
    /// `all` has each name once.
    pub(super) fn new(all: Vec<Host>) -> Self {
        let names = || {
            (0..)
                .zip(&all)
                .filter_map(|(n, host)| Some((n, host.name.as_ref()?)))
        };
        let index = |wildcard| {
            let of_kind = names().filter(|(_, name)| name.is_wildcard() == wildcard);
            Index::new(&of_kind.map(|(n, name)| (hash(name), n)).collect::<Vec<_>>())
        };
        let wildcards = names().filter(|(_, name)| name.is_wildcard());
        let mut hosts = Self {
            exact: index(false),
            wildcards: index(true),
            longest_wildcard: wildcards.map(|(_, name)| name.name().len()).max(),
            any: (0..)
                .zip(&all)
                .find_map(|(n, host)| host.name.is_none().then_some(n)),
            all: all.into(),
        };
        for n in 0..hosts.all.len() {
            hosts.all[n].wider = match &hosts.all[n].name {
                Some(name) => hosts.wildcard(name.name()).or(hosts.any),
                None => None,
            };
        }
        hosts
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Host> {
        self.all.iter()
    }

    /// The hosts a request's host matches, the most specific first.
    pub(super) fn matching(&self, host: Option<&str>) -> impl Iterator<Item = &Host> {
        let first = host
            .and_then(bare)
            .and_then(|host| self.named(host))
            .or(self.any);
        let entry = |n: u32| &self.all[n as usize];
        std::iter::successors(first.map(entry), move |host| host.wider.map(entry))
    }

    fn named(&self, host: &str) -> Option<u32> {
        if self.all.len() == 1 && self.any.is_some() {
            return None;
        }
        let exact = self
            .exact
            .find(hash_host(host.as_bytes()), |n| self.is(n, host));
        exact.or_else(|| self.wildcard(host))
    }

    /// The wildcard with the longest name that `host` is below.
    fn wildcard(&self, host: &str) -> Option<u32> {
        let longest = self.longest_wildcard?;
        let mut below = host;
        loop {
            below = below.split_once('.')?.1;
            if below.len() > longest {
                continue;
            }
            let hash = hash_host(below.as_bytes());
            if let Some(n) = self.wildcards.find(hash, |n| self.is(n, below)) {
                let before = &host[..host.len() - below.len() - 1];
                // What is no label here is none before a shorter name either.
                return are_labels(before).then_some(n);
            }
        }
    }

    fn is(&self, n: u32, name: &str) -> bool {
        self.all[n as usize]
            .name
            .as_ref()
            .is_some_and(|host| same(host.name(), name))
    }
}

fn hash(name: &HostMatch) -> u32 {
    hash_host(name.name().as_bytes())
}
