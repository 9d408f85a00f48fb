#!/usr/bin/env bash
# Takes the state from the branch that keeps it, keeps it there, or prints the commit of which all was applied last
# (`applied`), or the one whose files, guards, mutes and configuration count now (`base`): the last that a run went by, also
# one that left out a room. The branch holds nothing else. It is read and written as objects: nothing of it is checked out.
# What is kept began with what this job took: without that, whatever lies in the checkout is of somebody else. `first` begins
# a branch with a state of yours. Where roomctl.yaml names an object as the state, roomctl alone reads and writes that, and the branch has
# the commits only. `head REF` prints what a branch of the server is now, and `current REF BASE` ends with 4 when
# what is checked out is not what is to be applied there, or its plan was made with another base than the one that counts.
# `functions` does nothing, for a script that takes in this one.
set -euo pipefail
# What fails within $(…) ends the run, too, where bash is new enough for that.
shopt -s inherit_errexit 2> /dev/null || true

# git is started beside the nearest .git: a directory on the way there can look like a bare repository, with settings that
# start programs, since whoever writes the checkout can put such files into it.
top=$(pwd -P)
until [ -e "$top/.git" ] || [ "$top" = / ]; do top=$(dirname "$top"); done
below=$(pwd -P)/
below=${below#"${top%/}/"}
# What is started gets neither; what they hold goes to the server alone.
export -n TOKEN REMOTE
remote="${REMOTE:-${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY}}"
login=${TOKEN:+x-access-token:$TOKEN}
# A login with a password in the address goes the same way, up to the last @; with a name alone, git asks whom its user set.
if [[ $remote =~ ^(https?://)([^/]*)@([^/@]*(/.*)?)$ ]] && [[ -n $login || ${BASH_REMATCH[2]} == *:* ]]; then
  remote=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  login=${login:-$(printf '%b' "$(printf %s "${BASH_REMATCH[2]//\\/\\\\}" | sed 's/%\([0-9A-Fa-f]\{2\}\)/\\x\1/g')")}
fi
# The one way to the server.
host='([^/@:-][^/@:]*@)?([A-Za-z0-9_][^/@:]*|\[[0-9A-Fa-f:.]+\])'
if [[ $remote =~ ^(https?|file)://. ]]; then
  way=${BASH_REMATCH[1]}
elif [[ $remote == /* ]]; then
  way='file'
elif [[ $remote =~ ^ssh://$host(:[0-9]+)?/ || $remote =~ ^$host:[^:-] && $remote != *://* ]]; then
  way='ssh'
else
  echo "::error title=state::the address of the repository is none of https, http, ssh or a directory" >&2
  exit 64
fi
export GIT_ALLOW_PROTOCOL='' GIT_NO_LAZY_FETCH=1 GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0
# Nothing that settings of the repository name is started.
git() {
  command git -C "$top" --no-pager --literal-pathspecs -c safe.bareRepository=explicit -c core.fsmonitor=false -c core.hooksPath=/dev/null \
    -c log.showSignature=false -c commit.gpgsign=false -c gpg.program=false "$@"
}
# The repository that the branch is read into and written from.
of_state() {
  git --git-dir="$repository" "$@"
}
# With the objects of the repository that is checked out, and none of its settings: they may name programs for the way to a server,
# or other servers.
aside() {
  GIT_OBJECT_DIRECTORY=$objects git --git-dir="$repository-aside" -c gc.auto=0 -c maintenance.auto=false "$@"
}
set_aside() {
  rm -rf "$repository-aside"
  git init -q --bare --template= "$repository-aside"
  objects=$(cd "$top" && cd "$(git rev-parse --git-path objects)" && pwd -P)
  [ ! -f "$objects/../shallow" ] || cp "$objects/../shallow" "$repository-aside/"
  # What is here is not fetched again.
  aside update-ref refs/heads/here "$(git rev-parse HEAD)"
}
# A command that asks the server, with what it wants to know, for this server alone, and none that it redirects to. In its environment,
# not in its arguments, which every process of the machine can see.
to_server() {
  if [ -z "$login" ] || ! [[ $remote =~ ^https?://[^/]+ ]]; then
    GIT_ALLOW_PROTOCOL=$way "$@"
  else
    GIT_ALLOW_PROTOCOL=$way GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0="http.${BASH_REMATCH[0]}/.extraHeader" GIT_CONFIG_KEY_1=credential.helper GIT_CONFIG_VALUE_1='' \
      GIT_CONFIG_KEY_2="http.${BASH_REMATCH[0]}/.followRedirects" GIT_CONFIG_VALUE_2=false \
      GIT_CONFIG_VALUE_0="Authorization: Basic $(printf %s "$login" | base64 -w 0)" "$@"
  fi
}
repository="${RUNNER_TEMP:-/tmp}/roomctl-state"
# The journal too: a run that died has its receipts in it.
kept=(state.json state.json.journal)
# The state, where it is in an object store: then none is kept here.
object=
# What the branch was when the state was taken from it.
taken=refs/roomctl/taken
# Beside the checkout, and written as the last thing of a take.
mark="$repository/mark"

# The branch as the server lists it to the repository that $1 is, nothing when it is not there: git lists each ref whose name ends like this, too.
listed() {
  to_server "$1" ls-remote "$remote" "refs/heads/$BRANCH" | awk -v name="refs/heads/$BRANCH" '$2 == name'
}

# Fetches the branch as the ref $1, which is not there afterwards when the branch is not.
fetch() {
  of_state update-ref -d "$1"
  # A branch that cannot be read ends the run here.
  there=$(listed of_state)
  if [ -n "$there" ]; then to_server of_state fetch -q --depth 1 "$remote" "+refs/heads/$BRANCH:$1"; fi
}

has_configuration() {
  [ -e "$1/roomctl.yaml" ] || [ -e "$1/roomctl.yml" ]
}

# Ends the run where the configuration names other places than those that the pipeline goes by, or lies above here, as far as roomctl
# looks, and has them there: the pipeline would look into none of them, and all would seem well. Keys have many spellings: only lines
# that begin with a plain one are let through, so that all of them are seen here. Those that name no further place; `stacks` have states
# of their own.
known='accept app base_url burst guard names owns parallelism policies protected rate rooms state state_encryption unmanaged vars'
is_laid_out() {
  near=$(pwd -P)
  until has_configuration "$near"; do
    [ -e "$top/.git" ] && [ "$near" != "$top" ] || return 0
    near=$(dirname "$near")
  done
  [ "$near" = "$(pwd -P)" ] || {
    echo "::error title=state::the nearest configuration is above this directory, in $near, and so are its rooms and its state: let the pipeline work there" >&2
    exit 3
  }
  for config in roomctl.yaml roomctl.yml; do
    [ -f "$config" ] || continue
    found=$(LC_ALL=C awk -v known=" $known " '
      function stop() { object = NR; exit }
      { sub(/\r$/, ""); key = $0 }
      /\r/ { stop() }
      /^ *(#|$)/ { next }
      /^ / { if (place || !is_begun) stop(); next }
      /^-( |--$|$)/ { next }
      !sub(/^["\047]?[a-z_]+["\047]?[ \t]*:([ \t]+|$)/, "") { stop() }
      { name = key; gsub(/["\047]|[ \t]*:.*/, "", name) }
      !index(known, " " name " ") { stop() }
      { is_begun = 1; place = key ~ /^["\047]?rooms/ ? "rooms" : key ~ /^["\047]?state["\047]?[ \t]*:/ ? "state" : "" }
      { sub(/[ \t]+(#.*)?$/, "") }
      /^".*"$/ || /^\047.*\047$/ { $0 = substr($0, 2, length($0) - 2) }
      place == "rooms" && !/^(\.\/)*rooms\/?$/ { stop() }
      place == "state" && /^(s3|az|gs):\/\/[A-Za-z0-9._\/-]+$/ { object = $0; next }
      place == "state" && !/^(\.\/)*\.roomctl\/state\.json$/ { stop() }
      END { print object }
    ' "$config")
    case "$found" in
      '') ;;
      *://*) object=$found ;;
      *)
        echo "::error file=$config,line=$found,title=state::line $found of $config could name another place than rooms/ and .roomctl/state.json, where the pipeline looks, or an object: let keys begin their lines as they are, and take rooms, state, stacks and what roomctl does not know out" >&2
        exit 3
        ;;
    esac
  done
}

begin() {
  is_laid_out
  rm -rf "$repository"
  git init -q --bare --template= "$repository"
  fetch "$taken"
}

# What the ref $1 is on the server now; its history is here, too.
newest() {
  set_aside
  to_server aside fetch -q --no-tags "$remote" "$1"
  git update-ref refs/roomctl/head "$(aside rev-parse FETCH_HEAD)"
  git rev-parse refs/roomctl/head
}

is_before() {
  git merge-base --is-ancestor "$1" "$2" 2> /dev/null
}

# To standard error: whoever asks for what is printed takes the rest.
stale() {
  echo "::error title=state::$1" >&2
  exit 4
}

current() {
  base=$(base)
  head=$(newest "$1")
  is_before "$base" "$head" || stale "$base was applied, and $1 was put back behind it or rewritten: push it there again, and revert it"
  is_before HEAD "$head" && git diff-tree -r --quiet HEAD "$head" -- "${below}rooms" "${below}roomctl.yaml" "${below}roomctl.yml" "${below}mutes.yaml" ||
    stale "a later commit is on its way: $head"
  [ "$base" = "$2" ] || stale "$base was applied since this plan was made: plan again"
}

# The commit that counts: the last one that a run went by. As long as there is none, the oldest with a configuration, with
# rooms, or at all: nobody has seen what came later.
base() {
  begin
  id=$(blob "$taken" base)
  if [ -z "$id" ]; then id=$(blob "$taken" applied); fi
  if [ -n "$id" ]; then commit_in "$id"; return; fi
  [ "$(git rev-parse --is-shallow-repository)" = false ] || lost "the history is not all here: fetch it, too"
  found=$(oldest "${below}roomctl.yaml" "${below}roomctl.yml")
  [ -n "$found" ] || found=$(oldest "${below}rooms")
  [ -n "$found" ] || found=$(oldest)
  echo "$found"
}

# The first commit that touched one of these files.
oldest() {
  git rev-list --first-parent HEAD -- "$@" | tail -n 1
}

# The commit that is kept in a file of the branch.
commit_in() {
  of_state cat-file blob "$1" | grep -xE '[0-9a-f]{40}|[0-9a-f]{64}'
}

# What was taken: where it is, in which job, and from which commit.
what_was_taken() {
  echo "$PWD ${GITHUB_RUN_ID:-}${CI_JOB_ID:-}${BUILD_TAG:-} $object" "$(of_state rev-parse -q --verify "$taken" || true)"
}

# The id of a file at a ref; nothing when it is not there, or is no file.
blob() {
  of_state rev-parse -q --verify "$1" > /dev/null || return 0
  of_state ls-tree "$1" -- "$2" | sed -n 's/^100644 blob \([0-9a-f]*\)\t.*/\1/p'
}

take() {
  # Whatever lies there came with the checkout, and is neither believed nor followed.
  rm -rf .roomctl
  mkdir .roomctl
  begin
  for file in "${kept[@]}"; do
    id=$(blob "$taken" "$file")
    if [ -n "$id" ] && [ -z "$object" ]; then of_state cat-file blob "$id" > ".roomctl/$file"; fi
  done
  if [ -n "$object" ]; then
    echo "object=$object" >> "${GITHUB_OUTPUT:-/dev/null}"
  elif [ ! -f .roomctl/state.json ]; then
    echo "no state yet on the branch $BRANCH"
  fi
  what_was_taken > "$mark"
}

# Whether a file is there, and no link.
is_here() {
  [ ! -L .roomctl ] && [ -f ".roomctl/$1" ] && [ ! -L ".roomctl/$1" ]
}

lost() {
  echo "::error title=state::$1; the branch $BRANCH stays as it is" >&2
  exit 7
}

# The tree to keep: the state as it is here, and the commits that are applied or begun by now, or that the branch has at $1.
tree() {
  export GIT_INDEX_FILE="$repository/keep"
  rm -f "$GIT_INDEX_FILE" "$repository/unmoved"
  for file in "${kept[@]}"; do
    if [ -n "$object" ]; then
      # One of before stays until a run went by what names the object.
      id=$(blob "$1" "$file")
      case "${CODE:-}" in 0 | 5) id= ;; esac
      [ -n "$id" ] || continue
    else
      is_here "$file" || continue
      id=$(of_state hash-object -w --no-filters -- "$PWD/.roomctl/$file")
    fi
    of_state update-index --add --cacheinfo "100644,$id,$file"
  done
  for file in applied base; do
    id=$(blob "$1" "$file")
    # A room that is left out (5) leaves all the others as they are there, and under the guards there.
    case "$file ${CODE:-}${APPLIED:+ of a commit}" in
      *' 0 of a commit' | 'base 5 of a commit')
        # Only forward: what was forbidden since then counts, whoever starts an older run again.
        if [ -z "$id" ] || is_before "$(commit_in "$id")" "$APPLIED"; then
          id=$(printf '%s\n' "$APPLIED" | of_state hash-object -w --stdin)
        elif is_before "$APPLIED" "$(commit_in "$id")"; then
          echo "::warning title=state::$APPLIED does not follow $(commit_in "$id"), which stays $file" >&2
        else
          echo "$(commit_in "$id")" > "$repository/unmoved"
        fi
        ;;
    esac
    if [ -n "$id" ]; then of_state update-index --add --cacheinfo "100644,$id,$file"; fi
  done
  of_state write-tree
}

# Whether the branch still holds the state that this run began with: then its serial and lineage are the same, too.
is_as_taken() {
  for file in "${kept[@]}"; do
    now=$(blob "$1" "$file") && before=$(blob "$taken" "$file") && [ "$now" = "$before" ] || return 1
  done
}

keep() {
  is_laid_out
  [ -f "$mark" ] && [ "$(cat "$mark")" = "$(what_was_taken)" ] || lost "no state was taken here in this job"
  # roomctl replaces a state, and never takes it away.
  [ -n "$object" ] || is_here state.json || [ -z "$(blob "$taken" state.json)" ] || lost "the state that was taken is gone"
  tree=$(tree "$taken")
  parent=$(of_state rev-parse -q --verify "$taken" || true)
  if [ -n "$parent" ] && [ "$(of_state rev-parse "$parent^{tree}")" = "$tree" ]; then return; fi
  for _ in 1 2 3; do
    commit=$(of_state -c user.name=roomctl -c user.email=roomctl@users.noreply.github.com \
      commit-tree "$tree" ${parent:+-p "$parent"} -m "State after ${GITHUB_SHA:-apply}")
    if to_server of_state push -q "$remote" "$commit:refs/heads/$BRANCH"; then return; fi
    fetch refs/roomctl/now
    parent=$(of_state rev-parse -q --verify refs/roomctl/now || true)
    # It arrived, and only the answer was lost.
    if [ "$parent" = "$commit" ]; then return; fi
    is_as_taken refs/roomctl/now || break
    tree=$(tree refs/roomctl/now)
  done
  # What this run did must not be lost: somebody has to put the two together.
  # The commit is in the name: a run that is started again has the number of the one before.
  spare="$BRANCH-of-run-${GITHUB_RUN_ID:-0}-${commit:0:12}"
  to_server of_state push -q "$remote" "$commit:refs/heads/$spare" || spare="no branch: it could not be written either"
  echo "::error title=state::the branch $BRANCH moved during this run; the state of the run is on $spare"
  exit 7
}

# Ends the run if what was applied is not what the branch says: without a word, that would stay so.
is_moved() {
  [ ! -f "$repository/unmoved" ] || {
    echo "::error title=state::the state is kept, and $(cat "$repository/unmoved") stays what was applied: in the history that is here, $APPLIED does not follow it. Fetch all of it (fetch-depth: 0); where the branch was put back or rewritten, docs/github.md says the way out"
    exit 7
  }
}

case "$1" in
  take) take ;;
  keep)
    keep
    is_moved
    ;;
  first)
    begin
    if of_state rev-parse -q --verify "$taken" > /dev/null; then lost "there is a state already"; fi
    [ -n "$object" ] || is_here state.json || lost "there is no .roomctl/state.json here"
    APPLIED=$(git rev-parse HEAD) CODE=5
    [ -n "$(git branch -r --contains "$APPLIED")" ] || lost "what is checked out is on no branch of the server: push it first"
    what_was_taken > "$mark"
    keep
    ;;
  applied)
    begin
    id=$(blob "$taken" applied)
    if [ -n "$id" ]; then commit_in "$id"; fi
    ;;
  base) base ;;
  head) newest "$2" ;;
  current) current "$2" "$3" ;;
  functions) ;;
  *)
    echo "take, keep, first, applied, base, head or current" >&2
    exit 64
    ;;
esac
