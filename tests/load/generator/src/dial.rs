//! Whom to dial and as whom: the options that every kind of load has.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use load::{Credentials, Profile};

use crate::suite::{EspSuite, IkeSuite};

/// The options as they are typed.
#[derive(Args)]
pub(crate) struct DialOptions {
    /// Dial in at this server; without one, what goes through the tunnel otherwise goes plain
    #[arg(long, requires = "secret", requires = "user")]
    server: Option<Ipv4Addr>,
    /// A file with the pre-shared key in its first line and the password in its second
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The account, of all clients
    #[arg(long)]
    user: Option<String>,
    /// Which device's manners the clients have
    #[arg(long, value_enum, default_value = "linux")]
    client: Device,
    /// Offer this alone in phase 1, such as aes256-sha1-ecp384
    #[arg(long)]
    ike: Option<IkeSuite>,
    /// Offer this alone in phase 2: aes128-sha1, aes256-sha256, aes128gcm, 3des-sha1, …
    #[arg(long)]
    esp: Option<EspSuite>,
    /// The first of our own addresses; the kernel chooses otherwise
    #[arg(long, default_value = "0.0.0.0")]
    from: Ipv4Addr,
    /// How many addresses there are from the first one on, which the clients take in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    addresses: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    Android,
    Apple,
    Linux,
    Windows,
}

/// What every client of a fleet has in common.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) server: Ipv4Addr,
    pub(crate) profile: Profile,
    pub(crate) credentials: Credentials,
    from: Ipv4Addr,
    addresses: u32,
}

impl DialOptions {
    /// What to dial, unless it is nothing.
    pub(crate) fn dial(&self) -> anyhow::Result<Option<Dial>> {
        let (Some(server), Some(file), Some(user)) = (self.server, &self.secret, &self.user) else {
            return Ok(None);
        };
        let mut profile = match self.client {
            Device::Android => Profile::android(),
            Device::Apple => Profile::apple(),
            Device::Linux => Profile::linux(),
            Device::Windows => Profile::windows_10(),
        };
        profile.ike.transforms = self.ike.map_or(profile.ike.transforms, |suite| vec![suite.0]);
        profile.esp.transforms = self.esp.map_or(profile.esp.transforms, |suite| vec![suite.0]);
        let credentials = credentials(file, user)?;
        Ok(Some(Dial { server, profile, credentials, from: self.from, addresses: self.addresses }))
    }

    /// The same, for what makes no sense without a server.
    pub(crate) fn dial_or_refuse(&self) -> anyhow::Result<Dial> {
        self.dial()?.context("this needs --server, --secret and --user")
    }

    /// What the clients offer in phase 2, if that was said.
    pub(crate) fn esp(&self) -> Option<String> {
        self.esp.map(|suite| suite.to_string())
    }

    /// What the clients offer in phase 1, if that was said.
    pub(crate) fn ike(&self) -> Option<String> {
        self.ike.map(|suite| suite.to_string())
    }
}

impl Dial {
    /// Client `number`'s own address, which may be left to the kernel.
    pub(crate) fn own_address(&self, number: usize) -> Ipv4Addr {
        let turn = u32::try_from(number).unwrap_or(0) % self.addresses;
        Ipv4Addr::from(u32::from(self.from).wrapping_add(turn))
    }
}

fn credentials(file: &Path, user: &str) -> anyhow::Result<Credentials> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines = text.lines();
    let (Some(psk), Some(password)) = (lines.next(), lines.next()) else {
        bail!("{}: two lines expected", file.display())
    };
    Ok(Credentials { psk: psk.into(), certificate: None, user: user.into(), password: password.into() })
}
