"""Chain and transcripts for the cases of GenOps: published alignments and exons, no more of them than the cases need.

Chain: stretches around LDLR, MET, BRAF and HFE where GRCh37 and GRCh38 differ by an offset. Exons: RefSeq's APC
NM_001127510.3, BRAF NM_001354609.2 (coding exons 1–15) and NRAS NM_002524.5 (coding exons 2–3) on GRCh37.
"""

from __future__ import annotations

from pathlib import Path

_CHAINS = (
    # name, lengths of the chromosome in GRCh37 and GRCh38, start in each, bases
    ("chr19", 59128983, 58617616, 11150000, 11039324, 150_000),
    ("chr7", 159138663, 159345973, 116250000, 116609946, 250_000),
    ("chr7", 159138663, 159345973, 140400000, 140700200, 300_000),
    ("chr6", 171115067, 170805979, 26000000, 25999772, 200_000),
)
_EXONS = {
    ("NC_000005.9", "+", "NM_001127510.3"): [(112090588, 112090722), (112102023, 112102107)],
    ("NC_000007.13", "-", "NM_001354609.2"): [
        (140624366, 140624503), (140549911, 140550012), (140534409, 140534672), (140508692, 140508795),
        (140507760, 140507862), (140501212, 140501360), (140500162, 140500281), (140494108, 140494267),
        (140487348, 140487384), (140482821, 140482957), (140481376, 140481493), (140477791, 140477875),
        (140476712, 140476888), (140453987, 140454033), (140453075, 140453193),
    ],
    ("NC_000001.10", "-", "NM_002524.5"): [(115258671, 115258781), (115256421, 115256599)],
}  # fmt: skip


def chain_file(folder: Path) -> Path:
    lines = []
    for number, (name, length, other_length, start, other, bases) in enumerate(_CHAINS, 1):
        lines.append(
            f"chain 1000 {name} {length} + {start} {start + bases} {name} {other_length} + {other} {other + bases} "
            f"{number}\n{bases}\n"
        )
    path = folder / "GRCh37-to-GRCh38.chain"
    path.write_text("\n".join(lines) + "\n")
    return path


def transcript_file(folder: Path) -> Path:
    lines = ["##gff-version 3"]
    for (accession, strand, name), exons in _EXONS.items():
        for first, last in exons:
            lines.append(
                f"{accession}\tBestRefSeq\tCDS\t{first}\t{last}\t.\t{strand}\t.\tParent=rna-{name};transcript_id={name}"
            )
    path = folder / "transcripts.gff3"
    path.write_text("\n".join(lines) + "\n")
    return path
