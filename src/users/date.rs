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
    /// Returns the first moment after this day.
    pub fn end(&self) -> SystemTime {
        let whole_years: u64 = (1970..self.year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
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
