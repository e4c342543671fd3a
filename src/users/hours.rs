//! The hours of a week at which an account may be used.
//!
//! ```text
//! Mon-Fri 08:00-18:00 +01:00     every day from Monday to Friday, in a zone one hour east of Greenwich
//! Sat 22:00-06:00 UTC            from Saturday evening to Sunday morning
//! 00:00-24:00 UTC                any day
//! ```
//!
//! The zone always stands there: a server's own is rarely the users'. It is an offset, so summer time is not followed.

use std::time::{Duration, SystemTime};

/// Stretches of a week, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes from Monday 00:00 UTC, first and end of each stretch: in order, apart from each other, within one week.
    stretches: Vec<(u32, u32)>,
}

impl Hours {
    /// The hours that any of `windows` names; the index of the first that names none, if there is one.
    pub(super) fn parse<'a>(windows: impl IntoIterator<Item = &'a str>) -> Result<Self, usize> {
        let mut parts = Vec::new();
        for (index, window) in windows.into_iter().enumerate() {
            parts.extend(stretches_of(window).ok_or(index)?);
        }
        parts.sort_unstable();
        let mut stretches: Vec<(u32, u32)> = Vec::new();
        for (start, end) in parts {
            match stretches.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => stretches.push((start, end)),
            }
        }
        Ok(Self { stretches })
    }

    /// Whether `now` is among them.
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.stretch_at(now).is_some()
    }

    /// How long they last from `now` on: nothing if they are over, and no end if they never are.
    pub fn left(&self, now: SystemTime) -> Option<Duration> {
        let Some((_, mut end)) = self.stretch_at(now) else { return Some(Duration::ZERO) };
        if self.stretches == [(0, WEEK)] {
            return None;
        }
        // Sunday night goes on as Monday morning.
        if end == WEEK
            && let Some((0, continued)) = self.stretches.first()
        {
            end += continued;
        }
        let into_week = since_monday(now);
        Some(Duration::from_secs(u64::from(end) * 60).saturating_sub(into_week))
    }

    fn stretch_at(&self, now: SystemTime) -> Option<(u32, u32)> {
        let minute = since_monday(now).as_secs() / 60;
        self.stretches
            .iter()
            .copied()
            .find(|(start, end)| (u64::from(*start)..u64::from(*end)).contains(&minute))
    }
}

/// Since the beginning of the week that `now` is in, UTC.
fn since_monday(now: SystemTime) -> Duration {
    let unix = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // 1970 began on a Thursday.
    let since = unix + Duration::from_secs(3 * 86_400);
    Duration::from_secs(since.as_secs() % (u64::from(WEEK) * 60))
        + Duration::from_nanos(since.subsec_nanos().into())
}

/// The stretches of the week in UTC that a window names.
fn stretches_of(window: &str) -> Option<Vec<(u32, u32)>> {
    let words: Vec<&str> = window.split_ascii_whitespace().collect();
    let (days, times, zone) = match *words {
        [days, times, zone] => (days_of(days)?, times, zone),
        [times, zone] => ((0..7).collect(), times, zone),
        _ => return None,
    };
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minutes_of(from)?, minutes_of(to)?);
    if from == to || from == DAY {
        return None;
    }
    let length = if from < to { to - from } else { to + DAY - from };
    let east = offset_of(zone)?;
    let mut stretches = Vec::new();
    for day in days {
        let start = (i64::from(day * DAY + from) - i64::from(east)).rem_euclid(i64::from(WEEK));
        let start = u32::try_from(start).ok()?;
        let end = start + length;
        stretches.push((start, end.min(WEEK)));
        if end > WEEK {
            stretches.push((0, end - WEEK));
        }
    }
    Some(stretches)
}

/// The days that `Mon` or `Fri-Mon` names, counted from Monday.
fn days_of(text: &str) -> Option<Vec<u32>> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7 + 1;
    (first..first + count).map(|day| u32::try_from(day % 7).ok()).collect()
}

/// `08:00` as minutes of a day; `24:00` is its end.
fn minutes_of(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= DAY).then_some(sum)
}

/// Minutes east of Greenwich.
fn offset_of(zone: &str) -> Option<i32> {
    if zone == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    // From -12:00 to +14:00 somebody lives there.
    let minutes = i32::try_from(minutes_of(rest)?).ok()? * sign;
    (-720..=840).contains(&minutes).then_some(minutes)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(windows: &[&str]) -> Hours {
        Hours::parse(windows.iter().copied()).unwrap()
    }

    /// Seconds since 1970; `date -u -d '2027-01-04 00:00' +%s` is a Monday.
    const MONDAY: u64 = 1_799_020_800;

    fn at(day: u64, hour: u64, minute: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(MONDAY + day * 86_400 + hour * 3_600 + minute * 60)
    }

    #[test]
    fn working_hours_in_a_zone_of_their_own() {
        let hours = hours(&["Mon-Fri 08:00-18:00 +01:00"]);
        assert!(!hours.is_open(at(0, 6, 59)));
        assert!(hours.is_open(at(0, 7, 0)));
        assert!(hours.is_open(at(4, 16, 59)));
        assert!(!hours.is_open(at(4, 17, 0)));
        assert!(!hours.is_open(at(5, 10, 0)), "Saturday");
        assert_eq!(hours.left(at(0, 16, 30)), Some(Duration::from_secs(1_800)));
        assert_eq!(hours.left(at(0, 17, 0)), Some(Duration::ZERO));
    }

    #[test]
    fn a_night_reaches_into_the_next_day_and_the_next_week() {
        let hours = hours(&["Sat-Sun 22:00-06:00 UTC"]);
        assert!(hours.is_open(at(5, 23, 0)) && hours.is_open(at(6, 5, 59)));
        assert!(!hours.is_open(at(6, 6, 0)));
        assert!(hours.is_open(at(7, 5, 59)), "Monday morning");
        assert_eq!(hours.left(at(6, 22, 0)), Some(Duration::from_secs(8 * 3_600)));
        assert_eq!(hours.left(at(7, 5, 0)), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn a_zone_moves_the_days() {
        // Monday 00:30 at +05:30 is Sunday 19:00 UTC.
        let east = hours(&["Mon 00:30-01:30 +05:30"]);
        assert!(east.is_open(at(6, 19, 0)) && !east.is_open(at(6, 20, 0)));
        // Sunday 23:00 at -03:00 is Monday 02:00 UTC.
        let west = hours(&["Sun 23:00-24:00 -03:00"]);
        assert!(west.is_open(at(7, 2, 0)) && !west.is_open(at(7, 3, 0)));
    }

    #[test]
    fn windows_that_touch_are_one() {
        let hours = hours(&["Mon 08:00-12:00 UTC", "Mon 12:00-18:00 UTC", "Mon 09:00-10:00 UTC"]);
        assert_eq!(hours.left(at(0, 8, 0)), Some(Duration::from_secs(10 * 3_600)));
    }

    #[test]
    fn always_never_ends() {
        for always in [&["00:00-24:00 UTC"][..], &["Tue-Mon 12:00-24:00 +01:00", "00:00-12:00 +01:00"]] {
            let hours = hours(always);
            assert_eq!(hours.left(at(2, 3, 4)), None, "{always:?}");
        }
    }

    #[test]
    fn what_names_no_hours_is_pointed_out() {
        let bad = [
            "",
            "Mon-Fri 08:00-18:00",
            "08:00-18:00",
            "Mon 8:00-18:00 UTC",
            "Mon 08:00-24:01 UTC",
            "Mon 08:60-18:00 UTC",
            "Mon 24:00-06:00 UTC",
            "Mon 08:00-08:00 UTC",
            "Mon 08:00 UTC",
            "Mond 08:00-18:00 UTC",
            "Mon-Fri-Sat 08:00-18:00 UTC",
            "Mon 08:00-18:00 CET",
            "Mon 08:00-18:00 +1:00",
            "Mon 08:00-18:00 +15:00",
            "Mon 08:00-18:00 -13:00",
            "Mon 08:00-18:00 UTC x",
        ];
        for window in bad {
            assert_eq!(Hours::parse(["Sat 08:00-09:00 UTC", window]), Err(1), "{window}");
        }
    }
}
