"""Programs of Debian's, installed when they are missing."""

import os
import shutil
import subprocess

from .service import Failed

# Not on everybody's path, and where nginx is.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def find(program, package):
    """Where a program is; the package with it is installed (with sudo where needed) when it is nowhere."""
    return shutil.which(program, path=PATH) or install(package, lambda: shutil.which(program, path=PATH))


def install(package, found):
    """Installs a package; gives what `found` then finds."""
    if not shutil.which("apt-get"):
        raise Failed(f"{package} is missing, and there is no apt-get to install it")
    root = [] if os.geteuid() == 0 else ["sudo"]
    get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]
    subprocess.run([*get, "update"], check=False)
    subprocess.run([*get, "install", "--yes", "--no-install-recommends", package], check=False)
    return found() or fail(package)


def fail(package):
    raise Failed(f"Debian's package {package} could not be installed")
