//! What the kernel dropped on its way to the device: our queues of it were full.

/// Packets for interface `name` that the kernel dropped since it was made, by its own statistics; `None` if it does not tell.
///
/// Reads a file: nothing for a thread that has packets.
#[must_use]
pub fn dropped(name: &str) -> Option<u64> {
    // Of the thread's own network namespace.
    let statistics = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    statistics.lines().find_map(|line| transmit_drops(line, name))
}

/// Behind the name: bytes, packets, errors, drops and four more of receiving; then the same of sending.
fn transmit_drops(line: &str, name: &str) -> Option<u64> {
    let (interface, numbers) = line.split_once(':')?;
    (interface.trim() == name).then(|| numbers.split_whitespace().nth(8 + 3)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_interface_is_read() {
        let line = "  adit0: 123000     120    1    2    3     4          5         6   456000     450    7    89    10     11       12          13";
        assert_eq!(transmit_drops(line, "adit0"), Some(89));
        assert_eq!(transmit_drops(line, "adit"), None);
        assert_eq!(transmit_drops("  adit0: 1 2 3", "adit0"), None);
        assert_eq!(transmit_drops(" face |bytes    packets errs drop fifo|bytes", "adit0"), None);
        assert_eq!(dropped("lo"), Some(0));
        assert_eq!(dropped("no such"), None);
    }
}
