"""What the other scripts here know of the workspace: its packages, read from cargo metadata.

Run as `workspace.py WHAT`, it prints one line each for the shell:
  packages   every member's name
  features   "package feature" for every feature but `default`; a package that has
             any also gets a line "package -", which stands for none of them
  rest       members a bare `cargo test` leaves out, or tests with fewer than all features
  examples   members under examples/
  smoke      "package argument..." for each example that says how to run it to an end:
             `[package.metadata.ci] smoke = ["--version"]` in its manifest
"""

import json
import subprocess
import sys
from pathlib import Path


def metadata():
    """The members and the workspace they stand in, without their dependencies."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def folder(package, root):
    """Where a package stands: "crates/core", "examples/gateway", "benches"."""
    return Path(package["manifest_path"]).parent.relative_to(root).as_posix()


def under(package, root, top):
    """Whether a package stands in, or somewhere below, a folder of the root."""
    return folder(package, root).split("/")[0] == top


def features_alone(package):
    """The features worth a build of their own, "-" standing for none."""
    named = sorted(set(package["features"]) - {"default"})
    return ["-", *named] if named else []


def all_by_default(package):
    """Whether the default features turn on every other."""
    features, on, next_on = package["features"], set(), {"default"}
    while next_on:
        on |= next_on
        next_on = {part for name in next_on for part in features.get(name, [])} & set(features) - on
    return set(features) <= on


def main(what):
    workspace = metadata()
    packages = sorted(workspace["packages"], key=lambda p: p["name"])
    examples = [p for p in packages if under(p, workspace["workspace_root"], "examples")]
    if what == "packages":
        lines = [p["name"] for p in packages]
    elif what == "features":
        lines = [f"{p['name']} {f}" for p in packages for f in features_alone(p)]
    elif what == "rest":
        default = set(workspace["workspace_default_members"])
        lines = [p["name"] for p in packages if p["id"] not in default or not all_by_default(p)]
    elif what == "examples":
        lines = [p["name"] for p in examples]
    elif what == "smoke":
        asked = [(p["name"], ((p["metadata"] or {}).get("ci") or {}).get("smoke")) for p in examples]
        lines = [" ".join([name, *arguments]) for name, arguments in asked if arguments]
    else:
        sys.exit(__doc__)
    for line in lines:
        print(line)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
