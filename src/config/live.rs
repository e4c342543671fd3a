//! What of a configuration can change while it serves, and what takes a restart.

use super::{Config, papers};

impl Config {
    /// This configuration with what `newer` says of settings that can change while it serves.
    #[must_use]
    pub fn updated(&self, newer: &Self) -> Self {
        let Self { psks, certificate, dns, domain, routes, eap, papers, .. } = newer.clone();
        Self { psks, certificate, dns, domain, routes, eap, papers, ..self.clone() }
    }

    /// What is new in files that are not compared by their name: those of certificates.
    pub fn news(&self, newer: &Self) -> Vec<String> {
        papers::news(&self.papers, &newer.papers)
    }

    /// The keys of all other settings that `newer` has another value of.
    pub fn fixed(&self, newer: &Self) -> Vec<&'static str> {
        // Without `..`: whoever adds a setting decides.
        let Self {
            file: _,
            listen,
            psks: _,
            certificate: _,
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
            eap: _,
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
            papers: _,
            warnings: _,
        } = self;
        let same = [
            ("listen", *listen == newer.listen),
            ("ipsec.algorithms", *algorithms == newer.algorithms),
            ("ipsec.encapsulation", *native_esp == newer.native_esp),
            ("l2tp.secret", *l2tp_secret == newer.l2tp_secret),
            ("l2tp.hello", *hello_interval == newer.hello_interval),
            ("dead_after", *dead_after == newer.dead_after),
            ("pools", *pools == newer.pools),
            ("mtu", *mtu == newer.mtu),
            ("client_to_client", *client_to_client == newer.client_to_client),
            ("auth", *auth == newer.auth),
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
