"""tmp"""


async def add_kept(call, subject, kinds, places, evidence): ...
