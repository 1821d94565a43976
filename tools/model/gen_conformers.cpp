// SPDX-License-Identifier: MIT
// Writes conformer texts: lines "SMILES<TAB>enriched SMILES<TAB>deciding atoms". The conformers are
// ETKDGv3 embeddings minimised with MMFF94 (--smi), or given coordinates, minimised within
// restraints (--poses).
//
//   gen_conformers (--smi FILE | --poses FILE) --out FILE [--random FILE --orders N] [OPTION
//   VALUE]...
//
// --smi FILE       one SMILES a line; text after the first blank is ignored, except by --sdf
// --poses FILE     SMILES, tab, coordinates of its heavy atoms in ångström: "x,y,z" by blanks, in
// the order of the SMILES
// --out FILE       appended: the canonical text and its mirror image (the enantiomer's SMILES where
// there are labels)
// --random FILE    appended: the same conformers in --orders (2) randomised atom orders
// --autos N        canonical texts under N (0) further automorphisms: equal atoms exchanged
// --mirror 0|1     mirror images too (1)
// --confs K        conformers of a molecule and pass (2)
// --passes P       times through the file (1)
// --iters I        steps of MMFF94 (300); 0: none
// --restrain D     with --poses: heavy atoms move freely up to D ångström (0.2), against a spring
// beyond
// --assign3d P     share of the conformers whose stereo is labelled from the coordinates (0.5); the
// others keep the
//                  labels of their SMILES
// --tol T          force tolerance of the embedding (0.001)
// --seed S, --worker W --workers N   this process takes every N-th molecule from the W-th
// --first F --limit L --reverse 1    a part of the file, its order reversed
// --seconds T      stop after T seconds
// --sdf 1          writes an SD file of heavy atoms in the order of the canonical SMILES in place
// of texts; a second
//                  column of the input is the number of conformers
//
// Deciding atoms, counted from 0 along the SMILES, are those that fix the handedness of a labelled
// centre. Exit status 1: a file cannot be read or written, or an option is unknown. Molecules that
// fail are counted.
#include <GraphMol/RDKitBase.h>
#include <GraphMol/Chirality.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <GraphMol/FileParsers/MolSupplier.h>
#include <GraphMol/FileParsers/MolWriters.h>
#include <GraphMol/DistGeomHelpers/Embedder.h>
#include <ForceField/ForceField.h>
#include <ForceField/MMFF/PositionConstraint.h>
#include <GraphMol/ForceFieldHelpers/MMFF/MMFF.h>
#include <GraphMol/ForceFieldHelpers/UFF/UFF.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/Substruct/SubstructMatch.h>
#include <RDGeneral/RDLog.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>
using namespace RDKit;

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void put_coord(std::string &o, double v)
{
    long k = (long)std::trunc(v * 1000.0); // truncation toward zero, never "-0.000"
    char b[32];
    long a = k < 0 ? -k : k;
    snprintf(b, sizeof b, "%s%ld.%03ld", k < 0 ? "-" : "", a / 1000, a % 1000);
    o += b;
}

// Atom 0 at the origin, atom 1 on +x, first later non-collinear atom in the xy
// plane with y > 0; a proper rotation, so chirality is preserved.
static bool to_frame(std::vector<RDGeom::Point3D> &p)
{
    if (p.empty())
        return false;
    RDGeom::Point3D o = p[0];
    for (auto &q : p)
        q -= o;
    if (p.size() == 1)
        return true;
    if (p[1].length() < 1e-3)
        return false;
    RDGeom::Point3D ex = p[1];
    ex.normalize();
    RDGeom::Point3D ey(0, 0, 0);
    bool found = false;
    for (size_t i = 2; i < p.size(); i++) {
        RDGeom::Point3D r = p[i] - ex * p[i].dotProduct(ex);
        if (r.length() > 1e-2 * p[i].length() && r.length() > 1e-2) {
            r.normalize();
            ey = r;
            found = true;
            break;
        }
    }
    if (!found) {
        RDGeom::Point3D t =
            std::fabs(ex.z) < 0.9 ? RDGeom::Point3D(0, 0, 1) : RDGeom::Point3D(0, 1, 0);
        ey = t - ex * t.dotProduct(ex);
        ey.normalize();
    }
    RDGeom::Point3D ez = ex.crossProduct(ey);
    for (auto &q : p)
        q = RDGeom::Point3D(q.dotProduct(ex), q.dotProduct(ey), q.dotProduct(ez));
    return true;
}

// Copies the SMILES, wrapping every bare atom in brackets and adding <x,y,z>.
static bool enrich(const std::string &s, const std::vector<RDGeom::Point3D> &p, std::string &out)
{
    size_t at = 0, i = 0, n = s.size();
    out.clear();
    while (i < n) {
        char c = s[i];
        size_t len = 0;
        bool bracket = false;
        if (c == '[') {
            size_t e = s.find(']', i);
            if (e == std::string::npos)
                return false;
            len = e - i + 1;
            bracket = true;
        } else if (c == '%') {
            out.append(s, i, 3);
            i += 3;
            continue;
        } else if (c == 'C' && i + 1 < n && s[i + 1] == 'l') {
            len = 2;
        } else if (c == 'B' && i + 1 < n && s[i + 1] == 'r') {
            len = 2;
        } else if (isalpha((unsigned char)c)) {
            len = 1;
        } else {
            out += c;
            i++;
            continue;
        }
        if (at >= p.size())
            return false;
        if (!bracket)
            out += '[';
        out.append(s, i, len);
        if (!bracket)
            out += ']';
        out += '<';
        put_coord(out, p[at].x);
        out += ',';
        put_coord(out, p[at].y);
        out += ',';
        put_coord(out, p[at].z);
        out += '>';
        at++;
        i += len;
    }
    return at == p.size();
}

// One written order of a molecule: its SMILES and, for each atom of it in turn, the atom of the
// molecule.
struct Order {
    std::string smiles;
    std::vector<unsigned> atoms;
};

static bool canonical(const ROMol &m, Order &o)
{
    o.smiles = MolToSmiles(m);
    return m.getPropIfPresent(common_properties::_smilesAtomOutputOrder, o.atoms) &&
           o.atoms.size() == m.getNumAtoms();
}

// A random numbering, written without canonicalisation: random root and random choice of branches.
static bool randomised(const ROMol &m, std::mt19937_64 &rng, Order &o)
{
    std::vector<unsigned> perm(m.getNumAtoms());
    std::iota(perm.begin(), perm.end(), 0u);
    std::shuffle(perm.begin(), perm.end(), rng);
    std::unique_ptr<ROMol> r(MolOps::renumberAtoms(m, perm));
    std::vector<unsigned> out;
    o.smiles = MolToSmiles(*r, true, false, -1, false);
    if (!r->getPropIfPresent(common_properties::_smilesAtomOutputOrder, out) ||
        out.size() != perm.size())
        return false;
    o.atoms.clear();
    for (unsigned i : out)
        o.atoms.push_back(perm[i]);
    return true;
}

// Any four of a centre and its neighbours fix its handedness: the fourth that is written decides.
static std::string deciding(const ROMol &m, const Order &o)
{
    std::vector<unsigned> at(o.atoms.size());
    for (unsigned i = 0; i < o.atoms.size(); i++)
        at[o.atoms[i]] = i;
    std::vector<unsigned> res;
    for (auto a : m.atoms()) {
        auto t = a->getChiralTag();
        if (t != Atom::CHI_TETRAHEDRAL_CW && t != Atom::CHI_TETRAHEDRAL_CCW)
            continue;
        std::vector<unsigned> v { at[a->getIdx()] };
        for (auto n : m.atomNeighbors(a))
            v.push_back(at[n->getIdx()]);
        if (v.size() < 4)
            continue;
        std::sort(v.begin(), v.end());
        res.push_back(v[3]);
    }
    std::sort(res.begin(), res.end());
    res.erase(std::unique(res.begin(), res.end()), res.end());
    std::string s;
    for (unsigned i : res)
        s += (s.empty() ? "" : ",") + std::to_string(i);
    return s;
}

static bool write_line(FILE *f, const ROMol &m, const Order &o, bool mirror)
{
    const Conformer &c = m.getConformer();
    std::vector<RDGeom::Point3D> pts;
    std::string e;
    for (unsigned i : o.atoms) {
        RDGeom::Point3D q = c.getAtomPos(i);
        if (mirror)
            q.z = -q.z;
        pts.push_back(q);
    }
    if (!to_frame(pts))
        return false;
    for (auto &q : pts)
        if (!(std::fabs(q.x) < 99.9 && std::fabs(q.y) < 99.9 && std::fabs(q.z) < 99.9))
            return false;
    if (!enrich(o.smiles, pts, e))
        return false;
    fprintf(f, "%s\t%s\t%s\n", o.smiles.c_str(), e.c_str(), deciding(m, o).c_str());
    return true;
}

// The canonical text, the canonical text under AUTOS other automorphisms (equal atoms exchanged),
// and ORDERS randomised texts to RND. Returns how many lines were written.
static int write_all(FILE *out, FILE *rnd, const ROMol &m, bool mirror, int autos, int orders,
                     std::mt19937_64 &rng)
{
    Order o;
    int n = 0;
    if (!canonical(m, o))
        return 0;
    if (autos > 0) {
        SubstructMatchParameters sp;
        sp.useChirality = true;
        sp.uniquify = false;
        sp.maxMatches = 128;
        std::vector<MatchVectType> ms = SubstructMatch(m, m, sp);
        // every text under a random one, so that none is preferred
        std::shuffle(ms.begin(), ms.end(), rng);
        int k = std::min<int>(ms.size(), 1 + autos);
        for (int i = 0; i < k; i++) {
            Order p = o;
            std::vector<unsigned> to(o.atoms.size());
            for (auto &q : ms[i])
                to[q.first] = q.second;
            for (auto &q : p.atoms)
                q = to[q];
            n += write_line(out, m, p, mirror);
        }
        if (!k)
            n += write_line(out, m, o, mirror);
    } else {
        n += write_line(out, m, o, mirror);
    }
    for (int i = 0; rnd && i < orders; i++)
        if (randomised(m, rng, o))
            n += write_line(rnd, m, o, mirror);
    return n;
}

struct Options {
    std::map<std::string, std::string> given;
    double number(const char *name, double otherwise) const
    {
        auto it = given.find(name);
        return it == given.end() ? otherwise : atof(it->second.c_str());
    }
    std::string text(const char *name) const
    {
        auto it = given.find(name);
        return it == given.end() ? std::string() : it->second;
    }
};

struct Settings {
    int confs, iters, orders, autos;
    double restrain, assign3d, tol;
    bool mirror, sdf;
};

struct Counts {
    long conformers = 0, lines = 0, failures = 0, molecules = 0;
};

static const char *const names[] = {
    "--smi",    "--poses",   "--out",   "--random", "--orders",   "--autos",    "--mirror",
    "--confs",  "--passes",  "--iters", "--tol",    "--restrain", "--assign3d", "--seed",
    "--worker", "--workers", "--first", "--limit",  "--reverse",  "--seconds",  "--sdf"
};

// Reads "x,y,z x,y,z ..." ; false unless it holds as many triples as p.
static bool read_pose(const std::string &text, std::vector<RDGeom::Point3D> &p)
{
    const char *s = text.c_str();
    for (auto &q : p) {
        double v[3];
        for (int k = 0; k < 3; k++) {
            char *end;
            v[k] = strtod(s, &end);
            if (end == s || (k < 2 && *end != ','))
                return false;
            s = end + (k < 2);
        }
        q = RDGeom::Point3D(v[0], v[1], v[2]);
    }
    while (*s == ' ')
        s++;
    return *s == '\0' || *s == '\t' || *s == '\r';
}

// A molecule with hydrogens and its given coordinates as conformer 0.
static std::unique_ptr<RWMol> place(const std::string &smiles, const std::string &pose)
{
    std::unique_ptr<RWMol> m(SmilesToMol(smiles));
    if (!m)
        return nullptr;
    std::vector<RDGeom::Point3D> p(m->getNumAtoms());
    if (!read_pose(pose, p))
        return nullptr;
    auto *c = new Conformer(m->getNumAtoms());
    for (unsigned i = 0; i < p.size(); i++)
        c->setAtomPos(i, p[i]);
    m->addConformer(c, true);
    MolOps::addHs(*m, false, true);
    return m;
}

// Minimises conformer 0 while its heavy atoms stay within `free` ångström of their places, but for
// a spring.
static bool relax(RWMol &m, int iters, double free)
{
    MMFF::MMFFMolProperties props(m);
    if (!props.isValid())
        return false;
    std::unique_ptr<ForceFields::ForceField> field(MMFF::constructForceField(m, &props));
    if (!field)
        return false;
    field->initialize();
    for (auto a : m.atoms())
        if (a->getAtomicNum() > 1)
            field->contribs().push_back(
                ForceFields::ContribPtr(new ForceFields::MMFF::PositionConstraintContrib(
                    field.get(), a->getIdx(), free, 50.0)));
    field->minimize(iters);
    return true;
}

// A molecule with hydrogens and up to k embedded conformers; those that MMFF94 cannot minimise are
// removed.
static std::unique_ptr<RWMol> embed(const std::string &smiles, unsigned k, int seed,
                                    const Settings &set, std::map<int, double> &energies)
{
    std::unique_ptr<RWMol> m(SmilesToMol(smiles));
    if (!m)
        return nullptr;
    MolOps::addHs(*m);
    DGeomHelpers::EmbedParameters ps = DGeomHelpers::ETKDGv3;
    ps.randomSeed = seed;
    ps.maxIterations = set.sdf ? 30 : 6;
    ps.numThreads = 1;
    ps.optimizerForceTol = set.tol;
    INT_VECT ids;
    DGeomHelpers::EmbedMultipleConfs(*m, ids, k, ps);
    if (ids.empty() && set.sdf) {
        ps.useRandomCoords = true;
        DGeomHelpers::EmbedMultipleConfs(*m, ids, k, ps);
    }
    if (ids.empty())
        return nullptr;
    if (set.iters <= 0)
        return m;
    std::vector<std::pair<int, double>> res;
    MMFF::MMFFMolProperties props(*m);
    if (props.isValid())
        MMFF::MMFFOptimizeMoleculeConfs(*m, res, 1, set.iters);
    else if (set.sdf)
        UFF::UFFOptimizeMoleculeConfs(*m, res, 1, set.iters);
    else
        return nullptr;
    for (size_t i = 0; i < ids.size() && i < res.size(); i++) {
        if (res[i].first < 0)
            m->removeConformer(ids[i]);
        else
            energies[ids[i]] = res[i].second;
    }
    return m;
}

// The mirror image: labels of tetrahedral centres are inverted, coordinates are left to write_line.
static RWMol mirrored(const ROMol &m)
{
    RWMol mm(m);
    bool labelled = false;
    for (auto at : mm.atoms()) {
        auto t = at->getChiralTag();
        if (t == Atom::CHI_TETRAHEDRAL_CW || t == Atom::CHI_TETRAHEDRAL_CCW) {
            at->invertChirality();
            labelled = true;
        }
    }
    if (labelled) {
        mm.clearComputedProps(true);
        mm.updatePropertyCache(false);
        MolOps::fastFindRings(mm);
        MolOps::symmetrizeSSSR(mm);
        MolOps::assignStereochemistry(mm, true, true);
    }
    return mm;
}

static void write_record(SDWriter &writer, const ROMol &m, const std::string &smiles, long index,
                         int id, const std::map<int, double> &energies)
{
    Order o;
    if (!canonical(m, o))
        return;
    std::unique_ptr<ROMol> r(MolOps::renumberAtoms(m, o.atoms));
    r->setProp("_Name", std::to_string(index));
    r->setProp("SMILES", smiles);
    r->setProp("canonical_SMILES", o.smiles);
    r->setProp("conformer", std::to_string(id));
    auto e = energies.find(id);
    if (e != energies.end())
        r->setProp("MMFF94_energy", std::to_string(e->second));
    writer.write(*r);
}

int main(int argc, char **argv)
{
    Options opt;
    for (int i = 1; i < argc; i += 2) {
        bool known = std::any_of(std::begin(names), std::end(names),
                                 [&](const char *n) { return !strcmp(n, argv[i]); });
        if (!known || i + 1 == argc) {
            fprintf(stderr,
                    "gen_conformers: found '%s', wanted an option of the head of "
                    "gen_conformers.cpp and its value\n",
                    argv[i]);
            return 1;
        }
        opt.given[argv[i]] = argv[i + 1];
    }
    Settings set;
    set.confs = (int)opt.number("--confs", 2);
    set.iters = (int)opt.number("--iters", 300);
    set.orders = (int)opt.number("--orders", 2);
    set.autos = (int)opt.number("--autos", 0);
    set.restrain = opt.number("--restrain", 0.2);
    set.assign3d = opt.number("--assign3d", 0.5);
    set.tol = opt.number("--tol", 1e-3);
    set.mirror = opt.number("--mirror", 1) != 0;
    set.sdf = opt.number("--sdf", 0) != 0;
    bool reverse = opt.number("--reverse", 0) != 0, poses = opt.given.count("--poses") != 0;
    long worker = (long)opt.number("--worker", 0), workers = (long)opt.number("--workers", 1);
    long first = (long)opt.number("--first", 0), limit = (long)opt.number("--limit", 0);
    int passes = (int)opt.number("--passes", 1);
    auto seed = (uint64_t)opt.number("--seed", 1);
    double seconds = opt.number("--seconds", 1e9);

    RDLog::InitLogs();
    boost::logging::disable_logs("rdApp.*");
    std::string source = opt.text(poses ? "--poses" : "--smi"), out_path = opt.text("--out");
    std::vector<std::string> smiles, rest; // of each line, and what follows its first blank
    {
        std::ifstream f(source);
        if (!f) {
            fprintf(stderr, "gen_conformers: found no file '%s', wanted --smi or --poses\n",
                    source.c_str());
            return 1;
        }
        std::string l;
        while (std::getline(f, l)) {
            size_t e = l.find_first_of(" \t");
            smiles.push_back(l.substr(0, e));
            rest.push_back(e == std::string::npos ? std::string() : l.substr(e + 1));
        }
    }
    FILE *out = nullptr, *rnd = nullptr;
    std::unique_ptr<SDWriter> writer;
    if (set.sdf) {
        writer.reset(new SDWriter(out_path));
    } else {
        out = fopen(out_path.c_str(), "a");
        if (out && opt.given.count("--random"))
            rnd = fopen(opt.text("--random").c_str(), "a");
        if (!out || (opt.given.count("--random") && !rnd)) {
            fprintf(stderr, "gen_conformers: found no way to write '%s' or --random's file\n",
                    out_path.c_str());
            return 1;
        }
    }
    auto t0 = std::chrono::steady_clock::now();
    auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count();
    };
    Counts count;
    long total = (long)smiles.size() - first;
    if (limit && limit < total)
        total = limit;
    for (int pass = 0; pass < passes && elapsed() < seconds; pass++) {
        for (long j = worker; j < total && elapsed() < seconds; j += workers) {
            long index = first + (reverse ? total - 1 - j : j);
            uint64_t hash = mix(mix(seed * 1000003ULL + pass) ^ (uint64_t)index);
            std::mt19937_64 rng(hash);
            count.molecules++;
            try {
                std::map<int, double> energies;
                std::unique_ptr<RWMol> m;
                if (poses) {
                    m = place(smiles[index], rest[index]);
                    if (m && set.iters > 0 && !relax(*m, set.iters, set.restrain))
                        m.reset();
                } else {
                    int wanted = set.sdf && atoi(rest[index].c_str()) > 0
                                     ? atoi(rest[index].c_str())
                                     : set.confs;
                    m = embed(smiles[index], wanted, (int)(hash & 0x3fffffff), set, energies);
                }
                if (!m) {
                    count.failures++;
                    continue;
                }
                std::vector<int> ids;
                for (auto c = m->beginConformers(); c != m->endConformers(); ++c)
                    ids.push_back((int)(*c)->getId());
                for (int id : ids) {
                    RWMol one(*m, false, id);
                    if (!set.sdf && (mix(hash + 77 * (id + 1)) >> 11) * (1.0 / 9007199254740992.0) <
                                        set.assign3d)
                        MolOps::assignStereochemistryFrom3D(one);
                    std::unique_ptr<ROMol> heavy(MolOps::removeHs((const ROMol &)one));
                    if (set.sdf) {
                        write_record(*writer, *heavy, smiles[index], index, id, energies);
                        count.conformers++;
                        continue;
                    }
                    int n = write_all(out, rnd, *heavy, false, set.autos, set.orders, rng);
                    if (!n) {
                        count.failures++;
                        continue;
                    }
                    if (set.mirror)
                        n +=
                            write_all(out, rnd, mirrored(*heavy), true, set.autos, set.orders, rng);
                    count.lines += n;
                    count.conformers++;
                }
            } catch (const std::exception &) { // RDKit refuses a molecule
                count.failures++;
            }
            if (count.molecules % 20 == 0) {
                if (out)
                    fflush(out);
                if (rnd)
                    fflush(rnd);
            }
        }
    }
    bool written = (!out || fclose(out) == 0) && (!rnd || fclose(rnd) == 0);
    if (writer)
        writer->close();
    fprintf(stderr, "worker %ld: %ld conformers, %ld lines, %ld failures, %ld molecules, %.1f s\n",
            worker, count.conformers, count.lines, count.failures, count.molecules, elapsed());
    if (!written)
        fprintf(stderr, "gen_conformers: '%s' or --random's file could not be written whole\n",
                out_path.c_str());
    return written ? 0 : 1;
}
