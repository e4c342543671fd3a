//! The command line. Exit codes: 0 done, 1 the answer is no, 2 wrong usage (from clap).

mod user;

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Problem};
use crate::users::Users;
use crate::{control, init, logging, pool};

#[derive(Parser)]
#[command(
    name = "adit",
    version,
    about = "A VPN server for the L2TP/IPsec clients that devices have built in"
)]
#[command(max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve in the foreground until SIGINT or SIGTERM
    Serve(Source),
    /// Say whether a configuration can be used, and what it amounts to
    Check(Source),
    /// Write a configuration with random secrets, and say what to type into devices
    Init {
        /// Where adit.yaml and users.yaml are to be; nothing there is overwritten
        #[arg(long, default_value = "/etc/adit")]
        dir: PathBuf,
        /// How devices reach this server: a name or an address. Without it, this machine's own address
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        /// Write nothing; only say what to type into devices
        #[arg(long)]
        print: bool,
    },
    /// Change who may log in, and show it
    User {
        #[command(subcommand)]
        command: user::Command,
    },
    /// Show who is connected, and what was discarded and why
    Status {
        #[command(flatten)]
        running: Running,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a running server take changed files: accounts, pre-shared keys, dns, domain, routes
    Reload(Running),
    /// End a user's sessions, or one session
    Disconnect {
        /// A user's name, or a connection's id as `adit status` and the log show it
        #[arg(value_name = "USER|ID")]
        who: String,
        #[command(flatten)]
        running: Running,
    },
}

#[derive(Args)]
struct Source {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Args)]
struct Running {
    /// The configuration of the server to ask
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
    /// The control socket of the server to ask, instead of a configuration that names it
    #[arg(long, value_name = "SOCKET", conflicts_with = "config")]
    control: Option<PathBuf>,
}

const CONFIG: &str = "/etc/adit/adit.yaml";

/// Does what the arguments say; `serve` is called for `adit serve`, once everything that can be checked is.
pub fn run(serve: impl FnOnce(Config, Users) -> anyhow::Result<()>) -> ExitCode {
    // Wrong usage ends here with 2, --help and --version with 0.
    let arguments = Arguments::parse();
    let stdin = io::stdin();
    let mut piped = (!stdin.is_terminal()).then(|| stdin.lock());
    let mut terminal = Terminal {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        input: piped.as_mut().map(|input| input as &mut dyn BufRead),
        is_person: io::stdout().is_terminal(),
    };
    match execute(arguments.command, &mut terminal, serve) {
        // Whoever reads our output may have seen enough.
        Err(error) if !is_broken_pipe(&error) => {
            let _nowhere_to_say = writeln!(io::stderr(), "{error:#}");
            ExitCode::from(1)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Where the answers go.
struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Where secrets come from; `None` if somebody has to type them.
    input: Option<&'a mut dyn BufRead>,
    /// Whether `out` is a terminal: anything else may be a log, and secrets do not belong there.
    is_person: bool,
}

fn execute(
    command: Command,
    terminal: &mut Terminal<'_>,
    serve: impl FnOnce(Config, Users) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match command {
        Command::Serve(source) => {
            let (config, users) = load(&source.config)?;
            logging::start(config.log);
            for warning in warnings(&config, &users) {
                tracing::warn!("{warning}");
            }
            return serve(config, users);
        }
        Command::Check(source) => {
            let (config, users) = load(&source.config)?;
            for warning in warnings(&config, &users) {
                writeln!(terminal.err, "warning: {warning}")?;
            }
            write!(terminal.out, "{}", summary(&source.config, &config, &users))?;
        }
        Command::Init { server, print: true, .. } => {
            write!(terminal.out, "{}", init::instructions(server.as_deref(), None))?;
        }
        Command::Init { dir, server, print: false } => {
            let written = init::init(&dir)?;
            let credentials = terminal.is_person.then_some(&written.credentials);
            let (config, users) = (written.config.display(), written.users.display());
            writeln!(terminal.out, "Wrote {config} and {users}.\n")?;
            writeln!(terminal.out, "{}", init::instructions(server.as_deref(), credentials))?;
            writeln!(terminal.out, "To serve: adit serve --config {config}")?;
        }
        Command::User { command } => user::execute(command, terminal)?,
        Command::Status { running, json } => {
            let status = control::status(&socket(running)?)?;
            if json {
                writeln!(terminal.out, "{}", serde_json::to_string(&status)?)?;
            } else {
                write!(terminal.out, "{}", status.table())?;
            }
        }
        Command::Reload(running) => {
            let report = control::reload(&socket(running)?)?;
            writeln!(terminal.out, "{report}")?;
            for line in &report.news {
                writeln!(terminal.out, "{line}")?;
            }
            for remark in &report.remarks {
                writeln!(terminal.err, "{remark}")?;
            }
        }
        Command::Disconnect { who, running } => match control::disconnect(&socket(running)?, &who)? {
            0 => anyhow::bail!("no session has the user or id {who:?}"),
            1 => writeln!(terminal.out, "1 session ended")?,
            count => writeln!(terminal.out, "{count} sessions ended")?,
        },
    }
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<(Config, Users)> {
    let config = Config::load(path)?;
    let users = Users::load(&config.users, &config.pools)?;
    Ok((config, users))
}

fn warnings<'a>(config: &'a Config, users: &'a Users) -> impl Iterator<Item = &'a Problem> {
    config.warnings.iter().chain(users.warnings())
}

fn socket(running: Running) -> anyhow::Result<PathBuf> {
    running.control.map_or_else(|| Config::control_of(&running.config), Ok)
}

fn summary(path: &Path, config: &Config, users: &Users) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let pools = list(
        &mut config
            .pools
            .iter()
            .map(|pool| format!("{} {} ({} clients)", pool.name, pool.range, pool.range.clients())),
    );
    // Meant, or a slip in an address of a pool.
    let outlying = pool::outlying(&config.pools, users.addresses());
    let outlying = match (outlying.len(), outlying.first()) {
        (1, Some(only)) => format!(", one with an address outside of every pool: {only}"),
        (count, Some(first)) => format!(", {count} with addresses outside of every pool, such as {first}"),
        (_, None) => String::new(),
    };
    let users = match users.len() {
        1 => "1 user".to_owned(),
        count => format!("{count} users"),
    };
    format!(
        "{}: good\n  listen   {}\n  keys     {}\n  pools    {pools}\n  users    {users} in {}{outlying}\n  control  {}\n",
        path.display(),
        list(&mut config.listen.iter().map(|address| format!("{address} UDP 500, 4500"))),
        list(&mut config.psks.iter().map(|psk| psk.name.to_string())),
        config.users.display(),
        config.control.display(),
    )
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
