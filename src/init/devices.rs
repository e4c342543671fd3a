//! What to type into which device.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use zeroize::Zeroizing;

/// What a device needs to log in.
pub struct Credentials {
    /// The pre-shared key.
    pub psk: Zeroizing<String>,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Says how to set up each kind of device for the server called `server`; without credentials, where to find
/// them.
pub fn instructions(server: Option<&str>, credentials: Option<&Credentials>) -> String {
    let found = own_address().map(|address| address.to_string());
    let server = server.or(found.as_deref()).unwrap_or("this server's public address");
    let (secret, user, password) = match credentials {
        Some(credentials) => {
            (credentials.psk.as_str(), credentials.user.as_str(), credentials.password.as_str())
        }
        None => ("a `secret` of adit.yaml", "a name in users.yaml", "that user's password"),
    };
    format!(
        "\
What to type into devices:

  server               {server}
  pre-shared key       {secret}
  user                 {user}
  password             {password}

The server must be reachable on UDP 500 and 4500. If it stands behind a router, forward both there, and type the
router's public address instead.

Windows 10 and 11
  Settings > Network & internet > VPN > Add VPN
    VPN provider         Windows (built-in)
    Server name          the server
    VPN type             L2TP/IPsec with pre-shared key
    Sign-in info         User name and password
  If it then says that the connection was refused or needs other authentication: Control Panel > Network Connections >
  the connection > Properties > Security > Allow these protocols > Microsoft CHAP Version 2, nothing else.
  If the server stands behind a router, Windows needs this once, as administrator, and a restart:
    reg add HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent /v AssumeUDPEncapsulationContextOnSendRule /t REG_DWORD /d 2

Android up to 11 (later versions have no L2TP/IPsec for new connections)
  Settings > Network & internet > VPN > +
    Type                 L2TP/IPSec PSK
    Server address       the server
    L2TP secret, IPSec identifier    leave empty
    IPSec pre-shared key the pre-shared key

iPhone, iPad
  Settings > General > VPN & Device Management > VPN > Add VPN Configuration
    Type                 L2TP
    Server, Account, Password    as above
    Secret               the pre-shared key
    Send All Traffic     on

Mac
  System Settings > Network > ... > Add VPN Configuration > L2TP over IPSec
    Server address, Account name, Password    as above
    Shared secret        the pre-shared key
    Options              Send all traffic over VPN connection

Linux with NetworkManager (package network-manager-l2tp-gnome, or network-manager-l2tp on its own)
  Settings > Network > VPN > + > Layer 2 Tunneling Protocol (L2TP)
    Gateway, User name, Password    as above
    IPsec Settings       Enable IPsec tunnel to L2TP host; pre-shared key as above
"
    )
}

/// The address that packets to the outside would have; asking the kernel for it sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-1 (RFC 5737): nobody's, so only the default route can lead there.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_show_where_asked_for_and_nowhere_else() {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let credentials =
            Credentials { psk: secret("kkkk"), user: "vpn".to_owned(), password: secret("wwww") };
        assert_eq!(format!("{credentials:?}"), r#"Credentials { user: "vpn", .. }"#);
        let text = instructions(Some("vpn.example.org"), Some(&credentials));
        let head = "  server               vpn.example.org\n  pre-shared key       kkkk\n  user                 vpn\n  password             wwww\n";
        assert!(text.contains(head), "{text}");
        for device in ["Windows", "Android", "iPhone", "Mac", "Linux"] {
            assert!(text.contains(device), "{device}");
        }
        let without = instructions(Some("vpn.example.org"), None);
        assert!(without.contains("  password             that user's password\n"), "{without}");
    }
}
