"""Drives the official SDKs through a gateway, and past it for comparison.

One line is printed per case; the exit code is 0 if all of them hold. What it calls is named by environment
variables: GATEWAY (a URL without `/v1`), OPENAI and ANTHROPIC (upstreams like those behind the gateway, called
directly). A word given as an argument picks the cases whose names contain it.
"""

import os
import sys
import time
import traceback

from cases import anthropic_messages, asynchronous, echo, errors, openai_chat, openai_responses, openai_rest, streams
from kit import CASES, Call, Sides


def main() -> int:
    _ = (anthropic_messages, asynchronous, echo, errors, openai_chat, openai_responses, openai_rest, streams)
    sides = Sides(os.environ["GATEWAY"], os.environ["OPENAI"], os.environ["ANTHROPIC"])
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = 0
    for name, case in CASES.items():
        if wanted not in name:
            continue
        begun = time.monotonic()
        try:
            case(Call(name, sides))
        except Exception:
            failed += 1
            print(f"FAILED {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"ok {name} ({time.monotonic() - begun:.2f} s)", flush=True)
    print(f"{failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
