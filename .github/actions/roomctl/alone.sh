#!/usr/bin/env bash
# Starts a command with nothing of the job but what it needs: whoever uses the action puts the secrets of rooms into the
# environment of all its steps, and they are for roomctl alone. The first argument names what the command needs of its own.
# It takes the place of this shell, since a child can read the environment that its parent began with.
set -euo pipefail
needed=" $1 PATH HOME LANG TMPDIR TEMP TMP SYSTEMROOT WINDIR COMSPEC PATHEXT USERPROFILE MSYSTEM \
RUNNER_TEMP RUNNER_TOOL_CACHE GITHUB_API_URL GITHUB_SERVER_URL GITHUB_REPOSITORY GITHUB_OUTPUT GITHUB_PATH GITHUB_RUN_ID GITHUB_SHA ROOMCTL_BOT CI_JOB_ID BUILD_TAG \
CI_COMMIT_SHA CI_JOB_URL CI_JOB_STARTED_AT GIT_COMMIT BUILD_URL \
http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE GIT_SSL_CAINFO \
GIT_CONFIG_NOSYSTEM PYTHONDONTWRITEBYTECODE "
# What asks for a branch of the server gets what git has for that.
[[ $needed != *' BRANCH '* ]] || needed+='REMOTE GIT_SSH_COMMAND SSH_AUTH_SOCK GIT_ASKPASS '
# Some, such as SHELLOPTS, cannot be unset.
for name in $(compgen -e); do
  [[ $needed == *" $name "* ]] || export -n "$name"
done
shift
# Names that bash has no variable for, and functions.
others=()
while IFS= read -r name; do others+=(-u "$name"); done < <(awk 'BEGIN { for (name in ENVIRON) if (name ~ /[^A-Za-z0-9_]|^[0-9]/) print name }')
exec env ${others[@]+"${others[@]}"} "$@"
