"""Finds import cycles among the top-level modules of each crate under crates/.

A module refers to another by `crate::other`, or by as many `super::` as lead to the root; a name
that the root re-exports (`pub use error::Error`) counts as the module it comes from. Comments,
strings and what is compiled only for tests (`#[cfg(test)]`, `#[test]`) do not count, and neither
does the root itself: it may name every module. Paths in other spellings (a glob re-exported by
the root, a macro's expansion) are not followed.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from workspace import metadata, under

TOKEN = re.compile(
    r"""
    (?P<skip> //[^\n]* | \s+ )
  | (?P<comment> /\* )
  | (?P<raw> (?:b|c)?r(?P<hashes>\#*)" )
  | (?P<string> (?:b|c)?"(?:\\.|[^"\\])*" )
  | (?P<char> b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])' )
  | (?P<lifetime> '[A-Za-z_]\w* )
  | (?P<ident> (?:r\#)?[A-Za-z_]\w* )
  | (?P<path> :: )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
OPEN = {"{": "}", "(": ")", "[": "]"}


def tokens(text):
    """Identifiers and punctuation with their line, without comments, strings and lifetimes."""
    at, line, found = 0, 1, []
    while at < len(text):
        match = TOKEN.match(text, at)
        end = match.end()
        if match["comment"]:
            end = end_of_comment(text, at)
        elif match["raw"]:
            close = text.find('"' + match["hashes"], end)
            end = len(text) if close < 0 else close + 1 + len(match["hashes"])
        elif match["ident"] or match["path"] or match["other"]:
            found.append((match[0].removeprefix("r#"), line))
        line += text.count("\n", at, end)
        at = end
    return found


def end_of_comment(text, at):
    """The end of a block comment, which may hold others."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return at + mark.end()
    return len(text)


def closing(stream, at):
    """The index after the bracket that closes the one at `at`."""
    depth = 0
    for index in range(at, len(stream)):
        word = stream[index][0]
        if word in OPEN:
            depth += 1
        elif word in OPEN.values():
            depth -= 1
            if depth == 0:
                return index + 1
    return len(stream)


def end_of_item(stream, at):
    """The index after the item that starts at `at`, its further attributes included."""
    while at < len(stream):
        word = stream[at][0]
        if word == ";":
            return at + 1
        if word == "{":
            return closing(stream, at)
        at = closing(stream, at) if word in "([" else at + 1
    return at


def without_tests(stream):
    """The stream without test-only items, and the names of the files they keep out."""
    kept, files, at = [], set(), 0
    while at < len(stream):
        if stream[at][0] == "#" and at + 1 < len(stream) and stream[at + 1][0] == "[":
            after = closing(stream, at + 1)
            attribute = "".join(word for word, _ in stream[at + 2 : after - 1])
            if attribute == "test" or re.match(r"cfg\((all\()?test\b", attribute):
                end = end_of_item(stream, after)
                item = [word for word, _ in stream[after:end]]
                if item[-1:] == [";"] and "mod" in item:
                    files.add(item[item.index("mod") + 1])
                at = end
                continue
        kept.append(stream[at])
        at += 1
    return kept, files


def paths(stream, at):
    """Every path of the use tree or expression at `at`: `a::{b, c::d}` is a::b and a::c::d."""
    head = []
    while at < len(stream):
        word = stream[at][0]
        if word == "{":
            end, branch = closing(stream, at), at + 1
            while branch < end - 1:
                for tail in paths(stream, branch):
                    yield head + tail
                branch = next_branch(stream, branch, end - 1)
            return
        if not (word.isidentifier() or word == "*"):
            break
        head.append(word)
        if at + 1 >= len(stream) or stream[at + 1][0] != "::":
            break
        at += 2
    yield head


def next_branch(stream, at, end):
    """The index after the next comma of the same use tree."""
    while at < end and stream[at][0] != ",":
        at = closing(stream, at) if stream[at][0] == "{" else at + 1
    return at + 1


def references(stream, home):
    """Paths from the crate's root that a file names, with their lines; `home` is its module."""
    inline, depth, at = [], 0, 0
    while at < len(stream):
        word, line = stream[at]
        if word == "mod" and at + 2 < len(stream) and stream[at + 2][0] == "{":
            inline.append((depth, stream[at + 1][0]))
        depth += (word == "{") - (word == "}")
        if word == "}" and inline and inline[-1][0] == depth:
            inline.pop()
        starts = at == 0 or stream[at - 1][0] != "::"
        if starts and word in ("crate", "super", "self") and at + 1 < len(stream) and stream[at + 1][0] == "::":
            here = home + [name for _, name in inline]
            for path in paths(stream, at):
                absolute = resolved(path, here)
                if absolute:
                    yield absolute, line
        at += 1


def resolved(path, here):
    """A path from the crate's root, or nothing when it is the root or leads out of the crate."""
    base = [] if path[0] == "crate" else list(here)
    rest = path[1:] if path[0] in ("crate", "self") else path
    while rest and rest[0] == "super":
        if not base:
            return None
        base, rest = base[:-1], rest[1:]
    return base + rest


def reexports(stream, modules):
    """Names that the root re-exports, and the module each comes from."""
    found = {}
    for at, (word, _) in enumerate(stream):
        if word != "use":
            continue
        end = end_of_item(stream, at)
        for path in paths(stream[:end], at + 1):
            plain = [part for part in path if part not in ("crate", "self")]
            if len(plain) > 1 and plain[0] in modules:
                found[plain[-1]] = plain[0]
    return found


def module_of(file, source):
    """A file's module path from the root: src/body/limit.rs is body, limit."""
    parts = list(file.relative_to(source).with_suffix("").parts)
    return parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts


def graph(source):
    """Which top-level module names which others, with the place of the first mention."""
    files = {}
    excluded = []
    for file in sorted(source.rglob("*.rs")):
        home = module_of(file, source)
        stream, tests = without_tests(tokens(file.read_text(encoding="utf-8")))
        files[file] = (home, stream)
        excluded += [home + [name] for name in tests]
    files = {
        file: (home, stream)
        for file, (home, stream) in files.items()
        if home[:1] != ["bin"] and not any(home[: len(out)] == out for out in excluded)
    }
    modules = {home[0] for home, _ in files.values() if home}
    roots = [stream for home, stream in files.values() if not home]
    names = {name: module for stream in roots for name, module in reexports(stream, modules).items()}
    edges = defaultdict(dict)
    for file, (home, stream) in files.items():
        if not home:
            continue
        for path, line in references(stream, home):
            other = path[0] if path[0] in modules else names.get(path[0])
            if other and other != home[0]:
                edges[home[0]].setdefault(other, f"{file}:{line}")
    return edges


def cycle(edges):
    """A shortest import cycle, as a list of modules, or nothing."""
    best = None
    for start in sorted(edges):
        trails, seen = [[start]], {start}
        while trails:
            trail = trails.pop(0)
            for other in sorted(edges.get(trail[-1], {})):
                if other == start and (best is None or len(trail) < len(best)):
                    best = trail
                if other not in seen:
                    seen.add(other)
                    trails.append(trail + [other])
    return best


def main():
    workspace = metadata()
    failed = False
    for package in sorted(workspace["packages"], key=lambda p: p["name"]):
        if not under(package, workspace["workspace_root"], "crates"):
            continue
        edges = graph(Path(package["manifest_path"]).parent / "src")
        found = cycle(edges)
        print(f"{package['name']:24} {sum(map(len, edges.values())):3} edges{', a CYCLE:' if found else ''}")
        for index, module in enumerate(found or []):
            other = found[(index + 1) % len(found)]
            print(f"  {module} names {other} at {edges[module][other]}")
        failed |= bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
