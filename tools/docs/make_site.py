#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the documentation as a site, in the folder OUT: the tree's Markdown, the options, the reference of the headers.

    make_site.py CONFGEN OUT

CONFGEN is the built program, whose table of options gives a page. Files and folders that pages link to are copied beside them. MkDocs
makes HTML, Doxygen the reference. Every link within the site must lead to a file, and its fragment to a name in it.

Exit status: 0 made, 1 a page or a link is wrong, 77 without MkDocs or Doxygen (Debian's packages mkdocs, doxygen).
"""
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?\)")
HEADERS = ROOT / "core/include/confgen"


def options_page(confgen):
    """The help of all commands, which the program prints of its table of options."""
    def text_of(command):
        return subprocess.run([confgen, *command.split(), "--help"], capture_output=True, text=True, check=True).stdout

    manual = subprocess.run([confgen, "docs", "man"], capture_output=True, text=True, check=True).stdout
    commands = [c.replace("\\", "").lower() for c in re.findall(r'^\.SH "CONFGEN (.*)"$', manual, re.M)]
    page = ["# Options of all commands", "`confgen COMMAND --help` prints these texts, and `man confgen` all of them."]
    for command in ["", *commands]:
        page += [f"## confgen {command}".rstrip(), "```text\n" + text_of(command) + "```"]
    return "\n\n".join(page) + "\n"


def stage(pages):
    """Copies the tree's Markdown, and what it links to, to the folder `pages`."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                            check=True).stdout.split("\n")
    for name in (n for n in listed if n.endswith(".md") and (ROOT / n).is_file()):
        source = ROOT / name

        def target(match, source=source):
            path = (source.parent / match[2]).resolve()
            fragment = match[3] or ""
            if path == HEADERS:
                to = "reference/index.html"
            elif (path / "README.md").is_file():
                to = str((path / "README.md").relative_to(ROOT))
            else:
                to = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else match[2]
                if path.is_dir():
                    shutil.copytree(path, pages / to, dirs_exist_ok=True)
                    files = sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file())
                    (pages / to / "index.md").write_text(f"# {to}\n\n" + "".join(f"- [{f}]({f})\n" for f in files))
                    to += "/index.md"
                elif path.is_file() and path.suffix != ".md":
                    (pages / to).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, pages / to)
            return match[1] + "../" * name.count("/") + to + fragment + ")"

        lines, fenced, loose = [""], False, False  # loose: an item has several paragraphs
        width = 0  # where the text of a list's item begins, in the tree's Markdown
        for line in source.read_text(encoding="utf-8").split("\n"):
            fenced ^= line.startswith("```")
            item = None if fenced else re.match(r"(\d+\.|[-*]) +", line)
            if item and lines[-1] and (loose or not width):
                lines.append("")
            elif width and line.startswith(" " * width):
                line = "    " + line[width:]  # MkDocs wants four spaces
            width = len(item[0]) if item else width if line.startswith(" ") or not line else 0
            loose = width > 0 and (loose or not line)
            if line.lstrip().startswith("|"):
                line = line.replace("\\|", "|")  # within code, where MkDocs needs no backslash
            lines.append(line if fenced or line.startswith("    " * (2 if width else 1)) else LINK.sub(target, line))
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text("\n".join(lines[1:]), encoding="utf-8")


class Links(HTMLParser):
    """The links and names of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.names |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links += [attrs[key] for key in ("href", "src") if attrs.get(key)]


def broken_links(site):
    pages = {path: Links(path) for path in site.rglob("*.html")}
    broken, n = [], 0
    for path, page in pages.items():
        for link in page.links:
            to, _, fragment = link.partition("#")
            if re.match(r"[a-z]+:|//", link):
                continue
            n += 1
            found = (path.parent / unquote(to.partition("?")[0])).resolve() if to else path
            if found.is_dir():
                found = found / "index.html"
            if not found.is_file():
                broken.append(f"{path.relative_to(site)}: {link}: no such file")
            elif fragment and found in pages and unquote(fragment) not in pages[found].names:
                broken.append(f"{path.relative_to(site)}: {link}: no such name")
    return n, broken


def main():
    confgen, site = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    for program in ("mkdocs", "doxygen"):
        if not shutil.which(program):
            print(f"skipped: no {program}; Debian has the package {program}")
            return 77
    with tempfile.TemporaryDirectory(prefix="confgen-site-") as folder:
        pages = Path(folder) / "pages"
        pages.mkdir()
        stage(pages)
        (pages / "options.md").write_text(options_page(confgen), encoding="utf-8")
        subprocess.run([ROOT / "tools/docs/make_reference.sh", pages], check=True)
        (Path(folder) / "mkdocs.yml").write_text((ROOT / "tools/docs/mkdocs.yml").read_text() + "docs_dir: pages\n")
        made = subprocess.run(["mkdocs", "build", "--quiet", "--clean", "--config-file", Path(folder) / "mkdocs.yml",
                               "--site-dir", site], capture_output=True, text=True)
    print(made.stdout + made.stderr, end="")
    if made.returncode:
        return 1
    (site / "404.html").unlink()  # a server's, with links from its root
    n, broken = broken_links(site)
    print("\n".join("FAILED: " + b for b in broken))
    print(f"{site}/index.html: {len(list(site.rglob('*.html')))} pages, {n} links within the site, {len(broken)} broken")
    return 1 if broken or made.stderr else 0


if __name__ == "__main__":
    sys.exit(main())
