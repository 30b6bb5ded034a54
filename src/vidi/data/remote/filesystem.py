"""Stores behind addresses, by pyarrow: listing and reading, tried again where that may help."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from vidi.errors import DataError, ResourceError, from_extra
from vidi.files import escape_path

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Result = TypeVar("Result")

WAITS = (0.5, 1.0, 2.0)  # seconds before each further attempt
CONNECT_SECONDS, REQUEST_SECONDS = 10, 60
# What another attempt would not change, in pyarrow's messages.
_FINAL = ("ACCESS_DENIED", "NO_SUCH_KEY", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY", "SIGNATURE", "RESOURCE_NOT_FOUND")


def open_filesystem(address: str) -> tuple["FileSystem", str]:
    """The store of an address, and the path in it.

    The variables of Amazon's and Google's own tools give credentials, region and endpoint.

    Raises:
        MissingPackageError: pyarrow is not installed.
        ResourceError: the store cannot be reached.
    """
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")  # else Amazon's library asks the network for credentials
    with from_extra(f"reading {escape_path(address)} needs pyarrow", extra="tables"):
        from pyarrow import fs
    scheme, _, path = address.partition("://")
    path = path.rstrip("/")
    try:
        if scheme.lower() == "gs":
            return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=REQUEST_SECONDS)), path
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        secure, _, host = endpoint.rpartition("://")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region is None and not host:
            region = fs.resolve_s3_region(path.partition("/")[0])
        store = fs.S3FileSystem(
            region=region,
            scheme=secure or "https",
            endpoint_override=host or None,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),  # `again` tries again
        )
    except OSError as error:
        raise unreachable(address, error) from error
    return store, path


def again(operation: Callable[[], Result], *, sleep: Callable[[float], None] = time.sleep) -> Result:
    """Do what a network may spoil, up to four times.

    Raises:
        OSError: of the last attempt, or of one that nothing can help.
    """
    for wait in WAITS:
        try:
            return operation()
        except OSError as error:
            if is_final(error):
                raise
            sleep(wait)
    return operation()


def is_final(error: OSError) -> bool:
    """Whether another attempt would end the same way.

    >>> is_final(OSError("AWS Error ACCESS_DENIED during GetObject")), is_final(OSError("AWS Error NETWORK_CONNECTION"))
    (True, False)
    """
    return isinstance(error, FileNotFoundError | PermissionError) or any(word in str(error) for word in _FINAL)


def reason_of(error: OSError) -> str:
    """What went wrong, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def unreachable(address: str, error: OSError) -> DataError | ResourceError:
    """A store, a bucket or an object that cannot be read as a whole."""
    if is_final(error):
        return DataError(
            f"{escape_path(address)} cannot be read: {reason_of(error)}",
            "Check its name, and the credentials in the environment (AWS_… or GOOGLE_APPLICATION_CREDENTIALS).",
        )
    return ResourceError(
        f"{escape_path(address)} cannot be reached: {reason_of(error)}",
        "Check the network and the endpoint (AWS_ENDPOINT_URL), and try again: what was fetched is kept.",
    )
