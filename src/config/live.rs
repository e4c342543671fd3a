//! What of a configuration can change while it serves, and what takes a restart.

use super::Config;

impl Config {
    /// This configuration with what `newer` says of settings that can change while it serves.
    #[must_use]
    pub fn updated(&self, newer: &Self) -> Self {
        let newer = newer.clone();
        Self { psks: newer.psks, dns: newer.dns, domain: newer.domain, routes: newer.routes, ..self.clone() }
    }

    /// The keys of all other settings that `newer` has another value of.
    pub fn fixed(&self, newer: &Self) -> Vec<&'static str> {
        // Without `..`: whoever adds a setting decides.
        let Self {
            file: _,
            listen,
            psks: _,
            certificate,
            algorithms,
            native_esp,
            l2tp_secret,
            hello_interval,
            dead_after,
            pools,
            dns: _,
            domain: _,
            mtu,
            routes: _,
            client_to_client,
            auth,
            eap,
            users,
            tun,
            tun_offload,
            udp_gso,
            shards,
            nat,
            control,
            state,
            metrics,
            log,
            limits,
            warnings: _,
        } = self;
        let same = [
            ("listen", *listen == newer.listen),
            // Of one that stays one, the files may differ: they are read at the start.
            ("ipsec.certificate", certificate.is_some() == newer.certificate.is_some()),
            ("ipsec.algorithms", *algorithms == newer.algorithms),
            ("ipsec.encapsulation", *native_esp == newer.native_esp),
            ("l2tp.secret", *l2tp_secret == newer.l2tp_secret),
            ("l2tp.hello", *hello_interval == newer.hello_interval),
            ("dead_after", *dead_after == newer.dead_after),
            ("pools", *pools == newer.pools),
            ("mtu", *mtu == newer.mtu),
            ("client_to_client", *client_to_client == newer.client_to_client),
            ("auth", *auth == newer.auth),
            ("eap.methods", eap.methods == newer.eap.methods),
            ("eap.certificate", eap.tls.is_some() == newer.eap.tls.is_some()),
            // Its content is another matter.
            ("users", *users == newer.users),
            ("tun", *tun == newer.tun),
            ("tun_offload", *tun_offload == newer.tun_offload),
            ("udp_gso", *udp_gso == newer.udp_gso),
            ("shards", *shards == newer.shards),
            ("nat", *nat == newer.nat),
            ("control", *control == newer.control),
            ("state", *state == newer.state),
            ("metrics", *metrics == newer.metrics),
            ("log", *log == newer.log),
            ("limits", *limits == newer.limits),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}
