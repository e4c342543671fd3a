//! Files that are read anew while the server serves: all of it that takes time, beside the event loop.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::config::Config;
use crate::host::Outlying;
use crate::pool;
use crate::server::Reload;
use crate::users::Users;

/// What a server serves by, and the machine around it, which has to follow.
#[derive(Debug)]
pub struct Serving {
    served: Served,
    machine: Outlying,
}

/// What a server serves by.
#[derive(Debug)]
pub struct Served {
    config: Config,
    /// Those that one user each has.
    addresses: BTreeSet<Ipv4Addr>,
}

/// What is to take its place.
#[derive(Debug)]
pub struct Fresh {
    /// For the server.
    pub reload: Reload,
    /// What the server serves by once it has taken that over.
    pub served: Served,
    /// Files that are not what they were.
    pub news: Vec<String>,
    /// What the operator should know.
    pub remarks: Vec<String>,
}

impl Serving {
    /// What a server begins with.
    ///
    /// # Errors
    ///
    /// If the machine cannot do its part.
    pub fn new(config: Config, users: &Users) -> anyhow::Result<Self> {
        let served = Served::new(config, users);
        let mut machine = Outlying::new(&served.config);
        machine.add(&served.outlying())?;
        Ok(Self { served, machine })
    }

    /// Reads both files and checks them, and has the machine ready for what the server is to take over.
    ///
    /// # Errors
    ///
    /// If that cannot be: where, and why.
    pub fn read(&mut self) -> anyhow::Result<Fresh> {
        let fresh = self.served.read()?;
        self.machine.add(&fresh.served.outlying())?;
        Ok(fresh)
    }

    /// The server has taken that over.
    pub fn replace(&mut self, served: Served) {
        self.served = served;
    }

    /// Has the machine do nothing any more for what was, or was read and not taken over.
    pub fn tidy(&mut self) {
        self.machine.keep(&self.served.outlying());
    }
}

impl Served {
    fn new(config: Config, users: &Users) -> Self {
        Self { config, addresses: users.addresses().collect() }
    }

    /// Addresses of users that lie in no pool.
    fn outlying(&self) -> BTreeSet<Ipv4Addr> {
        pool::outlying(&self.config.pools, self.addresses.iter().copied())
    }

    /// Reads both files and checks them.
    ///
    /// # Errors
    ///
    /// If one of them cannot be used: where, and why. Nothing changes then.
    fn read(&self) -> anyhow::Result<Fresh> {
        let newer = Config::load(&self.config.file)?;
        let fixed = self.config.fixed(&newer);
        let config = self.config.updated(&newer);
        let news = self.config.news(&config);
        // The pools that are served, should the file have others.
        let users = Users::load(&config.users, &config.pools)?;
        let warnings = newer.warnings.iter().chain(users.warnings()).map(ToString::to_string);
        let unchanged = fixed.iter().map(|key| format!("`{key}` has changed: that takes a restart"));
        let remarks = warnings.chain(unchanged).collect();
        let served = Self::new(config, &users);
        let reload = Reload::new(&self.addresses, users, &served.config);
        Ok(Fresh { reload, served, news, remarks })
    }
}

#[cfg(test)]
impl Serving {
    /// The files that come with the source.
    pub(crate) fn example() -> Self {
        let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/adit.yaml"));
        let config = Config::load(path).unwrap();
        let users = Users::load(&config.users, &config.pools).unwrap();
        Self::new(config, &users).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const CONFIG: &str = "ipsec: { psk: [{ name: main, secret: 0123456789abcdef }] }\nusers: users.yaml\n";

    fn served(scratch: &Scratch) -> Served {
        let path = scratch.path("adit.yaml");
        let config = Config::load(&path).unwrap();
        let users = Users::load(&config.users, &config.pools).unwrap();
        Served::new(config, &users)
    }

    /// Readable by its owner only, as it should be.
    fn write(scratch: &Scratch, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = scratch.write(name, content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn what_takes_a_restart_is_said_and_said_again() {
        let scratch = Scratch::new();
        write(&scratch, "adit.yaml", CONFIG);
        write(&scratch, "users.yaml", "a: { password: a }");
        let served = served(&scratch);
        assert_eq!(served.read().unwrap().remarks, Vec::<String>::new());
        write(
            &scratch,
            "adit.yaml",
            &format!("{CONFIG}mtu: 1280\ndns: [9.9.9.10]\npools: [{{ name: x, range: 10.0.0.0/8 }}]\n"),
        );
        write(&scratch, "users.yaml", "a: { password: a, address: 10.20.0.7 }");
        let fresh = served.read().unwrap();
        let expected = ["pools", "mtu"].map(|key| format!("`{key}` has changed: that takes a restart"));
        assert_eq!(fresh.remarks, expected);
        assert_eq!(fresh.served.config.dns.ipv4, [Ipv4Addr::new(9, 9, 9, 10)]);
        assert_eq!(fresh.served.config.mtu, 1400);
        assert_eq!(fresh.served.read().unwrap().remarks, expected);
    }

    #[test]
    fn a_broken_file_is_pointed_out() {
        let scratch = Scratch::new();
        write(&scratch, "adit.yaml", CONFIG);
        write(&scratch, "users.yaml", "a: { password: a }");
        let served = served(&scratch);
        write(&scratch, "users.yaml", "a: { password: a }\nb: { pasword: b }");
        let error = served.read().unwrap_err().to_string();
        assert!(error.contains("users.yaml:2:6: found unknown key \"pasword\""), "{error}");
        write(&scratch, "adit.yaml", "ipsec: {}\n");
        let error = served.read().unwrap_err().to_string();
        assert!(error.contains("adit.yaml:1:1: ipsec.psk: found no key"), "{error}");
    }

    const CERTIFICATE: &str =
        "eap: { certificate: { cert: own.pem, key: own.key, ca: ca.pem, crl: ca.crl } }\n";

    /// A file of tests/vectors/pki.
    fn pki(name: &str) -> String {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pki/");
        std::fs::read_to_string(format!("{directory}{name}")).unwrap()
    }

    /// The file by that name is this one of tests/vectors/pki from now on.
    fn bring(scratch: &Scratch, name: &str, vector: &str) {
        write(scratch, name, &pki(vector));
    }

    #[test]
    fn certificates_are_read_anew() {
        let scratch = Scratch::new();
        write(&scratch, "adit.yaml", &format!("{CONFIG}{CERTIFICATE}"));
        write(&scratch, "users.yaml", "a: { password: a }");
        for (name, vector) in
            [("own.pem", "server.pem"), ("own.key", "server.key"), ("ca.pem", "ca.pem"), ("ca.crl", "ca.crl")]
        {
            bring(&scratch, name, vector);
        }
        let served = served(&scratch);
        assert!(served.read().unwrap().news.is_empty());
        // Half of what is needed: nothing changes, and the file is named.
        bring(&scratch, "own.pem", "server-p256.pem");
        let error = served.read().unwrap_err().to_string();
        assert!(
            error.contains("eap.certificate.key: found the private key of another certificate in own.key")
        );
        bring(&scratch, "own.key", "server-p256.key");
        let fresh = served.read().unwrap();
        let line = "`eap.certificate` is read anew: this server's certificate \"O=Example,CN=vpn.example.net\", valid until \
                    2120-01-01T00:00:00Z";
        assert_eq!((fresh.news, fresh.remarks), (vec![line.to_owned()], Vec::new()));
        assert!(fresh.served.read().unwrap().news.is_empty(), "it is what is served now");
        bring(&scratch, "ca.crl", "ca.pem");
        let error = fresh.served.read().unwrap_err().to_string();
        assert!(
            error.contains(
                "eap.certificate.crl: found no certificate revocation list that can be read in ca.crl"
            ),
            "{error}"
        );
        write(&scratch, "adit.yaml", CONFIG);
        assert_eq!(fresh.served.read().unwrap().news, ["`eap.certificate` is gone"]);
    }

    /// Ten thousand accounts, each with a password to be hashed: all of this beside the event loop. How long
    /// it takes is printed, not judged, since a machine may be busy.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    #[expect(clippy::print_stdout, reason = "what it measures")]
    fn ten_thousand_accounts_are_read() {
        let scratch = Scratch::new();
        write(&scratch, "adit.yaml", CONFIG);
        let content: String = (0..10_000)
            .map(|n| {
                format!("user{n}: {{ password: \"secret {n}\", sessions: 2, quota: 10 GB per month }}\n")
            })
            .collect();
        write(&scratch, "users.yaml", &content);
        let served = served(&scratch);
        let start = std::time::Instant::now();
        let fresh = served.read().unwrap();
        println!("ten thousand accounts read in {:?}", start.elapsed());
        assert_eq!(fresh.reload.outcome().users, 10_000);
    }
}
