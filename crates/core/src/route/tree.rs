//! Route stretch: exact paths and prefixes of all hosts, by segment.

use std::collections::HashMap;
use std::ops::Range;

use super::index::{Index, hash_segment};

/// A forest of path segments: a root for each host, below it the paths its routes name.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: Box<[Node]>,
    edges: Index,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    parent: u32,
    segment: Box<str>,
    is_leaf: bool,
    /// The routes for exactly this path.
    pub(super) exact: Range<u32>,
    /// The routes for this path and those below.
    pub(super) prefix: Range<u32>,
    /// The nearest node above that has routes for what is below it.
    pub(super) above: Option<u32>,
}

/// How far into the tree a path leads.
pub(super) struct Walk<'t> {
    pub(super) node: &'t Node,
    /// Whether the node is the path's end, not only on its way.
    pub(super) whole: bool,
}

impl Tree {
    pub(super) fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    /// Follows `path` down from `root` as far as there are nodes. A path that does not begin with
    /// a slash (`*`, or none for CONNECT) ends at the root.
    pub(super) fn walk(&self, root: u32, path: &str) -> Walk<'_> {
        let mut number = root;
        let mut node = self.node(root);
        let mut rest = path.as_bytes().strip_prefix(b"/");
        while let Some(path) = rest {
            if node.is_leaf {
                return Walk { node, whole: false };
            }
            let (end, hash) = hash_segment(number, path);
            let (segment, after) = path.split_at(end);
            let below = self.edges.find(hash, |below| {
                let below = self.node(below);
                below.parent == number && below.segment.as_bytes() == segment
            });
            let Some(below) = below else {
                return Walk { node, whole: false };
            };
            number = below;
            node = self.node(below);
            rest = after.strip_prefix(b"/");
        }
        Walk {
            node,
            whole: number != root,
        }
    }
}

/// Grows a [`Tree`].
#[derive(Default)]
pub(super) struct Planter {
    nodes: Vec<Node>,
    numbers: HashMap<(u32, Box<str>), u32>,
}

impl Planter {
    pub(super) fn root(&mut self) -> u32 {
        let number = self.next();
        self.push(number, "");
        number
    }

    /// The node at `path`, which is empty or begins with a slash.
    pub(super) fn at(&mut self, root: u32, path: &str) -> &mut Node {
        let segments = path.split('/').skip(1);
        let number = segments.fold(root, |parent, segment| self.below(parent, segment));
        &mut self.nodes[number as usize]
    }

    pub(super) fn finish(mut self) -> Tree {
        // Parents come before their children.
        for number in 0..self.nodes.len() {
            let parent = self.nodes[number].parent;
            if parent as usize != number {
                let parent_node = &mut self.nodes[parent as usize];
                parent_node.is_leaf = false;
                let above = if parent_node.prefix.is_empty() {
                    parent_node.above
                } else {
                    Some(parent)
                };
                self.nodes[number].above = above;
            }
        }
        let edges = self.numbers.iter().map(|((parent, segment), &number)| {
            (hash_segment(*parent, segment.as_bytes()).1, number)
        });
        let edges = Index::new(&edges.collect::<Vec<_>>());
        Tree {
            nodes: self.nodes.into(),
            edges,
        }
    }

    fn below(&mut self, parent: u32, segment: &str) -> u32 {
        let number = self.next();
        let found = *self
            .numbers
            .entry((parent, segment.into()))
            .or_insert(number);
        if found == number {
            self.push(parent, segment);
        }
        found
    }

    fn push(&mut self, parent: u32, segment: &str) {
        self.nodes.push(Node {
            parent,
            segment: segment.into(),
            is_leaf: true,
            exact: 0..0,
            prefix: 0..0,
            above: None,
        });
    }

    fn next(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("a table has fewer than 2^32 path segments")
    }
}
