//! The clients of the field, one row each, and what each row shows.
//!
//! `table` has the rows; every function of `checks` runs for every row, as a test of its own: `clients::windows_xp::roams`.
//! `conf/clients.md` says the same to operators, and `page` holds it to the table.

mod checks;
mod page;
mod table;

use load::Profile;

/// One client.
struct Row {
    /// Its name here and on the page.
    client: &'static str,
    versions: &'static str,
    /// Where what it sends is written down.
    source: &'static str,
    profile: fn() -> Profile,
    /// What the server chooses for phase 1 under `algorithms: compatible`.
    ike: &'static str,
    /// And for ESP.
    esp: &'static str,
}

/// Every check of every row.
macro_rules! checked {
    ($($row:ident)*) => {
        const ROWS: &[&Row] = &[$(&table::$row),*];
        $(
            #[expect(non_snake_case, reason = "named as its row")]
            mod $row {
                use super::{checks, table::$row as ROW};

                #[test]
                fn connects() {
                    checks::connects(&ROW);
                }

                #[test]
                fn connects_on_a_bad_line() {
                    checks::connects_on_a_bad_line(&ROW);
                }

                #[test]
                fn renews_keys_amid_traffic() {
                    checks::renews_keys_amid_traffic(&ROW);
                }

                #[test]
                fn idles() {
                    checks::idles(&ROW);
                }

                #[test]
                fn roams() {
                    checks::roams(&ROW);
                }

                #[test]
                fn vanishes() {
                    checks::vanishes(&ROW);
                }

                #[test]
                fn comes_back_at_once() {
                    checks::comes_back_at_once(&ROW);
                }

                #[test]
                fn stays_for_three_days() {
                    checks::stays_for_three_days(&ROW);
                }
            }
        )*
    };
}

checked! {
    WINDOWS_XP WINDOWS_VISTA WINDOWS_7 WINDOWS_10 WINDOWS_11
    ANDROID_2 ANDROID_4 ANDROID_6 ANDROID_8 ANDROID_9
    APPLE_OLDER APPLE
    CHROMEOS STRONGSWAN LIBRESWAN
    MIKROTIK TP_LINK EDGEOS
}

/// The rows whose users can type an identifier or a group name beside the key, and what makes a profile of that: one more test each.
macro_rules! identified {
    ($($row:ident $by:ident)*) => {
        const IDENTIFIED: &[&Row] = &[$(&table::$row),*];
        mod connects_with_an_identifier {
            use super::{Profile, checks, table};
            $(
                #[test]
                #[expect(non_snake_case, reason = "named as its row")]
                fn $row() {
                    checks::connects_with_an_identifier(&table::$row, Profile::$by);
                }
            )*
        }
    };
}

identified! {
    ANDROID_4 with_identifier ANDROID_6 with_identifier ANDROID_8 with_identifier ANDROID_9 with_identifier
    APPLE with_group_name
}

/// The rows whose users can choose a certificate instead of the pre-shared key: one more test each.
macro_rules! certified {
    ($($row:ident)*) => {
        const CERTIFIED: &[&Row] = &[$(&table::$row),*];
        mod connects_with_a_certificate {
            use super::{checks, table};
            $(
                #[test]
                #[expect(non_snake_case, reason = "named as its row")]
                fn $row() {
                    checks::connects_with_a_certificate(&table::$row);
                }
            )*
        }
    };
}

certified! {
    WINDOWS_XP WINDOWS_VISTA WINDOWS_7 WINDOWS_10 WINDOWS_11
    ANDROID_2 ANDROID_4 ANDROID_6 ANDROID_8 ANDROID_9
    CHROMEOS STRONGSWAN LIBRESWAN
}
