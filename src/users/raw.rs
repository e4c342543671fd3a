//! The keys of `users.yaml`, all optional and unchecked.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use crate::config::yaml::{Entries, Hidden, Text};

/// The whole file: every key of it is a user but for three.
#[derive(Default)]
pub(super) struct File {
    pub(super) default: Option<Spanned<Raw>>,
    pub(super) groups: Vec<(Text, Spanned<Raw>)>,
    /// In the order of the file.
    pub(super) users: Vec<(Text, Spanned<Raw>)>,
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections;

        impl<'de> Visitor<'de> for Sections {
            type Value = File;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
                let mut file = File::default();
                let entries =
                    |entries: Option<Entries<Raw>>| entries.map_or_else(Vec::new, |entries| entries.0);
                while let Some(key) = map.next_key::<Text>()? {
                    match key.value.as_str() {
                        "default" => file.default = map.next_value()?,
                        "groups" => file.groups = entries(map.next_value()?),
                        "users" => file.users.extend(entries(map.next_value()?)),
                        _ => file.users.push((key, map.next_value()?)),
                    }
                }
                Ok(file)
            }
        }

        deserializer.deserialize_map(Sections)
    }
}

/// What can be said of a user, and from `pool` on of a group and of everybody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) password: Option<Spanned<Hidden>>,
    pub(super) nt_hash: Option<Spanned<Hidden>>,
    pub(super) certificate: Option<Text>,
    pub(super) password_expires: Option<Text>,
    pub(super) address: Option<Text>,
    pub(super) group: Option<Text>,
    pub(super) pool: Option<Text>,
    pub(super) sessions: Option<Text>,
    pub(super) when_full: Option<Text>,
    pub(super) expires: Option<Text>,
    pub(super) disabled: Option<Text>,
    pub(super) hours: Option<Spanned<Vec<Text>>>,
    pub(super) rate_up: Option<Text>,
    pub(super) rate_down: Option<Text>,
    pub(super) quota: Option<Text>,
    pub(super) idle_timeout: Option<Text>,
    pub(super) session_timeout: Option<Text>,
    pub(super) routes: Option<Spanned<Vec<Text>>>,
    pub(super) dns: Option<Spanned<Vec<Text>>>,
    pub(super) domain: Option<Text>,
    pub(super) to: Option<Spanned<Vec<Text>>>,
}
