"""Packs a built program: the archive of a release, and for Linux a Debian package. Two runs make the same bytes.

    python3 packaging/package.py BINARY TARGET OUT

Standard library only; the Debian package needs dpkg-deb."""

import gzip
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CARGO = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
BESIDE = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]
SHELLS = {"bash": "roomctl", "zsh": "_roomctl", "fish": "roomctl.fish"}
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


def of_cargo(key):
    return re.search(rf'^{key} = "(.+)"$', CARGO, re.M)[1]


def folder_name(target):
    """What the archive is called without its ending, and the one folder in it."""
    return f"roomctl-{of_cargo('version')}-{target}"


def archive_name(target):
    return folder_name(target) + (".zip" if "windows" in target else ".tar.gz")


def contents(binary):
    """The files by their paths, each with its bytes and whether it can be run."""
    files = {binary.name: (binary.read_bytes(), True)}
    files.update({name: ((ROOT / name).read_bytes(), False) for name in BESIDE})
    with tempfile.TemporaryDirectory() as man:
        subprocess.run([binary, "man", "--dir", man], check=True, stdout=subprocess.DEVNULL)
        for page in sorted(Path(man).iterdir()):
            files[f"man/{page.name}"] = (page.read_bytes(), False)
    for shell, name in SHELLS.items():
        script = subprocess.run([binary, "completions", shell], check=True, capture_output=True).stdout
        files[f"completions/{name}"] = (script, False)
    return files


def tar(files, top):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as made:
        for path, (data, runs) in sorted(files.items()):
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size, entry.mode = len(data), 0o755 if runs else 0o644
            made.addfile(entry, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def zipped(files, top):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for path, (data, runs) in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{top}/{path}")
            entry.external_attr = (0o755 if runs else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, data)
    return out.getvalue()


def debian_paths(files):
    """Where the same files are on a Debian system."""
    yield "usr/bin/roomctl", files["roomctl"][0]
    for path, (data, _) in files.items():
        folder, _, name = path.rpartition("/")
        if folder == "man":
            yield f"usr/share/man/man1/{name}.gz", gzip.compress(data, mtime=0)
        elif path.startswith("README") or path.startswith("CHANGELOG"):
            yield f"usr/share/doc/roomctl/{name}", data
    yield "usr/share/doc/roomctl/copyright", files["LICENSE-MIT"][0]
    for shell, folder in (("bash", "bash-completion/completions"), ("zsh", "zsh/site-functions"), ("fish", "fish/vendor_completions.d")):
        yield f"usr/share/{folder}/{SHELLS[shell]}", files[f"completions/{SHELLS[shell]}"][0]


def debian(files, target, out):
    machine, static = DEBIAN[target.split("-")[0]], target.endswith("musl")
    package = out / f"roomctl_{of_cargo('version')}_{machine}.deb"
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        root.chmod(0o755)
        for path, data in debian_paths(files):
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(0o755 if "/bin/" in path else 0o644)
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: roomctl\nVersion: {of_cargo('version')}\nArchitecture: {machine}\nSection: admin\nPriority: optional\n"
            # The certificates are the machine's; a static program needs nothing else of it.
            f"Depends: ca-certificates{'' if static else ', libc6'}\nSuggests: git\nInstalled-Size: {size // 1024 + 1}\n"
            f"Maintainer: roomctl <roomctl@users.noreply.github.com>\nDescription: {of_cargo('description')}\n",
        )
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", "-Zxz", root, package],
            check=True, stdout=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "0"},
        )
    return package


def main():
    binary, target, out = Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3])
    files = contents(binary)
    archive = out / archive_name(target)
    pack = zipped if archive.suffix == ".zip" else tar
    archive.write_bytes(pack(files, folder_name(target)))
    print(archive)
    if "linux" in target:
        print(debian(files, target, out) if shutil.which("dpkg-deb") else "no dpkg-deb here: no Debian package")


if __name__ == "__main__":
    main()
