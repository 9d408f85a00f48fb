//! The `roomctl` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    roomctl::main()
}
