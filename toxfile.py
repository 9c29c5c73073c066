"""tox: skip an environment that needs a GPU which this machine does not have, before anything is installed for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

from tox.plugin import impl
from tox.tox_env.errors import Skip


def gpus() -> int:
    """How many GPUs the driver shows on this machine."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    listed = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False)
    return len(re.findall(r"^GPU \d+", listed.stdout, re.MULTILINE))


def _skip_without_gpu(name: str) -> None:
    own = re.fullmatch(r"gpu(\d)", name)
    needed = int(own[1]) + 1 if own else 1 if "cuda" in name.split("-") else 0
    found = gpus() if needed else 0
    if found < needed:
        raise Skip(f"{name} needs GPU {needed - 1}, and this machine has {found or 'none'}")


@impl
def tox_on_install(tox_env: Any, arguments: Any, section: str, of_type: str) -> None:
    _skip_without_gpu(tox_env.name)


@impl
def tox_before_run_commands(tox_env: Any) -> None:
    _skip_without_gpu(tox_env.name)
