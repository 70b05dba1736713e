# SPDX-License-Identifier: MIT
"""Builds the programs that are asked for, and says how each is started."""
import os
import re
import shutil
import subprocess
import sys

from harness.machine import BENCH, BUILD, OTHERS, RELEASE, ROOT, say

PYTHON = "/usr/bin/python3"  # Debian's: the one that its packages are for
PRESET = os.path.join(BUILD, "release")


def _folder(program):
    return os.path.dirname(program.source)


def _stem(program):
    return os.path.splitext(os.path.basename(program.source))[0]


def _kind(program):
    return os.path.splitext(program.source)[1]


def target(program):
    """The name of what is built; empty for a script that needs nothing."""
    if _kind(program) in (".c", ".cpp", ".go", ".rs"):
        return f"{_folder(program)}_{_stem(program)}"
    if _kind(program) == ".js" and os.path.exists(_addon_source(program)):
        return f"{_folder(program)}_node_napi"
    return ""


def _addon_source(program):
    return os.path.join(BENCH, _folder(program), "node_napi.c")


def command(program):
    """How the program is started, without its arguments."""
    source = os.path.join(BENCH, program.source)
    kind = _kind(program)
    if kind in (".c", ".cpp"):
        return [os.path.join(RELEASE, target(program))]
    if kind in (".go", ".rs"):
        return [os.path.join(OTHERS, target(program))]
    if kind == ".py":
        return [PYTHON, source]
    if kind == ".js":
        return ["node", source]
    return [_stem(program)]  # a server that is installed; its configuration is the source


def exists(program):
    return os.path.exists(os.path.join(BENCH, program.source))


# ---- C and C++ ----


def _configure():
    say("configuring release")
    log = os.path.join(BUILD, "release.log")
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(["cmake", "--fresh", "--preset", "release"], cwd=ROOT, stdout=file,
                              stderr=file, check=False)
    if done.returncode:
        raise SystemExit(f"weft: cannot configure: see {os.path.relpath(log, ROOT)}")


def _is_configured():
    """Since the presets changed, and in this folder?"""
    cache = os.path.join(PRESET, "CMakeCache.txt")
    if not _is_newer(os.path.join(PRESET, "build.ninja"), [os.path.join(ROOT, "CMakePresets.json")]):
        return False
    with open(cache, encoding="utf-8") as file:
        return f"CMAKE_HOME_DIRECTORY:INTERNAL={ROOT}\n" in file.read()


def _known_targets():
    done = subprocess.run(["cmake", "--build", PRESET, "--target", "help"], capture_output=True,
                          text=True, check=False)
    return set(re.findall(r"^(?:\.\.\. )?([\w.+-]+)(?:: phony)?$", done.stdout, re.M))


def compile_targets(targets):
    """Returns {target: why} of those that cannot be built."""
    if not targets:
        return {}
    _refresh(targets)
    failed = {name: "what it needs was not found by CMake" for name in targets - _known_targets()}
    wanted = sorted(targets - set(failed))
    if not wanted:
        return failed
    say(f"building {len(wanted)} programs of C and C++")
    done = subprocess.run(
        ["cmake", "--build", PRESET, "--target", *wanted, "--", "-k", "0"],
        env=dict(os.environ, NINJA_STATUS="  %f of %t: "), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout)
        broken = set(re.findall(r"^FAILED: (?:bench/)?(?:CMakeFiles/)?(\w+)", done.stdout, re.M))
        failed |= {name: "does not compile (see above)" for name in broken & set(wanted)}
        if not broken & set(wanted):
            raise SystemExit("weft: the library does not compile")
    return failed


def _refresh(targets):
    """Configures where that was not done, or not since a library was installed."""
    if not _is_configured() or targets - _known_targets():
        _configure()


# ---- Go and Rust ----


def _logged(name, arguments, **options):
    path = os.path.join(OTHERS, f"{name}.log")
    say(f"building {name}")
    with open(path, "w", encoding="utf-8") as log:
        done = subprocess.run(arguments, stdout=log, stderr=log, check=False, **options)
    return "" if done.returncode == 0 else f"does not compile (see {os.path.relpath(path, ROOT)})"


def _is_newer(path, sources):
    """Is the file there, and newer than all of these?"""
    if not os.path.exists(path):
        return False
    built = os.path.getmtime(path)
    return all(os.path.getmtime(source) <= built for source in sources if os.path.exists(source))


def build_go(program):
    """Go wants all files of a program in one folder."""
    output = command(program)[0]
    sources = [os.path.join(BENCH, program.source), os.path.join(BENCH, "common", "bench.go")]
    if _is_newer(output, sources):
        return ""
    folder = os.path.join(OTHERS, "go_sources", target(program))
    os.makedirs(folder, exist_ok=True)
    for source in sources:
        shutil.copy(source, folder)
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="-mod=mod", GOPROXY="off",
                       GOCACHE=os.path.join(OTHERS, "go"))
    return _logged(target(program), ["go", "build", "-o", output, "."], cwd=folder, env=environment)


def build_addon(program):
    """What a script of node's has in C, by node's own interface for that."""
    output = os.path.join(OTHERS, f"{target(program)}.node")
    source = _addon_source(program)
    if _is_newer(output, [source]):
        return ""
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-pthread"]
    return _logged(target(program),
                   ["gcc", *flags, "-isystem", "/usr/include/node", "-o", output, source])


def build_rust(found):
    """These programs as one crate, against Debian's registry. Returns why it failed, or ''."""
    sources = [os.path.join(BENCH, program.source) for program in found]
    sources += [os.path.join(BENCH, "rust", "Cargo.toml"), os.path.join(BENCH, "common", "bench.rs")]
    if all(_is_newer(command(program)[0], sources) for program in found):
        return ""
    crate = os.path.join(OTHERS, "rust")
    os.makedirs(os.path.join(crate, ".cargo"), exist_ok=True)
    with open(os.path.join(BENCH, "rust", "Cargo.toml"), encoding="utf-8") as file:
        manifest = file.read()
    for program in found:
        path = os.path.join(BENCH, program.source)
        manifest += f'\n[[bin]]\nname = "{target(program)}"\npath = "{path}"\n'
    _write(os.path.join(crate, "Cargo.toml"), manifest)
    _write(os.path.join(crate, ".cargo", "config.toml"),
           '[source.crates-io]\nreplace-with = "debian"\n'
           '[source.debian]\ndirectory = "/usr/share/cargo/registry"\n')
    lock = os.path.join(crate, "Cargo.lock")
    if os.path.exists(lock):
        os.remove(lock)
    why = _logged("rust", ["cargo", "build", "--release", "--offline"], cwd=crate)
    for program in found if not why else ():
        shutil.copy2(os.path.join(crate, "target", "release", target(program)), OTHERS)
    return why


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# ---- All ----


def build(found, extra=()):
    """Builds programs and the C programs named in `extra`. Returns {target: why it is left out}."""
    os.makedirs(OTHERS, exist_ok=True)
    c_targets = {target(program) for program in found if _kind(program) in (".c", ".cpp")}
    failed = compile_targets(c_targets | set(extra))
    single = {".go": build_go, ".js": build_addon}
    for program in {target(p): p for p in found if _kind(p) in single and target(p)}.values():
        why = single[_kind(program)](program)
        if why:
            failed[target(program)] = why
    rust = list({target(p): p for p in found if _kind(p) == ".rs"}.values())
    why = build_rust(rust) if rust else ""
    if why:
        failed |= {target(program): why for program in rust}
    return failed
