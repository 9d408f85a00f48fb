#!/usr/bin/env bash
# Takes the state from the branch that keeps it, or keeps it there. The branch holds nothing else.
set -euo pipefail

remote="${REMOTE:-${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY}}"
if [ -n "${TOKEN:-}" ]; then
  # In the environment of git, not in its arguments, which every process of the machine can see.
  basic=$(printf 'x-access-token:%s' "$TOKEN" | base64 -w 0)
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_CONFIG_VALUE_0="Authorization: Basic $basic"
fi
tree="${RUNNER_TEMP:-/tmp}/roomctl-state"

case "$1" in
  take)
    rm -rf "$tree"
    git init -q "$tree"
    listed=$(git -C "$tree" ls-remote "$remote" "refs/heads/$BRANCH")
    if [ -z "$listed" ]; then
      # A branch that could not be read has failed above; this one is not there yet.
      git -C "$tree" checkout -q --orphan "$BRANCH"
      echo "no state yet on the branch $BRANCH"
      exit 0
    fi
    git -C "$tree" fetch -q --depth 1 "$remote" "refs/heads/$BRANCH"
    git -C "$tree" checkout -q -B "$BRANCH" FETCH_HEAD
    mkdir -p .roomctl
    # The journal too: a run that died has its receipts in it.
    shopt -s nullglob
    for file in "$tree"/state.json*; do cp "$file" .roomctl/; done
    ;;
  keep)
    shopt -s nullglob
    kept=(.roomctl/state.json .roomctl/state.json.journal)
    rm -f "$tree"/state.json*
    for file in "${kept[@]}"; do
      if [ -f "$file" ]; then cp "$file" "$tree/"; fi
    done
    git -C "$tree" add -A
    if git -C "$tree" diff --cached --quiet; then exit 0; fi
    git -C "$tree" -c user.name=roomctl -c user.email=roomctl@users.noreply.github.com \
      commit -q -m "State after ${GITHUB_SHA:-apply}"
    git -C "$tree" push -q "$remote" "HEAD:refs/heads/$BRANCH"
    ;;
  *)
    echo "take or keep" >&2
    exit 64
    ;;
esac
