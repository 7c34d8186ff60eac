"""What the server itself serves, registered as any plug-in registers its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fhir_bridge.plugins import hookimpl

if TYPE_CHECKING:  # what converts files needs no server
    from fhir_bridge.plugins import Operation, Pages, ServerContext

__all__ = ["fhir_bridge_operations", "fhir_bridge_pages"]


@hookimpl
def fhir_bridge_operations(context: ServerContext) -> Iterable[Operation]:
    """What the server does beside reading, writing and searching; `$validate`, `$export`, `$convert-data` among it."""
    from fhir_bridge.server.genomics import genomics_operations
    from fhir_bridge.server.rest.bulk_import import Import
    from fhir_bridge.server.rest.convert_data import ConvertData
    from fhir_bridge.server.rest.documents import Document
    from fhir_bridge.server.rest.export import Export
    from fhir_bridge.server.rest.expunge import Expunge
    from fhir_bridge.server.rest.matching import Match
    from fhir_bridge.server.rest.messages import ProcessMessage
    from fhir_bridge.server.rest.meta_operations import Meta, MetaAdd, MetaDelete
    from fhir_bridge.server.rest.predicting import PredictMany
    from fhir_bridge.server.rest.record_operations import Everything, LastN
    from fhir_bridge.server.rest.reviewing import ReviewResult, WithdrawAll, WithdrawOne
    from fhir_bridge.server.rest.subscription_operations import Events, Status
    from fhir_bridge.server.rest.summary import Summary
    from fhir_bridge.server.rest.terminology import Versions, terminology_operations
    from fhir_bridge.server.rest.validate import Validate
    from fhir_bridge.server.rest.websocket import BindingToken

    return [
        Validate(context.terminology),
        Versions(),
        Everything(),
        LastN(),
        Document(),
        Match(),
        ProcessMessage(),
        Meta(),
        MetaAdd(),
        MetaDelete(),
        Summary(),
        Expunge(),
        Export(context.settings),
        Import(context.settings),
        ReviewResult(),
        WithdrawOne(),
        WithdrawAll(),
        PredictMany(context.settings),
        ConvertData(context.settings),
        Status(),
        BindingToken(),
        Events(),
        *terminology_operations(context.terminology),
        *genomics_operations(context.settings),
    ]


@hookimpl
def fhir_bridge_pages() -> Iterable[Pages]:
    """The cohort, a patient, the inbox, and their style."""
    from fhir_bridge.server.pages import PAGES

    return PAGES
