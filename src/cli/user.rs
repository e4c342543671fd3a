//! `adit user`: the users file, one change at a time.

use std::io::{self, BufRead, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use nix::sys::termios::{self, LocalFlags, SetArg};
use zeroize::Zeroizing;

use super::{CONFIG, Terminal};
use crate::config::Config;
use crate::users::edit::{Storage, UsersFile};
use crate::users::{Account, Password, Users};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a user; the password comes from the terminal or standard input
    Add {
        name: String,
        /// The group whose settings the user has
        #[arg(long)]
        group: Option<String>,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        file: File,
    },
    /// Give a user another password, from the terminal or standard input
    Passwd {
        name: String,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        file: File,
    },
    /// Take a user out of the file
    Remove {
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Lock an account and keep its settings
    Disable {
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Unlock an account
    Enable {
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Show who may log in
    List {
        #[command(flatten)]
        file: File,
    },
}

#[derive(clap::Args)]
pub(super) struct File {
    /// The configuration that names the users file
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct Secret {
    /// Store the password itself instead of its NT hash: CHAP with MD5 needs it
    #[arg(long)]
    plain: bool,
}

impl Secret {
    fn storage(&self) -> Storage {
        if self.plain { Storage::Plain } else { Storage::Hash }
    }
}

pub(super) fn execute(command: Command, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    match command {
        Command::Add { name, group, secret, file } => {
            let password = password(terminal, &name)?;
            say_umlauts(terminal, &password, &secret)?;
            change(terminal, &file, &format!("{name:?} is added"), |users| {
                users.add(&name, &Password::from(password.as_str()), secret.storage(), group.as_deref())
            })
        }
        Command::Passwd { name, secret, file } => {
            let password = password(terminal, &name)?;
            say_umlauts(terminal, &password, &secret)?;
            change(terminal, &file, &format!("{name:?} has a new password"), |users| {
                users.set_password(&name, &Password::from(password.as_str()), secret.storage())
            })
        }
        Command::Remove { name, file } => {
            change(terminal, &file, &format!("{name:?} is removed"), |users| users.remove(&name))
        }
        Command::Disable { name, file } => {
            change(terminal, &file, &format!("{name:?} is disabled"), |users| users.set_disabled(&name, true))
        }
        Command::Enable { name, file } => {
            change(terminal, &file, &format!("{name:?} is enabled"), |users| users.set_disabled(&name, false))
        }
        Command::List { file } => {
            let config = Config::load(&file.config)?;
            let users = Users::load(&config.users, &config.pools)?;
            write!(terminal.out, "{}", list(&users))?;
            Ok(())
        }
    }
}

/// Makes a change, and says that a server does not know of it yet.
fn change(
    terminal: &mut Terminal<'_>,
    file: &File,
    done: &str,
    make: impl FnOnce(UsersFile<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let config = Config::load(&file.config)?;
    make(UsersFile { path: &config.users, pools: &config.pools })?;
    let path = config.users.display();
    writeln!(terminal.out, "{done} in {path}; a running server takes it by: adit reload")?;
    Ok(())
}

fn list(users: &Users) -> String {
    let mut table = String::new();
    for (name, account) in users.sorted() {
        let notes = notes(account);
        table.push_str(&format!("{name}{}{}\n", if notes.is_empty() { "" } else { "  " }, notes.join(", ")));
    }
    table
}

/// What distinguishes an account.
fn notes(account: &Account) -> Vec<String> {
    let settings = &account.settings;
    let note = |what: &str, value: Option<String>| value.map(|value| format!("{what} {value}"));
    let notes = [
        settings.disabled.then(|| "disabled".to_owned()),
        note("group", account.group.as_ref().map(ToString::to_string)),
        note("address", account.address.map(|address| address.to_string())),
        note("sessions", settings.sessions.map(|sessions| sessions.to_string())),
        note("expires", settings.expires.map(|day| day.to_string())),
        note("password expires", account.password_expires.map(|day| day.to_string())),
    ];
    notes.into_iter().flatten().collect()
}

/// An NT hash alone suits Windows: others hash the bytes of what is not ASCII.
fn say_umlauts(terminal: &mut Terminal<'_>, password: &str, secret: &Secret) -> anyhow::Result<()> {
    if !password.is_ascii() && !secret.plain {
        let text = "warning: the password has characters beyond ASCII: with its NT hash only Windows can log in; others need --plain";
        writeln!(terminal.err, "{text}")?;
    }
    Ok(())
}

/// Never from the command line, which everybody on the machine can read.
fn password(terminal: &mut Terminal<'_>, name: &str) -> anyhow::Result<Zeroizing<String>> {
    let Some(input) = &mut terminal.input else {
        let first = typed(&format!("Password of {name:?}: "))?;
        ensure!(*first == *typed("Once more: ")?, "the two are not the same");
        return Ok(first);
    };
    line(*input)
}

/// A line from the terminal, which does not show it.
fn typed(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    let before =
        termios::tcgetattr(stdin.as_fd()).context("the terminal cannot be asked for its settings")?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    write!(io::stderr(), "{prompt}")?;
    termios::tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &silent).context("the terminal stays loud")?;
    let read = line(&mut stdin.lock());
    termios::tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &before).context("the terminal stays silent")?;
    writeln!(io::stderr())?;
    read
}

fn line(input: &mut dyn BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.read_line(&mut line).context("no password comes from standard input")?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    ensure!(!line.is_empty(), "the password is empty");
    Ok(line)
}
