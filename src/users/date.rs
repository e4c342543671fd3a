//! A calendar day as accounts expire on it: the day's end, UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A day from 1970-01-01 to 9999-12-31 of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Returns the day that `now` is in, UTC.
    pub fn of(now: SystemTime) -> Self {
        let unix = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let days = i64::try_from(unix.as_secs() / 86_400).unwrap_or(i64::MAX);
        // Years are counted from a first of March, so that the day that some have stands at the end; Hinnant,
        // "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_year = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
        let month = if month_of_year < 10 { month_of_year + 3 } else { month_of_year - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or(9999),
            month: u8::try_from(month).unwrap_or(12),
            day: u8::try_from(day).unwrap_or(31),
        }
    }

    /// Returns the first day of this day's month.
    pub fn first_of_month(self) -> Self {
        Self { day: 1, ..self }
    }

    /// Returns how many days ago it was Monday.
    pub fn days_since_monday(self) -> u32 {
        let end = self.end().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The epoch's first day was a Thursday, and ended with one day.
        u32::try_from((end.as_secs() / 86_400 + 2) % 7).unwrap_or_default()
    }

    /// Returns the first moment after this day.
    pub fn end(&self) -> SystemTime {
        let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
        let before = u64::from(self.year) - 1;
        let whole_years = (before - 1969) * 365 + leap_days(before) - leap_days(1969);
        let whole_months: u64 = (1..self.month).map(|month| u64::from(days_in(self.year, month))).sum();
        let days = whole_years + whole_months + u64::from(self.day);
        SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let digits = parts.next().filter(|part| part.len() == length)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u16>().ok())?
        };
        let (year, month, day) =
            (part(4).ok_or(NotADate)?, part(2).ok_or(NotADate)?, part(2).ok_or(NotADate)?);
        let small = |number: u16| u8::try_from(number).map_err(|_| NotADate);
        let date = Self { year, month: small(month)?, day: small(day)? };
        let exists = year >= 1970 && date.day >= 1 && date.day <= days_in(year, date.month);
        if exists && parts.next().is_none() { Ok(date) } else { Err(NotADate) }
    }
}

/// The text names no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADate;

/// No day is in a month that does not exist.
fn days_in(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> u64 {
        let date: Date = text.parse().unwrap();
        assert_eq!(date.to_string(), text);
        date.end().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn a_day_ends_when_the_next_begins() {
        // Expected values: date -u -d '… 00:00:00' +%s of the following day.
        assert_eq!(seconds("1970-01-01"), 86_400);
        assert_eq!(seconds("2000-02-29"), 951_868_800);
        assert_eq!(seconds("2027-06-30"), 1_814_400_000);
        assert_eq!(seconds("2100-02-28"), 4_107_542_400);
        assert_eq!(seconds("9999-12-31"), 253_402_300_800);
    }

    #[test]
    fn every_moment_is_in_the_day_that_ends_next() {
        for day in (0..2_932_896_u64).step_by(89).chain([0, 58, 59, 60, 11_016, 11_017, 2_932_895]) {
            for second in [0, 86_399] {
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400 + second);
                let date = Date::of(now);
                assert_eq!(seconds(&date.to_string()), (day + 1) * 86_400);
                assert_eq!(u64::from(date.days_since_monday()), (day + 3) % 7);
            }
        }
    }

    #[test]
    fn refuses_days_that_are_none() {
        let bad = [
            "",
            "2027",
            "2027-06",
            "2027-06-31",
            "2027-02-29",
            "2100-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "1969-12-31",
            "2027-6-30",
            "27-06-30",
            "2027-06-30-",
            "2027-06-30T00",
            "+027-06-30",
            "30.06.2027",
        ];
        for text in bad {
            assert_eq!(text.parse::<Date>(), Err(NotADate), "{text}");
        }
    }
}
