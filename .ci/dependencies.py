"""Checks our packages' direct dependencies against the dependency rule of ARCHITECTURE.md.

  rows      top (the gateway) above middle above core; arrows point down, and two crates
            of the middle row never name each other, in tests neither
  testkit   depends on none of ours; only tests, examples and benches depend on it
  sockets   only the top row names a crate, or tokio's `net`, that opens one;
            testkit, examples and benches are exempt

A new crate under crates/ counts as middle row until it is given another here.
"""

import sys

from workspace import metadata, under

CORE = "portcullis-core"
TESTKIT = "portcullis-testkit"
TOP = {"portcullis"}

OPENS_SOCKETS = {
    "h2",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "mio",
    "redis",
    "reqwest",
    "socket2",
    "sqlx",
    "tokio-rustls",
    "tonic",
    "ureq",
}
TOKIO_NET = {"net", "full"}


def row(name):
    """Which row of the picture a package stands in."""
    if name == CORE:
        return "core"
    if name == TESTKIT:
        return "testkit"
    return "top" if name in TOP else "middle"


def may_name(name, dependency, kind):
    """Whether one of our packages may depend on another of ours."""
    if row(name) == "testkit":
        return False
    if dependency == TESTKIT:
        return kind == "dev"
    below = {"core": set(), "middle": {"core"}, "top": {"core", "middle"}}
    return row(dependency) in below[row(name)]


def socket_of(dependency):
    """What in a dependency opens sockets, or nothing."""
    if dependency["name"] in OPENS_SOCKETS:
        return dependency["name"]
    if dependency["name"] == "tokio":
        for feature in sorted(TOKIO_NET & set(dependency["features"])):
            return f"tokio/{feature}"
    return None


def faults(package, ours):
    """What is wrong with one package under crates/."""
    name = package["name"]
    for dependency in package["dependencies"]:
        kind = dependency["kind"] or "normal"
        other = dependency["name"]
        if other in ours and not may_name(name, other, kind):
            yield f"{name} ({row(name)}) may not depend on {other} ({row(other)}), kind {kind}"
        socket = socket_of(dependency)
        if socket and kind != "dev" and row(name) in ("core", "middle"):
            yield f"{name} may not open sockets, but depends on {socket}"
    if row(name) in ("core", "middle"):
        for feature, parts in package["features"].items():
            for part in sorted({f"tokio/{net}" for net in TOKIO_NET} & {p.replace("?", "") for p in parts}):
                yield f"{name} may not open sockets, but its feature {feature} turns on {part}"


def main():
    workspace = metadata()
    root = workspace["workspace_root"]
    ours = {p["name"] for p in workspace["packages"]}
    ruled = [p for p in workspace["packages"] if under(p, root, "crates")]
    found = [fault for package in ruled for fault in faults(package, ours)]
    for fault in found:
        print(fault)
    print(f"{len(ruled)} packages checked, {len(found)} faults")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
