/* SPDX-License-Identifier: MIT */
/*
 * The functions of rdkit_c.h over RDKit's C++ libraries. Every function body runs inside guarded(),
 * which turns exceptions into the function's failure value.
 */
#include "rdkit_c.h"

#include <DistGeom/TriangleSmooth.h>
#include <Geometry/Utils.h>
#include <GraphMol/Descriptors/Property.h>
#include <GraphMol/DistGeomHelpers/BoundsMatrixBuilder.h>
#include <GraphMol/DistGeomHelpers/Embedder.h>
#include <GraphMol/FileParsers/FileParsers.h>
#include <ForceField/ForceField.h>
#include <GraphMol/ForceFieldHelpers/MMFF/AtomTyper.h>
#include <GraphMol/ForceFieldHelpers/UFF/AtomTyper.h>
#include <GraphMol/ForceFieldHelpers/UFF/Builder.h>
#include <GraphMol/MolDraw2D/MolDraw2DSVG.h>
#include <GraphMol/MolDraw2D/MolDraw2DUtils.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/MolPickler.h>
#include <GraphMol/RDKitBase.h>
#include <GraphMol/SanitException.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <GraphMol/Substruct/SubstructMatch.h>
#include <GraphMol/new_canon.h>
#include <RDGeneral/RDLog.h>
#include <RDGeneral/versions.h>

#include <jansson.h>

#include <cerrno>
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

void set_reason(char *reason, size_t cap, const char *text)
{
    if (reason && cap)
        snprintf(reason, cap, "%s", text);
}

void discard(void *result)
{
    free(result);
}

void discard(short)
{
}
void discard(int)
{
}

/*
 * Calls body(). On an exception, writes the reason to reason[cap] and returns `failed`, with errno
 * ENOMEM if memory ran out.
 *
 * errno tells a shortage of memory from other errors, because a failed malloc() sets it and RDKit
 * hides most of them: its generated parsers and Canon:: throw errors of their own, and a
 * std::ostream that cannot grow drops the rest of a pickle or SMILES without an exception. So a
 * result during which an allocation failed is never used. The call is repeated once, because
 * malloc() may also find memory elsewhere after a failed system call. body() changes nothing but
 * its result.
 *
 * A size beyond all memory (std::bad_array_new_length, std::length_error) is no shortage: the same
 * call would always fail.
 */
template <typename R, typename F>
R guarded(R failed, F body, char *reason = nullptr, size_t cap = 0) noexcept
{
    for (int attempt = 0; attempt < 2; attempt++) {
        R result = failed;

        errno = 0;
        try {
            result = body();
        } catch (const std::bad_array_new_length &e) {
            set_reason(reason, cap, e.what());
        } catch (const std::bad_alloc &) {
            errno = ENOMEM;
        } catch (const std::exception &e) {
            set_reason(reason, cap, e.what()); /* what() is valid only as long as the exception */
        } catch (...) {
            set_reason(reason, cap, "unknown exception");
        }
        if (errno != ENOMEM)
            return result;
        discard(result);
    }
    set_reason(reason, cap, "out of memory");
    errno = ENOMEM;
    return failed;
}

/* Malloc'ed, terminated copy. */
char *to_c(const std::string &s, size_t *ret_size = nullptr)
{
    char *p = static_cast<char *>(malloc(s.size() + 1));

    if (!p)
        throw std::bad_alloc();
    memcpy(p, s.data(), s.size());
    p[s.size()] = '\0';
    if (ret_size)
        *ret_size = s.size();
    return p;
}

/* Malloc'ed copy of n elements. */
template <typename T> T *to_c(const T *elements, size_t n)
{
    T *p = static_cast<T *>(malloc(n * sizeof(T) + 1));

    if (!p)
        throw std::bad_alloc();
    if (n)
        memcpy(p, elements, n * sizeof(T));
    return p;
}

template <typename T> T *to_c(const std::vector<T> &elements, size_t *ret_n)
{
    *ret_n = elements.size();
    return to_c(elements.data(), elements.size());
}

/* A details object: the accessors read one key each, finish() refuses keys that were not read. */
class Details
{
  public:
    explicit Details(const char *json)
    {
        if (!json || !*json)
            return;
        root_.reset(json_loads(json, JSON_REJECT_DUPLICATES, nullptr));
        if (!json_is_object(root_.get()))
            throw std::invalid_argument("details are not a JSON object");
    }

    bool flag(const char *key, bool def)
    {
        json_t *v = fetch(key);

        if (!v)
            return def;
        if (!json_is_boolean(v))
            throw std::invalid_argument(std::string(key) + " is not true or false");
        return json_is_true(v);
    }

    int number(const char *key, int def, int low, int high)
    {
        json_t *v = fetch(key);

        if (!v)
            return def;
        if (!json_is_integer(v) || json_integer_value(v) < low || json_integer_value(v) > high)
            throw std::invalid_argument(std::string(key) + " is not a number within its bounds");
        return static_cast<int>(json_integer_value(v));
    }

    void finish() const
    {
        if (root_ && json_object_size(root_.get()) != used_)
            throw std::invalid_argument("details have an unknown key");
    }

  private:
    struct Release {
        void operator()(json_t *p) const
        {
            json_decref(p);
        }
    };

    json_t *fetch(const char *key)
    {
        json_t *v = root_ ? json_object_get(root_.get(), key) : nullptr;

        used_ += v != nullptr;
        return v;
    }

    std::unique_ptr<json_t, Release> root_;
    size_t used_ = 0;
};

char *pickle(const RDKit::ROMol &mol, size_t *ret_size)
{
    const unsigned props = RDKit::PicklerOps::PropertyPickleOptions::AllProps ^
                           RDKit::PicklerOps::PropertyPickleOptions::ComputedProps;
    std::string pkl;

    RDKit::MolPickler::pickleMol(mol, pkl, props);
    return to_c(pkl, ret_size);
}

RDKit::RWMol unpickle(const char *pkl, size_t size)
{
    if (!pkl || !size)
        throw std::invalid_argument("no molecule");
    /* The constructor that takes a pickle leaks if the pickle is bad. */
    RDKit::RWMol mol;
    RDKit::MolPickler::molFromPickle(std::string(pkl, size), &mol);
    /* Stereo was assigned before pickling; descriptors require this flag. */
    mol.setProp(RDKit::common_properties::_StereochemDone, 1, true);
    return mol;
}

/* As unpickle(), for writing SMILES. A pickle loses ring stereo that canonical ranking needs:
 * unless it is reassigned, 4 of 1000 drug-like molecules get a different text. */
RDKit::RWMol unpickle_with_stereo(const char *pkl, size_t size)
{
    RDKit::RWMol mol = unpickle(pkl, size);

    if (mol.getRingInfo()->isInitialized())
        RDKit::MolOps::assignStereochemistry(mol, true, true);
    return mol;
}

/*
 * Replaces the caller's pickle by that of its molecule after change(mol). 1, or 0 on failure with
 * the pickle unchanged.
 */
template <typename F> short change_pickle(char **pkl, size_t *size, F change) noexcept
{
    size_t n = 0;
    char *p = guarded<char *>(nullptr, [&]() -> char * {
        if (!pkl || !size)
            return nullptr;
        RDKit::RWMol mol = unpickle(*pkl, *size);
        change(mol);
        return pickle(mol, &n);
    });

    if (!p)
        return 0;
    free(*pkl);
    *pkl = p;
    *size = n;
    return 1;
}

/* Without names and CXSMILES extensions: a blank in the text is an error. */
std::unique_ptr<RDKit::RWMol> parse_smiles(const char *smiles, bool sanitize, bool remove_hs)
{
    RDKit::SmilesParserParams params;

    params.sanitize = sanitize;
    params.removeHs = remove_hs;
    params.allowCXSMILES = false;
    params.parseName = false;
    std::unique_ptr<RDKit::RWMol> mol(RDKit::SmilesToMol(std::string(smiles), params));
    if (!mol)
        throw std::invalid_argument("not a SMILES");
    return mol;
}

/* The heavy atoms of a molblock, in its order, with 3D coordinates: a query for molecules. */
std::unique_ptr<RDKit::RWMol> parse_core(const char *block)
{
    std::unique_ptr<RDKit::RWMol> mol(RDKit::MolBlockToMol(block, true, false, false));

    if (!mol)
        throw std::invalid_argument("not a molblock");
    for (const RDKit::Atom *atom : mol->atoms())
        if (!atom->getAtomicNum() || atom->hasQuery())
            throw std::invalid_argument("atom " + std::to_string(atom->getIdx() + 1) +
                                        " is no element");
    for (const RDKit::Bond *bond : mol->bonds())
        if (bond->hasQuery())
            throw std::invalid_argument("bond " + std::to_string(bond->getIdx() + 1) +
                                        " has no order");
    RDKit::MolOps::removeAllHs(*mol);
    if (!mol->getNumConformers() || !mol->getConformer().is3D())
        throw std::invalid_argument("no 3D coordinates");
    for (RDKit::Atom *atom : mol->atoms()) {
        atom->setIsotope(0);
        atom->setNumRadicalElectrons(0);
    }
    return mol;
}

/* An atom of a query that counts its comparisons. After the last one it equals no atom, so that a
 * search ends: RDKit's takes exponential time where symmetric parts almost fit. */
class CountedAtom : public RDKit::Atom
{
  public:
    CountedAtom(const RDKit::Atom &atom, unsigned long *left) : RDKit::Atom(atom), left_(left)
    {
    }

    RDKit::Atom *copy() const override
    {
        return new CountedAtom(*this, left_);
    }

    bool Match(const RDKit::Atom *other) const override
    {
        return *left_ && --*left_ && RDKit::Atom::Match(other);
    }

  private:
    unsigned long *left_;
};

/* Replaces the atoms of a core by such that may be compared *left times in all. */
void count_comparisons(RDKit::RWMol &core, unsigned long *left)
{
    for (unsigned i = 0; i < core.getNumAtoms(); i++) {
        CountedAtom counted(*core.getAtomWithIdx(i), left);

        core.replaceAtom(i, &counted, false, true);
    }
}

RDKit::SmilesWriteParams smiles_params(const char *details_json)
{
    Details details(details_json);
    RDKit::SmilesWriteParams params;

    params.doIsomericSmiles = details.flag("doIsomericSmiles", true);
    params.canonical = details.flag("canonical", true);
    params.allHsExplicit = details.flag("allHsExplicit", false);
    details.finish();
    return params;
}

char *molblock(const char *pkl, size_t pkl_sz, const char *details_json, bool v3000) noexcept
{
    return guarded<char *>(nullptr, [&] {
        Details details(details_json);
        bool stereo = details.flag("includeStereo", true);
        bool kekulize = details.flag("kekulize", true);

        details.finish();
        return to_c(RDKit::MolToMolBlock(unpickle(pkl, pkl_sz), stereo, -1, kekulize, v3000));
    });
}

/* RDKit orders the neighbours of an atom by its bonds; a neighbour that is no atom comes last. */
cgrd_stereo stereo_of(const RDKit::ROMol &mol, const RDKit::Atom *atom)
{
    cgrd_stereo s = {};
    bool ccw = atom->getChiralTag() == RDKit::Atom::CHI_TETRAHEDRAL_CCW;

    s.kind = CGRD_OTHER_STEREO;
    s.atom = atom->getIdx();
    if ((!ccw && atom->getChiralTag() != RDKit::Atom::CHI_TETRAHEDRAL_CW) ||
        atom->getDegree() < 3 || atom->getDegree() > 4)
        return s;
    s.kind = CGRD_CENTRE;
    s.sense = ccw;
    for (const RDKit::Bond *bond : mol.atomBonds(atom))
        s.neighbours[s.n_neighbours++] = bond->getOtherAtomIdx(s.atom);
    return s;
}

cgrd_stereo stereo_of(const RDKit::Bond *bond)
{
    cgrd_stereo s = {};
    RDKit::Bond::BondStereo stereo = bond->getStereo();
    bool cis = stereo == RDKit::Bond::STEREOZ || stereo == RDKit::Bond::STEREOCIS;

    s.kind = CGRD_OTHER_STEREO;
    s.atom = bond->getBeginAtomIdx();
    s.other_end = bond->getEndAtomIdx();
    if ((!cis && stereo != RDKit::Bond::STEREOE && stereo != RDKit::Bond::STEREOTRANS) ||
        bond->getStereoAtoms().size() != 2)
        return s;
    s.kind = CGRD_DOUBLE_BOND;
    s.sense = cis;
    for (int atom : bond->getStereoAtoms())
        s.neighbours[s.n_neighbours++] = static_cast<unsigned>(atom);
    return s;
}

RDKit::Bond::BondStereo opposite(RDKit::Bond::BondStereo stereo)
{
    switch (stereo) {
    case RDKit::Bond::STEREOZ:
        return RDKit::Bond::STEREOE;
    case RDKit::Bond::STEREOE:
        return RDKit::Bond::STEREOZ;
    case RDKit::Bond::STEREOCIS:
        return RDKit::Bond::STEREOTRANS;
    case RDKit::Bond::STEREOTRANS:
        return RDKit::Bond::STEREOCIS;
    default:
        return stereo;
    }
}

/*
 * Finds the marks of a SMILES that mean a stereo element which RDKit drops. `written` is the
 * molecule as written, not sanitized; `held` the sanitized one, with the same atoms and bonds.
 */
class LostStereo
{
  public:
    LostStereo(const RDKit::ROMol &written, const RDKit::ROMol &held)
        : written_(written), held_(held), rings_(held.getRingInfo())
    {
        RDKit::Canon::rankMolAtoms(held, ranks_, false, false, true);
    }

    int count()
    {
        int n = 0;

        for (const RDKit::Atom *atom : written_.atoms())
            n += is_lost_class(atom) || is_lost_centre(atom);
        for (const RDKit::Bond *bond : written_.bonds())
            if (bond->getBondType() == RDKit::Bond::DOUBLE) {
                n += is_lost_cumulene(bond->getBeginAtom(), bond);
                n += is_lost_trans(bond);
                find_ring_end(bond);
            }
        for (const RDKit::Atom *atom : written_.atoms())
            find_ring_centre(atom);
        return n + count_ring_elements();
    }

  private:
    enum Relation { DIFFERENT, EQUAL, EQUAL_IN_RING };

    static bool is_tetrahedral(const RDKit::Atom *atom)
    {
        return atom->getChiralTag() == RDKit::Atom::CHI_TETRAHEDRAL_CW ||
               atom->getChiralTag() == RDKit::Atom::CHI_TETRAHEDRAL_CCW;
    }

    bool is_held(const RDKit::Atom *atom) const
    {
        return held_.getAtomWithIdx(atom->getIdx())->getChiralTag() != RDKit::Atom::CHI_UNSPECIFIED;
    }

    /* Inside a cumulene: two double bonds and no other. */
    bool is_inner(const RDKit::Atom *atom) const
    {
        int n = 0;

        for (const RDKit::Bond *bond : written_.atomBonds(atom))
            n += bond->getBondType() == RDKit::Bond::DOUBLE;
        return n == 2 && atom->getDegree() == 2;
    }

    /* A mark of a class other than tetrahedral, or on an atom of more than four neighbours. */
    int is_lost_class(const RDKit::Atom *atom) const
    {
        return atom->getChiralTag() != RDKit::Atom::CHI_UNSPECIFIED && !is_held(atom) &&
               !is_inner(atom) && (!is_tetrahedral(atom) || atom->getDegree() > 4);
    }

    /*
     * A tetrahedral mark on an atom of four different neighbours, or of three and a lone pair that
     * does not invert: a stereocentre to later releases of RDKit, such as S in CS(=NC#N)CC.
     */
    int is_lost_centre(const RDKit::Atom *atom) const
    {
        const RDKit::Atom *held = held_.getAtomWithIdx(atom->getIdx());
        const unsigned n_h = held->getTotalNumHs(), n = held->getDegree() + n_h;
        const int element = held->getAtomicNum();
        const bool keeps_pair = element == 15 || element == 16 || element == 33 || element == 34;

        return is_tetrahedral(atom) && !is_held(atom) && n_h < 2 &&
               (n == 4 || (n == 3 && keeps_pair)) && neighbours_of(atom, nullptr) == DIFFERENT;
    }

    /* Are the neighbours of an atom other than `except` different, equal, or equal only within a
     * ring? In a spiro atom of two like rings, those of different rings are equal too. */
    Relation neighbours_of(const RDKit::Atom *atom, const RDKit::Bond *except) const
    {
        std::vector<const RDKit::Bond *> bonds;
        Relation found = DIFFERENT;

        for (const RDKit::Bond *bond : held_.atomBonds(held_.getAtomWithIdx(atom->getIdx())))
            if (!except || bond->getIdx() != except->getIdx())
                bonds.push_back(bond);
        if (bonds.empty())
            return EQUAL; /* only hydrogens */
        for (size_t i = 0; i < bonds.size(); i++)
            for (size_t k = 0; k < i; k++) {
                if (!are_equal(atom, bonds[i], bonds[k]))
                    continue;
                if (!share_ring(bonds[i], bonds[k]) && (!has_ring_partner(atom, bonds, bonds[i]) ||
                                                        !has_ring_partner(atom, bonds, bonds[k])))
                    return EQUAL;
                found = EQUAL_IN_RING;
            }
        return found;
    }

    bool are_equal(const RDKit::Atom *atom, const RDKit::Bond *a, const RDKit::Bond *b) const
    {
        return ranks_[a->getOtherAtomIdx(atom->getIdx())] ==
               ranks_[b->getOtherAtomIdx(atom->getIdx())];
    }

    bool has_ring_partner(const RDKit::Atom *atom, const std::vector<const RDKit::Bond *> &bonds,
                          const RDKit::Bond *bond) const
    {
        for (const RDKit::Bond *other : bonds)
            if (other != bond && are_equal(atom, bond, other) && share_ring(bond, other))
                return true;
        return false;
    }

    bool share_ring(const RDKit::Bond *a, const RDKit::Bond *b) const
    {
        for (int ring : rings_->bondMembers(a->getIdx()))
            for (int other : rings_->bondMembers(b->getIdx()))
                if (ring == other)
                    return true;
        return false;
    }

    /* 1 or -1: the marked neighbour of a double bond's end is above or below it; 0 if none is. With
     * `own` only marks that no other double bond may need. */
    int side_of(const RDKit::Atom *end, const RDKit::Bond *except, bool own,
                const RDKit::Bond **ret_bond) const
    {
        for (const RDKit::Bond *bond : written_.atomBonds(end)) {
            int side = bond->getBondDir() == RDKit::Bond::ENDUPRIGHT     ? 1
                       : bond->getBondDir() == RDKit::Bond::ENDDOWNRIGHT ? -1
                                                                         : 0;
            bool shared = false;

            for (const RDKit::Bond *next : written_.atomBonds(bond->getOtherAtom(end)))
                shared |= next->getBondType() == RDKit::Bond::DOUBLE;
            if (bond == except || !side || (own && shared))
                continue;
            *ret_bond = bond;
            return bond->getBeginAtomIdx() == end->getIdx() ? side : -side;
        }
        return 0;
    }

    bool is_marked(const RDKit::Atom *end, const RDKit::Bond *bond) const
    {
        const RDKit::Bond *unused;

        return side_of(end, bond, false, &unused) != 0;
    }

    /* A marked cumulene that begins at `end` with `bond`; counted at the end of lower index. */
    int is_lost_cumulene(const RDKit::Atom *end, const RDKit::Bond *bond) const
    {
        return is_cumulene_from(end, bond) + is_cumulene_from(bond->getOtherAtom(end), bond);
    }

    int is_cumulene_from(const RDKit::Atom *end, const RDKit::Bond *first) const
    {
        const RDKit::Atom *atom = first->getOtherAtom(end);
        const RDKit::Bond *last = first;
        bool centre = false;
        unsigned n = 1;

        if (is_inner(end))
            return 0;
        for (; is_inner(atom) && atom != end; n++) {
            const RDKit::Bond *next = nullptr;

            centre |= atom->getChiralTag() != RDKit::Atom::CHI_UNSPECIFIED;
            for (const RDKit::Bond *bond : written_.atomBonds(atom))
                next = bond == last ? next : bond;
            last = next;
            atom = last->getOtherAtom(atom);
        }
        return n > 1 && end->getIdx() < atom->getIdx() && neighbours_of(end, first) == DIFFERENT &&
               neighbours_of(atom, last) == DIFFERENT &&
               (n % 2 ? is_marked(end, first) && is_marked(atom, last) : centre);
    }

    int is_lost_trans(const RDKit::Bond *bond) const
    {
        const RDKit::Bond *a = nullptr, *b = nullptr;
        int side, other;

        if (rings_->numBondRings(bond->getIdx()) == 0 || is_stereo(bond))
            return 0;
        side = side_of(bond->getBeginAtom(), bond, true, &a);
        other = side_of(bond->getEndAtom(), bond, true, &b);
        if (!side || !other)
            return 0;
        if (!share_ring(bond, a))
            side = -side;
        if (!share_ring(bond, b))
            other = -other;
        return side != other;
    }

    bool is_stereo(const RDKit::Bond *bond) const
    {
        return held_.getBondWithIdx(bond->getIdx())->getStereo() > RDKit::Bond::STEREOANY;
    }

    /* A double bond out of a ring with equal sides is an element of the ring if marked. */
    void find_ring_end(const RDKit::Bond *bond)
    {
        const RDKit::Atom *a = bond->getBeginAtom(), *b = bond->getEndAtom();
        Relation at_a = neighbours_of(a, bond), at_b = neighbours_of(b, bond);

        if (is_stereo(bond) || at_a == EQUAL || at_b == EQUAL || !is_marked(a, bond) ||
            !is_marked(b, bond))
            return;
        if (at_a == EQUAL_IN_RING)
            elements_.push_back(a->getIdx());
        if (at_b == EQUAL_IN_RING)
            elements_.push_back(b->getIdx());
    }

    void find_ring_centre(const RDKit::Atom *atom)
    {
        if (!is_tetrahedral(atom) || atom->getDegree() > 4 || is_inner(atom))
            return;
        if (is_held(atom))
            held_elements_.push_back(atom->getIdx());
        else if (neighbours_of(atom, nullptr) == EQUAL_IN_RING)
            elements_.push_back(atom->getIdx());
    }

    /* Elements that share a ring with another one. */
    int count_ring_elements() const
    {
        int n = 0;

        for (unsigned atom : elements_) {
            bool paired = false;

            for (unsigned other : elements_)
                paired |= other != atom && share_atom_ring(atom, other);
            for (unsigned other : held_elements_)
                paired |= share_atom_ring(atom, other);
            n += paired;
        }
        return n;
    }

    bool share_atom_ring(unsigned a, unsigned b) const
    {
        for (int ring : rings_->atomMembers(a))
            for (int other : rings_->atomMembers(b))
                if (ring == other)
                    return true;
        return false;
    }

    const RDKit::ROMol &written_, &held_;
    const RDKit::RingInfo *rings_;
    std::vector<unsigned> ranks_;
    std::vector<unsigned> elements_, held_elements_; /* atoms of rings */
};

std::string int_list(const std::vector<int> &v)
{
    std::string s = "[";

    for (size_t i = 0; i < v.size(); i++)
        s += (i ? "," : "") + std::to_string(v[i]);
    return s + "]";
}

/* Distance of the ends of two bonds at an angle, Å. */
double across(double first, double second, double degrees)
{
    return std::sqrt(first * first + second * second -
                     2 * first * second * std::cos(degrees * M_PI / 180));
}

/* Bounds a pair by its van der Waals radii only, with RDKit's factor for `path` bonds. */
void reset_bounds(const RDKit::ROMol &mol, unsigned i, unsigned j, double path,
                  DistGeom::BoundsMatrix &bounds)
{
    const double share = path < 5 ? 0.7 : path < 6 ? 0.85 : 1;
    const RDKit::PeriodicTable *table = RDKit::PeriodicTable::getTable();

    bounds.setLowerBound(i, j,
                         share * (table->getRvdw(mol.getAtomWithIdx(i)->getAtomicNum()) +
                                  table->getRvdw(mol.getAtomWithIdx(j)->getAtomicNum())));
    bounds.setUpperBound(i, j, 1000);
}

/* Atoms of a ring whose torsions are free. RDKit takes those of smaller rings for cis or trans. */
const size_t macrocycle = 9;

/* RDKit's bounds of a bond whose atoms have no parameters, such as S of SF5, are wider than this.
 */
const double widest_bond = 0.5; /* Å */

/* Bond radius of an element, Å. RDKit's table of bond radii has van der Waals radii for noble
 * gases. */
double bond_radius(const RDKit::Atom *atom)
{
    const RDKit::PeriodicTable *table = RDKit::PeriodicTable::getTable();

    return std::min(table->getRb0(atom->getAtomicNum()),
                    table->getRcovalent(atom->getAtomicNum()) + 0.1);
}

/* Bounds such bonds by radii. Ranges are as wide as RDKit's others. */
void replace_bonds(const RDKit::ROMol &mol, DistGeom::BoundsMatrix &bounds)
{
    for (const RDKit::Bond *bond : mol.bonds()) {
        const unsigned i = bond->getBeginAtomIdx(), j = bond->getEndAtomIdx();

        if (bounds.getUpperBound(i, j) - bounds.getLowerBound(i, j) < widest_bond)
            continue;
        const double shorter = 0.12 * (bond->getBondTypeAsDouble() - 1);
        const double length =
            bond_radius(bond->getBeginAtom()) + bond_radius(bond->getEndAtom()) - shorter;

        bounds.setLowerBound(i, j, length - 0.01);
        bounds.setUpperBound(i, j, length + 0.01);
    }
}

bool in_macrocycle(const RDKit::ROMol &mol, const RDKit::Bond *bond)
{
    for (const std::vector<int> &ring : mol.getRingInfo()->bondRings())
        if (ring.size() >= macrocycle &&
            std::find(ring.begin(), ring.end(), static_cast<int>(bond->getIdx())) != ring.end())
            return true;
    return false;
}

/* Are the atoms in one ring that is no macrocycle? */
bool in_small_ring(const RDKit::ROMol &mol, std::initializer_list<unsigned> atoms)
{
    for (const std::vector<int> &ring : mol.getRingInfo()->atomRings())
        if (ring.size() < macrocycle && std::all_of(atoms.begin(), atoms.end(), [&](unsigned atom) {
                return std::find(ring.begin(), ring.end(), static_cast<int>(atom)) != ring.end();
            }))
            return true;
    return false;
}

/* Configuration of atoms i and j of a double bond's ends: 1 cis, -1 trans, 0 not requested. */
int requested_side(const RDKit::Bond *bond, unsigned i, unsigned j)
{
    const RDKit::INT_VECT &atoms = bond->getStereoAtoms();

    if (bond->getStereo() <= RDKit::Bond::STEREOANY || atoms.size() != 2)
        return 0;
    const bool cis =
        bond->getStereo() == RDKit::Bond::STEREOZ || bond->getStereo() == RDKit::Bond::STEREOCIS;
    const bool same = (static_cast<int>(i) == atoms[0]) == (static_cast<int>(j) == atoms[1]);

    return cis == same ? 1 : -1;
}

double middle(const DistGeom::BoundsMatrix &bounds, unsigned i, unsigned j)
{
    return (bounds.getLowerBound(i, j) + bounds.getUpperBound(i, j)) / 2;
}

/* The angle opposite to side c of a triangle, radians. */
double angle_opposite(double a, double b, double c)
{
    return std::acos(std::clamp((a * a + b * b - c * c) / (2 * a * b), -1.0, 1.0));
}

/* Bounds the distance of atoms i and j of the bond a-b; `side` as of requested_side(). Returns true
 * if RDKit's bounds assumed one configuration where others are permitted. */
bool widen_torsion(unsigned i, unsigned a, unsigned b, unsigned j, int side,
                   DistGeom::BoundsMatrix &bounds)
{
    const double tolerance = 0.06; /* Å, RDKit's */
    const double first = middle(bounds, i, a), second = middle(bounds, a, b);
    const double third = middle(bounds, b, j);
    const double angle = angle_opposite(first, second, middle(bounds, i, b));
    const double other = angle_opposite(second, third, middle(bounds, a, j));
    const double cis = RDGeom::compute14DistCis(first, second, third, angle, other);
    const double trans = RDGeom::compute14DistTrans(first, second, third, angle, other);
    const double half = std::sqrt((cis * cis + trans * trans) / 2); /* a torsion of 90 degrees */
    const double low = bounds.getLowerBound(i, j), high = bounds.getUpperBound(i, j);

    if (side) {
        bounds.setLowerBound(i, j, side > 0 ? cis - tolerance : half);
        bounds.setUpperBound(i, j, side > 0 ? half : trans + tolerance);
        return side > 0 ? high > half : low < half;
    }
    bounds.setLowerBound(i, j, std::min(low, cis - tolerance));
    bounds.setUpperBound(i, j, std::max(high, trans + tolerance));
    return low - cis > tolerance || trans - high > tolerance;
}

/* Resets the distances of atom i, three bonds from `last`, to the next atoms beyond. */
void reset_next(const RDKit::ROMol &mol, unsigned i, const RDKit::Atom *last, const double *path,
                DistGeom::BoundsMatrix &bounds)
{
    for (const RDKit::Atom *next : mol.atomNeighbors(last))
        if (path[i * mol.getNumAtoms() + next->getIdx()] == 4)
            reset_bounds(mol, i, next->getIdx(), 4, bounds);
}

/*
 * Distances of atoms 1-4 over a bond of a ring of 9 or more atoms: any torsion, and the half with
 * the requested configuration for double bonds with one. RDKit's ranges, and those of 1-5 pairs
 * that follow from them and are reset, assume cis or trans there by rules that release 2022.09 has
 * wrong in part: trans for neighbours on an aromatic ring, cis for requested trans bonds.
 */
void widen_torsions(const RDKit::ROMol &mol, DistGeom::BoundsMatrix &bounds)
{
    const unsigned n = mol.getNumAtoms();
    const double *path = RDKit::MolOps::getDistanceMat(mol);

    for (const RDKit::Bond *bond : mol.bonds()) {
        const unsigned a = bond->getBeginAtomIdx(), b = bond->getEndAtomIdx();

        if (!in_macrocycle(mol, bond))
            continue;
        for (const RDKit::Atom *first : mol.atomNeighbors(bond->getBeginAtom()))
            for (const RDKit::Atom *last : mol.atomNeighbors(bond->getEndAtom())) {
                const unsigned i = first->getIdx(), j = last->getIdx();

                /* a small ring holds the torsions over its bonds, those to its substituents too */
                if (i == b || j == a || path[i * n + j] < 3 || in_small_ring(mol, { i, a, b }) ||
                    in_small_ring(mol, { a, b, j }))
                    continue;
                if (!widen_torsion(i, a, b, j, requested_side(bond, i, j), bounds))
                    continue;
                reset_next(mol, i, last, path, bounds);
                reset_next(mol, j, first, path, bounds);
            }
    }
}

/* See cgrd_distance_bounds(). */
void replace_angles(const RDKit::ROMol &mol, const cgrd_angle *angles, size_t n_angles,
                    DistGeom::BoundsMatrix &bounds)
{
    const unsigned n = mol.getNumAtoms();
    const double *path = RDKit::MolOps::getDistanceMat(mol);

    for (size_t k = 0; k < n_angles; k++) {
        const unsigned a = angles[k].atoms[0], centre = angles[k].atoms[1], b = angles[k].atoms[2];

        if (a >= n || b >= n || centre >= n)
            throw std::invalid_argument("an angle names an atom that does not exist");
        bounds.setLowerBound(a, b,
                             across(bounds.getLowerBound(a, centre),
                                    bounds.getLowerBound(b, centre), angles[k].low));
        bounds.setUpperBound(a, b,
                             across(bounds.getUpperBound(a, centre),
                                    bounds.getUpperBound(b, centre), angles[k].high));
        for (unsigned i = 0; i < n; i++)
            for (unsigned j = 0; j < n; j++) {
                if (i == j || path[i * n + a] + 2 + path[b * n + j] != path[i * n + j] ||
                    path[i * n + j] < 3)
                    continue;
                reset_bounds(mol, i, j, path[i * n + j], bounds);
            }
    }
}

/* Bonds and rings that make up a torsion fingerprint; see cgrd_torsions(). */
class TorsionFingerprint
{
  public:
    explicit TorsionFingerprint(const RDKit::ROMol &mol)
        : mol_(mol), n_(mol.getNumAtoms()), distance_(n_ * n_, UINT_MAX), invariants_(n_)
    {
        find_distances();
        find_invariants();
    }

    const std::vector<cgrd_torsion> &find()
    {
        if (!find_centre())
            return found_;
        for (const RDKit::Bond *bond : mol_.bonds())
            find_bond(*bond);
        for (const std::vector<int> &ring : mol_.getRingInfo()->atomRings())
            find_ring(ring);
        return found_;
    }

  private:
    unsigned distance(unsigned a, unsigned b) const
    {
        return distance_[a * n_ + b];
    }

    /* Numbers of bonds between atoms, by breadth-first search. */
    void find_distances()
    {
        for (unsigned from = 0; from < n_; from++) {
            unsigned *row = &distance_[from * n_];
            std::vector<unsigned> queue { from };

            row[from] = 0;
            for (size_t i = 0; i < queue.size(); i++)
                for (const RDKit::Atom *next : mol_.atomNeighbors(mol_.getAtomWithIdx(queue[i])))
                    if (row[next->getIdx()] == UINT_MAX) {
                        row[next->getIdx()] = row[queue[i]] + 1;
                        queue.push_back(next->getIdx());
                    }
        }
    }

    /* RDKit's hash_combine() of 32 bits. */
    static uint32_t combine(uint32_t seed, uint32_t value)
    {
        return seed ^ (value + 0x9e3779b9u + (seed << 6) + (seed >> 2));
    }

    /* Morgan invariants of radius 2: those of the environments that RDKit's Morgan fingerprint has,
     * redundant ones included. Their order decides which neighbour defines a torsion. */
    void find_invariants()
    {
        for (const RDKit::Atom *atom : mol_.atoms()) {
            uint32_t seed = 0;

            for (int part : { atom->getAtomicNum(), static_cast<int>(atom->getTotalDegree()),
                              static_cast<int>(atom->getTotalNumHs()), atom->getFormalCharge(),
                              static_cast<int>(atom->getMass() -
                                               RDKit::PeriodicTable::getTable()->getAtomicWeight(
                                                   atom->getAtomicNum())) })
                seed = combine(seed, static_cast<uint32_t>(part));
            if (mol_.getRingInfo()->numAtomRings(atom->getIdx()))
                seed = combine(seed, 1);
            invariants_[atom->getIdx()] = seed;
        }
        for (uint32_t layer = 0; layer < 2; layer++) {
            std::vector<uint32_t> next(n_);

            for (const RDKit::Atom *atom : mol_.atoms()) {
                std::vector<std::pair<int, uint32_t>> around;
                uint32_t seed = combine(layer, invariants_[atom->getIdx()]);

                for (const RDKit::Bond *bond : mol_.atomBonds(atom))
                    around.emplace_back(bond->getIsAromatic() ? RDKit::Bond::AROMATIC
                                                              : bond->getBondType(),
                                        invariants_[bond->getOtherAtomIdx(atom->getIdx())]);
                std::sort(around.begin(), around.end());
                for (const auto &[type, invariant] : around)
                    seed =
                        combine(seed, combine(combine(0, static_cast<uint32_t>(type)), invariant));
                next[atom->getIdx()] = seed;
            }
            invariants_ = next;
        }
    }

    unsigned degree(unsigned atom) const
    {
        return mol_.getAtomWithIdx(atom)->getDegree();
    }

    /* The most central bond: the atom whose distances vary least, of those with two neighbours, and
     * its neighbour whose distances vary least. False if there is none. */
    bool find_centre()
    {
        std::vector<std::pair<uint64_t, unsigned>> order;
        unsigned longest = 0;

        for (unsigned a = 0; a < n_; a++) {
            uint64_t sum = 0, squares = 0;

            for (unsigned b = 0; b < n_; b++) {
                if (distance(a, b) == UINT_MAX)
                    return false; /* in several pieces */
                sum += distance(a, b);
                squares += static_cast<uint64_t>(distance(a, b)) * distance(a, b);
            }
            if (degree(a) > 1) /* the variance times (n - 1)^2 */
                order.emplace_back((n_ - 1) * squares - sum * sum, a);
        }
        std::sort(order.begin(), order.end());
        if (order.size() < 2)
            return false;
        centre_ = order[0].second;
        for (size_t i = order.size() - 1; i > 0; i--)
            if (mol_.getBondBetweenAtoms(centre_, order[i].second))
                beside_ = order[i].second;
        for (const auto &[spread, atom] : order) {
            (void)spread;
            longest = std::max(longest, distance(centre_, atom));
        }
        beta_ = -std::log(0.1) / (longest / 2.0 * (longest / 2.0));
        return true;
    }

    /* Bonds from the central one to that of atoms a and b. */
    unsigned depth(unsigned a, unsigned b) const
    {
        return 1 + std::min(std::min(distance(centre_, a), distance(centre_, b)),
                            std::min(distance(beside_, a), distance(beside_, b)));
    }

    /* Whether torsions about bonds of the atom are undefined: it is linear. */
    bool is_linear(const RDKit::Atom *atom) const
    {
        unsigned n_double = 0;

        for (const RDKit::Bond *bond : mol_.atomBonds(atom)) {
            if (bond->getBondType() == RDKit::Bond::TRIPLE)
                return true;
            n_double += bond->getBondType() == RDKit::Bond::DOUBLE;
        }
        return n_double > 1 && atom->getAtomicNum() == 6;
    }

    /* The neighbours of `atom` but `other` that define torsions: one of them, or all if they are
     * equivalent. */
    std::vector<unsigned> ends(const RDKit::Atom *atom, unsigned other) const
    {
        std::vector<unsigned> all;

        for (const RDKit::Atom *a : mol_.atomNeighbors(atom))
            if (a->getIdx() != other)
                all.push_back(a->getIdx());
        std::stable_sort(all.begin(), all.end(), [this](unsigned a, unsigned b) {
            return invariants_[a] < invariants_[b];
        });
        if (all.empty() || invariants_[all.front()] == invariants_[all.back()])
            return all;
        if (all.size() == 3 && invariants_[all[0]] == invariants_[all[1]])
            return { all[2] }; /* the one that differs */
        return { all[0] };
    }

    void add(unsigned term, bool is_ring, double weight, double deviation, unsigned i, unsigned j,
             unsigned k, unsigned l)
    {
        found_.push_back({ term, is_ring, weight, deviation, { i, j, k, l } });
    }

    void find_bond(const RDKit::Bond &bond)
    {
        unsigned j = bond.getBeginAtomIdx(), k = bond.getEndAtomIdx();
        std::vector<unsigned> first = ends(bond.getBeginAtom(), k);
        std::vector<unsigned> last = ends(bond.getEndAtom(), j);
        bool is_centre = (j == centre_ && k == beside_) || (k == centre_ && j == beside_);
        unsigned d = is_centre ? 0 : depth(j, k);

        if (mol_.getRingInfo()->numBondRings(bond.getIdx()) || first.empty() || last.empty() ||
            is_linear(bond.getBeginAtom()) || is_linear(bond.getEndAtom()))
            return;
        for (unsigned i : first)
            for (unsigned l : last)
                add(n_terms_, false, std::exp(-beta_ * d * d), 180, i, j, k, l);
        n_terms_++;
    }

    void find_ring(const std::vector<int> &ring)
    {
        size_t n = ring.size();
        double from_14 = static_cast<double>(n) - 14, sum = 0, mean;
        double deviation = n >= 14 ? 180 : 180 * std::exp(-0.025 * from_14 * from_14);
        auto at = [&](size_t i) { return static_cast<unsigned>(ring[i % n]); };

        for (size_t i = 0; i < n; i++)
            sum += depth(at(i), at(i + 1));
        mean = sum / static_cast<double>(n);
        for (size_t i = 0; i < n; i++)
            add(n_terms_, true, std::exp(-beta_ * mean * mean) * static_cast<double>(n) / 2,
                deviation, at(i), at(i + 1), at(i + 2), at(i + 3));
        n_terms_++;
    }

    const RDKit::ROMol &mol_;
    size_t n_;
    std::vector<unsigned> distance_; /* [n_][n_] */
    std::vector<uint32_t> invariants_;
    unsigned centre_ = 0, beside_ = 0; /* atoms of the most central bond */
    double beta_ = 0;
    unsigned n_terms_ = 0;
    std::vector<cgrd_torsion> found_;
};

/* "Se (atom 2)": atoms count from 1, as in a molblock. */
std::string name_of_atom(const RDKit::Atom &atom)
{
    return atom.getSymbol() + " (atom " + std::to_string(atom.getIdx() + 1) + ")";
}

/* The terms of the MMFF94 energy of a molecule; see cgrd_mmff_terms(). */
class MmffTerms
{
  public:
    /* MMFF94 has an aromaticity of its own, which RDKit stores in `mol`. */
    MmffTerms(RDKit::RWMol &mol, const char *variant) : mol_(mol), properties_(mol, variant)
    {
    }

    const std::vector<cgrd_mmff_term> &find()
    {
        check_atoms();
        find_bonds();
        for_each_angle([this](unsigned i, unsigned j, unsigned k) { find_angle(i, j, k); });
        for_each_angle([this](unsigned i, unsigned j, unsigned k) { find_stretch_bend(i, j, k); });
        find_planes();
        find_torsions();
        find_pairs();
        return terms_;
    }

  private:
    void add(int kind, std::initializer_list<unsigned> atoms,
             std::initializer_list<double> parameters)
    {
        cgrd_mmff_term term = {};

        term.kind = kind;
        std::copy(atoms.begin(), atoms.end(), term.atoms);
        std::copy(parameters.begin(), parameters.end(), term.parameters);
        terms_.push_back(term);
    }

    std::string name(unsigned atom) const
    {
        return name_of_atom(*mol_.getAtomWithIdx(atom));
    }

    bool is_linear(unsigned atom)
    {
        return (*RDKit::MMFF::DefaultParameters::getMMFFProp())(properties_.getMMFFAtomType(atom))
            ->linh;
    }

    std::vector<unsigned> neighbours(unsigned atom) const
    {
        std::vector<unsigned> found;

        for (const RDKit::Atom *other : mol_.atomNeighbors(mol_.getAtomWithIdx(atom)))
            found.push_back(other->getIdx());
        return found;
    }

    void check_atoms()
    {
        for (const RDKit::Atom *atom : mol_.atoms())
            if (atom->getTotalNumHs())
                throw std::invalid_argument("hydrogens of " + name(atom->getIdx()) +
                                            " are no atoms");
        /* Hydrogens have no type because of their heavy atom, which is named. */
        for (bool heavy : { true, false })
            for (const RDKit::Atom *atom : mol_.atoms())
                if ((atom->getAtomicNum() > 1) == heavy &&
                    !properties_.getMMFFAtomType(atom->getIdx()))
                    throw std::invalid_argument("MMFF94 has no type for " + name(atom->getIdx()));
        if (!properties_.isValid())
            throw std::invalid_argument("MMFF94 has no parameters");
    }

    void find_bonds()
    {
        for (const RDKit::Bond *bond : mol_.bonds()) {
            unsigned type, i = bond->getBeginAtomIdx(), j = bond->getEndAtomIdx();
            ForceFields::MMFF::MMFFBond p;

            if (!properties_.getMMFFBondStretchParams(mol_, i, j, type, p))
                throw std::invalid_argument("MMFF94 has no parameters for the bond of " + name(i) +
                                            " and " + name(j));
            add(CGRD_MMFF_BOND, { i, j }, { p.kb, p.r0 });
        }
    }

    template <typename F> void for_each_angle(F f)
    {
        for (unsigned j = 0; j < mol_.getNumAtoms(); j++) {
            std::vector<unsigned> ends = neighbours(j);

            for (size_t b = 0; b < ends.size(); b++)
                for (size_t a = 0; a < b; a++)
                    f(ends[a], j, ends[b]);
        }
    }

    void find_angle(unsigned i, unsigned j, unsigned k)
    {
        unsigned type;
        ForceFields::MMFF::MMFFAngle p;

        if (properties_.getMMFFAngleBendParams(mol_, i, j, k, type, p))
            add(CGRD_MMFF_ANGLE, { i, j, k }, { p.ka, p.theta0, is_linear(j) ? 1.0 : 0.0 });
    }

    void find_stretch_bend(unsigned i, unsigned j, unsigned k)
    {
        unsigned type;
        ForceFields::MMFF::MMFFStbn p;
        ForceFields::MMFF::MMFFBond bonds[2];
        ForceFields::MMFF::MMFFAngle angle;

        if (!is_linear(j) &&
            properties_.getMMFFStretchBendParams(mol_, i, j, k, type, p, bonds, angle))
            add(CGRD_MMFF_STRETCH_BEND, { i, j, k },
                { p.kbaIJK, p.kbaKJI, bonds[0].r0, bonds[1].r0 });
    }

    void find_planes()
    {
        for (unsigned j = 0; j < mol_.getNumAtoms(); j++) {
            std::vector<unsigned> n = neighbours(j);
            ForceFields::MMFF::MMFFOop p;

            if (n.size() != 3 || !properties_.getMMFFOopBendParams(mol_, n[0], j, n[1], n[2], p))
                continue;
            add(CGRD_MMFF_PLANE, { n[0], j, n[1], n[2] }, { p.koop });
            add(CGRD_MMFF_PLANE, { n[0], j, n[2], n[1] }, { p.koop });
            add(CGRD_MMFF_PLANE, { n[1], j, n[2], n[0] }, { p.koop });
        }
    }

    /* May there be torsions about the bonds of an atom? */
    bool is_axis(unsigned atom) const
    {
        const RDKit::Atom *a = mol_.getAtomWithIdx(atom);

        for (const RDKit::Bond *bond : mol_.atomBonds(a))
            if (bond->getBondType() == RDKit::Bond::TRIPLE)
                return false;
        return a->getDegree() > 1 && (a->getHybridization() == RDKit::Atom::SP2 ||
                                      a->getHybridization() == RDKit::Atom::SP3);
    }

    void find_torsions()
    {
        for (const RDKit::Bond *bond : mol_.bonds()) {
            unsigned type, j = bond->getBeginAtomIdx(), k = bond->getEndAtomIdx();
            ForceFields::MMFF::MMFFTor p;

            if (!is_axis(j) || !is_axis(k))
                continue;
            for (unsigned i : neighbours(j))
                for (unsigned l : neighbours(k))
                    if (i != k && l != j && i != l &&
                        properties_.getMMFFTorsionParams(mol_, i, j, k, l, type, p))
                        add(CGRD_MMFF_TORSION, { i, j, k, l }, { p.V1, p.V2, p.V3 });
        }
    }

    void find_pairs()
    {
        const unsigned n = mol_.getNumAtoms();
        const double *bonds = RDKit::MolOps::getDistanceMat(mol_); /* owned by mol_ */
        const double unconnected = 1e6;                            /* RDKit sets 1e8 */

        for (unsigned i = 0; i < n; i++)
            for (unsigned j = i + 1; j < n; j++) {
                const double apart = bonds[i * static_cast<size_t>(n) + j];
                ForceFields::MMFF::MMFFVdWRijstarEps p = {};

                if (apart < 2.5 || apart > unconnected)
                    continue;
                if (!properties_.getMMFFVdWParams(i, j, p))
                    throw std::invalid_argument("MMFF94 has no parameters for the pair of " +
                                                name(i) + " and " + name(j));
                add(CGRD_MMFF_PAIR, { i, j },
                    { p.R_ij_star, p.epsilon,
                      properties_.getMMFFPartialCharge(i) * properties_.getMMFFPartialCharge(j) *
                          (apart < 3.5 ? 0.75 : 1.0) });
            }
    }

    RDKit::RWMol &mol_;
    RDKit::MMFF::MMFFMolProperties properties_;
    std::vector<cgrd_mmff_term> terms_;
};

/* The UFF energy of one conformer. */
class Uff
{
  public:
    explicit Uff(const char *smiles) : mol_(parse_smiles(smiles, true, false))
    {
        auto types = RDKit::UFF::getAtomTypes(*mol_);

        for (unsigned i = 0; i < mol_->getNumAtoms(); i++)
            if (!types.first[i])
                throw std::invalid_argument("UFF has no type for " +
                                            name_of_atom(*mol_->getAtomWithIdx(i)));
        types_ = types.first;
    }

    /* Moves the atoms that are not fixed in at most max_rounds rounds. */
    void minimize(double (*xyz)[3], size_t n, const unsigned char *fixed, unsigned max_rounds,
                  double limit, cgrd_uff_result *ret)
    {
        /* rounds between tests of the gradient */
        const unsigned each = std::max(1u, std::min(100u, max_rounds / 20));
        std::unique_ptr<ForceFields::ForceField> field;
        int needs_more = 1;

        if (n != mol_->getNumAtoms())
            throw std::invalid_argument("the number of atoms differs");
        set_conformer(xyz, n);
        field.reset(RDKit::UFF::constructForceField(*mol_, types_, 1000));
        field->initialize();
        for (size_t i = 0; fixed && i < n; i++)
            if (fixed[i])
                field->fixedPoints().push_back(static_cast<int>(i));
        ret->before = field->calcEnergy();
        ret->gradient = gradient_of(*field, fixed, n);
        ret->rounds = 0;
        while (needs_more && ret->gradient > limit && ret->rounds < max_rounds) {
            unsigned rounds = std::min(each, max_rounds - ret->rounds);

            needs_more = field->minimize(rounds, 1e-6, 1e-12);
            ret->rounds += rounds;
            ret->gradient = gradient_of(*field, fixed, n);
        }
        ret->after = field->calcEnergy();
        for (unsigned i = 0; max_rounds && i < n; i++) {
            const RDGeom::Point3D &at = mol_->getConformer().getAtomPos(i);

            if (fixed && fixed[i])
                continue;
            xyz[i][0] = at.x;
            xyz[i][1] = at.y;
            xyz[i][2] = at.z;
        }
    }

  private:
    void set_conformer(const double (*xyz)[3], size_t n)
    {
        std::unique_ptr<RDKit::Conformer> conformer(new RDKit::Conformer(static_cast<unsigned>(n)));

        for (unsigned i = 0; i < n; i++)
            conformer->setAtomPos(i, RDGeom::Point3D(xyz[i][0], xyz[i][1], xyz[i][2]));
        conformer->set3D(true);
        mol_->addConformer(conformer.release(), true);
    }

    /* The greatest component, of atoms that move; infinity if one is not finite. */
    static double gradient_of(const ForceFields::ForceField &field, const unsigned char *fixed,
                              size_t n)
    {
        std::vector<double> gradient(3 * n);
        double most = 0;

        field.calcGrad(gradient.data());
        for (size_t i = 0; i < 3 * n; i++)
            if (!std::isfinite(gradient[i]))
                return std::numeric_limits<double>::infinity();
            else if (!fixed || !fixed[i / 3])
                most = std::max(most, std::fabs(gradient[i]));
        return most;
    }

    std::unique_ptr<RDKit::RWMol> mol_;
    RDKit::UFF::AtomicParamVect types_;
};

} // namespace

static bool has_radical(const RDKit::ROMol &mol)
{
    for (const RDKit::Atom *atom : mol.atoms())
        if (atom->getNumRadicalElectrons())
            return true;
    return false;
}

char *get_mol(const char *input, size_t *mol_sz, const char *details_json)
{
    if (mol_sz)
        *mol_sz = 0;
    return guarded<char *>(nullptr, [&]() -> char * {
        Details details(details_json);
        bool sanitize = details.flag("sanitize", true);
        bool remove_hs = details.flag("removeHs", true);
        bool radicals = details.flag("radicals", true);
        std::unique_ptr<RDKit::RWMol> mol;

        details.finish();
        if (!input || !mol_sz)
            return nullptr;
        if (!strncmp(input, "@<TRIPOS>MOLECULE", strlen("@<TRIPOS>MOLECULE")) &&
            strstr(input, "\n@<TRIPOS>ATOM"))
            mol.reset(RDKit::Mol2BlockToMol(input, sanitize, remove_hs));
        else if (strstr(input, "M  END"))
            mol.reset(RDKit::MolBlockToMol(input, sanitize, remove_hs, false));
        else
            mol = parse_smiles(input, sanitize, remove_hs);
        if (mol && !radicals && has_radical(*mol))
            return nullptr;
        return mol ? pickle(*mol, mol_sz) : nullptr;
    });
}

char *get_qmol(const char *input, size_t *mol_sz, const char *details_json)
{
    if (mol_sz)
        *mol_sz = 0;
    return guarded<char *>(nullptr, [&]() -> char * {
        Details(details_json).finish();
        if (!input || !mol_sz)
            return nullptr;
        std::unique_ptr<RDKit::RWMol> mol(RDKit::SmartsToMol(input));
        return mol ? pickle(*mol, mol_sz) : nullptr;
    });
}

char *get_smiles(const char *pkl, size_t pkl_sz, const char *details_json)
{
    return guarded<char *>(nullptr, [&] {
        return to_c(
            RDKit::MolToSmiles(unpickle_with_stereo(pkl, pkl_sz), smiles_params(details_json)));
    });
}

char *get_cxsmiles(const char *pkl, size_t pkl_sz, const char *details_json)
{
    return guarded<char *>(nullptr, [&] {
        return to_c(
            RDKit::MolToCXSmiles(unpickle_with_stereo(pkl, pkl_sz), smiles_params(details_json)));
    });
}

char *get_molblock(const char *pkl, size_t pkl_sz, const char *details_json)
{
    return molblock(pkl, pkl_sz, details_json, false);
}

char *get_v3kmolblock(const char *pkl, size_t pkl_sz, const char *details_json)
{
    return molblock(pkl, pkl_sz, details_json, true);
}

char *get_substruct_matches(const char *mol_pkl, size_t mol_pkl_sz, const char *query_pkl,
                            size_t query_pkl_sz, const char *options_json)
{
    return guarded<char *>(nullptr, [&] {
        RDKit::RWMol mol = unpickle(mol_pkl, mol_pkl_sz);
        RDKit::RWMol query = unpickle(query_pkl, query_pkl_sz);
        RDKit::SubstructMatchParameters params;
        std::string out;

        if (options_json && *options_json)
            RDKit::updateSubstructMatchParamsFromJSON(params, options_json);
        for (const RDKit::MatchVectType &match : RDKit::SubstructMatch(mol, query, params)) {
            std::vector<int> atoms(match.size());
            std::vector<int> bonds;

            for (const auto &pair : match)
                atoms[pair.first] = pair.second;
            for (const RDKit::Bond *qb : query.bonds()) {
                const RDKit::Bond *b = mol.getBondBetweenAtoms(atoms[qb->getBeginAtomIdx()],
                                                               atoms[qb->getEndAtomIdx()]);
                if (b)
                    bonds.push_back(static_cast<int>(b->getIdx()));
            }
            out += out.empty() ? "[" : ",";
            out += "{\"atoms\":" + int_list(atoms) + ",\"bonds\":" + int_list(bonds) + "}";
        }
        return to_c(out.empty() ? "{}" : out + "]");
    });
}

char *get_descriptors(const char *pkl, size_t pkl_sz)
{
    return guarded<char *>(nullptr, [&] {
        RDKit::RWMol mol = unpickle(pkl, pkl_sz);
        RDKit::Descriptors::Properties props;
        std::vector<std::string> names = props.getPropertyNames();
        std::vector<double> values = props.computeProperties(mol);
        std::string out = "{";
        char number[64];

        for (size_t i = 0; i < names.size(); i++) {
            snprintf(number, sizeof number, "%.9g", values[i]);
            out += (i ? ",\"" : "\"") + names[i] + "\":" + number;
        }
        return to_c(out + "}");
    });
}

char *get_svg(const char *pkl, size_t pkl_sz, const char *details_json)
{
    return guarded<char *>(nullptr, [&] {
        Details details(details_json);
        int width = details.number("width", 250, 16, 10000);
        int height = details.number("height", 200, 16, 10000);

        details.finish();
        RDKit::RWMol mol = unpickle(pkl, pkl_sz);
        RDKit::MolDraw2DSVG drawer(width, height);
        RDKit::MolDraw2DUtils::prepareAndDrawMolecule(drawer, mol);
        drawer.finishDrawing();
        return to_c(drawer.getDrawingText());
    });
}

short add_hs(char **pkl, size_t *pkl_sz)
{
    return change_pickle(pkl, pkl_sz, [](RDKit::RWMol &mol) { RDKit::MolOps::addHs(mol); });
}

short remove_all_hs(char **pkl, size_t *pkl_sz)
{
    return change_pickle(pkl, pkl_sz, [](RDKit::RWMol &mol) { RDKit::MolOps::removeAllHs(mol); });
}

short set_3d_coords(char **pkl, size_t *pkl_sz, const char *params_json)
{
    int id = 0;
    short changed = change_pickle(pkl, pkl_sz, [&](RDKit::RWMol &mol) {
        RDKit::DGeomHelpers::EmbedParameters params = RDKit::DGeomHelpers::srETKDGv3;
        std::unique_ptr<const std::map<int, RDGeom::Point3D>> coord_map;

        if (params_json && *params_json)
            RDKit::DGeomHelpers::updateEmbedParametersFromJSON(params, params_json);
        coord_map.reset(params.coordMap); /* allocated by updateEmbedParametersFromJSON() */
        id = RDKit::DGeomHelpers::EmbedMolecule(mol, params);
    });

    return changed ? static_cast<short>(id >= 0 ? id + 1 : id) : 0;
}

short has_coords(char *mol_pkl, size_t mol_pkl_sz)
{
    return guarded<short>(0, [&]() -> short {
        RDKit::RWMol mol = unpickle(mol_pkl, mol_pkl_sz);

        if (!mol.getNumConformers())
            return 0;
        return mol.getConformer().is3D() ? 3 : 2;
    });
}

void free_ptr(char *ptr)
{
    free(ptr);
}

char *version(void)
{
    return guarded<char *>(nullptr, [] { return to_c(RDKit::rdkitVersion); });
}

void enable_logging(void)
{
    guarded<int>(0, [] {
        RDLog::InitLogs();
        boost::logging::enable_logs("rdApp.*");
        return 0;
    });
}

void disable_logging(void)
{
    guarded<int>(0, [] {
        boost::logging::disable_logs("rdApp.*");
        return 0;
    });
}

char *cgrd_canonical_smiles(const char *smiles, char *reason, size_t reason_cap)
{
    return guarded<char *>(
        nullptr,
        [&] {
            try {
                return to_c(RDKit::MolToSmiles(*parse_smiles(smiles, true, true)));
            } catch (const RDKit::MolSanitizeException &) {
                /* The message counts the atoms without the removed hydrogens: with all atoms, the
                 * same error counts those of the text. */
                parse_smiles(smiles, true, false);
                throw;
            }
        },
        reason, reason_cap);
}

int cgrd_find_radical(const char *smiles)
{
    return guarded<int>(-1, [&] {
        std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);

        for (const RDKit::Atom *atom : mol->atoms()) {
            unsigned n_h = atom->getTotalNumHs();

            /* isotopic hydrogens are atoms of the canonical SMILES */
            for (const RDKit::Atom *other : mol->atomNeighbors(atom))
                n_h += other->getAtomicNum() == 1 && !other->getIsotope();
            if (atom->getNumRadicalElectrons() && !n_h)
                return static_cast<int>(atom->getIdx());
        }
        return -1;
    });
}

unsigned char *cgrd_count_hs(const char *smiles, size_t *ret_n_atoms, char *reason,
                             size_t reason_cap)
{
    char *bytes = guarded<char *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);
            std::string counts;

            for (const RDKit::Atom *atom : mol->atoms())
                counts += static_cast<char>(atom->getTotalNumHs());
            return to_c(counts, ret_n_atoms);
        },
        reason, reason_cap);

    return reinterpret_cast<unsigned char *>(bytes);
}

short cgrd_place_hs(const char *pkl, size_t pkl_sz, const double (*xyz)[3], size_t n_atoms,
                    double (*ret_xyz)[3], size_t n_hs, char *reason, size_t reason_cap)
{
    return guarded<short>(
        0,
        [&]() -> short {
            RDKit::RWMol mol = unpickle(pkl, pkl_sz);
            std::unique_ptr<RDKit::Conformer> conformer(new RDKit::Conformer(mol.getNumAtoms()));

            if (mol.getNumAtoms() != n_atoms)
                throw std::invalid_argument("the number of atoms differs");
            for (size_t i = 0; i < n_atoms; i++)
                conformer->setAtomPos(i, RDGeom::Point3D(xyz[i][0], xyz[i][1], xyz[i][2]));
            conformer->set3D(true);
            mol.addConformer(conformer.release(), true);
            RDKit::MolOps::addHs(mol, false, true);
            if (mol.getNumAtoms() != n_atoms + n_hs)
                throw std::invalid_argument("the number of hydrogens differs");
            for (size_t i = 0; i < n_hs; i++) {
                const RDGeom::Point3D &at =
                    mol.getConformer().getAtomPos(static_cast<unsigned>(n_atoms + i));

                ret_xyz[i][0] = at.x;
                ret_xyz[i][1] = at.y;
                ret_xyz[i][2] = at.z;
            }
            return 1;
        },
        reason, reason_cap);
}

double *cgrd_distance_bounds(const char *pkl, size_t pkl_sz, const char *details_json,
                             const cgrd_angle *angles, size_t n_angles, size_t *ret_n_atoms,
                             char *reason, size_t reason_cap)
{
    const unsigned max_atoms = 10000; /* 800 MB */
    return guarded<double *>(
        nullptr,
        [&] {
            Details details(details_json);
            bool set15 = details.flag("set15bounds", true);
            bool scale = details.flag("scaleVDW", true);
            bool smooth = details.flag("doTriangleSmoothing", true);
            bool config14 = details.flag("useMacrocycle14config", false);
            bool trans = details.flag("forceTransAmides", true);
            bool flexible = details.flag("flexibleMacrocycles", false);
            bool radii = details.flag("bondRadii", true);

            details.finish();
            RDKit::RWMol mol = unpickle(pkl, pkl_sz);
            const unsigned n = mol.getNumAtoms();
            if (!n || n > max_atoms)
                throw std::invalid_argument("bounds are set for 1 to 10000 atoms");
            DistGeom::BoundsMatPtr bounds(new DistGeom::BoundsMatrix(n));
            RDKit::DGeomHelpers::initBoundsMat(bounds);
            if (!mol.getRingInfo()->isInitialized())
                RDKit::MolOps::findSSSR(mol);
            RDKit::DGeomHelpers::setTopolBounds(mol, bounds, set15, scale, config14, trans);
            if (radii)
                replace_bonds(mol, *bounds);
            if (flexible)
                widen_torsions(mol, *bounds);
            if (n_angles)
                replace_angles(mol, angles, n_angles, *bounds);
            if (smooth && !DistGeom::triangleSmoothBounds(bounds))
                throw std::runtime_error("its distance bounds contradict each other");
            *ret_n_atoms = n;
            return to_c<double>(bounds->getData(), size_t { n } * n);
        },
        reason, reason_cap);
}

cgrd_stereo *cgrd_find_stereo(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                              size_t reason_cap)
{
    return guarded<cgrd_stereo *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);
            std::vector<cgrd_stereo> found;

            for (const RDKit::Atom *atom : mol->atoms())
                if (atom->getChiralTag() != RDKit::Atom::CHI_UNSPECIFIED)
                    found.push_back(stereo_of(*mol, atom));
            for (const RDKit::Bond *bond : mol->bonds())
                if (bond->getStereo() > RDKit::Bond::STEREOANY)
                    found.push_back(stereo_of(bond));
            *ret_n_atoms = mol->getNumAtoms();
            return to_c(found, ret_n);
        },
        reason, reason_cap);
}

int cgrd_count_lost_stereo(const char *smiles, char *reason, size_t reason_cap)
{
    return guarded<int>(
        -1,
        [&] {
            std::unique_ptr<RDKit::RWMol> written = parse_smiles(smiles, false, false);
            std::unique_ptr<RDKit::RWMol> held = parse_smiles(smiles, true, false);

            return LostStereo(*written, *held).count();
        },
        reason, reason_cap);
}

char *cgrd_invert_stereo(const char *smiles, const cgrd_stereo *inverted, size_t n, char *reason,
                         size_t reason_cap)
{
    return guarded<char *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);

            for (size_t i = 0; i < n; i++) {
                const cgrd_stereo &s = inverted[i];
                RDKit::Bond *bond = nullptr;

                if (s.kind == CGRD_CENTRE && s.atom < mol->getNumAtoms())
                    mol->getAtomWithIdx(s.atom)->invertChirality();
                else if (s.kind == CGRD_DOUBLE_BOND)
                    bond = mol->getBondBetweenAtoms(s.atom, s.other_end);
                if (bond)
                    bond->setStereo(opposite(bond->getStereo()));
            }
            return to_c(RDKit::MolToSmiles(*mol));
        },
        reason, reason_cap);
}

double *cgrd_core_positions(const char *block, size_t *ret_n, char *reason, size_t reason_cap)
{
    return guarded<double *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> core = parse_core(block);
            std::vector<double> xyz;

            for (const RDGeom::Point3D &at : core->getConformer().getPositions())
                xyz.insert(xyz.end(), { at.x, at.y, at.z });
            *ret_n = core->getNumAtoms();
            return to_c(xyz.data(), xyz.size());
        },
        reason, reason_cap);
}

unsigned *cgrd_core_matches(const char *block, const char *smiles, unsigned max_matches,
                            size_t *ret_n, char *reason, size_t reason_cap)
{
    return guarded<unsigned *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> core = parse_core(block);
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);
            RDKit::SubstructMatchParameters params;
            std::vector<unsigned> atoms;
            const unsigned long most = 5000000; /* comparisons of atoms: about a second */
            unsigned long left = most;

            params.uniquify = false;
            params.aromaticMatchesConjugated = true;
            params.maxMatches = max_matches;
            *ret_n = 0;
            count_comparisons(*core, &left);

            const auto matches = RDKit::SubstructMatch(*mol, *core, params);

            if (!left)
                throw std::invalid_argument("the search for the core ended after " +
                                            std::to_string(most) + " comparisons of atoms");
            for (const RDKit::MatchVectType &match : matches) {
                size_t first = atoms.size();

                atoms.resize(first + match.size());
                for (const auto &pair : match)
                    atoms[first + pair.first] = static_cast<unsigned>(pair.second);
                ++*ret_n;
            }
            return to_c(atoms.data(), atoms.size());
        },
        reason, reason_cap);
}

cgrd_mmff_term *cgrd_mmff_terms(const char *smiles, const char *variant, size_t *ret_n,
                                size_t *ret_n_atoms, char *reason, size_t reason_cap)
{
    return guarded<cgrd_mmff_term *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);
            MmffTerms terms(*mol, variant);

            *ret_n_atoms = mol->getNumAtoms();
            return to_c(terms.find(), ret_n);
        },
        reason, reason_cap);
}

short cgrd_uff_check(const char *smiles, char *reason, size_t reason_cap)
{
    return guarded<short>(
        0,
        [&]() -> short {
            Uff uff(smiles);

            return 1;
        },
        reason, reason_cap);
}

short cgrd_uff_minimize(const char *smiles, double (*xyz)[3], size_t n_atoms,
                        const unsigned char *fixed, unsigned max_rounds, double gradient,
                        cgrd_uff_result *ret, char *reason, size_t reason_cap)
{
    return guarded<short>(
        0,
        [&]() -> short {
            Uff(smiles).minimize(xyz, n_atoms, fixed, max_rounds, gradient, ret);
            return 1;
        },
        reason, reason_cap);
}

cgrd_torsion *cgrd_torsions(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                            size_t reason_cap)
{
    return guarded<cgrd_torsion *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);

            RDKit::MolOps::removeAllHs(*mol);
            *ret_n_atoms = mol->getNumAtoms();
            return to_c(TorsionFingerprint(*mol).find(), ret_n);
        },
        reason, reason_cap);
}

cgrd_bond *cgrd_find_bonds(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                           size_t reason_cap)
{
    return guarded<cgrd_bond *>(
        nullptr,
        [&] {
            std::unique_ptr<RDKit::RWMol> mol = parse_smiles(smiles, true, false);
            RDKit::RWMol kekule(*mol);
            std::vector<cgrd_bond> found;

            RDKit::MolOps::Kekulize(kekule);
            for (const RDKit::Bond *bond : kekule.bonds()) {
                const RDKit::Bond::BondType type = bond->getBondType();
                const int order = type == RDKit::Bond::SINGLE   ? 1
                                  : type == RDKit::Bond::DOUBLE ? 2
                                  : type == RDKit::Bond::TRIPLE ? 3
                                                                : 0;

                found.push_back({ { bond->getBeginAtomIdx(), bond->getEndAtomIdx() },
                                  order,
                                  mol->getBondWithIdx(bond->getIdx())->getIsAromatic() });
            }
            *ret_n_atoms = mol->getNumAtoms();
            return to_c(found, ret_n);
        },
        reason, reason_cap);
}
