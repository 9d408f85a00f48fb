# The commands of this repository by short names; CONTRIBUTING.md says when to use which.
# Needs https://just.systems; each recipe is also short enough to be typed.

# Lists the recipes.
default:
    @just --list

# Most tests from outside wait for a clock or for another program, so two of them share a processor.
export RUST_TEST_THREADS := env('RUST_TEST_THREADS', `expr 2 \* $(getconf _NPROCESSORS_ONLN)`)

# Formatting and lints.
check:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# What is quick: an eighth of the cases of each law, no waiting for the real back-off, and no runs that die.
fast *ARGS:
    PROPTEST_CASES=16 cargo test --lib --bins --test cases --test integration {{ ARGS }} -- --skip slow::

# All tests.
full *ARGS:
    cargo test {{ ARGS }}

# What needs servers: states in S3, Azure Blob Storage and Google Cloud Storage. Installs moto and azurite below the target directory.
remote:
    ROOMCTL_TEST_REMOTE=1 cargo test --test integration -- remote::

# The runs that die: at every named place, and at moments that a seed chooses.
crash *ARGS:
    cargo test --test crash {{ ARGS }}

# Writes what the cases print into `expected`: all of them, or those whose name contains NAME. Then read the difference.
bless NAME='':
    ROOMCTL_BLESS=1 cargo test --test cases {{ NAME }}
    git --no-pager diff --stat -- tests/cases

# Writes what is made from the code: schemas, the reference and the pictures of the book, and what its commands print.
generate:
    ROOMCTL_BLESS=1 cargo test --test integration -- generated:: blocks::
    git --no-pager diff --stat -- schema docs README.md

# Whole processes beside their floors and other tools: tables for docs/speed.md. Read the ratios: figures move with the machine.
bench *ARGS:
    cargo bench {{ ARGS }}

# Licences, sources and unwanted crates among the dependencies. Needs cargo-deny.
deny:
    cargo deny check licenses bans sources

# What has to hold before anything is merged.
ci:
    .ci/run
