"""Tests of the scripts beside this file: each must see the fault it is there for.

Run as `python3 .ci/checks.py`; standard library only.
"""

import tempfile
import unittest
from pathlib import Path

import ceilings
import dependencies
import modules
import workspace


def crate(**files):
    """A source folder with the given files; `__` in a name is a folder."""
    source = Path(tempfile.mkdtemp())
    for name, text in files.items():
        file = source / (name.replace("__", "/") + ".rs")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return source


def edges(**files):
    """The edges of such a folder, without their places."""
    return {module: set(others) for module, others in modules.graph(crate(**files)).items()}


class Modules(unittest.TestCase):
    def test_a_plain_use_is_an_edge(self):
        self.assertEqual(edges(a="use crate::b::C;", b=""), {"a": {"b"}})

    def test_every_branch_of_a_use_tree_is_an_edge(self):
        found = edges(a="use crate::{b::{X, Y}, c, d::e::*};", b="", c="", d="")
        self.assertEqual(found, {"a": {"b", "c", "d"}})

    def test_a_path_in_an_expression_is_an_edge(self):
        self.assertEqual(edges(a="fn f<'a>() { crate::b::g('x') }", b=""), {"a": {"b"}})

    def test_super_leads_out_of_a_folder(self):
        found = edges(a__mod="", a__x="use super::y::Z; use super::super::b::C;", a__y="", b="")
        self.assertEqual(found, {"a": {"b"}})

    def test_super_in_an_inline_module_stays_in_the_file(self):
        self.assertEqual(edges(a="mod b { use super::c; } use super::d;", c="", d=""), {"a": {"d"}})

    def test_a_name_the_root_re_exports_counts_as_its_module(self):
        found = edges(lib="mod a; mod b; pub use b::{Thing, other::More};", a="use crate::More;", b="")
        self.assertEqual(found, {"a": {"b"}})

    def test_comments_and_strings_do_not_count(self):
        text = """// crate::b
        /* crate::b /* nested */ crate::b */ fn f() { ("crate::b \\" crate::b", r#"crate::b " "#) }"""
        self.assertEqual(edges(a=text, b=""), {})

    def test_what_is_only_for_tests_does_not_count(self):
        text = """#[cfg(test)] #[expect(x, reason = "y")] mod tests { use crate::b::C; }
        #[cfg(all(test, unix))] use crate::b::D;
        #[cfg(test)] mod cases;
        #[test] fn t(a: [u8; 2]) { crate::b::f(); }"""
        self.assertEqual(edges(a__mod=text, a__cases="use crate::b::C;", b=""), {})

    def test_code_after_a_test_item_counts(self):
        self.assertEqual(edges(a="#[cfg(test)] mod t; use crate::b::C;", b=""), {"a": {"b"}})

    def test_a_cycle_is_found_and_its_shortest_form_named(self):
        found = modules.graph(crate(a="use crate::b;", b="use crate::c;", c="use crate::a; use crate::b;"))
        self.assertEqual(sorted(modules.cycle(found)), ["b", "c"])

    def test_a_tree_has_no_cycle(self):
        found = modules.graph(crate(a="use crate::b; use crate::c;", b="use crate::c;", c=""))
        self.assertIsNone(modules.cycle(found))


class Dependencies(unittest.TestCase):
    OURS = {"portcullis", "portcullis-core", "portcullis-policies", "portcullis-providers", "portcullis-testkit"}

    def faults(self, name, dependency, kind=None, features=(), package_features=None):
        package = {
            "name": name,
            "dependencies": [{"name": dependency, "kind": kind, "features": list(features)}],
            "features": package_features or {},
        }
        return list(dependencies.faults(package, self.OURS))

    def test_arrows_point_down_only(self):
        self.assertFalse(self.faults("portcullis", "portcullis-policies"))
        self.assertFalse(self.faults("portcullis-policies", "portcullis-core"))
        self.assertTrue(self.faults("portcullis-core", "portcullis-policies"))
        self.assertTrue(self.faults("portcullis-policies", "portcullis"))

    def test_the_middle_row_never_names_itself(self):
        self.assertTrue(self.faults("portcullis-policies", "portcullis-providers"))
        self.assertTrue(self.faults("portcullis-policies", "portcullis-providers", kind="dev"))

    def test_testkit_is_for_tests_and_names_none_of_ours(self):
        self.assertFalse(self.faults("portcullis-core", "portcullis-testkit", kind="dev"))
        self.assertTrue(self.faults("portcullis", "portcullis-testkit"))
        self.assertTrue(self.faults("portcullis-testkit", "portcullis-core", kind="dev"))

    def test_sockets_belong_to_the_top_row(self):
        self.assertFalse(self.faults("portcullis", "hyper"))
        self.assertFalse(self.faults("portcullis-testkit", "hyper"))
        self.assertTrue(self.faults("portcullis-core", "hyper"))
        self.assertFalse(self.faults("portcullis-core", "hyper", kind="dev"))

    def test_tokio_is_fine_without_its_sockets(self):
        self.assertFalse(self.faults("portcullis-policies", "tokio", features=["time"]))
        self.assertTrue(self.faults("portcullis-policies", "tokio", features=["time", "net"]))
        self.assertTrue(self.faults("portcullis-policies", "tokio", package_features={"wire": ["tokio?/net"]}))


class Features(unittest.TestCase):
    def test_default_features_are_followed_to_their_end(self):
        whole = {"default": ["a"], "a": ["b", "dep:x"], "b": []}
        self.assertTrue(workspace.all_by_default({"features": whole}))
        self.assertTrue(workspace.all_by_default({"features": {}}))
        self.assertFalse(workspace.all_by_default({"features": whole | {"c": []}}))


class Ceilings(unittest.TestCase):
    def test_a_package_counts_once_however_often_it_is_listed(self):
        lines = "a v1.0.0 (/here)\nb v2.0.0\nb v2.0.0 (*)\nb v1.0.0\nc v1.0.0 (proc-macro)\n\n"
        self.assertEqual(len(ceilings.distinct(lines)), 4)


if __name__ == "__main__":
    unittest.main()
