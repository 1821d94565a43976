#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the software bill of materials of a build, in SPDX 2.3 JSON.

    tools/make_sbom.py OUTPUT VERSION [--static NAME=VERSION=LICENCE]... FILE...

FILEs are the built programs, libraries and plugins. The bill names each with its checksums, the shared
libraries that it needs (readelf), those that these need in turn (ldd), and for each library the package
of the distribution, its version and its licence (dpkg-query and /usr/share/doc/PACKAGE/copyright).
--static names a library that is linked into the files. A licence without an SPDX identifier is quoted from
the copyright file. Where a fact cannot be found, for example without dpkg, the bill says NOASSERTION.

The same files give the same bytes: the time is SOURCE_DATE_EPOCH or that of the commit. Python 3 standard
library, binutils and libc-bin only.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# SPDX identifiers of Debian's short names of licences.
SPDX = {
    "apache-2.0": "Apache-2.0",
    "boost": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "bsl-1.0": "BSL-1.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause or gpl-2": "BSD-3-Clause OR GPL-2.0-only",
    "expat": "MIT",
    "mit": "MIT",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "x11": "X11",
    "zlib": "Zlib",
}
# Licences of source packages whose copyright file has no such name for the library itself.
KNOWN = {
    "boost1.74": "BSL-1.0",
    "boost1.83": "BSL-1.0",
    "brotli": "MIT",
    "bzip2": "bzip2-1.0.6",
    "cairo": "LGPL-2.1-only OR MPL-1.1",
    "expat": "MIT",
    "fontconfig": "HPND-sell-variant",
    "freetype": "FTL OR GPL-2.0-or-later",
    "gcc-12": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gcc-13": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "gcc-14": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "glibc": "LGPL-2.1-or-later",
    "jansson": "MIT",
    "libpng1.6": "libpng-2.0",
    "libzstd": "BSD-3-Clause OR GPL-2.0-only",
    "ocl-icd": "BSD-2-Clause",
    "onednn": "Apache-2.0",
    "pcre2": "BSD-3-Clause",
    "pixman": "MIT",
    "schroedinger-coordgenlibs": "BSD-3-Clause",
    "schroedinger-maeparser": "MIT",
    "utf8proc": "MIT",
    "xxhash": "BSD-2-Clause",
    "zlib": "Zlib",
}


def output_of(*command):
    """Standard output of a command, "" if it fails or does not exist."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              env=dict(os.environ, LC_ALL="C"))
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "replace")


def identifier(kind, name):
    return "SPDXRef-%s-%s" % (kind, re.sub(r"[^A-Za-z0-9.]", "-", name))


# ---- libraries and packages --------------------------------------------------------------------


def needed_by(path):
    """The names of the shared libraries that a file needs."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-dW", path))


def libraries_of(files):
    """The shared libraries of the files and of their libraries: name -> path, "" where none was found."""
    found = {}
    for path in files:
        for name, where in re.findall(r"^\t(\S+) => (/\S+|not found)", output_of("ldd", path), re.M):
            found[os.path.basename(name)] = "" if where == "not found" else os.path.realpath(where)
        for name in needed_by(path):
            found.setdefault(name, "")
    built = {os.path.basename(path) for path in files}
    return {name: path for name, path in found.items()
            if os.path.basename(path) not in built and not name.startswith("ld-linux")}


def owners_of(paths):
    """The Debian packages of files: path -> package."""
    ask = {}
    for path in paths:
        # the database may hold either name of a file where /lib is a link to /usr/lib
        for name in (path, path[4:] if path.startswith("/usr/") else "/usr" + path):
            ask[name] = path
    owners = {}
    for line in output_of("dpkg-query", "-S", *sorted(ask)).splitlines():
        package, _, name = line.rpartition(": ")
        if name in ask and not package.startswith("diversion"):
            owners[ask[name]] = package.split(",")[0]
    return owners


def licence_of(source, package, texts):
    """An SPDX expression, or NOASSERTION. A licence without an identifier gets its text in `texts`."""
    if source in KNOWN:
        return KNOWN[source]
    short = package.split(":")[0]
    try:
        with open("/usr/share/doc/%s/copyright" % short, encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError:
        return "NOASSERTION"
    for stanza in text.split("\n\n"):
        name = re.search(r"^License:[ \t]*(.*?)[ \t]*$", stanza, re.M)
        if re.search(r"^Files:\s*\*\s*$", stanza, re.M) and name and name.group(1).lower() in SPDX:
            return SPDX[name.group(1).lower()]
    reference = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]", "-", short)
    texts[reference] = text
    return reference


def packages_of(libraries, texts):
    """The packages of the bill, and name of a library -> identifier of its package."""
    owners = owners_of([path for path in libraries.values() if path])
    packages, package_of = {}, {}
    for name, path in sorted(libraries.items()):
        owner = owners.get(path)
        if owner:
            words = output_of("dpkg-query", "-W", "-f", "${Version}\t${source:Package}", owner).split("\t")
            version, source = words if len(words) == 2 else ("NOASSERTION", owner)
            short = owner.split(":")[0]
        else:
            short, version, source = name, "NOASSERTION", ""
        licence = licence_of(source, owner, texts) if owner else "NOASSERTION"
        ref = identifier("Package", short)
        package_of[name] = ref
        packages.setdefault(ref, {
            "name": short,
            "SPDXID": ref,
            "versionInfo": version,
            "supplier": "Organization: Debian" if owner and is_debian() else "NOASSERTION",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": licence,
            "licenseDeclared": licence,
            "copyrightText": "NOASSERTION",
            "comment": "source package %s; libraries:" % source if owner else "libraries:",
        })
        packages[ref]["comment"] += " " + name
    return packages, package_of


def is_debian():
    try:
        with open("/etc/os-release", encoding="utf-8") as f:
            return re.search(r"^ID=debian$", f.read(), re.M) is not None
    except OSError:
        return False


# ---- the bill ----------------------------------------------------------------------------------


def time_of_sources():
    text = os.environ.get("SOURCE_DATE_EPOCH") or output_of("git", "-C", ROOT, "log", "-1", "--format=%ct")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(text.strip() or 0)))


def checksums(path):
    with open(path, "rb") as f:
        data = f.read()
    return [{"algorithm": name.upper(), "checksumValue": hashlib.new(name, data).hexdigest()}
            for name in ("sha1", "sha256")]


def relation(left, kind, right):
    return {"spdxElementId": left, "relationshipType": kind, "relatedSpdxElement": right}


def bill(version, files, statics):
    texts = {}
    packages, package_of = packages_of(libraries_of(files), texts)
    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package-confgen")]
    listed = []
    direct = set()
    for path in sorted(files, key=os.path.basename):
        name = os.path.basename(path)
        ref = identifier("File", name)
        sums = checksums(path)
        listed.append({
            "fileName": "./" + name,
            "SPDXID": ref,
            "checksums": sums,
            "fileTypes": ["BINARY"],
            "licenseConcluded": "MIT",
            "licenseInfoInFiles": ["MIT"],
            "copyrightText": "NOASSERTION",
        })
        relations.append(relation("SPDXRef-Package-confgen", "CONTAINS", ref))
        for needed in sorted({package_of[n] for n in needed_by(path) if n in package_of}):
            relations.append(relation(ref, "DYNAMIC_LINK", needed))
            direct.add(needed)
    for ref in sorted(packages):
        relations.append(relation("SPDXRef-Package-confgen",
                                  "DEPENDS_ON" if ref in direct else "HAS_PREREQUISITE", ref))
    for name, its_version, licence in statics:
        ref = identifier("Package", name)
        packages[ref] = {
            "name": name,
            "SPDXID": ref,
            "versionInfo": its_version,
            "supplier": "NOASSERTION",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": licence,
            "licenseDeclared": licence,
            "copyrightText": "NOASSERTION",
        }
        relations.append(relation("SPDXRef-Package-confgen", "STATIC_LINK", ref))
    code = hashlib.sha1("".join(sorted(f["checksums"][0]["checksumValue"] for f in listed)).encode())
    packages["SPDXRef-Package-confgen"] = {
        "name": "confgen",
        "SPDXID": "SPDXRef-Package-confgen",
        "versionInfo": version,
        "supplier": "NOASSERTION",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": code.hexdigest()},
        "licenseConcluded": "MIT",
        "licenseDeclared": "MIT",
        "licenseInfoFromFiles": ["MIT"],
        "copyrightText": "NOASSERTION",
    }
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "confgen-" + version,
        "creationInfo": {"created": time_of_sources(), "creators": ["Tool: confgen-make_sbom"]},
        "packages": [packages[ref] for ref in sorted(packages)],
        "files": listed,
        "relationships": relations,
    }
    for _, _, licence in statics:
        if licence.startswith("LicenseRef-"):
            texts.setdefault(licence, "See the terms of the vendor.")
    if texts:
        document["hasExtractedLicensingInfos"] = [{"licenseId": r, "extractedText": texts[r]}
                                                  for r in sorted(texts)]
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    document["documentNamespace"] = "https://spdx.org/spdxdocs/confgen-%s-%s" % (version, digest[:32])
    return document


def main(arguments):
    files, statics = [], []
    rest = iter(arguments[2:])
    for word in rest:
        if word == "--static":
            statics.append(next(rest).split("="))
        else:
            files.append(word)
    if not files:
        sys.exit(__doc__)
    with open(arguments[0], "w", encoding="utf-8") as f:
        json.dump(bill(arguments[1], files, statics), f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
