// SPDX-License-Identifier: MIT
// Conformers of a list of molecules: lines of SMILES, name and k, or an SDF. An unfinished run is repeated.
//
//   include { CONFGEN } from './confgen.nf'
//   workflow { CONFGEN(Channel.fromPath('lists/*.smi').map { [[id: it.baseName], it] }) }
//
// ext.gens: conformers per molecule, as --gens (10); ext.args: further options; ext.prefix: name of the outputs.
// Molecules that fail are lines of `failed`; the process succeeds.
process CONFGEN {
    tag "${meta.id}"
    label 'process_medium'

    input:
    tuple val(meta), path(molecules)

    output:
    tuple val(meta), path("${prefix}.sdf.zst"), emit: conformers
    tuple val(meta), path("${prefix}.failed.tsv"), emit: failed
    tuple val(meta), path("${prefix}.report.json"), emit: report
    path 'versions.yml', emit: versions

    script:
    prefix = task.ext.prefix ?: "${meta.id}"
    gens = task.ext.gens ?: 10
    args = task.ext.args ?: ''
    """
    status=0
    confgen --input ${molecules} --gens ${gens} --threads ${task.cpus} ${args} \\
        --output ${prefix}.sdf.zst --failed ${prefix}.failed.tsv --report ${prefix}.report.json || status=\$?
    [ \$status -le 1 ] || exit \$status
    printf '"%s":\\n    confgen: %s\\n' "${task.process}" "\$(confgen --version | head -n 1 | cut -d ' ' -f 2)" >versions.yml
    """
}
