"""Counts the packages a user of ours compiles, and fails above the ceiling.

Also fails when a package we promise to do without is compiled at all. The lock file may name
one through a weak feature; what counts is the tree that cargo builds on this machine.
"""

import subprocess
import sys

BANNED = {"native-tls", "openssl", "openssl-sys", "option-ext", "ring"}

CEILINGS = [
    ("portcullis-core, no features", 50, ["-p", "portcullis-core", "--no-default-features"]),
    ("portcullis, default", 310, ["-p", "portcullis"]),
    ("everything", 520, ["--workspace", "--all-features"]),
]


# What the policies add to a service that has axum, tokio and tower already.
LAYERS_CEILING = 80
LAYERS = ["-p", "portcullis-policies"]
SERVICE = ["-p", "axum", "-p", "tokio", "-p", "tower"]


def packages(arguments, edges="normal,build"):
    """The distinct "name version" pairs of a tree, the roots included."""
    command = ["cargo", "tree", "--edges", edges, "--prefix", "none", *arguments]
    return distinct(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def distinct(tree):
    """The name and version that open each line of a tree, each pair once."""
    return {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}


def layers():
    """How many packages the policies add to a service."""
    return len(packages(LAYERS) - packages(SERVICE))


def tell(what, count, ceiling):
    """Prints a row; whether the count is within the ceiling."""
    print(f"{what:32} {count:4} of {ceiling}{'  OVER' if count > ceiling else ''}")
    return count <= ceiling


def main():
    failed = False
    for what, ceiling, arguments in CEILINGS:
        failed |= not tell(what, len(packages(arguments)), ceiling)
    failed |= not tell("layers over an axum service", layers(), LAYERS_CEILING)
    for name, version in sorted(packages(["--workspace", "--all-features"], "normal,build,dev")):
        if name in BANNED:
            failed = True
            print(f"{name} {version} is in the tree: `cargo tree -i {name}` says through whom")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
