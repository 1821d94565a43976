#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes data/tunings.json of remembered tunings (development only).

    tools/bench/ship_tunings.py tools/bench/h200/COMMIT/tunings.json... >data/tunings.json

Of tunings of one key the last one is kept.
Keys keep what a tuning depends on wherever confgen is installed: not the driver, the versions of confgen and of the
plugins, and the tokenizer.
"""
import json
import sys

DROPPED = ("confgen", "driver", "plugins", "tokenizer")


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    by_key = {}
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as f:
            tunings = json.load(f)
        for choice in tunings["choices"]:
            choice["key"] = {name: value for name, value in choice["key"].items() if name not in DROPPED}
            by_key[json.dumps(choice["key"])] = choice
    json.dump(dict(tunings, choices=list(by_key.values())), sys.stdout, indent=1)
    print()


main()
