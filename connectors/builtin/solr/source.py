"""`SolrSource`: the documents of a query, in the order of a field that only grows, each once.

Solr's cursor marks say where a sorted result goes on; the mark behind the last page finds what was
added later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from aliran.connectors.api.function_tasks import Record, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.web.calls import Calls


@dataclass(frozen=True, kw_only=True)
class SolrSourceConfig(HttpOptions):
    """The options."""

    topic: Annotated[str, Option("Where documents go.", importance=Importance.HIGH)]
    solr_url: Annotated[
        str,
        Option("The server, such as http://solr.example.org:8983/solr.",
               importance=Importance.HIGH, validator=check_url),
    ]  # fmt: skip
    solr_collection: Annotated[str, Option("The collection.", importance=Importance.HIGH)]
    solr_query: Annotated[str, Option("Which documents.")] = "*:*"
    solr_sort_field: Annotated[
        str,
        Option("A field that is greater in each later document, such as a time.",
               importance=Importance.HIGH),
    ]  # fmt: skip
    solr_id_field: Annotated[str, Option("The field of the document's id.")] = "id"
    page_size: Annotated[int, Option("Documents of a request.", validator=between(1, 10_000))] = 500
    poll_interval_ms: Annotated[
        int, Option("The wait where there is nothing new.", validator=at_least(1))
    ] = 5_000
    retry_backoff_ms: Annotated[
        int, Option("The wait after a failed request.", validator=at_least(1))
    ] = 1_000


@source("SolrSource", config=SolrSourceConfig, version="1")
def solr_source(cfg: SolrSourceConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield documents; the mark of a page is stored behind its last one."""
    partition = {"collection": f"{cfg.solr_url}/{cfg.solr_collection}", "query": cfg.solr_query}
    mark = ctx.offset(partition).get("cursor", "*")
    calls = Calls(cfg.client(), -1, cfg.retry_backoff_ms)
    try:
        while not ctx.stopping:
            documents, following = _page(cfg, calls, mark)
            for number, document in enumerate(documents, 1):
                last = number == len(documents)
                yield Record(
                    document, key=str(document[cfg.solr_id_field]), partition=partition,
                    offset={"cursor": following} if last else None,
                )  # fmt: skip
            mark = following
            if not documents:
                ctx.sleep(cfg.poll_interval_ms / 1000)
    finally:
        calls.close()


@solr_source.check
def _check(cfg: SolrSourceConfig) -> None:
    calls = Calls(cfg.client(), 0, cfg.retry_backoff_ms)
    try:
        _page(cfg, calls, "*")
    finally:
        calls.close()


def _page(cfg: SolrSourceConfig, calls: Calls, mark: str) -> tuple[list[dict[str, Any]], str]:
    url = f"{cfg.solr_url.rstrip('/')}/{cfg.solr_collection}/select"
    params = {
        "q": cfg.solr_query, "rows": cfg.page_size, "cursorMark": mark, "wt": "json",
        "sort": f"{cfg.solr_sort_field} asc, {cfg.solr_id_field} asc",
    }  # fmt: skip
    response = calls.send("GET", url, params=params)
    if not response.is_success:
        raise ConnectError(told_by(response))
    try:
        found = response.json()
        documents: list[dict[str, Any]] = found["response"]["docs"]
        if not all(cfg.solr_id_field in one for one in documents):
            raise KeyError(cfg.solr_id_field)
        following = str(found["nextCursorMark"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{url} does not answer as a search does: {error!r}") from error
    calls.succeeded()
    return documents, following
