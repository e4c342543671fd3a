//! The `adit` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    adit::cli::run(|_config, _users| anyhow::bail!("serving is not built yet"))
}
