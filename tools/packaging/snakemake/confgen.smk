# SPDX-License-Identifier: MIT
# Conformers of a list of molecules: NAME.smi, lines of SMILES, name and k, becomes NAME.sdf.zst.
#
#   include: "confgen.smk"
#
# config["confgen"]: gens, conformers per molecule, as --gens (10); options, further ones. Molecules that fail are lines
# of NAME.failed.tsv; the rule succeeds.
rule confgen:
    input:
        "{name}.smi",
    output:
        conformers="{name}.sdf.zst",
        failed="{name}.failed.tsv",
        report="{name}.report.json",
    log:
        "{name}.confgen.log",
    params:
        gens=config.get("confgen", {}).get("gens", 10),
        options=config.get("confgen", {}).get("options", ""),
    threads: 8
    shell:
        """
        status=0
        confgen --input {input} --gens {params.gens} --threads {threads} {params.options} --overwrite \
            --output {output.conformers} --failed {output.failed} --report {output.report} >{log} 2>&1 || status=$?
        [ $status -le 1 ] || exit $status
        """
