"""The source runs on Windows and macOS too: what only Unix or Linux has is asked for before it is used."""

import ast
from collections.abc import Iterator

from tools.measure_house import MODULES, SOURCE, text_of

UNIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "curses", "readline"}
UNIX_OF_OS = (
    "chown fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpriority getsid getuid "
    "initgroups killpg lchown lockf major makedev memfd_create minor mkfifo mknod nice openpty pathconf pidfd_open "
    "posix_fadvise posix_fallocate posix_spawn pread preadv pwrite pwritev readv register_at_fork sched_getaffinity "
    "sched_setaffinity sched_yield sendfile seteuid setgid setpgid setpriority setsid setuid splice statvfs sync "
    "sysconf tcgetpgrp ttyname uname wait wait3 wait4 waitid writev WEXITSTATUS WIFEXITED WNOHANG "
    "O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC"
)
EVERYWHERE_IN_SIGNAL = (
    "signal getsignal raise_signal default_int_handler valid_signals strsignal Signals Handlers SIG_DFL SIG_IGN "
    "SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM"
)
UNIX_PATHS = ("/proc", "/sys/", "/dev/", "/etc/", "/tmp", "/var/")  # noqa: S108 - what is looked for
WORDS = (*UNIX_MODULES, *UNIX_PATHS, "os.", "signal.", "preexec_fn")  # where none stands, nothing can be found
ASKS = ("hasattr(", "os.name", "sys.platform", "__members__")


def test_what_only_unix_has_is_asked_for_before_it_is_used():
    found = [
        f"{path.relative_to(SOURCE)}:{line} {what}"
        for path in MODULES
        if any(word in text_of(path) for word in WORDS)
        for line, what in unguarded(text_of(path))
    ]

    assert found == []


def test_the_reader_of_the_source_finds_what_it_looks_for():
    source = (
        "import fcntl, os, signal\n"
        "os.kill(1, 0)\n"
        "os.pread(0, 1, 0)\n"
        "signal.alarm(1)\n"
        "open('/proc/self/statm')\n"
        "if hasattr(os, 'fork'):\n    os.fork()\n"
        "try:\n    import resource\nexcept ImportError:\n    pass\n"
    )

    assert [what for _, what in unguarded(source)] == [
        "import fcntl",
        "os.kill",
        "os.pread",
        "signal.alarm",
        "/proc/self/statm",
    ]


def unguarded(source: str) -> Iterator[tuple[int, str]]:
    """The lines that name what not every system has, where nothing around them asks for it or copes without it."""
    tree = ast.parse(source)
    above = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    found = []
    for node in ast.walk(tree):
        for what, failure in special_to_unix(node):
            around = [node]
            while around[-1] in above:
                around.append(above[around[-1]])
            if what == "os.kill" or not any(copes(parent, failure) for parent in around):
                found.append((getattr(node, "lineno", 0), what))
    yield from sorted(found, key=lambda place: place[0])


def special_to_unix(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What a node names that some systems lack, and the error that naming it raises there."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        yield from ((f"import {name}", "ImportError") for name in names if name.split(".")[0] in UNIX_MODULES)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name = f"{node.value.id}.{node.attr}"
        # On Windows os.kill(…, 0) does not ask for a process: it sends it a Ctrl-C, and other numbers end it.
        is_of_os = node.value.id == "os" and (node.attr in UNIX_OF_OS.split() or node.attr == "kill")
        if is_of_os or (node.value.id == "signal" and node.attr not in EVERYWHERE_IN_SIGNAL.split()):
            yield name, "AttributeError"
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(UNIX_PATHS):
        yield node.value, "OSError"
    elif isinstance(node, ast.keyword) and node.arg == "preexec_fn":
        yield "preexec_fn", "ValueError"


def copes(node: ast.AST, failure: str) -> bool:
    """Whether a node around another asks for the system, or goes on where the other fails."""
    if isinstance(node, ast.If | ast.IfExp):
        return any(word in ast.unparse(node.test) for word in ASKS)
    if isinstance(node, ast.BoolOp):
        return any(word in ast.unparse(node.values[0]) for word in ASKS)
    if isinstance(node, ast.Try):
        return any(handler.type is not None and failure in ast.unparse(handler.type) for handler in node.handlers)
    if isinstance(node, ast.With):
        return any("suppress" in (text := ast.unparse(item)) and failure in text for item in node.items)
    # A path is often named before the lines that read it: there it is enough that the function copes.
    is_function = failure == "OSError" and isinstance(node, ast.FunctionDef)
    return is_function and any(copes(part, failure) for part in ast.walk(node) if isinstance(part, ast.With | ast.Try))
