#!/usr/bin/env bash
# Makes a pull request of the patch $1 to the checkout $2, from a branch that is there for nothing else; closes it when the
# patch is empty. What was merged since, it is put on top of.
set -euo pipefail

patch=$1
# Where the repository is on the server, the token, and how git is started.
source "$(dirname "$0")/state.sh" functions
ask() { GITHUB_TOKEN=$TOKEN python3 "$(dirname "$0")/github.py" adopted --branch "$BRANCH" "$@"; }

if [ -f "$patch" ] && [ ! -s "$patch" ]; then
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
set_aside
head=$(git rev-parse HEAD)
there=$(listed aside)
if [ -n "$there" ]; then to_server aside fetch -q --depth 1 "$remote" "refs/heads/$BRANCH"; fi
if [ -z "$there" ] || ! aside diff --no-ext-diff --quiet FETCH_HEAD "$head"; then to_server aside push -q -f "$remote" "$head:refs/heads/$BRANCH"; fi
ask
