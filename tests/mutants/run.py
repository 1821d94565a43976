#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the checks of `confgen plugins check` by plugins that each have one fault.

    run.py [--plugin FILE.so] [--device DEVICE] CONFGEN INCLUDE_DIR TABLE [BUG...]

TABLE is KIND.txt beside KIND.c, a plugin that -DBUG=n gives a fault; BUG 0 is without one. A line of the
table is

    BUG  name of a check  [; options of `plugins check`]

and requires that the check fails in a plugin built with that BUG. In a row without a name (BUG 0) all checks
must pass. BUG... runs these rows alone. The compiler is $CC, else cc; $JOBS plugins (2) are checked at a
time. --plugin names a plugin that serves all rows and reads the number from $CONFGEN_MUTANT: a build of
CUDA for each takes too long. --device is where plugins are checked (cpu). Exit status: 0 all rows are as
the table says, 1 some are not, 2 usage, 77 DEVICE is missing.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

# Of a check and of a whole row, in seconds: a loaded machine with two cores
CHECK_LIMIT, ROW_LIMIT = 60, 300
# Exit statuses: of confgen where a device is missing, and of a skipped test
ENVIRONMENT, SKIPPED = 3, 77


def fail_usage(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def read_table(path):
    """Rows of a table: (bug, check, options)."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split('#')[0].strip()
        if not line:
            continue
        fields, _, options = line.partition(';')
        bug, _, check = fields.strip().partition(' ')
        check = check.strip()
        if not re.fullmatch('[0-9]+', bug) or (check and bug == '0'):
            fail_usage(f'{path}:{number}: wanted: BUG  name of a check (none for BUG 0)  [; options]')
        rows.append((bug, check, shlex.split(options)))
    return rows


def build(bug, source, include, folder):
    """Builds the plugin with one fault as an author would; returns its path."""
    plugin = pathlib.Path(folder) / f'{source.stem}_{bug}.so'
    subprocess.run(shlex.split(os.environ.get('CC', 'cc')) + [
        '-std=gnu11', '-O2', '-w', '-ffp-contract=off', '-fPIC', '-shared', '-fvisibility=hidden', f'-DBUG={bug}',
        f'-I{include}', str(source), '-o', str(plugin), '-lm'], check=True)
    return plugin


def run_row(row, args, folder):
    """Returns what is wrong with a row ('' if nothing is) and the seconds that its check took."""
    start = time.monotonic()
    fault = find_fault(row, args, folder)
    return fault, time.monotonic() - start


def find_fault(row, args, folder):
    bug, check, options = row
    try:
        plugin = args.plugin or build(bug, args.table.with_suffix('.c'), args.include, folder)
        command = [args.confgen, 'plugins', 'check', str(plugin), '--device', args.device,
                   '--time-limit', str(CHECK_LIMIT)]
        run = subprocess.run(command + (['--only', check] if check else []) + options, capture_output=True, text=True,
                             errors='replace', timeout=ROW_LIMIT, stdin=subprocess.DEVNULL,
                             env={**os.environ, 'CONFGEN_MUTANT': bug})
    except subprocess.TimeoutExpired:
        return f'no end after {ROW_LIMIT} s'
    except subprocess.CalledProcessError as e:
        return f'the compiler ended with status {e.returncode}'
    wanted = f'^{re.escape(check)} +FAILED ' if check else '^[a-z0-9: ,()-]+ +ok '
    if run.returncode == (1 if check else 0) and re.search(wanted, run.stdout, re.MULTILINE):
        return ''
    return (f'status {run.returncode}, wanted {"a FAILED line of: " + check if check else "all checks passed"}\n'
            + run.stdout + run.stderr)


def has_device(args):
    """Whether a plugin for args.device can be checked on this machine."""
    run = subprocess.run([args.confgen, 'plugins', 'check', args.plugin, '--device', args.device, '--only', 'invalid'],
                         capture_output=True, stdin=subprocess.DEVNULL, timeout=ROW_LIMIT,
                         env={**os.environ, 'CONFGEN_MUTANT': '0'})
    return run.returncode != ENVIRONMENT


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--plugin')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('confgen')
    parser.add_argument('include')
    parser.add_argument('table', type=pathlib.Path)
    parser.add_argument('bugs', nargs='*')
    args = parser.parse_args()
    rows = [row for row in read_table(args.table) if not args.bugs or row[0] in args.bugs]
    if not rows:
        fail_usage(f'{args.table}: no row of BUG {" ".join(args.bugs)}')
    if args.device != 'cpu' and not has_device(args):
        print(f'skipped: no device {args.device}, e.g. no GPU')
        return SKIPPED
    failures = 0
    with (tempfile.TemporaryDirectory() as folder,
          concurrent.futures.ThreadPoolExecutor(int(os.environ.get('JOBS', '2'))) as pool):
        results = pool.map(lambda row: run_row(row, args, folder), rows)
        for (bug, check, _), (fault, seconds) in zip(rows, results):
            failures += fault != ''
            if fault:
                print(f'FAILED: BUG {bug}: {fault}', flush=True)
            else:
                print(f'ok: BUG {bug}: {"FAILED in: " + check if check else "passes"} ({seconds:.1f} s)', flush=True)
    print(f'{len(rows)} plugins, {failures} failures')
    return failures > 0


if __name__ == '__main__':
    sys.exit(main())
