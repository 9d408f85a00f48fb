#!/usr/bin/env bash
# Makes a pull request of the patch $1 to the checkout $2, from a branch that is there for nothing else; closes it when the
# patch is empty. What was merged since, it is put on top of.
set -euo pipefail

patch=$1
remote="${REMOTE:-${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY}}"
if [ -n "${TOKEN:-}" ]; then
  # In the environment of git, not in its arguments, which every process of the machine can see.
  basic=$(printf 'x-access-token:%s' "$TOKEN" | base64 -w 0)
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_CONFIG_VALUE_0="Authorization: Basic $basic"
fi
ask() { GITHUB_TOKEN=$TOKEN python3 "$(dirname "$0")/github.py" adopted --branch "$BRANCH" "$@"; }

if [ ! -s "$patch" ]; then
  ask --close
  exit
fi
export GIT_COMMITTER_NAME=roomctl GIT_COMMITTER_EMAIL=roomctl@users.noreply.github.com
git -C "$2" apply --index "$patch"
git -C "$2" commit -q --no-verify --author "$GIT_COMMITTER_NAME <$GIT_COMMITTER_EMAIL>" -m "Adopt what was changed on the service"
if ! git cherry-pick "$(git -C "$2" rev-parse HEAD)" > /dev/null; then
  echo "::error title=adopt::what was merged since and is not applied moved the same lines: apply it first"
  exit 1
fi
# Nobody has to look again at what is there as it was yesterday.
there=$(git ls-remote "$remote" "refs/heads/$BRANCH")
if [ -n "$there" ]; then git fetch -q --depth 1 "$remote" "refs/heads/$BRANCH"; fi
if [ -z "$there" ] || ! git diff --quiet FETCH_HEAD HEAD; then git push -q -f "$remote" "HEAD:refs/heads/$BRANCH"; fi
ask
