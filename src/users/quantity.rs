//! Numbers with their units, as operators write them: `30 min`, `10 Mbit/s`, `50 GB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many bits a second, from 8 kbit/s to 100 Gbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// Bits a second.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let units = [("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];
        let bits = number_of(text, &units)?;
        if (8_000..=100_000_000_000).contains(&bits) { Ok(Self(bits)) } else { Err(NotAQuantity) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bits if bits.is_multiple_of(1_000_000_000) => write!(f, "{} Gbit/s", bits / 1_000_000_000),
            bits if bits.is_multiple_of(1_000_000) => write!(f, "{} Mbit/s", bits / 1_000_000),
            bits => write!(f, "{} kbit/s", bits / 1_000),
        }
    }
}

/// A number of bytes, in powers of 1000 as the log and `adit status` show them.
pub(super) fn bytes(text: &str) -> Result<u64, NotAQuantity> {
    let units =
        [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1)];
    number_of(text, &units)
}

/// A span of time; a bare number is of seconds, as in `adit.yaml`.
pub(super) fn duration(text: &str) -> Result<Duration, NotAQuantity> {
    let units = [("min", 60), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("", 1)];
    number_of(text, &units).map(Duration::from_secs)
}

/// The text is no number with a unit that fits, or too small or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAQuantity;

/// The number before the one of `units` that `text` ends with, times that unit.
fn number_of(text: &str, units: &[(&str, u64)]) -> Result<u64, NotAQuantity> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(NotAQuantity)?;
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(NotAQuantity)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(NotAQuantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_with_units() {
        let rate = |text: &str| text.parse().map(Rate::bits);
        assert_eq!(rate("10 Mbit/s"), Ok(10_000_000));
        assert_eq!(rate("512kbit/s"), Ok(512_000));
        assert_eq!(rate("1 Gbit/s"), Ok(1_000_000_000));
        assert_eq!(bytes("50 GB"), Ok(50_000_000_000));
        assert_eq!(bytes("1kB"), Ok(1_000));
        assert_eq!(bytes("7 B"), Ok(7));
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(["90", "90 s", "30min", "30 m", "8 h", "2d"].map(seconds), {
            [90, 90, 1_800, 1_800, 28_800, 172_800].map(Ok)
        });
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "10", "Mbit/s", "10 mbit/s", "10 MB/s", "-1 Mbit/s", "1.5 Mbit/s", "7 kbit/s"] {
            assert_eq!(text.parse::<Rate>(), Err(NotAQuantity), "{text}");
        }
        assert_eq!("101 Gbit/s".parse::<Rate>(), Err(NotAQuantity));
        for text in ["", "GB", "50", "50 gb", "99999999999999999999 B", "99999999999 TB", "5 G B"] {
            assert_eq!(bytes(text), Err(NotAQuantity), "{text}");
        }
        assert_eq!(duration("1 week"), Err(NotAQuantity));
        assert_eq!(duration("99999999999999999d"), Err(NotAQuantity));
    }

    #[test]
    fn rates_are_shown_as_they_are_written() {
        for text in ["8 kbit/s", "1500 kbit/s", "20 Mbit/s", "1 Gbit/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }
}
