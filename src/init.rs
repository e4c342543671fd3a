//! `adit init`: a configuration that works at once, and what to type into devices.

mod devices;
mod secret;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

pub use devices::{Credentials, instructions};

/// What `init` has written.
#[derive(Debug)]
pub struct Written {
    /// The configuration.
    pub config: PathBuf,
    /// The accounts.
    pub users: PathBuf,
    /// What a device needs to log in.
    pub credentials: Credentials,
}

/// Writes `adit.yaml` and `users.yaml` with new random secrets into `directory`, readable by the owner only.
///
/// Overwrites nothing: if either file is there, neither is written.
pub fn init(directory: &Path) -> anyhow::Result<Written> {
    let (config, users) = (directory.join("adit.yaml"), directory.join("users.yaml"));
    for path in [&config, &users] {
        if path.symlink_metadata().is_ok() {
            bail!("{} exists already: init overwrites nothing", path.display());
        }
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    // For typing on phones: lengths are for 108 and 72 bits (`secret`). The key has to withstand guessing
    // without the server by whoever pretends to be it; the password is only ever sent inside the tunnel.
    let credentials =
        Credentials { psk: secret::letters(24)?, user: USER.to_owned(), password: secret::letters(16)? };
    let content = Zeroizing::new(MANUAL.replace(crate::config::EXAMPLE_SECRET, &credentials.psk));
    // Accounts first: a configuration without accounts is the worse thing to leave behind.
    let accounts =
        Zeroizing::new(format!("{USERS_HEAD}{USER}: {{ password: \"{}\" }}\n", *credentials.password));
    create(&users, &accounts)?;
    create(&config, &content)?;
    Ok(Written { config, users, credentials })
}

fn create(path: &Path, content: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |error| match error.kind() {
            ErrorKind::AlreadyExists => {
                anyhow::anyhow!("{} exists already: init overwrites nothing", path.display())
            }
            _ => anyhow::Error::from(error).context(format!("cannot create {}", path.display())),
        },
    )?;
    file.write_all(content.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// The reference manual is also the first configuration: whoever opens it sees what else can be set.
const MANUAL: &str = include_str!("../conf/adit.yaml");
const USER: &str = "vpn";
const USERS_HEAD: &str = "\
# Who may log in. Keep this file readable by root only. To add somebody: adit user add NAME, then adit reload.
#
#   NAME: { password: … }    and any of:
#     group: staff             one of `groups:`, whose settings hold where the user has none
#     address: 10.20.0.50      the address that this user always gets
#     sessions: 1              how many devices at once; any number if left out
#     expires: 2027-06-30      the last day on which the account works, UTC
#     disabled: true           locks the account
#   and what else conf/users.yaml in adit's source tells: hours, rates, quotas, time-outs, networks.

";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Config;
    use crate::scratch::Scratch;
    use crate::users::Users;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_can_be_served_and_read_by_the_owner_only() {
        let scratch = Scratch::new();
        let directory = scratch.path("etc/adit");
        let written = init(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&written.config), 0o600);
        assert_eq!(mode(&written.users), 0o600);

        let config = Config::load(&written.config).unwrap();
        assert_eq!(config.warnings, []);
        assert_eq!(config.psks.first().unwrap().secret.as_bytes(), written.credentials.psk.as_bytes());
        assert_eq!(config.users, written.users);
        let users = Users::load(&config.users, &config.pools).unwrap();
        assert_eq!(users.warnings(), []);
        assert_eq!(&**users.find(b"VPN").unwrap().0, "vpn");
    }

    #[test]
    fn nothing_is_overwritten() {
        for name in ["adit.yaml", "users.yaml"] {
            let scratch = Scratch::new();
            let path = scratch.write(name, "precious");
            let error = init(scratch.directory()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{} exists already: init overwrites nothing", path.display())
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
            assert_eq!(fs::read_dir(scratch.directory()).unwrap().count(), 1);
        }
    }

    #[test]
    fn the_manuals_secret_is_gone() {
        let scratch = Scratch::new();
        let written = init(scratch.directory()).unwrap();
        let content = fs::read_to_string(&written.config).unwrap();
        assert!(!content.contains(crate::config::EXAMPLE_SECRET));
        assert_eq!(content.matches(&*written.credentials.psk).count(), 1);
    }
}
