#!/usr/bin/env bash
# Runs roomctl and shows the result: annotations, step summary, files, outputs. Everything large goes through
# files. Fails only when roomctl could not be run at all; its exit code is an output.
set -uo pipefail

files="${RUNNER_TEMP:-/tmp}/roomctl"
rm -rf "$files"
mkdir -p "$files"
# For roomctl, which knows these names, and for nothing that it starts.
while IFS= read -r line; do
  if [[ $line =~ ^((AWS|AZURE|GOOGLE)_[A-Z0-9_]+|ROOMCTL_STATE_IDENTITY)= ]]; then export "${line%$'\r'}"; fi
done <<< "${CREDENTIALS:-}"
export -n CREDENTIALS
# Whether there is what it takes to read the state.
can_read() {
  case "${STATE:-}" in
    s3:*) compgen -e AWS_ ;;
    az:*) compgen -e AZURE_STORAGE_ ;;
    gs:*) compgen -e GOOGLE_ ;;
    *) compgen -e ROOMCTL_STATE_IDENTITY || ! grep -qs '^-----BEGIN AGE ENCRYPTED FILE-----' .roomctl/state.json ;;
  esac > /dev/null
}
if [ "$COMMAND" = plan ] && ! can_read; then
  # As where strangers write what runs: nothing is planned without what was applied.
  echo "::notice title=roomctl::the state is ${STATE:-encrypted}, and this job has no credentials for it: only the files are looked at"
  COMMAND=validate ARGS=
fi
read -r -a extra <<< "$ARGS"
arguments=("$COMMAND")
arguments+=(${extra[@]+"${extra[@]}"})
if [ "$COMMAND" != adopt ]; then arguments+=(--report-file "$files/report.json"); fi
shopt -s nullglob
case "$COMMAND" in
  plan) arguments+=(--out "$files/plan.roomctl") ;;
  apply)
    arguments+=(--yes)
    # Without a single plan nothing may change.
    if [ -n "${PLANS:-}" ]; then arguments+=(--covered-by "$PLANS"/*.roomctl --guards-of "$PLANS"/guards/*.roomctl); fi
    ;;
  adopt) arguments+=(--all-drift --patch "$files/adopt.patch") ;;
  validate | drift) ;;
  *)
    echo "::error title=roomctl::the command is validate, plan, apply, drift or adopt"
    echo "exitcode=64" >> "$GITHUB_OUTPUT"
    exit 0
    ;;
esac

# Content could look like a command of the workflow; between these lines none is obeyed. Nobody may guess the word.
stop="roomctl-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
if [ "${#stop}" != 40 ]; then
  echo "::error title=roomctl::there is no /dev/urandom that can be read"
  echo "exitcode=7" >> "$GITHUB_OUTPUT"
  exit 0
fi
echo "::stop-commands::$stop"
# A runner that cancels interrupts this shell and nobody else, and does so again after some seconds. roomctl gets both:
# at the first it ends what is under way, at the second it leaves. Then what it wrote is shown as usual.
roomctl "${arguments[@]}" &
child=$!
trap 'again=yes; kill -TERM "$child" 2> /dev/null' INT TERM HUP
again=yes
while [ -n "$again" ]; do
  again=
  wait "$child"
  code=$?
done
echo "::$stop::"
echo "exitcode=$code" >> "$GITHUB_OUTPUT"

if [ -f "$files/adopt.patch" ]; then
  echo "patch=$files/adopt.patch" >> "$GITHUB_OUTPUT"
  exit 0
fi
# What was shown before does not stay when this cannot be.
printf '<!-- roomctl:%s -->\nThere is nothing that can be shown of this run; its log says why.\n' "$COMMAND" > "$files/report.md"
echo "markdown=$files/report.md" >> "$GITHUB_OUTPUT"
if [ ! -f "$files/report.json" ]; then
  echo "::error title=roomctl $COMMAND::it ended with $code and without a report; see the log"
  exit 0
fi
roomctl render "$files/report.json" --format github
# With room for what a workflow has to say before it.
roomctl render "$files/report.json" --format markdown --max-bytes 58000 > "$files/rendered.md" && mv "$files/rendered.md" "$files/report.md"
roomctl render "$files/report.json" --format html > "$files/report.html"
roomctl render "$files/report.json" --format markdown --max-bytes 1000000 >> "$GITHUB_STEP_SUMMARY"
roomctl render "$files/report.json" --outputs >> "$GITHUB_OUTPUT"
{
  echo "report=$files/report.json"
  echo "html=$files/report.html"
  if [ -f "$files/plan.roomctl" ]; then echo "plan-file=$files/plan.roomctl"; fi
} >> "$GITHUB_OUTPUT"
