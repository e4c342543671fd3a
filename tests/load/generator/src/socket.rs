//! A UDP socket that never waits, and takes and gives whole trains in one call: UDP_SEGMENT and UDP_GRO.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use anyhow::Context as _;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recv, recvmsg, sendmsg, setsockopt, sockopt,
};

/// Connected, or bound and listening to everybody.
pub(crate) struct Socket {
    inner: UdpSocket,
    control: Vec<u8>,
}

impl Socket {
    /// Binds `from`, in the namespace that this is called in, and connects.
    pub(crate) fn connect(from: SocketAddr, to: SocketAddr) -> anyhow::Result<Self> {
        let socket = Self::bind(from)?;
        socket.inner.connect(to).with_context(|| format!("no way to {to}"))?;
        Ok(socket)
    }

    /// Binds, in the namespace that this is called in.
    pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let inner = UdpSocket::bind(address).with_context(|| format!("cannot bind {address}"))?;
        inner.set_nonblocking(true)?;
        // Beyond the system's limit with root, up to it without.
        setsockopt(&inner, sockopt::RcvBufForce, &BUFFER)
            .or_else(|_| setsockopt(&inner, sockopt::RcvBuf, &BUFFER))
            .context("SO_RCVBUF")?;
        setsockopt(&inner, sockopt::SndBufForce, &BUFFER)
            .or_else(|_| setsockopt(&inner, sockopt::SndBuf, &BUFFER))
            .context("SO_SNDBUF")?;
        setsockopt(&inner, sockopt::UdpGroSegment, &true).context("UDP_GRO")?;
        Ok(Self { inner, control: nix::cmsg_space!(i32) })
    }

    /// The same socket once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, control: self.control.clone() })
    }

    /// Where it is bound.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Our own address on the way to the peer.
    pub(crate) fn local_v4(&self) -> anyhow::Result<Ipv4Addr> {
        match self.local_addr()? {
            SocketAddr::V4(address) => Ok(*address.ip()),
            SocketAddr::V6(_) => anyhow::bail!("an IPv6 address for an IPv4 server"),
        }
    }

    /// Sends `bytes` as datagrams of `segment` bytes, the last of which may be shorter. False when there was no room or
    /// nobody listens.
    pub(crate) fn send(&self, bytes: &[u8], segment: usize) -> io::Result<bool> {
        let sent = if bytes.len() <= segment {
            self.inner.send(bytes)
        } else {
            let segment = u16::try_from(segment).map_err(|_| ErrorKind::InvalidInput)?;
            let control = [ControlMessage::UdpGsoSegments(&segment)];
            let slices = [IoSlice::new(bytes)];
            sendmsg::<()>(self.inner.as_raw_fd(), &slices, &control, MsgFlags::empty(), None)
                .map_err(io::Error::from)
        };
        match sent {
            Ok(_) => Ok(true),
            Err(error) if passes(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Receives what the kernel put together, for those who know how long datagrams are; `None` when nothing is there. What
    /// `buffer` has no room for is not even read: the length is that of all.
    pub(crate) fn receive_beginning(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(self.inner.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC).map_err(io::Error::from) {
            Ok(length) => Ok(Some(length)),
            Err(error) if passes(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Receives what the kernel put together, and how long each datagram in it is but the last; `None` when nothing is there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, usize)>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let received =
            recvmsg::<()>(self.inner.as_raw_fd(), &mut slices, Some(&mut self.control), MsgFlags::empty());
        match received {
            Ok(message) => {
                let segment = message.cmsgs()?.find_map(|control| match control {
                    ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
                    _ => None,
                });
                let segment = segment.unwrap_or(message.bytes).max(1);
                Ok(Some((message.bytes, segment)))
            }
            Err(error) => match io::Error::from(error) {
                error if passes(&error) => Ok(None),
                error => Err(error),
            },
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused)
        || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// What the kernel puts together at most.
pub(crate) const LONGEST: usize = 1 << 16;

/// Bytes that may wait in a socket, each way.
const BUFFER: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_train_arrives_with_its_lengths() {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut sink = Socket::bind(loopback).unwrap();
        let source = Socket::connect(loopback, sink.local_addr().unwrap()).unwrap();
        let mut buffer = vec![0; LONGEST];
        assert_eq!(sink.receive(&mut buffer).unwrap(), None);
        assert!(source.send(&[7; 2500], 1000).unwrap());
        let mut lengths = Vec::new();
        while let Some((length, segment)) = sink.receive(&mut buffer).unwrap() {
            lengths.extend(buffer[..length].chunks(segment).map(<[u8]>::len));
        }
        assert_eq!(lengths, [1000, 1000, 500]);
        assert!(source.send(&[7; 2500], 1000).unwrap());
        let mut beginning = [0; 10];
        let mut total = 0;
        while let Some(length) = sink.receive_beginning(&mut beginning).unwrap() {
            total += length;
            assert_eq!(beginning, [7; 10]);
        }
        assert_eq!(total, 2500);
        assert!(source.send(b"alone", 5).unwrap());
        assert_eq!(sink.receive(&mut buffer).unwrap(), Some((5, 5)));
    }
}
