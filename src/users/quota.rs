//! How much an account may move, both ways together, in a period that ends with the calendar's, UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::Date;
use super::quantity::{self, NotAQuantity};

/// So many bytes in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Inner bytes, from the client and to it.
    pub bytes: u64,
    /// After which the count begins anew.
    pub period: Period,
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// All time.
    Ever,
}

impl Period {
    /// The first day of the one that `now` is in.
    pub fn first_day(self, now: SystemTime) -> Date {
        let today = Date::of(now);
        match self {
            Self::Day => today,
            Self::Week => Date::of(now - Duration::from_secs(u64::from(today.days_since_monday()) * 86_400)),
            Self::Month => today.first_of_month(),
            Self::Ever => Date::of(SystemTime::UNIX_EPOCH),
        }
    }
}

impl FromStr for Quota {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let (bytes, period) = match text.split_once(" per ") {
            None => (text, Period::Ever),
            Some((bytes, "day")) => (bytes, Period::Day),
            Some((bytes, "week")) => (bytes, Period::Week),
            Some((bytes, "month")) => (bytes, Period::Month),
            Some(_) => return Err(NotAQuantity),
        };
        match quantity::bytes(bytes)? {
            0 => Err(NotAQuantity),
            bytes => Ok(Self { bytes, period }),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "per day",
            Self::Week => "per week",
            Self::Month => "per month",
            Self::Ever => "in all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read() {
        let quota = |text: &str| text.parse::<Quota>().map(|quota| (quota.bytes, quota.period));
        assert_eq!(quota("50 GB per month"), Ok((50_000_000_000, Period::Month)));
        assert_eq!(quota("1 GB per week"), Ok((1_000_000_000, Period::Week)));
        assert_eq!(quota("500 MB per day"), Ok((500_000_000, Period::Day)));
        assert_eq!(quota("1 TB"), Ok((1_000_000_000_000, Period::Ever)));
        for text in ["", "0 B", "50", "50 GB per year", "50 GB a month", "per month"] {
            assert_eq!(quota(text), Err(NotAQuantity), "{text}");
        }
    }

    #[test]
    fn periods_begin_with_the_calendars() {
        // date -u -d '2027-06-30 23:59:59' +%s: a Wednesday.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_814_399_999);
        let first = |period: Period| period.first_day(now).to_string();
        assert_eq!(first(Period::Day), "2027-06-30");
        assert_eq!(first(Period::Week), "2027-06-28");
        assert_eq!(first(Period::Month), "2027-06-01");
        assert_eq!(first(Period::Ever), "1970-01-01");
    }
}
