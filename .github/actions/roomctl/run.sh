#!/usr/bin/env bash
# Runs roomctl and tells the result: annotations, step summary, files, outputs. Everything large goes through
# files. Fails only when roomctl could not be run at all; its exit code is an output.
set -uo pipefail

files="${RUNNER_TEMP:-/tmp}/roomctl"
rm -rf "$files"
mkdir -p "$files"
read -r -a extra <<< "$ARGS"
arguments=("$COMMAND" ${extra[@]+"${extra[@]}"} --report-file "$files/report.json")
case "$COMMAND" in
  plan) arguments+=(--out "$files/plan.roomctl") ;;
  apply) arguments+=(--yes) ;;
  validate | drift) ;;
  *)
    echo "::error title=roomctl::the command is validate, plan, apply or drift"
    echo "exitcode=64" >> "$GITHUB_OUTPUT"
    exit 0
    ;;
esac

# Content could look like a command of the workflow; between these lines none is obeyed.
stop="roomctl-$RANDOM$RANDOM$RANDOM"
echo "::stop-commands::$stop"
roomctl "${arguments[@]}"
code=$?
echo "::$stop::"
echo "exitcode=$code" >> "$GITHUB_OUTPUT"

if [ ! -f "$files/report.json" ]; then
  echo "::error title=roomctl $COMMAND::it ended with $code and without a report; see the log"
  exit 0
fi
roomctl render "$files/report.json" --format github
roomctl render "$files/report.json" --format markdown --max-bytes 65000 > "$files/report.md"
roomctl render "$files/report.json" --format html > "$files/report.html"
roomctl render "$files/report.json" --format markdown --max-bytes 1000000 >> "$GITHUB_STEP_SUMMARY"
roomctl render "$files/report.json" --outputs >> "$GITHUB_OUTPUT"
{
  echo "report=$files/report.json"
  echo "markdown=$files/report.md"
  echo "html=$files/report.html"
  if [ -f "$files/plan.roomctl" ]; then echo "plan-file=$files/plan.roomctl"; fi
} >> "$GITHUB_OUTPUT"
