//! Over the loopback interface, which segments, coalesces and delivers like any other.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::io::poll;

fn bind(address: [u8; 4], offload: Offload) -> OuterSocket {
    OuterSocket::bind(SocketAddr::from((address, 0)), offload).unwrap()
}

fn path(from: &OuterSocket, to: SocketAddr) -> Path {
    Path { local: from.local(), remote: to }
}

/// Receives until `count` datagrams are there: their remote and local addresses, and their bytes.
fn receive(socket: &mut OuterSocket, count: usize) -> Vec<(Path, Vec<u8>)> {
    let mut inbox = Inbox::new();
    let mut all = Vec::new();
    while all.len() < count {
        let ready = poll::wait([socket.as_fd()], Some(Duration::from_secs(5))).unwrap();
        assert!(ready.contains(0), "{} of {count} datagrams after five seconds", all.len());
        let announced = socket.receive(&mut inbox).unwrap();
        let before = all.len();
        while inbox.next_batch() {
            all.extend(inbox.segments().map(|(path, bytes)| (path, bytes.to_vec())));
        }
        assert_eq!(all.len() - before, announced);
    }
    all
}

fn numbered(count: usize, size: usize) -> Vec<u8> {
    (0..count).flat_map(|number| std::iter::repeat_n(number as u8, size)).collect()
}

/// What the receiver shall see of one run.
fn cut(bytes: &[u8], segment: usize) -> Vec<Vec<u8>> {
    bytes.chunks(segment).map(<[u8]>::to_vec).collect()
}

#[test]
fn runs_of_mixed_sizes_arrive_datagram_by_datagram_with_and_without_offload() {
    for (send, take) in [
        (Offload::detect(), Offload::detect()),
        (Offload::OFF, Offload::detect()),
        (Offload::detect(), Offload::OFF),
        (Offload::OFF, Offload::OFF),
    ] {
        let (mut near, mut far) = (bind([127, 0, 0, 1], send), bind([127, 0, 0, 1], take));
        let path = path(&near, far.local());
        let long = [numbered(100, 1400), vec![0xaa; 77]].concat();
        let short = numbered(3, 52);
        let runs = [(&long, 1400), (&short, 52), (&short, 0), (&short, 1000), (&long, 9000)];
        near.send(runs.map(|(bytes, segment)| (path, &bytes[..], segment)));
        let expected: Vec<Vec<u8>> = runs
            .into_iter()
            .flat_map(|(bytes, segment)| cut(bytes, if segment == 0 { bytes.len() } else { segment }))
            .collect();
        let received = receive(&mut far, expected.len());
        assert!(received.iter().all(|(path, _)| path.remote == near.local() && path.local == far.local()));
        assert!(received.into_iter().map(|(_, bytes)| bytes).eq(expected.iter().cloned()));
        assert_eq!(
            (near.counters().sent, far.counters().received),
            (expected.len() as u64, expected.len() as u64)
        );
        assert!(near.counters().discards().chain(far.counters().discards()).all(|(_, count)| count == 0));
        assert_eq!(near.offload(), send, "nothing was lost on the way");
    }
}

#[test]
fn more_runs_than_one_call_takes() {
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    let path = path(&near, far.local());
    let bytes = numbered(250, 100);
    near.send(bytes.chunks(100).map(|run| (path, run, 100)));
    let received = receive(&mut far, 250);
    assert!(received.iter().map(|(_, bytes)| bytes[0]).eq(0..250));
}

#[test]
fn several_datagrams_go_in_one_message_and_a_single_one_without_offload() {
    assert!(Offload::detect().segmentation && Offload::detect().coalescing, "this kernel cannot show it");
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    let bytes = numbered(40, 1400);
    near.send([(path(&near, far.local()), &bytes[..], 1400)]);
    let mut inbox = Inbox::new();
    poll::wait([far.as_fd()], None).unwrap();
    // One message, for one receive without waiting brings all of it.
    assert_eq!(far.receive(&mut inbox).unwrap(), 40);
}

#[test]
fn every_segment_can_be_written_while_the_others_are_borrowed() {
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    let bytes = numbered(5, 64);
    near.send([(path(&near, far.local()), &bytes[..], 64)]);
    poll::wait([far.as_fd()], None).unwrap();
    let mut inbox = Inbox::new();
    far.receive(&mut inbox).unwrap();
    assert!(inbox.next_batch());
    let mut all: Vec<(Path, &mut [u8])> = inbox.segments().collect();
    for (index, (_, bytes)) in all.iter_mut().enumerate() {
        bytes.fill(index as u8 + 1);
    }
    assert!(all.iter().map(|(_, bytes)| bytes[63]).eq(1..=5));
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let mut server = bind([0, 0, 0, 0], Offload::detect());
    for address in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 8, 7]] {
        let mut client = bind([127, 0, 0, 1], Offload::OFF);
        let asked = SocketAddr::from((address, server.local().port()));
        client.send([(path(&client, asked), &b"question"[..], 0)]);
        let (path, _) = receive(&mut server, 1).remove(0);
        assert_eq!(path, Path { local: asked, remote: client.local() });
        // A run, so that address and segment size go together.
        server.send([(path, &b"answeranswer"[..], 6)]);
        for (path, bytes) in receive(&mut client, 2) {
            assert_eq!((path.remote, &bytes[..]), (asked, &b"answer"[..]));
        }
        assert!(server.serves(path.local) && client.serves(client.local()));
        assert!(!client.serves(path.local) && !server.serves(SocketAddr::from((address, 9))));
    }
}

#[test]
fn ipv6_too() {
    let Ok(mut server) = OuterSocket::bind("[::]:0".parse().unwrap(), Offload::detect()) else {
        eprintln!("this machine has no IPv6");
        return;
    };
    let mut client = OuterSocket::bind("[::1]:0".parse().unwrap(), Offload::detect()).unwrap();
    let asked = SocketAddr::new(client.local().ip(), server.local().port());
    client.send([(path(&client, asked), &numbered(3, 500)[..], 500)]);
    let received = receive(&mut server, 3);
    assert!(received.iter().all(|(path, _)| path.local == asked && path.remote == client.local()));
    server.send([(received[0].0, &b"answeranswer"[..], 6)]);
    assert_eq!(receive(&mut client, 2).len(), 2);
}

#[test]
fn what_cannot_be_sent_is_counted_and_stops_nothing() {
    let (mut near, mut far) =
        (bind([0, 0, 0, 0], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    let port = near.local().port();
    let local = |address: [u8; 4]| SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), port);
    let good = Path { local: local([127, 0, 0, 1]), remote: far.local() };
    let bytes = numbered(3, 400);
    let too_long = vec![0; 65508];
    near.send([
        (good, &b"first"[..], 0),
        // Broadcast without SO_BROADCAST: forbidden.
        (Path { remote: SocketAddr::from(([255, 255, 255, 255], 9)), ..good }, &bytes[..], 0),
        (good, &too_long[..], 0),
        // Not an address of this machine.
        (Path { local: local([192, 0, 2, 1]), ..good }, &bytes[..], 400),
        (good, &b"last"[..], 0),
    ]);
    let received = receive(&mut far, 2);
    assert_eq!((&received[0].1[..], &received[1].1[..]), (&b"first"[..], &b"last"[..]));
    let counters = near.counters();
    assert_eq!((counters.sent, counters.forbidden, counters.failed), (2, 1, 1), "{counters:?}");
    assert_eq!((counters.unreachable, counters.offload_refused), (3, 0), "{counters:?}");
    assert_eq!(near.offload(), Offload::detect());
}

#[test]
fn a_kernel_that_stops_segmenting_is_sent_single_datagrams() {
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    // A socket without checksums cannot segment: EINVAL, as from the drivers that this stands for.
    set_option(&near.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    let path = path(&near, far.local());
    let bytes = numbered(10, 1000);
    near.send([(path, &b"alone"[..], 0), (path, &bytes[..], 1000), (path, &bytes[..2500], 1000)]);
    let received = receive(&mut far, 14);
    assert_eq!(received[0].1, b"alone");
    assert!(received[1..11].iter().map(|(_, bytes)| bytes).eq(&cut(&bytes, 1000)));
    assert!(received[11..].iter().map(|(_, bytes)| bytes).eq(&cut(&bytes[..2500], 1000)));
    assert!(!near.offload().segmentation);
    assert_eq!((near.counters().sent, near.counters().offload_refused), (14, 2));
    near.send([(path, &bytes[..], 1000)]);
    receive(&mut far, 10);
    assert_eq!(near.counters().offload_refused, 2, "it is not tried again");
}

/// A driver that cannot segment says so with EIO, at any time; what goes alone is sent.
unsafe extern "C" fn refuses_segments(
    socket: c_int,
    messages: *mut libc::mmsghdr,
    count: libc::c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: called as sendmmsg is, with one message at least.
    if unsafe { segment_of(&(*messages).msg_hdr) }.is_some() {
        // SAFETY: errno belongs to this thread.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    // SAFETY: the caller's arguments; one message at a time, so that each is looked at.
    unsafe { libc::sendmmsg(socket, messages, count.min(1), flags) }
}

/// The size in the message's UDP_SEGMENT.
///
/// # Safety
///
/// The message has control messages in readable memory, or none.
unsafe fn segment_of(message: &libc::msghdr) -> Option<u16> {
    // SAFETY: the caller's word.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(fields) = header.as_ref() {
            if (fields.cmsg_level, fields.cmsg_type) == (libc::SOL_UDP, libc::UDP_SEGMENT) {
                return Some(libc::CMSG_DATA(header).cast::<u16>().read_unaligned());
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
        None
    }
}

#[test]
fn a_driver_that_stops_segmenting_costs_nothing_but_time() {
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    let path = path(&near, far.local());
    let bytes = numbered(10, 1000);
    near.send([(path, &bytes[..], 1000)]);
    near.outbox.call = refuses_segments;
    near.send([(path, &b"alone"[..], 0), (path, &bytes[..], 1000), (path, &bytes[..2500], 1000)]);
    near.send([(path, &bytes[..], 1000)]);
    let received: Vec<Vec<u8>> = receive(&mut far, 34).into_iter().map(|(_, bytes)| bytes).collect();
    let expected = [
        cut(&bytes, 1000),
        vec![b"alone".to_vec()],
        cut(&bytes, 1000),
        cut(&bytes[..2500], 1000),
        cut(&bytes, 1000),
    ];
    assert_eq!(received, expected.concat());
    assert_eq!(near.offload(), Offload { segmentation: false, ..Offload::detect() });
    assert_eq!((near.counters().sent, near.counters().offload_refused), (34, 2), "{:?}", near.counters());
}

/// Some paths break on UDP_SEGMENT for one datagram: it stands only where there are several, not even on the last of a run.
unsafe extern "C" fn looks_at_segments(
    socket: c_int,
    messages: *mut libc::mmsghdr,
    count: libc::c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: called as sendmmsg is: so many messages, each with the vectors it says.
    for message in unsafe { std::slice::from_raw_parts(messages, count as usize) } {
        let vector = unsafe { *message.msg_hdr.msg_iov };
        let segment = unsafe { segment_of(&message.msg_hdr) };
        assert!(
            segment.is_none_or(|segment| vector.iov_len > usize::from(segment)),
            "{} {segment:?}",
            vector.iov_len
        );
    }
    // SAFETY: the caller's arguments.
    unsafe { libc::sendmmsg(socket, messages, count, flags) }
}

#[test]
fn one_datagram_has_no_segment_size() {
    let (mut near, mut far) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::detect()));
    near.outbox.call = looks_at_segments;
    let path = path(&near, far.local());
    // Sixty-four go in one message, so one is left of these.
    let bytes = numbered(65, 100);
    near.send([(path, &b"alone"[..], 0), (path, &bytes[..], 100), (path, &bytes[..100], 100)]);
    assert_eq!(receive(&mut far, 67).len(), 67);
}

#[test]
fn a_port_in_use_is_named() {
    let first = bind([127, 0, 0, 1], Offload::OFF);
    let error = OuterSocket::bind(first.local(), Offload::OFF).unwrap_err().to_string();
    assert!(error.contains(&first.local().to_string()) && error.contains("another"), "{error}");
    let error = OuterSocket::bind("192.0.2.1:500".parse().unwrap(), Offload::OFF).unwrap_err().to_string();
    assert!(error.contains("no interface"), "{error}");
}

#[test]
fn what_a_full_buffer_has_no_room_for_is_counted() {
    let (mut near, mut far) = (bind([127, 0, 0, 1], Offload::OFF), bind([127, 0, 0, 1], Offload::detect()));
    set_option(&far.socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 1 << 16).unwrap();
    let to = path(&near, far.local());
    let bytes = numbered(200, 1400);
    let mut all = 0;
    // The second time, the count goes on.
    for _ in 0..2 {
        near.send([(to, &bytes[..], 1400)]);
        all += receive_all(&mut far);
        // It comes with the next one that there is room for.
        near.send([(to, &bytes[..1400], 0)]);
        all += receive_all(&mut far);
        let Counters { received, overflowed, .. } = *far.counters();
        assert_eq!(received, all);
        assert_eq!(received + overflowed, near.counters().sent);
        assert!(overflowed > 0);
    }
    assert!(far.counters().discards().any(|(name, count)| name == "receive_full" && count > 100));
}

/// Receives and forgets what is there; how much that was.
fn receive_all(socket: &mut OuterSocket) -> u64 {
    let (mut inbox, before) = (Inbox::new(), socket.counters().received);
    while socket.receive(&mut inbox).unwrap() > 0 {
        while inbox.next_batch() {}
    }
    socket.counters().received - before
}

#[test]
fn a_quiet_sender_does_not_wait_for_a_flood_and_no_batch_is_long() {
    let (mut flood, mut quiet) =
        (bind([127, 0, 0, 1], Offload::detect()), bind([127, 0, 0, 1], Offload::OFF));
    let mut far = bind([127, 0, 0, 1], Offload::detect());
    let train = numbered(44, 1400);
    let to = path(&flood, far.local());
    flood.send((0..12).map(|_| (to, &train[..], 1400)));
    quiet.send([(path(&quiet, far.local()), &b"ping"[..], 4)]);
    let mut inbox = Inbox::new();
    while far.receive(&mut inbox).unwrap() > 0 {}
    let (mut sizes, mut place) = (Vec::new(), None);
    while inbox.next_batch() {
        let batch: Vec<Path> = inbox.segments().map(|(path, _)| path).collect();
        if batch.iter().any(|path| path.remote == quiet.local()) {
            place = Some(sizes.len());
        }
        sizes.push(batch.len());
    }
    assert_eq!(place, Some(0), "of batches of {sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 12 * 44 + 1);
    // The last message that a batch takes may be the longest that there is.
    assert!(sizes.iter().all(|size| *size < 128 + 64), "{sizes:?}");
}
