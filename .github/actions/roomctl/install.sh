#!/usr/bin/env bash
# Puts the pinned version of roomctl on the PATH: out of the archive of a release, when its checksum is the pinned one
# or GitHub attests where it was built. Compiles nothing, and asks no registry for a name that anybody may own.
set -euo pipefail
export LC_ALL=C
# Only what asks GitHub gets it, not what is loaded and looked at.
export -n TOKEN

# Repeats nothing of an input: a line of it could be a command of the workflow.
fail() {
  echo "::error title=roomctl is not installed::$1"
  exit 1
}

[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || fail 'the input `version` is no version, such as 0.1.0'

if [ "$(roomctl --version 2> /dev/null)" = "roomctl $VERSION" ]; then
  echo "roomctl $VERSION is on the PATH"
  exit 0
fi

# Whether a repository is that of the workflow.
is_own() {
  shopt -s nocasematch
  [[ $1 == "${GITHUB_REPOSITORY:-}" ]]
  local same=$?
  shopt -u nocasematch
  return "$same"
}

# Never that of the workflow unless somebody says so: whoever may push a branch or a tag there would choose what runs.
if [ -z "$REPOSITORY" ] && ! is_own "$ACTION_REPOSITORY"; then REPOSITORY=$ACTION_REPOSITORY; fi
[ -n "$REPOSITORY" ] ||
  fail "nothing says which repository releases roomctl: write it, as owner/name, as the default of \`repository\` in the copy of action.yml, and the lines of its SHA256SUMS into release.sha256 beside it; or put roomctl $VERSION on the PATH before this step"
[[ $REPOSITORY =~ ^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$ && $REPOSITORY != */. && $REPOSITORY != */.. ]] ||
  fail 'the input `repository` is no repository, such as owner/name'

kind=tar.gz program=roomctl
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) target=x86_64-unknown-linux-musl ;;
  Linux-aarch64) target=aarch64-unknown-linux-musl ;;
  Darwin-x86_64) target=x86_64-apple-darwin ;;
  Darwin-arm64) target=aarch64-apple-darwin ;;
  MINGW*-x86_64 | MSYS*-x86_64) target=x86_64-pc-windows-msvc kind=zip program=roomctl.exe ;;
  *) fail "there is no archive for $(uname -s) on $(uname -m): put roomctl $VERSION on the PATH before this step" ;;
esac
folder="roomctl-$VERSION-$target"
archive="$folder.$kind"
server="${GITHUB_SERVER_URL:-https://github.com}"
# An Enterprise Server attests nothing.
attests=false
if [ "$server" = https://github.com ] && command -v gh > /dev/null; then attests=true; fi
url="$server/$REPOSITORY/releases/download/v$VERSION/$archive"
temp="${RUNNER_TEMP:?}"
kept="${RUNNER_TOOL_CACHE:-$temp}/roomctl/$VERSION/$archive"

# The checksum that the archive must have: of the input, which holds one, or lines as sha256sum writes them; else of the
# file beside this one. Empty when nobody pinned one.
pinned() {
  if [[ $SHA256 =~ ^[0-9a-fA-F]{64}$ ]]; then
    echo "$SHA256"
  else
    { if [ -n "$SHA256" ]; then echo "$SHA256"; else cat "$ACTION/release.sha256"; fi; } |
      awk -v name="$archive" '{ sub(/\r$/, "") } $2 == name || $2 == "*" name { print $1; exit }'
  fi | tr 'A-F' 'a-f'
}

checksum() {
  if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | awk '{ sub(/^\\/, "", $1); print $1 }'
}

# Made by the workflow that makes releases, as it is at the tag of this version, on a machine of GitHub's: any branch may hold
# a workflow of that name.
attested() {
  $attests && GH_TOKEN="$TOKEN" gh attestation verify "$1" --repo "$REPOSITORY" --deny-self-hosted-runners \
    --cert-identity "https://github.com/$REPOSITORY/.github/workflows/release.yml@refs/tags/v$VERSION" > /dev/null 2>&1
}

# Says why the archive is not to be run; nothing when it may be.
doubt() {
  local pin='Write the lines of a SHA256SUMS that you have looked at into release.sha256 beside action.yml, or into the input `sha256`'
  if [ -z "$wanted" ] && is_own "$REPOSITORY"; then
    echo "nothing vouches for it: no checksum is pinned, and whoever may push to the repository of this workflow could sign it. $pin"
  elif [ -z "$wanted" ]; then
    attested "$1" || echo "nothing vouches for it: no checksum is pinned, and nobody attests that the release workflow made it at the tag v$VERSION (only https://github.com attests such things). $pin"
  elif [ "$(checksum "$1")" != "$wanted" ]; then
    echo "it has another checksum than the pinned one"
  fi
}

wanted=$(pinned)
if [ -n "$SHA256" ] && ! [[ $wanted =~ ^[0-9a-f]{64}$ ]]; then
  fail "the input \`sha256\` holds no checksum for $archive"
fi

# As many bytes as an archive may have.
most=104857600
# What is looked at is a copy of our own: on a machine that jobs share, others may write to the cache, also a link, a pipe or
# a file without end.
ours=$(mktemp "$temp/roomctl-XXXXXX")
if [ -L "$kept" ] || [ ! -f "$kept" ] || ! head -c "$most" "$kept" > "$ours" || [ -n "$(doubt "$ours")" ]; then
  # https, and never back from it; plain only for a server on this machine.
  only='=https'
  if [[ $server =~ ^http://127\.0\.0\.1:[0-9]+$ ]]; then only='=http'; fi
  code=0
  curl --disable --silent --show-error --fail --location --proto "$only" --proto-redir "$only" --connect-timeout 20 \
    --max-time 300 --max-filesize "$most" --retry 3 --output "$ours" "$url" || code=$?
  case $code in
    0) ;;
    22) fail "$url is not there. Set \`repository\` to one that releases roomctl $VERSION, or put roomctl $VERSION on the PATH before this step: as a wheel, a Debian package, or built from its source" ;;
    *) fail "$url could not be loaded: curl ended with $code" ;;
  esac
  why=$(doubt "$ours")
  [ -z "$why" ] || fail "$url: $why"
  # Beside it, and moved there as a whole: whatever is there is not written through.
  mkdir -p "$(dirname "$kept")"
  beside=$(mktemp "$kept.XXXXXX")
  cp "$ours" "$beside"
  chmod 644 "$beside"
  # A directory, or a link to one, would take it in.
  rm -rf "$kept"
  mv -f "$beside" "$kept"
fi
if [ -n "$wanted" ] && $attests && ! attested "$ours"; then
  echo "::warning title=roomctl::GitHub attests nothing about $archive of $REPOSITORY; its checksum is the pinned one"
fi

bin="$temp/roomctl-$VERSION"
rm -rf "$bin"
mkdir -p "$bin"
case $kind in
  zip) unzip -qj "$ours" "$folder/$program" -d "$bin" ;;
  *) tar -xzf "$ours" -C "$bin" --strip-components=1 "$folder/$program" ;;
esac
rm -f "$ours"
[ "$("$bin/$program" --version)" = "roomctl $VERSION" ] || fail "what is in the archive is not roomctl $VERSION"
if [ "$kind" = zip ]; then bin=$(cygpath -w "$bin"); fi
echo "$bin" >> "$GITHUB_PATH"
echo "roomctl $VERSION of $REPOSITORY"
