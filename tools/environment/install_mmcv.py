"""Install mmcv **with ops** into the running Python, unless it is already there.

PyPI carries mmcv as source only, and its ops take 19 minutes to compile on two cores with the default flags.
Nearly all of that is spent parsing the same torch headers 77 times and writing debug symbols, so this script
builds with a precompiled header and without symbols: about 4 minutes, the same binary otherwise. Where the
compiler rejects the precompiled header (another compiler, other flags) it is ignored and the build is merely slower.

pip keeps the built wheel in its cache, so a second environment on the same machine installs in seconds.

Usage:
    python tools/environment/install_mmcv.py [--version 2.1.0]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

# mmcv's C++ sources all start from this header; it is 95 % of what each of them parses.
PRECOMPILED_INCLUDE = '#include <torch/types.h>\n'
# What mmcv 2.1's setup.py asks for; a precompiled header is only valid under the same standard.
MMCV_STANDARD = '-std=c++17'


def has_ops() -> bool:
    """Whether an mmcv whose compiled ops import is already installed (any version: it is used as it is)."""
    if importlib.util.find_spec('mmcv') is None:
        return False
    probe = subprocess.run([sys.executable, '-c', 'import mmcv.ops'], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        print(f'the installed mmcv has no working ops and is replaced:\n{probe.stderr.strip()}', flush=True)
    return probe.returncode == 0


def precompile_header(folder: Path, flags: str) -> str:
    """Compile torch's headers once into `folder`.

    Args:
        folder: An existing, empty folder that outlives the build.
        flags: The compiler flags of the build itself, exactly: a header made with others is ignored by gcc.

    Returns:
        The compiler flags that make every later compilation use the header, or '' where g++ cannot make it.
    """
    from torch.utils.cpp_extension import include_paths

    header = folder / 'mmcv_torch.h'
    header.write_text(PRECOMPILED_INCLUDE)
    command = [
        sysconfig.get_config_var('CXX').split()[0],
        '-pthread',
        *flags.split(),
        *sysconfig.get_config_var('CCSHARED').split(),
        *(f'-I{path}' for path in (*include_paths(), sysconfig.get_paths()['include'])),
        '-DTORCH_API_INCLUDE_EXTENSION_H',
        '-DTORCH_EXTENSION_NAME=_ext',
        MMCV_STANDARD,
        '-w',
        '-x',
        'c++-header',
        str(header),
        '-o',
        f'{header}.gch',
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f'no precompiled header ({error}); the build takes longer', flush=True)
        return ''
    return f'-include {header}'


def build(version: str) -> None:
    """Install `mmcv==version` from source, with a line of progress every few compiled files.

    Raises:
        SystemExit: If pip fails; the last lines of its output are printed.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='mmcv-build-') as folder:
        # setuptools lets CFLAGS replace Python's own flags, so they are repeated; -g0 takes their -g back.
        flags = f'{sysconfig.get_config_var("CFLAGS")} -g0 -w'
        flags = f'{flags} {precompile_header(Path(folder), flags)}'.strip()
        env = dict(os.environ, MMCV_WITH_OPS='1', MAX_JOBS=str(os.cpu_count() or 1), CFLAGS=flags)
        requirement = f'mmcv=={version}'
        command = [sys.executable, '-m', 'pip', 'install', '-v', '--no-build-isolation', requirement]
        print(f'building mmcv {version} with ops (flags: {flags})', flush=True)
        tail: list[str] = []
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
            assert pip.stdout is not None
            for line in pip.stdout:
                tail = [*tail[-60:], line]
                step = re.match(r'\s*\[(\d+)/(\d+)\]', line)
                if step and (int(step[1]) % 5 == 0 or step[1] == step[2]):
                    minutes = (time.monotonic() - started) / 60
                    print(f'  mmcv ops: {step[1]}/{step[2]} files compiled, {minutes:.1f} min', flush=True)
    if pip.returncode != 0:
        raise SystemExit(
            f'{"".join(tail)}\nmmcv {version} did not build; see above. gcc and Python headers are needed.'
        )
    if not has_ops():
        raise SystemExit('mmcv was installed but its ops do not import')
    print(f'mmcv {version} with ops: done in {(time.monotonic() - started) / 60:.1f} min', flush=True)


def main() -> None:
    """Parse the command line, and build only where it is needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', default='2.1.0', help='the mmcv to build where there is none with ops')
    args = parser.parse_args()
    if has_ops():
        print('mmcv with ops is there already and used as it is')
        return
    build(args.version)


if __name__ == '__main__':
    main()
