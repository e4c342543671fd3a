//! The `adit` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    adit::cli::run(|config, users| adit::eventloop::run(&config, users))
}
