"""The instruction set of the kernels: one for all ranks of a run, and for those that go on with it."""

import logging

from hpcdvc import kernels
from hpcdvc.runs.shards import Shards

log = logging.getLogger("hpcdvc")


def agree_on_instruction_set(team, shards: Shards) -> str:
    """Choose the instruction set of all ranks and return its name. Collective.

    It is that of the shards, where there are any and all ranks have it; else the greatest that all ranks have: another
    one rounds otherwise, and the rows would depend on which rank measured them.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    shards : of the run
    """
    on_ranks = team.all_gather(kernels.supported())
    common = [name for name in on_ranks[0] if all(name in names for names in on_ranks)]
    begun = team.agree(shards.instruction_set)
    chosen = begun if begun in common else common[-1]
    if begun not in (None, chosen):
        log.warning(
            f"{shards.folder} was begun with the instruction set {begun}, which not all ranks have now: what is left "
            f"is done with {chosen}, and its last bits may differ; HPCDVC_ISA={chosen} from the start avoids this"
        )
    kernels.select(chosen)
    return chosen
