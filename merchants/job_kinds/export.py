import gzip
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from django.db import connections
from django.utils.translation import gettext_lazy as _

from merchants import job_files, jobs, open_file
from merchants.jobs import Kind, Work
from merchants.models import Job


class ExportMerchant(Kind):
    """
    The whole merchant as an open file, as of one moment.

    It is read in one transaction that writes nothing, so progress goes through a connection of its own, and an
    export that was interrupted begins anew. Only owners: the file holds everything about everybody.
    """

    kind = "export_merchant"
    label = _("Export everything as an open file")
    lead = _(
        "All customers, points and history in one file. It holds everything about everybody: keep it like a backup."
    )
    permission = "merchants.change_merchant"
    has_rehearsal = False
    result = "jsonl.gz"

    def total(self, job: Job) -> int:
        return open_file.count(job.merchant)

    def run(self, work: Work) -> None:
        work.until += jobs.TURN_SECONDS * 3  # it cannot be interrupted and go on
        with tempfile.TemporaryFile() as body, ThreadPoolExecutor(1) as aside:
            done = 0

            def each(rows: int) -> None:
                nonlocal done
                done += rows
                aside.submit(_elsewhere, work, done).result()

            try:
                with gzip.GzipFile(filename="", fileobj=body, mode="wb") as packed:
                    lines = open_file.export(
                        merchant=work.job.merchant, at=work.at, write=packed.write, each=each
                    )
            finally:
                aside.submit(connections.close_all).result()  # those of that thread
            total = sum(lines.values())
            work.keep(chunks=_pieces(body), done=total, counts={"lines": total})

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        return [(_("Lines"), counts["lines"])] if "lines" in counts else []


def _elsewhere(work: Work, done: int) -> None:
    work.tell(place=0, done=done, counts={})


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    body.seek(0)
    while piece := body.read(job_files.PIECE):
        yield piece
